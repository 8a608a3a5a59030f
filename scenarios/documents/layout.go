package documents

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/situlab/situlab/scenarios"
)

// The plan is laid out in columns. A network with machines is a card at its
// place on the site's grid; what joins networks (router, firewall, carrier) is
// a tall bar between the cards; a link between two of them is a horizontal
// line. Every line is horizontal, so that none has to be followed round a
// corner, and takes the nearest free lane.

// Sizes in SVG units; a card's text is 12 units high.
const (
	cardWidth  = 244.0
	barWidth   = 100.0
	columnGap  = 46.0
	rowHeight  = 84.0
	lineHeight = 15.0
	margin     = 24.0
	laneGap    = 34.0
	barHead    = 60.0 // room for a bar's name above its first line
	barFoot    = 16.0
	tagRoom    = 34.0 // room for an address at the end of a line
)

// box is a rectangle.
type box struct{ x, y, w, h float64 }

func (b box) right() float64  { return b.x + b.w }
func (b box) bottom() float64 { return b.y + b.h }

// cardBox is a network with its machines.
type cardBox struct {
	box
	seg   *scenarios.Segment
	lines []cardLine
	title []string
}

// cardLine is one line of a card: a machine or a group of workstations.
type cardLine struct {
	left, right, note string
	nodes             []string
	admin             bool
}

// barBox is a router, a firewall or a carrier's machine.
type barBox struct {
	box
	node   *scenarios.Node
	column float64
}

// wire is a horizontal line from a bar to a card or to another bar.
type wire struct {
	y, x1, x2      float64
	tag1, tag2     string // addresses at the two ends
	label          string
	slow           bool // drawn dashed: the backup line
	fromBar, toBar string
}

type drawing struct {
	cards []*cardBox
	bars  []*barBox
	wires []wire
	w, h  float64
}

// layout places everything.
func (n *network) layout(lang string) *drawing {
	d := &drawing{}
	for i := range n.site.Segments {
		seg := &n.site.Segments[i]
		if !n.link(seg.ID) {
			d.cards = append(d.cards, n.newCard(seg, lang))
		}
	}
	for i := range n.site.Nodes {
		if node := &n.site.Nodes[i]; passes(node) {
			d.bars = append(d.bars, &barBox{node: node, column: n.barColumn(node)})
		}
	}
	d.columns(n)
	d.stack()
	n.wires(d)
	for _, c := range d.cards {
		d.w, d.h = max(d.w, c.right()), max(d.h, c.bottom())
	}
	for _, b := range d.bars {
		d.w, d.h = max(d.w, b.right()), max(d.h, b.bottom())
	}
	d.w, d.h = d.w+margin, d.h+margin
	return d
}

// newCard writes a network's card: servers one by one, workstations in runs.
func (n *network) newCard(seg *scenarios.Segment, lang string) *cardBox {
	c := &cardBox{seg: seg, title: wrap(join(" – ", seg.Title.In(lang), n.townName(seg.Town)), 36)}
	var posts []string
	for _, e := range n.hosts(seg.ID) {
		if e.node.Class == scenarios.Workstation {
			posts = append(posts, e.node.Name)
			continue
		}
		l := cardLine{left: e.node.Name, note: e.node.Title.In(lang), nodes: []string{e.node.Name}, admin: e.node.Class == scenarios.Admin}
		if e.card.Address.IsValid() {
			l.right = tail(e.card.Address)
		}
		c.lines = append(c.lines, l)
	}
	for _, r := range runs(posts) {
		l := cardLine{left: r, nodes: []string{r}}
		if first, last, ok := strings.Cut(r, nbsp+"…"+nbsp); ok {
			l.nodes = between(posts, first, last)
		}
		if seg.DHCPFirst.IsValid() {
			l.right = "DHCP"
		}
		c.lines = append(c.lines, l)
	}
	if len(posts) > 0 {
		note := plural(len(posts), scenarios.Text{FR: "poste", EN: "workstation"}.In(lang))
		if seg.DHCPFirst.IsValid() {
			note += scenarios.Text{FR: ", baux ", EN: ", leases "}.In(lang) + tail(seg.DHCPFirst) + " – " + tail(seg.DHCPLast)
		}
		c.lines = append(c.lines, cardLine{note: note})
	}
	c.w = cardWidth
	c.h = 30 + float64(len(c.title)+len(c.lines))*lineHeight + 12
	return c
}

