package documents

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/situlab/situlab/scenarios"
)

// network is a site seen as a drawing: networks with machines on them, and
// links between two routers.
type network struct {
	site  *scenarios.Site
	nodes map[string]*scenarios.Node
	// ends lists who is attached to a segment, in the order of the site.
	ends map[string][]end
}

// end is one attachment.
type end struct {
	node *scenarios.Node
	card scenarios.Interface
}

func newNetwork(site *scenarios.Site) *network {
	n := &network{site: site, nodes: map[string]*scenarios.Node{}, ends: map[string][]end{}}
	for i := range site.Nodes {
		node := &site.Nodes[i]
		n.nodes[node.Name] = node
		for _, f := range node.Interfaces {
			n.ends[f.Segment] = append(n.ends[f.Segment], end{node, f})
		}
	}
	return n
}

// passes says that a node joins networks: routers, firewalls, carriers.
func passes(node *scenarios.Node) bool {
	return node.Class == scenarios.Router || node.Class == scenarios.Operator
}

// link says that a segment is a cable between two routers, drawn as a line.
func (n *network) link(segment string) bool {
	ends := n.ends[segment]
	return len(ends) == 2 && passes(ends[0].node) && passes(ends[1].node) && ends[0].node != ends[1].node
}

// hosts are the machines on a segment that do not join networks.
func (n *network) hosts(segment string) []end {
	var list []end
	for _, e := range n.ends[segment] {
		if !passes(e.node) {
			list = append(list, e)
		}
	}
	return list
}

var numbered = regexp.MustCompile(`^(.*?)(\d+)$`)

// runs shortens names that only differ by a number counting up: pc-01, pc-02,
// pc-03 becomes "pc-01 … pc-03".
func runs(names []string) []string {
	var out []string
	for i := 0; i < len(names); {
		j := i
		for j+1 < len(names) && follows(names[j], names[j+1]) {
			j++
		}
		switch {
		case j-i >= 2:
			out = append(out, names[i]+nbsp+"…"+nbsp+names[j])
		default:
			out = append(out, names[i:j+1]...)
		}
		i = j + 1
	}
	return out
}

func follows(a, b string) bool {
	x, y := numbered.FindStringSubmatch(a), numbered.FindStringSubmatch(b)
	if x == nil || y == nil || x[1] != y[1] || len(x[2]) != len(y[2]) {
		return false
	}
	p, err1 := strconv.Atoi(x[2])
	q, err2 := strconv.Atoi(y[2])
	return err1 == nil && err2 == nil && q == p+1
}

// text draws the plan for a terminal of 80 columns: each router with its cards,
// and under each card the network's machines.
func (n *network) text(lang string) string {
	var b strings.Builder
	for i := range n.site.Nodes {
		router := &n.site.Nodes[i]
		if !passes(router) {
			continue
		}
		mark := ""
		if !router.Perimeter {
			mark = scenarios.Text{FR: " [hors périmètre]", EN: " [outside the perimeter]"}.In(lang)
		}
		fmt.Fprintf(&b, "%s – %s%s\n", router.Name, router.Title.In(lang), mark)
		for k, f := range router.Interfaces {
			last := k == len(router.Interfaces)-1
			branch, below := "+--", "|  "
			if last {
				branch, below = "`--", "   "
			}
			n.card(&b, router, f, branch, below, lang)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (n *network) card(b *strings.Builder, router *scenarios.Node, f scenarios.Interface, branch, below, lang string) {
	var seg *scenarios.Segment
	for i := range n.site.Segments {
		if n.site.Segments[i].ID == f.Segment {
			seg = &n.site.Segments[i]
		}
	}
	if seg == nil {
		return
	}
	own := "DHCP"
	if f.Address.IsValid() {
		own = tail(f.Address)
	}
	fmt.Fprintf(b, " %s %-5s %-5s %-8s %s", branch, f.Name, own, strings.ToUpper(seg.ID), seg.Net)
	var names []string
	for _, e := range n.ends[f.Segment] {
		if e.node == router {
			continue
		}
		if passes(e.node) {
			fmt.Fprintf(b, " --> %s %s", e.node.Name, e.card.Name)
			if e.card.Address.IsValid() {
				b.WriteString(" " + tail(e.card.Address))
			}
			continue
		}
		name := e.node.Name
		if e.card.Address.IsValid() {
			name += nbsp + tail(e.card.Address)
		}
		names = append(names, name)
	}
	b.WriteString("\n")
	for _, l := range wrap(titled(seg, lang), 62) {
		fmt.Fprintf(b, " %s             %s\n", below, l)
	}
	if len(names) > 0 {
		names = runs(names)
		for _, l := range wrap(strings.Join(names, ", "), 62) {
			fmt.Fprintf(b, " %s             %s\n", below, l)
		}
	}
}

// wrap breaks a text at its plain spaces.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\n' }) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return slices.Clip(lines)
}
