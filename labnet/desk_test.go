package labnet_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/host"
)

// TestMain lets the test's own binary play the session that is killed.
func TestMain(m *testing.M) {
	if id := os.Getenv("LABTEST_DESK"); id != "" {
		if _, err := labnet.NewDesk(id); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("stands")
		select {}
	}
	os.Exit(m.Run())
}

func deskMounted(t *testing.T, id string) bool {
	t.Helper()
	points, err := host.MountsUnder(filepath.Join(host.Run(), "desk", id))
	if err != nil {
		t.Fatal(err)
	}
	return len(points) > 0
}

// gc sweeps the desk of a session that was killed, also while labs run, and never
// that of a session that lives, also while no lab runs.
func TestGCSweepsDesksOfTheDead(t *testing.T) {
	ownPlace(t)
	mine, err := labnet.NewDesk("20260101-000000-aaaaaa")
	if err != nil {
		t.Fatal(err)
	}
	const theirs = "20260101-000000-bbbbbb"
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "LABTEST_DESK="+theirs)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "stands\n" {
		t.Fatalf("the other session: %q, %v", line, err)
	}
	if removed, err := labnet.GC(t.Context(), nil); err != nil || len(removed) > 0 {
		t.Errorf("gc removed %v, %v", removed, err)
	}
	if !deskMounted(t, theirs) || !deskMounted(t, filepath.Base(mine.Dir())) {
		t.Fatal("the desk of a session that lives is gone")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// Another's lab, as far as gc is concerned.
	if err := os.MkdirAll(host.LabState("t-other"), 0o711); err != nil {
		t.Fatal(err)
	}
	lock, err := host.Lock(filepath.Join(host.LabState("t-other"), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := labnet.GC(t.Context(), nil); err != nil || !slices.Equal(removed, []string{"desk " + theirs}) {
		t.Errorf("gc removed %v, %v", removed, err)
	}
	if deskMounted(t, theirs) || !deskMounted(t, filepath.Base(mine.Dir())) {
		t.Error("the wrong desk is gone")
	}
	for range 2 {
		if err := mine.Close(); err != nil {
			t.Error(err)
		}
	}
	lock.Close()
	if removed, err := labnet.GC(t.Context(), nil); err != nil || !slices.Equal(removed, []string{"lab t-other"}) {
		t.Errorf("gc removed %v, %v", removed, err)
	}
	if left, err := os.ReadDir(host.Run()); !os.IsNotExist(err) {
		t.Errorf("left: %v, %v", left, err)
	}
}
