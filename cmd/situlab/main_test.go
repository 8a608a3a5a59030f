package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/situlab/situlab/labnet/host"
)

var update = flag.Bool("update", false, "write the golden messages anew")

// TestMain makes the real main available to the scripts as the program situlab.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"situlab": main})
}

// TestScripts plays testdata/script: command lines with what they must answer.
// A script has a home and a run directory of its own ($SITULAB_HOME,
// $SITULAB_RUN), so that labs of others on this host neither show nor matter.
// Besides testscript's own commands there are:
//
//	code N COMMAND...   the command must end with this exit code
//	json [PATH=RE...]   standard output was one JSON document and nothing else, with
//	                    these values (a.0.b is a path)
//	clean [WORD...]     nothing on the host names this script's directories or a WORD
//
// and host.sh (testdata/host.sh), which gives a shell a host of its own to break.
func TestScripts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("labs need root: run the tests as root")
	}
	testscript.RunT(oneByOne{t}, testscript.Params{
		Dir:                 "testdata/script",
		WorkdirRoot:         t.TempDir(),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":  wantCode,
			"json":  wantJSON,
			"clean": wantClean,
		},
	})
}

// oneByOne runs scripts one after the other: some start labs, and limits of the
// kernel belong to the whole host, which others look at meanwhile.
type oneByOne struct{ *testing.T }

func (t oneByOne) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(oneByOne{t}) })
}
func (oneByOne) Parallel()     {}
func (oneByOne) Verbose() bool { return testing.Verbose() }

func setUp(e *testscript.Env) error {
	// Under /run and open to all: a node's own root passes through it.
	program, err := exec.LookPath("situlab")
	if err != nil {
		return err
	}
	run, err := os.MkdirTemp("/run", "situlab-cli-")
	if err != nil {
		return err
	}
	e.Defer(func() { removeRun(program, run, "SITULAB_HOME="+filepath.Join(e.WorkDir, "home")) })
	// testscript keeps its directories to root; here others play too.
	for _, dir := range []string{run, e.WorkDir, filepath.Dir(e.WorkDir), filepath.Dir(filepath.Dir(e.WorkDir)), filepath.Dir(filepath.Dir(program))} {
		if err := os.Chmod(dir, 0o711); err != nil {
			return err
		}
	}
	// What stands beside situlab goes into nodes; no script looks at it there.
	for _, companion := range []string{"situ", "vulcain"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(program), companion), []byte("#!/bin/sh\n"), 0o755); err != nil {
			return err
		}
	}
	e.Setenv("SITULAB_RUN", filepath.Join(run, "run"))
	e.Setenv("SITULAB_HOME", filepath.Join(e.WorkDir, "home"))
	e.Setenv("IMAGES", filepath.Join(host.Home(), "images"))
	// Scripts play at the same time, here and in another run on this host.
	e.Setenv("LAB", fmt.Sprintf("cli%d-%s", os.Getpid(), strings.TrimPrefix(filepath.Base(e.WorkDir), "script-")))
	e.Setenv("RUNDIR", run)
	e.Setenv("LANG", "C.UTF-8")
	for from, to := range map[string]string{"testdata/site": "site", "testdata/host.sh": "host.sh", smallScenario: "small"} {
		if err := copyTo(from, filepath.Join(e.WorkDir, to)); err != nil {
			return err
		}
	}
	return nil
}

// removeRun removes a run directory. What a failed test left in it goes the way
// that a user would take; deleting below a mount that is still there would take
// the record of it away, and the files of a node with it.
func removeRun(program, run string, env ...string) {
	gc := exec.Command(program, "gc")
	gc.Env = append(append(os.Environ(), env...), "SITULAB_RUN="+filepath.Join(run, "run"))
	out, err := gc.CombinedOutput()
	mounts, merr := os.ReadFile("/proc/self/mountinfo")
	if err != nil || merr != nil || strings.Contains(string(mounts), run+"/") {
		fmt.Fprintf(os.Stderr, "%s is left: gc: %v: %s\n", run, errors.Join(err, merr), out)
		return
	}
	os.RemoveAll(run)
}

// copyTo copies a file or a folder.
func copyTo(from, to string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o644)
	})
}

func wantCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, %s expected", got, args[0])
	}
	if text := ts.ReadFile("stderr"); strings.Contains(text, "goroutine ") {
		ts.Fatalf("a stack of Go is no message")
	}
}

func wantJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: json [PATH=RE...]")
	}
	text := ts.ReadFile("stdout")
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		ts.Fatalf("standard output is no JSON document: %v:\n%s", err, text)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("standard output is more than one JSON document:\n%s", text)
	}
	for _, arg := range args {
		path, pattern, _ := strings.Cut(arg, "=")
		value := doc
		for key := range strings.SplitSeq(path, ".") {
			switch v := value.(type) {
			case map[string]any:
				value = v[key]
			case []any:
				i, err := strconv.Atoi(key)
				if err != nil || i >= len(v) {
					ts.Fatalf("%s: a list of %d:\n%s", path, len(v), text)
				}
				value = v[i]
			default:
				value = nil
			}
		}
		if got := fmt.Sprint(value); value == nil || !regexp.MustCompile(pattern).MatchString(got) {
			ts.Fatalf("%s is %s, not %s, in\n%s", path, got, pattern, text)
		}
	}
}

// settle is how long the kernel may take to free a dead namespace or cgroup.
const settle = 20 * time.Second

func wantClean(ts *testscript.TestScript, neg bool, args []string) {
	words := append(slices.Clone(args), ts.Getenv("WORK"), ts.Getenv("RUNDIR"))
	for deadline := time.Now().Add(settle); ; time.Sleep(100 * time.Millisecond) {
		left, err := leftovers(words)
		ts.Check(err)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("left on the host:\n%s", strings.Join(left, "\n"))
		}
	}
}

// leftovers lists what names one of the words: objects of the host, and files in
// the run directory and among the labs' disks.
func leftovers(words []string) ([]string, error) {
	now, err := host.TakeSnapshot()
	if err != nil {
		return nil, err
	}
	var left []string
	for kind, objects := range now {
		for _, o := range objects {
			if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(o, w) }) && kind != "sysctl" {
				left = append(left, kind+" "+o)
			}
		}
	}
	for _, w := range words {
		for _, dir := range []string{filepath.Join(w, "run"), filepath.Join(w, "home", "labs", "*"), host.LabState(w), host.LabDisks(w)} {
			found, err := filepath.Glob(dir)
			if err != nil {
				return nil, err
			}
			for _, f := range found {
				left = append(left, fmt.Sprintf("file %s", f))
			}
		}
	}
	slices.Sort(left)
	return left, nil
}
