package session

import (
	"context"
	"sort"
	"time"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/cable"
	"github.com/situlab/situlab/labnet/node"
)

// netEvery is how often each node's network state is read; after a command it is
// read at once, but not oftener than netGap.
const (
	netEvery = 10 * time.Second
	netGap   = 200 * time.Millisecond
)

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
