package watch

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/situlab/situlab/labnet/watch/term"
)

// stage plays the events of a recorded terminal "t1" of adm1, one second apart.
type stage struct {
	l    *Lines
	now  int64
	next uint64
	out  []TermLine
}

func newStage() *stage {
	s := &stage{l: NewLines()}
	s.l.foreground = func(int) (bool, bool) { return false, false } // what the event said
	return s
}

func (s *stage) tick() int64 { s.now += 1e9; return s.now }

// run starts a program in the foreground of a terminal of a node ("adm1/pts0").
func (s *stage) run(place string, argv ...string) *ExecEvent {
	node, tty, _ := strings.Cut(place, "/")
	s.next++
	e := &ExecEvent{Kind: ExecStart, ID: s.next, PID: int(1000 + s.next), BootNS: s.tick(), Node: node, TTY: tty, Argv: argv,
		Comm: strings.TrimPrefix(path.Base(argv[0]), "-"), Exe: strings.TrimPrefix(argv[0], "-"), Foreground: tty != "", Stdin: StdinTerminal}
	if tty == "" {
		e.Stdin = StdinOther
	}
	s.out = append(s.out, s.l.Exec(e, Origin{Terminal: "t1"})...)
	return e
}

func (s *stage) end(e *ExecEvent, code int) {
	x := *e
	x.Kind, x.BootNS, x.Code = ExecExit, s.tick(), code
	s.out = append(s.out, s.l.Exec(&x, Origin{Terminal: "t1"})...)
}

// line is a line that was cut, typed while front had the outer terminal; enter is
// an Enter that no prompt explained.
func (s *stage) line(front *ExecEvent, text string) {
	s.out = append(s.out, s.l.Screen("t1", term.Event{Kind: term.EventLine, BootNS: s.tick(), Text: text, Typed: true, PID: front.PID, Foreground: front.Comm})...)
}

func (s *stage) enter(front *ExecEvent, row string) {
	s.out = append(s.out, s.l.Screen("t1", term.Event{Kind: term.EventUncut, BootNS: s.tick(), PID: front.PID, Foreground: front.Comm, Detail: row})...)
}

// told is what was found out, the lines of shells left out.
func (s *stage) told() string {
	s.out = append(s.out, s.l.Tick(s.now+2*closeAfter)...)
	s.out = append(s.out, s.l.Flush()...)
	var all []string
	for _, t := range s.out {
		switch {
		case t.Uncut:
			all = append(all, fmt.Sprintf("%s/%s uncut", t.Node, t.Program))
		case !t.Shell:
			all = append(all, fmt.Sprintf("%s/%s %s", t.Node, t.Program, t.Line))
		}
	}
	return strings.Join(all, "; ")
}

