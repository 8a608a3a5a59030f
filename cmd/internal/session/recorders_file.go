package session

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/watch"
)

// maxAccount bounds how many files of one node the closing account lists.
const maxAccount = 500

// Files are told gatherFor after the change at the latest. A change's time is that
// of its reading: a loaded host reads it endSlack after the program's end at the
// latest; the two clocks differ by up to clockSlack.
const (
	gatherFor  = 10 * time.Second
	clockSlack = 100 * time.Millisecond
	endSlack   = 2 * time.Second
)

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

// closeAccount compares the nodes' disks with what was seen to change: a file
// that changed unseen is written down, its writer unknown. Directories where
// daemons write all the time are left out.
func (r *recorders) closeAccount() {
	for _, n := range r.s.variant.Site.Nodes {
		m := r.s.lab.Node(n.Name)
		if m == nil || !n.Perimeter {
			continue
		}
		changed, err := r.changedOn(n.Name, m.Layer())
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

// changedOn lists what changed on a node's disks since the candidate's entry.
func (r *recorders) changedOn(name, layer string) ([]watch.Changed, error) {
	all, err := watch.Diff(layer, r.s.entered)
	for _, t := range r.s.trees(name) {
		changed, terr := watch.Diff(t.Dir, r.s.entered)
		for _, c := range changed {
			c.Path = path.Join(t.Path, c.Path)
			all = append(all, c)
		}
		err = errors.Join(err, terr)
	}
	return all, err
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
