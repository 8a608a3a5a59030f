// Command hostdiff compares a host before and after a lab: namespaces, mounts,
// links, cgroups of every hierarchy, loop devices, sysctls, processes, sockets,
// and the files of $SITULAB_HOME/labs and the run directory. It is a program of
// its own, so that what situlab says of itself is not what is believed.
//
//	hostdiff take FILE       writes the present state
//	hostdiff compare FILE    prints what differs now; exit code 1 if anything does
//
// What is compared must have been started below the shell or script that runs
// hostdiff, or below one of its ancestors.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/situlab/situlab/labnet/host"
)

// settle is how long the kernel may take to free a dead namespace or cgroup.
const settle = 20 * time.Second

// shown is how many differences are printed.
const shown = 200

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: hostdiff take|compare FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "hostdiff:", err)
		os.Exit(1)
	}
}

// state is what the file holds.
type state struct {
	Objects   host.Snapshot `json:"objects"`
	Processes table         `json:"processes"`
}

func take() (s state, err error) {
	if s.Objects, err = host.TakeSnapshot(); err != nil {
		return s, err
	}
	s.Processes, err = takeProcesses()
	return s, err
}

func (s state) diff(after state) []string {
	return append(s.Objects.Diff(after.Objects, foreign), s.Processes.diff(after.Processes)...)
}

func run(verb, file string) error {
	switch verb {
	case "take":
		s, err := take()
		if err != nil {
			return err
		}
		b, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return os.WriteFile(file, b, 0o600)
	case "compare":
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var before state
		if err := json.Unmarshal(b, &before); err != nil {
			return err
		}
		return compare(before)
	}
	return fmt.Errorf("unknown verb %q", verb)
}

func compare(before state) error {
	deadline := time.Now().Add(settle)
	for {
		after, err := take()
		if err != nil {
			return err
		}
		diff := before.diff(after)
		if len(diff) == 0 {
			fmt.Println("hostdiff: the host is as it was before")
			return nil
		}
		if time.Now().After(deadline) {
			n := len(diff)
			if n > shown {
				diff = append(diff[:shown], "...")
			}
			return fmt.Errorf("%d differences:\n%s", n, strings.Join(diff, "\n"))
		}
		time.Sleep(500 * time.Millisecond) // the kernel frees in the background and tells nobody
	}
}

// foreign are differences that a lab cannot make: the cgroups beside our own,
// which the session's manager makes and removes. Processes have a rule of their
// own ([table.diff]).
func foreign(kind, object string) bool {
	switch kind {
	case "process":
		return true
	case "cgroup":
		return !containsAny(object, []string{"situlab", "runc"}) && slices.ContainsFunc(besideUs(), func(dir string) bool {
			return strings.Contains(object, dir)
		})
	}
	return false
}

func containsAny(s string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

// besideUs lists the cgroups that hold our own cgroup, the roots left out.
var besideUs = sync.OnceValue(func() []string {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	var dirs []string
	for line := range strings.Lines(string(b)) { // ID:CONTROLLERS:PATH
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 {
			if parent := path.Dir(f[2]); parent != "/" && parent != "." {
				dirs = append(dirs, parent+"/")
			}
		}
	}
	return dirs
})
