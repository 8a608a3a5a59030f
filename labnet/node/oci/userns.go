package oci

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// rangeSize is the number of ids of one node.
const rangeSize = 65536

// idNamespaces hands out user namespaces that exist only to describe an id
// range to mount_setattr(2). One per range, kept for the next boot.
type idNamespaces struct {
	mu  sync.Mutex
	fds map[uint32]*os.File
}

// get returns the namespace that maps 0..65535 to base..base+65535.
func (n *idNamespaces) get(base uint32) (*os.File, error) {
	n.mu.Lock()
	f := n.fds[base]
	n.mu.Unlock()
	if f != nil {
		return f, nil
	}
	f, err := newIDNamespace(base)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if old := n.fds[base]; old != nil {
		f.Close()
		return old, nil
	}
	if n.fds == nil {
		n.fds = map[uint32]*os.File{}
	}
	n.fds[base] = f
	return f, nil
}

func (n *idNamespaces) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range n.fds {
		f.Close()
	}
	n.fds = nil
}

// newIDNamespace starts a copy of ourselves that is stopped by ptrace before
// its first instruction, takes its user namespace and kills it: no helper
// program is needed and no code runs in the child.
func newIDNamespace(base uint32) (*os.File, error) {
	defer orphans.creation()()
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
		return nil, &HostError{What: "cannot make a user namespace", Err: err,
			Do: "check user.max_user_namespaces and run as root"}
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