// What is typed at a terminal is a line of work, or cannot be told from one, or
// is neither: only the second is called uncut, by the name of its program.
func TestWhatTypedLinesAreGivenTo(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(*stage)
		want string
	}{
		{"a pager", func(s *stage) {
			bash := s.run("adm1/pts0", "bash")
			p := s.run("adm1/pts0", "less", "x")
			s.enter(p, ":")
			_ = bash
		}, ""},
		{"a pager of journalctl", func(s *stage) {
			j := s.run("adm1/pts0", "journalctl", "-b", "-1")
			s.run("adm1/pts0", "pager")
			s.enter(j, "lines 1-23")
		}, ""},
		{"man", func(s *stage) {
			m := s.run("adm1/pts0", "/usr/bin/man", "ip")
			s.run("adm1/pts0", "pager", "-s")
			s.enter(m, "")
		}, ""},
		{"yes or no", func(s *stage) {
			p := s.run("adm1/pts0", "rm", "-i", "note")
			s.enter(p, "rm: remove regular file 'note'? y")
		}, ""},
		{"sudo's password", func(s *stage) { p := s.run("adm1/pts0", "sudo", "ls"); s.enter(p, "[sudo] password for adm:") }, ""},
		{"ssh's password", func(s *stage) { p := s.run("adm1/pts0", "ssh", "rt1"); s.enter(p, "adm@rt1's password:") }, ""},
		{"the desk's own questions", func(s *stage) {
			p := s.run("adm1/pts0", "/usr/local/bin/situ", "diagnose")
			s.enter(p, "rt1 n'achemine plus")
			s.enter(p, "")
		}, ""},
		{"an editor", func(s *stage) { p := s.run("adm1/pts0", "nano", "/etc/hosts"); s.enter(p, "10.0.0.1 x") }, ""},
		{"a shell with a prompt of its own", func(s *stage) { p := s.run("adm1/pts0", "bash"); s.enter(p, "→ ls") }, ""},
		{"a script's question", func(s *stage) {
			p := s.run("adm1/pts0", "/bin/bash", "./repair.sh")
			p.Comm = "repair.sh"
			s.enter(p, "go on? y")
		}, ""},
		{"a pager over ssh", func(s *stage) {
			ssh := s.run("adm1/pts0", "ssh", "rt1")
			s.run("rt1/pts0", "-bash")
			s.run("rt1/pts0", "less", "/etc/frr/frr.conf")
			s.enter(ssh, ":")
		}, ""},
		{"a packet trace on a console", func(s *stage) {
			situ := s.run("adm1/pts0", "situ", "console", "rt1")
			s.run("rt1/pts3", "/bin/bash", "-l")
			s.run("rt1/pts3", "tcpdump", "-ni", "eth0")
			s.enter(situ, "")
		}, ""},
		{"an unknown program", func(s *stage) { p := s.run("adm1/pts0", "perl", "calc.pl"); s.enter(p, "calc: 2+2") }, "adm1/perl uncut"},
		{"an unknown program, sudo before it", func(s *stage) {
			p := s.run("adm1/pts0", "sudo", "perl", "calc.pl")
			s.run("adm1/pts1", "perl", "calc.pl")
			s.enter(p, "calc: 2+2")
		}, "adm1/perl uncut"},
		{"an unknown program over ssh", func(s *stage) {
			ssh := s.run("adm1/pts0", "ssh", "srv")
			s.run("srv/pts0", "-bash")
			s.run("srv/pts0", "telnet", "mail1", "25")
			s.enter(ssh, "HELO x")
		}, "srv/telnet uncut"},
		{"it has ended", func(s *stage) {
			ssh := s.run("adm1/pts0", "ssh", "srv")
			s.run("srv/pts0", "-bash")
			p := s.run("srv/pts0", "telnet", "mail1", "25")
			s.end(p, 0)
			s.enter(ssh, "")
		}, ""},
		{"it runs in the background", func(s *stage) {
			ssh := s.run("adm1/pts0", "ssh", "srv")
			s.run("srv/pts0", "-bash")
			s.next++
			s.l.Exec(&ExecEvent{Kind: ExecStart, ID: s.next, PID: 9, BootNS: s.tick(), Node: "srv", TTY: "pts0", Argv: []string{"mytool"}, Comm: "mytool", Stdin: StdinTerminal}, Origin{Terminal: "t1"})
			s.enter(ssh, "")
		}, ""},
		{"one of two windows of tmux", func(s *stage) {
			m := s.run("adm1/pts0", "tmux")
			s.run("adm1/pts1", "perl", "calc.pl")
			s.run("adm1/pts2", "less", "x")
			s.enter(m, "2+2")
		}, "adm1/perl uncut"},
		{"the observation of programs is off", func(s *stage) { s.enter(&ExecEvent{Comm: "gdb"}, "(gdb) x"); s.enter(&ExecEvent{Comm: "less"}, ":") }, "/gdb uncut"},
		{"a program that asks like a shell", func(s *stage) {
			bash := s.run("adm1/pts0", "bash")
			p := s.run("adm1/pts0", "nslookup")
			s.line(p, "> server 10.0.0.53")
			s.end(p, 0)
			s.line(bash, "> continued")
		}, "adm1/nslookup server 10.0.0.53"},
		{"a program that asks like a router", func(s *stage) {
			p := s.run("adm1/pts0", "birdc")
			s.line(p, "bird> show route")
		}, "adm1/birdc show route"},
		{"vtysh, its lines seen", func(s *stage) {
			p := s.run("rt1/pts0", "vtysh")
			s.line(p, "rt1# show ip route")
			s.enter(p, "--More--")
			s.end(p, 0)
		}, "rt1/vtysh show ip route"},
		{"vtysh, left at once", func(s *stage) { p := s.run("rt1/pts0", "vtysh"); s.line(p, "rt1#"); s.end(p, 0) }, ""},
		{"vtysh, no line seen", func(s *stage) { p := s.run("rt1/pts0", "vtysh"); s.end(p, 0) }, "rt1/vtysh uncut"},
		{"vtysh in a terminal that closed", func(s *stage) {
			s.run("rt1/pts0", "vtysh")
			s.out = append(s.out, s.l.Screen("t1", term.Event{Kind: term.EventClose, BootNS: s.tick()})...)
		}, "rt1/vtysh uncut"},
		{"psql that did not reach its server", func(s *stage) { p := s.run("bdd1/pts0", "psql", "-h", "nowhere"); s.end(p, 2) }, ""},
		{"psql with a strange prompt", func(s *stage) { p := s.run("bdd1/pts0", "psql"); s.enter(p, "? select 1;"); s.end(p, 1) }, "bdd1/psql uncut"},
		{"lines through a pipe", func(s *stage) { p := s.run("rt1", "vtysh"); s.end(p, 0) }, "rt1/vtysh uncut"},
		{"python from a pipe", func(s *stage) { s.run("adm1", "python3", "-") }, "adm1/python3 uncut"},
		{"commands in the arguments", func(s *stage) { p := s.run("rt1", "vtysh", "-c", "show ip route"); s.end(p, 0) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage()
			c.play(s)
			if got := s.told(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Nothing was given to a program whose input is empty, and what came through a
// pipe is told at once, not with the next line of the screen.
func TestPipedLinesAreToldAtOnce(t *testing.T) {
	l := NewLines()
	e := &ExecEvent{Kind: ExecStart, ID: 1, PID: 5, BootNS: 7, Node: "rt1", Argv: []string{"vtysh"}, Stdin: StdinNull}
	if got := l.Exec(e, Origin{Terminal: "t1"}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	e.Stdin = StdinOther
	if got := l.Exec(e, Origin{Terminal: "t1"}); len(got) != 1 || !got[0].Uncut || got[0].Program != "vtysh" || got[0].BootNS != 7 || got[0].Node != "rt1" {
		t.Errorf("%+v", got)
	}
	if got := l.Exec(e, Origin{}); len(got) != 0 { // a daemon's
		t.Errorf("%+v", got)
	}
}
