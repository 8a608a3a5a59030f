package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
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

// netEvery is how often each node's network state is read; after a command it is
// read at once, but not oftener than netGap.
const (
	netEvery = 10 * time.Second
	netGap   = 200 * time.Millisecond
)

// lineEvery is how often what was typed is asked for that nothing more will be
// heard of.
const lineEvery = time.Second

// maxWriters is how many programs are remembered before the ended ones go.
const maxWriters = 4096

// maxAccount bounds how many files of one node the closing account lists.
const maxAccount = 500

// recorders observe the nodes from outside: all of them while the candidate
// works, programs and files until the lab is taken down.
type recorders struct {
	s     *Session
	execs *watch.Execs
	files *watch.Files
	lines *watch.Lines

	mu       sync.Mutex
	started  map[uint64]started // exec id -> what is told of its end
	writers  map[string]writer  // node/pid -> whose a program is
	net      map[string]map[string]bool
	dirty    map[string]bool      // nodes where a command of the candidate ended
	sampled  map[string]time.Time // when a node's network state was read
	told     map[string]bool      // node:path of every file change that was seen
	lost     map[string]uint64    // by recorder, of what it told that it had lost
	ender    map[string]time.Time // node -> the candidate's last command that can end it
	finished bool

	cancel context.CancelFunc
	work   sync.WaitGroup // what ends with the candidate's work
	wg     sync.WaitGroup // what ends with the lab
	wake   chan struct{}  // dirty has grown
}

type started struct {
	node string
	mine bool // the candidate's
}

// writer is a program that may write files. A file's change is heard of some
// time after the program has ended, so it is kept for a while.
type writer struct {
	o          watch.Origin
	start, end int64 // boot ns; end 0: it runs
}

// Files are told gatherFor after the change at the latest. A change's time is that
// of its reading: a loaded host reads it endSlack after the program's end at the
// latest; the two clocks differ by up to clockSlack.
const (
	gatherFor  = 10 * time.Second
	clockSlack = 100 * time.Millisecond
	endSlack   = 2 * time.Second
)

// mine says whether what comes from there is the candidate's.
func mine(o watch.Origin) bool { return o.Terminal != "" || o.Detached }

// wrote says whose the change of a file is.
func (r *recorders) wrote(ev *watch.FileEvent) watch.Origin {
	r.mu.Lock()
	w, ok := r.writers[fmt.Sprint(ev.Node, "/", ev.PID)]
	r.mu.Unlock()
	if ok && ev.BootNS >= w.start-int64(clockSlack) && (w.end == 0 || ev.BootNS <= w.end+int64(endSlack)) {
		return w.o
	}
	return r.s.joiner.OfSession(ev.Session) // its start was not heard of
}

