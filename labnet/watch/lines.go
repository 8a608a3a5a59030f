package watch

import (
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/situlab/situlab/labnet/watch/prompt"
	"github.com/situlab/situlab/labnet/watch/term"
)

// TermLine is a line given to an interactive program.
type TermLine struct {
	BootNS   int64
	Node     string
	Terminal string
	// Program is its basename: vtysh, psql, python3, bash.
	Program string
	Prompt  string
	Line    string
	// Shell: the program is a shell. What the line runs is seen as programs; the
	// line itself holds the built-in commands too.
	Shell bool
	// Typed: an Enter was typed in the terminal for it; else it was given by a
	// program of the terminal (expect).
	Typed bool
	// Uncut: something was given to Program that could not be cut in lines;
	// Detail says why it is thought so.
	Uncut  bool
	Detail string
}

// Lines finds out which program, on which node, the lines on a terminal's screen
// were given to. A line counts only if its program lives on that terminal, by
// the exec events: output that imitates a prompt counts for nothing. It may be
// used by several goroutines.
type Lines struct {
	mu      sync.Mutex
	open    []*interactive
	limbo   []TermLine            // lines whose program's start was not heard of yet
	pending map[string][]TermLine // by terminal: ready to be given
}

type interactive struct {
	id            uint64
	program, node string
	terminal      string
	start, end    int64 // end 0: runs
	lines         int
}

// patience is how long, in ns of the event's clock, the start or end of a program
// and a line of its screen may be apart: they come by different ways.
const patience = 2_000_000_000

// NewLines begins with no program. The joiner is the one whose origins Exec gets.
func NewLines(*Joiner) *Lines { return &Lines{pending: map[string][]TermLine{}} }

// Exec hears of a program that started or ended.
func (l *Lines) Exec(e *ExecEvent, o Origin) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case ExecStart:
		l.forget(e.BootNS)
		name, ok := interactiveProgram(e.Argv)
		if !ok || o.Terminal == "" {
			return
		}
		p := &interactive{id: e.ID, program: name, node: e.Node, terminal: o.Terminal, start: e.BootNS}
		l.open = append(l.open, p)
		l.limbo = slices.DeleteFunc(l.limbo, func(t TermLine) bool {
			if t.Terminal != p.terminal || t.Program != p.program || t.BootNS < p.start || (t.Node != "" && t.Node != p.node) {
				return false
			}
			t.Node = p.node
			p.lines++
			l.pending[t.Terminal] = append(l.pending[t.Terminal], t)
			return true
		})
	case ExecExit:
		for _, p := range l.open {
			if p.id == e.ID {
				p.end = e.BootNS
			}
		}
	}
}

// forget closes the account of programs that ended a while ago.
func (l *Lines) forget(now int64) {
	l.open = slices.DeleteFunc(l.open, func(p *interactive) bool {
		if p.end == 0 || now-p.end < patience {
			return false
		}
		if p.lines == 0 {
			l.pending[p.terminal] = append(l.pending[p.terminal], TermLine{BootNS: p.end, Node: p.node, Terminal: p.terminal,
				Program: p.program, Uncut: true, Detail: "no line of it was seen on the screen"})
		}
		return true
	})
	l.limbo = slices.DeleteFunc(l.limbo, func(t TermLine) bool { return now-t.BootNS > patience })
}

// Screen takes an event of a terminal, of any kind, and returns the lines that
// have become known.
func (l *Lines) Screen(terminal string, e term.Event) []TermLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Kind == term.EventLine {
		l.line(terminal, e)
	}
	if e.Kind == term.EventClose {
		l.forget(e.BootNS + 2*patience)
	} else {
		l.forget(e.BootNS)
	}
	out := l.pending[terminal]
	delete(l.pending, terminal)
	return out
}

func (l *Lines) line(terminal string, e term.Event) {
	m, ok := prompt.Cut(e.Text)
	if !ok || m.Line == "" {
		return
	}
	t := TermLine{BootNS: e.BootNS, Terminal: terminal, Program: m.Program, Prompt: m.Prompt, Line: m.Line, Shell: m.Shell, Typed: e.Typed, Node: m.Host}
	if m.Shell {
		l.pending[terminal] = append(l.pending[terminal], t)
		return
	}
	// The youngest that fits; the prompt may tell the node.
	for i := len(l.open) - 1; i >= 0; i-- {
		p := l.open[i]
		if p.terminal != terminal || p.program != m.Program || e.BootNS < p.start || (p.end != 0 && e.BootNS > p.end+patience/4) {
			continue
		}
		if m.Host != "" && m.Host != p.node && l.hostOpen(terminal, m) {
			continue
		}
		t.Node = p.node
		p.lines++
		l.pending[terminal] = append(l.pending[terminal], t)
		return
	}
	l.limbo = append(l.limbo, t)
}

// hostOpen says whether the program runs on the very node that the prompt names.
func (l *Lines) hostOpen(terminal string, m prompt.Match) bool {
	return slices.ContainsFunc(l.open, func(p *interactive) bool {
		return p.terminal == terminal && p.program == m.Program && p.node == m.Host
	})
}

// interactiveProgram says whether a command line starts a program that asks for
// lines; with commands in its arguments or a file it does not.
func interactiveProgram(argv []string) (name string, ok bool) {
	if len(argv) == 0 {
		return "", false
	}
	name = strings.TrimPrefix(path.Base(argv[0]), "-")
	has := func(flags ...string) bool {
		return slices.ContainsFunc(argv[1:], func(a string) bool {
			return slices.ContainsFunc(flags, func(f string) bool {
				return a == f || (strings.HasPrefix(f, "--") && strings.HasPrefix(a, f+"=")) ||
					(len(f) == 2 && !strings.HasPrefix(a, "--") && strings.HasPrefix(a, f))
			})
		})
	}
	words := slices.ContainsFunc(argv[1:], func(a string) bool { return !strings.HasPrefix(a, "-") })
	switch {
	case name == "vtysh":
		return name, !has("-c", "-f", "-b", "-m", "-C", "--command", "--inputfile", "--boot", "--markfile", "--dryrun", "-w", "--writeconfig", "-h", "--help")
	case name == "psql":
		return name, !has("-c", "-f", "-l", "-V", "--command", "--file", "--list", "--version", "--help")
	case strings.HasPrefix(name, "python"):
		return "python3", !words && !has("-c", "-m", "-V", "--version", "--help", "-h")
	case name == "mysql", name == "mariadb":
		return "mysql", !has("-e", "--execute")
	case name == "sqlite3", name == "smbclient":
		return name, !has("-c", "-L")
	case name == "chronyc":
		return name, !words
	case name == "nft":
		return name, has("-i", "--interactive")
	case name == "sftp":
		return name, !has("-b")
	}
	return "", false
}
