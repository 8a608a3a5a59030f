package cable

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/cable/plugin"
)

// readLinks fills Links and returns the interfaces' names by index.
func (s *NetState) readLinks(h *netlink.Handle) (map[int]string, error) {
	links, err := plugin.Dump(h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("links: %w", err)
	}
	if len(links) > maxEntries {
		links, s.Truncated = links[:maxEntries], true
	}
	names := make(map[int]string, len(links))
	for _, l := range links {
		names[l.Attrs().Index] = clean(l.Attrs().Name)
	}
	s.Links = make([]LinkState, 0, len(links))
	for _, l := range links {
		a := l.Attrs()
		ls := LinkState{
			Name: names[a.Index], Type: clean(l.Type()), MTU: a.MTU, MAC: a.HardwareAddr.String(),
			Up: a.Flags&net.FlagUp != 0, Carrier: a.RawFlags&unix.IFF_LOWER_UP != 0,
			Master: names[a.MasterIndex],
		}
		s.Links = append(s.Links, ls)
	}
	slices.SortFunc(s.Links, func(a, b LinkState) int { return cmp.Compare(a.Name, b.Name) })
	return names, nil
}

func (s *NetState) readAddresses(h *netlink.Handle, names map[int]string) error {
	addrs, err := plugin.Dump(func() ([]netlink.Addr, error) { return h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("addresses: %w", err)
	}
	if len(addrs) > maxEntries {
		addrs, s.Truncated = addrs[:maxEntries], true
	}
	s.Addresses = make([]AddressState, 0, len(addrs))
	for _, a := range addrs {
		if a.IPNet == nil {
			continue
		}
		s.Addresses = append(s.Addresses, AddressState{
			Interface: names[a.LinkIndex], Address: a.IPNet.String(), Leased: a.Flags&unix.IFA_F_PERMANENT == 0,
		})
	}
	slices.SortFunc(s.Addresses, func(a, b AddressState) int {
		return cmp.Or(cmp.Compare(a.Interface, b.Interface), cmp.Compare(a.Address, b.Address))
	})
	return nil
}

func (s *NetState) readRoutes(h *netlink.Handle, names map[int]string) error {
	_, err := plugin.Dump(func() (struct{}, error) {
		s.Routes = []RouteState{}
		err := h.RouteListFilteredIter(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
			if r.Family != unix.AF_INET && r.Family != unix.AF_INET6 {
				return true
			}
			if r.Table == unix.RT_TABLE_LOCAL && r.Protocol == unix.RTPROT_KERNEL {
				return true
			}
			if len(s.Routes) >= maxEntries {
				s.Truncated = true
				return false
			}
			s.Routes = append(s.Routes, routeState(r, names))
			return true
		})
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("routes: %w", err)
	}
	slices.SortFunc(s.Routes, func(a, b RouteState) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Dst, b.Dst), cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.String(), b.String()))
	})
	return nil
}

// routeTypes are rtnetlink(7)'s; unicast is the unnamed rule.
var routeTypes = map[int]string{
	unix.RTN_LOCAL: "local", unix.RTN_BROADCAST: "broadcast", unix.RTN_ANYCAST: "anycast", unix.RTN_MULTICAST: "multicast",
	unix.RTN_BLACKHOLE: "blackhole", unix.RTN_UNREACHABLE: "unreachable", unix.RTN_PROHIBIT: "prohibit", unix.RTN_THROW: "throw",
}

func routeState(r netlink.Route, names map[int]string) RouteState {
	rs := RouteState{Table: r.Table, Dst: "default", Type: routeTypes[r.Type], Protocol: r.Protocol.String(), Metric: r.Priority}
	if r.Dst != nil {
		if ones, _ := r.Dst.Mask.Size(); ones != 0 || !r.Dst.IP.IsUnspecified() {
			rs.Dst = r.Dst.String()
		}
	}
	if r.Family == unix.AF_INET6 && rs.Dst == "default" {
		rs.Dst = "default6"
	}
	if r.Src != nil {
		rs.Src = r.Src.String()
	}
	hop := func(gw net.IP, via netlink.Destination, link, weight int) {
		t := ""
		switch {
		case gw != nil:
			t = "via " + gw.String()
		case via != nil:
			t = via.String()
		}
		if n := names[link]; n != "" {
			if t != "" {
				t += " "
			}
			t += "dev " + n
		}
		if weight > 1 {
			t += " weight " + strconv.Itoa(weight)
		}
		if t != "" {
			rs.Via = append(rs.Via, t)
		}
	}
	if len(r.MultiPath) > 0 {
		for _, m := range r.MultiPath {
			hop(m.Gw, m.Via, m.LinkIndex, m.Hops+1)
		}
		slices.Sort(rs.Via)
	} else {
		hop(r.Gw, r.Via, r.LinkIndex, 1)
	}
	return rs
}

func (s *NetState) readRules(h *netlink.Handle) error {
	rules, err := plugin.Dump(func() ([]netlink.Rule, error) { return h.RuleList(netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	if len(rules) > maxEntries {
		rules, s.Truncated = rules[:maxEntries], true
	}
	s.Rules = make([]string, 0, len(rules))
	for _, r := range rules {
		s.Rules = append(s.Rules, ruleText(r))
	}
	slices.Sort(s.Rules)
	return nil
}

// ruleText is one policy rule, near to ip-rule(8).
func ruleText(r netlink.Rule) string {
	family := "ip"
	if r.Family == unix.AF_INET6 {
		family = "ip6"
	}
	t := fmt.Sprintf("%s %05d:", family, max(r.Priority, 0))
	if r.Invert {
		t += " not"
	}
	from := "all"
	if r.Src != nil {
		from = r.Src.String()
	}
	t += " from " + from
	if r.Dst != nil {
		t += " to " + r.Dst.String()
	}
	if r.Mark != 0 {
		t += fmt.Sprintf(" fwmark %#x", r.Mark)
		if r.Mask != nil {
			t += fmt.Sprintf("/%#x", *r.Mask)
		}
	}
	t += prefixed(" iif ", clean(r.IifName)) + prefixed(" oif ", clean(r.OifName))
	if r.IPProto > 0 {
		t += fmt.Sprintf(" ipproto %d", r.IPProto)
	}
	if r.Sport != nil {
		t += fmt.Sprintf(" sport %d-%d", r.Sport.Start, r.Sport.End)
	}
	if r.Dport != nil {
		t += fmt.Sprintf(" dport %d-%d", r.Dport.Start, r.Dport.End)
	}
	if r.UIDRange != nil {
		t += fmt.Sprintf(" uidrange %d-%d", r.UIDRange.Start, r.UIDRange.End)
	}
	if r.Goto >= 0 {
		return t + fmt.Sprintf(" goto %d", r.Goto)
	}
	// FR_ACT_* of linux/fib_rules.h
	switch r.Type {
	case unix.FR_ACT_BLACKHOLE:
		return t + " blackhole"
	case unix.FR_ACT_UNREACHABLE:
		return t + " unreachable"
	case unix.FR_ACT_PROHIBIT:
		return t + " prohibit"
	}
	return t + fmt.Sprintf(" lookup %d", r.Table)
}
