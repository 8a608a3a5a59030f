package session_test

import (
	"context"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/cmd/internal/session"
	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/watch/term"
)

// TestMain makes the test binary the holder of its own terminals, as situlab is.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "__terminal" {
		os.Exit(term.Main(os.Args[2:]))
	}
	// The programs that go into the nodes lie beside situlab.
	self, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Dir(self)+"/", "../../situ", "../../vulcain")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := build.CombinedOutput(); err != nil {
		log.Fatalf("%v: %s", err, b)
	}
	os.Exit(m.Run())
}

// played is a session's evidence and its grade.
type played struct {
	records []*evidence.Record
	verdict *grader.Verdict
}

// play plays the small scenario's reference with some recorders left off. It
// needs root and the node image (make image).
func play(t *testing.T, without ...string) played {
	t.Helper()
	script, err := os.ReadFile("testdata/small/candidates/reference.sh")
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(1)
	u := ui.New(true, "fr")
	u.Out, u.Err = io.Discard, testWriter{t}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	res, err := session.Run(ctx, session.Options{
		Scenario: "./testdata/small", Seed: &seed, Variant: "forwarding", Candidate: "test", Script: script,
		Factor: 0.1, Out: t.TempDir(), Lang: "fr", Tool: "test", Without: without,
	}, u)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(res.Dir, evidence.JournalName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := evidence.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return played{records, res.Grade}
}

// testWriter puts the session's messages into the test's log.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

// holds reports whether a record holds a payload that f accepts.
func holds[P any](p played, f func(*evidence.Record, *P) bool) bool {
	return slices.ContainsFunc(p.records, func(r *evidence.Record) bool {
		v, ok := any(r.Payload()).(*P)
		return ok && f(r, v)
	})
}

// outcome of a point.
func (p played) outcome(id string) string {
	for _, c := range p.verdict.Capacities {
		for _, k := range c.Criteria {
			for _, x := range k.Points {
				if x.ID == id {
					return string(x.Outcome) + " " + string(x.Reason)
				}
			}
		}
	}
	return ""
}

// noticed is what each recorder alone can know of the small scenario's
// reference: a fact of the journal, and the points that hang on it.
var noticed = []struct {
	recorder, what string
	seen           func(played) bool
}{
	{"exec", "a command on the router, reached by ssh, with its terminal", func(p played) bool {
		return holds(p, func(r *evidence.Record, e *evidence.ExecStart) bool {
			return r.Node == "rt1" && e.Terminal == "t1" && e.Via == "ssh" && slices.Contains(e.Argv, "/etc/sysctl.d/50-routage.conf")
		})
	}},
	{"exec", "3.2a: the test before the change", func(p played) bool { return p.outcome("3.2a") == "acquis discriminating_test" }},
	{"terminal", "a line typed inside vtysh on the router", func(p played) bool {
		return holds(p, func(r *evidence.Record, l *evidence.TermInputLine) bool {
			return r.Node == "rt1" && l.Program == "vtysh" && l.Line == "show ip route"
		})
	}},
	{"terminal", "the account of the terminal's output", func(p played) bool {
		return holds(p, func(_ *evidence.Record, o *evidence.TermOutput) bool { return o.Bytes > 0 })
	}},
	{"file", "the changed file of the router", func(p played) bool {
		return holds(p, func(r *evidence.Record, c *evidence.FileChange) bool {
			return r.Node == "rt1" && c.Path == "/etc/sysctl.d/50-routage.conf" && c.Origin == evidence.OriginCandidate
		})
	}},
	{"net", "the kernel's forwarding switched on", func(p played) bool {
		return holds(p, func(r *evidence.Record, n *evidence.NetState) bool {
			return r.Node == "rt1" && n.Trigger == "command" && slices.ContainsFunc(n.Added, func(l string) bool {
				return strings.Contains(l, "net.ipv4.ip_forward = 1")
			})
		})
	}},
	{"probe", "3.1-ii: the services came back and stayed", func(p played) bool { return p.outcome("3.1-ii") == "acquis restored_permanent" }},
	{"desk", "3.1-i: the sealed diagnosis", func(p played) bool { return p.outcome("3.1-i") == "acquis identified" }},
	{"desk", "3.3-ii: the users told", func(p played) bool { return p.outcome("3.3-ii") == "acquis users_informed" }},
}

// Each recorder sees what it is there for, and nothing else sees it instead:
// without the recorder, what hangs on it is missing, never made up.
func TestEveryRecorderIsMissed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("labs need root: run the tests as root")
	}
	t.Run("all on", func(t *testing.T) {
		p := play(t)
		for _, n := range noticed {
			if !n.seen(p) {
				t.Errorf("%s is on, but not seen: %s", n.recorder, n.what)
			}
		}
		if !holds(p, func(_ *evidence.Record, h *evidence.HostHealth) bool { return h.ControlOK }) {
			t.Error("the control probe and the host's health are not recorded")
		}
		for _, id := range []string{"3.1-i", "3.1-ii", "3.2a", "3.2b", "3.3-i", "3.3-ii"} {
			if !strings.HasPrefix(p.outcome(id), "acquis ") {
				t.Errorf("%s is %s", id, p.outcome(id))
			}
		}
	})
	for _, recorder := range []string{"exec", "terminal", "file", "net", "probe", "desk"} {
		t.Run("without "+recorder, func(t *testing.T) {
			p := play(t, recorder)
			for _, n := range noticed {
				if n.recorder == recorder && n.seen(p) {
					t.Errorf("%s is off, but seen: %s", recorder, n.what)
				}
			}
			if !holds(p, func(_ *evidence.Record, s *evidence.RecorderState) bool { return s.Recorder == recorder && !s.On }) {
				t.Errorf("the journal does not say that %s is off", recorder)
			}
		})
	}
}
