package session

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// Reasons of a pause come and go without touching each other, and only while the
// candidate works.
func TestReasonsOfAPause(t *testing.T) {
	s := &Session{id: "x", over: make(chan struct{})}
	refused := func(what string, err error, why string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want ...%s...", what, err, why)
		}
	}
	granted := func(what string, err error, stand ...string) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got := s.pausedFor(); !slices.Equal(got, stand) {
			t.Errorf("%s: %q stand, want %q", what, got, stand)
		}
		if s.paused() != (len(stand) > 0) {
			t.Errorf("%s: paused is %v", what, s.paused())
		}
	}

	refused("before the entry", s.because(byHand, false), "has not entered")
	refused("resume before the entry", s.noLonger(byHand), "has not entered")
	refused("automatic before the entry", s.because("host_starved", true), "has not entered")

	s.working = context.Background()
	refused("resume of what runs", s.noLonger(byHand), "is not paused")
	granted("by hand", s.because(byHand, false), byHand)
	granted("again", s.because(byHand, false), byHand)
	granted("resume", s.noLonger(byHand))

	granted("automatic", s.because("host_starved", true), "host_starved")
	refused("resume of an automatic pause", s.noLonger(byHand), "by situlab itself (host_starved)")
	granted("by hand meanwhile", s.because(byHand, false), "host_starved", byHand)
	granted("the cause has gone", s.noLonger("host_starved"), byHand)
	granted("resume", s.noLonger(byHand))

	s.setOver()
	refused("after the end", s.because(byHand, false), "has ended")
	refused("resume after the end", s.noLonger(byHand), "has ended")
}
