package watch

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// box is a stand-in for a node: its own user, pid, mount, net, uts and ipc
// namespaces, with a shell as PID 1 that takes commands.
type box struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	count int
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, cmd: exec.Command("/bin/sh")}
	b.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS |
			syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 300000, Size: 65536}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 300000, Size: 65536}},
		Credential:  &syscall.Credential{Uid: 0, Gid: 0},
		Pdeathsig:   syscall.SIGKILL,
	}
	b.cmd.Dir, b.cmd.Stderr = "/", os.Stderr
	b.cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "TERM=xterm"}
	in, err := b.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.in, b.out = in, bufio.NewReader(out)
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
	})
	b.run("mount -t proc proc /proc && mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /run && ip link set lo up && cd /tmp")
	return b
}

func (b *box) pid() int { return b.cmd.Process.Pid }

// run gives the shell a command and returns what it printed.
func (b *box) run(command string) string {
	b.t.Helper()
	b.count++
	end := fmt.Sprintf("box-end-%d:", b.count)
	if _, err := fmt.Fprintf(b.in, "%s\necho %s$?\n", command, end); err != nil {
		b.t.Fatal(err)
	}
	var sb strings.Builder
	for {
		line, err := b.out.ReadString('\n')
		if err != nil {
			b.t.Fatalf("box: %q: %v after %q", command, err, sb.String())
		}
		if code, ok := strings.CutPrefix(line, end); ok {
			if strings.TrimSpace(code) != "0" {
				b.t.Logf("box: %q: status %s%s", command, code, sb.String())
			}
			return sb.String()
		}
		sb.WriteString(line)
	}
}

// collector gathers events while a test runs.
type collector struct {
	t      *testing.T
	x      *Execs
	events []ExecEvent
	each   func(*ExecEvent)
}

func watchBoxes(t *testing.T, boxes map[string]*box) *collector {
	t.Helper()
	x, err := NewExecs(t.Context(), ExecConfig{RingBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	for name, b := range boxes {
		if err := x.Add(name, b.pid()); err != nil {
			t.Fatal(err)
		}
	}
	return &collector{t: t, x: x}
}

// until reads events until one satisfies f.
func (c *collector) until(what string, f func(*ExecEvent) bool) *ExecEvent {
	c.t.Helper()
	for i := range c.events {
		if f(&c.events[i]) {
			return &c.events[i]
		}
	}
	deadline := time.After(10 * time.Second)
	for {
		select {
		case e, ok := <-c.x.Events():
			if !ok {
				c.t.Fatalf("no event: %s (closed)", what)
			}
			if c.each != nil {
				c.each(&e)
			}
			c.events = append(c.events, e)
			if f(&e) {
				return &c.events[len(c.events)-1]
			}
		case <-deadline:
			for _, e := range c.events {
				c.t.Logf("%d %s %d<-%d %s %q", e.Kind, e.Node, e.PID, e.PPID, e.Comm, e.Argv)
			}
			c.t.Fatalf("no event: %s", what)
		}
	}
}

func argv(s ...string) func(*ExecEvent) bool {
	return func(e *ExecEvent) bool {
		return e.Kind == ExecStart && strings.Join(e.Argv, "\x00") == strings.Join(s, "\x00")
	}
}
