package cable

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"

	"github.com/containernetworking/cni/libcni"
	"github.com/vishvananda/netlink"

	"github.com/situlab/situlab/labnet/cable/internal/netns"
	"github.com/situlab/situlab/labnet/cable/plugin"
)

// Config says whose switch it is and where it keeps its state.
type Config struct {
	// Lab is the lab's name: letters, digits, '.', '_' and '-'.
	Lab string
	// StateDir is the lab's directory on the host; the switch owns its folder
	// "switch" and nothing else. It should lie on a tmpfs: nothing in it is
	// worth more than the namespace that it describes.
	StateDir string
	// MTU of the cables in bytes; 0 means 1500.
	MTU int
}

// Switch is the switch namespace of one lab. Its methods may be called from
// several goroutines, also for the same node.
type Switch struct {
	cfg    Config
	dir    string
	sw     *plugin.Switch
	plug   *plugin.Plugin
	cni    *libcni.CNIConfig
	list   *libcni.NetworkConfigList
	keys   keyed
	relays relays

	mu       sync.Mutex
	ports    map[key]*record
	segments map[string]int // id -> index of the bridge
}

// Names of what lies in the switch's folder.
const (
	folder   = "switch"
	pinName  = "netns"
	cniName  = "cni"
	portName = "ports"
)

