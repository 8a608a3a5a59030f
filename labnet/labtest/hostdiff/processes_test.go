package main

import (
	"encoding/json"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/situlab/situlab/labnet/labtest"
)

// made is a table of processes: number, start and parent of each; the looking
// program is the last.
func made(ps ...[3]int) table {
	t := table{All: map[int]labtest.Process{}, Line: map[int]string{}}
	for _, p := range ps {
		t.All[p[0]] = labtest.Process{PID: p[0], Start: uint64(p[1]), Parent: p[2], State: "S"}
	}
	t.Own = ancestors(t.All, ps[len(ps)-1][0])
	return t
}

func TestProcessRule(t *testing.T) {
	// 1 init, 10 our shell, 11 our script, 20 somebody's shell, 30 a daemon.
	before := func(more ...[3]int) table {
		return made(slices.Concat([][3]int{{1, 1, 0}, {10, 5, 1}, {11, 6, 10}, {20, 5, 1}, {30, 2, 1}}, more, [][3]int{{90, 9, 11}})...)
	}
	after := func(more ...[3]int) table {
		return made(slices.Concat([][3]int{{1, 1, 0}, {10, 5, 1}, {11, 6, 10}, {20, 5, 1}, {30, 2, 1}}, more, [][3]int{{95, 50, 11}})...)
	}
	for _, c := range []struct {
		name          string
		before, after table
		want          []string
	}{
		{"nothing has changed", before(), after(), nil},
		{"an orphan", before(), after([3]int{40, 20, 1}), []string{"+40"}},
		{"an orphan and its child", before(), after([3]int{40, 20, 1}, [3]int{41, 21, 40}), []string{"+40", "+41"}},
		{"a child of the script that goes on", before(), after([3]int{40, 20, 11}), []string{"+40"}},
		{"an orphan kept by our shell, a subreaper", before(), after([3]int{40, 20, 10}), []string{"+40"}},
		{"somebody's command and its child", before(), after([3]int{40, 20, 20}, [3]int{41, 21, 40}), nil},
		{"a daemon's child", before(), after([3]int{40, 20, 30}), nil},
		{"a new shell that looks", before(), made([3]int{1, 1, 0}, [3]int{10, 5, 1}, [3]int{11, 6, 10}, [3]int{20, 5, 1}, [3]int{30, 2, 1}, [3]int{60, 40, 1}, [3]int{95, 50, 60}), nil},
		{"a daemon is gone", before(), made([3]int{1, 1, 0}, [3]int{10, 5, 1}, [3]int{11, 6, 10}, [3]int{20, 5, 1}, [3]int{95, 50, 11}), []string{"-30"}},
		{"a decoy of the script is gone", before([3]int{40, 7, 11}), after(), []string{"-40"}},
		{"somebody's command is gone, with its child", before([3]int{40, 7, 20}, [3]int{41, 7, 40}), after(), nil},
		{"a daemon's child is gone", before([3]int{40, 7, 30}), after(), nil},
		{"an orphan of before is gone", before([3]int{40, 7, 1}), after(), []string{"-40"}},
		{"a number used again", before([3]int{40, 7, 1}), after([3]int{40, 22, 1}), []string{"+40", "-40"}},
		{"entered from outside", before(), after([3]int{40, 20, 0}), nil},
		{"an orphan of a shell that entered from outside", made([3]int{1, 1, 0}, [3]int{10, 5, 0}, [3]int{90, 9, 10}),
			made([3]int{1, 1, 0}, [3]int{10, 5, 0}, [3]int{40, 20, 1}, [3]int{95, 50, 10}), []string{"+40"}},
	} {
		got := c.before.diff(c.after)
		for i := range got {
			got[i] = got[i][:1] + strings.Fields(got[i])[1]
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	kernel := after([3]int{40, 20, 1})
	worker := kernel.All[40]
	worker.Kernel = true
	kernel.All[40] = worker
	if got := before().diff(kernel); len(got) > 0 {
		t.Errorf("a thread of the kernel: %v", got)
	}
}

// TestOrphan leaves a real orphan, under a name that is nobody's.
func TestOrphan(t *testing.T) {
	taken, err := takeProcesses()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(taken)
	if err != nil {
		t.Fatal(err)
	}
	var before table
	if err := json.Unmarshal(text, &before); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(before.Own, taken.Own) || len(before.All) != len(taken.All) {
		t.Error("what is written is not what was taken")
	}
	out, err := exec.Command("sh", "-c", "sleep 86417 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	if err := json.Unmarshal(out, &pid); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	found := func() bool {
		after, err := takeProcesses()
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(before.diff(after), func(d string) bool { return strings.Contains(d, "sleep 86417") })
	}
	if !found() {
		t.Error("an orphan is not seen")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(settle); found(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("an orphan that is dead is still seen")
		}
	}
}
