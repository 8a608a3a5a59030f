package session

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/situlab/situlab/cmd/internal/control"
	"github.com/situlab/situlab/cmd/internal/keeper"
	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/scenarios"
)

// calls are what other processes may ask of a session's controller.
type calls Session

// Info is a running session as others see it.
type Info struct {
	Session  string   `json:"session"`
	Lab      string   `json:"lab"`
	Scenario string   `json:"scenario"`
	Left     string   `json:"left"`
	Paused   []string `json:"paused"` // the reasons that stand; none: it runs
}

// Info tells of the session.
func (c *calls) Info(_ *control.None, out *Info) error {
	s := (*Session)(c)
	*out = Info{Session: s.id, Lab: s.labName(), Scenario: s.variant.Scenario.ID, Left: clockText(s.clock.Left()), Paused: s.pausedFor()}
	return nil
}

// Pause stops the clock and the nodes; the session stands when it answers.
func (c *calls) Pause(_ *control.None, out *Info) error {
	s := (*Session)(c)
	if err := s.because(byHand, false); err != nil {
		return err
	}
	s.follow(s.workContext(), byHand)
	return c.Info(nil, out)
}

// Resume lets them run again, unless another reason stands.
func (c *calls) Resume(_ *control.None, out *Info) error {
	s := (*Session)(c)
	if err := s.noLonger(byHand); err != nil {
		return err
	}
	s.follow(s.workContext(), byHand)
	return c.Info(nil, out)
}

// workContext ends with the candidate's work.
func (s *Session) workContext() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.working
}

// Inspect lists the nodes with their states.
func (c *calls) Inspect(_ *control.None, out *provision.Inspection) error {
	*out = provision.Inspect(c.lab)
	return nil
}

// Plan gives the network as the site says.
func (c *calls) Plan(_ *control.None, out *provision.Plan) (err error) {
	*out, err = provision.PlanOf(c.lab)
	return err
}

// The lab of a session is changed by the session alone, and its faults are told
// in its report: whoever asks is told how to end it.

// Down refuses.
func (c *calls) Down(_ *control.None, _ *control.None) error { return c.notHere() }

// Reset refuses.
func (c *calls) Reset(_ *keeper.ResetArgs, _ *control.None) error { return c.notHere() }

// Reboot refuses.
func (c *calls) Reboot(_ *keeper.NodeArgs, _ *control.None) error { return c.notHere() }

// Inject refuses.
func (c *calls) Inject(_ *scenarios.Fault, _ *keeper.FaultInfo) error { return c.notHere() }

// Faults refuses.
func (c *calls) Faults(_ *control.None, _ *[]keeper.FaultInfo) error { return c.notHere() }

// Heal refuses.
func (c *calls) Heal(_ *string, _ *keeper.FaultInfo) error { return c.notHere() }

// Said has nothing to tell: no method of a session is followed.
func (c *calls) Said(_ *control.After, _ *control.Said) error { return nil }

func (c *calls) notHere() error {
	s := (*Session)(c)
	return control.Refusef("lab %q belongs to session %s, which alone changes it; to end the session: situ finish in its terminal (situlab attach %s), or kill -TERM %d",
		s.labName(), s.id, s.id, os.Getpid())
}

// Terminal is a recorded terminal to attach to.
type Terminal struct {
	ID, Socket string
}

// Attach opens a further recorded terminal, or gives the first one when it is
// the only one and nobody looks at it (Again).
func (c *calls) Attach(again *bool, out *Terminal) error {
	s := (*Session)(c)
	s.mu.Lock()
	err := s.atWork()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	s.term.mu.Lock()
	id := s.term.name
	s.term.mu.Unlock()
	if !*again {
		if s.paused() { // no shell starts in a node that stands still
			return control.Refusef("session %s is paused: no new terminal opens; the first one: situlab attach --first %s", s.id, s.id)
		}
		if id, err = s.term.open(context.Background(), evidence.TermAttach); err != nil {
			return err
		}
	}
	s.term.mu.Lock()
	defer s.term.mu.Unlock()
	h := s.term.opened[id]
	if h == nil {
		return fmt.Errorf("terminal %s has ended", id)
	}
	*out = Terminal{ID: id, Socket: h.Info().Socket}
	return nil
}

// Find finds a running session by its id, its lab's name, or as the only one.
func Find(ctx context.Context, id string) (Info, error) {
	var found []Info
	for _, l := range labnet.List() {
		if !l.Alive || !strings.HasPrefix(l.Name, "s-") {
			continue
		}
		var info Info
		if err := control.Call(ctx, l.Name, "Info", &control.None{}, &info); err != nil {
			continue
		}
		if id == "" || info.Session == id || info.Lab == id {
			found = append(found, info)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return Info{}, &NotFoundError{id, nil}
	}
	return Info{}, &NotFoundError{id, found}
}

// NotFoundError says that no session, or more than one, was meant.
type NotFoundError struct {
	ID    string
	Found []Info
}

func (e *NotFoundError) Error() string {
	if len(e.Found) > 0 {
		ids := make([]string, len(e.Found))
		for i, f := range e.Found {
			ids[i] = f.Session
		}
		return "several sessions are running, name one: " + strings.Join(ids, ", ")
	}
	if e.ID == "" {
		return "no session is running"
	}
	return fmt.Sprintf("no running session %q", e.ID)
}

// InputError marks wrong input (exit code 2).
func (e *NotFoundError) InputError() {}
