package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// maxWriters is how many programs are remembered before the ended ones go.
const maxWriters = 4096

// maxAccount bounds how many files of one node the closing account lists.
const maxAccount = 500

// recorders observe the nodes from outside while the candidate works.
type recorders struct {
	s     *Session
	execs *watch.Execs
	files *watch.Files
	lines *watch.Lines

	mu      sync.Mutex
	started map[uint64]origin // exec id -> where it came from
	writers map[string]writer // node/pid -> whose a program is
	net     map[string]map[string]bool
	told    map[string]bool // node:path of every file change that was seen

	cancel   context.CancelFunc
	wg       sync.WaitGroup
	commands chan string // nodes where a command of the candidate ended
}

type origin struct {
	node string
	o    watch.Origin
}

// writer is a program that may write files. A file's change is heard of some
// time after the program has ended, so it is kept for a while.
type writer struct {
	o          watch.Origin
	start, end int64 // boot ns; end 0: it runs
}

// Files are told gatherFor after the change at the latest; the two clocks of
// program and file differ by up to clockSlack.
const (
	gatherFor  = 10 * time.Second
	clockSlack = 100 * time.Millisecond
)

// wrote says whose the change of a file is.
func (r *recorders) wrote(ev *watch.FileEvent) watch.Origin {
	r.mu.Lock()
	w, ok := r.writers[fmt.Sprint(ev.Node, "/", ev.PID)]
	r.mu.Unlock()
	if ok && ev.BootNS >= w.start-int64(clockSlack) && (w.end == 0 || ev.BootNS <= w.end+int64(clockSlack)) {
		return w.o
	}
	return r.s.joiner.OfSession(ev.Session) // it was forked and executed nothing
}

// startRecorders switches everything on that watches the candidate.
func (s *Session) startRecorders(ctx context.Context) (*recorders, error) {
	r := &recorders{s: s, started: map[uint64]origin{}, writers: map[string]writer{}, net: map[string]map[string]bool{}, told: map[string]bool{}, commands: make(chan string, 256)}
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
		s.put(&evidence.RecorderState{Recorder: name, On: !s.off(name)})
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
	if !r.s.off("exec") {
		if err := r.execs.Add(name, pid); err != nil {
			return fmt.Errorf("observe the programs of %s: %w", name, err)
		}
	}
	if !r.s.off("file") {
		if err := r.files.Add(name, pid); err != nil {
			return fmt.Errorf("observe the files of %s: %w", name, err)
		}
	}
	return nil
}

// stop ends the observation and closes the account: what a recorder lost is
// written down.
func (r *recorders) stop() error {
	r.cancel()
	r.sampleNet("command")
	s := r.s
	last := s.health.sample(time.Now(), &s.footprint) // the rest since the last one
	r.append(evidence.Entry{Source: "health", Actor: "controller", Payload: &last})
	s.mu.Lock()
	s.watching = nil
	s.mu.Unlock()
	lost := map[string]uint64{"exec": r.execs.Lost(), "file": r.files.Lost()}
	err := errors.Join(r.execs.Close(), r.files.Close())
	r.wg.Wait()
	if !s.off("file") {
		r.closeAccount()
	}
	for _, name := range []string{"exec", "file"} {
		if lost[name] > 0 {
			s.put(&evidence.RecorderLoss{Recorder: name, Lost: lost[name]})
		}
	}
	return err
}

// closeAccount compares the nodes' disks with what was seen to change: a file
// that changed unseen is written down, its writer unknown. Directories where
// daemons write all the time are left out.
func (r *recorders) closeAccount() {
	for _, n := range r.s.variant.Site.Nodes {
		m := r.s.lab.Node(n.Name)
		if m == nil || !n.Perimeter {
			continue
		}
		changed, err := watch.Diff(m.Layer(), r.s.entered)
		if err != nil {
			r.append(evidence.Entry{Source: "file", Node: n.Name, Actor: "controller", Payload: &evidence.RecorderState{Recorder: "file", On: false, Detail: "closing account: " + err.Error()}})
			continue
		}
		listed := 0
		for _, c := range changed {
			if r.told[n.Name+":"+c.Path] || watch.IsVolatile(c.Path) {
				continue
			}
			if listed++; listed > maxAccount {
				r.append(evidence.Entry{Source: "file", Node: n.Name, Actor: "controller", Payload: &evidence.RecorderLoss{Recorder: "file", Lost: uint64(len(changed))}})
				break
			}
			r.append(evidence.Entry{Source: "file", Node: n.Name, Actor: "system", Wall: c.Changed, Payload: &evidence.FileChange{
				Path: c.Path, Op: c.Op, Origin: evidence.OriginUnknown, Mode: c.Mode.String(), Size: c.Size, SHA256: c.SHA256,
			}})
		}
	}
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
	r.s.footprint.touch(ev.Node)
	r.mu.Lock()
	r.started[ev.ID] = origin{ev.Node, o}
	key := fmt.Sprint(ev.Node, "/", ev.PID)
	w := writer{o: o, start: ev.BootNS}
	if old, ok := r.writers[key]; ok && old.end == 0 {
		w.start = old.start // one program executes another
	}
	r.writers[key] = w
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
	if w, known := r.writers[fmt.Sprint(ev.Node, "/", ev.PID)]; known {
		w.end = ev.BootNS
		r.writers[fmt.Sprint(ev.Node, "/", ev.PID)] = w
	}
	if len(r.writers) > maxWriters {
		maps.DeleteFunc(r.writers, func(_ string, w writer) bool {
			return w.end != 0 && w.end < ev.BootNS-int64(gatherFor)
		})
	}
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
			r.s.footprint.touch(l.Node)
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
		r.told[ev.Node+":"+ev.Path] = true
		r.mu.Unlock()
		if o := r.wrote(&ev); o.Terminal != "" || o.Detached {
			c.Origin, c.Terminal, actor = evidence.OriginCandidate, o.Terminal, "candidate"
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
	if n == nil || n.PID() == 0 || r.s.off("net") {
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
	s.health.sample(time.Now(), &s.footprint)
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			h := s.health.sample(now, &s.footprint)
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
