package oci

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	runc "github.com/containerd/go-runc"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/node"
)

// Node is one container. It implements [node.Node].
type Node struct {
	door
	rt     *Runtime
	spec   node.Spec
	init   *process
	pidNS  string
	notify *notifySocket

	ready, exited chan struct{}
	reason        node.Reason // valid once exited is closed

	mu      sync.Mutex // guards what follows and the life cycle's order
	started bool
	removed bool
	frozen  bool
}

var _ node.Node = (*Node)(nil)

// Name is the node's name.
func (n *Node) Name() string { return n.spec.Name }

// PID is PID 1 on the host, 0 once it has ended.
func (n *Node) PID() int {
	select {
	case <-n.exited:
		return 0
	default:
		return n.init.pid
	}
}

// Volumes implements node.Node.
func (n *Node) Volumes() []node.Volume { return n.spec.Volumes }

// NetNS is the path of the node's network namespace.
func (n *Node) NetNS() string { return fmt.Sprintf("/proc/%d/ns/net", n.init.pid) }

// CGroup is the node's cgroup below a hierarchy's root.
func (n *Node) CGroup() string { return n.rec.CGroup }

// Root implements node.Node.
func (n *Node) Root() string { return filepath.Join(n.dir, "rootfs") }

// Layer implements node.Node.
func (n *Node) Layer() string { return filepath.Join(n.dir, "u") }

// Ready is closed when systemd has said READY=1.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// Exited is closed when PID 1 has ended.
func (n *Node) Exited() <-chan struct{} { return n.exited }

// Reason says how PID 1 ended, once Exited is closed.
func (n *Node) Reason() node.Reason {
	select {
	case <-n.exited:
		return n.reason
	default:
		return ""
	}
}

// watch owns PID 1 until its end.
func (n *Node) watch() {
	go func() {
		ws, child, err := n.init.wait()
		n.reason = node.Unknown
		if err == nil && child {
			n.reason = reasonOf(ws)
		}
		close(n.exited)
		if n.notify != nil {
			n.notify.close()
		}
	}()
}

// watchReady owns the notify socket until READY=1 or the end of PID 1.
func (n *Node) watchReady() {
	go func() {
		defer n.notify.close()
		if n.notify.waitReady() {
			n.markReady()
		}
	}()
}

func (n *Node) markReady() {
	close(n.ready)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.removed {
		return
	}
	rec := n.rec
	rec.Ready = true
	// Only an adoption reads it, and it can ask systemd instead.
	_ = rec.save(n.dir)
}

// askReady is for an adopted node whose READY=1 may have been lost with the old
// controller's socket: systemd itself is asked, once.
func (n *Node) askReady(ctx context.Context) {
	go func() {
		var out strings.Builder
		_, err := n.Exec(context.WithoutCancel(ctx), node.Command{
			Args: []string{"systemctl", "is-system-running", "--wait"}, Stdout: &out})
		if s := strings.TrimSpace(out.String()); err == nil && (s == "running" || s == "degraded") {
			n.markReady()
		}
	}()
}

// fifo is where runc's init waits for the start.
func (n *Node) fifo() string { return filepath.Join(runcRoot(n.state), n.id(), "exec.fifo") }

func (n *Node) waitsForStart() bool {
	_, err := os.Stat(n.fifo())
	return err == nil
}

// Start starts PID 1.
//
// It reads runc's exec fifo itself, which is all that "runc start" does and
// saves a process of 25 ms per node; where there is none, runc does it.
func (n *Node) Start(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.started || n.removed {
		return fmt.Errorf("start node %s: it was started or removed before", n.Name())
	}
	var err error
	if n.waitsForStart() {
		err = openGate(ctx, n.fifo(), n.init)
	} else {
		rc := &runc.Runc{Command: n.runc, Root: runcRoot(n.state)}
		err = rc.Start(ctx, n.id())
	}
	if err != nil {
		return fmt.Errorf("start node %s: %w", n.Name(), err)
	}
	n.started = true
	if n.notify != nil {
		n.watchReady()
	}
	return nil
}

