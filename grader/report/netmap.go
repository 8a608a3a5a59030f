package report

import (
	"fmt"
	"sort"
	"unicode/utf8"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
)

// Geometry of the network map, in SVG units.
const (
	mapWidth  = 1040.0
	mapPad    = 12.0
	laneStep  = 18.0
	nodeRow   = 34.0
	busRow    = 54.0
	bareRow   = 34.0 // a network without machines of its own
	chipRow   = 24.0
	chipH     = 18.0
	charWidth = 6.6
)

// NetMap is the network picture as data: sites stacked as panels; in each,
// routers in rows of their own, with a vertical line down to the networks that
// they join, and networks as horizontal lines carrying their machines.
type NetMap struct {
	Height float64
	Gutter float64 // where the labels of networks begin
	Panels []Panel
	Lanes  []MapLane
	Buses  []Bus
	Routes []Chip
}

// Panel is the frame of a site.
type Panel struct {
	Y, H  float64
	Label evidence.Text
}

// MapLane is the vertical line of a machine that joins networks.
type MapLane struct {
	X, Y1, Y2 float64
	Dots      []float64 // y of its networks
	Home      float64   // y of its own row
	Faulty    bool
}

// Bus is a network.
type Bus struct {
	X1, X2, Y float64
	Label     evidence.Text
	CIDR      string
	Hit       bool
	Faulty    bool
	Chips     []Chip
}

// Chip is a machine, or a row of workstations (Count > 1).
type Chip struct {
	X, Y, W float64
	Label   string
	Title   evidence.Text
	Kind    string
	Count   int
	Faulty  bool
	Touched bool
	Beyond  bool
}

type mapper struct {
	view    *check.View
	data    evidence.MapData
	joins   map[string][]string // node -> segments
	members map[string][]string // segment -> nodes with that one segment only
	nodes   map[string]evidence.MapNode
	faulty  map[string]bool // nodes and segments
	touched map[string]bool
	inside  map[string]bool
}

// buildMap lays the map out; false when the evidence has none.
func buildMap(v *check.View) (NetMap, bool) {
	d := v.Facts.Map
	if len(d.Segments) == 0 {
		return NetMap{}, false
	}
	m := mapper{view: v, data: d, joins: map[string][]string{}, members: map[string][]string{},
		nodes: map[string]evidence.MapNode{}, faulty: faultyOf(v), touched: map[string]bool{}, inside: map[string]bool{}}
	for _, n := range d.Nodes {
		m.nodes[n.ID] = n
	}
	for _, l := range d.Links {
		m.joins[l.Node] = append(m.joins[l.Node], l.Segment)
	}
	for _, n := range d.Nodes {
		if s := m.joins[n.ID]; len(s) == 1 {
			m.members[s[0]] = append(m.members[s[0]], n.ID)
		}
	}
	for _, c := range v.Changes {
		m.touched[c.Node] = true
	}
	for _, n := range v.Facts.Perimeter {
		m.inside[n] = true
	}
	return m.lay(), true
}

// faultyOf names the node or network of the truth. An element that is neither
// a node nor on one may be a network, written "net:id" or plainly.
func faultyOf(v *check.View) map[string]bool {
	out := map[string]bool{}
	if v.Facts.Truth.NoFault {
		return out
	}
	id := v.Facts.Truth.Element
	out[id] = true
	if len(id) > 4 && id[:4] == "net:" {
		out[id[4:]] = true
	}
	for _, e := range v.Facts.Elements {
		if e.ID == id {
			out[e.Node] = true
			if e.Node == "" {
				out[e.Parent] = true
			}
		}
	}
	delete(out, "")
	return out
}

// sites orders the sites by the mean X of their networks, then by name.
func (m *mapper) sites() []string {
	sum, n := map[string]float64{}, map[string]float64{}
	var out []string
	for _, s := range m.data.Segments {
		if n[s.Site] == 0 {
			out = append(out, s.Site)
		}
		sum[s.Site] += s.X
		n[s.Site]++
	}
	sort.SliceStable(out, func(i, j int) bool { return sum[out[i]]/n[out[i]] < sum[out[j]]/n[out[j]] })
	return out
}

// siteLabel names a site.
func (m *mapper) siteLabel(id string) evidence.Text {
	for _, s := range m.data.Sites {
		if s.ID == id {
			return s.Label
		}
	}
	return same(id)
}

// siteOf is where a joining node is drawn: its own site if that has networks,
// else that of its first network.
func (m *mapper) siteOf(n evidence.MapNode) string {
	for _, s := range m.data.Segments {
		if s.Site == n.Site && n.Site != "" {
			return n.Site
		}
	}
	for _, s := range m.data.Segments {
		if len(m.joins[n.ID]) > 0 && s.ID == m.joins[n.ID][0] {
			return s.Site
		}
	}
	return ""
}