var validName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$`)

func (c Config) check() error {
	if !validName.MatchString(c.Lab) {
		return &InputError{"lab", c.Lab, "want 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first"}
	}
	if !filepath.IsAbs(c.StateDir) {
		return &InputError{"state directory", c.StateDir, "want an absolute path"}
	}
	if c.MTU != 0 && (c.MTU < 68 || c.MTU > 65535) {
		return &InputError{"mtu", fmt.Sprint(c.MTU), "want 68 to 65535"}
	}
	return nil
}

// NewSwitch makes the switch namespace of a lab: empty, pinned under the state
// directory, without address, uplink, forwarding or IPv6. A switch that is
// already there is an error (adopt it with [OpenSwitch] or remove it with
// [Sweep]).
func NewSwitch(ctx context.Context, cfg Config) (*Switch, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	dir := filepath.Join(cfg.StateDir, folder)
	if err := os.MkdirAll(filepath.Join(dir, portName), 0o700); err != nil {
		return nil, fmt.Errorf("state of the switch: %w", err)
	}
	pin := filepath.Join(dir, pinName)
	if err := netns.Create(ctx, pin); err != nil {
		return nil, fmt.Errorf("switch of lab %s: %w", cfg.Lab, err)
	}
	s, err := open(cfg, dir)
	if err == nil {
		err = s.prepare()
	}
	if err != nil {
		if s != nil {
			s.sw.Close()
		}
		return nil, errors.Join(err, netns.Remove(pin), removeState(dir))
	}
	return s, nil
}

// OpenSwitch adopts the switch that another process made. Relays died with
// that process: they are started again.
func OpenSwitch(ctx context.Context, cfg Config) (*Switch, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s, err := open(cfg, filepath.Join(cfg.StateDir, folder))
	if err != nil {
		return nil, err
	}
	if err = s.load(); err == nil {
		err = s.resume(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("adopt the switch of lab %s: %w", cfg.Lab, err), s.Release())
	}
	return s, nil
}

func open(cfg Config, dir string) (*Switch, error) {
	pin := filepath.Join(dir, pinName)
	sw, err := plugin.OpenSwitch(pin)
	if err != nil {
		return nil, fmt.Errorf("switch of lab %s: %w", cfg.Lab, err)
	}
	plug := &plugin.Plugin{}
	plug.Use(sw)
	list, err := networkList(cfg, pin)
	if err != nil {
		sw.Close()
		return nil, err
	}
	return &Switch{
		cfg: cfg, dir: dir, sw: sw, plug: plug, list: list,
		cni:      libcni.NewCNIConfigWithCacheDir(nil, filepath.Join(dir, cniName), &plugin.Exec{Plugin: plug}),
		ports:    map[key]*record{},
		segments: map[string]int{},
	}, nil
}

// prepare makes the new namespace mute: no IPv6 on anything made later, no
// forwarding of packets, no firewall hooks for bridges.
func (s *Switch) prepare() error {
	return netns.DoFile(s.sw.File(), func() error {
		for _, c := range []struct{ file, value string }{
			{"net/ipv6/conf/all/disable_ipv6", "1"},
			{"net/ipv6/conf/default/disable_ipv6", "1"},
			{"net/ipv4/ip_forward", "0"},
			{"net/bridge/bridge-nf-call-iptables", "0"},
			{"net/bridge/bridge-nf-call-ip6tables", "0"},
			{"net/bridge/bridge-nf-call-arptables", "0"},
		} {
			err := os.WriteFile("/proc/sys/"+c.file, []byte(c.value), 0)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("sysctl %s of the switch: %w", c.file, err)
			}
		}
		return nil
	})
}

// Lab is the lab's name.
func (s *Switch) Lab() string { return s.cfg.Lab }

// NetNS is the path of the switch namespace, for captures and for tests.
func (s *Switch) NetNS() string { return s.sw.Path() }

// Release lets go of the switch without removing it: another process may adopt
// it. Relays stop.
func (s *Switch) Release() error {
	err := s.relays.stopAll()
	s.plug.Forget(s.sw)
	return errors.Join(err, s.sw.Close())
}

// Close removes the switch with all that is in it; the kernel frees segments
// and cables in the background. The nodes' ends vanish with them.
func (s *Switch) Close() error {
	return errors.Join(s.Release(), netns.Remove(s.sw.Path()), removeState(s.dir))
}

// Sweep removes the switch that a killed process left in a state directory:
// its pin and its files, nothing else. Sweeping twice is no error.
func Sweep(ctx context.Context, stateDir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !filepath.IsAbs(stateDir) {
		return &InputError{"state directory", stateDir, "want an absolute path"}
	}
	dir := filepath.Join(stateDir, folder)
	return errors.Join(netns.Remove(filepath.Join(dir, pinName)), removeState(dir))
}

// removeState removes the files of a switch by the names that it gave them,
// then its folder if nothing else is in it.
func removeState(dir string) error {
	var errs []error
	for _, sub := range []string{cniName, portName} {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, sub)))
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, fmt.Errorf("folder of the switch: %w", err))
	}
	return errors.Join(errs...)
}

const segmentMark = "situlab-segment:"

// AddSegment makes a layer-2 network: a bridge without address, spanning tree
// or multicast snooping. A segment that is already there is left as it is.
func (s *Switch) AddSegment(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !validName.MatchString(id) {
		return &InputError{"segment", id, "want 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first"}
	}
	unlock := s.keys.lock(key{node: "segment " + id})
	defer unlock()
	if _, err := s.bridge(id); err == nil {
		return nil
	}
	la := netlink.NewLinkAttrs()
	la.Name = plugin.BridgeName(id)
	la.HardwareAddr = plugin.BridgeMAC(id)
	la.Flags = net.FlagUp
	off, ageing := false, uint32(300*100) // 300 s in clock_t (1/100 s)
	br := &netlink.Bridge{LinkAttrs: la, MulticastSnooping: &off, AgeingTime: &ageing}
	err := s.sw.Do(func(h *netlink.Handle) error {
		if err := h.LinkAdd(br); err != nil {
			return fmt.Errorf("segment %s: make bridge %s: %w", id, la.Name, err)
		}
		if err := h.LinkSetAlias(br, segmentMark+id); err != nil {
			return errors.Join(fmt.Errorf("segment %s: mark bridge %s: %w", id, la.Name, err), h.LinkDel(br))
		}
		l, err := h.LinkByName(la.Name)
		if err != nil {
			return fmt.Errorf("segment %s: %w", id, err)
		}
		la.Index = l.Attrs().Index
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.segments[id] = la.Index
	s.mu.Unlock()
	return nil
}

// Segments lists the segments by id, sorted.
func (s *Switch) Segments() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, 0, len(s.segments))
	for id := range s.segments {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

// bridge is the index of a segment's bridge.
func (s *Switch) bridge(id string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.segments[id]
	if !ok {
		return 0, &InputError{"segment", id, "no such segment in lab " + s.cfg.Lab}
	}
	return i, nil
}

// links lists everything in the switch namespace by name.
func (s *Switch) links() (map[string]netlink.Link, error) {
	byName := map[string]netlink.Link{}
	err := s.sw.Do(func(h *netlink.Handle) error {
		all, err := plugin.Dump(h.LinkList)
		for _, l := range all {
			byName[l.Attrs().Name] = l
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("links of the switch: %w", err)
	}
	return byName, nil
}

// load reads segments from the kernel and ports from their files.
func (s *Switch) load() error {
	links, err := s.links()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range links {
		if id, ok := strings.CutPrefix(l.Attrs().Alias, segmentMark); ok && l.Type() == "bridge" {
			s.segments[id] = l.Attrs().Index
		}
	}
	recs, err := readRecords(filepath.Join(s.dir, portName))
	if err != nil {
		return err
	}
	for _, r := range recs {
		s.ports[r.key()] = r
	}
	return nil
}
