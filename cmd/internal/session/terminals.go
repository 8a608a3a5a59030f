package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	xterm "golang.org/x/term"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/watch/term"
	"github.com/situlab/situlab/scenarios"
)

// firstLoginUID is the audit login uid of the first terminal; it only has to
// differ from the accounts of the nodes, so that a terminal shows as such.
const firstLoginUID = 9001

// candidateID is the person of the site whom the candidate plays.
const candidateID = "admin"

// terminals are the recorded terminals of a session. Each is held by a process
// of its own, which outlives the controller.
type terminals struct {
	s   *Session
	dir string

	mu      sync.Mutex
	next    int
	opened  map[string]*term.Handle
	follow  sync.WaitGroup
	closing bool
	current chan struct{} // closed and replaced when a new first terminal opens
	name    string
}

func newTerminals(s *Session) *terminals {
	return &terminals{s: s, dir: filepath.Join(s.dir, "terminals"), opened: map[string]*term.Handle{}, current: make(chan struct{})}
}

// sockets is where the terminals' sockets lie: beside the lab's state, since the
// place of the results may have any name.
func (t *terminals) sockets() string { return filepath.Join(host.LabState(t.s.labName()), "terminals") }

// candidate is the account that the candidate works with.
func (s *Session) candidate() scenarios.Person {
	for _, p := range s.variant.Site.People {
		if p.ID == candidateID {
			return p
		}
	}
	return scenarios.Person{Login: "root"}
}

// firstTerminal is the name of the session's first terminal.
const firstTerminal = "t1"

// scriptName is where the scripted candidate lies in the candidate's home.
const scriptName = "candidat.sh"

