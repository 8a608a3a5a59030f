package session

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/watch"
)

// maxWriters is how many programs are remembered before the ended ones go.
const maxWriters = 4096

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
	if why := leaves(ev); why != "" {
		r.s.lab.Leaving(ev.Node, why)
	}
	p := &evidence.ExecStart{ID: r.before + ev.ID, PID: ev.NodePID, PPID: ev.NodePPID, Argv: ev.Argv, Truncated: ev.Truncated, UID: ev.NodeUID}
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
		Payload: &evidence.ExecExit{ID: r.before + ev.ID, Code: ev.Code, StartNS: ev.StartNS, EndNS: ev.BootNS}})
}

// leaves says that a node's systemd has become what ends it (systemd-shutdown(8)),
// and how.
func leaves(ev *watch.ExecEvent) node.Reason {
	if ev.NodePID != 1 || len(ev.Argv) < 2 || path.Base(ev.Argv[0]) != "systemd-shutdown" {
		return ""
	}
	switch ev.Argv[1] {
	case "reboot", "kexec":
		return node.Rebooted
	case "poweroff", "halt":
		return node.PoweredOff
	}
	return ""
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
