package labnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node"
)

// stopGrace is how long a node may take to shut down; systemd's own stop
// timeout in the image is shorter.
const stopGrace = 10 * time.Second

// follow watches one incarnation of a node: it notes the end of the boot, and
// brings the node back after a reboot typed inside it.
func (l *Lab) follow(m *machine, n node.Node) {
	select {
	case <-n.Ready():
		m.mu.Lock()
		if m.node == n {
			m.state = Up
		}
		m.mu.Unlock()
		l.tell(Event{Step: Booted, Node: m.site.Name, PID: n.PID()})
		<-n.Exited()
	case <-n.Exited():
	}
	reason := n.Reason()
	l.tell(Event{Step: Exited, Node: m.site.Name, Reason: reason})
	m.mu.Lock()
	current := m.node == n
	if current {
		m.state = Off
	}
	m.mu.Unlock()
	if !current || reason != node.Rebooted || l.isClosing() {
		return
	}
	ctx := context.Background()
	if d := l.cfg.BootDelay[m.site.Class]; d > 0 {
		time.Sleep(d) // what the machine's firmware and disks cost in life
	}
	if l.isClosing() {
		return
	}
	if err := l.again(ctx, m); err != nil {
		m.mu.Lock()
		m.state = Broken
		m.mu.Unlock()
		l.tell(Event{Step: Failed, Node: m.site.Name, Err: err})
	}
}

// again gives an ended node new namespaces and cables, and starts it.
func (l *Lab) again(ctx context.Context, m *machine) error {
	m.mu.Lock()
	old := m.node
	m.mu.Unlock()
	if old != nil {
		if err := old.Remove(ctx); err != nil {
			return err
		}
		l.tell(Event{Step: Removed, Node: m.site.Name})
	}
	if err := l.create(ctx, m, nil); err != nil {
		return err
	}
	return l.startNode(ctx, m)
}

func (l *Lab) isClosing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}

// ErrNoNode says that the site has no node of that name.
var ErrNoNode = errors.New("no such node")

// Reboot asks a node's systemd to reboot, or starts a node that is off, and
// waits until its boot is complete.
func (l *Lab) Reboot(ctx context.Context, name string) error {
	m := l.nodes[name]
	if m == nil {
		return fmt.Errorf("%w: %s", ErrNoNode, name)
	}
	m.mu.Lock()
	n, state := m.node, m.state
	m.mu.Unlock()
	if state == Up || state == Starting {
		if err := n.Shutdown(ctx, stopGrace); err != nil {
			return err
		}
	}
	if err := l.again(ctx, m); err != nil {
		return err
	}
	select {
	case <-l.Node(name).Ready():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("node %s has not finished its boot: %w", name, ctx.Err())
	}
}

// stopAll shuts all nodes down in the reverse order of their ranks and removes
// their namespaces; the disks stay.
func (l *Lab) stopAll(ctx context.Context, grace time.Duration) error {
	l.endRelease()
	ms := l.order()
	for i, j := 0, len(ms)-1; i < j; i, j = i+1, j-1 {
		ms[i], ms[j] = ms[j], ms[i]
	}
	return each(ctx, removers(), ms, func(ctx context.Context, m *machine) error { return l.remove(ctx, m, grace) })
}

// remove shuts a node down, or kills it when no grace is given, and removes its
// namespaces; the disk stays.
func (l *Lab) remove(ctx context.Context, m *machine, grace time.Duration) error {
	m.mu.Lock()
	n := m.node
	m.mu.Unlock()
	if n == nil {
		return nil
	}
	var err error
	if grace > 0 {
		err = n.Shutdown(ctx, grace)
	} else {
		err = n.Kill(ctx)
	}
	if err == nil {
		err = n.Remove(ctx)
	}
	if err != nil {
		return fmt.Errorf("node %s: %w", m.site.Name, err)
	}
	m.mu.Lock()
	if m.node == n {
		m.node, m.state = nil, Off
	}
	m.mu.Unlock()
	l.tell(Event{Step: Removed, Node: m.site.Name})
	return nil
}

