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
	if len(os.Args) == 3 && os.Args[1] == session.GuardVerb {
		os.Exit(session.GuardMain(os.Args[2]))
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
	if out := os.Getenv(controllerOf); out != "" {
		os.Exit(asController(out))
	}
	os.Exit(m.Run())
}

// smallOptions plays the small scenario in one of its variants.
func smallOptions(out string, script []byte, without ...string) session.Options {
	seed := uint64(1)
	return session.Options{Scenario: "./testdata/small", Seed: &seed, Variant: "forwarding", Candidate: "test", Script: script,
		Factor: 0.1, Out: out, Lang: "fr", Tool: "test", Without: without}
}

// played is a session's evidence and its grade.
type played struct {
	records []*evidence.Record
	verdict *grader.Verdict
	dir     string
}

// play plays the small scenario's reference with some recorders left off. It
// needs root and the node image (make image).
func play(t *testing.T, without ...string) played {
	t.Helper()
	script, err := os.ReadFile("testdata/small/candidates/reference.sh")
	if err != nil {
		t.Fatal(err)
	}
	return playScript(t, script, without...)
}

// playScript plays the small scenario with a scripted candidate.
func playScript(t *testing.T, script []byte, without ...string) played {
	t.Helper()
	return playIn(t, t.TempDir(), script, without...)
}

