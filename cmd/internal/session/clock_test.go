package session

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestClock: a pause gives the time back.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(10 * time.Minute)
		stop := make(chan struct{})
		defer close(stop)
		expired := c.Expired(stop)
		c.Start()
		time.Sleep(4 * time.Minute)
		c.Stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		select {
		case <-expired:
			t.Fatal("the clock ran while it was stopped")
		default:
		}
		if got := c.Left(); got != 6*time.Minute {
			t.Fatalf("left %v, want 6m", got)
		}
		c.Start()
		time.Sleep(6*time.Minute + time.Second)
		synctest.Wait()
		select {
		case <-expired:
		default:
			t.Fatal("the limit was reached and nobody was told")
		}
		if c.Left() != 0 {
			t.Fatalf("left %v after the end", c.Left())
		}
	})
}
