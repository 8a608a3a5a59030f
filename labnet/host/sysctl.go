package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// limit is a sysctl that must be at least a number while labs run.
type limit struct {
	key  string
	need func(nodes int) int // of all labs together
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

// sysctls is where the kernel shows them.
var sysctls = "/proc/sys"

func sysctlPath(key string) string {
	return filepath.Join(sysctls, strings.ReplaceAll(key, ".", "/"))
}

func readSysctl(key string) (int, error) {
	b, err := os.ReadFile(sysctlPath(key))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

func writeSysctl(key string, value int) error {
	return os.WriteFile(sysctlPath(key), []byte(strconv.Itoa(value)), 0)
}

// raised is a sysctl that we have changed.
type raised struct {
	Was int `json:"was"`
	// Set are the values that we gave it, one after the other: a controller that
	// was killed between the note and the deed had not given it the last.
	Set []int `json:"set"`
}

// limitsFile keeps what was raised while labs run.
func limitsFile() string { return filepath.Join(Run(), "limits.json") }

// withRaised runs f with what was raised, under a lock that all controllers of
// the host share, and writes it back.
func withRaised(f func(all map[string]raised) error) error {
	lock, err := lockLimits()
	if err != nil {
		return Errorf("run as root", "open the lock of the limits: %w", err)
	}
	defer lock.Close()
	all := map[string]raised{}
	if b, err := os.ReadFile(limitsFile()); err == nil {
		if err := json.Unmarshal(b, &all); err != nil {
			return fmt.Errorf("read %s: %w", limitsFile(), err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err = f(all)
	return errors.Join(err, saveRaised(all))
}

// lockLimits makes the run directory; whoever finds it empty may remove it under
// our hands.
func lockLimits() (*os.File, error) {
	for {
		if err := os.MkdirAll(Run(), 0o711); err != nil {
			return nil, err
		}
		f, err := Lock(filepath.Join(Run(), "sysctl.lock"))
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
}

func saveRaised(all map[string]raised) error {
	if len(all) == 0 {
		err := os.Remove(limitsFile())
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	tmp := limitsFile() + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, limitsFile())
}

// RaiseLimits raises the sysctls that this many nodes need: those of all labs of
// the host together. The old values are saved before anything changes, so that a
// killed controller loses nothing.
func RaiseLimits(nodes int) error {
	return withRaised(func(all map[string]raised) error {
		type change struct {
			limit
			now, want int
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
			want := l.need(nodes)
			if now >= want {
				continue
			}
			r := all[l.key]
			if !slices.Contains(r.Set, now) { // not ours: it is what will be put back
				r = raised{Was: now}
			}
			r.Set = append(r.Set, want)
			all[l.key] = r
			todo = append(todo, change{l, now, want})
		}
		if len(todo) == 0 {
			return nil
		}
		if err := saveRaised(all); err != nil {
			return err
		}
		for _, c := range todo {
			if err := writeSysctl(c.key, c.want); err != nil {
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

// RestoreLimits puts the sysctls back when no lab runs any more; one that
// somebody else has set meanwhile stays as it is. A lab makes its state directory
// before it raises anything: under the lock none can slip in between the look and
// the writing.
func RestoreLimits() error {
	return withRaised(func(all map[string]raised) error {
		if labs, _ := os.ReadDir(filepath.Dir(LabState("x"))); len(labs) > 0 {
			return nil
		}
		for key, r := range all {
			now, err := readSysctl(key)
			if err == nil && slices.Contains(r.Set, now) {
				err = writeSysctl(key, r.Was)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("put %s back to %d: %w", key, r.Was, err)
			}
			delete(all, key)
		}
		return nil
	})
}