// openGate reads the byte that runc's init writes before it becomes PID 1.
func openGate(ctx context.Context, fifo string, init *process) error {
	gate, err := unix.Open(fifo, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", fifo, err)
	}
	defer unix.Close(gate)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		open, err := init.orReadable(gate, 100*time.Millisecond)
		if err != nil {
			return err
		}
		if open {
			break
		}
	}
	var b [1]byte
	if n, err := unix.Read(gate, b[:]); err != nil || n != 1 {
		return fmt.Errorf("its init gave no sign: %w", err)
	}
	return os.Remove(fifo)
}

// Freeze stops all processes of the node.
func (n *Node) Freeze(ctx context.Context) error { return n.setFrozen(ctx, true) }

// Thaw continues them.
func (n *Node) Thaw(ctx context.Context) error { return n.setFrozen(ctx, false) }

func (n *Node) setFrozen(ctx context.Context, stop bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.rt.cg.freeze(ctx, n.rec.CGroup, stop); err != nil {
		return fmt.Errorf("node %s: %w", n.Name(), err)
	}
	n.frozen = stop
	return nil
}

// SetShares implements node.Node.
func (n *Node) SetShares(shares uint64) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.removed {
		return os.ErrProcessDone // its cgroup may be its successor's
	}
	if err := n.rt.cg.setShares(n.rec.CGroup, shares); err != nil {
		return fmt.Errorf("shares of node %s: %w", n.Name(), err)
	}
	return nil
}

// Shutdown asks systemd to power off (SIGRTMIN+4, systemd(1)) and kills after
// the grace period.
func (n *Node) Shutdown(ctx context.Context, grace time.Duration) error {
	n.mu.Lock()
	started := n.started
	n.mu.Unlock()
	if started {
		const rtmin = 34 // glibc's SIGRTMIN, which systemd counts from
		if err := n.init.signal(unix.Signal(rtmin + 4)); err != nil {
			return fmt.Errorf("shutdown of node %s: %w", n.Name(), err)
		}
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-n.exited:
			return nil
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return n.Kill(ctx)
}

// Kill ends everything in the node: the kernel kills the whole PID namespace
// with its PID 1.
func (n *Node) Kill(ctx context.Context) error {
	if err := n.init.signal(unix.SIGKILL); err != nil {
		return fmt.Errorf("kill node %s: %w", n.Name(), err)
	}
	n.mu.Lock()
	if n.frozen { // a v1 freezer keeps even SIGKILL waiting
		if n.rt.cg.freeze(ctx, n.rec.CGroup, false) == nil {
			n.frozen = false
		}
	}
	n.mu.Unlock()
	select {
	case <-n.exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kill node %s: PID 1 (%d) has not ended: %w", n.Name(), n.init.pid, ctx.Err())
	}
}

// Remove deletes the node's namespaces, mounts and cgroups; a node that still
// runs is killed. The disk stays.
func (n *Node) Remove(ctx context.Context) error {
	if err := n.Kill(ctx); err != nil {
		return err
	}
	if err := n.cleanup(ctx); err != nil {
		return fmt.Errorf("remove node %s: %w", n.Name(), err)
	}
	return nil
}

// cleanup takes away what Create made, however far it came.
func (n *Node) cleanup(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.removed {
		return nil
	}
	if n.init != nil {
		if err := n.init.signal(unix.SIGKILL); err != nil {
			return err
		}
		select {
		case <-n.exited:
		case <-ctx.Done():
			return fmt.Errorf("PID 1 (%d) has not ended: %w", n.init.pid, ctx.Err())
		}
	}
	if n.notify != nil {
		n.notify.close()
	}
	if err := sweepNode(ctx, n.state, n.rt.cg, n.dir, n.rec); err != nil {
		return err
	}
	n.removed = true
	orphans.forget(n.pidNS)
	if n.init != nil {
		n.init.close()
	}
	return nil
}
