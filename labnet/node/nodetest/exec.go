package nodetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/labnet/node"
)

func execTests(t *testing.T, f Fixture) {
	b := newBench(t, f)
	n, _ := b.boot("exec")
	sh := func(script string) []string { return []string{"/bin/sh", "-c", script} }

	t.Run("ExitStatus", func(t *testing.T) {
		for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "exit 255": 255, "kill -9 $$": 137, "kill -15 $$": 143} {
			if got, _ := b.try(n, script); got != want {
				t.Errorf("%s: %d, want %d", script, got, want)
			}
		}
		for _, c := range []struct {
			arg  string
			want int
		}{{"qz-no-such-program", 127}, {"/etc/qz/none", 127}, {"/etc/passwd", 126}, {"/etc", 126}} {
			got, err := n.Exec(context.Background(), node.Command{Args: []string{c.arg}})
			if got != c.want || err == nil {
				t.Errorf("%s: status %d, error %v; want %d and an error", c.arg, got, err, c.want)
			}
		}
	})
	t.Run("Streams", func(t *testing.T) {
		var out, err strings.Builder
		in := strings.Repeat("line\n", 50000)
		code, e := n.Exec(context.Background(), node.Command{
			Args: sh("wc -c; echo trouble >&2"), Stdin: strings.NewReader(in), Stdout: &out, Stderr: &err})
		if e != nil || code != 0 || strings.TrimSpace(out.String()) != fmt.Sprint(len(in)) || err.String() != "trouble\n" {
			t.Errorf("status %d, error %v, stdout %q, stderr %q", code, e, out.String(), err.String())
		}
		if _, out := b.try(n, "ls -l /proc/self/fd | grep -c -- '->'"); strings.TrimSpace(out) != "4" { // 0 1 2 and ls' own
			t.Errorf("descriptors leak into the node: %s", b.sh(n, "ls -l /proc/self/fd"))
		}
	})
	t.Run("Who", func(t *testing.T) {
		b.sh(n, "useradd -u 4321 -U -m -s /bin/bash -G daemon,adm qzuser")
		for _, c := range []struct{ user, want string }{
			{"", "0 0 root /root / root"},
			{"root", "0 0 root /root / root"},
			{"qzuser", "4321 4321 qzuser /home/qzuser / qzuser daemon adm"},
			{"4321", "4321 4321 qzuser /home/qzuser / qzuser daemon adm"},
		} {
			code, out := b.run(n, node.Command{Args: sh("echo $(id -u) $(id -g) $USER $HOME $PWD $(id -Gn)"), User: c.user})
			if got := strings.TrimSpace(out); code != 0 || !sameWords(got, c.want) {
				t.Errorf("user %q: %q, want %q", c.user, got, c.want)
			}
		}
		if _, err := n.Exec(context.Background(), node.Command{Args: sh("id"), User: "nobody-here"}); err == nil {
			t.Error("an unknown user is accepted")
		}
		if code, out := b.run(n, node.Command{Args: sh("grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | grep -v '0000000000000000$'"), User: "qzuser"}); code != 1 || out != "" {
			t.Errorf("an ordinary user has capabilities:\n%s", out)
		}
		if code, out := b.run(n, node.Command{Args: sh("grep -q 'Seccomp:.*2' /proc/self/status && cat /etc/shadow"), User: "qzuser"}); code == 0 {
			t.Errorf("an ordinary user reads /etc/shadow: %.40s", out)
		}
		if _, out := b.run(n, node.Command{Args: sh("su qzuser -c 'id -u'")}); strings.TrimSpace(out) != "4321" {
			t.Errorf("su says %q", out)
		}
	})
	t.Run("Environment", func(t *testing.T) {
		_, out := b.run(n, node.Command{Args: []string{"env"}, Env: []string{"QZ=yes"}, Dir: "/var/lib"})
		for line := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
			k, _, _ := strings.Cut(line, "=")
			if !strings.Contains(" PATH HOME USER LOGNAME SHELL QZ PWD ", " "+k+" ") {
				t.Errorf("the node sees %s", line)
			}
		}
		if !strings.Contains(out, "QZ=yes") {
			t.Errorf("the variable that was asked for is missing: %s", out)
		}
		if _, out := b.run(n, node.Command{Args: []string{"pwd"}, Dir: "/var/lib"}); out != "/var/lib\n" {
			t.Errorf("directory %q", out)
		}
	})
	t.Run("Terminal", func(t *testing.T) {
		code, out := b.run(n, node.Command{Args: sh("tty; stty size; ps -o stat= -p $$; exit 3"), Terminal: true, Rows: 33, Cols: 101, User: "qzuser"})
		lines := strings.Fields(out)
		if code != 3 || len(lines) < 4 || !strings.HasPrefix(lines[0], "/dev/pts/") || lines[1] != "33" || lines[2] != "101" || !strings.Contains(lines[3], "+") {
			t.Errorf("status %d: %q", code, out)
		}
		if _, out := b.run(n, node.Command{Args: sh("read a; echo got $a"), Terminal: true, Stdin: strings.NewReader("word\n")}); !strings.Contains(out, "got word") {
			t.Errorf("input does not arrive: %q", out)
		}
	})
	t.Run("Cancel", func(t *testing.T) {
		for _, terminal := range []bool{false, true} {
			ctx, cancel := context.WithCancel(context.Background())
			started := make(chan struct{})
			out := &signalWriter{seen: started}
			go func() {
				<-started
				cancel()
			}()
			begin := time.Now()
			_, err := n.Exec(ctx, node.Command{Args: sh("echo up; exec sleep 4711"), Terminal: terminal, Stdout: out})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("terminal %v: error %v, want %v", terminal, err, context.Canceled)
			}
			if d := time.Since(begin); d > patience/2 {
				t.Errorf("terminal %v: the end took %v", terminal, d)
			}
			if code, _ := b.try(n, "pgrep -f '^sleep 4711'"); code == 0 {
				t.Errorf("terminal %v: the program still runs", terminal)
			}
		}
	})
	t.Run("Many", func(t *testing.T) {
		before := openFiles(t)
		errs := make(chan error, 20)
		for i := range 20 {
			go func() {
				code, err := n.Exec(context.Background(), node.Command{Args: sh(fmt.Sprintf("exit %d", i))})
				if err == nil && code != i {
					err = fmt.Errorf("status %d, want %d", code, i)
				}
				errs <- err
			}()
		}
		for range 20 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if after := openFiles(t); after > before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
	t.Run("AtTheEnd", func(t *testing.T) {
		done := make(chan error, 1)
		started := make(chan struct{})
		go func() {
			_, err := n.Exec(context.Background(), node.Command{Args: sh("echo up; exec sleep 4712"), Stdout: &signalWriter{seen: started}})
			done <- err
		}()
		<-started
		if err := n.Kill(context.Background()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("a command outlives its node")
		}
		if _, err := n.Exec(context.Background(), node.Command{Args: sh("true")}); err == nil {
			t.Error("a command runs in an ended node")
		}
	})
}

// signalWriter closes a channel at the first write.
type signalWriter struct{ seen chan struct{} }

func (w *signalWriter) Write(p []byte) (int, error) {
	select {
	case <-w.seen:
	default:
		close(w.seen)
	}
	return len(p), nil
}

// sameWords compares two lists without regard to order and repetition.
func sameWords(a, b string) bool {
	set := func(s string) map[string]bool {
		m := map[string]bool{}
		for _, w := range strings.Fields(s) {
			m[w] = true
		}
		return m
	}
	return fmt.Sprint(set(a)) == fmt.Sprint(set(b))
}

func openFiles(t *testing.T) int {
	e, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}
