package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// stat is what is read of /proc/PID/stat (proc(5)).
type stat struct {
	parent int
	ticks  uint64 // user and system time, without children
}

// clockTicks is USER_HZ, 100 on every architecture that Linux runs Debian on.
const clockTicks = 100

func parseStat(text string) (stat, error) {
	// The name may hold spaces and brackets: the fields begin after the last one.
	i := strings.LastIndexByte(text, ')')
	f := strings.Fields(text[i+1:])
	if i < 0 || len(f) < 13 {
		return stat{}, fmt.Errorf("stat of a process: %q", text)
	}
	parent, err := strconv.Atoi(f[1])
	if err != nil {
		return stat{}, err
	}
	var ticks uint64
	for _, v := range f[11:13] {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return stat{}, err
		}
		ticks += n
	}
	return stat{parent, ticks}, nil
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(text))
}

func parentOf(pid int) (int, error) {
	s, err := readStat(pid)
	return s.parent, err
}

// family is a process and its descendants outside the nodes' cgroups: a
// controller with its helpers.
func family(pid int) []int {
	entries, _ := os.ReadDir("/proc")
	children := map[int][]int{}
	for _, e := range entries {
		p, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(p); err == nil {
			children[s.parent] = append(children[s.parent], p)
		}
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
	for _, p := range pids {
		if s, err := readStat(p); err == nil {
			seconds += float64(s.ticks) / clockTicks
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
