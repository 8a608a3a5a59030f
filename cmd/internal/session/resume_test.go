package session_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/cmd/internal/session"
	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/grader/evidence"
)

// all runs everything, not the sample for every change.
var all = flag.Bool("all", false, "ten deaths instead of three")

// controllerOf makes the test binary the controller of a session with its results
// in a folder.
const controllerOf = "SITULAB_TEST_CONTROLLER_OF"

// firstOf is what the candidate does before the reference's steps.
const firstOf = "SITULAB_TEST_FIRST"

// asController plays the small scenario's reference, or plays it on.
func asController(out string) int {
	if session.Resumable(out) {
		u := ui.New(true, "fr")
		u.Out, u.Err = io.Discard, os.Stderr
		if _, err := session.Resume(context.Background(), out, "test", u); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			return 1
		}
		return 0
	}
	script, err := os.ReadFile("testdata/small/candidates/reference.sh")
	if err != nil {
		return 1
	}
	script = append([]byte(os.Getenv(firstOf)), script...)
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
	killedWhen(t, out, func() bool {
		b, _ := os.ReadFile(filepath.Join(out, evidence.JournalDir, evidence.SegmentName(1)))
		return bytes.Contains(b, []byte(`"type":"`+after+`"`))
	})
}

// killedWhen kills it when its time has come.
func killedWhen(t *testing.T, out string, now func() bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), controllerOf+"="+out)
	cmd.Stderr = testWriter{t}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for !now() {
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
	for _, after := range []string{"session.enter", "message.notice", "message.diagnosis", "exam.permanence", "lab.down", "session.files", "session.end"} {
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
			if over := slices.Contains([]string{"lab.down", "session.files", "session.end"}, after); !over && !holds(p, func(_ *evidence.Record, r *evidence.SessionResumed) bool {
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

// The controller is killed again and again while the candidate works: the verdict
// is the one that there would have been, and every command is said once.
func TestResumeManyTimes(t *testing.T) {
	kills, tries := 3, 0
	if *all { // a death costs a second of the script at least
		kills, tries = 10, 40
		t.Setenv(firstOf, fmt.Sprintf("for i in $(seq %d); do situ log add \"essai $i\" </dev/null; sleep 0.4; done\n", tries))
	}
	out := filepath.Join(t.TempDir(), "session")
	killed(t, out, "session.enter")
	resumed := func() int {
		b, _ := os.ReadFile(filepath.Join(out, evidence.JournalDir, evidence.SegmentName(1)))
		return bytes.Count(b, []byte(`"reason":"controller_died"},`)) // as the end of a pause says it
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 2; i <= kills; i++ {
		// Some time after the clock runs again.
		var runs time.Time
		wait := time.Duration(rng.IntN(1500)) * time.Millisecond
		killedWhen(t, out, func() bool {
			if runs.IsZero() && resumed() >= i-1 {
				runs = time.Now()
			}
			return !runs.IsZero() && time.Since(runs) > wait
		})
	}
	u := ui.New(true, "fr")
	u.Out, u.Err = io.Discard, testWriter{t}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	res, err := session.Resume(ctx, out, "test", u)
	if err != nil {
		t.Fatal(err)
	}
	v, err := evidence.VerifyFile(res.Bundle, evidence.Witness{})
	if err != nil || !v.OK() {
		t.Fatalf("%+v, %v", v, err)
	}
	p := played{v.Bundle().Records, res.Grade, res.Dir}
	var resumes, diagnoses, entries, notices int
	for _, r := range p.records {
		switch r.Type {
		case evidence.TypeSessionResumed:
			resumes++
		case evidence.TypeMessageDiagnosis:
			diagnoses++
		case evidence.TypeLogEntry:
			entries++
		case evidence.TypeMessageNotice:
			notices++
		}
	}
	if resumes != kills || diagnoses != 1 || entries != 1+tries || notices != 2 {
		t.Errorf("%d resumes, %d diagnoses, %d entries, %d notices", resumes, diagnoses, entries, notices)
	}
	for _, id := range []string{"3.1-i", "3.1-ii", "3.2b", "3.3-ii"} {
		if got := p.outcome(id); !strings.HasPrefix(got, "acquis ") {
			t.Errorf("%s is %q", id, got)
		}
	}
	if t.Failed() {
		t.Logf("the terminal:\n%s", v.Bundle().Files[evidence.TerminalDir+"t1.cast"])
	}
}
