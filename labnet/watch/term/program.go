package term

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/node/oci"
)

// program is what runs in a terminal; the master side is ours.
type program struct {
	pid     int
	session uint32
	master  *os.File
	wait    func() (int, error)
	signal  func(syscall.Signal) error
}

// startProgram runs the spec's command in its node, or on the host.
func startProgram(ctx context.Context, s *Spec) (*program, error) {
	if s.Node == "" {
		return startOnHost(s)
	}
	n, err := oci.Attach(s.State, s.Lab, s.Node)
	if err != nil {
		return nil, err
	}
	p, err := n.Spawn(ctx, node.Command{Args: s.Command, Env: s.Env, Dir: s.WorkDir, User: s.User,
		Terminal: true, Rows: s.Rows, Cols: s.Cols}, oci.Options{LoginUID: &s.LoginUID})
	if err != nil {
		return nil, err
	}
	return &program{pid: p.PID, session: p.Session, master: p.Terminal, wait: p.Wait, signal: p.Signal}, nil
}

// startOnHost is for tests: the same terminal without a node.
func startOnHost(s *Spec) (*program, error) {
	type result struct {
		p   *program
		err error
	}
	c := make(chan result)
	go func() {
		runtime.LockOSThread() // the login uid is the thread's; it dies with it
		p, err := hostProgram(s)
		c <- result{p, err}
		if err == nil {
			// The child's parent death signal, if any, belongs to this thread.
			_, _ = p.wait()
		}
	}()
	r := <-c
	return r.p, r.err
}

func hostProgram(s *Spec) (*program, error) {
	session := uint32(NoSession)
	const file = "/proc/thread-self/loginuid"
	_ = os.WriteFile(file, []byte("4294967295"), 0)
	if err := os.WriteFile(file, []byte(strconv.FormatUint(uint64(s.LoginUID), 10)), 0); err == nil {
		b, err := os.ReadFile("/proc/thread-self/sessionid")
		if err != nil {
			return nil, err
		}
		v, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
		if err != nil {
			return nil, err
		}
		session = uint32(v)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot set the login uid: %w", err)
	}
	cmd := exec.Command(s.Command[0], s.Command[1:]...)
	cmd.Env, cmd.Dir = append(os.Environ(), s.Env...), s.WorkDir
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: s.Rows, Cols: s.Cols})
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	var werr error
	go func() { werr = cmd.Wait(); close(done) }()
	return &program{pid: cmd.Process.Pid, session: session, master: f,
		wait: func() (int, error) {
			<-done
			var ee *exec.ExitError
			if werr != nil && !errors.As(werr, &ee) {
				return -1, werr
			}
			ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if ws.Signaled() {
				return 128 + int(ws.Signal()), nil
			}
			return ws.ExitStatus(), nil
		},
		signal: func(sig syscall.Signal) error {
			if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return err
			}
			return nil
		}}, nil
}

// foreground is the name of the program that has the terminal; empty if that
// cannot be told.
func (p *program) foreground() string {
	pgrp, err := unix.IoctlGetInt(int(p.master.Fd()), unix.TIOCGPGRP)
	if err != nil || pgrp <= 0 {
		return ""
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pgrp))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// hangUp ends everything that the terminal still holds.
func (p *program) hangUp() {
	if pgrp, err := unix.IoctlGetInt(int(p.master.Fd()), unix.TIOCGPGRP); err == nil && pgrp > 1 {
		_ = unix.Kill(-pgrp, unix.SIGHUP)
	}
	_ = p.signal(syscall.SIGHUP)
}
