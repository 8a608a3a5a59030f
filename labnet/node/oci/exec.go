package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/node"
)

// execPrefix begins the name of the directory that holds the files of one exec.
const execPrefix = "exec-"

// door is the way into one running node. It needs the state directory only, so
// that a process other than the controller can hold it.
type door struct {
	state, runc, dir string
	rec              record
}

func (d *door) id() string { return containerID(d.rec.Lab, d.rec.Name) }

// Options are what a recorded terminal needs beyond a command.
type Options struct {
	// LoginUID, if not nil, becomes the audit login uid of the program before
	// it runs, which gives it a session number of its own that all its
	// descendants keep and that root in the node cannot change.
	LoginUID *uint32
}

// Process is a program running in a node.
type Process struct {
	// PID is its number on the host.
	PID int
	// Session is its audit session id; NoSession if it has none.
	Session uint32
	// Terminal is the master side of its terminal, nil without one. Whoever
	// started the process reads it and closes it.
	Terminal *os.File

	p    *process
	done chan struct{}
	code int
	err  error
}

// Wait returns the exit status, 128 + n after signal n.
func (p *Process) Wait() (int, error) {
	<-p.done
	return p.code, p.err
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends a signal to the program; an ended one is no error.
func (p *Process) Signal(s syscall.Signal) error { return p.p.signal(s) }

// Resize tells the terminal's new size.
func (p *Process) Resize(rows, cols uint16) error {
	if p.Terminal == nil {
		return errors.New("resize: the program has no terminal")
	}
	return resize(p.Terminal, rows, cols)
}

// streams are what a program without a terminal gets as 0, 1, 2.
type streams struct{ in, out, err *os.File }

// Spawn starts a program in the node and does not wait for it. Its Stdin,
// Stdout and Stderr must be nil or *os.File; with a Terminal they are not used.
func (d *door) Spawn(ctx context.Context, c node.Command, o Options) (*Process, error) {
	var s streams
	for _, x := range []struct {
		to   **os.File
		from any
	}{{&s.in, c.Stdin}, {&s.out, c.Stdout}, {&s.err, c.Stderr}} {
		if f, ok := x.from.(*os.File); ok {
			*x.to = f
		} else if x.from != nil && !c.Terminal {
			return nil, errors.New("spawn: streams must be files; Exec copies others")
		}
	}
	return d.spawn(ctx, c, o, s)
}

func (d *door) spawn(ctx context.Context, c node.Command, o Options, s streams) (_ *Process, err error) {
	if len(c.Args) == 0 {
		return nil, errors.New("exec: no command")
	}
	if err := beSubreaper(); err != nil {
		return nil, err
	}
	spec, err := d.processSpec(c)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(d.dir, execPrefix)
	if err != nil {
		return nil, fmt.Errorf("exec in node %s: %w", d.rec.Name, err)
	}
	defer os.RemoveAll(work)
	if err := writeJSON(filepath.Join(work, "process.json"), spec); err != nil {
		return nil, err
	}
	pidFile, logFile := filepath.Join(work, "pid"), filepath.Join(work, "log")
	args := []string{"exec", "--detach", "--process", filepath.Join(work, "process.json"), "--pid-file", pidFile}
	var console *consoleSocket
	if c.Terminal {
		if console, err = listenConsole(work); err != nil {
			return nil, err
		}
		defer console.close()
		args = append(args, "--console-socket", console.path)
	}
	cmd := d.command(ctx, logFile, append(args, d.id())...)
	defer orphans.entering(d.rec.PID)()
	if !c.Terminal {
		// Typed nils would become pipes of os/exec.
		if s.in != nil {
			cmd.Stdin = s.in
		}
		if s.out != nil {
			cmd.Stdout = s.out
		}
		if s.err != nil {
			cmd.Stderr = s.err
		}
	}
	session, err := withLoginUID(o.LoginUID, cmd.run)
	pid, perr := readPID(pidFile)
	if err != nil || perr != nil {
		if err == nil {
			err = perr
		}
		if perr == nil { // runc failed after it had started the program
			abandon(pid)
		}
		return nil, d.execError(ctx, c, logFile, err)
	}
	p, err := openProcess(pid)
	if err != nil {
		return nil, fmt.Errorf("exec in node %s: %w", d.rec.Name, err)
	}
	out := &Process{PID: pid, Session: session, p: p, done: make(chan struct{})}
	if c.Terminal {
		if out.Terminal, err = console.receive(); err == nil && c.Rows > 0 && c.Cols > 0 {
			err = resize(out.Terminal, c.Rows, c.Cols)
		}
		if err != nil {
			_ = p.signal(unix.SIGKILL)
		}
	}
	go func() {
		defer close(out.done)
		defer p.close()
		ws, child, werr := p.wait()
		switch {
		case werr != nil:
			out.code, out.err = -1, werr
		case !child:
			out.code, out.err = -1, errors.New("the exit status went to another process")
		case ws.Signaled():
			out.code = 128 + int(ws.Signal())
		default:
			out.code = ws.ExitStatus()
		}
	}()
	if err != nil {
		<-out.done
		return nil, fmt.Errorf("terminal in node %s: %w", d.rec.Name, err)
	}
	return out, nil
}

// command is one run of runc.
type command struct {
	*exec.Cmd
	helpers []*process // when it was killed
}

// command prepares a runc on the lab's own root directory. When the context ends
// it is killed with its helpers. It has a process group of its own: if it
// outlives its controller, that tells it from the child of somebody else.
func (d *door) command(ctx context.Context, logFile string, args ...string) *command {
	c := &command{Cmd: exec.CommandContext(ctx, d.runc,
		append([]string{"--root", runcRoot(d.state), "--log", logFile, "--log-format", "json"}, args...)...)}
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error {
		p, err := openProcess(c.Process.Pid)
		if err != nil {
			return os.ErrProcessDone
		}
		defer p.close()
		c.helpers, err = cutOff(p)
		return err
	}
	return c
}

func (c *command) run() error {
	owned := orphans.creation()
	err := c.Start()
	if err == nil {
		orphans.own(c.Process.Pid)
		defer orphans.disown(c.Process.Pid)
	}
	owned()
	if err != nil {
		return err
	}
	err = c.Wait()
	for _, p := range c.helpers { // not waited for: a frozen one ends with its node
		_ = p.signal(unix.SIGKILL)
		p.close()
	}
	return err
}

// abandon kills and reaps a program that nobody will wait for.
func abandon(pid int) {
	p, err := openProcess(pid)
	if err != nil {
		return
	}
	defer p.close()
	_ = p.signal(unix.SIGKILL)
	_, _, _ = p.wait()
}

// Exit statuses of a shell for a program that cannot be run.
const (
	statusNotExecutable = 126
	statusNotFound      = 127
)

// CannotRun is the error of a command that the node does not have or may not
// run; Status is what a shell would return, 127 or 126.
type CannotRun struct {
	Status int
	Err    error
}

func (e *CannotRun) Error() string { return e.Err.Error() }
func (e *CannotRun) Unwrap() error { return e.Err }

func (d *door) execError(ctx context.Context, c node.Command, logFile string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	err = fmt.Errorf("node %s: %q: %w", d.rec.Name, c.Args[0], runcError("exec", logFile, err))
	switch msg := err.Error(); {
	case ctx.Err() != nil:
		return err
	case strings.Contains(msg, "no such file or directory"), strings.Contains(msg, "executable file not found"):
		return &CannotRun{Status: statusNotFound, Err: err}
	case strings.Contains(msg, "permission denied"), strings.Contains(msg, "exec format error"):
		return &CannotRun{Status: statusNotExecutable, Err: err}
	}
	return err
}

// processSpec says who the program is. Another user than root starts without
// capabilities; root has those of the bundle.
func (d *door) processSpec(c node.Command) (*specs.Process, error) {
	acc, err := d.accounts()
	if err != nil {
		return nil, err
	}
	u, err := acc.user(c.User)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", d.rec.Name, err)
	}
	caps, err := capabilities()
	if err != nil {
		return nil, err
	}
	p := &specs.Process{
		Terminal:     c.Terminal,
		Args:         c.Args,
		Cwd:          c.Dir,
		User:         specs.User{UID: u.uid, GID: u.gid, AdditionalGids: u.groups},
		Capabilities: caps,
		Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 16384, Soft: 1024}},
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	if u.uid != 0 {
		path = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
		p.Capabilities = &specs.LinuxCapabilities{Bounding: caps.Bounding}
	}
	if p.Cwd == "" {
		p.Cwd = "/"
	}
	p.Env = []string{"PATH=" + path, "HOME=" + u.home, "USER=" + u.name, "LOGNAME=" + u.name, "SHELL=" + u.shell}
	if c.Terminal {
		p.Env = append(p.Env, "TERM=xterm-256color")
		p.ConsoleSize = &specs.Box{Height: uint(c.Rows), Width: uint(c.Cols)}
	}
	p.Env = append(p.Env, c.Env...)
	return p, nil
}

