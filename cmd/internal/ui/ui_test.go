package ui

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// places gives a terminal and a file to write to, with what reads each.
func places(t *testing.T, cols uint16) (tty, file *os.File, shown func() string) {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: cols}); err != nil {
		t.Fatal(err)
	}
	if file, err = os.Create(filepath.Join(t.TempDir(), "file")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); tty.Close(); file.Close() })
	const mark = "-- end of what was shown --"
	return tty, file, func() string {
		if _, err := tty.WriteString(mark + "\n"); err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for r := bufio.NewReader(master); !strings.Contains(all.String(), mark); {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString(line)
		}
		text, _, _ := strings.Cut(all.String(), mark)
		return text
	}
}

// on makes a UI whose results and messages go to two places.
func on(t *testing.T, out, err *os.File) *UI {
	t.Helper()
	oldOut, oldErr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = out, err
	defer func() { os.Stdout, os.Stderr = oldOut, oldErr }()
	return New(false, "en")
}

// Each place is painted by what it is, not by what the other one is.
func TestColourOfEachPlace(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	for _, c := range []struct {
		name         string
		resultOnTTY  bool
		noColor      string
		wantTerminal bool // the terminal is painted
	}{
		{"results in a file", false, "", true},
		{"messages in a file", true, "", true},
		{"results in a file, no colour wanted", false, "1", false},
		{"messages in a file, no colour wanted", true, "1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", c.noColor)
			tty, file, shown := places(t, 80)
			out, err := file, tty
			if c.resultOnTTY {
				out, err = tty, file
			}
			u := on(t, out, err)
			u.Table([][]string{{"HEAD"}, {"row"}})
			u.Printf("%s\n", u.Good("well"))
			u.Step("a step")
			u.Warn("beware")
			written, rerr := os.ReadFile(file.Name())
			if rerr != nil {
				t.Fatal(rerr)
			}
			if len(written) == 0 || strings.Contains(string(written), "\x1b") {
				t.Errorf("the file holds %q", written)
			}
			if text := shown(); strings.Contains(text, "\x1b[") != c.wantTerminal {
				t.Errorf("the terminal shows %q", text)
			}
		})
	}
}

// What can be taken away again never needs a second line of the terminal.
func TestProgressIsOneLine(t *testing.T) {
	t.Setenv("TERM", "dumb")
	tty, file, shown := places(t, 40)
	u := on(t, file, tty)
	u.Progress(strings.Repeat("é", 100), 1, 2)
	u.Status(strings.Repeat("é", 100))
	u.Step("end")
	for part := range strings.SplitSeq(strings.TrimRight(shown(), "\r\n"), "\r\x1b[K") {
		if n := len([]rune(strings.TrimRight(part, "\r\n"))); n >= 40 {
			t.Errorf("%q is %d wide", part, n)
		}
	}
}

// A result written while a progress line stands takes that line away first.
func TestResultAfterProgress(t *testing.T) {
	t.Setenv("TERM", "dumb")
	tty, _, shown := places(t, 80)
	u := on(t, tty, tty)
	u.Progress("half", 1, 2)
	u.Printf("result\n")
	if text := shown(); !strings.HasSuffix(text, "half 1/2\r\x1b[Kresult\r\n") {
		t.Errorf("shown: %q", text)
	}
}

// What a relaying UI says arrives as it was said, without colours or a clock.
func TestRelay(t *testing.T) {
	var lines strings.Builder
	enc := json.NewEncoder(&lines)
	from := Relay("fr", func(r Report) { _ = enc.Encode(r) })
	from.Step("%d nœuds", 61)
	from.Progress("en service", 3, 61)
	from.Progress("en service", 61, 61)
	from.Warn("attention")
	from.Status("nothing for others")

	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	tty, file, shown := places(t, 80)
	to := on(t, file, tty)
	for dec := json.NewDecoder(strings.NewReader(lines.String())); dec.More(); {
		var r Report
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		to.Say(r)
	}
	want := "[   0.0 s] 61 nœuds\r\n[   0.0 s] en service 3/61\r\x1b[K[   0.0 s] en service 61/61\r\n! attention\r\n"
	if got := regexp.MustCompile(`\d\.\d s`).ReplaceAllString(shown(), "0.0 s"); got != want {
		t.Errorf("shown %q, want %q", got, want)
	}
}

// A step is found again in what another situlab wrote to a file.
func TestStepOf(t *testing.T) {
	tty, file, _ := places(t, 80)
	u := on(t, tty, file)
	u.Step("ready in %.1f s] really", 3.2)
	b, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if step, ok := StepOf(strings.TrimSuffix(string(b), "\n")); !ok || step != "ready in 3.2 s] really" {
		t.Errorf("%q: %q, %v", b, step, ok)
	}
	for _, line := range []string{"", "! beware", "situlab: no", "[1 s] x"} {
		if step, ok := StepOf(line); ok {
			t.Errorf("%q: %q", line, step)
		}
	}
}
