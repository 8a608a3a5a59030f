package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// waitingCandidate works until somebody makes the file "go".
const waitingCandidate = `echo "the candidate is in"
while [ ! -e go ]; do sleep 0.2; done
situ finish --yes
`

// said is a buffer that is written by a process and read by the test.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// The lab of a session can be looked at and is changed by nobody else; a session
// is paused and resumed while the candidate works, and at no other time.
func TestLabOfASession(t *testing.T) {
	program := builtPrograms(t)
	run, err := os.MkdirTemp("/run", "situlab-session-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeRun(program, run) })
	if err := os.Chmod(run, 0o711); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "SITULAB_RUN="+filepath.Join(run, "run"), "LANG=C.UTF-8")
	script := filepath.Join(t.TempDir(), "wait.sh")
	if err := os.WriteFile(script, []byte(waitingCandidate), 0o644); err != nil {
		t.Fatal(err)
	}
	var words said
	out := t.TempDir()
	session := exec.Command(program, "run", smallScenario, "--variant", "healthy", "--seed", "1", "--time-factor", "0.1", "--script", script, "--out", out, "--lang", "en")
	session.Env, session.Stderr = env, &words
	if err := session.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- session.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = session.Process.Kill()
		for range ended { // until it is dead
		}
	})

	call := func(args ...string) (code int, stdout, stderr string) {
		t.Helper()
		c := exec.Command(program, append([]string{"--lang", "en"}, args...)...)
		var out, errs bytes.Buffer
		c.Env, c.Stdout, c.Stderr = env, &out, &errs
		err := c.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return c.ProcessState.ExitCode(), out.String(), errs.String()
	}
	refused := func(pattern string, args ...string) {
		t.Helper()
		code, stdout, stderr := call(args...)
		if code != exitInput || stdout != "" || !regexp.MustCompile(pattern).MatchString(stderr) {
			t.Errorf("%q: code %d, %q, %q; want code %d and %q", args, code, stdout, stderr, exitInput, pattern)
		}
	}
	document := func(into any, args ...string) {
		t.Helper()
		code, stdout, stderr := call(append(args, "--json")...)
		if code != 0 || json.Unmarshal([]byte(stdout), into) != nil {
			t.Errorf("%q: code %d, %q, %q", args, code, stdout, stderr)
		}
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !ok(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within %v; the session said:\n%s", what, patience, words.String())
			}
			select {
			case err := <-ended:
				t.Fatalf("%s: the session has ended: %v:\n%s", what, err, words.String())
			default:
			}
		}
	}

	// Its controller answers while the company starts; nothing is frozen then.
	until("an answer", func() bool {
		_, _, stderr := call("pause")
		return !strings.Contains(stderr, "no session is running")
	})
	refused(`has not entered session`, "pause")
	refused(`has not entered session`, "resume")

	until("the candidate's entry", func() bool { return strings.Contains(words.String(), "the candidate is in") })
	var info struct {
		Session, Lab string
		Paused       []string
	}
	document(&info, "pause")
	if len(info.Paused) != 1 || info.Paused[0] != "pause" || !strings.HasPrefix(info.Lab, "s-") {
		t.Errorf("paused: %+v", info)
	}
	document(&info, "pause") // twice is no error
	refused(`is paused: no new terminal opens`, "attach")
	document(&info, "resume")
	if len(info.Paused) != 0 {
		t.Errorf("resumed: %+v", info)
	}
	refused(`session \S+ is not paused`, "resume")

	lab := info.Lab
	var inspection struct {
		Nodes []struct{ Name, State string }
	}
	document(&inspection, "lab", "inspect", lab)
	if len(inspection.Nodes) != 3 || inspection.Nodes[0].State != "running" {
		t.Errorf("inspected: %+v", inspection)
	}
	var graph struct{ Nodes, Segments, Attachments []any }
	document(&graph, "lab", "graph", lab)
	if len(graph.Nodes) != 3 || len(graph.Segments) != 2 || len(graph.Attachments) != 4 {
		t.Errorf("graph: %+v", graph)
	}
	if code, stdout, _ := call("lab", "graph", lab); code != 0 || !strings.HasPrefix(stdout, "<svg") {
		t.Errorf("graph: code %d, %.40q", code, stdout)
	}
	for _, args := range [][]string{
		{"lab", "down", lab}, {"lab", "reset", lab}, {"lab", "reboot", lab, "rt1"},
		{"fault", "inject", lab, "touch", "rt1", "file=/etc/hosts"}, {"fault", "list", lab}, {"fault", "heal", lab, "f1"},
	} {
		refused(`belongs to session \S+, which alone changes it; to end the session: situ finish in its terminal \(situlab attach \S+\), or kill -TERM \d+\n$`, args...)
	}

	// The candidate finishes: there is nothing to pause any more.
	if code, _, stderr := call("lab", "exec", lab, "adm1", "--", "sh", "-c", "for home in /home/*; do touch $home/go; done"); code > 1 {
		t.Fatalf("lab exec: code %d: %s", code, stderr)
	}
	until("the end of the work", func() bool {
		_, _, stderr := call("resume")
		return !strings.Contains(stderr, "is not paused")
	})
	refused(`the candidate's work in session \S+ has ended|no session is running`, "pause")
	refused(`has ended|no session is running`, "resume")
	if err := <-ended; session.ProcessState.ExitCode() > exitNotSo {
		t.Errorf("the session ended with %v:\n%s", err, words.String())
	}
	var report struct{ Bundle, Report string }
	document(&report, "report", filepath.Join(out, "bundle.situlab"), "-o", filepath.Join(out, "again.html"))
	if b, err := os.ReadFile(report.Report); err != nil || !bytes.Contains(b, []byte("<html")) || report.Bundle != filepath.Join(out, "bundle.situlab") {
		t.Errorf("report: %+v, %v", report, err)
	}
}

// A session that still waits for its image can be interrupted, and has made nothing.
func TestInterruptedBeforeTheImage(t *testing.T) {
	program := builtPrograms(t)
	run, home := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "home")
	if err := os.MkdirAll(filepath.Join(home, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(home, "images", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil { // another build
		t.Fatal(err)
	}
	var words said
	session := exec.Command(program, "run", smallScenario, "--lang", "fr")
	session.Env, session.Stderr = append(os.Environ(), "SITULAB_RUN="+run, "SITULAB_HOME="+home), &words
	if err := session.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !strings.Contains(words.String(), "attente : un autre travail sur le magasin d'images est en cours"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = session.Process.Kill()
			t.Fatalf("the session does not wait: %s", words.String())
		}
	}
	if err := session.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _ = session.Wait(); session.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("exit code %d: %s", session.ProcessState.ExitCode(), words.String())
	}
	for _, dir := range []string{run, filepath.Join(home, "sessions")} {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s was made", dir)
		}
	}
}
