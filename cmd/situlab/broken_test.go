package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	scenarioData = "../../scenarios/testdata/"
	brokenGolden = "testdata/broken.golden"
)

// located is a mistake with its place: a file, and the line if there is one.
var located = regexp.MustCompile(`^(?:situlab: )?[\w./@-]+(?::\d+:\d+)?: \S`)

// TestBrokenFiles plays "scenario validate" on every broken file of the scenarios
// package and on those of testdata/broken (mistakes that only the command line
// finds: parameters of faults and probes, the candidates), in both languages.
// What it says stands in testdata/broken.golden, one file to read as a trainer
// would: what is wrong, where, what to do.
func TestBrokenFiles(t *testing.T) {
	var names []string
	for _, pattern := range []string{scenarioData + "broken/*.txt", "testdata/broken/*.txt"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		names = append(names, found...)
	}
	if len(names) < 40 {
		t.Fatalf("only %d broken files", len(names))
	}
	want := golden(t)
	var now strings.Builder
	for _, name := range names {
		id := strings.TrimSuffix(filepath.Base(name), ".txt")
		t.Run(id, func(t *testing.T) {
			got := playBroken(t, name)
			fmt.Fprintf(&now, "=== %s: %s", id, got)
			if !*update && got != want[id] {
				t.Errorf("got\n%s\nwant\n%s", got, want[id])
			}
		})
	}
	if *update {
		if err := os.WriteFile(brokenGolden, []byte(now.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if len(want) != len(names) {
		t.Errorf("%s has %d files, there are %d: write it anew with -update", brokenGolden, len(want), len(names))
	}
}

// golden reads testdata/broken.golden: what is said of each file.
func golden(t *testing.T) map[string]string {
	raw, err := os.ReadFile(brokenGolden)
	if err != nil && !*update {
		t.Fatal(err)
	}
	out := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(string(raw), "=== "), "\n=== ") {
		if id, text, ok := strings.Cut(part, ": "); ok {
			out[id] = strings.TrimSuffix(text, "\n") + "\n"
		}
	}
	return out
}

// playBroken makes the folder of a broken file and validates it.
func playBroken(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(raw), "\n=== errors")
	parts := strings.Split(text, "\n=== ")
	about, kind, _ := strings.Cut(strings.TrimPrefix(parts[0], "# "), "\n")
	dir := t.TempDir()
	for from, to := range map[string]string{"scenario-small": "", "site-small": "site"} {
		if err := copyTo(scenarioData+from, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range parts[1:] {
		file, edit, _ := strings.Cut(part, "\n")
		before, after, ok := strings.Cut(edit, "\n--- becomes\n")
		if !ok {
			t.Fatalf("%s: no '--- becomes'", file)
		}
		spoil(t, filepath.Join(dir, file), before, strings.TrimSuffix(after, "\n"))
	}
	ref := "./site"
	if strings.TrimSpace(kind) == "scenario" {
		ref = "."
	}
	out := about + "\n"
	said := map[string]string{}
	for _, lang := range []string{"fr", "en"} {
		said[lang] = validateIn(t, dir, lang, ref)
		out += "--- " + lang + "\n" + said[lang]
	}
	if said["fr"] == said["en"] {
		t.Errorf("not in French: %s", said["fr"])
	}
	return out
}

// spoil replaces a text of a file; all of it (or a new file) when before is
// empty, and a * is a file that is taken away.
func spoil(t *testing.T, file, before, after string) {
	t.Helper()
	if before == "*" {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if before != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), before); n != 1 {
			t.Fatalf("%q stands %d times in %s", before, n, file)
		}
		after = strings.Replace(string(b), before, after, 1)
	}
	if err := os.WriteFile(file, []byte(after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// validateIn runs situlab in a folder: exit code 2, nothing on standard output,
// every line with its place.
func validateIn(t *testing.T, dir, lang, ref string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "situlab", "--lang", lang, "scenario", "validate", ref)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitInput {
		t.Errorf("%v; exit code %d expected", err, exitInput)
	}
	if stdout.Len() > 0 {
		t.Errorf("on standard output: %s", &stdout)
	}
	lines := strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
	if len(lines) > 1 {
		lines = lines[1:] // how many there are
	}
	for _, l := range lines {
		if !located.MatchString(l) {
			t.Errorf("no place: %s", l)
		}
	}
	return stderr.String()
}

// TestSoundFiles: what the broken files are made from has no mistake, and a
// trainer's own folders are checked alike from wherever they are named.
func TestSoundFiles(t *testing.T) {
	site, err := filepath.Abs(scenarioData + "site-small")
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{site, site + "/", "testdata/site", "./testdata/site", "lost-connectivity"} {
		if out, err := exec.CommandContext(t.Context(), "situlab", "--lang", "en", "scenario", "validate", ref).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", ref, err, out)
		}
	}
}

// bounds of what a file with a million nodes may cost before it is refused.
const (
	millionTime   = 10 * time.Second // of CPU: the machine may be busy with others
	millionMemory = 700 << 10        // KiB
)

// TestMillionNodes: 10^6 nodes are refused at once, in bounded memory, whether
// they fit into the largest file that is read or not.
func TestMillionNodes(t *testing.T) {
	sound, err := os.ReadFile("testdata/site/site.yaml")
	if err != nil {
		t.Fatal(err)
	}
	head, tail, _ := strings.Cut(string(sound), "\nnodes:")
	tail = tail[strings.Index(tail, "\ngroups:"):]
	for name, c := range map[string]struct{ nodes, want string }{
		"large": {"\nnodes:\n" + strings.Repeat("- {}\n", 1_000_000), "a file holds at most"},
		"tight": {"\nnodes: [" + strings.Repeat("0,", 1_000_000) + "0]\n", "1000001 nodes; a site has at most 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "site.yaml"), []byte(head+c.nodes+tail), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"scenario", "validate", dir}, {"site", "show", dir}, {"lab", "up", dir}} {
				cmd := exec.CommandContext(t.Context(), "situlab", append([]string{"--lang", "en"}, args...)...)
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != exitInput {
					t.Errorf("%s: %v; exit code %d expected", args, err, exitInput)
				}
				if !strings.Contains(string(out), c.want) || bytes.Count(out, []byte("\n")) > 3 {
					t.Errorf("%s: %.500s; want one message with %q", args, out, c.want)
				}
				if d := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); d > millionTime {
					t.Errorf("%s: refused after %v", args, d)
				}
				if kib := maxRSS(cmd); kib > millionMemory {
					t.Errorf("%s: %d MiB of memory", args, kib>>10)
				}
			}
		})
	}
}