// open starts a shell (or the script) on the administration workstation in a
// new recorded terminal.
func (t *terminals) open(ctx context.Context, kind string) (string, error) {
	s := t.s
	login := s.candidate().Login
	home := "/home/" + login
	if login == "root" {
		home = "/root"
	}
	command := []string{"/bin/bash", "-l"}
	if s.opts.Script != nil && kind == evidence.TermShell {
		file := path.Join(home, scriptName)
		err := s.lab.Node(s.admin).Write([]node.File{{Path: file, Mode: 0o755, User: login, Group: login, Content: s.opts.Script, ModTime: time.Now()}})
		if err != nil {
			return "", fmt.Errorf("give the script to the candidate: %w", err)
		}
		s.recorders().gave(s.admin, file)
		command = []string{"/bin/bash", file}
	}
	rows, cols := 24, 80
	if w, h, err := xterm.GetSize(int(os.Stdin.Fd())); err == nil {
		rows, cols = h, w
	}
	t.mu.Lock()
	t.next++
	id, uid := fmt.Sprintf("t%d", t.next), uint32(firstLoginUID+t.next-1)
	t.mu.Unlock()
	locale := "fr_FR.UTF-8"
	if s.opts.Lang == "en" {
		locale = "en_US.UTF-8"
	}
	banner := ""
	switch {
	case uid == firstLoginUID: // the session's first terminal
		banner = s.welcome()
	case kind == evidence.TermShell:
		banner = s.ui.T(
			"\r\nNouveau shell : l’épreuve continue. Pour la terminer : situ finish\r\n\r\n",
			"\r\nA new shell: the session goes on. To end it: situ finish\r\n\r\n")
	}
	farewell := "\r\n" + s.ui.T("— le poste d’administration redémarre ou s’éteint ; s’il redémarre, le terminal reviendra —",
		"— the administration workstation reboots or goes off; if it reboots, the terminal will come back —") + "\r\n"
	if err := os.MkdirAll(t.sockets(), 0o700); err != nil {
		return "", fmt.Errorf("open a terminal on %s: %w", s.admin, err)
	}
	s.joiner.Expect(id, s.admin, uid, "")
	h, err := term.Start(ctx, term.Spec{
		ID: id, Kind: kind, Dir: t.dir, SocketDir: t.sockets(), State: labnet.RuntimeState(s.labName()), Lab: s.labName(), Node: s.admin,
		Command: command, User: login, WorkDir: home, Cols: uint16(cols), Rows: uint16(rows), LoginUID: uid, Label: s.admin, Banner: banner, Farewell: farewell,
		Env: []string{"HOME=" + home, "USER=" + login, "LOGNAME=" + login, "SHELL=/bin/bash", "TERM=" + termType(),
			"LANG=" + locale, "SITU_LANG=" + s.opts.Lang, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}, "")
	if err != nil {
		return "", fmt.Errorf("open a terminal on %s: %w", s.admin, err)
	}
	t.mu.Lock()
	t.opened[id] = h
	if kind == evidence.TermShell {
		t.name = id
		close(t.current)
		t.current = make(chan struct{})
	}
	t.mu.Unlock()
	info := h.Info()
	s.put(&evidence.TermOpen{Terminal: id, Kind: kind, Cols: cols, Rows: rows, LoginSession: info.Session})
	s.joiner.Terminal(id, s.admin, info.Session, "")
	events, err := h.Follow(context.WithoutCancel(ctx), 0)
	if err != nil {
		return "", err
	}
	t.follow.Go(func() { t.read(ctx, id, kind, events, 0, 0) })
	if s.isOver() { // while it opened
		_ = h.Pause(ctx)
	}
	return id, nil
}

// adopt takes over the terminals that were open when the controller died, and
// gives the first one. What they said meanwhile is journaled now.
func (t *terminals) adopt(ctx context.Context, p *past) (string, error) {
	// One may have opened that the journal does not know of yet.
	made, err := term.List(t.dir)
	if err != nil {
		return "", err
	}
	for _, id := range made {
		if _, known := p.kinds[id]; known {
			continue
		}
		h, err := term.Open(t.dir, id)
		if err != nil {
			continue // it died before it was one
		}
		i := h.Info()
		t.s.put(&evidence.TermOpen{Terminal: id, Kind: i.Kind, Cols: int(i.Cols), Rows: int(i.Rows), LoginSession: i.Session})
		p.joiner.Terminal(id, t.s.admin, i.Session, "")
		p.said[id], p.kinds[id] = 0, i.Kind
	}
	for id := range p.said {
		h, err := term.Open(t.dir, id)
		if err != nil {
			return "", err
		}
		events, err := h.Follow(context.WithoutCancel(ctx), 0)
		if err != nil {
			return "", err
		}
		kind := p.kinds[id]
		t.mu.Lock()
		t.opened[id] = h
		if kind == evidence.TermShell && number(id) > number(t.name) {
			t.name = id
		}
		t.mu.Unlock()
		_ = h.Pause(ctx) // one that has ended says so in its events
		t.follow.Go(func() { t.read(ctx, id, kind, events, p.said[id], p.typed[id]) })
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range p.kinds {
		t.next = max(t.next, number(id))
	}
	return t.name, nil
}

// some opens a first terminal if there is none.
func (t *terminals) some(ctx context.Context) error {
	t.mu.Lock()
	none := t.name == ""
	t.mu.Unlock()
	if !none {
		return nil // or it has ended, and another one opens by itself
	}
	_, err := t.open(ctx, evidence.TermShell)
	return err
}

// number is the number of a terminal, 0 for none.
func number(id string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "t"))
	if err != nil {
		return 0
	}
	return n
}

// lockTimeout bounds how long the terminals are asked to take no more input.
const lockTimeout = 2 * time.Second

// lock ends the typing in every terminal at once, and says why.
func (t *terminals) lock(text string) {
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	err := t.each(func(h *term.Handle) error {
		return errors.Join(h.Pause(ctx), h.Notify(ctx, "\r\n— "+text+" —\r\n"))
	})
	if err != nil && ctx.Err() != nil { // one that has just ended is no error
		t.s.ui.Warn("terminal: %v", err)
	}
}

func termType() string {
	if v := os.Getenv("TERM"); v != "" && v != "dumb" {
		return v
	}
	return "xterm-256color"
}

