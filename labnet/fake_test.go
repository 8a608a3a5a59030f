package labnet_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/scenarios"
)

// fakes is a runtime whose nodes are nothing but their life: what is tested is
// who may begin and end one. It needs root (the lab's disk and switch are real).
type fakes struct {
	t *testing.T
	// refuse makes the removal of a node fail.
	refuse func(name string) error
	// slow makes boots wait.
	slow chan struct{}

	mu     sync.Mutex
	closed bool
	nodes  map[string][]*fake // every incarnation
}

// fake is a node.
type fake struct {
	node.Node
	rt   *fakes
	spec node.Spec

	ready, exited chan struct{}
	reason        node.Reason // once exited is closed

	mu                      sync.Mutex
	started, ended, removed bool
	frozen                  bool
	shares                  uint64
}

func (r *fakes) Create(_ context.Context, s node.Spec) (node.Node, error) {
	time.Sleep(time.Millisecond) // as others may come between
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		r.t.Errorf("node %s is made after the end of the lab", s.Name)
	}
	for _, old := range r.nodes[s.Name] {
		if old.mu.Lock(); !old.removed {
			r.t.Errorf("node %s is made beside another one", s.Name)
		}
		old.mu.Unlock()
	}
	n := &fake{rt: r, spec: s, shares: s.CPUShares, ready: make(chan struct{}), exited: make(chan struct{})}
	r.nodes[s.Name] = append(r.nodes[s.Name], n)
	return n, nil
}

func (r *fakes) Adopt(context.Context, node.Spec) (node.Node, error) { return nil, os.ErrNotExist }

func (r *fakes) Close() error { return nil }

// lives are all incarnations of a node so far.
func (r *fakes) lives(name string) []*fake {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.nodes[name])
}

func (n *fake) Name() string                 { return n.spec.Name }
func (n *fake) PID() int                     { return 0 }
func (n *fake) NetNS() string                { return "" }
func (n *fake) Ready() <-chan struct{}       { return n.ready }
func (n *fake) Exited() <-chan struct{}      { return n.exited }
func (n *fake) Reason() node.Reason          { return n.reason }
func (n *fake) Write([]node.File) error      { return nil }
func (n *fake) say(f func()) error           { n.mu.Lock(); defer n.mu.Unlock(); f(); return nil }
func (n *fake) is(f func() bool) bool        { n.mu.Lock(); defer n.mu.Unlock(); return f() }
func (n *fake) isFrozen() bool               { return n.is(func() bool { return n.frozen }) }
func (n *fake) runs() bool                   { return n.is(func() bool { return n.started && !n.ended }) }
func (n *fake) share() (s uint64)            { _ = n.say(func() { s = n.shares }); return s }
func (n *fake) SetShares(s uint64) error     { return n.say(func() { n.shares = s }) }
func (n *fake) Freeze(context.Context) error { return n.say(func() { n.frozen = true }) }
func (n *fake) Thaw(context.Context) error   { return n.say(func() { n.frozen = false }) }

func (n *fake) Start(context.Context) error {
	if n.is(func() bool { return n.started || n.ended }) {
		return fmt.Errorf("node %s was started or has ended before", n.spec.Name)
	}
	_ = n.say(func() { n.started = true })
	if n.rt.slow != nil {
		go func() {
			<-n.rt.slow
			close(n.ready)
		}()
		return nil
	}
	close(n.ready)
	return nil
}

func (n *fake) end(r node.Reason) {
	_ = n.say(func() {
		if !n.ended {
			n.ended, n.reason = true, r
			close(n.exited)
		}
	})
}

func (n *fake) Kill(context.Context) error {
	n.end(node.Killed)
	return nil
}

func (n *fake) Shutdown(context.Context, time.Duration) error {
	n.end(node.PoweredOff)
	return nil
}

func (n *fake) Remove(context.Context) error {
	n.end(node.Killed)
	time.Sleep(time.Millisecond)
	if n.rt.refuse != nil {
		if err := n.rt.refuse(n.spec.Name); err != nil {
			return err
		}
	}
	return n.say(func() { n.removed = true })
}

type noImage struct{}

func (noImage) Lowers(string) ([]string, error) { return nil, nil }

// ownPlace gives a test a run directory and a home of its own, with the host's
// images: gc sees nothing else there.
func ownPlace(t *testing.T) {
	t.Helper()
	run, err := os.MkdirTemp("/run", "situlab-labtest-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(run, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(run); err != nil && !os.IsNotExist(err) {
			t.Errorf("left behind: %v", err)
		}
	})
	t.Setenv("SITULAB_RUN", filepath.Join(run, "situlab"))
	home := t.TempDir()
	if err := os.Symlink(filepath.Join(host.Home(), "images"), filepath.Join(home, "images")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SITULAB_HOME", home)
}

