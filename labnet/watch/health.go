package watch

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// HostSample says how the host fares: a starved host makes a candidate slow
// without any fault of theirs.
type HostSample struct {
	BootNS int64
	// StealPercent of the CPU time since the sample before went to other guests
	// of the machine below, BusyPercent was used; of all cores together. Zero in
	// the first sample.
	StealPercent, BusyPercent float64
	// Load1 is the load average of a minute; Running and Processes are counts of
	// threads (proc(5), loadavg).
	Load1              float64
	Running, Processes int
	// MemAvailable in bytes.
	MemAvailable int64
}

// Health samples the host. Its methods may be called from several goroutines.
type Health struct {
	mu   sync.Mutex
	last [10]uint64
	any  bool
}

// NewHealth has no sample yet.
func NewHealth() *Health { return &Health{} }

// Sample reads /proc; percentages are of the time since the call before.
func (h *Health) Sample() (HostSample, error) {
	s := HostSample{BootNS: bootNow()}
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return s, fmt.Errorf("host health: %w", err)
	}
	cpu, err := parseCPU(string(b))
	if err != nil {
		return s, err
	}
	if b, err = os.ReadFile("/proc/loadavg"); err != nil {
		return s, fmt.Errorf("host health: %w", err)
	}
	if _, err := fmt.Sscanf(string(b), "%f %f %f %d/%d", &s.Load1, new(float64), new(float64), &s.Running, &s.Processes); err != nil {
		return s, fmt.Errorf("host health: /proc/loadavg: %w", err)
	}
	if b, err = os.ReadFile("/proc/meminfo"); err != nil {
		return s, fmt.Errorf("host health: %w", err)
	}
	_, rest, ok := strings.Cut(string(b), "MemAvailable:")
	if _, err := fmt.Sscan(rest, &s.MemAvailable); !ok || err != nil {
		return s, fmt.Errorf("host health: no MemAvailable in /proc/meminfo")
	}
	s.MemAvailable <<= 10
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.any {
		s.BusyPercent, s.StealPercent = shares(h.last, cpu)
	}
	h.last, h.any = cpu, true
	return s, nil
}

// The fields of a cpu line (proc(5)): guest times (8, 9) are in user and nice.
const (
	cpuIdle   = 3
	cpuIOWait = 4
	cpuSteal  = 7
)

func parseCPU(stat string) (cpu [10]uint64, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return cpu, fmt.Errorf("host health: /proc/stat begins with %q", line)
	}
	for i := range cpu {
		if i+1 < len(f) {
			if _, err := fmt.Sscan(f[i+1], &cpu[i]); err != nil {
				return cpu, fmt.Errorf("host health: /proc/stat: %w", err)
			}
		}
	}
	return cpu, nil
}

func shares(before, now [10]uint64) (busy, steal float64) {
	var d [10]float64
	sum := 0.0
	for i := range 8 {
		if now[i] > before[i] { // iowait may go backwards
			d[i] = float64(now[i] - before[i])
		}
		sum += d[i]
	}
	if sum == 0 {
		return 0, 0
	}
	return 100 * (sum - d[cpuIdle] - d[cpuIOWait] - d[cpuSteal]) / sum, 100 * d[cpuSteal] / sum
}
