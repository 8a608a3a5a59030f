package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/situlab/situlab/labnet/labtest"
)

// family is a process and its descendants outside the nodes' cgroups: a
// controller with its helpers.
func family(pid int) []int {
	all, _ := labtest.Processes()
	children := map[int][]int{}
	for _, p := range all {
		children[p.Parent] = append(children[p.Parent], p.PID)
	}
	var out []int
	todo := []int{pid}
	for len(todo) > 0 {
		p := todo[0]
		todo = todo[1:]
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p)); err != nil || strings.Contains(string(text), ":/situlab/") {
			continue
		}
		out = append(out, p)
		todo = append(todo, children[p]...)
	}
	return out
}

// memoryOf is the resident and the proportional set size of processes, in bytes.
func memoryOf(pids []int) (rss, pss float64) {
	for _, p := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		if err != nil {
			continue // ended meanwhile
		}
		m := kilobytes(string(text))
		rss, pss = rss+float64(m["Rss"]), pss+float64(m["Pss"])
	}
	return rss, pss
}

// cpuOf is the CPU time of processes, in seconds.
func cpuOf(pids []int) (seconds float64) {
	for _, pid := range pids {
		if p, err := labtest.ReadProcess(pid); err == nil {
			seconds += float64(p.Ticks) / labtest.ClockTicks
		}
	}
	return seconds
}

// cgroupCPU is the CPU time of all that ever ran in a cgroup, in seconds.
func cgroupCPU(dir string) (float64, error) {
	if text, err := os.ReadFile(filepath.Join(dir, "cpuacct.usage")); err == nil {
		ns, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
		return ns / 1e9, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "usage_usec "); ok {
			us, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			return us / 1e6, err
		}
	}
	return 0, fmt.Errorf("%s counts no CPU time", dir)
}
