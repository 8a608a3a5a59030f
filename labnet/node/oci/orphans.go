package oci

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// orphans are the children that came to us as a child subreaper and that nobody
// here has asked for: the programs of a controller, of a terminal's holder or of
// a runc that was killed. As long as one of them is not reaped, the PID 1 of its
// node cannot end (zap_pid_ns_processes, kernel/pid_namespace.c): each reboot
// and each removal would hang.
var orphans = orphanage{owned: map[int]int{}, nodes: map[string]int{}, wake: make(chan struct{}, 1)}

type orphanage struct {
	once sync.Once
	wake chan struct{}

	mu    sync.Mutex
	owned map[int]int // processes that are held by somebody here
	// nodes are the PID namespaces whose processes may be reaped, with the number
	// of programs that are about to become ours there.
	nodes    map[string]int
	starting int // runcs at work, and children on their way that only their ids tell
}

// watch reaps from now on whenever a child ends.
func (o *orphanage) watch() {
	o.once.Do(func() {
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, unix.SIGCHLD)
		go func() {
			for {
				select {
				case <-ended:
				case <-o.wake:
				}
				o.reap()
				time.Sleep(50 * time.Millisecond) // children end in bursts; nobody waits for this
			}
		}()
	})
}

// own keeps a process from being reaped here: its holder does that.
func (o *orphanage) own(pid int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owned[pid]++
}

func (o *orphanage) disown(pid int) {
	o.mu.Lock()
	if o.owned[pid]--; o.owned[pid] <= 0 {
		delete(o.owned, pid)
	}
	o.mu.Unlock()
	o.again()
}

// again asks for another look at what was passed over.
func (o *orphanage) again() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// know allows to reap in the PID namespace of a node's process and returns it.
func (o *orphanage) know(pid int) string {
	ns := pidNS(pid)
	if ns != "" {
		o.mu.Lock()
		o.nodes[ns] += 0
		o.mu.Unlock()
	}
	return ns
}

// forget ends that: the kernel gives the number to another namespace.
func (o *orphanage) forget(ns string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.nodes, ns)
}

// entering says that runc is about to leave us a program in the namespace of
// pid; it may have ended before we hold it. The result must be called then.
func (o *orphanage) entering(pid int) func() {
	ns, started := pidNS(pid), o.creation()
	if ns == "" {
		return started
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.nodes[ns]++
	return func() {
		o.mu.Lock()
		if o.nodes[ns] > 0 {
			o.nodes[ns]--
		}
		o.mu.Unlock()
		started()
	}
}

// creation is entering for a PID 1, whose namespace does not exist yet, and for
// the child that lends its ids.
func (o *orphanage) creation() func() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.starting++
	return func() {
		o.mu.Lock()
		o.starting--
		o.mu.Unlock()
		o.again()
	}
}

// reap takes the status of each orphan that has ended. It knows them by the PID
// namespace of a node or as a helper: the children of os/exec are neither.
func (o *orphanage) reap() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !childEnded() {
		return // as after almost every command: then no file is opened
	}
	for _, pid := range childrenOf(os.Getpid()) {
		name, state, err := statOf(pid)
		if err != nil || state != "Z" || o.owned[pid] > 0 {
			continue
		}
		entering, known := o.nodes[pidNS(pid)]
		if known && entering > 0 || !known && (o.starting > 0 || !isHelper(pid, name)) {
			continue
		}
		for {
			_, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
			if err != unix.EINTR {
				break
			}
		}
	}
}

// pidNS names the PID namespace of a process, also of one that has ended and
// waits to be reaped; it is empty for our own and if it cannot be told.
func pidNS(pid int) string {
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil || ns == ownPIDNS() {
		return ""
	}
	return ns
}

// ownPIDNS never changes: unshare(2) moves children only.
var ownPIDNS = sync.OnceValue(func() string {
	ns, _ := os.Readlink("/proc/self/ns/pid")
	return ns
})

// childEnded says whether any child waits to be reaped, and leaves it.
func childEnded() bool {
	var si siginfo
	err := unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&si)), unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return errors.Is(err, unix.EINTR) || err == nil && si.pid != 0
}

// isHelper says whether a process was a runc or what a runc forks, or lent its
// ids to a node, for a controller that was killed. A runc leads a group of its
// own; whoever is in a group that neither we nor itself lead was not started
// here.
func isHelper(pid int, name string) bool {
	if hasNodeIDs(pid) || strings.HasPrefix(name, "runc:[") {
		return true
	}
	group, err := unix.Getpgid(pid)
	return err == nil && group != unix.Getpgrp() && (group != pid || name == "runc")
}

// hasNodeIDs says whether a process lives on a range of ids as nodes have it.
func hasNodeIDs(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", pid))
	var in, out, size uint32
	var rest string
	n, _ := fmt.Sscan(string(b), &in, &out, &size, &rest)
	return n == 3 && in == 0 && out >= rangeSize && size == rangeSize
}

// childrenOf lists the children of a process. The kernel may leave one out while
// they come and go.
func childrenOf(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var out []int
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for _, w := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(w); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

// cutOff kills a runc and returns its helpers, which would go on without it; it
// is stopped first, so that it forks no more. Whoever calls closes them.
func cutOff(runc *process) (helpers []*process, err error) {
	if err := runc.signal(unix.SIGSTOP); err != nil {
		return nil, err
	}
	for range 1000 { // no event tells it, and a stop takes no time worth waiting for
		if _, state, err := statOf(runc.pid); err != nil || state == "T" || state == "Z" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for _, pid := range childrenOf(runc.pid) {
		if p, err := openProcess(pid); err == nil {
			helpers = append(helpers, p)
		}
	}
	return helpers, runc.signal(unix.SIGKILL)
}
