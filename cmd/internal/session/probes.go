package session

import (
	"context"
	"slices"
	"time"

	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/probe"
)

// probeEvery is how often each service is asked from each segment while the
// candidate works (before the time factor); fastest is the floor that keeps the
// host's share small whatever the factor.
const (
	probeEvery = 15 * time.Second
	fastest    = time.Second
)

func (s *Session) probeInterval() time.Duration { return max(fastest, s.scale(probeEvery)) }

// sample turns a result into evidence.
func (s *Session) sample(r probe.Result, phase string) *evidence.ProbeSample {
	id := probeID(r.Probe, r.Segment)
	p := &evidence.ProbeSample{
		Probe: id, Service: r.Service, Segment: r.Segment, Group: s.groupOf(r.Segment), Post: r.Post, Phase: phase,
		Control: slices.Contains(s.facts.ControlProbes, id), OK: r.OK, LatencyMS: float64(r.Latency.Microseconds()) / 1000,
	}
	if !r.OK {
		p.Detail = string(r.Stage) + " " + r.Code + ": " + r.Detail
	}
	return p
}

// groupOf is the smallest group of users of a segment.
func (s *Session) groupOf(segment string) string {
	best, size := "", 0
	for _, g := range s.variant.Site.Groups {
		if slices.Contains(g.Segments, segment) && (best == "" || len(g.Segments) < size) {
			best, size = g.ID, len(g.Segments)
		}
	}
	return best
}

// recordSample journals one sample; a paused session records none.
func (s *Session) recordSample(r probe.Result, phase string) {
	if s.paused() && phase == evidence.PhaseSession {
		return
	}
	id := probeID(r.Probe, r.Segment)
	s.mu.Lock()
	s.red[id] = !r.OK
	s.mu.Unlock()
	p := s.sample(r, phase)
	s.health.control(p)
	s.watchVanishing(p)
	if s.off("probe") {
		return
	}
	_, err := s.journal.Append(context.Background(), evidence.Entry{Source: "probe", Node: r.Post, Actor: "controller", Wall: r.At, Payload: p})
	if err != nil {
		s.invalidate("recorder_failed", "journal: "+err.Error())
	}
}

func (s *Session) recordSamples(rs []probe.Result, phase string) {
	for _, r := range rs {
		s.recordSample(r, phase)
	}
	s.put(&evidence.ProbeRound{Phase: phase, Expected: len(rs), Sampled: len(rs)})
}

// probeUntil asks one post per segment all the time until ctx ends.
func (s *Session) probeUntil(ctx context.Context, phase string) error {
	out := make(chan probe.Result, 64)
	done := make(chan error, 1)
	go func() {
		err := provision.Runner(s.lab, s.probeInterval()).Run(ctx, out)
		close(out)
		done <- err
	}()
	for r := range out {
		s.recordSample(r, phase)
	}
	return <-done
}
