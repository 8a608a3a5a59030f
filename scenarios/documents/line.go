package documents

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/situlab/situlab/scenarios"
)

// line is a carrier's path between the two towns.
type line struct {
	carrier *scenarios.Node
	rate    uint64
	// near and far are the company's routers, on the main and the remote site.
	near, far side
}

// side is one end of a line: our router, its card, the carrier's address.
type side struct {
	router  *scenarios.Node
	card    scenarios.Interface
	segment *scenarios.Segment
	hop     string
}

// lines are the carriers' paths between the towns, fastest first: the first is
// the main line, the last the backup line.
func (v *view) lines() []line {
	var list []line
	for i := range v.Site.Nodes {
		carrier := &v.Site.Nodes[i]
		if carrier.Class != scenarios.Operator {
			continue
		}
		l := line{carrier: carrier}
		for _, f := range carrier.Interfaces {
			seg := v.segments[f.Segment]
			for _, e := range v.net.ends[f.Segment] {
				if e.node == carrier || e.node.Class != scenarios.Router || seg == nil {
					continue
				}
				s := side{e.node, e.card, seg, f.Address.String()}
				switch v.net.townOf(e.node) {
				case "main":
					l.near = s
				case "remote":
					l.far = s
				}
				l.rate = max(l.rate, seg.RateBits)
			}
		}
		if l.near.router != nil && l.far.router != nil {
			list = append(list, l)
		}
	}
	slices.SortStableFunc(list, func(a, b line) int { return cmp.Compare(b.rate, a.rate) })
	return list
}

// townOf is where a router serves machines; "outside" when nowhere.
func (n *network) townOf(router *scenarios.Node) string {
	for _, f := range router.Interfaces {
		for i := range n.site.Segments {
			if s := &n.site.Segments[i]; s.ID == f.Segment && !n.link(s.ID) {
				return s.Town
			}
		}
	}
	return "outside"
}

// BackupLine is what the switch-over procedure needs, as text.
type BackupLine struct {
	Carrier, Rate           string
	Near, Far               string // our routers
	NearCard, FarCard       string
	NearHop, FarHop         string // the carrier's addresses
	MainCarrier, MainHop    string
	MainFarHop              string
	Routes, Unroute, Remote string // commands for the near router, networks behind the far one
	FarRoutes, FarUnroute   string // the same for the far router
	TestFrom, TestTo        string // an address on each side
}

// backupLine is nil when the site has no second line between its towns.
func (v *view) backupLine() *BackupLine {
	lines := v.lines()
	if len(lines) < 2 {
		return nil
	}
	first, last := lines[0], lines[len(lines)-1]
	b := &BackupLine{Carrier: last.carrier.Name, Rate: rate(last.rate), Near: last.near.router.Name, Far: last.far.router.Name,
		NearCard: last.near.card.Name, FarCard: last.far.card.Name, NearHop: last.near.hop, FarHop: last.far.hop,
		MainCarrier: first.carrier.Name, MainHop: first.near.hop, MainFarHop: first.far.hop}
	var routes, nets []string
	for _, f := range last.far.router.Interfaces {
		seg := v.segments[f.Segment]
		if seg == nil || v.net.link(f.Segment) {
			continue
		}
		routes = append(routes, fmt.Sprintf("ip route %s %s", seg.Net, last.near.hop))
		nets = append(nets, seg.Net.String())
		if b.TestTo == "" || len(v.net.hosts(f.Segment)) > 0 && !seg.DHCPFirst.IsValid() {
			b.TestTo = f.Address.String()
		}
	}
	for _, f := range last.near.router.Interfaces {
		if seg := v.segments[f.Segment]; seg != nil && !v.net.link(f.Segment) && b.TestFrom == "" {
			b.TestFrom = f.Address.String()
		}
	}
	b.Routes = strings.Join(routes, "\n")
	b.Unroute = "no " + strings.Join(routes, "\nno ")
	b.Remote = strings.Join(nets, ", ")
	var back []string
	for i := range v.Site.Segments {
		seg := &v.Site.Segments[i]
		if !v.net.link(seg.ID) && seg.Town != "outside" && !attached(last.far.router, seg.ID) {
			back = append(back, fmt.Sprintf("ip route %s %s", seg.Net, last.far.hop))
		}
	}
	// The way out goes through the main site, also by this line.
	back = append(back, "ip route 0.0.0.0/0 "+last.far.hop)
	b.FarRoutes = strings.Join(back, "\n")
	b.FarUnroute = "no " + strings.Join(back, "\nno ")
	return b
}

func attached(node *scenarios.Node, segment string) bool {
	return slices.ContainsFunc(node.Interfaces, func(f scenarios.Interface) bool { return f.Segment == segment })
}
