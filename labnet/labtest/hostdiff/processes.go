package main

import (
	"fmt"
	"os"

	"github.com/situlab/situlab/labnet/labtest"
)

// reaper is who inherits an orphan that nobody else does.
const reaper = 1

// table is the processes of the host at one moment.
type table struct {
	All map[int]labtest.Process `json:"all"`
	// Line are the commands of All.
	Line map[int]string `json:"line"`
	// Own are the looking program and its ancestors.
	Own map[int]bool `json:"own"`
}

func takeProcesses() (table, error) {
	all, err := labtest.Processes()
	if err != nil {
		return table{}, err
	}
	t := table{All: all, Line: map[int]string{}, Own: ancestors(all, os.Getpid())}
	for pid, p := range all {
		t.Line[pid] = p.CommandLine()
	}
	return t, nil
}

// ancestors are a process and those above it.
func ancestors(all map[int]labtest.Process, pid int) map[int]bool {
	own := map[int]bool{}
	for ; pid > 0 && !own[pid]; pid = all[pid].Parent {
		own[pid] = true
	}
	return own
}

// has says whether the same process is in the table: its number may have been
// given to another since.
func (t table) has(p labtest.Process) bool {
	q, ok := t.All[p.PID]
	return ok && q.Start == p.Start
}

// diff lists the processes that are new and those that are gone. All count but
//
//   - threads of the kernel;
//   - the programs that looked, and their ancestors;
//   - those that others have started or ended, see [table.foreign].
func (t table) diff(after table) (out []string) {
	for pid, p := range after.All {
		if !p.Kernel && !t.has(p) && !after.Own[pid] && !after.foreign(t, p) {
			out = append(out, "+process "+describe(p, after.Line[pid]))
		}
	}
	for pid, p := range t.All {
		if !p.Kernel && !after.has(p) && !t.Own[pid] && !t.foreign(after, p) {
			out = append(out, "-process "+describe(p, t.Line[pid]))
		}
	}
	return out
}

// foreign says whether a process that only this table has (a new or a gone one)
// descends from one that the other table has too and does not lead here: another
// user's command, a job of cron. What a lab leaves never does. It was started
// below an ancestor of this program (by the same script or shell), and an orphan
// is given to an ancestor of the one that died, or to the reaper
// (PR_SET_CHILD_SUBREAPER, prctl(2)). Whoever came into this pid namespace from
// outside (docker exec) has no parent here.
func (t table) foreign(other table, p labtest.Process) bool {
	seen := map[int]bool{}
	for !seen[p.PID] {
		seen[p.PID] = true
		parent, ok := t.All[p.Parent]
		switch {
		case p.Parent == 0:
			return p.PID != reaper
		case !ok:
			return false // it ends at this moment; the next look will tell
		case parent.PID == reaper || t.Own[parent.PID]:
			return false
		case other.has(parent):
			return true
		}
		p = parent
	}
	return false
}

func describe(p labtest.Process, line string) string {
	zombie := ""
	if p.State == "Z" {
		zombie = " (dead, not reaped)"
	}
	return fmt.Sprintf("%d of %d: %s%s", p.PID, p.Parent, line, zombie)
}
