package session

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/situlab/situlab/grader/evidence"
)

// Bounds of a healthy host: beyond them the lab is starved and the candidate
// must not pay for it.
const (
	healthEvery   = 5 * time.Second
	flagAfter     = 60 * time.Second // out of band for so long is a flag
	pauseAfter    = 5 * time.Minute  // and for so long pauses the session
	controlFailed = 3                // red control samples in a row are out of band
)

// health follows the host and the untouched control service.
type health struct {
	path    []string // where the candidate can break the control service
	mu      sync.Mutex
	red     int // control samples red in a row
	latency float64
	since   time.Time // out of band since
	last    cpuTimes
}

// control takes a sample of the control probe into account.
func (h *health) control(p *evidence.ProbeSample) {
	if !p.Control {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.latency = p.LatencyMS
	if p.OK {
		h.red = 0
	} else {
		h.red++
	}
}

// forget drops what the control probe has shown: while the nodes are frozen it
// cannot show anything else.
func (h *health) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.red = 0
}

// sample measures the host now. A red control service is the host's failure only
// where the candidate cannot have broken it: not after a step on its path.
func (h *health) sample(now time.Time, f *footprint) evidence.HostHealth {
	explained := f.any(h.path)
	t := readCPU()
	h.mu.Lock()
	defer h.mu.Unlock()
	out := evidence.HostHealth{MemAvailableMB: memAvailable(), ControlOK: h.red < controlFailed, ControlLatencyMS: h.latency}
	if total := t.total - h.last.total; h.last.total > 0 && total > 0 {
		out.StealPercent = 100 * float64(t.steal-h.last.steal) / float64(total)
		out.LoadPercent = 100 * float64(total-(t.idle-h.last.idle)) / float64(total)
	}
	h.last = t
	out.OutOfBand = out.Starved() || !out.ControlOK && !explained
	switch {
	case !out.OutOfBand:
		h.since = time.Time{}
	case h.since.IsZero():
		h.since = now
	}
	if out.OutOfBand {
		out.OutOfBandSeconds = now.Sub(h.since).Seconds()
	}
	return out
}

// cpuTimes are the sums of /proc/stat in ticks (proc(5)).
type cpuTimes struct{ total, idle, steal uint64 }

func readCPU() cpuTimes {
	var t cpuTimes
	f, err := os.Open("/proc/stat")
	if err != nil {
		return t
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	if !sc.Scan() {
		return t
	}
	for i, w := range strings.Fields(sc.Text()) {
		n, err := strconv.ParseUint(w, 10, 64)
		if err != nil || i > 8 { // guest times are counted in user time already
			continue
		}
		t.total += n
		switch i {
		case 4, 5:
			t.idle += n
		case 8:
			t.steal = n
		}
	}
	return t
}

func memAvailable() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(b), "\n") {
		if v, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			return kb / 1024
		}
	}
	return 0
}
