package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/watch"
)

// recorders observe the nodes from outside: all of them while the candidate
// works, programs and files until the lab is taken down.
type recorders struct {
	s     *Session
	execs *watch.Execs
	files *watch.Files
	lines *watch.Lines
	// before is the highest number that a program had before a resume: the
	// kernel's recorder counts from the beginning again.
	before uint64

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

// mine says whether what comes from there is the candidate's.
func mine(o watch.Origin) bool { return o.Terminal != "" || o.Detached }

// startRecorders switches everything on that watches the candidate.
func (s *Session) startRecorders(ctx context.Context) (*recorders, error) {
	r := &recorders{s: s, started: map[uint64]started{}, writers: map[string]writer{}, net: map[string]map[string]bool{}, dirty: map[string]bool{},
		sampled: map[string]time.Time{}, told: map[string]bool{}, lost: map[string]uint64{}, ender: map[string]time.Time{}, wake: make(chan struct{}, 1)}
	s.joiner = watch.NewJoiner()
	if p := s.past; p != nil {
		s.joiner, r.net, r.told, r.before = p.joiner, p.net, p.told, p.execs
	}
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
	resumed := s.own != nil
	if !resumed {
		s.own = map[string]*watch.Own{}
	}
	for _, n := range s.variant.Site.Nodes {
		if m := s.lab.Node(n.Name); m != nil && m.PID() != 0 {
			var err error
			if !resumed { // else what the candidate has added would be the node's own
				s.own[n.Name], err = watch.ReadOwn(m.PID())
			}
			if err == nil {
				s.joiner.Own(n.Name, s.own[n.Name])
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
		if err := r.files.Add(name, pid, r.s.trees(name)...); err != nil {
			return fmt.Errorf("observe the files of %s: %w", name, err)
		}
	}
	return nil
}

// trees are a node's file systems beside its root.
func (s *Session) trees(name string) (out []watch.Tree) {
	for _, v := range s.lab.Volumes(name) {
		out = append(out, watch.Tree{Dir: v.Dir, Path: v.Path})
	}
	return out
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

func (r *recorders) append(e evidence.Entry) {
	if _, err := r.s.journal.Append(context.Background(), e); err != nil {
		r.s.invalidate("recorder_failed", "journal: "+err.Error())
	}
}
