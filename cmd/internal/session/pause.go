package session

import (
	"context"
	"slices"
	"time"

	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/watch/term"
)

// unattendedPause is how long an unattended run may stay paused before the
// environment counts as invalid.
const unattendedPause = 10 * time.Minute

// resumeTimeout bounds the wait for the probes to show what they showed before.
const resumeTimeout = 2 * time.Minute

// pause stops the clock, the nodes and the terminals. A second pause is no
// error.
func (s *Session) pause(ctx context.Context, reason string, automatic bool) {
	s.mu.Lock()
	if s.isPaused != "" || s.ended {
		s.mu.Unlock()
		return
	}
	s.isPaused = reason
	s.mu.Unlock()
	s.clock.Stop()
	s.health.forget()
	_ = s.term.each(func(h *term.Handle) error {
		_ = h.Notify(ctx, s.ui.T("— épreuve suspendue, le temps est arrêté —", "— session paused, the clock is stopped —"))
		return h.Pause(ctx)
	})
	if err := s.lab.Freeze(ctx); err != nil {
		s.ui.Warn("pause: %v", err)
	}
	s.put(&evidence.ClockPaused{Reason: reason, Automatic: automatic})
	s.ui.Step(s.ui.T("épreuve suspendue (%s)", "session paused (%s)"), reason)
	if s.opts.Script != nil {
		time.AfterFunc(unattendedPause, func() {
			if s.paused() {
				s.end(evidence.FinishInvalid)
			}
		})
	}
}

// unpause continues when the pause has this reason; the clock runs again once
// the probes show what they showed before.
func (s *Session) unpause(ctx context.Context, reason string) {
	s.mu.Lock()
	if s.isPaused != reason {
		s.mu.Unlock()
		return
	}
	var red []string
	for id, r := range s.red {
		if r {
			red = append(red, id)
		}
	}
	s.mu.Unlock()
	if err := s.lab.Thaw(ctx); err != nil {
		s.ui.Warn("resume: %v", err)
	}
	s.waitSame(ctx, red)
	s.mu.Lock()
	s.isPaused = ""
	s.mu.Unlock()
	_ = s.term.each(func(h *term.Handle) error {
		_ = h.Notify(ctx, s.ui.T("— l'épreuve reprend —", "— the session goes on —"))
		return h.Resume(ctx)
	})
	s.put(&evidence.ClockResumed{Reason: reason})
	s.clock.Start()
	s.ui.Step("%s", s.ui.T("l'épreuve reprend", "the session goes on"))
}

// waitSame waits until no probe is red that was green before the pause.
func (s *Session) waitSame(ctx context.Context, red []string) {
	ctx, cancel := context.WithTimeout(ctx, resumeTimeout)
	defer cancel()
	for ctx.Err() == nil {
		results, err := provision.Runner(s.lab, 0).RunOnce(ctx)
		if err != nil {
			return
		}
		same := true
		for _, r := range results {
			if !r.OK && !slices.Contains(red, probeID(r.Probe, r.Segment)) {
				same = false
			}
		}
		if same {
			return
		}
	}
}
