package images

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// workshop is one operating system thread with its own mount and host name
// namespaces. Mounts made in it are seen by nobody else and vanish with it, so a
// killed build leaves none; packages that write the host's name into their
// configuration find a neutral one.
//
// Its methods are only called by the function given to inWorkshop.
type workshop struct {
	log io.Writer
	env []string
	// watch, if set, is told the lines that programs print; never two at once.
	watch func(line string)
}

// neutralName is the host name that packages see while they are installed.
const neutralName = "debian"

// inWorkshop runs a function on such a thread and waits for it. The thread ends
// with the function: Go destroys a locked thread whose goroutine returns.
func inWorkshop(log io.Writer, do func(*workshop) error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			// Go cannot destroy the main thread: hold it, so that another takes
			// the work, and give it back unchanged.
			done <- inWorkshop(log, do)
			runtime.UnlockOSThread()
			return
		}
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_FS); err != nil {
				return &HostError{What: "cannot make a mount namespace", Hint: "run as root", Err: err}
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return fmt.Errorf("make mounts private: %w", err)
			}
			if err := unix.Sethostname([]byte(neutralName)); err != nil {
				return fmt.Errorf("set the build's host name: %w", err)
			}
			unix.Umask(0o022)
			return do(&workshop{log: log, env: buildEnv()})
		}()
	}()
	return <-done
}

// buildEnv is the environment of all build programs: nothing of the caller's
// but proxies.
func buildEnv() []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8",
		"DEBIAN_FRONTEND=noninteractive", "DEBCONF_NONINTERACTIVE_SEEN=true", "SYSTEMD_OFFLINE=1",
	}
	for _, k := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		for _, k := range []string{k, strings.ToUpper(k)} {
			if v := os.Getenv(k); v != "" {
				env = append(env, k+"="+v)
			}
		}
	}
	return env
}

// run runs a program in its own pid namespace, so that ending it (or us) ends
// all that it started. root is what it sees as "/"; "" is the host's.
func (w *workshop) run(ctx context.Context, root, stdin string, args ...string) error {
	tail := &lastLines{watch: w.watch}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = w.env
	cmd.Dir = "/"
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	cmd.Stdout = io.MultiWriter(w.log, tail)
	cmd.Stderr = cmd.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Cloneflags: unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if root != "" {
		// exec.Command has looked the program up on the host.
		cmd.Path, cmd.Err = "", nil
		for _, d := range []string{"/usr/sbin", "/usr/bin"} {
			if _, err := os.Lstat(filepath.Join(root, d, args[0])); err == nil {
				cmd.Path = filepath.Join(d, args[0])
			}
		}
		if cmd.Path == "" {
			return fmt.Errorf("the image has no program %s", args[0])
		}
	}
	fmt.Fprintf(w.log, "+ %s\n", strings.Join(args, " "))
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%s: %w\n%s", strings.Join(args[:min(len(args), 3)], " "), err, tail)
	}
	return nil
}

// furnish mounts what packages expect while they are installed: proc, a small
// /dev, and empty /run and /tmp, none of which reach the layer.
func (w *workshop) furnish(root string) error {
	for _, m := range []struct{ what, at, opts string }{
		{"proc", "proc", ""}, {"tmpfs", "run", "mode=755"}, {"tmpfs", "tmp", "mode=1777"}, {"tmpfs", "dev", "mode=755"},
	} {
		if err := unix.Mount(m.what, filepath.Join(root, m.at), m.what, unix.MS_NOSUID, m.opts); err != nil {
			return fmt.Errorf("mount %s in the layer: %w", m.at, err)
		}
	}
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		p := filepath.Join(root, "dev", name)
		if err := unix.Mknod(p, unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))); err != nil {
			return &HostError{What: "cannot make device nodes", Hint: "run as root, outside of a container", Err: err}
		}
		if err := os.Chmod(p, 0o666); err != nil {
			return err
		}
	}
	return os.Symlink("/proc/self/fd", filepath.Join(root, "dev/fd"))
}

// bind shows a host directory or file at a place of the layer's /run.
func (w *workshop) bind(from, to string) error {
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	if st.IsDir() {
		err = os.MkdirAll(to, 0o755)
	} else {
		err = os.WriteFile(to, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", from, err)
	}
	return nil
}

// lastLines keeps the end of a program's output, for the message if it fails.
type lastLines struct {
	b     []byte
	watch func(string)
	line  []byte
}

func (l *lastLines) Write(p []byte) (int, error) {
	l.b = append(l.b, p...)
	if l.watch != nil {
		l.line = append(l.line, p...)
		for {
			line, rest, ok := bytes.Cut(l.line, []byte("\n"))
			if !ok {
				break
			}
			l.watch(string(line))
			l.line = rest
		}
	}
	if len(l.b) > 8<<10 {
		l.b = l.b[len(l.b)-4<<10:]
	}
	return len(p), nil
}

func (l *lastLines) String() string {
	lines := bytes.Split(bytes.TrimSpace(l.b), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-12):], []byte("\n")))
}