// read journals the events of a terminal and reacts to its end.
//
// After a resume, what was journaled before is not journaled again: what the
// terminal said until said, lines until typed (boot ns).
func (t *terminals) read(ctx context.Context, id, kind string, events <-chan term.Event, said, typed int64) {
	s := t.s
	for e := range events {
		if e.BootNS > typed || e.Kind != term.EventLine {
			s.recorders().screen(id, e)
		}
		if e.BootNS <= said {
			continue
		}
		var p evidence.Payload
		switch e.Kind {
		case term.EventOutput:
			p = &evidence.TermOutput{Terminal: id, Offset: e.Offset, Bytes: e.Bytes, SHA256: e.SHA256}
		case term.EventKeys:
			p = &evidence.TermKeys{Terminal: id, Keys: e.Keys, Hidden: e.Hidden, Seconds: e.Seconds}
		case term.EventResize:
			p = &evidence.TermResize{Terminal: id, Cols: int(e.Cols), Rows: int(e.Rows)}
		case term.EventClose:
			p = &evidence.TermClose{Terminal: id, Code: e.Code}
		case term.EventLost:
			p = &evidence.RecorderLoss{Recorder: "terminal", Lost: 1}
		}
		if p != nil && !s.off("terminal") {
			_, err := s.journal.Append(context.Background(), evidence.Entry{Source: "terminal", Node: s.admin, Actor: "candidate", BootNS: e.BootNS, Payload: p})
			if err != nil {
				s.invalidate("recorder_failed", "journal: "+err.Error())
			}
		}
	}
	t.mu.Lock()
	delete(t.opened, id)
	closing := t.closing
	t.mu.Unlock()
	if closing || kind != evidence.TermShell {
		return
	}
	t.reopen(ctx)
}

// reopen follows the end of the first terminal: a script's session ends with
// it, a person gets a new shell, also after the workstation has rebooted.
func (t *terminals) reopen(ctx context.Context) {
	s := t.s
	if s.isOver() || ctx.Err() != nil {
		return
	}
	if s.opts.Script != nil {
		s.end(evidence.FinishScriptEnded)
		return
	}
	off := false
	for ctx.Err() == nil && !s.isOver() {
		if !off && s.adminIsOff() {
			off = true
			s.ui.Step("%s", s.ui.T("le poste d'administration est éteint ; l'épreuve court jusqu'à la fin du temps", "the administration workstation is off; the session runs until the time is up"))
		}
		if s.lab.NodeState(s.admin) == labnet.Up {
			if _, err := t.open(ctx, evidence.TermShell); err == nil {
				return
			}
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// adminIsOff says whether the administration workstation was switched off, not
// rebooted.
func (s *Session) adminIsOff() bool {
	s.mu.Lock()
	reason := s.adminLeft
	s.mu.Unlock()
	return s.lab.NodeState(s.admin) == labnet.Off && reason != "" && reason != node.Rebooted
}

// recorders are those that observe now, nil if none do.
func (s *Session) recorders() *recorders {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watching
}

// attachUser joins the terminal of this process to the session's, and to the
// next one when it ends, until the returned function is called. Without a
// terminal of its own (a script, a service) the output is shown only when a
// person could read it.
func (t *terminals) attachUser(string) (detach func()) {
	s := t.s
	if s.ui.JSON || (s.opts.Script == nil && !xterm.IsTerminal(int(os.Stdin.Fd()))) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	out := os.Stdout
	if s.opts.Script != nil {
		out = os.Stderr // results go to standard output
	}
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			t.mu.Lock()
			h, next := t.opened[t.name], t.current
			t.mu.Unlock()
			if h != nil {
				opts := term.AttachOptions{}
				in := os.Stdin
				if s.opts.Script != nil {
					in = nil
				}
				_, err := term.Attach(ctx, h.Info().Socket, in, out, opts)
				if errors.Is(err, term.ErrDetached) && ctx.Err() == nil && s.opts.Script == nil {
					s.ui.Step(s.ui.T("terminal détaché ; l'épreuve continue : situlab attach %s", "terminal detached; the session goes on: situlab attach %s"), s.id)
					return
				}
			}
			select {
			case <-next:
			case <-ctx.Done():
			}
		}
	}()
	return func() { cancel(); <-done }
}

// closeAll ends every terminal and waits until their last events are recorded.
func (t *terminals) closeAll() {
	t.mu.Lock()
	t.closing = true
	handles := make([]*term.Handle, 0, len(t.opened))
	for _, h := range t.opened {
		handles = append(handles, h)
	}
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, h := range handles {
		if err := h.Close(ctx); err != nil {
			t.s.ui.Warn("terminal: %v", err)
		}
	}
	t.follow.Wait()
}

// each calls f with every open terminal.
func (t *terminals) each(f func(*term.Handle) error) error {
	t.mu.Lock()
	handles := make([]*term.Handle, 0, len(t.opened))
	for _, h := range t.opened {
		handles = append(handles, h)
	}
	t.mu.Unlock()
	var errs []error
	for _, h := range handles {
		errs = append(errs, f(h))
	}
	return errors.Join(errs...)
}
