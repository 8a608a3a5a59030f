package labnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/volume"
)

// company begins an operation on all nodes: nothing else changes which
// incarnations exist until it is done. Its context ends when the lab is taken
// down.
func (l *Lab) company(ctx context.Context) (context.Context, func(), error) {
	l.life.Lock()
	if l.alive.Err() != nil {
		l.life.Unlock()
		return nil, nil, ErrClosed
	}
	ctx, done := l.whileAlive(ctx)
	return ctx, func() {
		done()
		l.life.Unlock()
	}, nil
}

// stopAll shuts all nodes down in the reverse order of their ranks and removes
// their namespaces; the disks stay.
func (l *Lab) stopAll(ctx context.Context, grace time.Duration) error {
	l.endRelease()
	ms := l.order()
	slices.Reverse(ms)
	return every(removers(), ms, func(m *machine) error { return l.remove(ctx, m, grace) })
}

// remove shuts a node down, or kills it when no grace is given, and removes its
// namespaces; the disk stays.
func (l *Lab) remove(ctx context.Context, m *machine, grace time.Duration) error {
	n, _ := m.now()
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
	m.put(nil)
	m.state = Off
	m.mu.Unlock()
	l.tell(Event{Step: Removed, Node: m.site.Name})
	return nil
}

// ColdStart shuts the whole company down and starts it again in the order of
// its ranks: what only lived in memory is gone. prepare, when given, is called
// for each node between the two, while it is created and nothing runs in it. A
// pause ends.
func (l *Lab) ColdStart(ctx context.Context, prepare func(name string, n node.Node) error) error {
	ctx, done, err := l.company(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := l.thaw(ctx); err != nil {
		return err
	}
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
// again. Each node is made anew as soon as its old one is gone. A pause ends.
func (l *Lab) Reset(ctx context.Context) error {
	begin := time.Now()
	ctx, done, err := l.company(ctx)
	if err != nil {
		return err
	}
	defer done()
	l.setPaused(false) // a frozen node can be killed
	l.endRelease()
	ms := l.order()
	cables := make(chan error, 1)
	go func() { cables <- l.sw.GC(ctx, nil) }()
	err = every(len(ms), ms, func(m *machine) error {
		if n, _ := m.now(); n != nil {
			return n.Kill(ctx)
		}
		return nil
	})
	if err := errors.Join(err, <-cables); err != nil {
		return err
	}
	// Their removal can wait until the nodes have booted.
	aside, err := os.MkdirTemp(l.disk.Mount(), ".discarded-")
	if err != nil {
		return err
	}
	err = each(ctx, removers(), ms, func(ctx context.Context, m *machine) error {
		if err := l.remove(ctx, m, 0); err != nil {
			return err
		}
		if err := os.Rename(m.spec.Disk, filepath.Join(aside, m.site.Name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err // no disk: an earlier reset was interrupted
		}
		if err := volume.Renew(ctx, l.lock.dir, m.site.Name); err != nil {
			return err
		}
		_, err := l.create(ctx, m, m.booting(), l.pristine)
		return err
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
		l.forget(ms, aside)
	}()
	return nil
}

// forget removes the disks of before a reset when the nodes have booted or ended.
func (l *Lab) forget(ms []*machine, aside string) {
	for _, m := range ms {
		if n, _ := m.now(); n != nil {
			select {
			case <-n.Ready():
			case <-n.Exited():
			case <-l.alive.Done():
				return // they go with the lab's disk, as does what cannot be removed
			}
		}
	}
	_ = os.RemoveAll(aside)
}

// Close takes the lab down and leaves nothing on the host. It goes on after an
// error and returns all of them; what then is left is named by the lab's state
// directory, which stays for gc. The second call returns what the first did.
func (l *Lab) Close(ctx context.Context) error {
	l.closed.Do(func() { l.failed = l.close(ctx) })
	return l.failed
}

func (l *Lab) close(ctx context.Context) error {
	l.end()
	l.life.Lock() // what was under way has given up
	var nodes, network, disk error
	if l.runtime != nil {
		nodes = errors.Join(l.stopAll(ctx, 0), l.runtime.Close())
	}
	if l.sw != nil {
		network = l.sw.Close()
	}
	l.life.Unlock()
	close(l.gone)
	l.wg.Wait() // nothing of ours works on the disk any more
	if l.disk != nil && nodes == nil {
		if disk = volume.Sweep(ctx, l.lock.dir); disk == nil {
			disk = l.disk.Remove()
		}
	}
	if err := errors.Join(nodes, network, disk); err != nil {
		l.lock.leave()
		return err
	}
	err := l.lock.release()
	if err == nil && len(running()) == 0 {
		err = host.RestoreLimits()
		removeEmptyRun()
	}
	return err
}
