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
	BootNS int64
	// Node is empty when it is the terminal's own.
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
// the exec events: output that imitates a prompt counts for nothing. What was
// given to a program in which work can be typed and could not be cut is told as
// such; what was typed into pagers, questions and editors is no line (see
// programs.go). It may be used by several goroutines; each method returns what
// has become known, in the order of the terminals' events.
type Lines struct {
	mu      sync.Mutex
	running []*running
	limbo   []TermLine // lines whose program's start was not heard of yet
	ready   []TermLine
	swept   int64 // when it was last looked for what has ended
	// foreground says whether a process has its terminal now (tests).
	foreground func(pid int) (has, known bool)
}

// running is a program of a terminal.
type running struct {
	id            uint64
	pid           int
	program, node string
	tty, terminal string
	argv          []string
	exe           string
	start, end    int64 // end 0: runs
	code          int
	fg            bool
	// asks: it takes lines of work and its prompts are known; lines and prompts
	// count what was seen of it, unexplained the Enters typed that gave no line.
	asks                        bool
	lines, prompts, unexplained int
}

const (
	// patience is how long, in ns of the event's clock, the start or end of a
	// program and a line of its screen may be apart: they come by different ways.
	patience = 2_000_000_000
	// closeAfter is how long after a program's end its account is closed: the
	// terminal's holder waits for a line before it says that there was none.
	closeAfter = 6_000_000_000
	// momentary is a life too short for a person to type into: a storm of such
	// programs is not remembered.
	momentary = 300_000_000
	sweepGap  = 200_000_000
)

// NewLines begins with no program.
func NewLines() *Lines { return &Lines{foreground: foreground} }

// Exec hears of a program that started or ended.
func (l *Lines) Exec(e *ExecEvent, o Origin) []TermLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case ExecStart:
		if o.Terminal == "" && !o.Detached {
			break
		}
		l.start(e, o)
	case ExecExit:
		for i, p := range l.running {
			if p.id != e.ID || p.end != 0 {
				continue
			}
			p.end, p.code = e.BootNS, e.Code
			if !p.asks && p.end-p.start < momentary {
				l.running = slices.Delete(l.running, i, i+1)
			}
			break
		}
	}
	l.sweep(e.BootNS)
	return l.take()
}

func (l *Lines) start(e *ExecEvent, o Origin) {
	for _, p := range l.running {
		if p.pid == e.PID && p.node == e.Node && p.end == 0 {
			p.end, p.code = e.BootNS, 0 // one program executes another
		}
	}
	asks, ok := interactiveProgram(e.Argv)
	if ok && e.Stdin != StdinTerminal {
		if e.Stdin == StdinOther {
			l.ready = append(l.ready, TermLine{BootNS: e.BootNS, Node: e.Node, Terminal: o.Terminal, Program: asks,
				Uncut: true, Detail: "its input is not the terminal"})
		}
		return
	}
	if o.Terminal == "" || e.TTY == "" && e.Stdin != StdinTerminal {
		return
	}
	p := &running{id: e.ID, pid: e.PID, program: nameOf(e), node: e.Node, tty: e.TTY, terminal: o.Terminal, argv: e.Argv, exe: path.Base(e.Exe),
		start: e.BootNS, fg: e.Foreground}
	if ok {
		p.program, p.asks = asks, true
	}
	l.running = append(l.running, p)
	if !p.asks {
		return
	}
	l.limbo = slices.DeleteFunc(l.limbo, func(t TermLine) bool {
		if t.Terminal != p.terminal || t.Program != p.program || t.BootNS < p.start || (t.Node != "" && t.Node != p.node) {
			return false
		}
		l.give(p, t)
		return true
	})
}

// nameOf is what a program is called: comm, unless that was cut.
func nameOf(e *ExecEvent) string {
	if len(e.Argv) > 0 {
		if b := strings.TrimPrefix(path.Base(e.Argv[0]), "-"); e.Comm == "" || strings.HasPrefix(b, e.Comm) {
			return b
		}
	}
	return e.Comm
}

// give counts a line for a program; an empty one only shows its prompt.
func (l *Lines) give(p *running, t TermLine) {
	if t.Line == "" {
		p.prompts++
		return
	}
	t.Node = p.node
	p.lines++
	l.ready = append(l.ready, t)
}

// sweep forgets, but not at every event.
func (l *Lines) sweep(now int64) {
	if now-l.swept >= sweepGap {
		l.swept = now
		l.forget(now)
	}
}

// forget closes the account of programs that ended a while ago.
func (l *Lines) forget(now int64) {
	l.running = slices.DeleteFunc(l.running, func(p *running) bool {
		if p.end == 0 || now-p.end < closeAfter {
			return false
		}
		l.account(p)
		return true
	})
	l.limbo = slices.DeleteFunc(l.limbo, func(t TermLine) bool { return now-t.BootNS > patience })
}

// account says of a program that takes lines of work, and of which none was seen,
// that it may have been given some: when an Enter was typed for it, or when it
// neither showed its prompt nor failed to begin (a wrong host, a password).
func (l *Lines) account(p *running) {
	const hangup, killed = 129, 137
	gave := p.unexplained > 0 || p.code == 0 || p.code == hangup || p.code == killed
	if p.asks && p.lines == 0 && p.prompts == 0 && gave {
		l.ready = append(l.ready, TermLine{BootNS: p.start, Node: p.node, Terminal: p.terminal,
			Program: p.program, Uncut: true, Detail: "no line of it was seen on the screen"})
	}
}

