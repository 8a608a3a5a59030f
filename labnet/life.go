package labnet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/situlab/situlab/labnet/node"
)

// stopGrace is how long a node may take to shut down; systemd's own stop
// timeout in the image is shorter.
const stopGrace = 10 * time.Second

// The errors of what is asked of a lab or a node that cannot be done now.
var (
	// ErrNoNode says that the site has no node of that name.
	ErrNoNode = errors.New("no such node")
	// ErrClosed says that the lab is being taken down.
	ErrClosed = errors.New("the lab is taken down")
	// ErrPaused says that nothing starts while the lab is paused.
	ErrPaused = errors.New("the lab is paused")
)

// follow watches one incarnation of a node until its end, and brings the node
// back after a reboot typed inside it.
func (l *Lab) follow(m *machine, n node.Node, over <-chan struct{}) {
	select {
	case <-n.Ready():
		m.become(n, Up)
		l.tell(Event{Step: Booted, Node: m.site.Name, PID: n.PID()})
		select {
		case <-n.Exited():
		case <-l.gone: // it could not be ended
			return
		}
	case <-n.Exited():
	case <-l.gone:
		return
	}
	reason := m.reason(n)
	l.tell(Event{Step: Exited, Node: m.site.Name, Reason: reason})
	if !m.become(n, Off) || reason != node.Rebooted {
		return
	}
	// What the machine's firmware and disks cost in life.
	for d := l.cfg.BootDelay[m.site.Class]; l.rest(d, over); d = 0 {
		if l.comeBack(m, n) {
			return
		}
	}
}

// reason is why an incarnation has ended.
func (m *machine) reason(n node.Node) node.Reason {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := n.Reason(); r != node.Unknown || m.node != n || m.leaving == "" {
		return r
	}
	return m.leaving
}

// comeBack starts a machine again whose incarnation n has rebooted, unless it has
// another one meanwhile. It says false if it must wait for the end of a pause.
func (l *Lab) comeBack(m *machine, n node.Node) bool {
	l.life.RLock()
	defer l.life.RUnlock()
	m.change.Lock()
	defer m.change.Unlock()
	if now, _ := m.now(); now != n || l.alive.Err() != nil {
		return true
	}
	if paused, _ := l.pausing(); paused {
		return false
	}
	_, err := l.again(l.alive, m, n)
	if err != nil && l.alive.Err() == nil {
		l.tell(Event{Step: Failed, Node: m.site.Name, Err: err})
	}
	return true
}

// again gives a machine new namespaces and cables, and starts it; old, if any,
// has ended. The lab's life is held for reading, and the machine's change.
func (l *Lab) again(ctx context.Context, m *machine, old node.Node) (n node.Node, err error) {
	defer func() {
		if err != nil {
			m.mu.Lock()
			m.state = Broken
			m.mu.Unlock()
		}
	}()
	if old != nil {
		if err := old.Remove(ctx); err != nil {
			return nil, fmt.Errorf("node %s: %w", m.site.Name, err)
		}
		l.tell(Event{Step: Removed, Node: m.site.Name})
	}
	if n, err = l.create(ctx, m, m.spec, nil); err != nil {
		return nil, err
	}
	return n, l.startNode(ctx, m, n)
}

// Reboot asks a node's systemd to reboot, or starts a node that is off, and
// waits until its boot is complete.
func (l *Lab) Reboot(ctx context.Context, name string) error {
	m := l.nodes[name]
	if m == nil {
		return fmt.Errorf("%w: %s", ErrNoNode, name)
	}
	ctx, done := l.whileAlive(ctx)
	defer done()
	n, err := l.reboot(ctx, m)
	if err != nil {
		return err
	}
	select {
	case <-n.Ready():
		return nil
	case <-n.Exited():
		return fmt.Errorf("node %s ended while it booted (%s)", name, n.Reason())
	case <-ctx.Done():
		return fmt.Errorf("node %s has not finished its boot: %w", name, context.Cause(ctx))
	}
}

func (l *Lab) reboot(ctx context.Context, m *machine) (node.Node, error) {
	l.life.RLock()
	defer l.life.RUnlock()
	m.change.Lock()
	defer m.change.Unlock()
	if l.alive.Err() != nil {
		return nil, ErrClosed
	}
	if paused, _ := l.pausing(); paused {
		return nil, ErrPaused
	}
	n, state := m.now()
	if n != nil && (state == Up || state == Starting) {
		if err := n.Shutdown(ctx, stopGrace); err != nil {
			return nil, err
		}
	}
	return l.again(ctx, m, n)
}

// whileAlive is a context that ends, too, when the lab is taken down.
func (l *Lab) whileAlive(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	if l.alive.Err() != nil {
		cancel(ErrClosed)
	}
	stop := context.AfterFunc(l.alive, func() { cancel(ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}
