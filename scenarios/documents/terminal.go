package documents

import (
	"strings"
	"unicode/utf8"
)

// Narrow fits the narrowest terminal that people use, in columns.
const Narrow = 78

// Text sets Markdown for a terminal of width columns (0 means 80): no colours,
// no escape sequences, so that it may go through a pipe or a pager. Code keeps
// its own line breaks.
func Text(markdown string, width int) string {
	if width <= 0 {
		width = 80
	}
	var b strings.Builder
	blocks := parse(strings.ReplaceAll(markdown, held, " "))
	for i, k := range blocks {
		if i > 0 && !(k.kind == blocks[i-1].kind && (k.kind == bullet || k.kind == numberedItem)) {
			b.WriteByte('\n')
		}
		switch k.kind {
		case heading:
			underline(&b, k, width)
		case bullet:
			hang(&b, "  - ", k.text, width)
		case numberedItem:
			hang(&b, " "+k.label+" ", k.text, width)
		case quotation:
			for _, l := range wrap(unmark(k.text), width-2) {
				b.WriteString("> " + l + "\n")
			}
		case code:
			for l := range strings.SplitSeq(k.text, "\n") {
				b.WriteString(strings.TrimRight(l, " ") + "\n")
			}
		case grid:
			b.WriteString(gridText(k.rows, width))
		default:
			hang(&b, "", k.text, width)
		}
	}
	return strings.ReplaceAll(b.String(), held, " ")
}

func underline(b *strings.Builder, k block, width int) {
	longest := 0
	for _, l := range wrap(unmark(k.text), width) {
		b.WriteString(l + "\n")
		longest = max(longest, utf8.RuneCountInString(l))
	}
	if k.level <= 2 {
		b.WriteString(strings.Repeat(map[int]string{1: "=", 2: "-"}[k.level], longest) + "\n")
	}
}

// hang writes a text whose following lines stand under the first one's words.
func hang(b *strings.Builder, mark, text string, width int) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(mark))
	for i, l := range wrap(unmark(text), width-len(indent)) {
		if i == 0 {
			b.WriteString(mark + l + "\n")
		} else {
			b.WriteString(indent + l + "\n")
		}
	}
}

// held stands for a space at which a line must not break while lines are made:
// a command is read, and copied, in one piece. It is a space again in the end.
const held = "\x1f"

// unmark removes the marks of strong, emphasis and code. Code of several words
// keeps its own, so that one sees where a command begins and ends.
func unmark(s string) string {
	var b strings.Builder
	for _, p := range inline(s) {
		if p.style == verbatim && strings.Contains(p.text, " ") {
			p.text = "`" + p.text + "`"
			if utf8.RuneCountInString(p.text) <= 40 {
				p.text = strings.ReplaceAll(p.text, " ", held)
			}
		}
		b.WriteString(p.text)
	}
	return b.String()
}

// gridText sets a table: columns as wide as they must be, cells broken over
// several lines where the whole does not fit.
func gridText(rows [][]string, width int) string {
	columns := 0
	for _, r := range rows {
		columns = max(columns, len(r))
	}
	natural, least := make([]int, columns), make([]int, columns)
	for _, r := range rows {
		for i, c := range r {
			c = unmark(c)
			natural[i] = max(natural[i], utf8.RuneCountInString(c))
			for _, word := range strings.Split(c, " ") {
				least[i] = max(least[i], min(utf8.RuneCountInString(word), 24))
			}
		}
	}
	widths := fit(natural, least, width-2*(columns-1))
	tall := false
	for _, r := range rows[1:] {
		for i, c := range r {
			tall = tall || len(wrap(unmark(c), widths[i])) > 1
		}
	}
	var b strings.Builder
	for n, r := range rows {
		writeRow(&b, r, widths)
		switch {
		case n == 0:
			for i, w := range widths {
				if i > 0 {
					b.WriteString("  ")
				}
				b.WriteString(strings.Repeat("-", w))
			}
			b.WriteByte('\n')
		case tall && columns > 2 && n < len(rows)-1 && len(rows) < 40:
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// fit shares the room out: every column gets what its longest word needs, then
// what is left goes to those that still want more, a column at a time.
func fit(natural, least []int, room int) []int {
	widths := append([]int(nil), least...)
	left := room
	for _, w := range widths {
		left -= w
	}
	for ; left < 0; left++ { // not even the longest words fit: cut the longest
		widest := 0
		for i := range widths {
			if widths[i] > widths[widest] {
				widest = i
			}
		}
		widths[widest] = max(1, widths[widest]-1)
	}
	for left > 0 {
		grown := false
		for i := range widths {
			if left > 0 && widths[i] < natural[i] {
				widths[i]++
				left--
				grown = true
			}
		}
		if !grown {
			break
		}
	}
	return widths
}

func writeRow(b *strings.Builder, cells []string, widths []int) {
	broken := make([][]string, len(widths))
	height := 1
	for i := range widths {
		if i < len(cells) {
			broken[i] = breakWords(wrap(unmark(cells[i]), widths[i]), widths[i])
			height = max(height, len(broken[i]))
		}
	}
	for l := range height {
		var line strings.Builder
		for i, w := range widths {
			s := ""
			if l < len(broken[i]) {
				s = broken[i][l]
			}
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(s + strings.Repeat(" ", max(0, w-utf8.RuneCountInString(s))))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// breakWords cuts what is longer than a column: an address with a long name.
func breakWords(lines []string, width int) []string {
	var out []string
	for _, l := range lines {
		r := []rune(l)
		for len(r) > width {
			out = append(out, string(r[:width]))
			r = r[width:]
		}
		out = append(out, string(r))
	}
	return out
}
