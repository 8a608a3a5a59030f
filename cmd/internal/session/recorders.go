package session

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/cable"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/watch"
	"github.com/situlab/situlab/labnet/watch/term"
)

// netEvery is how often each node's network state is read.
const netEvery = 10 * time.Second

// maxSnippet bounds what is kept of a changed file's difference.
const maxSnippet = 4 << 10

// recorders observe the nodes from outside while the candidate works.
type recorders struct {
	s     *Session
	execs *watch.Execs
	files *watch.Files
	lines *watch.Lines

	mu      sync.Mutex
	started map[uint64]origin // exec id -> where it came from
	byPID   map[string]string // node/pid -> terminal, of running programs
	net     map[string]map[string]bool

	cancel   context.CancelFunc
	wg       sync.WaitGroup
	commands chan string // nodes where a command of the candidate ended
}

type origin struct {
	node string
	o    watch.Origin
}

// startRecorders switches everything on that watches the candidate.
func (s *Session) startRecorders(ctx context.Context) (*recorders, error) {
	r := &recorders{s: s, started: map[uint64]origin{}, byPID: map[string]string{}, net: map[string]map[string]bool{}, commands: make(chan string, 256)}
	s.joiner = watch.NewJoiner()
	r.lines = watch.NewLines(s.joiner)
	var err error
	if r.execs, err = watch.NewExecs(ctx, watch.ExecConfig{}); err != nil {
		return nil, &host.Error{What: "this kernel does not let situlab observe programs", Hint: "situlab doctor", Err: err}
	}
	if r.files, err = watch.NewFiles(ctx); err != nil {
		return nil, errors.Join(&host.Error{What: "this kernel does not let situlab observe files", Hint: "situlab doctor", Err: err}, r.execs.Close())
	}
	for _, n := range s.variant.Site.Nodes {
		if m := s.lab.Node(n.Name); m != nil && m.PID() != 0 {
			if err := r.add(n.Name, m.PID()); err != nil {
				return nil, errors.Join(err, r.execs.Close(), r.files.Close())
			}
		}
	}
	s.mu.Lock()
	s.watching = r
	s.mu.Unlock()
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, name := range []string{"exec", "file", "net", "probe", "terminal", "desk"} {
		s.put(&evidence.RecorderState{Recorder: name, On: true})
	}
	r.sampleNet("start")
	r.wg.Go(r.readExecs)
	r.wg.Go(r.readFiles)
	r.wg.Go(func() { r.watchNet(ctx) })
	r.wg.Go(func() { r.watchHealth(ctx) })
	r.wg.Go(func() {
		if err := s.probeUntil(ctx, evidence.PhaseSession); err != nil {
			s.ui.Warn("probes: %v", err)
			s.end(evidence.FinishInvalid)
		}
	})
	return r, nil
}

// add observes a node's present incarnation.
func (r *recorders) add(name string, pid int) error {
	if err := r.execs.Add(name, pid); err != nil {
		return fmt.Errorf("observe the programs of %s: %w", name, err)
	}
	if err := r.files.Add(name, pid); err != nil {
		return fmt.Errorf("observe the files of %s: %w", name, err)
	}
	return nil
}

// stop ends the observation and closes the account: what a recorder lost is
// written down.
func (r *recorders) stop() error {
	r.cancel()
	r.sampleNet("command")
	s := r.s
	s.mu.Lock()
	s.watching = nil
	s.mu.Unlock()
	lost := map[string]uint64{"exec": r.execs.Lost(), "file": r.files.Lost()}
	err := errors.Join(r.execs.Close(), r.files.Close())
	r.wg.Wait()
	for _, name := range []string{"exec", "file"} {
		if lost[name] > 0 {
			s.put(&evidence.RecorderLoss{Recorder: name, Lost: lost[name]})
		}
	}
	return err
}

func (r *recorders) append(e evidence.Entry) {
	if _, err := r.s.journal.Append(context.Background(), e); err != nil {
		r.s.end(evidence.FinishInvalid)
	}
}

// readExecs journals the programs: all that descend from a terminal or have
// left it; a node's own daemons are not the candidate's work.
func (r *recorders) readExecs() {
	for ev := range r.execs.Events() {
		if ev.Kind == watch.ExecLost {
			r.append(evidence.Entry{Source: "exec", Actor: "controller", BootNS: ev.BootNS, Payload: &evidence.RecorderLoss{Recorder: "exec", Lost: ev.Lost}})
			continue
		}
		o := r.s.joiner.Resolve(&ev)
		r.lines.Exec(&ev, o)
		if ev.Kind == watch.ExecStart {
			r.execStart(&ev, o)
		} else {
			r.execExit(&ev)
		}
	}
}

func (r *recorders) execStart(ev *watch.ExecEvent, o watch.Origin) {
	if o.Terminal == "" && !o.Detached {
		return
	}
	r.mu.Lock()
	r.started[ev.ID] = origin{ev.Node, o}
	r.byPID[fmt.Sprint(ev.Node, "/", ev.PID)] = o.Terminal
	r.mu.Unlock()
	r.append(evidence.Entry{Source: "exec", Node: ev.Node, Actor: "candidate", BootNS: ev.BootNS, Payload: &evidence.ExecStart{
		ID: ev.ID, PID: ev.NodePID, PPID: ev.NodePPID, Argv: ev.Argv, Truncated: ev.Truncated, Exe: ev.Exe, Cwd: ev.Cwd,
		UID: ev.NodeUID, LoginUID: ev.LoginUID, LoginSession: ev.Session, Terminal: o.Terminal, Via: o.Via, Detached: o.Detached,
	}})
}

