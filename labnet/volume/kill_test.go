package volume

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const killedEnv = "VOLUMETEST_KILLED"

// TestMain lets the test's own binary play the controller that is killed.
func TestMain(m *testing.M) {
	if v := os.Getenv(killedEnv); v != "" {
		state, dir, _ := strings.Cut(v, ":")
		makeForever(state, dir)
	}
	os.Exit(m.Run())
}

func killedSpecs() (out []Spec) {
	for i := range 3 {
		s := spec(fmt.Sprint("vtest-killed", i))
		s.Size = 16 << 20
		out = append(out, s)
	}
	return out
}

func makeForever(state, dir string) {
	err := Make(context.Background(), state, dir, killedSpecs(), 2)
	for err == nil {
		fmt.Println("made")
		err = Renew(context.Background(), state, "one")
	}
	fmt.Println(err)
	os.Exit(1)
}

// TestKilled kills a controller at any moment: what it was at is found by its
// record, and goes.
func TestKilled(t *testing.T) {
	_, dir := ground(t, 128<<20)
	lives, made := 30, 0
	for i := range lives {
		state, dir := t.TempDir(), fmt.Sprint(dir, i)
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), killedEnv+"="+state+":"+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // half of them while they make the first, half in a reset
			var word string
			if _, err := fmt.Fscan(out, &word); err != nil || word != "made" {
				t.Fatalf("the controller says %q (%v)", word, err)
			}
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatalf("it ended by itself: %v", err)
		}
		_ = cmd.Wait()
		if len(mounts(t, dir)) > 0 {
			made++
		}
		if err := Sweep(t.Context(), state); err != nil {
			t.Error(err)
		}
		if points := mounts(t, dir); len(points) > 0 {
			t.Fatalf("mounted: %v", points)
		}
		if l := loops(t, "vtest-killed"); len(l) > 0 {
			t.Fatalf("attached: %v", l)
		}
		// Nothing holds an image: its room is free at once.
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if used := statfs(t, filepath.Dir(dir)); used.Bfree-used.Bavail > used.Blocks/10 || used.Bavail*4096 < 64<<20 {
			t.Fatalf("%d blocks are left of the lab's disk", used.Bavail)
		}
	}
	if made == 0 {
		t.Error("none was killed while a volume was mounted")
	}
	t.Logf("%d of %d had something mounted", made, lives)
}

// BenchmarkRenew is the time of one volume: zeroed, formatted, attached, mounted.
func BenchmarkRenew(b *testing.B) {
	for _, mb := range []int64{64, 1024, 4096} {
		b.Run(fmt.Sprint(mb, "MiB"), func(b *testing.B) {
			s := spec("vtest-bench")
			s.Size = mb << 20
			state, dir := ground(b, 128<<20+Room([]Spec{s}))
			if err := Make(b.Context(), state, dir, []Spec{s}, 1); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := Renew(b.Context(), state, "one"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
