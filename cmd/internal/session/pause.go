package session

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/situlab/situlab/cmd/internal/control"
	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/watch/term"
)

// unattendedPause is how long an unattended run may stay paused before the
// environment counts as invalid.
const unattendedPause = 10 * time.Minute

// sameFor is how long the probes must show the same.
const sameFor = 6 * time.Second

// resumeTimeout bounds the wait for the probes to show what they showed before.
const resumeTimeout = 2 * time.Minute

// reason is why a session is paused. A session stands still while any reason
// does: an assessor's ("pause") and the host's ("host_starved") come and go
// independently of each other, and neither lifts the other.
type reason struct {
	word      string
	automatic bool
	recorded  bool
}

// byHand is the reason of "situlab pause".
const byHand = "pause"

// atWork refuses what only makes sense while the candidate works; mu is held.
func (s *Session) atWork() error {
	switch {
	case s.isOver():
		return control.Refusef("the candidate's work in session %s has ended", s.id)
	case s.working == nil:
		return control.Refusef("the candidate has not entered session %s yet", s.id)
	}
	return nil
}

// because adds a reason; one that stands already is no error.
func (s *Session) because(word string, automatic bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.atWork(); err != nil {
		return err
	}
	if !slices.ContainsFunc(s.reasons, func(r reason) bool { return r.word == word }) {
		s.reasons = append(s.reasons, reason{word: word, automatic: automatic})
	}
	return nil
}

// noLonger takes a reason away.
func (s *Session) noLonger(word string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.atWork(); err != nil {
		return err
	}
	i := slices.IndexFunc(s.reasons, func(r reason) bool { return r.word == word })
	switch {
	case i >= 0:
		s.reasons = slices.Delete(s.reasons, i, i+1)
		return nil
	case len(s.reasons) > 0:
		return control.Refusef("session %s is paused by situlab itself (%s) and goes on when the cause has gone", s.id, s.reasons[0].word)
	}
	return control.Refusef("session %s is not paused", s.id)
}

// paused says whether the clock stands, or is about to.
func (s *Session) paused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped || len(s.reasons) > 0
}

// pausedFor lists the reasons that stand.
func (s *Session) pausedFor() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.reasons {
		out = append(out, r.word)
	}
	return out
}

// pause adds a reason and stops the clock, the nodes and the terminals. Outside
// the candidate's work it does nothing.
func (s *Session) pause(ctx context.Context, word string, automatic bool) {
	if s.because(word, automatic) == nil {
		s.follow(ctx, word)
	}
}

// unpause takes a reason away; without any left, the session goes on.
func (s *Session) unpause(ctx context.Context, word string) {
	if s.noLonger(word) == nil {
		s.follow(ctx, word)
	}
}

// follow makes clock, nodes and terminals do what the reasons say; word is the
// one that came or went. When it returns, they do.
func (s *Session) follow(ctx context.Context, word string) {
	s.turn.Lock()
	defer s.turn.Unlock()
	for {
		s.mu.Lock()
		want, stopped, ended := len(s.reasons) > 0, s.stopped, s.isOver()
		s.mu.Unlock()
		switch {
		case ended:
			return // lift has the last word
		case want && !stopped:
			s.stop(ctx)
		case !want && stopped:
			s.goOn(ctx, word)
		default:
			s.recordReasons()
			return
		}
	}
}

// stop stops everything; turn is held.
func (s *Session) stop(ctx context.Context) {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.clock.Stop()
	s.health.forget()
	text := s.ui.T("— épreuve suspendue, le temps est arrêté —", "— session paused, the clock is stopped —")
	if slices.Contains(s.pausedFor(), journalStalled) {
		text = s.ui.T("— épreuve suspendue : le disque de l’examen est plein ou en panne ; le temps est arrêté, rien n’est perdu —",
			"— session paused: the exam’s disk is full or broken; the clock is stopped, nothing is lost —")
	}
	// First the nodes: a terminal waits as long as its recording cannot be written.
	if err := s.lab.Freeze(ctx); err != nil {
		s.ui.Warn("pause: %v", err)
	}
	_ = s.term.each(func(h *term.Handle) error {
		_ = h.Notify(ctx, text)
		return h.Pause(ctx)
	})
	s.recordReasons()
	if s.opts.Script != nil {
		s.unattended = time.AfterFunc(unattendedPause, func() {
			why := s.pausedFor()
			s.invalidate("paused_too_long", "nobody resumed an unattended session: "+strings.Join(why, ", "))
		})
	}
}

// recordReasons journals the reasons that came since.
func (s *Session) recordReasons() {
	s.mu.Lock()
	var fresh []reason
	for i, r := range s.reasons {
		if !r.recorded {
			fresh = append(fresh, r)
			s.reasons[i].recorded = true
		}
	}
	s.mu.Unlock()
	for _, r := range fresh {
		s.put(&evidence.ClockPaused{Reason: r.word, Automatic: r.automatic})
		s.ui.Step(s.ui.T("épreuve suspendue (%s)", "session paused (%s)"), r.word)
	}
}

// goOn lets the nodes run, and the clock once the probes show what they showed
// before; a reason that comes meanwhile stops them again. turn is held.
func (s *Session) goOn(ctx context.Context, word string) {
	var red []string
	s.mu.Lock()
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
	again := len(s.reasons) > 0
	s.stopped = again
	s.mu.Unlock()
	if again {
		if err := s.lab.Freeze(ctx); err != nil {
			s.ui.Warn("pause: %v", err)
		}
		return
	}
	s.unhold(ctx, word)
	s.clock.Start()
	s.ui.Step("%s", s.ui.T("l'épreuve reprend", "the session goes on"))
}

// unhold gives the terminals back and records the end of the pause.
func (s *Session) unhold(ctx context.Context, word string) {
	if s.unattended != nil {
		s.unattended.Stop()
	}
	_ = s.term.each(func(h *term.Handle) error {
		_ = h.Notify(ctx, s.ui.T("— l'épreuve reprend —", "— the session goes on —"))
		return h.Resume(ctx)
	})
	s.put(&evidence.ClockResumed{Reason: word})
}

// lift ends a pause at the end of the candidate's work: what is examined or taken
// down afterwards must not stand still. The clock stays stopped.
func (s *Session) lift(ctx context.Context) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	stopped, reasons := s.stopped, s.reasons
	s.stopped, s.reasons = false, nil
	s.mu.Unlock()
	if !stopped {
		return
	}
	if err := s.lab.Thaw(ctx); err != nil {
		s.ui.Warn("resume: %v", err)
	}
	word := byHand
	if len(reasons) > 0 {
		word = reasons[0].word
	}
	s.unhold(ctx, word)
}

// waitSame waits until no probe is red that was green before the pause, or a
// reason to stand still comes.
func (s *Session) waitSame(ctx context.Context, red []string) {
	ctx, cancel := context.WithTimeout(ctx, resumeTimeout)
	defer cancel()
	// Timers of the nodes' daemons expired while they were frozen: what a neighbour
	// is taken for shows some seconds later only.
	since := time.Now()
	for ctx.Err() == nil && len(s.pausedFor()) == 0 {
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
		if !same {
			since = time.Now()
		} else if time.Since(since) >= sameFor {
			return
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}
