package oci

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// rangeSize is the number of ids of one node.
const rangeSize = 65536

// idNamespaces hands out user namespaces that exist only to describe an id
// range to mount_setattr(2). One per range, kept for the next boot.
type idNamespaces struct {
	mu   sync.Mutex
	made map[uint32]*idNamespace
}

// idNamespace is one of them, or will be once done is closed.
type idNamespace struct {
	done chan struct{}
	file *os.File
	err  error
}

// get returns the namespace that maps 0..65535 to base..base+65535.
func (n *idNamespaces) get(base uint32) (*os.File, error) {
	e := n.make(base)[0]
	<-e.done
	if e.err != nil { // the next call tries again
		n.mu.Lock()
		if n.made[base] == e {
			delete(n.made, base)
		}
		n.mu.Unlock()
	}
	return e.file, e.err
}

// make begins to make the namespaces that are not there yet, does not wait, and
// returns an entry for each.
func (n *idNamespaces) make(bases ...uint32) []*idNamespace {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.made == nil {
		n.made = map[uint32]*idNamespace{}
	}
	var missing []uint32
	var entries, all []*idNamespace
	for _, base := range bases {
		if n.made[base] == nil {
			n.made[base] = &idNamespace{done: make(chan struct{})}
			missing, entries = append(missing, base), append(entries, n.made[base])
		}
		all = append(all, n.made[base])
	}
	if len(missing) > 0 {
		go makeIDNamespaces(missing, entries)
	}
	return all
}

func (n *idNamespaces) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.made {
		<-e.done
		if e.file != nil {
			e.file.Close()
		}
	}
	n.made = nil
}

// idHelper is the name of the process that makes user namespaces. Go copies the
// page tables of a process that gives its child a user namespace (no vfork): for
// a lab's controller that was a fifth of the time until all nodes were wired, for
// a fresh process it is nothing.
const idHelper = "situlab-idmaps"

// A helper is known by its name before main, so that each program that links
// this package can be its own.
func init() {
	if len(os.Args) > 1 && os.Args[0] == idHelper {
		os.Exit(serveIDNamespaces(os.Args[1:]))
	}
}

// makeIDNamespaces lets a helper make the namespaces and completes each entry.
func makeIDNamespaces(bases []uint32, entries []*idNamespace) {
	err := func() error {
		defer orphans.creation()()
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(ends[0])
		theirs := os.NewFile(uintptr(ends[1]), idHelper)
		cmd := exec.Command("/proc/self/exe")
		cmd.Args = []string{idHelper}
		for _, base := range bases {
			cmd.Args = append(cmd.Args, strconv.FormatUint(uint64(base), 10))
		}
		cmd.Env, cmd.Dir, cmd.ExtraFiles = []string{"GOGC=off"}, "/", []*os.File{theirs}
		var words strings.Builder
		cmd.Stderr = &words
		err = cmd.Start()
		theirs.Close()
		if err != nil {
			return err
		}
		for len(entries) > 0 {
			if entries[0].file, err = receiveFile(ends[0]); err != nil {
				break
			}
			close(entries[0].done)
			entries = entries[1:]
		}
		if werr := cmd.Wait(); werr != nil {
			err = fmt.Errorf("%s: %w", strings.TrimSpace(words.String()), werr)
		}
		return err
	}()
	for _, e := range entries {
		e.err = &HostError{What: "cannot make a user namespace", Err: err,
			Do: "check user.max_user_namespaces and run as root"}
		close(e.done)
	}
}

// receiveFile takes one file from a socket; the end of the stream is an error.
func receiveFile(socket int) (*os.File, error) {
	var data [1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	for {
		n, on, _, _, err := unix.Recvmsg(socket, data[:], oob, unix.MSG_CMSG_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		ms, err := unix.ParseSocketControlMessage(oob[:on])
		if err != nil || len(ms) != 1 {
			return nil, fmt.Errorf("no file in the helper's message: %w", err)
		}
		fds, err := unix.ParseUnixRights(&ms[0])
		if err != nil || len(fds) != 1 {
			return nil, fmt.Errorf("no file in the helper's message: %w", err)
		}
		return os.NewFile(uintptr(fds[0]), "userns"), nil
	}
}

// serveIDNamespaces is the helper: it sends one namespace per argument through
// descriptor 3 and returns its exit code.
func serveIDNamespaces(bases []string) int {
	for _, arg := range bases {
		err := func() error {
			base, err := strconv.ParseUint(arg, 10, 32)
			if err != nil {
				return err
			}
			f, err := NewIDNamespace(uint32(base))
			if err != nil {
				return err
			}
			defer f.Close()
			return unix.Sendmsg(3, []byte{0}, unix.UnixRights(int(f.Fd())), nil, unix.MSG_NOSIGNAL)
		}()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}

// NewIDNamespace makes a user namespace that maps 0..65535 to base..base+65535, as
// each node has one. It starts a copy of ourselves that is stopped by ptrace
// before its first instruction, takes its user namespace and kills it: no code
// runs in the child.
func NewIDNamespace(base uint32) (*os.File, error) {
	m := []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(base), Size: rangeSize}}
	p, err := os.StartProcess("/proc/self/exe", []string{"situlab-idmap"}, &os.ProcAttr{
		Dir: "/",
		Env: []string{},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: m,
			GidMappings: m,
			Ptrace:      true,
			Pdeathsig:   syscall.SIGKILL,
		},
	})
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/user", p.Pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	_ = p.Kill()
	_, _ = p.Wait()
	if err != nil {
		return nil, fmt.Errorf("user namespace of ids %d: %w", base, err)
	}
	return os.NewFile(uintptr(fd), "userns"), nil
}

// checkMaps reads back the id maps of the node's PID 1 and refuses anything but
// the one range that was asked for: host root must not be mapped (threats D1).
func checkMaps(pid int, base uint32) error {
	for _, kind := range []string{"uid_map", "gid_map"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, kind))
		if err != nil {
			return fmt.Errorf("read back the id map: %w", err)
		}
		var in, out, size uint32
		var rest string
		n, _ := fmt.Sscan(string(b), &in, &out, &size, &rest)
		if n != 3 || in != 0 || out != base || size != rangeSize {
			return fmt.Errorf("the runtime made %s %q, wanted 0 %d %d: refused", kind, string(b), base, rangeSize)
		}
	}
	return nil
}
