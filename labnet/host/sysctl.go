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
	{"fs.fanotify.max_user_groups", func(n int) int { return max(128, n+64) }, "the files of each node are watched by a group of its own"},
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

// raisedLimits is what all controllers of the host know of them together,
// whatever their run directories are.
type raisedLimits struct {
	Sysctls map[string]raised `json:"sysctls"`
	// Nodes are how many the labs of a run directory have.
	Nodes map[string]int `json:"nodes"`
}

// limitsDir holds that while labs run.
var limitsDir = "/run"

func limitsFile() string { return filepath.Join(limitsDir, "situlab-limits.json") }

// withLimits runs f with what was raised, under a lock that all controllers of
// the host share, and writes it back.
func withLimits(f func(l *raisedLimits) error) error {
	lock, err := Lock(filepath.Join(limitsDir, "situlab-limits.lock"))
	if err != nil {
		return Errorf("run as root", "the lock of the host's limits: %w", err)
	}
	defer lock.Close()
	l := &raisedLimits{}
	if b, err := os.ReadFile(limitsFile()); err == nil {
		if err := json.Unmarshal(b, l); err != nil {
			return fmt.Errorf("read %s: %w", limitsFile(), err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if l.Nodes == nil {
		*l = raisedLimits{map[string]raised{}, map[string]int{}}
	}
	err = errors.Join(f(l), l.save())
	if len(l.Sysctls)+len(l.Nodes) == 0 {
		_ = os.Remove(lock.Name())
	}
	return err
}

func (l *raisedLimits) save() error {
	if len(l.Sysctls)+len(l.Nodes) == 0 {
		err := os.Remove(limitsFile())
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	tmp := limitsFile() + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, limitsFile())
}

// prune forgets the run directories in which no lab is.
func (l *raisedLimits) prune() {
	for run := range l.Nodes {
		if labs, _ := os.ReadDir(filepath.Join(run, "labs")); len(labs) == 0 {
			delete(l.Nodes, run)
		}
	}
}

// RaiseLimits raises the sysctls that the nodes of all labs need: so many in the
// labs of this run directory, and those of others. The old values are saved
// before anything changes, so that a killed controller loses nothing.
func RaiseLimits(nodes int) error {
	return withLimits(func(all *raisedLimits) error {
		all.prune()
		all.Nodes[Run()] = nodes
		nodes = 0
		for _, n := range all.Nodes {
			nodes += n
		}
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
			r := all.Sysctls[l.key]
			if !slices.Contains(r.Set, now) { // not ours: it is what will be put back
				r = raised{Was: now}
			}
			r.Set = append(r.Set, want)
			all.Sysctls[l.key] = r
			todo = append(todo, change{l, now, want})
		}
		if len(todo) == 0 {
			return nil
		}
		if err := all.save(); err != nil {
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

// RestoreLimits puts the sysctls back when no lab of the host runs any more; one
// that somebody else has set meanwhile stays as it is. A lab makes its state
// directory before it raises anything: under the lock none can slip in between
// the look and the writing.
func RestoreLimits() error {
	return withLimits(func(all *raisedLimits) error {
		all.prune()
		if len(all.Nodes) > 0 {
			return nil
		}
		for key, r := range all.Sysctls {
			now, err := readSysctl(key)
			if err == nil && slices.Contains(r.Set, now) {
				err = writeSysctl(key, r.Was)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("put %s back to %d: %w", key, r.Was, err)
			}
			delete(all.Sysctls, key)
		}
		return nil
	})
}
