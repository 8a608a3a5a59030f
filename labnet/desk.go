package labnet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/host"
)

// Desk is the host's directory for the socket of a session, shown in the
// candidate's node: a small file system of its own, so that no path of the host
// shows there and nothing can be filled through it. It stands before its lab and
// after it. A lock that lies beside it, made first and deleted last, says whether
// its session lives.
type Desk struct {
	dir  string
	lock *os.File
}

func desks() string { return filepath.Join(host.Run(), "desk") }

const deskLock = ".lock"

// NewDesk makes the desk of a session and mounts it.
func NewDesk(session string) (*Desk, error) {
	d := &Desk{dir: filepath.Join(desks(), session)}
	for {
		if err := os.MkdirAll(desks(), 0o755); err != nil {
			return nil, host.Errorf("run as root", "create %s: %w", desks(), err)
		}
		var err error
		if d.lock, err = host.Lock(d.dir + deskLock); err == nil { // gc may be at it
			break
		}
		if !errors.Is(err, fs.ErrNotExist) { // the last session's end removes the directory
			return nil, host.Errorf("run as root", "the desk of session %s: %w", session, err)
		}
	}
	err := os.Mkdir(d.dir, 0o755)
	if err == nil {
		err = unix.Mount("situ", d.dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=64k,nr_inodes=16,mode=0755")
	}
	if err != nil {
		return nil, errors.Join(host.Errorf("run as root", "mount the desk: %w", err), d.Close())
	}
	return d, nil
}

// AdoptDesk takes over the desk of a session whose controller has died; what is
// missing of it is made. A session that lives is host.ErrHeld.
func AdoptDesk(session string) (*Desk, error) {
	d := &Desk{dir: filepath.Join(desks(), session)}
	lock, err := host.TryLock(d.dir + deskLock)
	if errors.Is(err, fs.ErrNotExist) {
		return NewDesk(session)
	}
	if err != nil {
		return nil, fmt.Errorf("the desk of session %s: %w", session, err)
	}
	d.lock = lock
	return d, nil
}

// Dir is where the session's socket belongs.
func (d *Desk) Dir() string { return d.dir }

// DeskHeld says whether the session lives.
func DeskHeld(session string) bool { return host.Held(filepath.Join(desks(), session+deskLock)) }

// Leave gives the desk up as it is, for AdoptDesk or gc.
func (d *Desk) Leave() error {
	if d.lock == nil {
		return nil
	}
	err := d.lock.Close()
	d.lock = nil
	return err
}

// Close removes the desk; twice is no error.
func (d *Desk) Close() error {
	if d.lock == nil {
		return nil
	}
	// What cannot be removed keeps its lock file, and loses the lock: gc tries.
	_, err := removeDesk(d.dir)
	d.lock.Close()
	d.lock = nil
	_ = os.Remove(desks()) // the last session's; others keep it
	return err
}

// removeDesk removes a desk whose lock is held, and the lock's file.
func removeDesk(dir string) (was bool, err error) {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return true, fmt.Errorf("unmount the desk: %w", err)
	}
	err = os.Remove(dir)
	was = !errors.Is(err, fs.ErrNotExist)
	if err != nil && was {
		return true, err
	}
	return was, os.Remove(dir + deskLock)
}

// sweepDesks removes the desks of sessions that live no more and are not kept.
func sweepDesks(kept []string) ([]string, error) {
	entries, _ := os.ReadDir(desks())
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), deskLock))
	}
	var removed []string
	var errs []error
	slices.Sort(names)
	for _, name := range slices.Compact(names) { // a desk and its lock have one
		if slices.Contains(kept, name) {
			continue
		}
		dir := filepath.Join(desks(), name)
		lock, err := host.TryLock(dir + deskLock)
		if errors.Is(err, host.ErrHeld) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		was, err := removeDesk(dir)
		lock.Close()
		if err != nil {
			errs = append(errs, fmt.Errorf("desk %s: %w", name, err))
		} else if was {
			removed = append(removed, "desk "+name)
		}
	}
	_ = os.Remove(desks())
	return removed, errors.Join(errs...)
}
