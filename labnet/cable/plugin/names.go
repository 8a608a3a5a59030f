package plugin

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"strings"
)

// maxName is the longest interface name (IFNAMSIZ without the final zero).
const maxName = 15

// BridgeName is the interface name of a segment's bridge: "s-" and the id
// where that fits, else "s-" and a hash of it, always the same.
func BridgeName(segment string) string {
	if n := "s-" + segment; len(n) <= maxName && plain(segment) {
		return n
	}
	return "s-" + digest("segment", segment)[:12] + "h"
}

// PortName is the name of the switch's end of a cable.
func PortName(container, ifname string) string {
	return "p" + digest("port", container, ifname)[:14]
}

// MAC derives the address of a node's interface from the two names alone, so
// that a site has the same addresses in every lab. It is unicast and locally
// administered (IEEE 802, second bit of the first octet).
func MAC(container, ifname string) net.HardwareAddr {
	return mac("node", container, ifname)
}

// portMAC is the address of the switch's end. It never sends a frame of its
// own; a fixed one keeps a lab reproducible.
func portMAC(container, ifname string) net.HardwareAddr {
	return mac("switch", container, ifname)
}

// BridgeMAC is the address of a segment's bridge: without one the bridge takes
// the lowest of its ports' and changes it when ports come and go.
func BridgeMAC(segment string) net.HardwareAddr { return mac("bridge", segment) }

func mac(parts ...string) net.HardwareAddr {
	sum := sum(parts...)
	return net.HardwareAddr{0x02, sum[0], sum[1], sum[2], sum[3], sum[4]}
}

func digest(parts ...string) string {
	s := sum(parts...)
	return hex.EncodeToString(s[:])
}

// sum hashes with a separator that cannot occur in a name, so that ("a", "bc")
// and ("ab", "c") differ.
func sum(parts ...string) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join(parts, "\x00")))
}

// plain says that a segment's id can be part of an interface name as it is.
func plain(s string) bool {
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r == '-', r == '_', r == '.':
		default:
			return false
		}
	}
	return s != ""
}

// Mark is written on the switch's end as its alias: whose port it is, readable
// by `ip link` and by a sweep that has lost every file.
type Mark struct{ Network, Container, IfName string }

const markPrefix = "situlab:"

// String is the alias. Network, container and interface cannot hold a slash
// (libcni checks them).
func (m Mark) String() string {
	return markPrefix + m.Network + "/" + m.Container + "/" + m.IfName
}

// ParseMark reads an alias; false means that the port is not ours.
func ParseMark(alias string) (Mark, bool) {
	rest, ok := strings.CutPrefix(alias, markPrefix)
	if !ok {
		return Mark{}, false
	}
	p := strings.Split(rest, "/")
	if len(p) != 3 || p[0] == "" || p[1] == "" || p[2] == "" {
		return Mark{}, false
	}
	return Mark{Network: p[0], Container: p[1], IfName: p[2]}, true
}
