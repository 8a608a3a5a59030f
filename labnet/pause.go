package labnet

import (
	"context"
	"time"
)

// A paused lab stands still: its nodes are frozen, boot delays do not run, and
// nothing starts.

// Freeze pauses the lab; twice is no error. The lab is paused even if a node
// could not be frozen.
func (l *Lab) Freeze(ctx context.Context) error {
	ctx, done, err := l.company(ctx)
	if err != nil {
		return err
	}
	defer done()
	l.setPaused(true)
	return every(removers(), l.order(), func(m *machine) error {
		if n, s := m.now(); n != nil && (s == Up || s == Starting) {
			return n.Freeze(ctx)
		}
		return nil
	})
}

// Thaw ends the pause.
func (l *Lab) Thaw(ctx context.Context) error {
	ctx, done, err := l.company(ctx)
	if err != nil {
		return err
	}
	defer done()
	return l.thaw(ctx)
}

// thaw is Thaw with life held for writing.
func (l *Lab) thaw(ctx context.Context) error {
	if paused, _ := l.pausing(); !paused {
		return nil
	}
	defer l.setPaused(false)
	return every(removers(), l.order(), func(m *machine) error {
		if n, s := m.now(); n != nil && (s == Up || s == Starting) {
			return n.Thaw(ctx)
		}
		return nil
	})
}

// pausing says whether the lab is paused; turned is closed when that changes.
func (l *Lab) pausing() (paused bool, turned <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.paused, l.turned
}

func (l *Lab) setPaused(p bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused != p {
		l.paused = p
		close(l.turned)
		l.turned = make(chan struct{})
	}
}

// rest lets d pass, not counting pauses, and comes back outside of a pause. It
// says false when there is nothing more to wait for: the incarnation is over, or
// the lab.
func (l *Lab) rest(d time.Duration, over <-chan struct{}) bool {
	for {
		paused, turned := l.pausing()
		var ring <-chan time.Time
		if !paused {
			ring = time.After(d)
		}
		begin := time.Now()
		select {
		case <-ring:
			return true
		case <-turned:
			if !paused {
				d -= time.Since(begin)
			}
		case <-over:
			return false
		case <-l.alive.Done():
			return false
		}
	}
}
