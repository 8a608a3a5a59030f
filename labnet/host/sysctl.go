package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// limit is a sysctl that must be at least a number while labs run.
type limit struct {
	key  string
	need func(nodes int) int
	why  string
}

// limits are charged to the host's root for all nodes together, whatever their
// id ranges (measured: mechanisms of the kernel's ucounts).
var limits = []limit{
	{"fs.inotify.max_user_instances", func(n int) int { return max(1024, 8*n+256) }, "systemd uses about 5 per node"},
	{"fs.inotify.max_user_watches", func(n int) int { return max(65536, 256*n) }, "one user for all nodes"},
	{"kernel.keys.maxkeys", func(n int) int { return max(2000, 4*n) }, "keyrings of the host's root"},
	{"kernel.pty.max", func(n int) int { return max(4096, 64*n) }, "pseudo-terminals are one pool for the host"},
	{"net.unix.max_dgram_qlen", func(int) int { return 512 }, "journals and readiness datagrams of all nodes starting together"},
}

func sysctlPath(key string) string {
	return "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
}

func readSysctl(key string) (int, error) {
	b, err := os.ReadFile(sysctlPath(key))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// withState runs f with the saved values of the sysctls, under a lock that all
// controllers of the host share, and writes them back.
func withState(f func(saved map[string]int) error) error {
	dir := Run()
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return Errorf("run as root", "create %s: %w", dir, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "sysctl.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return Errorf("run as root", "open the sysctl lock: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	file := filepath.Join(dir, "sysctl.json")
	saved := map[string]int{}
	if b, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(b, &saved); err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := f(saved); err != nil {
		return err
	}
	if len(saved) == 0 {
		err := os.Remove(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	b, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
}

// RaiseLimits raises the sysctls that this many more nodes need. The old values
// are saved before anything changes, so that a killed controller loses nothing.
func RaiseLimits(nodes int) error {
	return withState(func(saved map[string]int) error {
		type change struct {
			key       string
			now, want int
			why       string
		}
		var todo []change
		for _, l := range limits {
			now, err := readSysctl(l.key)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			if want := l.need(nodes); now < want {
				if _, ok := saved[l.key]; !ok {
					saved[l.key] = now
				}
				todo = append(todo, change{l.key, now, want, l.why})
			}
		}
		if len(todo) == 0 {
			return nil
		}
		b, err := json.Marshal(saved)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(Run(), "sysctl.json"), b, 0o600); err != nil {
			return err
		}
		for _, c := range todo {
			if err := os.WriteFile(sysctlPath(c.key), []byte(strconv.Itoa(c.want)), 0); err != nil {
				return &Error{
					What: fmt.Sprintf("%s is %d, too small for %d nodes (%s), and cannot be raised", c.key, c.now, nodes, c.why),
					Hint: fmt.Sprintf("as root on the host: sysctl -w %s=%d", c.key, c.want),
					Err:  err,
				}
			}
		}
		return nil
	})
}

// RestoreLimits puts the saved sysctls back when no lab runs any more. A lab
// makes its state directory before it raises anything: under the lock none can
// slip in between the look and the writing.
func RestoreLimits() error {
	return withState(func(saved map[string]int) error {
		if labs, _ := os.ReadDir(filepath.Dir(LabState("x"))); len(labs) > 0 {
			return nil
		}
		for key, was := range saved {
			// What could not be raised has nothing to be put back.
			if now, err := readSysctl(key); err == nil && now == was {
				delete(saved, key)
				continue
			}
			if err := os.WriteFile(sysctlPath(key), []byte(strconv.Itoa(was)), 0); err != nil {
				return fmt.Errorf("put %s back to %d: %w", key, was, err)
			}
			delete(saved, key)
		}
		return nil
	})
}
