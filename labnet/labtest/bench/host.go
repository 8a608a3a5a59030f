package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/host"
)

// hostFacts say what the figures were measured on.
type hostFacts struct {
	Taken    time.Time `json:"taken"`
	Situlab  string    `json:"situlab"`
	Kernel   string    `json:"kernel"`
	System   string    `json:"system"`
	CPUs     int       `json:"cpus"`
	CPU      string    `json:"cpu"`
	MemoryMB float64   `json:"memory_mb"`
	CGroup   string    `json:"cgroup"`
	Disk     string    `json:"disk"` // file system of the labs' disks
	Runc     string    `json:"runc"`
}

// same says whether measurements may stand in one book.
func (h hostFacts) same(o hostFacts) bool {
	o.Taken = h.Taken
	return h == o
}

func readHost(ctx context.Context, situlab string) (hostFacts, error) {
	h := hostFacts{Taken: time.Now(), CPUs: runtime.NumCPU()}
	version, err := exec.CommandContext(ctx, situlab, "version").Output()
	if err != nil {
		return h, fmt.Errorf("%s version: %w (make build)", situlab, err)
	}
	h.Situlab, _, _ = strings.Cut(strings.TrimSpace(string(version)), "\n")
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return h, err
	}
	h.Kernel = unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
	if text, err := os.ReadFile("/etc/os-release"); err == nil {
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
				h.System = strings.Trim(v, `"`)
			}
		}
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				h.CPU = strings.TrimSpace(v)
			}
		}
	}
	m, err := readMeminfo()
	if err != nil {
		return h, err
	}
	h.MemoryMB = float64(m["MemTotal"]) / 1e6
	h.CGroup = cgroupMode()
	home := host.Home()
	_ = os.MkdirAll(home, 0o711)
	if out, err := exec.CommandContext(ctx, "df", "--output=fstype", home).Output(); err == nil {
		f := strings.Fields(string(out))
		h.Disk = f[len(f)-1]
	}
	if out, err := exec.CommandContext(ctx, "runc", "--version").Output(); err == nil {
		h.Runc, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	}
	return h, nil
}

func cgroupMode() string {
	switch _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); {
	case err == nil:
		return "v2"
	default:
		if _, err := os.Stat("/sys/fs/cgroup/unified/cgroup.procs"); err == nil {
			return "hybrid"
		}
		return "v1"
	}
}

// readMeminfo is /proc/meminfo in bytes.
func readMeminfo() (map[string]int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil, err
	}
	return kilobytes(string(text)), nil
}

// kilobytes reads lines "Name:  123 kB", as meminfo and smaps have them.
func kilobytes(text string) map[string]int64 {
	out := map[string]int64{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 3 && f[2] == "kB" {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				out[strings.TrimSuffix(f[0], ":")] = n << 10
			}
		}
	}
	return out
}

// memAvailable is the median of a few looks, in bytes: the figure moves by
// some megabytes all the time.
func memAvailable(ctx context.Context) (float64, error) {
	var looks []float64
	for range 7 {
		m, err := readMeminfo()
		if err != nil {
			return 0, err
		}
		looks = append(looks, float64(m["MemAvailable"]))
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return 0, err
		}
	}
	v, _ := median(looks)
	return v, nil
}

// pause waits unless the bench is interrupted.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	v, _ := strconv.ParseFloat(first, 64)
	return v
}

// cpuTimes are the columns of the first line of /proc/stat, in ticks.
type cpuTimes []float64

// The columns (proc(5)).
const (
	idleColumn   = 3
	iowaitColumn = 4
	stealColumn  = 7
	cpuColumns   = 8 // the guest columns behind are part of user and nice
)

func readCPU() (cpuTimes, error) {
	f, err := os.Open("/proc/stat")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Scan()
	return parseCPU(sc.Text())
}

func parseCPU(line string) (cpuTimes, error) {
	f := strings.Fields(line)
	if len(f) < cpuColumns+1 || f[0] != "cpu" {
		return nil, fmt.Errorf("/proc/stat begins with %q", line)
	}
	out := make(cpuTimes, cpuColumns)
	for i := range out {
		v, err := strconv.ParseFloat(f[i+1], 64)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (c cpuTimes) since(before cpuTimes) cpuTimes {
	if len(before) != len(c) {
		return make(cpuTimes, cpuColumns)
	}
	out := make(cpuTimes, len(c))
	for i := range c {
		out[i] = c[i] - before[i]
	}
	return out
}

func (c cpuTimes) total() (t float64) {
	for _, v := range c {
		t += v
	}
	return t
}

func (c cpuTimes) stealPercent() float64 {
	if t := c.total(); t > 0 {
		return 100 * c[stealColumn] / t
	}
	return 0
}

// busyPercent is what all cores worked, in percent of one core.
func (c cpuTimes) busyPercent() float64 {
	t := c.total()
	if t == 0 {
		return 0
	}
	return 100 * float64(runtime.NumCPU()) * (t - c[idleColumn] - c[iowaitColumn] - c[stealColumn]) / t
}

// labPrefix begins the name of every lab of the bench.
const labPrefix = "bench-"

// otherLabs counts labs that are not ours: with them the figures mean little.
func otherLabs() int {
	entries, _ := os.ReadDir(filepath.Join(host.Run(), "labs"))
	n := 0
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), labPrefix) {
			n++
		}
	}
	return n
}
