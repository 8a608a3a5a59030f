package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/scenarios"
)

// testCase is one scripted candidate on one variant and seed.
type testCase struct {
	Candidate string  `json:"candidate"`
	Variant   string  `json:"variant"`
	Seed      uint64  `json:"seed"`
	Factor    float64 `json:"timeFactor"`
}

func (c testCase) String() string {
	return fmt.Sprintf("%s/%s/seed %d", c.Candidate, c.Variant, c.Seed)
}

// testResult is what came out of a case.
type testResult struct {
	testCase
	OK      bool     `json:"ok"`
	Diff    []string `json:"diff,omitempty"` // point: got ..., want ...
	Error   string   `json:"error,omitempty"`
	Seconds float64  `json:"seconds"`
	Cached  bool     `json:"cached,omitempty"`
	Dir     string   `json:"dir,omitempty"`
}

func (a *app) scenarioTest() *cobra.Command {
	var seeds, candidates, variants []string
	var factor float64
	var jobs int
	var fresh bool
	c := &cobra.Command{
		Use: "test SCENARIO", Short: "Jouer les candidats scriptés et comparer / play the scripted candidates and compare", Args: cobra.ExactArgs(1),
		Long: `Joue chaque candidat de candidates/expect.yaml sur chaque variante et le jumeau
sain, et compare résultats et codes de raison. Les cas finis sont gardés par
empreinte (scénario, image, programme) : une campagne interrompue reprend.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.newTest(cmd.Context(), args[0], factor)
			if err != nil {
				return err
			}
			cases, err := t.cases(seeds, candidates, variants)
			if err != nil {
				return err
			}
			return t.run(cmd.Context(), cases, jobs, fresh)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&seeds, "seeds", scenarios.DefaultSeeds, "seeds to play")
	f.StringSliceVar(&candidates, "candidates", nil, "only these candidates")
	f.StringSliceVar(&variants, "variants", nil, "only these variants (healthy is the twin)")
	f.Float64Var(&factor, "time-factor", 0.1, "multiplies every duration of the scenario")
	f.IntVar(&jobs, "jobs", 1, "cases played at once")
	f.BoolVar(&fresh, "fresh", false, "play finished cases again")
	return c
}

type tester struct {
	app    *app
	ref    string
	scn    *scenarios.Scenario
	expect *scenarios.Expect
	factor float64
	cache  string
}

func (a *app) newTest(ctx context.Context, ref string, factor float64) (*tester, error) {
	s, err := scenarios.LoadScenario(ref)
	if err != nil {
		return nil, err
	}
	e, err := scenarios.LoadExpect(s)
	if err != nil {
		return nil, err
	}
	img, err := provision.Image(ctx, a.ui)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	bin, err := os.ReadFile(self)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	h.Write(bin) // the embedded scenarios and sites are part of it
	fmt.Fprintf(h, "\x00%s\x00%s\x00", img.ID, ref)
	site, err := scenarios.LoadSiteOf(s)
	if err != nil {
		return nil, err
	}
	for _, folder := range []fs.FS{s.Files, site.Files} {
		if err := hashFolder(h, folder); err != nil {
			return nil, err
		}
	}
	return &tester{a, ref, s, e, factor, filepath.Join(host.Home(), "tests", hex.EncodeToString(h.Sum(nil))[:24])}, nil
}

func hashFolder(h io.Writer, tree fs.FS) error {
	return fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(tree, p)
		if err == nil {
			fmt.Fprintf(h, "%s\x00%d\x00", p, len(b))
			_, err = h.Write(b)
		}
		return err
	})
}

// cases lists what expect.yaml names, within the selection.
func (t *tester) cases(seeds, candidates, variants []string) ([]testCase, error) {
	all := []string{}
	for _, v := range t.scn.Variants {
		all = append(all, v.ID)
	}
	all = append(all, scenarios.Healthy)
	if len(variants) == 0 {
		variants = all
	}
	var out []testCase
	known := map[string]bool{}
	for _, c := range t.expect.Candidates {
		known[c.Name] = true
		if len(candidates) > 0 && !slices.Contains(candidates, c.Name) {
			continue
		}
		for _, v := range variants {
			if !slices.Contains(all, v) {
				return nil, inputErrorf("--variants: no variant %q; variants: %s", v, strings.Join(all, ", "))
			}
			if _, ok := t.expect.For(c.Name, v); !ok {
				continue
			}
			for _, s := range seeds {
				n, err := strconv.ParseUint(s, 10, 64)
				if err != nil {
					return nil, inputErrorf("--seeds: %q is not a number", s)
				}
				out = append(out, testCase{c.Name, v, n, t.factor})
			}
		}
	}
	for _, c := range candidates {
		if !known[c] {
			return nil, inputErrorf("--candidates: no candidate %q in expect.yaml", c)
		}
	}
	return out, nil
}

func (t *tester) run(ctx context.Context, cases []testCase, jobs int, fresh bool) error {
	u := t.app.ui
	var mu sync.Mutex
	var results []testResult
	done := 0
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, jobs))
	for _, c := range cases {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err // interrupted: what has not begun does not begin
			}
			r, ok := t.cached(c)
			if !ok || fresh {
				u.Step(u.T("%s : commence", "%s: begins"), c)
				var err error
				if r, err = t.play(ctx, c); err != nil {
					return err
				}
				if err := t.save(r); err != nil {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			results = append(results, r)
			done++
			state := u.Messages().Good("ok")
			if !r.OK {
				state = u.Messages().Bad(u.T("DIFFÉRENT", "DIFFERENT"))
			}
			if r.Cached {
				state += u.T(" (déjà joué)", " (played before)")
			}
			u.Step("%d/%d %s: %s (%.0f s)", done, len(cases), c, state, r.Seconds)
			for _, d := range r.Diff {
				u.Step("      %s", d)
			}
			if r.Error != "" {
				u.Step("      %s", r.Error)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	sort.Slice(results, func(i, j int) bool { return results[i].String() < results[j].String() })
	bad := 0
	for _, r := range results {
		if !r.OK {
			bad++
		}
	}
	err := u.Result(results, func() {
		u.Printf(u.T("%d cas au facteur de temps %g, %d différents\n", "%d cases at time factor %g, %d different\n"), len(results), t.factor, bad)
	})
	if err == nil && bad > 0 {
		err = &codeError{code: exitNotSo}
	}
	return err
}

func (t *tester) file(c testCase) string {
	return filepath.Join(t.cache, fmt.Sprintf("%s-%s-%d-%g.json", c.Candidate, c.Variant, c.Seed, c.Factor))
}

// cached finds a finished case that came out as expected; others are played
// again.
func (t *tester) cached(c testCase) (testResult, bool) {
	b, err := os.ReadFile(t.file(c))
	var r testResult
	if err != nil || json.Unmarshal(b, &r) != nil || !r.OK {
		return r, false
	}
	r.Cached = true
	return r, true
}

func (t *tester) save(r testResult) error {
	if err := os.MkdirAll(t.cache, 0o700); err != nil {
		return err
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := t.file(r.testCase) + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, t.file(r.testCase))
}

// caseTimeout bounds one case; it is far above what the slowest takes.
const caseTimeout = 30 * time.Minute

// play runs a case in a process of its own, as a user would.
func (t *tester) play(ctx context.Context, c testCase) (testResult, error) {
	r := testResult{testCase: c}
	begin := time.Now()
	script, err := scenarios.Candidate(t.scn, c.Candidate)
	if err != nil {
		return r, err
	}
	r.Dir = filepath.Join(t.cache, fmt.Sprintf("%s-%s-%d-%g", c.Candidate, c.Variant, c.Seed, c.Factor))
	if err := os.RemoveAll(r.Dir); err != nil {
		return r, err
	}
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return r, err
	}
	file := filepath.Join(r.Dir, "script.sh")
	if err := os.WriteFile(file, script, 0o600); err != nil {
		return r, err
	}
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, caseTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "run", t.ref, "--json", "--lang", t.app.ui.Lang, "--variant", c.Variant, "--seed", fmt.Sprint(c.Seed),
		"--time-factor", fmt.Sprint(c.Factor), "--script", file, "--as", "test", "--out", r.Dir)
	// An interrupted test takes its lab down before it ends.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	log, err := os.Create(filepath.Join(r.Dir, "run.log"))
	if err != nil {
		return r, err
	}
	defer log.Close()
	cmd.Stderr = log
	defer t.showSteps(c, log.Name())()
	_, err = cmd.Output()
	r.Seconds = time.Since(begin).Seconds()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > exitNotSo) {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		r.Error = fmt.Sprintf("run: %v, see %s", err, log.Name())
		return r, nil
	}
	code := exitDone
	if exit != nil {
		code = exit.ExitCode()
	}
	r.Diff, err = t.compare(c, code, filepath.Join(r.Dir, "verdict.json"))
	if err != nil {
		r.Error = err.Error()
	}
	r.OK = err == nil && len(r.Diff) == 0
	return r, nil
}

// showEvery is how often a case's log is looked at for its steps.
const showEvery = 300 * time.Millisecond

// showSteps shows on a terminal what a case is doing, from its log, until stop.
// The log is a file of its own, not a pipe to here: what outlives a session must
// not hold up its end.
func (t *tester) showSteps(c testCase, name string) (stop func()) {
	log, err := os.Open(name)
	if err != nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer log.Close()
		w := &stepWatch{say: func(step string) { t.app.ui.Status(fmt.Sprintf("%s: %s", c, step)) }}
		tick := time.NewTicker(showEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, _ = io.Copy(w, log)
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// stepWatch finds the steps in what a session writes to its standard error.
type stepWatch struct {
	say  func(step string)
	line []byte
}

func (w *stepWatch) Write(b []byte) (int, error) {
	w.line = append(w.line, b...)
	for {
		line, rest, ok := bytes.Cut(w.line, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		if step, ok := ui.StepOf(string(line)); ok {
			w.say(step)
		}
		w.line = rest
	}
}

// compare holds a verdict against what is expected: every point with its reason,
// what criteria and capacities follow from the points, the blocking facts, and
// the exit code of the run.
func (t *tester) compare(c testCase, exit int, verdict string) ([]string, error) {
	b, err := os.ReadFile(verdict)
	if err != nil {
		return nil, err
	}
	v, err := grader.ReadVerdict(b)
	if err != nil {
		return nil, err
	}
	want, _ := t.expect.For(c.Candidate, c.Variant)
	var diff []string
	wantExit := exitDone
	for id, w := range want {
		if p, _ := v.Point(id); !w.Matches(string(p.Outcome), string(p.Reason)) {
			diff = append(diff, fmt.Sprintf("%s: got %s (%s), want %s (%s)", id, p.Outcome, p.Reason, w.Outcome, w.Reason))
		}
		if w.Outcome == string(check.NotAcquired) {
			wantExit = exitNotSo
		}
	}
	for _, cp := range v.Capacities {
		failed := false // two points of one criterion are
		for _, cr := range cp.Criteria {
			var outcomes []string
			not := 0
			for _, p := range cr.Points {
				w, ok := want[p.ID]
				if !ok {
					w.Outcome = string(p.Outcome) // not declared: sans_objet by itself
				}
				if w.Outcome == string(check.NotAcquired) {
					not++
				}
				outcomes = append(outcomes, w.Outcome)
			}
			failed = failed || not > 1
			if w := composed(outcomes); string(cr.Outcome) != w {
				diff = append(diff, fmt.Sprintf("criterion %s: got %s, want %s", cr.ID, cr.Outcome, w))
			}
		}
		w := string(check.Jury) // one situation is never enough material for more
		if failed {
			w = string(check.NotAcquired)
		}
		flags := t.expect.FlagsFor(c.Candidate, c.Variant)
		if len(flags) > 0 {
			w = string(check.Jury)
		}
		if string(cp.Outcome) != w {
			diff = append(diff, fmt.Sprintf("capacity %s: got %s, want %s", cp.ID, cp.Outcome, w))
		}
	}
	var blocking []string
	for _, f := range v.Flags {
		if f.Blocking {
			blocking = append(blocking, string(f.Code))
		}
	}
	slices.Sort(blocking)
	if blocking = slices.Compact(blocking); !slices.Equal(blocking, t.expect.FlagsFor(c.Candidate, c.Variant)) {
		diff = append(diff, fmt.Sprintf("blocking facts: got %q, want %q", blocking, t.expect.FlagsFor(c.Candidate, c.Variant)))
	}
	if exit != wantExit {
		diff = append(diff, fmt.Sprintf("exit code: got %d, want %d", exit, wantExit))
	}
	sort.Strings(diff)
	return diff, nil
}

// composed is a criterion's outcome by those of its points (design.md, section
// 3), written here a second time so that the grader is not its own judge.
func composed(points []string) string {
	declared := slices.DeleteFunc(points, func(o string) bool { return o == string(check.NotConcerned) })
	switch {
	case len(declared) == 0:
		return string(check.NotConcerned)
	case slices.Contains(declared, string(check.NotAcquired)):
		return string(check.NotAcquired)
	case !slices.ContainsFunc(declared, func(o string) bool { return o != string(check.Acquired) }):
		return string(check.Acquired)
	}
	return string(check.Jury)
}
