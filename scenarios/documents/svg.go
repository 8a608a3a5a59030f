package documents

import (
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"

	"github.com/situlab/situlab/scenarios"
)

// PlanOptions say how the plan is drawn.
type PlanOptions struct {
	Lang string
	// Highlight is the name of a node to show in white on black.
	Highlight string
}

func plural(n int, word string) string {
	if n > 1 {
		word += "s"
	}
	return strconv.Itoa(n) + nbsp + word
}

// Plan draws the site's network as SVG: black on white, no colour carries a
// meaning, no script, no font to fetch. Two calls give the same bytes.
func Plan(site *scenarios.Site, o PlanOptions) []byte {
	n := newNetwork(site)
	d := n.layout(o.Lang)
	p := &pen{o: o, site: site}
	text := func(fr, en string) string { return scenarios.Text{FR: fr, EN: en}.In(o.Lang) }
	title := text("Plan du réseau", "Network plan") + " – " + site.Company.Name
	legendTop := d.h + 6
	height := legendTop + 58
	fmt.Fprintf(&p.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img" aria-label="%s" font-family="DejaVu Sans, Verdana, Arial, sans-serif" font-size="12" fill="#000">`+"\n",
		num(d.w), num(height), num(d.w), num(height), html.EscapeString(title))
	p.b.WriteString("<title>" + html.EscapeString(title) + "</title>\n")
	p.b.WriteString(`<defs><pattern id="out" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="7" height="7" fill="#fff"/><line x1="0" y1="0" x2="0" y2="7" stroke="#bbb" stroke-width="2"/></pattern></defs>` + "\n")
	fmt.Fprintf(&p.b, `<rect width="%s" height="%s" fill="#fff"/>`+"\n", num(d.w), num(height))
	for _, w := range d.wires {
		p.wire(w)
	}
	for _, b := range d.bars {
		p.bar(b)
	}
	for _, c := range d.cards {
		p.card(c)
	}
	p.legend(legendTop, d.w, text)
	p.b.WriteString("</svg>\n")
	return []byte(p.b.String())
}

// pen writes SVG.
type pen struct {
	b    strings.Builder
	o    PlanOptions
	site *scenarios.Site
}

