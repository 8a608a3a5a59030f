package relay

import (
	"slices"
	"testing"
	"time"
)

// script plays frames into a direction: chances are handed out in order, then
// the last one is repeated.
func script(l Line, chances ...float64) *direction {
	d := newDirection(0)
	d.set(l)
	i := -1
	d.chance = func() float64 {
		i = min(i+1, len(chances)-1)
		return chances[i]
	}
	return d
}

var t0 = time.Unix(1_000_000, 0)

// drain returns what is due by a moment, as the frames' first bytes.
func drain(d *direction, at time.Time) []byte {
	var out []byte
	for {
		f, _ := d.take(at)
		if f == nil {
			return out
		}
		out = append(out, f[0])
	}
}

func TestGoodLineForwardsAtOnce(t *testing.T) {
	d := script(Line{}, 0)
	if !d.offer(t0, []byte{1}) {
		t.Error("a frame was kept")
	}
}

func TestDelayKeepsOrder(t *testing.T) {
	d := script(Line{Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond}, 1, 0, 0.5)
	for i := range byte(3) { // due after 15, 5 and 10 ms
		if d.offer(t0, []byte{i}) {
			t.Fatal("not delayed")
		}
	}
	if got := drain(d, t0.Add(14*time.Millisecond)); len(got) != 0 {
		t.Errorf("%v before the first is due", got)
	}
	if got := drain(d, t0.Add(15*time.Millisecond)); !slices.Equal(got, []byte{0, 1, 2}) {
		t.Errorf("order %v", got)
	}
}

func TestReorderedFrameOvertakes(t *testing.T) {
	d := script(Line{Delay: 10 * time.Millisecond, Reorder: 0.5}, 0.9, 0.1, 0.9)
	for i := range byte(3) {
		d.offer(t0, []byte{i})
	}
	if got := drain(d, t0); !slices.Equal(got, []byte{1}) {
		t.Errorf("at once: %v", got)
	}
	if got := drain(d, t0.Add(10*time.Millisecond)); !slices.Equal(got, []byte{0, 2}) {
		t.Errorf("later: %v", got)
	}
}

func TestLossAndDuplicates(t *testing.T) {
	d := script(Line{Loss: 0.5}, 0.4, 0.6)
	if d.offer(t0, []byte{0}) || !d.offer(t0, []byte{1}) {
		t.Error("the wrong frame was lost")
	}
	d = script(Line{Duplicate: 0.5}, 0.4, 0.6)
	if d.offer(t0, []byte{7}) {
		t.Error("the first of two was to be queued with its copy")
	}
	if got := drain(d, t0); !slices.Equal(got, []byte{7, 7}) {
		t.Errorf("got %v", got)
	}
	if c := d.counters(); c.Duplicated != 1 || c.Lost != 0 {
		t.Errorf("counters %+v", c)
	}
}

func TestRateSpreadsFrames(t *testing.T) {
	d := script(Line{RateBits: 8000}, 0) // one byte per millisecond
	frame := make([]byte, 100)
	for range 3 {
		if d.offer(t0, frame) {
			t.Fatal("a frame of 100 ms left at once")
		}
	}
	for _, c := range []struct {
		at time.Duration
		n  int
	}{{99 * time.Millisecond, 0}, {100 * time.Millisecond, 1}, {250 * time.Millisecond, 1}, {300 * time.Millisecond, 1}} {
		if got := drain(d, t0.Add(c.at)); len(got) != c.n {
			t.Errorf("after %v: %d frames, want %d", c.at, len(got), c.n)
		}
	}
	// More than a second of backlog is dropped, not kept.
	for range 50 {
		d.offer(t0, frame)
	}
	if c := d.counters(); c.Dropped == 0 {
		t.Error("the backlog grows without bound")
	}
}

func TestQueueIsBounded(t *testing.T) {
	d := script(Line{Delay: time.Minute}, 0)
	big := make([]byte, 1<<16)
	for range maxBytes/len(big) + 10 {
		d.offer(t0, big)
	}
	if d.bytes > maxBytes || d.counters().Dropped != 10 {
		t.Errorf("%d bytes queued, %d dropped", d.bytes, d.counters().Dropped)
	}
}