// Screen takes an event of a terminal, of any kind.
func (l *Lines) Screen(terminal string, e term.Event) []TermLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case term.EventLine:
		l.line(terminal, e)
	case term.EventUncut:
		l.uncut(terminal, e)
	case term.EventClose, term.EventLost:
		l.forget(e.BootNS + closeAfter)
	}
	l.sweep(e.BootNS)
	return l.take()
}

// Tick lets time pass: now is on the events' clock.
func (l *Lines) Tick(now int64) []TermLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	return l.take()
}

// Flush closes every account: nothing more will be heard.
func (l *Lines) Flush() []TermLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.running {
		l.account(p)
	}
	l.running, l.limbo = nil, nil
	return l.take()
}

func (l *Lines) take() []TermLine {
	out := l.ready
	l.ready = nil
	return out
}

// line is a logical line of the screen that begins with a known prompt.
func (l *Lines) line(terminal string, e term.Event) {
	m, ok := prompt.Cut(e.Text)
	if !ok {
		return
	}
	t := TermLine{BootNS: e.BootNS, Terminal: terminal, Program: m.Program, Prompt: m.Prompt, Line: m.Line, Shell: m.Shell, Typed: e.Typed, Node: m.Host}
	if m.Shell {
		l.shellLine(terminal, e, m, t)
		return
	}
	// The youngest that fits; the prompt may tell the node.
	for i := len(l.running) - 1; i >= 0; i-- {
		p := l.running[i]
		if !p.asks || p.terminal != terminal || p.program != m.Program || e.BootNS < p.start || (p.end != 0 && e.BootNS > p.end+patience/4) {
			continue
		}
		if m.Host != "" && m.Host != p.node && l.hostRuns(terminal, m) {
			continue
		}
		l.give(p, t)
		return
	}
	// The prompt is like that of a program we know, but it is another that asks.
	if p := l.given(terminal, e, true); e.Typed && p != nil && p.takesWork() {
		t.Program = p.program
		l.give(p, t)
	} else if m.Line != "" {
		l.limbo = append(l.limbo, t)
	}
}

// shellLine is a line after what looks like a shell's prompt. "> " is also what
// many a program asks with: then the line is that program's.
func (l *Lines) shellLine(terminal string, e term.Event, m prompt.Match, t TermLine) {
	if t.Line == "" {
		return
	}
	if !m.Strong && e.Typed {
		if p := l.given(terminal, e, true); p != nil && p.takesWork() {
			t.Program, t.Shell = p.program, false
			l.give(p, t)
			return
		}
	}
	l.ready = append(l.ready, t)
}

// uncut is an Enter that no known prompt explains: what was it given to?
func (l *Lines) uncut(terminal string, e term.Event) {
	p := l.given(terminal, e, false)
	switch {
	case p == nil || !p.takesWork():
	case p.asks: // at a question of its own; its account tells whether no line was seen at all
		p.unexplained++
	default:
		l.ready = append(l.ready, TermLine{BootNS: e.BootNS, Node: p.node, Terminal: terminal, Program: p.program, Uncut: true, Typed: true, Detail: e.Detail})
	}
}

// given is the program that what was typed in a terminal at a moment was given
// to, nil if that is none that takes lines. The terminal's holder names the one
// that had the terminal; when that only passes the keys on (ssh, a console, tmux)
// it is the last started in the foreground behind it. Behind several of those
// nobody knows: then it is the one in which work can be typed.
func (l *Lines) given(terminal string, e term.Event, now bool) *running {
	var front *running
	for _, p := range l.running {
		if p.terminal == terminal && p.pid == e.PID && e.PID != 0 && p.lives(e.BootNS) {
			front = p
		}
	}
	if front == nil {
		front = &running{program: e.Foreground, terminal: terminal}
	}
	if front.program != "" && !front.passesOn() {
		// A script or a pipe: the group's first process need not be who reads.
		if front.tty == "" {
			return front
		}
		if q := l.deepest(terminal, e.BootNS, now)[place{front.node, front.tty}]; q != nil && !q.passesOn() {
			return q
		}
		return front
	}
	var best *running
	for _, p := range l.deepest(terminal, e.BootNS, now) {
		switch {
		case p.passesOn():
		case best == nil, !best.takesWork() && p.takesWork(), best.takesWork() == p.takesWork() && p.start > best.start:
			best = p
		}
	}
	return best
}

type place struct{ node, tty string }

// deepest is, for each terminal of a node that belongs to the recorded one, the
// last started of the programs that were in its foreground at a moment.
func (l *Lines) deepest(terminal string, at int64, now bool) map[place]*running {
	out := map[place]*running{}
	for _, p := range l.running {
		if p.terminal != terminal || p.tty == "" || !p.lives(at) {
			continue
		}
		fg := p.fg
		if now && p.end == 0 {
			if has, known := l.foreground(p.pid); known {
				fg = has
			}
		}
		k := place{p.node, p.tty}
		if fg && (out[k] == nil || out[k].start <= p.start) {
			out[k] = p
		}
	}
	return out
}

func (p *running) lives(at int64) bool { return p.start <= at && (p.end == 0 || at <= p.end) }

// hostRuns says whether the program runs on the very node that the prompt names.
func (l *Lines) hostRuns(terminal string, m prompt.Match) bool {
	return slices.ContainsFunc(l.running, func(p *running) bool {
		return p.asks && p.terminal == terminal && p.program == m.Program && p.node == m.Host
	})
}
