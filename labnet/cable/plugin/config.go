package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"

	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
)

// Type is the plugin's name in a CNI configuration.
const Type = "situlab-cni"

// Codes of this plugin; those below 100 belong to the CNI specification.
const (
	// ErrPortExists: the switch already has this port. DEL first.
	ErrPortExists uint = 100
	// ErrUnknownSegment: the switch has no bridge for this segment.
	ErrUnknownSegment uint = 101
	// ErrInterfaceExists: the container already has this interface.
	ErrInterfaceExists uint = 102
	// ErrChanged: CHECK found the attachment, but not as it was made.
	ErrChanged uint = 103
)

// Port is the runtimeConfig of capability "port".
type Port struct {
	// Segment overrides the configuration's.
	Segment string `json:"segment,omitempty"`
	// Down leaves the switch's end without power: no carrier in the container.
	Down bool `json:"down,omitempty"`
	// Raise also sets the container's end up, as firmware does with a link that
	// is powered before the system boots.
	Raise bool `json:"raise,omitempty"`
	// Via is the device that stands on the bridge in the port's place (a
	// relay's TAP). CHECK only.
	Via string `json:"via,omitempty"`
}

// Config is what the plugin reads from standard input.
type Config struct {
	types.PluginConf
	// Switch is the pin of the switch namespace.
	Switch string `json:"switch"`
	// Segment is the segment unless capability "port" says otherwise.
	Segment string `json:"segment,omitempty"`
	// MTU of both ends in bytes; 0 means the kernel's default.
	MTU int `json:"mtu,omitempty"`
	// RuntimeConfig holds the capability arguments.
	RuntimeConfig struct {
		MAC  string   `json:"mac,omitempty"`
		IPs  []string `json:"ips,omitempty"`
		Port Port     `json:"port"`
	} `json:"runtimeConfig"`

	mac  net.HardwareAddr
	ips  []netip.Prefix
	prev *types100.Result
}

// Versions are the versions of the CNI specification that are answered.
func Versions() version.PluginInfo {
	return version.PluginSupports("0.4.0", "1.0.0", "1.1.0")
}

// segment is the effective segment.
func (c *Config) segment() string {
	if s := c.RuntimeConfig.Port.Segment; s != "" {
		return s
	}
	return c.Segment
}

func bad(format string, args ...any) error {
	return types.NewError(types.ErrInvalidNetworkConfig, "invalid network configuration", fmt.Sprintf(format, args...))
}

// ParseConfig reads and checks a configuration. Errors are types.Error with
// ErrDecodingFailure or ErrInvalidNetworkConfig.
func ParseConfig(data []byte) (*Config, error) {
	c := &Config{}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(c); err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "network configuration is not readable", err.Error())
	}
	switch {
	case c.Name == "":
		return nil, bad("no network name")
	case c.Switch == "":
		return nil, bad(`no "switch": the path of the switch namespace's pin`)
	case !filepath.IsAbs(c.Switch) || filepath.Clean(c.Switch) != c.Switch:
		return nil, bad(`"switch": %q is not a clean absolute path`, c.Switch)
	case c.MTU != 0 && (c.MTU < 68 || c.MTU > 65535):
		// RFC 791: every internet module handles 68 octets.
		return nil, bad(`"mtu": %d is not between 68 and 65535`, c.MTU)
	}
	if s := c.RuntimeConfig.MAC; s != "" {
		m, err := net.ParseMAC(s)
		if err != nil || len(m) != 6 {
			return nil, bad(`"mac": %q is no Ethernet address`, s)
		}
		if m[0]&1 != 0 {
			return nil, bad(`"mac": %s is a group address`, m)
		}
		c.mac = m
	}
	for _, s := range c.RuntimeConfig.IPs {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, bad(`"ips": %q is no address with a prefix length`, s)
		}
		c.ips = append(c.ips, p)
	}
	if c.RawPrevResult != nil {
		if err := version.ParsePrevResult(&c.PluginConf); err != nil {
			return nil, types.NewError(types.ErrDecodingFailure, "previous result is not readable", err.Error())
		}
		r, err := types100.NewResultFromResult(c.PrevResult)
		if err != nil {
			return nil, types.NewError(types.ErrDecodingFailure, "previous result cannot be converted", err.Error())
		}
		c.prev = r
	}
	return c, nil
}
