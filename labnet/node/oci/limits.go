package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The walls around the nodes, from the inside out: each node has limits of its
// own (the bundle's), each lab a bound for all its nodes, all labs together a
// bound that leaves the host room. Where memory ends, the kernel kills the one
// process that holds the most of what is behind that wall, as it does on a
// machine; never a whole node (memory.oom.group stays 0).

// The parts of the host that labs may have: percent of its memory for all labs of the host's memory that all labs together may have, and
// of its processes, in percent: the rest is the host's and the controller's,
// which must go on recording.
const (
	memoryPart = 75
	pidsPart   = 50
)

// wall bounds a lab and all labs. The lab's group comes first: while it exists,
// nobody removes the one above.
func (h hierarchies) wall(lab string, memory, pids int64) error {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return fmt.Errorf("the host's memory: %w", err)
	}
	most := int64(info.Totalram) * int64(info.Unit) / 100 * memoryPart
	procs := int64(1 << 40)
	for _, key := range []string{"threads-max", "pid_max"} {
		b, err := os.ReadFile("/proc/sys/kernel/" + key)
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		if err != nil {
			return fmt.Errorf("kernel.%s: %w", key, err)
		}
		procs = min(procs, n*pidsPart/100)
	}
	if err := h.bound(labCGroup(lab), memory, pids); err != nil {
		return err
	}
	return h.bound("/"+cgroupRoot, most, procs)
}

// bound makes a cgroup, if need be, and limits the bytes and the processes of all
// that is below it; 0 is no limit.
func (h hierarchies) bound(cgroup string, memory, pids int64) error {
	memoryFile := "memory.limit_in_bytes"
	if h.mode == V2 {
		memoryFile = "memory.max"
	}
	for _, x := range []struct {
		controller, file string
		limit            int64
	}{{"memory", memoryFile, memory}, {"pids", "pids.max", pids}} {
		dir, err := h.group(x.controller, cgroup)
		if err == nil && x.limit > 0 {
			err = os.WriteFile(filepath.Join(dir, x.file), strconv.AppendInt(nil, x.limit, 10), 0)
		}
		if err != nil {
			return &HostError{What: fmt.Sprintf("the %s of a lab cannot be limited", x.controller), Err: err,
				Do: "the cgroup controllers memory and pids are needed (cgroup_enable=memory on the kernel's command line)"}
		}
	}
	return nil
}

// group makes the cgroup in a controller's hierarchy, if need be, and returns its
// directory. In version 2 the groups above must pass the controller on.
func (h hierarchies) group(controller, cgroup string) (string, error) {
	dir, ok := h.with(controller, cgroup)
	if !ok {
		if dir, ok = h.unified(cgroup); !ok || h.mode != V2 {
			return "", fmt.Errorf("the controller %s is not mounted", controller)
		}
	}
	err := os.MkdirAll(dir, 0o755)
	for range 10 { // another lab's end takes an empty one away
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return "", err
	}
	if h.mode != V2 {
		// What a child uses counts for its parents: the rule since Linux 5.11,
		// where the file is gone or says so.
		if controller == "memory" {
			_ = os.WriteFile(filepath.Join(dir, "memory.use_hierarchy"), []byte("1"), 0)
		}
		return dir, nil
	}
	above, _ := h.unified("/")
	for _, name := range strings.Split(strings.Trim(cgroup, "/"), "/") {
		// Refused where it is passed on already by a root that is not ours to
		// change; where it is not, the limit's file is missing.
		_ = os.WriteFile(filepath.Join(above, "cgroup.subtree_control"), []byte("+"+controller), 0)
		above = filepath.Join(above, name)
	}
	return dir, nil
}

// setShares gives a cgroup its weight at the processors, on the scale of
// node.Spec.CPUShares.
func (h hierarchies) setShares(cgroup string, shares uint64) error {
	shares = min(max(shares, 2), 262144)
	dir, ok := h.with("cpu", cgroup)
	file, value := "cpu.shares", shares
	if !ok {
		// The range 2 to 262144 becomes 1 to 10000, as runc does it.
		dir, _ = h.unified(cgroup)
		file, value = "cpu.weight", 1+(shares-2)*9999/262142
	}
	return os.WriteFile(filepath.Join(dir, file), strconv.AppendUint(nil, value, 10), 0)
}
