package oci

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// boundLab is a lab without nodes: only its walls.
const boundLab = "qzbound"

// file reads a file of a controller's cgroup.
func file(t *testing.T, h hierarchies, controller, cgroup, v1, v2 string) string {
	t.Helper()
	dir, ok := h.with(controller, cgroup)
	name := v1
	if !ok {
		dir, _ = h.unified(cgroup)
		name = v2
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// join puts a process into a cgroup of the controllers memory and pids.
func join(t *testing.T, h hierarchies, cgroup string, pid int) {
	t.Helper()
	for _, c := range []string{"memory", "pids"} {
		dir, err := h.group(c, cgroup)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// Two groups that may use 256 MiB and 1000 processes each share a wall of 64 MiB
// and 20: the second finds no room, although its own limit is far.
func TestWall(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("root is needed")
	}
	h, err := detectCGroups()
	if err != nil {
		t.Fatal(err)
	}
	one, two := cgroupOf(boundLab, "one"), cgroupOf(boundLab, "two")
	t.Cleanup(func() {
		for _, g := range []string{one, two} {
			if err := h.remove(context.Background(), g); err != nil {
				t.Error(err)
			}
		}
		h.removeEmpty(labCGroup(boundLab))
		h.removeEmpty("/" + cgroupRoot)
	})
	if err := h.wall(boundLab, 64<<20, 20); err != nil {
		t.Fatal(err)
	}
	for _, g := range []string{one, two} {
		if err := h.bound(g, 256<<20, 1000); err != nil {
			t.Fatal(err)
		}
	}
	if got := file(t, h, "memory", labCGroup(boundLab), "memory.limit_in_bytes", "memory.max"); got != strconv.Itoa(64<<20) {
		t.Errorf("the lab may use %s bytes", got)
	}
	all, err := strconv.ParseInt(file(t, h, "memory", "/"+cgroupRoot, "memory.limit_in_bytes", "memory.max"), 10, 64)
	if err != nil || all <= 0 || all > int64(hostMemory(t)) {
		t.Errorf("all labs may use %d bytes of the host's %d (%v)", all, hostMemory(t), err)
	}

	hold := func(group string, mib int) (*exec.Cmd, string) {
		t.Helper()
		cmd := exec.Command("sh", "-c", "read go && exec perl -e '$| = 1; my $s = \"\"; $s .= \"x\" x (1 << 20) for 1.."+strconv.Itoa(mib)+"; print qq(full\n); sleep 1000'")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		join(t, h, group, cmd.Process.Pid)
		if _, err := io.WriteString(in, "go\n"); err != nil {
			t.Fatal(err)
		}
		line, _ := bufio.NewReader(out).ReadString('\n')
		return cmd, line
	}
	if _, line := hold(one, 24); line != "full\n" {
		t.Fatal("24 MiB do not fit behind a wall of 64")
	}
	cmd, line := hold(two, 60)
	err = cmd.Wait()
	var exit *exec.ExitError
	if line != "" || !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("24 and 60 MiB fit behind a wall of 64: %q, %v", line, err)
	}

	forks := exec.Command("sh", "-c", `read go && exec perl -e 'my @k; while (@k < 100) { my $p = fork; last unless defined $p; if (!$p) { sleep 1000; exit } push @k, $p } kill 9, @k; waitpid $_, 0 for @k; print @k+0'`)
	in, err := forks.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	forks.Stdout = &out
	if err := forks.Start(); err != nil {
		t.Fatal(err)
	}
	join(t, h, two, forks.Process.Pid)
	if _, err := io.WriteString(in, "go\n"); err != nil {
		t.Fatal(err)
	}
	if err := forks.Wait(); err != nil {
		t.Fatal(err)
	}
	// With perl itself and what holds the memory there are 20.
	if n, err := strconv.Atoi(out.String()); err != nil || n == 0 || n > 18 {
		t.Errorf("%q forks behind a wall of 20 processes", out.String())
	}
}

func hostMemory(t *testing.T) uint64 {
	t.Helper()
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	return info.Totalram * uint64(info.Unit)
}

func TestShares(t *testing.T) {
	for _, mounts := range []string{mountV1, mountV2} {
		h, err := parseHierarchies([]byte(mounts))
		if err != nil {
			t.Fatal(err)
		}
		root, file := t.TempDir(), "cpu.shares"
		for i := range h.all {
			h.all[i].root = root
		}
		if h.mode == V2 {
			file = "cpu.weight"
		}
		for shares, want := range map[uint64]map[Mode]string{
			0: {V1: "2", V2: "1"}, 1024: {V1: "1024", V2: "39"}, 131072: {V1: "131072", V2: "5000"}, 1 << 30: {V1: "262144", V2: "10000"},
		} {
			if err := h.setShares("/", shares); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(root, file))
			if err != nil || string(got) != want[h.mode] {
				t.Errorf("%s: %d shares become %q, %v; want %s", h.mode, shares, got, err, want[h.mode])
			}
			_ = os.Remove(filepath.Join(root, file))
		}
	}
}

// In version 2 a limit exists only where the groups above pass its controller on.
func TestBoundUnified(t *testing.T) {
	h, err := parseHierarchies([]byte(mountV2))
	if err != nil {
		t.Fatal(err)
	}
	h.all[0].root = t.TempDir()
	if err := h.bound(labCGroup("l"), 1<<30, 4096); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"cgroup.subtree_control": "+pids", "situlab/cgroup.subtree_control": "+pids",
		"situlab/l/memory.max": "1073741824", "situlab/l/pids.max": "4096",
	} {
		if got, err := os.ReadFile(filepath.Join(h.all[0].root, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(h.all[0].root, "situlab/l/cgroup.subtree_control")); !os.IsNotExist(err) {
		t.Errorf("the lab's own group passes controllers on (%v): runc's work", err)
	}
}
