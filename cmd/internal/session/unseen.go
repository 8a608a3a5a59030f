package session

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// clockTicks is the kernel's USER_HZ, in which /proc counts (proc_pid_stat(5)).
const clockTicks = 100

// begunSince lists the programs of a node that were begun after a moment (boot
// ns): "node pid name", the pid being the node's own.
func begunSince(name, cgroup string, bootNS int64) []string {
	var out []string
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		from, to := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
		if from < 0 || to < from {
			continue
		}
		f := strings.Fields(string(b[to+1:]))
		if len(f) < 20 {
			continue
		}
		// A tick is too coarse to tell: one more than too few.
		started, err := strconv.ParseInt(f[19], 10, 64)
		if err != nil || (started+1)*(1e9/clockTicks) <= bootNS {
			continue
		}
		dir := filepath.Dir(file)
		groups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
		if err != nil || !inGroup(string(groups), cgroup) {
			continue
		}
		out = append(out, fmt.Sprintf("%s %s %s", name, innerPID(dir), b[from+1:to]))
	}
	return out
}

// inGroup says whether a process is in a cgroup or below it, on any hierarchy.
func inGroup(groups, cgroup string) bool {
	for line := range strings.Lines(groups) {
		_, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":/")
		if ok && (("/"+path) == cgroup || strings.HasPrefix("/"+path, cgroup+"/")) {
			return true
		}
	}
	return false
}

// innerPID is the process id that the node itself uses.
func innerPID(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return "?"
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "NSpid:"); ok {
			f := strings.Fields(v)
			return f[len(f)-1]
		}
	}
	return "?"
}