func (m *mapper) lay() NetMap {
	var out NetMap
	lane := map[string]int{}
	for _, n := range m.data.Nodes {
		if len(m.joins[n.ID]) > 1 {
			lane[n.ID] = len(lane)
		}
	}
	out.Gutter = mapPad*2 + laneStep*float64(len(lane)) + 10
	laneX := func(id string) float64 { return mapPad*2 + laneStep*float64(lane[id]) + 4 }
	busY := map[string]float64{}
	home := map[string]float64{}
	y := 4.0
	for _, site := range m.sites() {
		top := y
		y += 26
		for _, n := range m.data.Nodes {
			if len(m.joins[n.ID]) < 2 || m.siteOf(n) != site {
				continue
			}
			home[n.ID] = y + nodeRow/2
			c := m.chip(n)
			c.X, c.Y = out.Gutter, y+(nodeRow-chipH)/2
			out.Routes = append(out.Routes, c)
			y += nodeRow
		}
		y += 8
		for _, s := range m.ordered(site) {
			b := Bus{X1: out.Gutter, X2: mapWidth - mapPad*2, Y: y + 16, Label: m.view.SegmentLabel(s.ID), CIDR: s.CIDR,
				Hit: contains(m.view.Facts.HitSegments, s.ID), Faulty: m.faulty[s.ID]}
			for id, segs := range m.joins {
				if _, ok := lane[id]; ok && contains(segs, s.ID) {
					b.X1 = min(b.X1, laneX(id))
				}
			}
			busY[s.ID] = b.Y
			rows := m.place(&b, s.ID, out.Gutter)
			out.Buses = append(out.Buses, b)
			y += bareRow
			if len(b.Chips) > 0 {
				y += busRow - bareRow + chipRow*float64(rows-1)
			}
		}
		y += 6
		out.Panels = append(out.Panels, Panel{Y: top, H: y - top - 4, Label: m.siteLabel(site)})
		y += 6
	}
	for _, n := range m.data.Nodes {
		if _, ok := lane[n.ID]; !ok {
			continue
		}
		l := MapLane{X: laneX(n.ID), Home: home[n.ID], Y1: home[n.ID], Y2: home[n.ID], Faulty: m.faulty[n.ID]}
		for _, s := range m.joins[n.ID] {
			if by, ok := busY[s]; ok {
				l.Dots = append(l.Dots, by)
				l.Y1, l.Y2 = min(l.Y1, by), max(l.Y2, by)
			}
		}
		out.Lanes = append(out.Lanes, l)
	}
	out.Height = y
	return out
}

// ordered lists the networks of a site.
func (m *mapper) ordered(site string) []evidence.MapSegment {
	var out []evidence.MapSegment
	for _, s := range m.data.Segments {
		if s.Site == site {
			out = append(out, s)
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].X != out[j].X {
			return out[i].X < out[j].X
		}
		return out[i].Y < out[j].Y
	})
	return out
}

// place puts the machines of a network under its line and returns the number
// of rows used. Workstations that nothing is told about share one chip.
func (m *mapper) place(b *Bus, seg string, left float64) int {
	var chips []Chip
	var posts []string
	for _, id := range m.members[seg] {
		n := m.nodes[id]
		if n.Kind == "workstation" && !m.faulty[id] && !m.touched[id] {
			posts = append(posts, id)
			continue
		}
		chips = append(chips, m.chip(n))
	}
	switch {
	case len(posts) == 1:
		chips = append(chips, m.chip(m.nodes[posts[0]]))
	case len(posts) > 1:
		label := posts[0] + " … " + posts[len(posts)-1]
		chips = append(chips, Chip{Label: label, W: width(fmt.Sprint(len(posts), " × ", label)), Kind: "workstation",
			Count: len(posts), Title: same(label)})
	}
	x, y, rows := left, b.Y+7, 1
	for i := range chips {
		if x+chips[i].W > b.X2 && x > left {
			x, y = left, y+chipRow
			rows++
		}
		chips[i].X, chips[i].Y = snap(x), snap(y)
		x += chips[i].W + 8
	}
	b.Chips = chips
	return rows
}

func (m *mapper) chip(n evidence.MapNode) Chip {
	role := m.view.NodeLabel(n.ID)
	if role == (evidence.Text{}) {
		role = same(n.Label)
	}
	title := same(n.ID)
	if role.FR != "" && role.FR != n.ID {
		title = tx(title.FR+" – "+role.FR, title.EN+" – "+role.EN)
	}
	if n.Address != "" {
		title = tx(title.FR+" ("+n.Address+")", title.EN+" ("+n.Address+")")
	}
	extra := 0.0
	if m.touched[n.ID] {
		extra += 14
	}
	if m.faulty[n.ID] {
		extra += 14
	}
	return Chip{Label: n.ID, Title: title, W: snap(width(n.ID) + extra), Kind: n.Kind, Count: 1, Faulty: m.faulty[n.ID],
		Touched: m.touched[n.ID], Beyond: !m.inside[n.ID]}
}

func width(s string) float64 { return snap(float64(utf8.RuneCountInString(s))*charWidth + 14) }

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
