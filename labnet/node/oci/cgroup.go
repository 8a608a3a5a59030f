package oci

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/host"
)

// Mode is the host's arrangement of control groups.
type Mode string

// The arrangements: only version 1; version 1 with the unified hierarchy beside
// it (systemd's "hybrid"); only version 2.
const (
	V1     Mode = "v1"
	Hybrid Mode = "hybrid"
	V2     Mode = "v2"
)

// hierarchy is one mounted cgroup file system.
type hierarchy struct {
	root        string
	controllers []string // v1 only: "memory", "name=systemd", ...
	unified     bool
}

// hierarchies are all of the host's.
type hierarchies struct {
	mode Mode
	all  []hierarchy
}

// detectCGroups reads what is mounted at and below /sys/fs/cgroup.
func detectCGroups() (hierarchies, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return hierarchies{}, err
	}
	return parseHierarchies(b)
}

// parseHierarchies is detectCGroups on the text of a mountinfo.
func parseHierarchies(mountinfo []byte) (hierarchies, error) {
	var h hierarchies
	sc := bufio.NewScanner(bytes.NewReader(mountinfo))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		left, right, ok := strings.Cut(sc.Text(), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 {
			continue
		}
		root := host.UnescapeMount(l[4])
		if root != "/sys/fs/cgroup" && !strings.HasPrefix(root, "/sys/fs/cgroup/") {
			continue
		}
		switch r[0] {
		case "cgroup2":
			h.all = append(h.all, hierarchy{root: root, unified: true})
		case "cgroup":
			var cs []string
			for _, o := range strings.Split(r[2], ",") {
				if o != "rw" && o != "ro" && o != "xattr" && o != "clone_children" && !strings.HasPrefix(o, "release_agent=") {
					cs = append(cs, o)
				}
			}
			h.all = append(h.all, hierarchy{root: root, controllers: cs})
		}
	}
	if err := sc.Err(); err != nil {
		return h, err
	}
	uni := slices.IndexFunc(h.all, func(x hierarchy) bool { return x.unified })
	switch {
	case len(h.all) == 0:
		return h, &HostError{What: "no control groups are mounted at /sys/fs/cgroup", Do: "mount them (systemd does) and retry"}
	case len(h.all) == 1 && uni == 0:
		h.mode = V2
	case uni >= 0:
		h.mode = Hybrid
	default:
		h.mode = V1
	}
	if h.mode != V2 && !slices.ContainsFunc(h.all, func(x hierarchy) bool { return x.has("name=systemd") }) {
		return h, &HostError{What: "the cgroup hierarchy name=systemd is missing",
			Do: "mount -t cgroup -o none,name=systemd systemd /sys/fs/cgroup/systemd"}
	}
	return h, nil
}

func (h hierarchy) has(controller string) bool { return slices.Contains(h.controllers, controller) }

// with returns the directory of the cgroup in the v1 hierarchy of a controller.
func (h hierarchies) with(controller, cgroup string) (string, bool) {
	for _, x := range h.all {
		if x.has(controller) {
			return filepath.Join(x.root, cgroup), true
		}
	}
	return "", false
}

// unified returns the directory of the cgroup in the version 2 hierarchy.
func (h hierarchies) unified(cgroup string) (string, bool) {
	for _, x := range h.all {
		if x.unified {
			return filepath.Join(x.root, cgroup), true
		}
	}
	return "", false
}

// delegate gives the node's root what its systemd needs: its directory in
// name=systemd and in version 2, never a hierarchy with a limit in version 1
// (threats D7). In version 2 the limits stay files of the host's root.
func (h hierarchies) delegate(cgroup string, base uint32) error {
	var files []string
	if d, ok := h.with("name=systemd", cgroup); ok {
		files = append(files, d, d+"/cgroup.procs", d+"/tasks")
	}
	if d, ok := h.unified(cgroup); ok {
		files = append(files, d, d+"/cgroup.procs", d+"/cgroup.threads", d+"/cgroup.subtree_control")
	}
	for _, f := range files {
		if err := os.Chown(f, int(base), int(base)); err != nil {
			return fmt.Errorf("hand over the cgroup: %w", err)
		}
	}
	return nil
}

