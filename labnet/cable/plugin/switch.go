package plugin

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/cable/internal/netns"
)

// Switch is an open switch namespace: netlink sockets that stay in it, as many
// as there are callers at the same time, so that none waits for another's.
type Switch struct {
	path string
	file *os.File

	mu     sync.Mutex
	closed bool
	free   []*netlink.Handle
}

// OpenSwitch opens the switch namespace pinned at path. It refuses the
// process's own namespace: a switch in the host's would break the promise.
func OpenSwitch(path string) (*Switch, error) {
	f, err := netns.Open(path)
	if err != nil {
		return nil, err
	}
	own, err := netns.IsOwn(f)
	if err == nil && own {
		err = fmt.Errorf("%s is the host's own network namespace, not a switch", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Switch{path: path, file: f}, nil
}

// File is the open namespace.
func (s *Switch) File() *os.File { return s.file }

// Path is where the namespace is pinned.
func (s *Switch) Path() string { return s.path }

// Do lends a netlink handle of the switch namespace to f.
func (s *Switch) Do(f func(h *netlink.Handle) error) error {
	h, err := s.take()
	if err != nil {
		return err
	}
	defer s.give(h)
	return f(h)
}

func (s *Switch) take() (*netlink.Handle, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, fmt.Errorf("switch %s: %w", s.path, os.ErrClosed)
	}
	if n := len(s.free); n > 0 {
		h := s.free[n-1]
		s.free = s.free[:n-1]
		s.mu.Unlock()
		return h, nil
	}
	s.mu.Unlock()
	h, err := HandleAt(s.file)
	if err != nil {
		return nil, fmt.Errorf("switch %s: %w", s.path, err)
	}
	return h, nil
}

func (s *Switch) give(h *netlink.Handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		h.Close()
		return
	}
	s.free = append(s.free, h)
}

// Close closes the sockets; the namespace lives on while it is pinned.
func (s *Switch) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for _, h := range s.free {
		h.Close()
	}
	s.free = nil
	return s.file.Close()
}

// HandleAt opens a route netlink socket in a namespace.
func HandleAt(ns *os.File) (*netlink.Handle, error) {
	var h *netlink.Handle
	err := netns.DoFile(ns, func() (err error) {
		h, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("netlink socket in %s: %w", ns.Name(), err)
	}
	return h, nil
}

// Dump repeats a netlink dump that changes of the kernel's tables interrupted
// (netlink(7), NLM_F_DUMP_INTR): its result may lack entries.
func Dump[T any](dump func() (T, error)) (T, error) {
	for range 8 {
		v, err := dump()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return v, err
		}
	}
	var zero T
	return zero, fmt.Errorf("list kept changing: %w", netlink.ErrDumpInterrupted)
}

// IsNotFound says that an error means: the link is not there (any more).
func IsNotFound(err error) bool {
	var e netlink.LinkNotFoundError
	return errors.As(err, &e) || errors.Is(err, unix.ENODEV)
}