// faked starts a lab of fake nodes, by their names and classes.
func faked(t *testing.T, rt *fakes, classes map[string]scenarios.Class, delay time.Duration) *labnet.Lab {
	t.Helper()
	rt.t, rt.nodes = t, map[string][]*fake{}
	site := &scenarios.Site{ID: "fake"}
	delays := map[scenarios.Class]time.Duration{}
	for _, name := range slices.Sorted(maps.Keys(classes)) {
		site.Nodes = append(site.Nodes, scenarios.Node{Name: name, Class: classes[name]})
		delays[classes[name]] = delay
	}
	lab, err := labnet.New(t.Context(), labnet.Config{Name: "t-fake", Site: site, Image: noImage{}, BootDelay: delays,
		Runtime: func(node.Ground) (node.Runtime, error) { return rt, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(context.Background()); err != nil && rt.refuse == nil {
			t.Errorf("close: %v", err)
		}
		rt.mu.Lock()
		rt.closed = true
		rt.mu.Unlock()
	})
	return lab
}

func pcs(names ...string) map[string]scenarios.Class {
	m := map[string]scenarios.Class{}
	for _, n := range names {
		m[n] = scenarios.Workstation
	}
	return m
}

const bootDelay = 300 * time.Millisecond

// A reboot typed before a cold start is part of it: the node boots once, and is
// not restarted when its boot delay is over.
func TestColdStartDuringBootDelay(t *testing.T) {
	for name, act := range map[string]func(context.Context, *labnet.Lab) error{
		"cold start": func(ctx context.Context, l *labnet.Lab) error { return l.ColdStart(ctx, nil) },
		"reset":      func(ctx context.Context, l *labnet.Lab) error { return l.Reset(ctx) },
		"reboot":     func(ctx context.Context, l *labnet.Lab) error { return l.Reboot(ctx, "one") },
	} {
		t.Run(name, func(t *testing.T) {
			rt := &fakes{}
			lab := faked(t, rt, pcs("one", "two"), bootDelay)
			rt.lives("one")[0].end(node.Rebooted)
			within(t, "the end is seen", func() bool { return lab.NodeState("one") == labnet.Off })
			if err := act(t.Context(), lab); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * bootDelay)
			if lives := rt.lives("one"); len(lives) != 2 || !lives[1].runs() || lab.Node("one") != node.Node(lives[1]) {
				t.Errorf("%d lives; the second should be the last", len(lives))
			}
		})
	}
}

func TestCloseDuringBootDelay(t *testing.T) {
	rt := &fakes{}
	lab := faked(t, rt, pcs("one", "two"), time.Hour)
	rt.lives("one")[0].end(node.Rebooted)
	within(t, "the end is seen", func() bool { return lab.NodeState("one") == labnet.Off })
	done := make(chan error)
	go func() { done <- lab.Close(context.Background()) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Close waits for a boot delay")
	}
	if n := len(rt.lives("one")); n != 1 {
		t.Errorf("%d lives after the end", n)
	}
	if err := lab.ColdStart(t.Context(), nil); !errors.Is(err, labnet.ErrClosed) {
		t.Errorf("a cold start after the end: %v", err)
	}
	if err := lab.Reboot(t.Context(), "two"); !errors.Is(err, labnet.ErrClosed) {
		t.Errorf("a reboot after the end: %v", err)
	}
	if err := lab.Freeze(t.Context()); !errors.Is(err, labnet.ErrClosed) {
		t.Errorf("a pause after the end: %v", err)
	}
}

