package host

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrHeld says that another process holds a lock.
var ErrHeld = errors.New("held by another process")

// Lock waits for a lock file, making it if it is not there, and holds it until
// the file is closed or the process ends. Only its holder may delete the file;
// whoever then gets the lock of a deleted file tries again, so that two never
// hold a lock of the same name.
func Lock(path string) (*os.File, error) { return lock(path, unix.LOCK_EX) }

// TryLock is Lock without the wait: the error is [ErrHeld] if somebody has it.
func TryLock(path string) (*os.File, error) { return lock(path, unix.LOCK_EX|unix.LOCK_NB) }

func lock(path string, how int) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		for {
			if err = unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if err != nil {
			f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				err = ErrHeld
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		var ours, there unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &ours); err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if err := unix.Lstat(path, &there); err == nil && ours.Dev == there.Dev && ours.Ino == there.Ino {
			return f, nil
		}
		f.Close() // its last holder has deleted it
	}
}

// Held says whether somebody holds a lock file. Several may ask at once.
func Held(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}
