package oci

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/node"
)

// beSubreaper makes this process the parent of what runc leaves behind, so that
// PID 1 of a node and the programs run in it can be waited for. It must be done
// before runc is called; doing it twice is no error.
func beSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return &HostError{What: "prctl(PR_SET_CHILD_SUBREAPER)", Err: err}
	}
	orphans.watch()
	return nil
}

// process is one process seen through a pidfd: its number cannot be reused
// under us, and waiting for it never takes another child's status.
type process struct {
	pid  int
	fd   *os.File
	once sync.Once
}

// openProcess takes hold of a pid.
func openProcess(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("pidfd_open(%d): %w", pid, err)
	}
	orphans.own(pid)
	// Non-blocking: the Go poller waits for it, without a thread per process.
	return &process{pid: pid, fd: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// wait returns when the process has ended. child is false when it was not
// ours to reap: then how it ended is unknown.
func (p *process) wait() (ws syscall.WaitStatus, child bool, err error) {
	c, err := p.fd.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	var werr error
	rerr := c.Read(func(fd uintptr) bool {
		var polled bool
		ws, child, polled, werr = reap(int(fd))
		return polled
	})
	if rerr != nil {
		return 0, false, rerr
	}
	return ws, child, werr
}

// ended returns when the process has ended, without reaping it.
func (p *process) ended() error {
	c, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	var perr error
	rerr := c.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			perr = err
			return true
		}
		return n == 1
	})
	return errors.Join(perr, rerr)
}

// orReadable waits until other can be read; the end of the process is an error,
// the end of the time is neither.
func (p *process) orReadable(other int, limit time.Duration) (bool, error) {
	c, err := p.fd.SyscallConn()
	if err != nil {
		return false, err
	}
	var fds []unix.PollFd
	var n int
	cerr := c.Control(func(fd uintptr) {
		fds = []unix.PollFd{{Fd: int32(other), Events: unix.POLLIN}, {Fd: int32(fd), Events: unix.POLLIN}}
		n, err = unix.Poll(fds, int(limit.Milliseconds()))
	})
	switch {
	case cerr != nil:
		return false, cerr
	case errors.Is(err, unix.EINTR), err == nil && n == 0:
		return false, nil
	case err != nil:
		return false, err
	case fds[0].Revents&unix.POLLIN != 0:
		return true, nil
	}
	return false, fmt.Errorf("process %d has ended", p.pid)
}

// siginfo is what waitid(2) fills in for a child (struct siginfo, 64 bit).
type siginfo struct {
	signo, errno, code, _ int32
	pid, uid, status      int32
	_                     [100]byte
}

// Codes of waitid(2).
const (
	cldExited = 1
	cldDumped = 3
)

// reap takes the status of one ended process without waiting; done is false
// while it runs.
func reap(fd int) (ws syscall.WaitStatus, child, done bool, err error) {
	var si siginfo
	for {
		err = unix.Waitid(unix.P_PIDFD, fd, (*unix.Siginfo)(unsafe.Pointer(&si)), unix.WEXITED|unix.WNOHANG, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	switch {
	case errors.Is(err, unix.EAGAIN): // a non-blocking pidfd says so (Linux 5.10)
		return 0, true, false, nil
	case errors.Is(err, unix.ECHILD):
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, perr := unix.Poll(fds, 0)
		if perr != nil && !errors.Is(perr, unix.EINTR) {
			return 0, false, true, perr
		}
		return 0, false, n == 1, nil
	case err != nil:
		return 0, true, true, fmt.Errorf("waitid: %w", err)
	case si.pid == 0:
		return 0, true, false, nil
	}
	if si.code == cldExited {
		return syscall.WaitStatus(si.status << 8), true, true, nil
	}
	ws = syscall.WaitStatus(si.status & 0x7f)
	if si.code == cldDumped {
		ws |= 0x80
	}
	return ws, true, true, nil
}

// signal sends a signal; an ended process is no error.
func (p *process) signal(s unix.Signal) error {
	c, err := p.fd.SyscallConn()
	if err != nil {
		return nil //nolint:nilerr // closed: it has ended
	}
	var serr error
	_ = c.Control(func(fd uintptr) { serr = unix.PidfdSendSignal(int(fd), s, nil, 0) })
	if serr != nil && !errors.Is(serr, unix.ESRCH) {
		return fmt.Errorf("signal %d to pid %d: %w", int(s), p.pid, serr)
	}
	return nil
}

func (p *process) close() {
	p.once.Do(func() {
		p.fd.Close()
		orphans.disown(p.pid)
	})
}

// reasonOf reads PID 1's wait status: reboot(2) in a PID namespace ends its
// init with SIGHUP for a restart and with SIGINT for halt and power off. An init
// that leaves by itself (systemctl exit, a boot that cannot go on) is neither.
func reasonOf(ws syscall.WaitStatus) node.Reason {
	switch {
	case ws.Signaled() && ws.Signal() == syscall.SIGHUP:
		return node.Rebooted
	case ws.Signaled() && ws.Signal() == syscall.SIGINT:
		return node.PoweredOff
	case ws.Signaled():
		return node.Killed
	default:
		return node.Left(ws.ExitStatus())
	}
}

// startTime is field 22 of proc_pid_stat(5): with the pid it names a process
// for good.
func startTime(pid int) (string, error) {
	_, f, err := readStat(pid)
	if err != nil {
		return "", err
	}
	if f[0] == "Z" || f[0] == "X" {
		return "", os.ErrProcessDone
	}
	return f[19], nil
}

// statOf is the name and the state of a process, fields 2 and 3.
func statOf(pid int) (name, state string, err error) {
	name, f, err := readStat(pid)
	if err != nil {
		return "", "", err
	}
	return name, f[0], nil
}

// readStat cuts proc_pid_stat(5) in the name and the fields behind it.
func readStat(pid int) (name string, fields []string, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", nil, err
	}
	s := string(b)
	from, to := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if from < 0 || to < from {
		return "", nil, fmt.Errorf("/proc/%d/stat: %q", pid, s)
	}
	fields = strings.Fields(s[to+1:])
	if len(fields) < 20 {
		return "", nil, fmt.Errorf("/proc/%d/stat: %q", pid, s)
	}
	return s[from+1 : to], fields, nil
}
