package term

import (
	"fmt"
	"io"
	"sort"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"

	"github.com/situlab/situlab/labnet/watch/prompt"
)

// screen is the terminal's screen, to show it to a new viewer and to read the
// line that is given to a program at the moment it is given: when the cursor
// leaves it.
type screen struct {
	emu        *vt.Emulator
	cols, rows int
	modes      map[int]bool // DEC private modes that differ from a fresh terminal
	// enters is how many Enters were typed that no line has explained yet; first:
	// the row that the last of them was typed in has not been left yet, and left is
	// that row's text once it has, if it holds no prompt that is known.
	enters int
	first  bool
	left   string
	// mark: the bytes since the last newline may hold a prompt.
	mark   bool
	inLF   bool
	lines  []cutLine
	broken int // emulators lost to a panic
}

// cutLine is one logical line with a known prompt.
type cutLine struct {
	text  string
	typed bool
}

// maxJoin is how many rows a wrapped line may take.
const maxJoin = 12

func newScreen(cols, rows int) *screen {
	s := &screen{cols: cols, rows: rows, modes: map[int]bool{}}
	s.fresh()
	return s
}

func (s *screen) fresh() {
	emu := vt.NewEmulator(s.cols, s.rows)
	emu.SetScrollbackSize(1)
	emu.SetCallbacks(vt.Callbacks{
		CursorPosition: func(old, new uv.Position) {
			if old.Y == new.Y || s.inLF || s.enters == 0 {
				return
			}
			if new.Y == old.Y+1 && full(s.row(old.Y), s.cols) {
				return // wrapped: the line goes on
			}
			s.cut(old.Y)
		},
		EnableMode:  func(m ansi.Mode) { s.mode(m, true) },
		DisableMode: func(m ansi.Mode) { s.mode(m, false) },
	})
	// Its answers to queries must reach nobody: the viewer's terminal answers.
	go io.Copy(io.Discard, emu) //nolint:errcheck // ends with the emulator
	s.emu = emu
}

func (s *screen) mode(m ansi.Mode, on bool) {
	if d, ok := m.(ansi.DECMode); ok {
		s.modes[d.Mode()] = on
	}
}

// write shows output and returns the lines that were given during it.
func (s *screen) write(b []byte) (lines []cutLine) {
	defer func() {
		if r := recover(); r != nil { // the emulator met something it does not know
			s.broken++
			s.inLF = false
			s.fresh()
		}
		lines, s.lines = s.lines, nil
	}()
	from := 0
	for i, c := range b {
		switch c {
		case '#', '>', '$':
			s.mark = true
		case '\n':
			_, _ = s.emu.Write(b[from:i])
			if s.mark || s.enters > 0 {
				s.cut(s.emu.CursorPosition().Y)
			}
			s.inLF = true
			_, _ = s.emu.Write(b[i : i+1])
			s.inLF, from, s.mark = false, i+1, false
		}
	}
	_, _ = s.emu.Write(b[from:])
	return nil
}

// typed says that Enter was typed so many times.
func (s *screen) typed(n int) { s.enters, s.first, s.left = s.enters+n, true, "" }

// cut reads the logical line that ends in row y. A line that fills its row goes
// on in the next: the terminal wrapped it. A weak prompt counts in the row only in
// which Enter was typed: what follows is output.
func (s *screen) cut(y int) {
	text := s.row(y)
	first := s.first
	s.first = false
	for n := 0; ; n++ {
		if m, ok := prompt.Cut(text); ok && (m.Strong || first && s.enters > 0) {
			s.lines = append(s.lines, cutLine{text: strings.TrimRight(text, " "), typed: s.enters > 0})
			s.enters = max(0, s.enters-1)
			return
		}
		y--
		if y < 0 || n == maxJoin || !full(s.row(y), s.cols) {
			if first {
				s.left = strings.TrimRight(text, " ")
			}
			return
		}
		text = s.row(y) + text
	}
}

func full(row string, cols int) bool {
	return ansi.StringWidth(row) >= cols && !strings.HasSuffix(row, " ")
}

// row is the text of a row of the screen, spaces at the end kept.
func (s *screen) row(y int) string {
	var sb strings.Builder
	for x := 0; x < s.cols; {
		c := s.emu.CellAt(x, y)
		if c == nil || c.Content == "" {
			sb.WriteByte(' ')
			x++
			continue
		}
		sb.WriteString(c.Content)
		x += max(1, c.Width)
	}
	return sb.String()
}

func (s *screen) resize(cols, rows int) {
	s.cols, s.rows = cols, rows
	defer func() {
		if recover() != nil {
			s.broken++
			s.fresh()
		}
	}()
	s.emu.Resize(cols, rows)
}

// show is what a fresh terminal must be sent to look like this one.
func (s *screen) show() []byte {
	var sb strings.Builder
	alt := s.emu.IsAltScreen()
	if alt {
		sb.WriteString("\x1b[?1049h")
	}
	sb.WriteString("\x1b[0m\x1b[H\x1b[2J")
	for y, line := range strings.Split(s.emu.Render(), "\n") {
		if y >= s.rows {
			break
		}
		fmt.Fprintf(&sb, "\x1b[%d;1H%s\x1b[0m", y+1, strings.TrimRight(line, "\r"))
	}
	modes := make([]int, 0, len(s.modes))
	for m := range s.modes {
		modes = append(modes, m)
	}
	sort.Ints(modes)
	for _, m := range modes {
		switch m {
		case 47, 1047, 1048, 1049, 2026:
			continue // the screen itself was chosen above
		}
		end := 'l'
		if s.modes[m] {
			end = 'h'
		}
		fmt.Fprintf(&sb, "\x1b[?%d%c", m, end)
	}
	p := s.emu.CursorPosition()
	fmt.Fprintf(&sb, "\x1b[%d;%dH", p.Y+1, p.X+1)
	return []byte(sb.String())
}

func (s *screen) close() { _ = s.emu.Close() }
