package cable

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/labnet/cable/internal/netns"
)

// childDir tells this test's program to be a controller that will be killed.
const childDir = "CABLE_TEST_CHILD"

// child makes and changes a switch for ever.
func child(dir string) int {
	ctx := context.Background()
	pins := 0
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	for {
		s, err := NewSwitch(ctx, Config{Lab: "killed", StateDir: dir})
		if err != nil {
			return fail(err)
		}
		fmt.Println("made")
		for _, id := range []string{"a", "b"} {
			if err := s.AddSegment(ctx, id); err != nil {
				return fail(err)
			}
		}
		for i := range 3 {
			pins++
			ns := filepath.Join(dir, fmt.Sprint("node", pins))
			if err := netns.Create(ctx, ns); err != nil {
				return fail(err)
			}
			n := fmt.Sprint("pc", i)
			if err := errors.Join(
				s.Attach(ctx, Attachment{Node: n, Interface: "eth0", Segment: "a", NetNS: ns, Raise: true}),
				s.Impair(ctx, n, "eth0", Impairment{Delay: time.Millisecond, LossPercent: 1}, FromNode),
				s.Impair(ctx, n, "eth0", Impairment{LossPercent: 1, RateBits: 1_000_000}, ToNode),
				s.Move(ctx, n, "eth0", "b"),
				s.SetLink(ctx, n, "eth0", false),
			); err != nil {
				return fail(err)
			}
		}
		if err := s.GC(ctx, nil); err != nil {
			return fail(err)
		}
		if err := s.Close(); err != nil {
			return fail(err)
		}
	}
}

// TestKilledControllerLeavesNothingAfterSweep kills a controller at random
// moments; a sweep must remove all of it, or another must be able to adopt it.
func TestKilledControllerLeavesNothingAfterSweep(t *testing.T) {
	needRoot(t)
	ctx := context.Background()
	dir := tempDir(t)
	// Mounts of a killed child's nodes are this test's to remove.
	clean := func() {
		nodes, err := filepath.Glob(filepath.Join(dir, "node*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			if err := netns.Remove(n); err != nil {
				t.Error(err)
			}
		}
	}
	adopted := 0
	for round := range 15 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		var said strings.Builder
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(5+rand.IntN(250)) * time.Millisecond) // the random moment
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if said.Len() > 0 {
			t.Fatalf("round %d: %s", round, &said)
		}
		cfg := Config{Lab: "killed", StateDir: dir}
		if s, err := OpenSwitch(ctx, cfg); err == nil {
			adopted++
			ports, err := s.Ports(ctx)
			if err != nil {
				t.Errorf("round %d: adopted, but: %v", round, err)
			}
			for _, p := range ports {
				if !p.Present {
					continue // killed before the kernel was told
				}
				if err := s.Detach(ctx, p.Node, p.Interface); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			}
			if err := s.Release(); err != nil {
				t.Error(err)
			}
		}
		for range 2 {
			if err := Sweep(ctx, dir); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		clean()
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Fatalf("round %d: left %v, %v", round, left, err)
		}
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil || strings.Contains(string(mounts), dir+"/") {
			t.Fatalf("round %d: a mount was left (%v)", round, err)
		}
	}
	t.Logf("adopted %d of 15", adopted)
}
