package relay

import (
	"container/heap"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Line is what one direction does to frames. The zero value forwards at once.
type Line struct {
	// RateBits per second of frames; 0 is no limit.
	RateBits uint64
	// Loss, Reorder and Duplicate are probabilities, 0 to 1.
	Loss, Reorder, Duplicate float64
	// Delay of each frame, give or take Jitter, uniform. Frames keep their
	// order; Reorder of them are sent at once and so overtake the others.
	Delay, Jitter time.Duration
}

// Bounds of a direction's queue. A frame that finds it full is dropped, as in
// a router.
const (
	maxBacklog = time.Second // wait for the rate limit
	maxBytes   = 32 << 20    // all frames under way
)

// Counters of one direction, in frames.
type Counters struct{ Forwarded, Lost, Dropped, Duplicated uint64 }

type queued struct {
	due   time.Time
	seq   uint64 // keeps the order of frames due at the same time
	frame []byte
}

type queue []queued

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if !q[i].due.Equal(q[j].due) {
		return q[i].due.Before(q[j].due)
	}
	return q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(queued)) }
func (q *queue) Pop() any {
	old := *q
	x := old[len(old)-1]
	old[len(old)-1] = queued{}
	*q = old[:len(old)-1]
	return x
}

// direction delays frames; it knows neither sockets nor goroutines' owners.
type direction struct {
	headerLen int // bytes in front of the Ethernet frame
	chance    func() float64

	mu    sync.Mutex
	line  Line
	queue queue
	bytes int
	seq   uint64
	last  time.Time // due time of the last frame in order
	free  time.Time // when the rate-limited line is free again
	wake  chan struct{}

	forwarded, lost, dropped, duplicated atomic.Uint64
}

func newDirection(headerLen int) *direction {
	return &direction{headerLen: headerLen, chance: rand.Float64, wake: make(chan struct{}, 1)}
}

func (d *direction) set(l Line) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line = l
}

func (d *direction) counters() Counters {
	return Counters{d.forwarded.Load(), d.lost.Load(), d.dropped.Load(), d.duplicated.Load()}
}

// offer takes a frame at a moment. It returns true if the frame must be sent
// now, by the caller; otherwise it was queued (the slice is copied) or lost.
func (d *direction) offer(now time.Time, frame []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.line.Loss > 0 && d.chance() < d.line.Loss {
		d.lost.Add(1)
		return false
	}
	due := now
	if d.line.RateBits > 0 {
		if d.free.Before(now) {
			d.free = now
		}
		if d.free.Sub(now) > maxBacklog {
			d.dropped.Add(1)
			return false
		}
		bits := float64(len(frame)-d.headerLen) * 8
		d.free = d.free.Add(time.Duration(bits / float64(d.line.RateBits) * float64(time.Second)))
		due = d.free
	}
	overtakes := d.line.Reorder > 0 && d.chance() < d.line.Reorder
	if !overtakes {
		due = due.Add(d.line.Delay)
		if j := d.line.Jitter; j > 0 {
			due = due.Add(time.Duration((2*d.chance() - 1) * float64(j)))
		}
		if due.Before(d.last) {
			due = d.last
		}
		d.last = due
	}
	copies := 1
	if d.line.Duplicate > 0 && d.chance() < d.line.Duplicate {
		copies = 2
		d.duplicated.Add(1)
	}
	if copies == 1 && !due.After(now) && len(d.queue) == 0 {
		return true
	}
	if d.bytes+copies*len(frame) > maxBytes {
		d.dropped.Add(1)
		return false
	}
	kept := append([]byte(nil), frame...)
	for range copies {
		d.seq++
		heap.Push(&d.queue, queued{due, d.seq, kept})
		d.bytes += len(kept)
	}
	if d.queue[0].seq+uint64(copies) > d.seq { // the head may be new
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
	return false
}

// take returns the next frame that is due, or how long to wait for it; with
// nothing queued the wait is negative.
func (d *direction) take(now time.Time) ([]byte, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return nil, -1
	}
	if wait := d.queue[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	q := heap.Pop(&d.queue).(queued)
	d.bytes -= len(q.frame)
	return q.frame, 0
}
