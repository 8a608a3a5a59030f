package documents

import (
	"fmt"
	"html"
	"strings"
)

// HTML turns Markdown into a fragment of HTML: no scripts, no styles, no links.
// Whatever the text holds is escaped.
func HTML(markdown string) string {
	var b strings.Builder
	list := paragraph // the kind of the open list, if any
	closeList := func() {
		switch list {
		case bullet:
			b.WriteString("</ul>\n")
		case numberedItem:
			b.WriteString("</ol>\n")
		}
		list = paragraph
	}
	for _, k := range parse(markdown) {
		if k.kind != list {
			closeList()
			switch k.kind {
			case bullet:
				b.WriteString("<ul>\n")
				list = k.kind
			case numberedItem:
				b.WriteString("<ol>\n")
				list = k.kind
			}
		}
		switch k.kind {
		case heading:
			fmt.Fprintf(&b, "<h%d>%s</h%d>\n", k.level, inlineHTML(k.text), k.level)
		case bullet, numberedItem:
			fmt.Fprintf(&b, "<li>%s</li>\n", inlineHTML(k.text))
		case quotation:
			fmt.Fprintf(&b, "<blockquote><p>%s</p></blockquote>\n", inlineHTML(k.text))
		case code:
			fmt.Fprintf(&b, "<pre><code>%s\n</code></pre>\n", html.EscapeString(k.text))
		case grid:
			b.WriteString("<table>\n")
			for n, r := range k.rows {
				cell := "td"
				if n == 0 {
					cell = "th"
				}
				b.WriteString("<tr>")
				for _, c := range r {
					fmt.Fprintf(&b, "<%s>%s</%s>", cell, inlineHTML(c), cell)
				}
				b.WriteString("</tr>\n")
			}
			b.WriteString("</table>\n")
		default:
			fmt.Fprintf(&b, "<p>%s</p>\n", inlineHTML(k.text))
		}
	}
	closeList()
	return b.String()
}

func inlineHTML(s string) string {
	tags := map[style]string{strong: "strong", emphasis: "em", verbatim: "code"}
	var b strings.Builder
	for _, p := range inline(s) {
		text := html.EscapeString(p.text)
		if t := tags[p.style]; t != "" {
			text = "<" + t + ">" + text + "</" + t + ">"
		}
		b.WriteString(text)
	}
	return b.String()
}
