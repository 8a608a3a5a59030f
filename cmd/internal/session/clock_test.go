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

// TestAfter: what is to come in some time waits while the clock stands, may come
// after the limit, and does not come when the work is over.
func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(10 * time.Minute)
		stop := make(chan struct{})
		c.Start()
		time.Sleep(5 * time.Minute)
		soon, late, never := c.After(2*time.Minute, stop), c.After(6*time.Minute, stop), c.After(time.Hour, stop)
		came := func(ch <-chan struct{}) bool {
			synctest.Wait()
			select {
			case <-ch:
				return true
			default:
				return false
			}
		}
		time.Sleep(time.Minute)
		c.Stop()
		time.Sleep(2 * time.Hour)
		if came(soon) {
			t.Error("it came while the clock stood")
		}
		c.Start()
		time.Sleep(time.Minute + time.Second)
		if !came(soon) || came(late) {
			t.Errorf("after 2m: %v, %v", came(soon), came(late))
		}
		time.Sleep(4 * time.Minute)
		if !came(late) {
			t.Error("it did not come after the limit")
		}
		close(stop)
		time.Sleep(2 * time.Hour)
		if came(never) {
			t.Error("it came after the end")
		}
	})
}
