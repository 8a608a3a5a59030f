package term

import "time"

// The terminal's speed (threats.md D18): a program that writes faster waits.
const (
	burst     = 4 << 20   // bytes at once
	sustained = 256 << 10 // bytes per second
	beyond    = 8 << 10   // bytes per second when the budget is spent
)

// bucket makes the reader of a terminal wait.
type bucket struct {
	left   int64 // of the terminal's budget
	tokens float64
	last   time.Time
	sleep  func(time.Duration)
	now    func() time.Time
}

func newBucket(budget int64) bucket {
	return bucket{left: budget, tokens: burst, last: time.Now(), sleep: time.Sleep, now: time.Now}
}

// take waits until n bytes may pass.
func (b *bucket) take(n int) {
	now := b.now()
	rate := float64(sustained)
	if b.left <= 0 {
		rate = beyond
		b.tokens = min(b.tokens, beyond)
	}
	b.tokens = min(b.tokens+now.Sub(b.last).Seconds()*rate, burst)
	b.last = now
	b.left -= int64(n)
	b.tokens -= float64(n)
	if b.tokens < 0 {
		b.sleep(time.Duration(-b.tokens / rate * float64(time.Second)))
		b.tokens, b.last = 0, b.now()
	}
}
