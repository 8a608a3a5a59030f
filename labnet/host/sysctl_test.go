package host

import (
	"os"
	"path/filepath"
	"testing"
)

// fakeSysctls is a /proc/sys with small values, and a run directory of its own.
func fakeSysctls(t *testing.T) {
	t.Helper()
	was, wasDir := sysctls, limitsDir
	sysctls, limitsDir = t.TempDir(), t.TempDir()
	t.Cleanup(func() { sysctls, limitsDir = was, wasDir })
	t.Setenv("SITULAB_RUN", filepath.Join(t.TempDir(), "run"))
	for _, l := range limits {
		if err := os.MkdirAll(filepath.Dir(sysctlPath(l.key)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(sysctlPath(l.key), []byte("128\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const instances = "fs.inotify.max_user_instances"

func value(t *testing.T, key string) int {
	t.Helper()
	v, err := readSysctl(key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func lab(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(LabState(name), 0o755); err != nil {
		t.Fatal(err)
	}
}

func noLab(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Dir(LabState("x"))); err != nil {
		t.Fatal(err)
	}
}

func TestLimitsComeBack(t *testing.T) {
	fakeSysctls(t)
	lab(t, "a")
	if err := RaiseLimits(61); err != nil {
		t.Fatal(err)
	}
	if err := RaiseLimits(4 * 61); err != nil { // three more labs
		t.Fatal(err)
	}
	for _, l := range limits {
		if v := value(t, l.key); v != l.need(4*61) {
			t.Errorf("%s is %d for 244 nodes, not %d", l.key, v, l.need(4*61))
		}
	}
	if err := RestoreLimits(); err != nil || value(t, instances) == 128 {
		t.Errorf("put back while a lab runs (%v)", err)
	}
	noLab(t)
	for range 2 {
		if err := RestoreLimits(); err != nil {
			t.Fatal(err)
		}
		for _, l := range limits {
			if v := value(t, l.key); v != 128 {
				t.Errorf("%s is %d after the last lab", l.key, v)
			}
		}
	}
	if left, err := os.ReadDir(limitsDir); err != nil || len(left) > 0 {
		t.Errorf("left: %v (%v)", left, err)
	}
}

// Labs of two run directories are on one host: it bears both, and the end of one
// takes nothing from the other.
func TestLimitsOfTwoRunDirectories(t *testing.T) {
	fakeSysctls(t)
	lab(t, "a")
	if err := RaiseLimits(244); err != nil {
		t.Fatal(err)
	}
	first := Run()
	t.Run("other", func(t *testing.T) {
		t.Setenv("SITULAB_RUN", filepath.Join(t.TempDir(), "run"))
		lab(t, "a")
		if err := RaiseLimits(61); err != nil {
			t.Fatal(err)
		}
		if want, v := 8*305+256, value(t, instances); v != want {
			t.Errorf("%s is %d for 244 and 61 nodes, not %d", instances, v, want)
		}
		if err := os.RemoveAll(first); err != nil {
			t.Fatal(err)
		}
		if err := RestoreLimits(); err != nil || value(t, instances) == 128 {
			t.Errorf("put back while the other's lab runs (%v)", err)
		}
		noLab(t)
	})
	if err := RestoreLimits(); err != nil || value(t, instances) != 128 {
		t.Errorf("%d is left (%v)", value(t, instances), err)
	}
}

// What somebody else has set while labs ran is theirs.
func TestLimitsOfOthersStay(t *testing.T) {
	fakeSysctls(t)
	lab(t, "a")
	if err := RaiseLimits(61); err != nil {
		t.Fatal(err)
	}
	if err := writeSysctl(instances, 4711); err != nil {
		t.Fatal(err)
	}
	noLab(t)
	if err := RestoreLimits(); err != nil {
		t.Fatal(err)
	}
	if v := value(t, instances); v != 4711 {
		t.Errorf("another's 4711 is now %d", v)
	}
	if v := value(t, "kernel.keys.maxkeys"); v != 128 {
		t.Errorf("a sysctl beside it is %d", v)
	}

	// Lowered by another, raised again by us: the other's value comes back.
	lab(t, "a")
	if err := writeSysctl(instances, 256); err != nil {
		t.Fatal(err)
	}
	if err := RaiseLimits(61); err != nil {
		t.Fatal(err)
	}
	noLab(t)
	if err := RestoreLimits(); err != nil || value(t, instances) != 256 {
		t.Errorf("another's 256 is now %d (%v)", value(t, instances), err)
	}
}

// A controller that is killed between the note and the deed changed nothing, or
// only what it had noted before.
func TestLimitsAfterAKill(t *testing.T) {
	fakeSysctls(t)
	lab(t, "a")
	if err := RaiseLimits(61); err != nil {
		t.Fatal(err)
	}
	set := value(t, instances)
	if err := RaiseLimits(4 * 61); err != nil {
		t.Fatal(err)
	}
	if err := writeSysctl(instances, set); err != nil { // as if never raised again
		t.Fatal(err)
	}
	noLab(t)
	if err := RestoreLimits(); err != nil || value(t, instances) != 128 {
		t.Errorf("%d is left (%v)", value(t, instances), err)
	}
}
