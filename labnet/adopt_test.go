package labnet_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/images"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node"
)

// orphan starts the lab of two nodes in another process and kills that.
func orphan(t *testing.T, name string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOrphan$")
	cmd.Env = append(os.Environ(), "ORPHAN="+name)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := ""
	for lines := bufio.NewScanner(out); said != "up" && lines.Scan(); {
		said = lines.Text()
	}
	if err := cmd.Process.Kill(); err != nil || said != "up" {
		t.Fatalf("%v, %q", err, said)
	}
	_ = cmd.Wait()
}

// TestOrphan is what runs in the other process.
func TestOrphan(t *testing.T) {
	name := os.Getenv("ORPHAN")
	if name == "" {
		return // nobody asked
	}
	lab := startOn(t, name, nil)
	if _, code := run(t, lab, "one", "sh", "-c", "while :; do date +%s%N >>/run/beat; sleep 0.05; done >/dev/null 2>&1 &"); code != 0 {
		t.Fatal("no beat")
	}
	os.Stdout.WriteString("up\n")
	time.Sleep(time.Hour)
}

// A lab outlives its controller: halted, adopted, it goes on where it stood.
func TestAdopt(t *testing.T) {
	const name = "t-orphan"
	ownPlace(t)
	orphan(t, name)
	if err := errors.Join(labnet.Halt(t.Context(), name), labnet.Halt(t.Context(), name)); err != nil {
		t.Fatal(err)
	}
	img, err := images.Open(filepath.Join(host.Home(), "images")).Ensure(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := labnet.Config{Name: name, Site: pairSite(), Image: img, Start: time.Now()}
	other := cfg
	other.Site = pairSite()
	other.Site.ID = "other"
	if _, err := labnet.Adopt(t.Context(), other); !errors.Is(err, labnet.ErrOtherLab) {
		t.Errorf("another site: %v", err)
	}
	other.Site, other.Name = cfg.Site, "t-nobody"
	if _, err := labnet.Adopt(t.Context(), other); !errors.Is(err, labnet.ErrNoLab) {
		t.Errorf("another name: %v", err)
	}
	lab, err := labnet.Adopt(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lab.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
		nothingLeft(t, name)
	}()
	var used *labnet.InUseError
	if _, err := labnet.Adopt(t.Context(), cfg); !errors.As(err, &used) || !used.Info.Alive {
		t.Errorf("a second adoption: %v", err)
	}
	beats := func() int {
		f, err := os.Open(fmt.Sprintf("/proc/%d/root/run/beat", lab.Node("one").PID()))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		n := 0
		for s := bufio.NewScanner(f); s.Scan(); {
			n++
		}
		return n
	}
	still := beats()
	time.Sleep(300 * time.Millisecond)
	if n := beats(); n != still {
		t.Errorf("an adopted lab does not stand still: %d and %d beats", still, n)
	}
	if err := lab.Thaw(t.Context()); err != nil {
		t.Fatal(err)
	}
	within(t, "the program goes on", func() bool { return beats() > still+2 })
	if err := lab.WaitRunning(t.Context()); err != nil {
		t.Error(err)
	}
	if !hears(t, lab, "one", "10.9.1.2") {
		t.Error("the cables are gone")
	}
	// A reboot typed inside, and a power off: the new controller is not the parent.
	for _, c := range []struct {
		verb string
		why  node.Reason
	}{{"reboot", node.Rebooted}, {"poweroff", node.PoweredOff}} {
		before := lab.Node("two").PID()
		lab.Leaving("two", c.why)
		if _, err := lab.Node("two").Exec(t.Context(), node.Command{Args: []string{"systemctl", c.verb}}); err != nil {
			t.Log(err) // it may go with its node
		}
		if c.why == node.Rebooted {
			within(t, "the node has rebooted", func() bool {
				n := lab.Node("two")
				return n != nil && n.PID() != before && lab.NodeState("two") == labnet.Up
			})
			if out, _ := run(t, lab, "two", "cat", "/etc/first"); !strings.Contains(out, "pristine") {
				t.Errorf("its disk is another one: %q", out)
			}
			continue
		}
		within(t, "the node is off", func() bool { return lab.NodeState("two") == labnet.Off })
		time.Sleep(300 * time.Millisecond)
		if s := lab.NodeState("two"); s != labnet.Off {
			t.Errorf("after a power off it is %s", s)
		}
	}
}
