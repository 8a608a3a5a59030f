package session

import (
	"context"
	"fmt"
	"time"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/node"
)

// watchHealth records the health of host and control service; a starved lab
// pauses the session.
func (r *recorders) watchHealth(ctx context.Context) {
	s := r.s
	s.health.sample(time.Now(), &s.footprint)
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			h := s.health.sample(now, &s.footprint)
			r.append(evidence.Entry{Source: "health", Actor: "controller", Payload: &h})
			long := time.Duration(h.OutOfBandSeconds * float64(time.Second))
			switch {
			case long >= pauseAfter:
				s.pause(ctx, "host_starved", true)
			case h.OutOfBandSeconds == 0:
				s.unpause(ctx, "host_starved")
			}
		case <-ctx.Done():
			return
		}
	}
}

// explains is how long before a machine's end a command of the candidate may have
// caused it.
const explains = 30 * time.Second

// labEvent hears of the lab's life: recorders follow each new incarnation.
func (s *Session) labEvent(e labnet.Event) {
	s.mu.Lock()
	r, j, ended := s.watching, s.journal, s.isOver()
	if e.Node == s.admin && e.Step == labnet.Exited {
		s.adminLeft = e.Reason
	}
	s.mu.Unlock()
	if r == nil || j == nil {
		return
	}
	if e.Step == labnet.Created {
		if err := r.add(e.Node, e.PID); err != nil {
			s.ui.Warn("%v", err)
			if ended { // nobody's work depends on it any more
				r.append(evidence.Entry{Source: "lab", Node: e.Node, Actor: "controller", Payload: &evidence.RecorderState{Recorder: "exec", On: false, Detail: err.Error()}})
				return
			}
			s.invalidate("recorder_failed", err.Error())
		}
		return
	}
	r.mu.Lock()
	at, ok := r.ender[e.Node]
	r.mu.Unlock()
	if p, actor := nodeLife(e, ended, ok && e.Time.Sub(at) <= explains); p != nil {
		r.append(evidence.Entry{Source: "lab", Node: e.Node, Actor: actor, Wall: e.Time, Payload: p})
	}
}

// nodeLife tells of a step in a node's life and whose doing it is: while the
// candidate works a reboot and a power-off are the candidate's; a PID 1 that dies
// is nobody's as far as one knows, unless a command of the candidate that can end
// it came just before; after the end (ended) the examinations stop and start the
// company, which never reboots a node.
func nodeLife(e labnet.Event, ended, explained bool) (p *evidence.LabNode, actor string) {
	p = &evidence.LabNode{Origin: "candidate"}
	if ended {
		p.Origin = "controller"
	}
	switch e.Step {
	case labnet.Booted:
		p.Event = evidence.NodeRunning
	case labnet.Exited:
		p.Event = evidence.NodeOff
		switch e.Reason {
		case node.Rebooted:
			p.Event, p.Origin = evidence.NodeRebooted, "candidate"
		case node.PoweredOff:
		default:
			p.Detail = string(e.Reason)
			if !ended && !explained {
				p.Origin = "unknown"
			}
		}
	case labnet.Failed:
		p.Event, p.Origin, p.Detail = evidence.NodeFailed, "controller", fmt.Sprint(e.Err)
	default:
		return nil, ""
	}
	if p.Origin == "unknown" {
		return p, "system"
	}
	return p, p.Origin
}