// freeze stops or continues all processes of the cgroup and waits until the
// kernel says so.
func (h hierarchies) freeze(ctx context.Context, cgroup string, stop bool) error {
	if d, ok := h.with("freezer", cgroup); ok {
		want := "THAWED"
		if stop {
			want = "FROZEN"
		}
		file := filepath.Join(d, "freezer.state")
		return until(ctx, patience, "freezer of "+cgroup, func() (bool, error) {
			// Written again each time: a fork during the freeze can leave
			// FREEZING behind (kernel doc, freezer-subsystem).
			if err := os.WriteFile(file, []byte(want), 0); err != nil {
				return false, err
			}
			b, err := os.ReadFile(file)
			return strings.TrimSpace(string(b)) == want, err
		})
	}
	d, ok := h.unified(cgroup)
	if !ok {
		return &HostError{What: "this host has no freezer for control groups"}
	}
	val, want := "0", "frozen 0"
	if stop {
		val, want = "1", "frozen 1"
	}
	if err := os.WriteFile(filepath.Join(d, "cgroup.freeze"), []byte(val), 0); err != nil {
		return err
	}
	return until(ctx, patience, "freezer of "+cgroup, func() (bool, error) {
		b, err := os.ReadFile(filepath.Join(d, "cgroup.events"))
		return strings.Contains(string(b), want), err
	})
}

// procs lists the host pids in the cgroup and below, on every hierarchy.
func (h hierarchies) procs(cgroup string) []int {
	seen := map[int]bool{}
	for _, x := range h.all {
		_ = filepath.WalkDir(filepath.Join(x.root, cgroup), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.Name() != "cgroup.procs" {
				return nil //nolint:nilerr // a directory that went away holds no process
			}
			b, _ := os.ReadFile(p)
			for _, f := range strings.Fields(string(b)) {
				var pid int
				if _, err := fmt.Sscan(f, &pid); err == nil && pid > 0 {
					seen[pid] = true
				}
			}
			return nil
		})
	}
	var out []int
	for p := range seen {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// remove deletes the cgroup and its children on every hierarchy; the processes
// must be gone. A cgroup that never existed is no error.
func (h hierarchies) remove(ctx context.Context, cgroup string) error {
	if cgroup == "" || cgroup == "/" || filepath.Clean(cgroup) != cgroup {
		return fmt.Errorf("refusing to remove cgroup %q", cgroup)
	}
	return until(ctx, patience, "removal of cgroup "+cgroup, func() (bool, error) {
		left := false
		for _, x := range h.all {
			if err := removeTree(filepath.Join(x.root, cgroup)); err != nil {
				if !errors.Is(err, unix.EBUSY) {
					return false, err
				}
				left = true
			}
		}
		return !left, nil
	})
}

// removeTree removes a directory of a cgroup file system, children first; their
// control files cannot and need not be removed.
func removeTree(dir string) error {
	err := unix.Rmdir(dir)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	entries, rerr := os.ReadDir(dir)
	if rerr != nil {
		if errors.Is(rerr, os.ErrNotExist) {
			return nil
		}
		return rerr
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("rmdir %s: %w", dir, err)
	}
	return nil
}

// removeEmpty removes a parent cgroup on every hierarchy where nothing is left
// in it, and says nothing where something is.
func (h hierarchies) removeEmpty(cgroup string) {
	for _, x := range h.all {
		_ = unix.Rmdir(filepath.Join(x.root, cgroup))
	}
}

// patience bounds each wait for the kernel: far beyond what a loaded machine
// needs, so that only what hangs is given up.
const patience = 30 * time.Second

// until asks again, with growing pauses, until ok, an error or the limit: for
// kernel states that have no event to wait for.
func until(ctx context.Context, limit time.Duration, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	pause := time.Millisecond
	for {
		done, err := ok()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not done: %w", what, context.Cause(ctx))
		case <-time.After(pause):
			pause = min(2*pause, 50*time.Millisecond)
		}
	}
}
