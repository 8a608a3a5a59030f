package oci_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/node/oci"
)

// killedLab is the lab of the controllers that are killed here.
const killedLab = "qzkilled"

// TestMain lets the test's own binary play the controller that is killed.
func TestMain(m *testing.M) {
	if state := os.Getenv("OCITEST_CONTROLLER"); state != "" {
		controller(state, os.Getenv("OCITEST_DISKS"), strings.Split(os.Getenv("OCITEST_LOWERS"), ":"))
		return
	}
	if state := os.Getenv("OCITEST_HOLDER"); state != "" {
		holder(state)
		return
	}
	code := m.Run()
	if left := childrenLeft(); left != "" {
		fmt.Printf("left behind at the end:\n%s", left)
		code = 1
	}
	os.Exit(code)
}

// childrenLeft lists what is still a child of the tests: as their process is a
// subreaper, that is all that they left. Orphans are reaped in the background.
func childrenLeft() (left string) {
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		left = ""
		files, _ := filepath.Glob("/proc/self/task/*/children")
		for _, f := range files {
			b, _ := os.ReadFile(f)
			for pid := range strings.FieldsSeq(string(b)) {
				st, _ := os.ReadFile("/proc/" + pid + "/stat")
				if !caughtInFork(string(st)) {
					left += fmt.Sprintf("process %.60s\n", st)
				}
			}
		}
		if left == "" {
			break
		}
	}
	return left
}

// caughtInFork says of a line of stat that the process ended without running a
// program of its own: the fork of a killed controller. Nothing tells it from a
// child that os/exec is about to start here, so nobody may reap it, and it holds
// nothing.
func caughtInFork(stat string) bool {
	const forkNoExec = 0x40 // PF_FORKNOEXEC
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 7 || f[0] != "Z" {
		return false
	}
	flags, err := strconv.ParseUint(f[6], 10, 64)
	return err == nil && flags&forkNoExec != 0
}

// holder holds a program of a node, as a terminal's holder does, until it is
// killed.
func holder(state string) {
	a, err := oci.Attach(state, attachLab, "n1")
	if err != nil {
		panic(err)
	}
	p, err := a.Spawn(context.Background(), node.Command{Args: []string{"sleep", "1000"}}, oci.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(p.PID)
	select {}
}

// TestKilledHolder kills the holder of a program, which so becomes a child of
// the node's controller, and then the node: as long as nobody reaps the program,
// the kernel does not let PID 1 end.
func TestKilledHolder(t *testing.T) {
	state := stateDir(t)
	_, n, _ := booted(t, state)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "OCITEST_HOLDER="+state)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Errorf("the holder does not work: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := n.Kill(ctx); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
		t.Errorf("the program %d of the killed holder was not reaped", pid)
	}
}

func killedSpec(disks string, lowers []string, i int) node.Spec {
	return node.Spec{Lab: killedLab, Name: fmt.Sprintf("k%d", i), Lowers: lowers,
		Disk: filepath.Join(disks, fmt.Sprintf("k%d", i)), IDBase: testIDs + uint32(100+i)*65536, Memory: 256 << 20}
}

// controller makes, starts, uses and reboots nodes until it is killed.
func controller(state, disks string, lowers []string) {
	rt, err := oci.New(oci.Config{State: state})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	for i := range 3 {
		go func() {
			for {
				n, err := rt.Create(ctx, killedSpec(disks, lowers, i))
				if err != nil {
					panic(err)
				}
				if err := n.Start(ctx); err != nil {
					panic(err)
				}
				go n.Exec(ctx, node.Command{Args: []string{"sleep", "1000"}, Terminal: true})
				select {
				case <-n.Ready():
				case <-time.After(300 * time.Millisecond):
				}
				if i == 2 {
					if err := n.Freeze(ctx); err != nil {
						panic(err)
					}
				}
				if err := n.Remove(ctx); err != nil {
					panic(err)
				}
			}
		}()
	}
	fmt.Println("working")
	select {}
}

