package checkup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/images"
	"github.com/situlab/situlab/labnet/cable"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node/oci"
)

// What the features of the network are called is in the French table.
func TestFeaturesAreInFrench(t *testing.T) {
	for _, f := range cable.Features() {
		if ui.French(f.What) == f.What {
			t.Errorf("%q has no French", f.What)
		}
	}
}

// What to type is found in every kind of error that knows it.
func TestSplit(t *testing.T) {
	cause := errors.New("cause")
	for _, c := range []struct {
		err         error
		detail, fix string
	}{
		{&host.Error{What: "what", Hint: "type this", Err: cause}, "what: cause", "type this"},
		{fmt.Errorf("deep: %w", host.Errorf("type this", "what: %w", cause)), "what: cause", "type this"},
		{&oci.HostError{What: "what", Do: "type this"}, "what", "type this"},
		{&images.HostError{What: "what", Hint: "type this", Err: cause}, "what: cause", "type this"},
		{&cable.UnsupportedError{Feature: "x", Hint: "load the module sch_tbf", Err: cause}, "not supported by this kernel: cause", "modprobe sch_tbf"},
		{&cable.UnsupportedError{Feature: "x", Hint: "load the modules cls_u32 and act_mirred", Err: cause}, "not supported by this kernel: cause", "modprobe -a cls_u32 act_mirred"},
		{&cable.UnsupportedError{Feature: "x", Hint: "Linux 5.16", Err: cause}, "not supported by this kernel: cause", "Linux 5.16"},
		{cause, "cause", ""},
	} {
		if detail, fix := split(c.err); detail != c.detail || fix != c.fix {
			t.Errorf("%v: %q, %q", c.err, detail, fix)
		}
	}
}

// On a host that can run labs nothing that is required lacks, every lack says what
// to type, and nothing is left of what was tried.
func TestHost(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("labs need root: run the tests as root")
	}
	run, home := t.TempDir(), t.TempDir()
	for d := run; d != "/"; d = filepath.Dir(d) { // a node's own root passes through it
		if st, err := os.Stat(d); err != nil || st.Mode()&1 == 0 {
			if err := os.Chmod(d, 0o711); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("SITULAB_RUN", filepath.Join(run, "run"))
	t.Setenv("SITULAB_HOME", filepath.Join(home, "home"))
	before := mounts(t)
	seen := map[string]bool{}
	for _, f := range Host(t.Context(), ui.New(false, "fr")) {
		if seen[f.ID] || f.Name == "" {
			t.Errorf("finding %+v", f)
		}
		seen[f.ID] = true
		switch f.ID {
		case "situ", "vulcain", "build": // not beside a test; a host may lack what builds
		default:
			if f.Required && !f.OK {
				t.Errorf("%+v", f)
			}
		}
		if !f.OK && (f.Fix == "" || f.Detail == "") {
			t.Errorf("what to type? %+v", f)
		}
	}
	for _, id := range []string{"root", "runc", "situ", "switch", "tbf", "cgroups", "limits", "userns", "room", "disk", "idmap", "overlay", "exec", "files", "image", "build"} {
		if !seen[id] {
			t.Errorf("%s was not looked at", id)
		}
	}
	if now := mounts(t); now != before {
		t.Errorf("mounts before:\n%s\nand now:\n%s", before, now)
	}
	for _, dir := range []string{run, home} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", dir, left, err)
		}
	}
}

// mounts are those of the temporary directories.
func mounts(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, os.TempDir()) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// gc removes what a killed doctor left, and not what one that lives works in.
func TestSweep(t *testing.T) {
	t.Setenv("SITULAB_RUN", filepath.Join(t.TempDir(), "run"))
	dead, alive := filepath.Join(host.Run(), scratch+"999999999"), filepath.Join(host.Run(), fmt.Sprint(scratch, os.Getpid()))
	for _, d := range []string{filepath.Join(dead, "nodes"), alive} {
		if err := os.MkdirAll(d, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	if got := Sweep(); len(got) != 1 {
		t.Errorf("swept: %q", got)
	}
	if _, err := os.Stat(dead); err == nil {
		t.Error("the dead one's is left")
	}
	if _, err := os.Stat(alive); err != nil {
		t.Error(err)
	}
	if got := Sweep(); got != nil {
		t.Errorf("twice: %q", got)
	}
}
