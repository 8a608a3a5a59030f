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
	"time"

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
	// node is the node's PID 1 (pidfd_open(2)), -1 without one.
	node int
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
	pidfd, err := unix.PidfdOpen(n.PID(), 0)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", s.Node, err)
	}
	p, err := n.Spawn(ctx, node.Command{Args: s.Command, Env: s.Env, Dir: s.WorkDir, User: s.User,
		Terminal: true, Rows: s.Rows, Cols: s.Cols}, oci.Options{LoginUID: &s.LoginUID})
	if err != nil {
		unix.Close(pidfd)
		return nil, err
	}
	return &program{pid: p.PID, session: p.Session, master: p.Terminal, wait: p.Wait, signal: p.Signal, node: pidfd}, nil
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
	return &program{pid: cmd.Process.Pid, session: session, master: f, node: -1,
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

// foreground is the group that has the terminal, by its first process, and that
// process's name; empty if it cannot be told.
func (p *program) foreground() (pid int, name string) {
	pgrp, err := unix.IoctlGetInt(int(p.master.Fd()), unix.TIOCGPGRP)
	if err != nil || pgrp <= 0 {
		return 0, ""
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pgrp))
	if err != nil {
		return pgrp, ""
	}
	return pgrp, strings.TrimSpace(string(b))
}

// unread says whether something that was typed waits for a program to read it.
// The other side of the terminal is opened for the question only: its last end is
// how the terminal's own end shows.
func (p *program) unread() bool {
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, p.master.Fd(), unix.TIOCGPTPEER, unix.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC)
	if errno != 0 {
		return false
	}
	defer unix.Close(int(fd))
	n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
	return err == nil && n > 0
}

// nodeEnds says whether the node ends with the program: at a shutdown systemd
// kills what runs before it ends itself (broadcast_signal in shutdown.c).
func (p *program) nodeEnds(within time.Duration) bool {
	if p.node < 0 {
		return false
	}
	for limit := time.Now().Add(within); ; {
		f := []unix.PollFd{{Fd: int32(p.node), Events: unix.POLLIN}}
		n, err := unix.Poll(f, int(max(0, time.Until(limit)).Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && n == 1
	}
}

// hangUp ends everything that the terminal still holds.
func (p *program) hangUp() {
	if pgrp, err := unix.IoctlGetInt(int(p.master.Fd()), unix.TIOCGPGRP); err == nil && pgrp > 1 {
		_ = unix.Kill(-pgrp, unix.SIGHUP)
	}
	_ = p.signal(syscall.SIGHUP)
}