// Exec runs a program in the node and returns its exit status. When the context
// ends the program is killed. A program that cannot be run returns 127 or 126
// and a [*CannotRun].
func (d *door) Exec(ctx context.Context, c node.Command) (int, error) {
	if c.Terminal {
		return d.execTerminal(ctx, c)
	}
	var s streams
	var copies sync.WaitGroup
	var ours, theirs []*os.File
	closeAll := func(fs []*os.File) {
		for _, f := range fs {
			f.Close()
		}
	}
	pipe := func() (r, w *os.File, err error) {
		return os.Pipe()
	}
	output := func(w io.Writer) (*os.File, error) {
		if f, ok := w.(*os.File); ok || w == nil {
			return f, nil
		}
		r, pw, err := pipe()
		if err != nil {
			return nil, err
		}
		ours, theirs = append(ours, r), append(theirs, pw)
		copies.Go(func() { _, _ = io.Copy(w, r) })
		return pw, nil
	}
	var err error
	if s.out, err = output(c.Stdout); err == nil {
		if c.Stderr != nil && c.Stderr == c.Stdout {
			s.err = s.out // one writer: one pipe, so that it needs no lock
		} else {
			s.err, err = output(c.Stderr)
		}
	}
	var stdin *os.File
	if err == nil && c.Stdin != nil {
		if f, ok := c.Stdin.(*os.File); ok {
			s.in = f
		} else if s.in, stdin, err = pipe(); err == nil {
			theirs = append(theirs, s.in)
		}
	}
	var p *Process
	if err == nil {
		p, err = d.spawn(ctx, c, Options{}, s)
	}
	closeAll(theirs)
	if err != nil {
		if stdin != nil {
			stdin.Close()
		}
		copies.Wait()
		closeAll(ours)
		return exitStatus(err), err
	}
	if stdin != nil {
		// Not waited for: a reader that never ends must not hold the result.
		go func() {
			_, _ = io.Copy(stdin, c.Stdin)
			stdin.Close()
		}()
	}
	stop := context.AfterFunc(ctx, func() { _ = p.Signal(unix.SIGKILL) })
	code, err := p.Wait()
	if !stop() {
		err = errors.Join(context.Cause(ctx), err)
		// A grandchild may hold the pipe open; nobody waits for it any more.
		closeAll(ours)
		copies.Wait()
		return code, err
	}
	waitOutput(ctx, &copies, ours)
	closeAll(ours)
	return code, err
}