func (n *network) townName(town string) string {
	switch town {
	case "main":
		return n.site.Company.MainTown
	case "remote":
		return n.site.Company.RemoteTown
	}
	return ""
}

func between(names []string, first, last string) []string {
	i, j := slices.Index(names, first), slices.Index(names, last)
	return names[i : j+1]
}

// barColumn is where a router stands on the site's grid: between its cards, or
// beside the only one, or in the middle of its links.
func (n *network) barColumn(node *scenarios.Node) float64 {
	var cards, links []float64
	for _, f := range node.Interfaces {
		for i := range n.site.Segments {
			s := &n.site.Segments[i]
			switch {
			case s.ID != f.Segment:
			case n.link(s.ID):
				links = append(links, float64(s.X))
			case !slices.Contains(cards, float64(s.X)):
				cards = append(cards, float64(s.X))
			}
		}
	}
	slices.Sort(cards)
	switch {
	case len(cards) >= 2:
		m := len(cards) / 2
		return (cards[m-1] + cards[m]) / 2
	case len(cards) == 1 && mean(links) <= cards[0]:
		return cards[0] - 1
	case len(cards) == 1:
		return cards[0] + 1
	case len(links) == 1:
		// The far end of a single link: beyond its label, seen from the other end.
		for _, e := range n.ends[node.Interfaces[0].Segment] {
			if e.node != node && len(e.node.Interfaces) > 1 && n.barColumn(e.node) > links[0] {
				return links[0] - 1
			}
		}
		return links[0] + 1
	}
	return mean(links)
}

func mean(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}

// columns turns grid columns into abscissas: each as wide as its widest member,
// and far enough from the ones before for the labels of the links between them.
func (d *drawing) columns(n *network) {
	widths := map[float64]float64{}
	for _, c := range d.cards {
		widths[float64(c.seg.X)] = cardWidth
	}
	column := map[string]float64{}
	for _, b := range d.bars {
		widths[b.column] = max(widths[b.column], barWidth)
		column[b.node.Name] = b.column
	}
	order := slices.Sorted(maps.Keys(widths))
	left := map[float64]float64{}
	x := margin
	for i, here := range order {
		if i > 0 {
			x += columnGap
		}
		for s := range n.site.Segments {
			seg := &n.site.Segments[s]
			if !n.link(seg.ID) {
				continue
			}
			a, b := column[n.ends[seg.ID][0].node.Name], column[n.ends[seg.ID][1].node.Name]
			if max(a, b) == here && a != b {
				far := min(a, b)
				edge := left[far] + (widths[far]+barWidth)/2
				x = max(x, edge+labelWidth(linkLabel(seg))+2*tagRoom-(widths[here]-barWidth)/2)
			}
		}
		left[here] = x
		x += widths[here]
	}
	for _, c := range d.cards {
		c.x = left[float64(c.seg.X)]
	}
	for _, b := range d.bars {
		b.w = barWidth
		b.x = left[b.column] + (widths[b.column]-barWidth)/2
	}
}

// stack places the cards of a column one under the other, near their row.
func (d *drawing) stack() {
	lowest := math.MaxFloat64
	for _, c := range d.cards {
		lowest = min(lowest, float64(c.seg.Y))
	}
	columns := map[float64][]*cardBox{}
	for _, c := range d.cards {
		columns[c.x] = append(columns[c.x], c)
	}
	for _, list := range columns {
		slices.SortStableFunc(list, func(a, b *cardBox) int { return cmp.Compare(a.seg.Y, b.seg.Y) })
		bottom := 0.0
		for _, c := range list {
			c.y = max(margin+56+(float64(c.seg.Y)-lowest)*rowHeight, bottom+columnGap)
			bottom = c.bottom()
		}
	}
}

