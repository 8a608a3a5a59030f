package cable

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"sort"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/cable/internal/netns"
	"github.com/situlab/situlab/labnet/cable/plugin"
)

// NetState is what the kernel says about the network of one node. Equal states
// are equal values: everything is sorted, and what changes by itself (counters,
// lifetimes, timers, handles) is left out.
type NetState struct {
	Links     []LinkState    `json:"links"`
	Addresses []AddressState `json:"addresses"`
	Routes    []RouteState   `json:"routes"`
	Rules     []string       `json:"rules"`
	NFT       NFTState       `json:"nft"`
	// Sysctls are the settings that decide whether packets pass.
	Sysctls map[string]string `json:"sysctls"`
	// Truncated says that the node has more entries than are looked at.
	Truncated bool `json:"truncated,omitempty"`
}

// LinkState is one interface.
type LinkState struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	MAC     string `json:"mac,omitempty"`
	MTU     int    `json:"mtu"`
	Up      bool   `json:"up"`
	Carrier bool   `json:"carrier"`
	Master  string `json:"master,omitempty"`
}

// AddressState is one address of an interface.
type AddressState struct {
	Interface string `json:"interface"`
	Address   string `json:"address"` // with its prefix length
	// Leased says that the address has a lifetime (DHCP, router advertisement).
	Leased bool `json:"leased,omitempty"`
}

// RouteState is one route of one table. The kernel's own entries of table
// "local" are left out: they repeat the addresses.
type RouteState struct {
	Table    int      `json:"table"`
	Dst      string   `json:"dst"`            // "default" or a prefix
	Type     string   `json:"type,omitempty"` // empty means unicast
	Via      []string `json:"via,omitempty"`  // "gateway dev", "dev" or "gateway dev weight n"
	Protocol string   `json:"protocol"`
	Metric   int      `json:"metric,omitempty"`
	Src      string   `json:"src,omitempty"`
}

// NFTState is a node's nftables ruleset (iptables-nft included).
type NFTState struct {
	// Tables and Rules are numbers of.
	Tables int `json:"tables"`
	Rules  int `json:"rules"`
	// Text is one line per table, chain, set and rule, close to what nft(8)
	// prints; counters and handles are left out.
	Text []string `json:"text,omitempty"`
	// Error says why the ruleset could not be read.
	Error string `json:"error,omitempty"`
}

// maxEntries bounds each list: the node is hostile and could have millions.
const maxEntries = 4096

// State reads the network of the namespace at path from outside: netlink
// sockets and /proc/sys, never a program of the node.
func State(ctx context.Context, path string) (NetState, error) {
	if err := ctx.Err(); err != nil {
		return NetState{}, err
	}
	ns, err := netns.Open(path)
	if err != nil {
		return NetState{}, err
	}
	defer ns.Close()
	h, err := plugin.HandleAt(ns)
	if err != nil {
		return NetState{}, err
	}
	defer h.Close()
	var s NetState
	names, err := s.readLinks(h)
	if err != nil {
		return NetState{}, fmt.Errorf("state of %s: %w", path, err)
	}
	if err := s.readAddresses(h, names); err != nil {
		return NetState{}, fmt.Errorf("state of %s: %w", path, err)
	}
	if err := s.readRoutes(h, names); err != nil {
		return NetState{}, fmt.Errorf("state of %s: %w", path, err)
	}
	if err := s.readRules(h); err != nil {
		return NetState{}, fmt.Errorf("state of %s: %w", path, err)
	}
	err = netns.DoFile(ns, func() error {
		s.readSysctls()
		s.NFT, s.Truncated = readNFT(s.Truncated)
		return nil
	})
	if err != nil {
		return NetState{}, fmt.Errorf("state of %s: %w", path, err)
	}
	return s, nil
}

// globalSysctls and linkSysctls are the settings that State reads.
var (
	globalSysctls = []string{
		"net/ipv4/ip_forward",
		"net/ipv4/icmp_echo_ignore_all",
		"net/ipv4/ip_nonlocal_bind",
		"net/ipv4/conf/all/rp_filter",
		"net/ipv4/conf/all/arp_ignore",
		"net/ipv6/conf/all/forwarding",
		"net/ipv6/conf/all/disable_ipv6",
	}
	linkSysctls = []string{"rp_filter", "forwarding"}
)