// A boot delay does not run during a pause, and nothing starts in it.
func TestPauseDuringBootDelay(t *testing.T) {
	for _, delay := range []time.Duration{0, bootDelay} {
		t.Run(delay.String(), func(t *testing.T) {
			rt := &fakes{}
			lab := faked(t, rt, pcs("one", "two"), delay)
			if delay == 0 { // it ends while the others are paused
				if err := lab.Freeze(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			rt.lives("one")[0].end(node.Rebooted)
			within(t, "the end is seen", func() bool { return lab.NodeState("one") == labnet.Off })
			for range 2 {
				if err := lab.Freeze(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if !rt.lives("two")[0].isFrozen() {
				t.Error("a running node is not frozen")
			}
			if err := lab.Reboot(t.Context(), "two"); !errors.Is(err, labnet.ErrPaused) {
				t.Errorf("a reboot in a pause: %v", err)
			}
			time.Sleep(2 * bootDelay)
			if n := len(rt.lives("one")); n != 1 {
				t.Fatal("a node has started in a pause")
			}
			if err := lab.Thaw(t.Context()); err != nil {
				t.Fatal(err)
			}
			if rt.lives("two")[0].isFrozen() {
				t.Error("a node is frozen after the pause")
			}
			within(t, "the node is back after the pause", func() bool { return lab.NodeState("one") == labnet.Up })
			if lives := rt.lives("one"); len(lives) != 2 || lives[1].isFrozen() {
				t.Errorf("%d lives", len(lives))
			}
		})
	}
}

// A cold start ends a pause: what it starts runs, and so does what comes later.
func TestColdStartEndsPause(t *testing.T) {
	rt := &fakes{}
	lab := faked(t, rt, pcs("one", "two"), 0)
	if err := lab.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := lab.ColdStart(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	rt.lives("one")[1].end(node.Rebooted)
	within(t, "a typed reboot works", func() bool { return len(rt.lives("one")) == 3 && lab.NodeState("one") == labnet.Up })
}

// Everybody at once: no node is ever made beside another of its name or after the
// end (the runtime looks), and nothing is left.
func TestLifeIsOrdered(t *testing.T) {
	rt := &fakes{}
	names := []string{"a", "b", "c", "d", "e"}
	lab := faked(t, rt, pcs(names...), 0)
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	again := func(f func(i int) error) {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := f(i); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	again(func(i int) error { // typed
		lives := rt.lives(names[i%len(names)])
		if n := lives[len(lives)-1]; n.runs() {
			n.end(node.Rebooted)
		}
		time.Sleep(100 * time.Microsecond)
		return nil
	})
	again(func(i int) error {
		err := lab.Reboot(ctx, names[i%len(names)])
		if errors.Is(err, labnet.ErrPaused) || err != nil && lab.Node(names[i%len(names)]) != nil {
			return nil // its node may have ended again meanwhile
		}
		return err
	})
	again(func(int) error { return lab.ColdStart(ctx, nil) })
	again(func(int) error { return lab.Reset(ctx) })
	again(func(int) error { return errors.Join(lab.Freeze(ctx), lab.Thaw(ctx)) })
	<-ctx.Done()
	if err := lab.Close(context.Background()); err != nil {
		t.Error(err)
	}
	rt.mu.Lock()
	rt.closed = true
	rt.mu.Unlock()
	wg.Wait()
	total := 0
	for _, name := range names {
		for _, n := range rt.lives(name) {
			total++
			if !n.is(func() bool { return n.removed }) {
				t.Errorf("an incarnation of %s is left", name)
			}
		}
	}
	t.Logf("%d incarnations", total)
}

// Boot shares are for the start of a company; after it nobody can starve the
// others, in one's own reboots neither.
func TestSharesAfterTheBoot(t *testing.T) {
	rt := &fakes{slow: make(chan struct{}, 100)}
	lab := faked(t, rt, map[string]scenarios.Class{"adm": scenarios.Admin, "pc": scenarios.Workstation}, 0)
	check := func(when string, life int, adm, pc uint64) {
		t.Helper()
		if a, p := rt.lives("adm")[life].share(), rt.lives("pc")[life].share(); a != adm || p != pc {
			t.Errorf("%s: shares %d and %d, want %d and %d", when, a, p, adm, pc)
		}
	}
	check("during the boot", 0, 131072, 256)
	rt.slow <- struct{}{}
	time.Sleep(50 * time.Millisecond)
	check("when one has booted", 0, 131072, 256)
	rt.slow <- struct{}{}
	if err := lab.WaitRunning(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("after the boot", 0, 2048, 1024)

	if err := lab.ColdStart(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	check("during the cold start", 1, 131072, 256)
	close(rt.slow)
	if err := lab.WaitRunning(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("after the cold start", 1, 2048, 1024)
	for _, name := range []string{"adm", "pc"} {
		rt.lives(name)[1].end(node.Rebooted)
		within(t, "it is back", func() bool { return len(rt.lives(name)) == 3 })
	}
	check("in a reboot", 2, 2048, 1024)
}

// One node that cannot be removed is nothing to the others, and what names it on
// the host stays for gc.
func TestCloseGoesOn(t *testing.T) {
	ownPlace(t)
	stuck := errors.New("stuck")
	rt := &fakes{refuse: func(name string) error {
		if name == "one" {
			return stuck
		}
		time.Sleep(50 * time.Millisecond) // so that the failure comes first
		return nil
	}}
	lab := faked(t, rt, pcs("one", "two", "three"), 0)
	for range 2 {
		if err := lab.Close(context.Background()); !errors.Is(err, stuck) {
			t.Errorf("close: %v", err)
		}
	}
	for _, name := range []string{"two", "three"} {
		if n := rt.lives(name)[0]; !n.is(func() bool { return n.removed }) {
			t.Errorf("node %s is not removed", name)
		}
	}
	labs := labnet.List()
	if len(labs) != 1 || labs[0].Alive || labs[0].IDs != 3 {
		t.Fatalf("the lab's state: %+v", labs)
	}
	if removed, err := labnet.GC(t.Context(), nil); err != nil || !slices.Contains(removed, "lab t-fake") {
		t.Errorf("gc removed %v, %v", removed, err)
	}
	if labs := labnet.List(); len(labs) > 0 {
		t.Errorf("after gc: %+v", labs)
	}
}