// waitOutput waits for the end of the output, which a daemon left behind by the
// program may keep open: then for the context only.
func waitOutput(ctx context.Context, copies *sync.WaitGroup, ours []*os.File) {
	stop := context.AfterFunc(ctx, func() {
		for _, f := range ours {
			f.Close()
		}
	})
	defer stop()
	copies.Wait()
}

func exitStatus(err error) int {
	var cannot *CannotRun
	if errors.As(err, &cannot) {
		return cannot.Status
	}
	return -1
}

// execTerminal is Exec with a terminal: input and output are copied.
func (d *door) execTerminal(ctx context.Context, c node.Command) (int, error) {
	p, err := d.spawn(ctx, c, Options{}, streams{})
	if err != nil {
		return exitStatus(err), err
	}
	stop := context.AfterFunc(ctx, func() { _ = p.Signal(unix.SIGKILL) })
	defer stop()
	if c.Stdin != nil {
		go func() { _, _ = io.Copy(p.Terminal, c.Stdin) }()
	}
	var out io.Writer = io.Discard
	if c.Stdout != nil {
		out = c.Stdout
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(out, p.Terminal) // ends with EIO when the last slave closes
	}()
	code, err := p.Wait()
	select {
	case <-copied:
	case <-ctx.Done():
	}
	p.Terminal.Close()
	<-copied
	if ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return code, err
}

// consoleSocket is where runc sends the master side of a terminal.
type consoleSocket struct {
	l    *net.UnixListener
	dir  *os.File
	path string
}

// listenConsole binds a socket in dir. Its name goes through our descriptor of
// the directory, because a unix address holds at most 107 bytes.
func listenConsole(dir string) (*consoleSocket, error) {
	d, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	path := fmt.Sprintf("/proc/%d/fd/%d/tty", os.Getpid(), d.Fd())
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("console socket: %w", err)
	}
	return &consoleSocket{l: l, dir: d, path: path}, nil
}

func (s *consoleSocket) close() {
	s.l.Close()
	s.dir.Close()
}

// receive takes the master; runc has sent it before it ended.
func (s *consoleSocket) receive() (*os.File, error) {
	c, err := s.l.AcceptUnix()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	buf, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := c.ReadMsgUnix(buf, oob)
	if err != nil {
		return nil, err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		return nil, fmt.Errorf("console socket: no terminal came: %w", err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("console socket: no terminal came: %w", err)
	}
	unix.CloseOnExec(fds[0])
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), "terminal"), nil
}

// resize uses the file's own descriptor without taking it from Go's poller.
func resize(f *os.File, rows, cols uint16) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var ierr error
	if err := c.Control(func(fd uintptr) {
		ierr = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}); err != nil {
		return err
	}
	return ierr
}