func num(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func (p *pen) text(x, y float64, anchor, attrs, s string) {
	if s == "" {
		return
	}
	fmt.Fprintf(&p.b, `<text x="%s" y="%s"%s%s>%s</text>`+"\n", num(x), num(y), when(anchor != "", ` text-anchor="`+anchor+`"`), when(attrs != "", " "+attrs), html.EscapeString(s))
}

func when(b bool, s string) string {
	if b {
		return s
	}
	return ""
}

func (p *pen) rect(b box, attrs string) {
	fmt.Fprintf(&p.b, `<rect x="%s" y="%s" width="%s" height="%s" %s/>`+"\n", num(b.x), num(b.y), num(b.w), num(b.h), attrs)
}

func (p *pen) wire(w wire) {
	stroke := `stroke="#000" stroke-width="2"`
	if w.slow {
		stroke += ` stroke-dasharray="9 5"`
	}
	fmt.Fprintf(&p.b, `<line x1="%s" y1="%s" x2="%s" y2="%s" %s/>`+"\n", num(w.x1), num(w.y), num(w.x2), num(w.y), stroke)
	start, end := "start", "end"
	dx := 5.0
	if w.x1 > w.x2 {
		start, end, dx = "end", "start", -5
	}
	p.text(w.x1+dx, w.y-5, start, `font-size="11"`, w.tag1)
	p.text(w.x2-dx, w.y-5, end, `font-size="11"`, w.tag2)
	if w.label == "" {
		return
	}
	middle := (w.x1 + w.x2) / 2
	width := labelWidth(w.label)
	p.rect(box{middle - width/2, w.y - 10, width, 20}, `fill="#fff" stroke="#000" stroke-width="1" rx="10"`)
	p.text(middle, w.y+4, "middle", `font-size="11"`, w.label)
}

func (p *pen) bar(b *barBox) {
	attrs := `rx="8" fill="#fff" stroke="#000" stroke-width="3"`
	ink := ""
	switch {
	case b.node.Name == p.o.Highlight:
		attrs, ink = `rx="8" fill="#000" stroke="#000" stroke-width="3"`, ` fill="#fff"`
	case !b.node.Perimeter:
		attrs = `rx="8" fill="url(#out)" stroke="#000" stroke-width="1.5" stroke-dasharray="4 3"`
	}
	p.rect(b.box, attrs)
	middle := b.x + b.w/2
	if !b.node.Perimeter && b.node.Name != p.o.Highlight {
		p.rect(box{b.x + 3, b.y + 5, b.w - 6, 44}, `fill="#fff"`)
	}
	p.text(middle, b.y+20, "middle", `font-weight="bold" font-size="13"`+ink, b.node.Name)
	for i, l := range wrap(b.node.Title.In(p.o.Lang), 17) {
		if i == 2 {
			break
		}
		p.text(middle, b.y+33+float64(i)*12, "middle", `font-size="10"`+ink, l)
	}
}

func (p *pen) card(c *cardBox) {
	p.rect(c.box, `fill="#fff" stroke="#000" stroke-width="1.5" rx="4"`)
	head := box{c.x, c.y, c.w, 28}
	fill := "#e4e4e4"
	if c.seg.Town != "main" {
		fill = "#c4c4c4"
	}
	p.rect(head, `fill="`+fill+`" stroke="#000" stroke-width="1.5" rx="4"`)
	p.text(c.x+8, c.y+19, "", `font-weight="bold" font-size="14"`, strings.ToUpper(c.seg.ID))
	p.text(c.right()-8, c.y+19, "end", "", c.seg.Net.String())
	y := c.y + 28 + lineHeight
	for _, l := range c.title {
		p.text(c.x+8, y, "", `font-style="italic" font-size="11"`, l)
		y += lineHeight
	}
	for _, l := range c.lines {
		ink := ""
		if p.o.Highlight != "" && slices.Contains(l.nodes, p.o.Highlight) {
			p.rect(box{c.x + 3, y - 12, c.w - 6, lineHeight + 1}, `fill="#000"`)
			ink = ` fill="#fff"`
			l.left = p.o.Highlight // alone, so that it is found in a run
		}
		if l.left == "" {
			p.text(c.x+8, y, "", `font-size="11"`, l.note)
			y += lineHeight
			continue
		}
		if l.admin {
			fmt.Fprintf(&p.b, `<path d="M%s %s l8 5 l-8 5 z"%s/>`+"\n", num(c.x-10), num(y-9), "")
		}
		p.text(c.x+8, y, "", `font-weight="bold"`+ink, l.left)
		if l.note != "" {
			p.text(c.x+68, y, "", ink, l.right)
			note := []rune(l.note)
			if len(note) > 25 {
				note = append(note[:24:24], '…')
			}
			p.text(c.x+96, y, "", `font-size="10"`+ink, string(note))
		} else {
			p.text(c.right()-8, y, "end", `font-size="11"`+ink, l.right)
		}
		y += lineHeight
	}
}

func (p *pen) legend(y, w float64, text func(fr, en string) string) {
	fmt.Fprintf(&p.b, `<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="#000" stroke-width="1"/>`+"\n", num(margin), num(y), num(w-margin), num(y))
	x := margin
	put := func(width float64, draw func(x float64), label string) {
		draw(x)
		p.text(x+width+8, y+26, "", `font-size="11"`, label)
		x += width + 8 + float64(len([]rune(label)))*6.4 + 26
	}
	put(28, func(x float64) { p.rect(box{x, y + 13, 28, 18}, `rx="4" fill="#fff" stroke="#000" stroke-width="3"`) },
		text("routeur ou pare-feu de l’entreprise", "router or firewall of the company"))
	put(28, func(x float64) {
		p.rect(box{x, y + 13, 28, 18}, `rx="4" fill="url(#out)" stroke="#000" stroke-width="1.5" stroke-dasharray="4 3"`)
	}, text("hors périmètre (opérateur)", "outside the perimeter (carrier)"))
	put(28, func(x float64) {
		p.rect(box{x, y + 13, 28, 18}, `rx="2" fill="#fff" stroke="#000" stroke-width="1.5"`)
		p.rect(box{x, y + 13, 28, 7}, `fill="#e4e4e4" stroke="#000" stroke-width="1"`)
	}, text("réseau et ses machines", "network and its machines"))
	put(8, func(x float64) { fmt.Fprintf(&p.b, `<path d="M%s %s l8 5 l-8 5 z"/>`+"\n", num(x), num(y+17)) },
		text("votre poste", "your workstation"))
	put(40, func(x float64) {
		fmt.Fprintf(&p.b, `<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="#000" stroke-width="2" stroke-dasharray="9 5"/>`+"\n", num(x), num(y+22), num(x+40), num(y+22))
	}, text("lien de secours, bascule manuelle", "backup line, manual switch-over"))
	p.text(margin, y+48, "", `font-size="11"`, fmt.Sprintf(text("%d machines. « .254 » est le dernier octet de l’adresse dans le réseau touché.",
		"%d machines. “.254” is the last byte of the address in the network touched."), len(p.site.Nodes)))
}