// playIn plays it with its results in a folder.
func playIn(t *testing.T, out string, script []byte, without ...string) played {
	t.Helper()
	u := ui.New(true, "fr")
	u.Out, u.Err = io.Discard, testWriter{t}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	res, err := session.Run(ctx, smallOptions(out, script, without...), u)
	if err != nil {
		t.Fatal(err)
	}
	records, err := evidence.ReadJournal(filepath.Join(res.Dir, evidence.JournalDir))
	if err != nil {
		t.Fatal(err)
	}
	return played{records, res.Grade, res.Dir}
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

// hidden works where a terminal's programs do not show it: in forked children,
// through pipes, in units of its own, in daemons, and after the end.
const hidden = `set -u
ssh rt1 "sudo bash -c '(echo forked >/etc/forked); true'"
ssh rt1 "sudo sh -c 'mkdir /srv/archives/2026; echo kept >/srv/archives/2026/ours; mv /srv/archives/2026/ours /srv/archives/2026/moved'"
printf 'show version\nexit\n' | ssh rt1 sudo vtysh >/dev/null
ssh rt1 sudo vtysh -c "'write memory'" >/dev/null
ssh rt1 sudo tee /etc/systemd/system/mine.service >/dev/null <<'UNIT'
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'touch /etc/by-unit; sleep 0.2'
UNIT
ssh rt1 sudo tee /etc/systemd/system/mine.timer >/dev/null <<'UNIT'
[Timer]
OnActiveSec=1s
AccuracySec=100ms
UNIT
ssh rt1 sudo systemctl daemon-reload
ssh rt1 sudo systemctl start mine.timer
ssh rt1 sudo systemctl restart cron
ssh rt1 "sudo sh -c 'nohup sh -c \"while :; do touch /etc/after; sleep 0.5; done\" >/dev/null 2>&1 </dev/null &'"
i=0; while [ $i -lt 1500 ]; do /bin/true storm; i=$((i+1)); done
sleep 2
situ finish --yes </dev/null
for i in 1 2 3 4 5 6 7 8; do situ log add "too late" </dev/null; sleep 0.1; done
sleep 60
`

// Work is the candidate's wherever it runs, and the nodes' own is not.
func TestWorkIsSeenWhereverItRuns(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("labs need root: run the tests as root")
	}
	p := playScript(t, []byte(hidden))
	var enter, finish int64
	for _, r := range p.records {
		switch r.Type {
		case evidence.TypeSessionEnter:
			enter = r.BootNS
		case evidence.TypeSessionFinish:
			finish = r.BootNS
		}
	}
	file := func(path string) string {
		for _, r := range p.records {
			if c, ok := evidence.As[evidence.FileChange](r); ok && r.Node == "rt1" && c.Path == path {
				return r.Actor + " " + c.Origin
			}
		}
		return "unseen"
	}
	for _, path := range []string{"/etc/forked", "/etc/frr/frr.conf", "/etc/by-unit", "/srv/archives/2026", "/srv/archives/2026/ours", "/srv/archives/2026/moved"} {
		if got := file(path); got != "candidate candidate" {
			t.Errorf("%s: %s", path, got)
		}
	}
	exec := func(node string, f func(*evidence.Record, *evidence.ExecStart) bool) bool {
		return holds(p, func(r *evidence.Record, e *evidence.ExecStart) bool { return r.Node == node && f(r, e) })
	}
	if !exec("rt1", func(r *evidence.Record, e *evidence.ExecStart) bool {
		return r.Actor == "candidate" && e.Detached && strings.Contains(strings.Join(e.Argv, " "), "by-unit")
	}) {
		t.Error("a unit that the candidate installed is not the candidate's")
	}
	if !exec("rt1", func(r *evidence.Record, e *evidence.ExecStart) bool {
		return r.Actor == "system" && !e.Detached && e.Terminal == "" && len(e.Argv) > 0 && e.Argv[0] == "/usr/sbin/cron"
	}) {
		t.Error("a daemon's program is not recorded as the node's own")
	}
	if !holds(p, func(r *evidence.Record, u *evidence.TermUncut) bool {
		return r.Node == "rt1" && u.Program == "vtysh" && r.BootNS < finish
	}) {
		t.Error("lines piped into vtysh left no trace")
	}
	if !exec("rt1", func(r *evidence.Record, e *evidence.ExecStart) bool {
		return r.Actor == "candidate" && r.BootNS > finish && slices.Contains(e.Argv, "/etc/after")
	}) {
		t.Error("what the candidate left running is not observed after the end")
	}
	first := int64(1<<63 - 1)
	storm, lost := 0, uint64(0)
	for _, r := range p.records {
		if e, ok := evidence.As[evidence.ExecStart](r); ok && e.Terminal == "t1" {
			first = min(first, r.BootNS)
			if slices.Equal(e.Argv, []string{"/bin/true", "storm"}) {
				storm++
			}
		}
		if l, ok := evidence.As[evidence.RecorderLoss](r); ok && l.Recorder == "exec" {
			lost += l.Lost
		}
	}
	if first < enter {
		t.Errorf("the first program ran %v before the candidate's entry", time.Duration(enter-first))
	}
	if storm < 1500 && uint64(1500-storm) > lost {
		t.Errorf("%d of 1500 programs recorded, %d events told as lost", storm, lost)
	}
	cast, err := os.ReadFile(filepath.Join(p.dir, "terminals", "t1.cast"))
	if err != nil {
		t.Fatal(err)
	}
	if said := "terminé : plus rien n’est pris en compte"; !strings.Contains(string(cast), said) {
		t.Errorf("the terminal does not say %q", said)
	}
	if holds(p, func(r *evidence.Record, l *evidence.LogEntry) bool { return l.Text == "too late" && r.BootNS > finish }) {
		t.Error("the desk took an entry after the end")
	}
	if !holds(p, func(r *evidence.Record, n *evidence.NetState) bool { return r.Node == "pc1" && n.Trigger == "start" }) {
		t.Error("the network state of a workstation is not sampled")
	}
	for _, r := range p.records {
		if n, ok := evidence.As[evidence.LabNode](r); ok && r.BootNS > finish && n.Origin != "controller" {
			t.Errorf("the examination's cold start is the work of %s: %+v", n.Origin, n)
		}
		if c, ok := evidence.As[evidence.FileChange](r); ok && c.Origin == evidence.OriginUnknown {
			t.Errorf("seen by the closing account only: %s %s", r.Node, c.Path)
		}
	}
}