// startRecorders switches everything on that watches the candidate.
func (s *Session) startRecorders(ctx context.Context) (*recorders, error) {
	r := &recorders{s: s, started: map[uint64]started{}, writers: map[string]writer{}, net: map[string]map[string]bool{}, dirty: map[string]bool{},
		sampled: map[string]time.Time{}, told: map[string]bool{}, lost: map[string]uint64{}, ender: map[string]time.Time{}, wake: make(chan struct{}, 1)}
	s.joiner = watch.NewJoiner()
	r.lines = watch.NewLines()
	// They end with stop, not with the candidate's work nor with an interruption.
	ctx = context.WithoutCancel(ctx)
	var err error
	if r.execs, err = watch.NewExecs(ctx, watch.ExecConfig{}); err != nil {
		return nil, &host.Error{What: "this kernel does not let situlab observe programs", Hint: "situlab doctor", Err: err}
	}
	if r.files, err = watch.NewFiles(ctx); err != nil {
		return nil, errors.Join(&host.Error{What: "this kernel does not let situlab observe files", Hint: "situlab doctor", Err: err}, r.execs.Close())
	}
	for _, n := range s.variant.Site.Nodes {
		if m := s.lab.Node(n.Name); m != nil && m.PID() != 0 {
			own, err := watch.ReadOwn(m.PID())
			if err == nil {
				s.joiner.Own(n.Name, own)
				err = r.add(n.Name, m.PID())
			}
			if err != nil {
				return nil, errors.Join(fmt.Errorf("node %s: %w", n.Name, err), r.execs.Close(), r.files.Close())
			}
		}
	}
	s.mu.Lock()
	s.watching = r
	s.mu.Unlock()
	ctx, r.cancel = context.WithCancel(ctx)
	for _, name := range []string{"exec", "file", "net", "probe", "terminal", "desk"} {
		s.put(&evidence.RecorderState{Recorder: name, On: !s.off(name)})
	}
	r.sampleNet("start")
	r.wg.Go(r.readExecs)
	r.wg.Go(r.readFiles)
	r.work.Go(func() { r.watchLines(ctx) })
	r.work.Go(func() { r.watchNet(ctx) })
	r.work.Go(func() { r.watchHealth(ctx) })
	r.work.Go(func() {
		if err := s.probeUntil(ctx, evidence.PhaseSession); err != nil {
			s.ui.Warn("probes: %v", err)
			s.invalidate("recorder_failed", "probes: "+err.Error())
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

// finish ends what is observed of the candidate's work and closes its account.
// Programs and files are observed on: what the candidate left running works on.
func (r *recorders) finish() {
	r.cancel()
	r.work.Wait()
	r.sampleNet("command")
	s := r.s
	last := s.health.sample(time.Now(), &s.footprint) // the rest since the last one
	r.append(evidence.Entry{Source: "health", Actor: "controller", Payload: &last})
	r.deliver(r.lines.Flush())
	if !s.off("file") {
		ctx, cancel := context.WithTimeout(context.Background(), gatherFor)
		defer cancel()
		if err := r.files.Sync(ctx); err != nil {
			s.ui.Warn("files: %v", err)
			r.lose("file", "", 1)
		}
		r.closeAccount()
	}
	r.mu.Lock()
	r.finished = true
	clear(r.told)
	r.mu.Unlock()
}

// stop ends the observation: what a recorder lost is written down.
func (r *recorders) stop() error {
	s := r.s
	s.mu.Lock()
	s.watching = nil
	s.mu.Unlock()
	err := errors.Join(r.execs.Close(), r.files.Close())
	r.wg.Wait()
	r.deliver(r.lines.Flush())
	for name, total := range map[string]uint64{"exec": r.execs.Lost(), "file": r.files.Lost()} {
		r.mu.Lock()
		told := r.lost[name]
		r.mu.Unlock()
		if total > told { // the last ones, which no event told
			r.lose(name, "", total-told)
		}
	}
	return err
}

// lose writes down that a recorder missed something.
func (r *recorders) lose(recorder, node string, n uint64) {
	r.append(evidence.Entry{Source: recorder, Node: node, Actor: "controller", Payload: &evidence.RecorderLoss{Recorder: recorder, Lost: n}})
}

// toldLost writes down a loss that a recorder told itself; what it counted beyond
// those is written down at the end.
func (r *recorders) toldLost(recorder, node string, n uint64) {
	r.mu.Lock()
	r.lost[recorder] += n
	r.mu.Unlock()
	r.lose(recorder, node, n)
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
		r.mu.Lock()
		changed = slices.DeleteFunc(changed, func(c watch.Changed) bool { return r.told[n.Name+":"+c.Path] || watch.IsVolatile(c.Path) })
		r.mu.Unlock()
		for i, c := range changed {
			if i == maxAccount {
				r.lose("file", n.Name, uint64(len(changed)-maxAccount))
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
		r.s.invalidate("recorder_failed", "journal: "+err.Error())
	}
}

// readExecs journals the programs. Those that descend from a terminal or have
// left it are the candidate's; the others are the nodes' own, told in fewer words.
func (r *recorders) readExecs() {
	for ev := range r.execs.Events() {
		if ev.Kind == watch.ExecLost {
			r.toldLost("exec", "", ev.Lost)
			continue
		}
		o := r.s.joiner.Resolve(&ev)
		if mine(o) && ev.Kind != watch.ExecExit {
			if err := r.execs.Follow(&ev); err != nil {
				r.lose("exec", ev.Node, 1)
			}
		}
		switch ev.Kind {
		case watch.ExecStart:
			r.execStart(&ev, o)
		case watch.ExecFork:
			r.owns(&ev, o)
		case watch.ExecExit:
			r.execExit(&ev)
		}
		r.deliver(r.lines.Exec(&ev, o))
	}
}

// owns remembers whose the files are that a process will write.
func (r *recorders) owns(ev *watch.ExecEvent, o watch.Origin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := fmt.Sprint(ev.Node, "/", ev.PID)
	old, known := r.writers[key]
	if !mine(o) {
		if known && old.end == 0 { // its end was not heard of
			delete(r.writers, key)
		}
		return
	}
	r.s.footprint.touch(ev.Node)
	w := writer{o: o, start: ev.BootNS}
	if known && old.end == 0 && ev.Kind == watch.ExecStart {
		w.start = old.start // one program executes another
	}
	r.writers[key] = w
}

func (r *recorders) execStart(ev *watch.ExecEvent, o watch.Origin) {
	r.owns(ev, o)
	p := &evidence.ExecStart{ID: ev.ID, PID: ev.NodePID, PPID: ev.NodePPID, Argv: ev.Argv, Truncated: ev.Truncated, UID: ev.NodeUID}
	actor := "system"
	if mine(o) {
		actor = "candidate"
		p.Exe, p.Cwd, p.LoginUID, p.LoginSession = ev.Exe, ev.Cwd, ev.LoginUID, ev.Session
		p.Terminal, p.Via, p.Detached = o.Terminal, o.Via, o.Detached
	}
	r.mu.Lock()
	r.started[ev.ID] = started{ev.Node, mine(o)}
	if mine(o) && endsNode(ev.Argv) {
		r.ender[ev.Node] = time.Now()
	}
	r.mu.Unlock()
	r.append(evidence.Entry{Source: "exec", Node: ev.Node, Actor: actor, BootNS: ev.BootNS, Payload: p})
}

func (r *recorders) execExit(ev *watch.ExecEvent) {
	r.mu.Lock()
	p, ok := r.started[ev.ID]
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
	actor := "system"
	if p.mine {
		actor = "candidate"
		r.changed(p.node)
	}
	r.append(evidence.Entry{Source: "exec", Node: p.node, Actor: actor, BootNS: ev.BootNS,
		Payload: &evidence.ExecExit{ID: ev.ID, Code: ev.Code, StartNS: ev.StartNS, EndNS: ev.BootNS}})
}

// endsNode says whether a command line can end a machine otherwise than by the
// reboot and the power-off that its PID 1 tells of.
func endsNode(argv []string) bool {
	if len(argv) == 0 {
		return false
	}
	switch path.Base(argv[0]) {
	case "kill", "pkill", "killall", "killall5", "init", "telinit", "shutdown", "halt", "reboot", "poweroff", "gdb":
		return true
	case "systemctl":
		return slices.ContainsFunc(argv[1:], func(a string) bool {
			switch a {
			case "exit", "halt", "kexec", "kill", "isolate", "rescue", "emergency", "switch-root", "soft-reboot", "daemon-reexec", "reboot", "poweroff":
				return true
			}
			return false
		})
	}
	return false
}

// screen takes an event of a terminal: lines that were typed inside an
// interactive program are cut from its screen.
func (r *recorders) screen(id string, e term.Event) {
	if r != nil {
		r.deliver(r.lines.Screen(id, e))
	}
}

// deliver journals what became known of typed lines.
func (r *recorders) deliver(lines []watch.TermLine) {
	if r.s.off("terminal") {
		return
	}
	for _, l := range lines {
		at := cmp.Or(l.Node, r.s.admin)
		switch {
		case l.Shell:
			r.s.footprint.touch(l.Node)
		case l.Uncut:
			r.append(evidence.Entry{Source: "terminal", Node: at, Actor: "candidate", BootNS: l.BootNS,
				Payload: &evidence.TermUncut{Terminal: l.Terminal, Program: l.Program, Detail: l.Detail}})
		default:
			r.append(evidence.Entry{Source: "terminal", Node: at, Actor: "candidate", BootNS: l.BootNS,
				Payload: &evidence.TermInputLine{Terminal: l.Terminal, Program: l.Program, Prompt: l.Prompt, Line: l.Line}})
			r.changed(at)
		}
	}
}

// watchLines lets time pass for what is waited for in vain.
func (r *recorders) watchLines(ctx context.Context) {
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.deliver(r.lines.Tick(watch.Now()))
		case <-ctx.Done():
			return
		}
	}
}

// gave says that the controller itself wrote a file: no change to account for.
func (r *recorders) gave(node, path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told[node+":"+path] = true
}

// readFiles journals changes of files; the writer's terminal is known when the
// program was seen to start.
func (r *recorders) readFiles() {
	for ev := range r.files.Events() {
		switch {
		case ev.Barrier != nil:
			close(ev.Barrier)
			continue
		case ev.Lost > 0:
			r.toldLost("file", ev.Node, ev.Lost)
			continue
		}
		c := &evidence.FileChange{Path: ev.Path, Op: ev.Op, Origin: evidence.OriginSystem, PID: ev.PID}
		actor := "system"
		r.mu.Lock()
		if !r.finished {
			r.told[ev.Node+":"+ev.Path] = true
		}
		r.mu.Unlock()
		if o := r.wrote(&ev); mine(o) {
			c.Origin, c.Terminal, actor = evidence.OriginCandidate, o.Terminal, "candidate"
		}
		r.append(evidence.Entry{Source: "file", Node: ev.Node, Actor: actor, BootNS: ev.BootNS, Payload: c})
	}
}

// changed says that a command of the candidate ended on a node: its network state
// is read.
func (r *recorders) changed(name string) {
	r.mu.Lock()
	r.dirty[name] = true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default: // awake already
	}
}

// watchNet samples every node's network state, and a node's own at the end of
// each command in it. Commands that end faster than a node can be read share a
// sample, which is taken after the last of them.
func (r *recorders) watchNet(ctx context.Context) {
	tick := time.NewTicker(netEvery)
	defer tick.Stop()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-tick.C:
			r.sampleNet("periodic")
		case <-r.wake:
			r.sampleDirty(again)
		case <-again.C:
			r.sampleDirty(again)
		case <-ctx.Done():
			return
		}
	}
}

