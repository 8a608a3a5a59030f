package host

import (
	"os"
	"path/filepath"
)

// Home is where situlab keeps images, disks and sessions: $SITULAB_HOME, else
// /var/lib/situlab.
func Home() string {
	if h := os.Getenv("SITULAB_HOME"); h != "" {
		if abs, err := filepath.Abs(h); err == nil {
			return abs
		}
		return h
	}
	return "/var/lib/situlab"
}

// Run is where the state of running labs lives; it is empty after a power cut,
// like everything that it describes. $SITULAB_RUN overrides it.
func Run() string {
	if r := os.Getenv("SITULAB_RUN"); r != "" {
		return r
	}
	return "/run/situlab"
}

// LabState is the directory of a running lab's state.
func LabState(lab string) string { return filepath.Join(Run(), "labs", lab) }

// LabDisks is the directory of a lab's disk image and its mount point.
func LabDisks(lab string) string { return filepath.Join(Home(), "labs", lab) }
