package nodetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/situlab/situlab/labnet/node"
)

// Fixture is what a suite runs on.
type Fixture struct {
	// New makes a runtime; the suite closes it.
	New func(t testing.TB) node.Runtime
	// Lowers are the image's directories, top layer first.
	Lowers []string
	// Disks is a directory for writable layers, on a file system of the host
	// that can be an overlay's upper layer.
	Disks string
	// IDBase is the first id of a block that nothing else uses; the suite takes
	// 16 ranges of 65,536 from there.
	IDBase uint32
	// HostPaths are texts that must never be seen in a node: directories of the
	// lab, its name.
	HostPaths []string
}

// Lab is the name under which the suite makes its nodes. It is a word that no
// image contains.
const Lab = "qzsuite"

// patience bounds every wait: far beyond what a slow machine needs, so that only
// a real hang ends a test.
const patience = 90 * time.Second

// Suite runs all conformance tests.
func Suite(t *testing.T, f Fixture) {
	t.Run("Life", func(t *testing.T) { lifeTests(t, f) })
	t.Run("Exec", func(t *testing.T) { execTests(t, f) })
	t.Run("Files", func(t *testing.T) { fileTests(t, f) })
	t.Run("Walls", func(t *testing.T) { wallTests(t, f) })
}

// bench is one runtime with the nodes of one test.
type bench struct {
	testing.TB
	f  Fixture
	rt node.Runtime
}

func newBench(t testing.TB, f Fixture) *bench {
	t.Helper()
	b := &bench{TB: t, f: f, rt: f.New(t)}
	t.Cleanup(func() {
		if err := b.rt.Close(); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	})
	return b
}

// ranges hands out the id ranges of a fixture in turn.
var ranges atomic.Uint32

// spec describes a node with a disk and ids of its own.
func (b *bench) spec(name string) node.Spec {
	b.Helper()
	disk, err := os.MkdirTemp(b.f.Disks, name+"-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := os.RemoveAll(disk); err != nil {
			b.Errorf("remove the disk: %v", err)
		}
	})
	return node.Spec{
		Lab: Lab, Name: name, Lowers: b.f.Lowers, Disk: disk,
		IDBase: b.f.IDBase + ranges.Add(1)%16*65536,
		Memory: 256 << 20,
	}
}

// create makes a node that is removed at the end of the test.
func (b *bench) create(s node.Spec) node.Node {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n, err := b.rt.Create(ctx, s)
	if err != nil {
		b.Fatalf("create %s: %v", s.Name, err)
	}
	b.Cleanup(func() { b.remove(n) })
	return n
}

func (b *bench) remove(n node.Node) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Remove(ctx); err != nil {
		b.Errorf("remove: %v", err)
	}
}

// start starts a node and waits until systemd says that it is up.
func (b *bench) start(n node.Node) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Start(ctx); err != nil {
		b.Fatalf("start: %v", err)
	}
	select {
	case <-n.Ready():
	case <-n.Exited():
		b.Fatalf("PID 1 ended during the boot: %s", n.Reason())
	case <-ctx.Done():
		b.Fatalf("not ready after %v (fs.inotify.max_user_instances?)", patience)
	}
}

// boot makes a node, gives it its identity and starts it.
func (b *bench) boot(name string) (node.Node, node.Spec) {
	b.Helper()
	s := b.spec(name)
	n := b.create(s)
	b.identify(n)
	b.start(n)
	return n, s
}

// identify writes what an image leaves to the node. Without a machine id the
// first boot is another one than all later ones; without host keys sshd fails,
// and it is not what is tested here.
func (b *bench) identify(n node.Node) {
	b.Helper()
	err := n.Write([]node.File{
		{Path: "/etc/machine-id", Mode: 0o444, Content: []byte("00000000000000000000000000c0ffee\n")},
		{Path: "/etc/systemd/system/ssh.service", Mode: os.ModeSymlink, Content: []byte("/dev/null")},
	})
	if err != nil {
		b.Fatalf("write: %v", err)
	}
}

// reborn removes an ended node and makes it again from the same disk.
func (b *bench) reborn(n node.Node, s node.Spec) node.Node {
	b.Helper()
	b.remove(n)
	n = b.create(s)
	b.start(n)
	return n
}

// ended waits for the end of PID 1 and returns its reason.
func (b *bench) ended(n node.Node) node.Reason {
	b.Helper()
	select {
	case <-n.Exited():
		return n.Reason()
	case <-time.After(patience):
		b.Fatalf("PID 1 has not ended after %v", patience)
		return ""
	}
}

// sh runs a shell command in the node and returns what it printed; another exit
// status than 0 ends the test.
func (b *bench) sh(n node.Node, script string) string {
	b.Helper()
	code, out := b.try(n, script)
	if code != 0 {
		b.Fatalf("%s\nexit status %d: %s", script, code, out)
	}
	return out
}

func (b *bench) try(n node.Node, script string) (int, string) {
	b.Helper()
	return b.run(n, node.Command{Args: []string{"/bin/sh", "-c", script}})
}

// run runs a command with both outputs collected.
func (b *bench) run(n node.Node, c node.Command) (int, string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out strings.Builder
	c.Stdout = &out
	if !c.Terminal {
		c.Stderr = &out
	}
	code, err := n.Exec(ctx, c)
	if err != nil {
		b.Fatalf("exec %q: %v", c.Args, err)
	}
	return code, out.String()
}

// proc reads a file of PID 1 in the host's /proc.
func (b *bench) proc(n node.Node, name string) string {
	b.Helper()
	c, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", n.PID(), name))
	if err != nil {
		b.Fatal(err)
	}
	return string(c)
}

// layer is the host's place of a file that the node wrote.
func upperFile(s node.Spec, name string) string { return filepath.Join(s.Disk, "u", name) }