// leftovers lists what a lab of the tests left on this host: found by its names
// and by its ids, not by our records.
func leftovers(t *testing.T, state, lab string) []string {
	t.Helper()
	var out []string
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if strings.Contains(line, state) {
			out = append(out, "mount "+line)
		}
	}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == lab {
			out = append(out, "cgroup "+p)
		}
		return nil
	})
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		cmd, _ := os.ReadFile(p + "/cmdline")
		m, _ := os.ReadFile(p + "/uid_map")
		var in, host, n uint32
		_, _ = fmt.Sscan(string(m), &in, &host, &n)
		if (host >= testIDs && host < testIDs+1000*65536) || strings.Contains(string(cmd), state) {
			st, _ := os.ReadFile(p + "/stat")
			if strings.Contains(string(st), ") Z 1 ") || strings.Contains(string(st), fmt.Sprintf(") Z %d ", os.Getpid())) {
				continue // ended; its parent has not looked yet, for ours TestMain counts at the end
			}
			out = append(out, fmt.Sprintf("process %s %q %.60s", p, cmd, st))
		}
	}
	_ = filepath.WalkDir(state, func(p string, _ fs.DirEntry, err error) error {
		if err == nil && p != state {
			out = append(out, "file "+p)
		}
		return nil
	})
	return out
}

// TestKilledController kills a controller at random moments; a sweep leaves
// nothing of it, and its disks can be used again.
func TestKilledController(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	low := lowers(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	disks := t.TempDir()
	runtime.LockOSThread() // the controllers die with this thread
	defer runtime.UnlockOSThread()
	for round := range rounds {
		state := stateDir(t)
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "OCITEST_CONTROLLER="+state, "OCITEST_DISKS="+disks, "OCITEST_LOWERS="+strings.Join(low, ":"))
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 8)); err != nil {
			t.Fatalf("the controller does not work: %v", err)
		}
		wait := time.Duration(rnd.IntN(1500)) * time.Millisecond
		time.Sleep(wait)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		began := time.Now()
		removed, err := oci.Sweep(ctx, state)
		t.Logf("killed after %v, swept in %v: %v", wait, time.Since(began), removed)
		cancel()
		if err != nil {
			t.Errorf("round %d, killed after %v: sweep: %v", round, wait, err)
		}
		if left := leftovers(t, state, killedLab); len(left) > 0 {
			t.Fatalf("round %d, killed after %v: swept %v, left:\n%s", round, wait, removed, strings.Join(left, "\n"))
		}
		if again, err := oci.Sweep(context.Background(), state); err != nil || len(again) != 0 {
			t.Errorf("round %d: a second sweep: %v %v", round, again, err)
		}
	}
	// The disks survived: a node boots from one.
	rt := newRuntime(stateDir(t))(t)
	n, err := rt.Create(t.Context(), killedSpec(disks, low, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Remove(t.Context()); err != nil {
		t.Error(err)
	}
	if err := rt.Close(); err != nil {
		t.Error(err)
	}
}

// TestSweepTouchesNothingElse sweeps beside another lab, a foreign cgroup, a
// foreign mount and a foreign process.
func TestSweepTouchesNothingElse(t *testing.T) {
	low := lowers(t)
	rt := newRuntime(stateDir(t))(t)
	other, err := rt.Create(t.Context(), node.Spec{Lab: "qzother", Name: "n1", Lowers: low, Disk: t.TempDir(), IDBase: testIDs + 50*65536})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := other.Remove(context.Background()); err != nil {
			t.Error(err)
		}
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	}()
	foreign := exec.Command("sleep", "600")
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = foreign.Process.Kill()
		_ = foreign.Wait()
	}()
	state := stateDir(t)
	mine := newRuntime(state)(t)
	if _, err := mine.Create(t.Context(), killedSpec(t.TempDir(), low, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := oci.Sweep(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	// The other lab's init is the one process in the range of test ids.
	if left := leftovers(t, state, killedLab); len(left) != 1 || !strings.HasPrefix(left[0], fmt.Sprintf("process /proc/%d ", other.PID())) {
		t.Errorf("left: %q", left)
	}
	if other.PID() == 0 {
		t.Error("another lab's node was killed")
	}
	if err := foreign.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("a foreign process was killed: %v", err)
	}
	if removed, err := oci.Sweep(t.Context(), filepath.Join(t.TempDir(), "nothing")); err != nil || len(removed) != 0 {
		t.Errorf("sweep of nothing: %v %v", removed, err)
	}
}
