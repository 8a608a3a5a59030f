package labtest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Process is what /proc/PID/stat says (proc(5)).
type Process struct {
	PID int `json:"pid"`
	// Start is the time of its start in ticks since the host's: with PID it names
	// a process for good, even when the number is used again.
	Start  uint64 `json:"start"`
	Parent int    `json:"parent"`
	Name   string `json:"name"`
	State  string `json:"state"`
	// Kernel says that it is a thread of the kernel.
	Kernel bool `json:"kernel,omitempty"`
	// Ticks is the user and system time that it has used, without children.
	Ticks uint64 `json:"-"`
}

// ClockTicks is USER_HZ, 100 on every architecture that Linux runs Debian on.
const ClockTicks = 100

// kernelThread is PF_KTHREAD (linux/sched.h).
const kernelThread = 0x00200000

// Fields of /proc/PID/stat, counted from the state, which follows the name.
const (
	statState  = 0
	statParent = 1
	statFlags  = 6
	statUser   = 11
	statSystem = 12
	statStart  = 19
)

// ParseProcess reads the text of a /proc/PID/stat.
func ParseProcess(text string) (Process, error) {
	// The name may hold spaces and brackets: it ends with the last one.
	first, last := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if first < 0 || last < first {
		return Process{}, fmt.Errorf("stat of a process: %q", text)
	}
	f := strings.Fields(text[last+1:])
	if len(f) <= statStart {
		return Process{}, fmt.Errorf("stat of a process: %q", text)
	}
	p := Process{Name: text[first+1 : last], State: f[statState]}
	var err error
	number := func(s string) uint64 {
		n, nerr := strconv.ParseUint(s, 10, 64)
		if nerr != nil {
			err = fmt.Errorf("stat of a process: %w", nerr)
		}
		return n
	}
	p.PID, p.Parent = int(number(strings.TrimSpace(text[:first]))), int(number(f[statParent]))
	p.Kernel = number(f[statFlags])&kernelThread != 0
	p.Ticks = number(f[statUser]) + number(f[statSystem])
	p.Start = number(f[statStart])
	return p, err
}

// ReadProcess reads one process.
func ReadProcess(pid int) (Process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, err
	}
	return ParseProcess(string(text))
}

// Processes reads all processes of this process's pid namespace, by number.
func Processes() (map[int]Process, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	all := map[int]Process{}
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if p, err := ReadProcess(pid); err == nil { // else it has ended meanwhile
			all[pid] = p
		}
	}
	return all, nil
}

// CommandLine is a process's arguments, or its name without any.
func (p Process) CommandLine() string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
	if line := string(bytes.TrimSpace(bytes.ReplaceAll(text, []byte{0}, []byte{' '}))); err == nil && line != "" {
		return line
	}
	return "[" + p.Name + "]"
}
