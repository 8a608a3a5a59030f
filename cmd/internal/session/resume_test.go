package session_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/cmd/internal/session"
	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/grader/evidence"
)

// controllerOf makes the test binary the controller of a session with its results
// in a folder.
const controllerOf = "SITULAB_TEST_CONTROLLER_OF"

// asController plays the small scenario's reference.
func asController(out string) int {
	script, err := os.ReadFile("testdata/small/candidates/reference.sh")
	if err != nil {
		return 1
	}
	u := ui.New(true, "fr")
	u.Out, u.Err = io.Discard, os.Stderr
	if _, err := session.Run(context.Background(), smallOptions(out, script), u); err != nil {
		return 1
	}
	return 0
}

// killed plays a session in another process and kills that as soon as a record of
// this type is in its journal.
func killed(t *testing.T, out, after string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), controllerOf+"="+out)
	cmd.Stderr = testWriter{t}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	segment := filepath.Join(out, evidence.JournalDir, evidence.SegmentName(1))
	for {
		if b, _ := os.ReadFile(segment); bytes.Contains(b, []byte(`"type":"`+after+`"`)) {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("the controller has ended: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
}

// A session outlives its controller, wherever that dies: it has the verdict that
// it would have had.
func TestResume(t *testing.T) {
	for _, after := range []string{"session.enter", "message.notice", "message.diagnosis", "exam.permanence"} {
		t.Run(after, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "session")
			killed(t, out, after)
			if !session.Resumable(out) {
				t.Fatal("it cannot be resumed")
			}
			u := ui.New(true, "fr")
			u.Out, u.Err = io.Discard, testWriter{t}
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			res, err := session.Resume(ctx, out, "test", u)
			if err != nil {
				t.Fatal(err)
			}
			if session.Resumable(out) {
				t.Error("an ended session can be resumed")
			}
			v, err := evidence.VerifyFile(res.Bundle, evidence.Witness{})
			if err != nil || !v.OK() {
				t.Fatalf("%+v, %v", v, err)
			}
			defer func() {
				if t.Failed() {
					t.Logf("the terminal:\n%s", v.Bundle().Files[evidence.TerminalDir+"t1.cast"])
				}
			}()
			p := played{v.Bundle().Records, res.Grade, res.Dir}
			for id, want := range map[string]string{"3.1-i": "acquis ", "3.1-ii": "acquis ", "3.2b": "acquis "} {
				if got := p.outcome(id); !strings.HasPrefix(got, want) {
					t.Errorf("%s is %q", id, got)
				}
			}
			if !holds(p, func(_ *evidence.Record, r *evidence.SessionResumed) bool {
				t.Logf("halted %d ms after the death, unseen: %v", (r.HaltedNS-r.DiedNS)/1e6, r.Unseen)
				return r.HaltedNS > r.DiedNS && r.HaltedNS-r.DiedNS < 2e9 || after == "exam.permanence"
			}) {
				t.Error("the nodes did not stand still within 2 s")
			}
			ids := map[uint64]bool{}
			for _, r := range p.records {
				if e, ok := evidence.As[evidence.ExecStart](r); ok {
					if ids[e.ID] {
						t.Fatalf("two programs have the number %d", e.ID)
					}
					ids[e.ID] = true
				}
			}
		})
	}
}