func (r *recorders) execExit(ev *watch.ExecEvent) {
	r.mu.Lock()
	o, ok := r.started[ev.ID]
	delete(r.started, ev.ID)
	delete(r.byPID, fmt.Sprint(ev.Node, "/", ev.PID))
	r.mu.Unlock()
	if !ok {
		return
	}
	r.append(evidence.Entry{Source: "exec", Node: o.node, Actor: "candidate", BootNS: ev.BootNS,
		Payload: &evidence.ExecExit{ID: ev.ID, Code: ev.Code, StartNS: ev.StartNS, EndNS: ev.BootNS}})
	select {
	case r.commands <- o.node:
	default: // a sample is on its way anyway
	}
}

// line turns a line of a terminal's screen into what was typed inside an
// interactive program.
func (r *recorders) line(id string, e term.Event) {
	if r == nil {
		return
	}
	for _, l := range r.lines.Screen(id, e) {
		switch {
		case l.Shell:
		case l.Uncut:
			r.append(evidence.Entry{Source: "terminal", Node: l.Node, Actor: "candidate", BootNS: l.BootNS,
				Payload: &evidence.TermUncut{Terminal: id, Program: l.Program, Detail: l.Detail}})
		default:
			r.append(evidence.Entry{Source: "terminal", Node: l.Node, Actor: "candidate", BootNS: l.BootNS,
				Payload: &evidence.TermInputLine{Terminal: id, Program: l.Program, Prompt: l.Prompt, Line: l.Line}})
			select {
			case r.commands <- l.Node:
			default:
			}
		}
	}
}

// readFiles journals changes of files; the writer's terminal is known when the
// program was seen to start.
func (r *recorders) readFiles() {
	for ev := range r.files.Events() {
		if ev.Lost > 0 {
			r.append(evidence.Entry{Source: "file", Actor: "controller", BootNS: ev.BootNS, Payload: &evidence.RecorderLoss{Recorder: "file", Lost: ev.Lost}})
			continue
		}
		c := &evidence.FileChange{Path: ev.Path, Op: ev.Op, Origin: evidence.OriginSystem, PID: ev.PID}
		actor := "system"
		r.mu.Lock()
		t, ok := r.byPID[fmt.Sprint(ev.Node, "/", ev.PID)]
		r.mu.Unlock()
		if ok {
			c.Origin, c.Terminal, actor = evidence.OriginCandidate, t, "candidate"
		}
		r.append(evidence.Entry{Source: "file", Node: ev.Node, Actor: actor, BootNS: ev.BootNS, Payload: c})
	}
}

// watchNet samples every node's network state, and a node's own at the end of
// each command in it.
func (r *recorders) watchNet(ctx context.Context) {
	tick := time.NewTicker(netEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.sampleNet("periodic")
		case name := <-r.commands:
			r.sampleNode(name, "command")
		case <-ctx.Done():
			return
		}
	}
}

func (r *recorders) sampleNet(trigger string) {
	for _, n := range r.s.variant.Site.Nodes {
		if n.Perimeter {
			r.sampleNode(n.Name, trigger)
		}
	}
}

// sampleNode writes what changed since the node's last sample.
func (r *recorders) sampleNode(name, trigger string) {
	n := r.s.lab.Node(name)
	if n == nil || n.PID() == 0 {
		return
	}
	st, err := cable.State(context.Background(), n.NetNS())
	if err != nil {
		return // it is rebooting; the next sample tells
	}
	now := map[string]bool{}
	for _, l := range st.Lines() {
		now[l] = true
	}
	r.mu.Lock()
	before, known := r.net[name]
	r.net[name] = now
	r.mu.Unlock()
	p := &evidence.NetState{Trigger: trigger, Digest: st.Digest()}
	for l := range now {
		if !before[l] {
			p.Added = append(p.Added, l)
		}
	}
	for l := range before {
		if !now[l] {
			p.Removed = append(p.Removed, l)
		}
	}
	if known && len(p.Added)+len(p.Removed) == 0 {
		return
	}
	sort.Strings(p.Added)
	sort.Strings(p.Removed)
	r.append(evidence.Entry{Source: "net", Node: name, Actor: "controller", Payload: p})
}

// watchHealth records the health of host and control service; a starved lab
// pauses the session.
func (r *recorders) watchHealth(ctx context.Context) {
	s := r.s
	s.health.sample(time.Now())
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			h := s.health.sample(now)
			r.append(evidence.Entry{Source: "health", Actor: "controller", Payload: &h})
			long := time.Duration(h.OutOfBandSeconds * float64(time.Second))
			switch {
			case long >= pauseAfter:
				s.pause(ctx, "host_starved", true)
			case h.OutOfBandSeconds == 0:
				s.unpause(ctx, "host_starved")
			}
		case <-ctx.Done():
			return
		}
	}
}

// labEvent hears of the lab's life: recorders follow each new incarnation.
func (s *Session) labEvent(e labnet.Event) {
	s.mu.Lock()
	r, j := s.watching, s.journal
	s.mu.Unlock()
	if r == nil || j == nil {
		return
	}
	p := &evidence.LabNode{Origin: "candidate"}
	switch e.Step {
	case labnet.Created:
		if err := r.add(e.Node, e.PID); err != nil {
			s.ui.Warn("%v", err)
			s.end(evidence.FinishInvalid)
		}
		return
	case labnet.Booted:
		p.Event = evidence.NodeRunning
	case labnet.Exited:
		p.Event = evidence.NodeOff
		if e.Reason == node.Rebooted {
			p.Event = evidence.NodeRebooted
		}
	case labnet.Failed:
		p.Event, p.Origin, p.Detail = evidence.NodeFailed, "controller", fmt.Sprint(e.Err)
	default:
		return
	}
	r.append(evidence.Entry{Source: "lab", Node: e.Node, Actor: "candidate", Wall: e.Time, Payload: p})
}