// sampleDirty reads the nodes where commands ended, and sets the timer for those
// that were read a moment ago.
func (r *recorders) sampleDirty(again *time.Timer) {
	r.mu.Lock()
	var due []string
	for name := range r.dirty {
		if wait := time.Until(r.sampled[name].Add(netGap)); wait > 0 {
			again.Reset(wait)
			continue
		}
		due = append(due, name)
		delete(r.dirty, name)
	}
	r.mu.Unlock()
	sort.Strings(due)
	for _, name := range due {
		r.sampleNode(name, "command")
	}
}

func (r *recorders) sampleNet(trigger string) {
	for _, n := range r.s.variant.Site.Nodes {
		r.sampleNode(n.Name, trigger)
	}
}

// sampleNode writes what changed since the node's last sample.
func (r *recorders) sampleNode(name, trigger string) {
	n := r.s.lab.Node(name)
	if n == nil || n.PID() == 0 || r.s.off("net") {
		return
	}
	st, err := cable.State(context.Background(), n.NetNS())
	if err != nil && r.runs(name, n) { // interrupted by a change, or it is ending
		time.Sleep(netGap)
		st, err = cable.State(context.Background(), n.NetNS())
	}
	if err != nil {
		if r.runs(name, n) {
			r.s.ui.Warn("network state of %s: %v", name, err)
			r.lose("net", name, 1)
		}
		return // it is rebooting; the next sample tells
	}
	now := map[string]bool{}
	for _, l := range st.Lines() {
		now[l] = true
	}
	r.mu.Lock()
	before, known := r.net[name]
	r.net[name], r.sampled[name] = now, time.Now()
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

// runs says whether a node still lives the same life.
func (r *recorders) runs(name string, n node.Node) bool {
	select {
	case <-n.Exited():
		return false
	default:
		return r.s.lab.NodeState(name) == labnet.Up && r.s.lab.Node(name) == n
	}
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

// explains is how long before a machine's end a command of the candidate may have
// caused it.
const explains = 30 * time.Second

// labEvent hears of the lab's life: recorders follow each new incarnation.
func (s *Session) labEvent(e labnet.Event) {
	s.mu.Lock()
	r, j, ended := s.watching, s.journal, s.ended
	if e.Node == s.admin && e.Step == labnet.Exited {
		s.adminLeft = e.Reason
	}
	s.mu.Unlock()
	if r == nil || j == nil {
		return
	}
	if e.Step == labnet.Created {
		if err := r.add(e.Node, e.PID); err != nil {
			s.ui.Warn("%v", err)
			if ended { // nobody's work depends on it any more
				r.append(evidence.Entry{Source: "lab", Node: e.Node, Actor: "controller", Payload: &evidence.RecorderState{Recorder: "exec", On: false, Detail: err.Error()}})
				return
			}
			s.invalidate("recorder_failed", err.Error())
		}
		return
	}
	r.mu.Lock()
	at, ok := r.ender[e.Node]
	r.mu.Unlock()
	if p, actor := nodeLife(e, ended, ok && e.Time.Sub(at) <= explains); p != nil {
		r.append(evidence.Entry{Source: "lab", Node: e.Node, Actor: actor, Wall: e.Time, Payload: p})
	}
}

// nodeLife tells of a step in a node's life and whose doing it is: while the
// candidate works a reboot and a power-off are the candidate's; a PID 1 that dies
// is nobody's as far as one knows, unless a command of the candidate that can end
// it came just before; after the end (ended) the examinations stop and start the
// company, which never reboots a node.
func nodeLife(e labnet.Event, ended, explained bool) (p *evidence.LabNode, actor string) {
	p = &evidence.LabNode{Origin: "candidate"}
	if ended {
		p.Origin = "controller"
	}
	switch e.Step {
	case labnet.Booted:
		p.Event = evidence.NodeRunning
	case labnet.Exited:
		p.Event = evidence.NodeOff
		switch e.Reason {
		case node.Rebooted:
			p.Event, p.Origin = evidence.NodeRebooted, "candidate"
		case node.PoweredOff:
		default:
			p.Detail = string(e.Reason)
			if !ended && !explained {
				p.Origin = "unknown"
			}
		}
	case labnet.Failed:
		p.Event, p.Origin, p.Detail = evidence.NodeFailed, "controller", fmt.Sprint(e.Err)
	default:
		return nil, ""
	}
	if p.Origin == "unknown" {
		return p, "system"
	}
	return p, p.Origin
}
