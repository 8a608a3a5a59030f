package session

import (
	"sync"
	"time"
)

// clock is the candidate's time: it stops while the session is paused.
type clock struct {
	mu      sync.Mutex
	limit   time.Duration
	used    time.Duration // before the present run
	since   time.Time     // zero while stopped
	changed chan struct{} // closed and replaced at each change
}

func newClock(limit time.Duration) *clock {
	return &clock{limit: limit, changed: make(chan struct{})}
}

func (c *clock) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Start lets the clock run; it does nothing when it runs.
func (c *clock) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		c.since = time.Now()
		c.notify()
	}
}

// Stop stops the clock; it does nothing when it is stopped.
func (c *clock) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.since.IsZero() {
		c.used += time.Since(c.since)
		c.since = time.Time{}
		c.notify()
	}
}

// Running says whether the clock runs.
func (c *clock) Running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.since.IsZero()
}

// Used is the candidate's time so far.
func (c *clock) Used() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed()
}

func (c *clock) elapsed() time.Duration {
	if c.since.IsZero() {
		return c.used
	}
	return c.used + time.Since(c.since)
}

// Left is what remains, never negative.
func (c *clock) Left() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, c.limit-c.elapsed())
}

// Expired is closed when the limit is reached; it follows pauses. stop ends the
// wait.
func (c *clock) Expired(stop <-chan struct{}) <-chan struct{} { return c.Reaches(0, stop) }

// After is closed when the candidate has had so much more time, be it after the
// limit.
func (c *clock) After(d time.Duration, stop <-chan struct{}) <-chan struct{} {
	c.mu.Lock()
	remaining := c.limit - c.elapsed() - d
	c.mu.Unlock()
	return c.Reaches(remaining, stop)
}

// Reaches is closed when no more than this is left.
func (c *clock) Reaches(remaining time.Duration, stop <-chan struct{}) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		for {
			c.mu.Lock()
			left, runs, changed := c.limit-remaining-c.elapsed(), !c.since.IsZero(), c.changed
			c.mu.Unlock()
			var tick <-chan time.Time
			var t *time.Timer
			if runs {
				if left <= 0 {
					close(done)
					return
				}
				t = time.NewTimer(left)
				tick = t.C
			}
			select {
			case <-tick:
			case <-changed:
			case <-stop:
				if t != nil {
					t.Stop()
				}
				return
			}
			if t != nil {
				t.Stop()
			}
		}
	}()
	return done
}
