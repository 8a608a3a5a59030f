// Package netns makes, pins, compares and enters network namespaces.
//
// In: paths of namespaces (/proc/PID/ns/net or a pin). Out: work done inside
// them. What must never happen: a thread that goes back to the Go scheduler
// while it still stands in a namespace that is not the process's own.
package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrNotNetNS says that a path exists but is no network namespace.
var ErrNotNetNS = errors.New("not a network namespace")

// nsfsMagic is NSFS_MAGIC of linux/magic.h.
const nsfsMagic = 0x6e736673

// Open opens the network namespace at path after making sure that it is one:
// a plain file left behind by an unmounted pin must not be taken for one.
func Open(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", &os.PathError{Op: "open", Path: path, Err: err})
	}
	f := os.NewFile(uintptr(fd), path)
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		f.Close()
		return nil, fmt.Errorf("network namespace %s: %w", path, err)
	}
	if int64(st.Type) != nsfsMagic {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, ErrNotNetNS)
	}
	// NS_GET_NSTYPE, ioctl_ns(2)
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("network namespace %s: %w", path, err)
	}
	if kind != unix.CLONE_NEWNET {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, ErrNotNetNS)
	}
	return f, nil
}

// own is the process's own namespace: that of the main thread, which this
// package never moves.
var own = sync.OnceValues(func() (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Stat("/proc/self/ns/net", &st)
	return st, err
})

// IsOwn reports whether an open namespace is the process's own.
func IsOwn(f *os.File) (bool, error) {
	home, err := own()
	if err != nil {
		return false, fmt.Errorf("own network namespace: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false, fmt.Errorf("stat %s: %w", f.Name(), err)
	}
	return st.Dev == home.Dev && st.Ino == home.Ino, nil
}

// onThread runs f on a thread of its own, never on the main one: /proc/self is
// the main thread, and others read it. f returns whether the thread is clean;
// one that is not dies with its goroutine (runtime.LockOSThread).
func onThread(f func() (clean bool)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// Holding the main thread makes the next goroutine run elsewhere.
			onThread(f)
			runtime.UnlockOSThread()
			return
		}
		if f() {
			runtime.UnlockOSThread()
		}
	}()
	<-done
}

// Do runs f on a locked OS thread that stands in the namespace at path. Only
// system calls made by f itself are inside: goroutines that f starts are not.
// Sockets that f opens stay in the namespace when they are used afterwards. If
// the thread cannot be moved back, it is destroyed, never reused. f must not
// call runtime.Goexit (so no testing.T.FailNow).
func Do(path string, f func() error) error {
	ns, err := Open(path)
	if err != nil {
		return err
	}
	defer ns.Close()
	return DoFile(ns, f)
}

// DoFile is Do for a namespace that is already open.
func DoFile(ns *os.File, f func() error) error {
	var err error
	var panicked any
	onThread(func() (clean bool) {
		home, herr := os.Open("/proc/thread-self/ns/net")
		if herr != nil {
			err = fmt.Errorf("own network namespace: %w", herr)
			return true
		}
		defer home.Close()
		if serr := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); serr != nil {
			err = fmt.Errorf("enter network namespace %s: %w", ns.Name(), serr)
			return true
		}
		defer func() { clean = unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil }()
		defer func() { panicked = recover() }()
		err = errors.New("function left its thread with Goexit") // unless it returns
		err = f()
		return true
	})
	if panicked != nil {
		panic(panicked)
	}
	return err
}

// Create makes a new, empty network namespace and pins it at path, so that it
// lives without any process. The caller removes it with [Remove]. The
// directory must exist; a pin that is already there is an error.
func Create(ctx context.Context, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY|unix.O_CLOEXEC, 0o400)
	if err != nil {
		return fmt.Errorf("pin of a network namespace: %w", err)
	}
	f.Close()
	onThread(func() bool {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("new network namespace: %w", err)
			return true
		}
		if err = unix.Mount("/proc/thread-self/ns/net", path, "none", unix.MS_BIND, ""); err != nil {
			err = fmt.Errorf("pin the network namespace at %s: %w", path, err)
		}
		return false // it stands in the new namespace: let it die
	})
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// Scratch runs f in a new network namespace that nobody else sees; it goes away
// with the last file or socket that f leaves open in it.
func Scratch(f func(ns *os.File) error) error {
	var err error
	onThread(func() bool {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("new network namespace: %w", err)
			return true
		}
		var ns *os.File
		if ns, err = Open("/proc/thread-self/ns/net"); err == nil {
			defer ns.Close()
			err = f(ns)
		}
		return false
	})
	return err
}

// Remove removes a pin made by [Create]; the kernel frees the namespace when
// its last user is gone. Removing what is not there is no error.
func Remove(path string) error {
	// Stacked pins come from propagation between mount namespaces: take all.
	for range 16 {
		err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil {
			return fmt.Errorf("unpin the network namespace %s: %w", path, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("unpin the network namespace %s: %w", filepath.Base(path), err)
	}
	return nil
}