// TestUsage: a command line that cannot be understood is wrong input, in both
// languages, at every level.
func TestUsage(t *testing.T) {
	for _, args := range []string{
		"frob", "lab frob", "scenario frob", "site frob", "image frob", "fault frob", "lab up", "lab up --frob", "lab exec x", "site show", "site show a b",
		"run", "run lost-connectivity --time-factor x", "lab up nowhere", "lab up ./nowhere", "site show nowhere", "scenario show nowhere",
		"scenario validate ./nowhere", "scenario validate ..", "run nowhere", "run lost-connectivity --variant nothing", "run lost-connectivity --seed -1",
		"run lost-connectivity --exam --time-factor 0.5", "run lost-connectivity --runtime docker", "run lost-connectivity --script ./nowhere",
		"grade ./nowhere", "image rm nowhere", "image export nowhere", "image import ./nowhere", "scenario schema Nothing", "site documents pair",
	} {
		t.Run(args, func(t *testing.T) {
			said := map[string]string{}
			for _, lang := range []string{"fr", "en"} {
				cmd := exec.CommandContext(t.Context(), "situlab", append([]string{"--lang", lang}, strings.Fields(args)...)...)
				run := t.TempDir()
				cmd.Env = append(os.Environ(), "SITULAB_RUN="+filepath.Join(run, "run"), "SITULAB_HOME="+filepath.Join(run, "home"))
				var stdout, stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				err := cmd.Run()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != exitInput {
					t.Errorf("%s: %v; exit code %d expected", lang, err, exitInput)
				}
				if stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 {
					t.Errorf("%s: one line on standard error expected: %s%s", lang, &stdout, &stderr)
				}
				if left, err := os.ReadDir(run); err != nil || len(left) > 0 {
					t.Errorf("left behind: %v %v", left, err)
				}
				said[lang] = stderr.String()
			}
			if said["fr"] == said["en"] {
				t.Errorf("the same in both languages: %s", said["en"])
			}
			t.Log(slices.Sorted(func(yield func(string) bool) { _ = yield(said["fr"]) && yield(said["en"]) }))
		})
	}
	if err := exec.CommandContext(t.Context(), "situlab", "--lang", "de", "version").Run(); err == nil {
		t.Error("--lang de was accepted")
	}
}

// maxRSS is the most memory that an ended command had, in KiB (getrusage(2)).
func maxRSS(cmd *exec.Cmd) int64 {
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss
	}
	return 0
}