// readSysctls reads through the calling thread's namespace: /proc/sys/net is
// that of whoever opens it. What the kernel lacks is left out.
func (s *NetState) readSysctls() {
	s.Sysctls = map[string]string{}
	read := func(file string) {
		fd, err := unix.Open("/proc/sys/"+file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		defer unix.Close(fd)
		var buf [64]byte
		if n, err := unix.Read(fd, buf[:]); err == nil {
			s.Sysctls[strings.ReplaceAll(file, "/", ".")] = strings.TrimSpace(string(buf[:n]))
		}
	}
	for _, f := range globalSysctls {
		read(f)
	}
	for i, l := range s.Links {
		// The name is the node's choice; the kernel forbids "/" in it, but
		// nothing else keeps it from meaning another directory.
		if i >= 32 || l.Name == "." || l.Name == ".." || strings.ContainsRune(l.Name, os.PathSeparator) {
			continue
		}
		for _, f := range linkSysctls {
			read("net/ipv4/conf/" + l.Name + "/" + f)
		}
	}
}

// Lines is the state as sorted lines of text, one fact each, for digests and
// for differences.
func (s NetState) Lines() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, strings.TrimSpace(fmt.Sprintf(format, args...))) }
	for _, l := range s.Links {
		add("link %s %s mac %s mtu %d up %v carrier %v %s", l.Name, l.Type, l.MAC, l.MTU, l.Up, l.Carrier, prefixed("master ", l.Master))
	}
	for _, a := range s.Addresses {
		kind := ""
		if a.Leased {
			kind = "leased"
		}
		add("address %s %s %s", a.Interface, a.Address, kind)
	}
	for _, r := range s.Routes {
		add("route %s", r)
	}
	for _, r := range s.Rules {
		add("rule %s", r)
	}
	for _, t := range s.NFT.Text {
		add("nft %s", t)
	}
	if len(s.NFT.Text) > 0 {
		// The order of rules matters, and these lines are sorted.
		sum := sha256.Sum256([]byte(strings.Join(s.NFT.Text, "\n")))
		add("nft ruleset %x", sum[:6])
	}
	if s.NFT.Error != "" {
		add("nft unreadable: %s", s.NFT.Error)
	}
	for k, v := range s.Sysctls {
		add("sysctl %s = %s", k, v)
	}
	sort.Strings(out)
	return out
}

// clean makes a name that the node chose harmless for terminals and reports:
// the kernel allows any byte but a few in names of links, tables and sets.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// String is the route as ip-route(8) would show it.
func (r RouteState) String() string {
	parts := []string{}
	if r.Type != "" {
		parts = append(parts, r.Type)
	}
	parts = append(parts, r.Dst)
	parts = append(parts, r.Via...)
	parts = append(parts, "proto "+r.Protocol)
	if r.Metric != 0 {
		parts = append(parts, fmt.Sprintf("metric %d", r.Metric))
	}
	if r.Src != "" {
		parts = append(parts, "src "+r.Src)
	}
	if r.Table != unix.RT_TABLE_MAIN {
		parts = append(parts, fmt.Sprintf("table %d", r.Table))
	}
	return strings.Join(parts, " ")
}

// Digest is a hash of [NetState.Lines]: two states with the same digest are the
// same.
func (s NetState) Digest() string {
	sum := sha256.Sum256([]byte(strings.Join(s.Lines(), "\n")))
	return hex.EncodeToString(sum[:])
}

// Change is what differs between two states of a node, as lines.
type Change struct {
	Gone []string `json:"gone,omitempty"`
	New  []string `json:"new,omitempty"`
}

// IsZero reports that nothing differs.
func (c Change) IsZero() bool { return len(c.Gone) == 0 && len(c.New) == 0 }

// Diff compares two states line by line.
func Diff(before, after NetState) Change {
	count := map[string]int{}
	for _, l := range before.Lines() {
		count[l]--
	}
	for _, l := range after.Lines() {
		count[l]++
	}
	var c Change
	for l, n := range count {
		for ; n < 0; n++ {
			c.Gone = append(c.Gone, l)
		}
		for ; n > 0; n-- {
			c.New = append(c.New, l)
		}
	}
	sort.Strings(c.Gone)
	sort.Strings(c.New)
	return c
}
