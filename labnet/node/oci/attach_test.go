package oci_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/node/oci"
)

const attachLab = "qzattach"

// booted makes a runtime with one running node.
func booted(t *testing.T, state string) (*oci.Runtime, node.Node, node.Spec) {
	t.Helper()
	rt := newRuntime(state)(t).(*oci.Runtime)
	s := node.Spec{Lab: attachLab, Name: "n1", Lowers: lowers(t), Disk: t.TempDir(), IDBase: testIDs + 60*65536, Memory: 256 << 20}
	n, err := rt.Create(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := n.Remove(ctx); err != nil {
			t.Error(err)
		}
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	err = n.Write([]node.File{
		{Path: "/etc/machine-id", Mode: 0o444, Content: []byte(strings.Repeat("ab", 16) + "\n")},
		{Path: "/etc/systemd/system/ssh.service", Mode: os.ModeSymlink, Content: []byte("/dev/null")}, // has no host keys
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitReady(t, n)
	return rt, n, s
}

func waitReady(t *testing.T, n node.Node) {
	t.Helper()
	select {
	case <-n.Ready():
	case <-n.Exited():
		t.Fatalf("ended: %s", n.Reason())
	case <-time.After(90 * time.Second):
		t.Fatal("not ready")
	}
}

func sessionOf(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/sessionid", pid))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// readUntil reads a terminal until a word appears.
func readUntil(t *testing.T, r *bufio.Reader, word string) string {
	t.Helper()
	var all strings.Builder
	for !strings.Contains(all.String(), word) {
		line, err := r.ReadString('\n')
		all.WriteString(line)
		if err != nil {
			t.Fatalf("%v after %q", err, all.String())
		}
	}
	return all.String()
}

// TestTerminalSession opens a recorded terminal as its holder does, and finds
// the audit session on everything that descends from it.
func TestTerminalSession(t *testing.T) {
	state := stateDir(t)
	_, n, _ := booted(t, state)
	if _, err := oci.Attach(state, attachLab, "n2"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("attach to no node: %v", err)
	}
	if _, err := oci.Attach(state, "other", "n1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("attach to another lab: %v", err)
	}
	a, err := oci.Attach(state, attachLab, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if got := sessionOf(t, n.PID()); got != "4294967295" {
		t.Errorf("PID 1 has audit session %s", got)
	}
	uid := uint32(9001)
	c := node.Command{Args: []string{"/bin/sh"}, Terminal: true, Rows: 24, Cols: 80, Env: []string{"PS1="}}
	p, err := a.Spawn(t.Context(), c, oci.Options{LoginUID: &uid})
	if err != nil {
		t.Fatal(err)
	}
	p2, err := a.Spawn(t.Context(), c, oci.Options{LoginUID: &uid})
	if err != nil {
		t.Fatal(err)
	}
	if p.Session == oci.NoSession || p.Session == p2.Session {
		t.Errorf("audit sessions %d and %d", p.Session, p2.Session)
	}
	if got := sessionOf(t, p.PID); got != fmt.Sprint(p.Session) {
		t.Errorf("the shell has session %s, want %d", got, p.Session)
	}
	if got := sessionOf(t, os.Getpid()); got != fmt.Sprint(uint32(oci.NoSession)) && got == fmt.Sprint(p.Session) {
		t.Errorf("the session stuck to the caller")
	}
	r := bufio.NewReader(p.Terminal)
	send := func(s string) {
		if _, err := io.WriteString(p.Terminal, s); err != nil {
			t.Fatal(err)
		}
	}
	send("stty -echo; echo 0 >/proc/self/loginuid || echo imm''utable; su daemon -s /bin/sh -c 'cat /proc/self/sessionid'; echo; setsid -f sleep 4713; echo don''e\n")
	out := readUntil(t, r, "done\r\n")
	if !strings.Contains(out, "immutable") {
		t.Errorf("root in the node changes its login uid: %q", out)
	}
	if !strings.Contains(out, fmt.Sprint(p.Session)) {
		t.Errorf("su loses the session: %q", out)
	}
	if err := p.Resize(50, 132); err != nil {
		t.Fatal(err)
	}
	send("stty size; echo don''e\n")
	if out := readUntil(t, r, "done\r\n"); !strings.Contains(out, "50 132") {
		t.Errorf("size: %q", out)
	}
	// After the size was read: systemd resets the terminal that it is given, and
	// with that throws away what nobody has read yet.
	send("systemd-run --pipe -q cat /proc/self/sessionid; echo; echo don''e\n")
	if out := readUntil(t, r, "done\r\n"); !strings.Contains(out, "4294967295") {
		t.Errorf("detached session: %q", out)
	}
	send("exit 5\n")
	if code, err := p.Wait(); code != 5 || err != nil {
		t.Errorf("exit status %d, %v", code, err)
	}
	p.Terminal.Close()
	p2.Terminal.Close() // a lost terminal ends its shell
	if code, err := p2.Wait(); err != nil {
		t.Errorf("hang-up: %d, %v", code, err)
	}
	if code, err := n.Exec(t.Context(), node.Command{Args: []string{"pkill", "-f", "^sleep 4713"}}); code != 0 {
		t.Errorf("the detached process is gone: %d %v", code, err)
	}
}

// TestAdopt finds a node again, as a new controller does after the old one was
// killed.
func TestAdopt(t *testing.T) {
	state := stateDir(t)
	_, n, s := booted(t, state)
	second := newRuntime(state)(t)
	again, err := second.Adopt(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if again.PID() != n.PID() || again.CGroup() != n.CGroup() || again.NetNS() != n.NetNS() {
		t.Errorf("adopted %d %s, want %d %s", again.PID(), again.CGroup(), n.PID(), n.CGroup())
	}
	waitReady(t, again)
	var out strings.Builder
	if code, err := again.Exec(t.Context(), node.Command{Args: []string{"uname", "-n"}, Stdout: &out}); code != 0 || err != nil || out.String() != "n1\n" {
		t.Errorf("exec: %d %v %q", code, err, out.String())
	}
	wrong := s
	wrong.IDBase += 65536
	if _, err := second.Adopt(t.Context(), wrong); err == nil {
		t.Error("another node's ids are accepted")
	}
	absent := s
	absent.Name = "absent"
	if _, err := second.Adopt(t.Context(), absent); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("adopt nothing: %v", err)
	}
	if err := again.Shutdown(t.Context(), time.Minute); err != nil {
		t.Error(err)
	}
	<-again.Exited()
	<-n.Exited()
	if n.Reason() != node.PoweredOff && again.Reason() != node.PoweredOff {
		t.Errorf("reasons %q, %q", n.Reason(), again.Reason())
	}
	if _, err := second.Adopt(t.Context(), s); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("adopt an ended node: %v", err)
	}
}

// TestChildrenOfOthers runs ordinary children of os/exec while nodes live and
// die: nobody takes their exit status.
func TestChildrenOfOthers(t *testing.T) {
	_, n, _ := booted(t, stateDir(t))
	done := make(chan error, 1)
	go func() {
		for range 50 {
			err := exec.Command("/bin/sh", "-c", "exit 9").Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 9 {
				done <- fmt.Errorf("a child's status: %w", errors.Join(err, errors.New("9 was expected")))
				return
			}
		}
		done <- nil
	}()
	for range 5 {
		if code, err := n.Exec(t.Context(), node.Command{Args: []string{"false"}}); code != 1 || err != nil {
			t.Errorf("status %d, %v", code, err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
