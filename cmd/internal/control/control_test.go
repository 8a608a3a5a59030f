package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/labnet/host"
)

// holder is a process that holds a lab.
type holder struct {
	talk Talk
	free chan struct{}
}

func (h *holder) Said(a *After, out *Said) error { return h.talk.Said(a, out) }

func (h *holder) Count(n *int, out *int) error {
	for i := range *n {
		h.talk.Say(ui.Report{Step: fmt.Sprint(i)})
	}
	*out = *n
	return nil
}

func (h *holder) Refuse(_ *None, _ *None) error { return Refusef("not %s", "this") }
func (h *holder) Fail(_ *None, _ *None) error   { return errors.New("cannot") }
func (h *holder) Hang(_ *None, _ *None) error   { <-h.free; return nil }

func serve(t *testing.T) *holder {
	t.Helper()
	t.Setenv("SITULAB_RUN", filepath.Join(t.TempDir(), "r"))
	if err := os.MkdirAll(host.LabState("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	h := &holder{free: make(chan struct{})}
	s, err := Serve("x", h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(h.free); s.Close() })
	return h
}

// What is said while a call works arrives in order, all of it, and nothing of
// before.
func TestCallFollowed(t *testing.T) {
	h := serve(t)
	h.talk.Say(ui.Report{Step: "before"})
	for _, n := range []int{0, 1, 100} {
		var got int
		var said []string
		err := CallFollowed(t.Context(), "x", "Count", &n, &got, func(r ui.Report) { said = append(said, r.Step) })
		if err != nil || got != n || len(said) != n {
			t.Fatalf("%d: %v, answer %d, said %q", n, err, got, said)
		}
		for i, s := range said {
			if s != fmt.Sprint(i) {
				t.Errorf("%d: said %q", n, said)
			}
		}
	}
}

// Of what nobody has heard only the end is kept.
func TestTalkIsBounded(t *testing.T) {
	var talk Talk
	for i := range 3 * maxTalk {
		talk.Say(ui.Report{Done: i})
	}
	var said Said
	if err := talk.Said(&After{Seq: 1}, &said); err != nil || len(said.Reports) != maxTalk || said.Next != 3*maxTalk || said.Reports[0].Done != 2*maxTalk {
		t.Errorf("%d reports, next %d, %v", len(said.Reports), said.Next, err)
	}
}

// An error of what was asked keeps that quality over the socket; another has none.
func TestRefusal(t *testing.T) {
	serve(t)
	for _, call := range []func(string) error{
		func(m string) error { return Call(t.Context(), "x", m, &None{}, &None{}) },
		func(m string) error {
			return CallFollowed(t.Context(), "x", m, &None{}, &None{}, func(ui.Report) {})
		},
	} {
		var refused *RefusedError
		if err := call("Refuse"); !errors.As(err, &refused) || refused.Error() != "not this" {
			t.Errorf("refused: %v", err)
		}
		if err := call("Fail"); err == nil || errors.As(err, &refused) || err.Error() != "cannot" {
			t.Errorf("failed: %v", err)
		}
	}
	if err := Call(t.Context(), "nobody", "Fail", &None{}, &None{}); !errors.As(err, new(*NobodyError)) {
		t.Errorf("nobody: %v", err)
	}
}

// Who waits can give up.
func TestInterrupted(t *testing.T) {
	serve(t)
	for name, call := range map[string]func(context.Context) error{
		"Call": func(ctx context.Context) error { return Call(ctx, "x", "Hang", &None{}, &None{}) },
		"CallFollowed": func(ctx context.Context) error {
			return CallFollowed(ctx, "x", "Hang", &None{}, &None{}, func(ui.Report) {})
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}
