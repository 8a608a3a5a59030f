package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/host"
)

// GuardVerb is the hidden first argument that makes situlab the guard of a
// session's lab.
const GuardVerb = "__guard"

// guard is a small process beside the controller: when that dies without having
// dismissed it, it stops the nodes, so that the candidate does nothing that
// nobody records.
type guard struct {
	cmd  *exec.Cmd
	life *os.File // its other end is read by the guard
}

// halted is what a guard leaves in the lab's state.
type halted struct {
	// DiedNS and HaltedNS are CLOCK_BOOTTIME in nanoseconds: when the controller
	// was found dead, and when the last node stood still.
	DiedNS   int64  `json:"died_ns"`
	HaltedNS int64  `json:"halted_ns"`
	Error    string `json:"error,omitempty"`
}

func haltedFile(lab string) string { return filepath.Join(host.LabState(lab), "halted") }

// startGuard starts the guard of a lab.
func startGuard(lab string) (*guard, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe", GuardVerb, lab)
	cmd.Args[0] = "situlab"
	cmd.ExtraFiles, cmd.Dir = []*os.File{r}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, fmt.Errorf("the guard of lab %s: %w", lab, err)
	}
	return &guard{cmd, w}, nil
}

// dismiss ends the guard: the session has nothing more to watch over.
func (g *guard) dismiss() error {
	if g == nil {
		return nil
	}
	_, err := g.life.WriteString("bye\n")
	return errors.Join(err, g.life.Close(), g.cmd.Wait())
}

// GuardMain is the guard's whole life; descriptor 3 ends with the controller. The
// result is the exit status.
func GuardMain(lab string) int {
	said, _ := io.ReadAll(os.NewFile(3, "life"))
	if bytes.HasPrefix(said, []byte("bye")) {
		return 0
	}
	h := halted{DiedNS: bootNow()}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := labnet.Halt(ctx, lab); err != nil {
		h.Error = err.Error()
	}
	h.HaltedNS = bootNow()
	b, err := json.Marshal(h)
	if err == nil {
		err = os.WriteFile(haltedFile(lab)+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(haltedFile(lab)+".new", haltedFile(lab))
	}
	if err != nil || h.Error != "" {
		return 1 // the lab has gone with its controller, or who resumes sees it
	}
	return 0
}

// guardPatience is how long a resume waits for the guard to have stopped all.
const guardPatience = 3 * time.Second

// readHalted says what the guard has done; the zero value if there was none.
func readHalted(lab string) halted {
	var h halted
	for end := time.Now().Add(guardPatience); ; time.Sleep(50 * time.Millisecond) {
		b, err := os.ReadFile(haltedFile(lab))
		if err == nil && json.Unmarshal(b, &h) == nil {
			_ = os.Remove(haltedFile(lab)) // the next one will say for itself
			return h
		}
		if time.Now().After(end) {
			return h
		}
	}
}

func bootNow() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}