// ColdStart shuts the whole company down and starts it again in the order of
// its ranks: what only lived in memory is gone. prepare, when given, is called
// for each node between the two, while it is created and nothing runs in it.
func (l *Lab) ColdStart(ctx context.Context, prepare func(name string, n node.Node) error) error {
	if err := l.stopAll(ctx, stopGrace); err != nil {
		return err
	}
	// All old cables at the price of one; what they were is remembered.
	var names []string
	for name := range l.nodes {
		names = append(names, name)
	}
	if err := l.sw.Unplug(ctx, names...); err != nil {
		return err
	}
	return l.startAll(ctx, prepare)
}

// Reset gives the lab pristine disks and the cables of the site, and starts it
// again. Each node is made anew as soon as its old one is gone.
func (l *Lab) Reset(ctx context.Context) error {
	begin := time.Now()
	l.endRelease()
	ms := l.order()
	kills, kctx := errgroup.WithContext(ctx)
	kills.Go(func() error { return l.sw.GC(kctx, nil) })
	for _, m := range ms {
		if n := l.Node(m.site.Name); n != nil {
			kills.Go(func() error { return n.Kill(kctx) })
		}
	}
	if err := kills.Wait(); err != nil {
		return err
	}
	err := each(ctx, removers(), ms, func(ctx context.Context, m *machine) error {
		if err := l.remove(ctx, m, 0); err != nil {
			return err
		}
		if err := l.discard(m); err != nil {
			return err
		}
		return l.create(ctx, m, l.pristine)
	})
	if err != nil {
		return err
	}
	if err := l.startCreated(ctx, ms, begin); err != nil {
		return err
	}
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		for _, m := range ms {
			if n := l.Node(m.site.Name); n != nil {
				select {
				case <-n.Ready():
				case <-n.Exited():
				}
			}
		}
		// What cannot be removed goes with the lab's disk.
		_ = os.RemoveAll(l.discarded())
	}()
	return nil
}

// discarded is where the disks of before a reset wait for their removal, which
// can wait until the nodes have booted.
func (l *Lab) discarded() string { return filepath.Join(l.disk.Mount(), ".discarded") }

// discard puts a machine's disk aside.
func (l *Lab) discard(m *machine) error {
	if err := os.MkdirAll(l.discarded(), 0o700); err != nil {
		return err
	}
	aside, err := os.MkdirTemp(l.discarded(), "")
	if err != nil {
		return err
	}
	err = os.Rename(m.spec.Disk, filepath.Join(aside, m.site.Name))
	if errors.Is(err, os.ErrNotExist) { // an earlier reset was interrupted
		return nil
	}
	return err
}

// Freeze stops all processes of all nodes (a paused session); Thaw continues.
func (l *Lab) Freeze(ctx context.Context) error {
	return each(ctx, removers(), l.order(), func(ctx context.Context, m *machine) error {
		if m.running() {
			return m.node.Freeze(ctx)
		}
		return nil
	})
}

// Thaw continues what Freeze stopped.
func (l *Lab) Thaw(ctx context.Context) error {
	return each(ctx, removers(), l.order(), func(ctx context.Context, m *machine) error {
		if m.running() {
			return m.node.Thaw(ctx)
		}
		return nil
	})
}

func (m *machine) running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.node != nil && (m.state == Up || m.state == Starting)
}

// Close takes the lab down and leaves nothing on the host. It goes on after an
// error and returns all of them; twice is no error.
func (l *Lab) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	var errs []error
	if l.runtime != nil {
		errs = append(errs, l.stopAll(ctx, 0), l.runtime.Close())
	}
	if l.sw != nil {
		errs = append(errs, l.sw.Close())
	}
	l.wg.Wait() // nothing works on the disk any more
	if l.disk != nil {
		errs = append(errs, l.disk.Remove())
	}
	errs = append(errs, l.lock.release())
	if len(running()) == 0 {
		errs = append(errs, host.RestoreLimits())
		removeEmptyRun()
	}
	return errors.Join(errs...)
}