// wires draws the lines, then makes the bars as tall as their lines ask for.
func (n *network) wires(d *drawing) {
	bars := map[string]*barBox{}
	span := map[string][2]float64{}
	reach := func(name string, y float64) {
		s, ok := span[name]
		if !ok {
			s = [2]float64{y, y}
		}
		span[name] = [2]float64{min(s[0], y), max(s[1], y)}
	}
	for _, b := range d.bars {
		bars[b.node.Name] = b
	}
	for _, c := range d.cards {
		side := 0
		for _, e := range n.ends[c.seg.ID] {
			b := bars[e.node.Name]
			if b == nil {
				continue
			}
			y := c.y + 16 + 18*float64(side)
			side++
			w := wire{y: y, x1: b.right(), x2: c.x, fromBar: e.node.Name}
			if b.x > c.x {
				w.x1, w.x2 = b.x, c.right()
			}
			if e.card.Address.IsValid() {
				w.tag1 = tail(e.card.Address)
			}
			d.wires = append(d.wires, w)
			reach(e.node.Name, y)
		}
	}
	n.links(d, bars, reach)
	for _, b := range d.bars {
		s := span[b.node.Name]
		b.y, b.h = s[0]-barHead, s[1]-s[0]+barHead+barFoot
	}
	// Everything may have grown upwards; bring it back into the picture.
	top := margin
	for _, b := range d.bars {
		top = min(top, b.y)
	}
	d.shift(margin - top)
}

// links draws the lines between bars, each on the nearest free lane.
func (n *network) links(d *drawing, bars map[string]*barBox, reach func(string, float64)) {
	slowest, fastest := uint64(math.MaxUint64), uint64(0)
	for i := range n.site.Segments {
		if r := n.site.Segments[i].RateBits; r > 0 {
			slowest, fastest = min(slowest, r), max(fastest, r)
		}
	}
	first := math.MaxFloat64
	for _, c := range d.cards {
		first = min(first, float64(c.seg.Y))
	}
	for i := range n.site.Segments {
		seg := &n.site.Segments[i]
		if !n.link(seg.ID) {
			continue
		}
		a, b := n.ends[seg.ID][0], n.ends[seg.ID][1]
		left, right := bars[a.node.Name], bars[b.node.Name]
		if left.x > right.x {
			a, b, left, right = b, a, right, left
		}
		w := wire{x1: left.right(), x2: right.x, fromBar: a.node.Name, toBar: b.node.Name,
			label: linkLabel(seg),
			slow:  seg.RateBits != 0 && seg.RateBits == slowest && slowest != fastest}
		if a.card.Address.IsValid() {
			w.tag1 = tail(a.card.Address)
		}
		if b.card.Address.IsValid() {
			w.tag2 = tail(b.card.Address)
		}
		w.y = d.lane(bars, w, margin+56+16+(float64(seg.Y)-first)*rowHeight)
		d.wires = append(d.wires, w)
		reach(a.node.Name, w.y)
		reach(b.node.Name, w.y)
	}
}

func linkLabel(seg *scenarios.Segment) string {
	return join(" · ", strings.ToUpper(seg.ID), seg.Net.String(), rate(seg.RateBits))
}

// labelWidth is about how wide a label is, in a font of 11 units.
func labelWidth(s string) float64 { return float64(utf8.RuneCountInString(s))*6.7 + 12 }

// lane finds the ordinate nearest to want where a line meets neither a card nor
// another line, and where a bar that stands above or below another one has room
// for its own name.
func (d *drawing) lane(bars map[string]*barBox, w wire, want float64) float64 {
	crowded := func(a, b string) bool {
		return a != "" && b != "" && a != b && bars[a].x < bars[b].right() && bars[b].x < bars[a].right()
	}
	free := func(y float64) bool {
		for _, c := range d.cards {
			if w.x1 < c.right()+6 && w.x2 > c.x-6 && y > c.y-22 && y < c.bottom()+24 {
				return false
			}
		}
		for _, o := range d.wires {
			for _, mine := range []string{w.fromBar, w.toBar} {
				for _, other := range []string{o.fromBar, o.toBar} {
					if crowded(mine, other) && math.Abs(o.y-y) < barHead+2*barFoot {
						return false
					}
				}
			}
			if min(o.x1, o.x2) < w.x2+4 && max(o.x1, o.x2) > w.x1-4 && math.Abs(o.y-y) < laneGap {
				return false
			}
		}
		return true
	}
	for step := 0.0; step < 3000; step += 4 {
		for _, y := range []float64{want + step, want - step} {
			if free(y) {
				return y
			}
		}
	}
	return want
}

func (d *drawing) shift(dy float64) {
	for _, c := range d.cards {
		c.y += dy
	}
	for _, b := range d.bars {
		b.y += dy
	}
	for i := range d.wires {
		d.wires[i].y += dy
	}
}
