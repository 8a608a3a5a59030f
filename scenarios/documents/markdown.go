package documents

import (
	"regexp"
	"strings"
)

// The Markdown read here is the small part that our documents and the briefs of
// scenarios use: headings, paragraphs, bulleted and numbered lists (one level),
// fenced code, tables, quotations; **strong**, *emphasis* and `code` inside.

type blockKind int

const (
	paragraph blockKind = iota
	heading
	bullet
	numberedItem
	code
	quotation
	grid
)

// block is one piece of a document.
type block struct {
	kind  blockKind
	level int        // of a heading
	label string     // of a numbered item: "1."
	text  string     // one line for all kinds but code
	rows  [][]string // of a table; the first is its head
}

var (
	headingLine  = regexp.MustCompile(`^(#{1,6}) +(.*)$`)
	bulletLine   = regexp.MustCompile(`^[-*] +(.*)$`)
	numberedLine = regexp.MustCompile(`^(\d+\.) +(.*)$`)
	ruleLine     = regexp.MustCompile(`^\|?[ :|-]+\|?$`)
)

// parse cuts Markdown into blocks.
func parse(markdown string) []block {
	var blocks []block
	open := false // the last block goes on with the next plain line
	lines := strings.Split(strings.ReplaceAll(markdown, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], " \t")
		trimmed := strings.TrimLeft(line, " ")
		add := func(b block) { blocks, open = append(blocks, b), true }
		switch {
		case strings.HasPrefix(trimmed, "```"):
			var body []string
			for i++; i < len(lines) && !strings.HasPrefix(strings.TrimLeft(lines[i], " "), "```"); i++ {
				body = append(body, lines[i])
			}
			add(block{kind: code, text: strings.Join(body, "\n")})
			open = false
		case trimmed == "":
			open = false
		case strings.HasPrefix(trimmed, "|"):
			cells := splitRow(trimmed)
			switch {
			case open && len(blocks) > 0 && blocks[len(blocks)-1].kind == grid:
				if last := &blocks[len(blocks)-1]; len(last.rows) > 1 || !ruleLine.MatchString(trimmed) {
					last.rows = append(last.rows, cells)
				} else {
					last.rows = append(last.rows, nil) // the rule under the head
				}
			default:
				add(block{kind: grid, rows: [][]string{cells}})
			}
		case headingLine.MatchString(trimmed):
			m := headingLine.FindStringSubmatch(trimmed)
			add(block{kind: heading, level: len(m[1]), text: m[2]})
			open = false
		case bulletLine.MatchString(trimmed):
			add(block{kind: bullet, text: bulletLine.FindStringSubmatch(trimmed)[1]})
		case numberedLine.MatchString(trimmed):
			m := numberedLine.FindStringSubmatch(trimmed)
			add(block{kind: numberedItem, label: m[1], text: m[2]})
		case strings.HasPrefix(trimmed, ">"):
			text := strings.TrimSpace(strings.TrimPrefix(trimmed, ">"))
			if n := len(blocks) - 1; open && n >= 0 && blocks[n].kind == quotation {
				blocks[n].text += " " + text
			} else {
				add(block{kind: quotation, text: text})
			}
		case open && blocks[len(blocks)-1].kind != grid:
			blocks[len(blocks)-1].text += " " + trimmed
		default:
			add(block{kind: paragraph, text: trimmed})
		}
	}
	for i := range blocks {
		if r := blocks[i].rows; len(r) > 1 && r[1] == nil {
			blocks[i].rows = append(r[:1:1], r[2:]...)
		}
	}
	return blocks
}

// splitRow cuts a table's line at its bars; a bar is written \| in a cell.
func splitRow(line string) []string {
	line = strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|")
	const bar = "\x00"
	var cells []string
	for _, c := range strings.Split(strings.ReplaceAll(line, `\|`, bar), "|") {
		cells = append(cells, strings.ReplaceAll(strings.TrimSpace(c), bar, "|"))
	}
	return cells
}

// style is how a piece of a line is set.
type style int

const (
	plain style = iota
	strong
	emphasis
	verbatim
)

// piece is a part of a line in one style.
type piece struct {
	style style
	text  string
}

var inlineMarks = regexp.MustCompile("`[^`]+`|\\*\\*[^*]+\\*\\*|\\*[^* ][^*]*\\*")

// inline cuts a line into pieces.
func inline(s string) []piece {
	var out []piece
	last := 0
	for _, m := range inlineMarks.FindAllStringIndex(s, -1) {
		if m[0] > last {
			out = append(out, piece{plain, s[last:m[0]]})
		}
		found := s[m[0]:m[1]]
		switch {
		case found[0] == '`':
			out = append(out, piece{verbatim, found[1 : len(found)-1]})
		case strings.HasPrefix(found, "**"):
			out = append(out, piece{strong, found[2 : len(found)-2]})
		default:
			out = append(out, piece{emphasis, found[1 : len(found)-1]})
		}
		last = m[1]
	}
	if last < len(s) {
		out = append(out, piece{plain, s[last:]})
	}
	return out
}
