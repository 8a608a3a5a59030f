package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/probe"
)

// settleTimeout bounds the wait for the company after the examination's cold
// start; settleRounds are measured after it. settledFor is how long the same
// services must stay red before they are believed to stay so: by then the
// routing has converged (a dead OSPF neighbour is seen within a few seconds
// here, its timers are the site's).
const (
	settleTimeout = 90 * time.Second
	settleRounds  = 3
	settledFor    = 20 * time.Second
)

// permanenceSlack is how much longer than twice the missing time the permanence
// is waited for, whatever the samples do.
const permanenceSlack = 30 * time.Second

// examine measures what can only be measured after the candidate has finished:
// what is missing of the permanence window, then the cold start of the whole
// company.
func (s *Session) examine(ctx context.Context) error {
	begin := time.Now()
	if err := s.permanence(ctx); err != nil {
		return err
	}
	if err := s.coldStart(ctx); err != nil {
		return err
	}
	s.put(&evidence.ExamDone{Seconds: time.Since(begin).Seconds()})
	return nil
}

// sampleAtFinish asks every service once, at the moment that the candidate has
// finished: the last sample before it may be older than the repair.
func (s *Session) sampleAtFinish(ctx context.Context) error {
	results, err := provision.Runner(s.lab, 0).RunOnce(ctx)
	if err != nil {
		return err
	}
	s.recordSamples(results, evidence.PhasePermanence)
	return nil
}

// permanence goes on probing until the window is complete, or a hit probe is
// red: there is no use in waiting on red.
func (s *Session) permanence(ctx context.Context) error {
	begin := time.Now()
	if s.variant.Spec == nil {
		s.put(&evidence.ExamPermanence{Complete: true})
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.probeUntil(ctx, evidence.PhasePermanence) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	complete := false
	var err error
	var limit time.Time
	for first := true; ; first = false {
		s.windowMu.Lock()
		records := slices.Clone(s.window)
		s.windowMu.Unlock()
		st := check.Permanence(records, s.facts)
		if first {
			limit = begin.Add(2*time.Duration(st.MissingSeconds*float64(time.Second)) + permanenceSlack)
		}
		// A service that gives no sample at all would be waited for without end.
		if st.Decided() || time.Now().After(limit) {
			complete = st.Complete()
			break
		}
		missing := time.Duration(st.MissingSeconds * float64(time.Second))
		if first {
			s.ui.Step(s.ui.T("vérification de la permanence : encore %s de services verts à observer", "permanence: %s more of green services to be observed"), missing.Round(time.Second))
		}
		total := int(st.SpanSeconds + st.MissingSeconds)
		s.ui.Progress(s.ui.T("secondes de services verts", "seconds of green services"), min(int(st.SpanSeconds), total-1), total)
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		}
		break
	}
	stop()
	if perr := <-done; err == nil && perr != nil {
		err = perr
	}
	if err != nil {
		return err
	}
	s.put(&evidence.ExamPermanence{WaitedSeconds: time.Since(begin).Seconds(), Complete: complete})
	return nil
}

// coldStart stops and starts the whole company once and measures it again.
func (s *Session) coldStart(ctx context.Context) error {
	s.ui.Step("%s", s.ui.T("vérification : démarrage à froid de toute l'entreprise", "examination: cold start of the whole company"))
	begin := time.Now()
	n := len(s.variant.Site.Nodes)
	rec := &evidence.ExamColdStart{Nodes: n}
	if err := s.lab.ColdStart(ctx, nil); err != nil {
		return s.labFailed(ctx, err)
	}
	wait, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := s.lab.WaitRunning(wait); err != nil && ctx.Err() != nil {
		return err
	}
	for _, x := range s.variant.Site.Nodes {
		if s.lab.NodeState(x.Name) == labnet.Up {
			rec.Restarted++
		} else {
			rec.Failed = append(rec.Failed, x.Name)
		}
	}
	results, settled, err := s.settled(wait, ctx)
	if err != nil {
		return err
	}
	rec.Settled, rec.Seconds = settled, time.Since(begin).Seconds()
	s.put(rec)
	s.recordSamples(results, evidence.PhaseColdStart)
	for range settleRounds - 1 {
		results, err := provision.Runner(s.lab, 0).RunOnce(ctx)
		if err != nil {
			return err
		}
		s.recordSamples(results, evidence.PhaseColdStart)
	}
	if err := s.askEverybody(ctx); err != nil {
		return err
	}
	s.readCanaries(ctx)
	return nil
}

// askEverybody asks every service from every workstation. What is red is asked
// again, for as long as a red service is waited for elsewhere: one answer that is
// late while all posts ask together is no finding.
func (s *Session) askEverybody(ctx context.Context) error {
	s.ui.Step("%s", s.ui.T("vérification : tous les services, de tous les postes", "examination: every service, from every workstation"))
	begin := time.Now()
	turns, enough := context.WithCancel(ctx)
	defer enough()
	results, err := provision.Population(s.lab).WaitGreen(turns, 0, func(int, int) {
		// After a turn, not after a time: a check cut short would be no sample.
		if time.Since(begin) >= settledFor {
			enough()
		}
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && !errors.As(err, new(*probe.RedError)) {
		return err
	}
	s.recordSamples(results, evidence.PhaseColdStart)
	return nil
}

// settled asks all services until everything is green, or all that will ever be
// green is: what stays red for the whole wait is the finding.
func (s *Session) settled(wait, ctx context.Context) (results []probe.Result, ok bool, err error) {
	runner := provision.Runner(s.lab, 0)
	same := time.Now() // since when the same services are red
	var before string
	for {
		if results, err = runner.RunOnce(ctx); err != nil {
			return nil, false, err
		}
		red := ""
		for _, r := range results {
			if !r.OK {
				red += probeID(r.Probe, r.Segment) + " "
			}
		}
		if red == "" {
			return results, true, nil
		}
		if red != before {
			before, same = red, time.Now()
		}
		if time.Since(same) >= settledFor || wait.Err() != nil {
			return results, wait.Err() == nil, nil
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

func (s *Session) labFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return &EnvironmentError{"lab_failed", fmt.Sprintf("after the candidate's work: %v", err)}
}
