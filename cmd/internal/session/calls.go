package session

import (
	"context"
	"fmt"
	"strings"

	"github.com/situlab/situlab/cmd/internal/control"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet"
)

// calls are what other processes may ask of a session's controller.
type calls Session

// Info is a running session as others see it.
type Info struct {
	Session  string `json:"session"`
	Lab      string `json:"lab"`
	Scenario string `json:"scenario"`
	Left     string `json:"left"`
	Paused   string `json:"paused,omitempty"`
}

// Info tells of the session.
func (c *calls) Info(_ *control.None, out *Info) error {
	s := (*Session)(c)
	s.mu.Lock()
	paused := s.isPaused
	s.mu.Unlock()
	*out = Info{Session: s.id, Lab: s.labName(), Scenario: s.variant.Scenario.ID, Left: clockText(s.clock.Left()), Paused: paused}
	return nil
}

// Pause stops the clock and the nodes.
func (c *calls) Pause(_ *control.None, _ *control.None) error {
	(*Session)(c).pause(context.Background(), "pause", false)
	return nil
}

// Resume lets them run again.
func (c *calls) Resume(_ *control.None, _ *control.None) error {
	(*Session)(c).unpause(context.Background(), "pause")
	return nil
}

// Terminal is a recorded terminal to attach to.
type Terminal struct {
	ID, Socket string
}

// Attach opens a further recorded terminal, or gives the first one when it is
// the only one and nobody looks at it (Again).
func (c *calls) Attach(again *bool, out *Terminal) error {
	s := (*Session)(c)
	if s.isEnded() || s.entered.IsZero() {
		return fmt.Errorf("the candidate is not at work")
	}
	s.term.mu.Lock()
	id := s.term.name
	s.term.mu.Unlock()
	if !*again {
		var err error
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
func Find(id string) (Info, error) {
	var found []Info
	for _, l := range labnet.List() {
		if !l.Alive || !strings.HasPrefix(l.Name, "s-") {
			continue
		}
		var info Info
		if err := control.Call(l.Name, "Info", &control.None{}, &info); err != nil {
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
