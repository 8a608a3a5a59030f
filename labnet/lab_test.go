package labnet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/images"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/cable"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/node/oci"
	"github.com/situlab/situlab/scenarios"
)

// These tests start real nodes: they need root and the node image (make image).

func pair(node, addr string) scenarios.Node {
	return scenarios.Node{Name: node, Class: scenarios.Workstation, Role: "sauv", Rank: 1, Perimeter: true,
		Interfaces: []scenarios.Interface{{Name: "eth0", Segment: "a", Address: netip.MustParseAddr(addr)}}}
}

func pairSite() *scenarios.Site {
	return &scenarios.Site{ID: "pair",
		Segments: []scenarios.Segment{
			{ID: "a", Net: netip.MustParsePrefix("10.9.1.0/24")},
			{ID: "b", Net: netip.MustParsePrefix("10.9.2.0/24")},
		},
		Nodes: []scenarios.Node{pair("one", "10.9.1.1"), pair("two", "10.9.1.2")},
	}
}

// start runs a lab of two nodes on one segment, with a second segment beside.
func start(t *testing.T, name string) *labnet.Lab {
	t.Helper()
	lab := startOn(t, name, nil)
	t.Cleanup(func() {
		if err := lab.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
		nothingLeft(t, name)
	})
	return lab
}

func nothingLeft(t *testing.T, name string) {
	t.Helper()
	for _, d := range []string{host.LabState(name), host.LabDisks(name)} {
		if _, err := os.Stat(d); !os.IsNotExist(err) {
			t.Errorf("%s is left behind (%v)", d, err)
		}
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/situlab/" + name)
	mounts, err := host.MountsUnder(host.LabState(name))
	if err != nil || len(groups)+len(mounts) > 0 {
		t.Errorf("left behind: %v %v (%v)", groups, mounts, err)
	}
}

// startOn is start without the end, on another runtime than the usual.
func startOn(t *testing.T, name string, runtime func(node.Ground) (node.Runtime, error)) *labnet.Lab {
	t.Helper()
	img, err := images.Open(filepath.Join(host.Home(), "images")).Ensure(t.Context(), nil)
	if err != nil {
		t.Fatalf("an image is needed (situlab image build): %v", err)
	}
	tree := func(n *scenarios.Node) ([]scenarios.TreeFile, error) {
		return []scenarios.TreeFile{
			{Path: "/etc/systemd/network/10-eth0.network", Mode: 0o644, Content: fmt.Appendf(nil, "[Match]\nName=eth0\n[Network]\nAddress=%s/24\n", n.Interfaces[0].Address)},
			{Path: "/etc/first", Mode: 0o644, Content: []byte("pristine\n")},
		}, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	lab, err := labnet.New(ctx, labnet.Config{Name: name, Site: pairSite(), Image: img, Tree: tree, Start: time.Now(), Runtime: runtime})
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.WaitRunning(ctx); err != nil {
		t.Fatal(errors.Join(err, lab.Close(context.Background())))
	}
	return lab
}

func run(t *testing.T, lab *labnet.Lab, name string, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	code, err := lab.Node(name).Exec(t.Context(), node.Command{Args: args, Stdout: &out, Stderr: &out})
	if err != nil {
		t.Fatalf("%s: %v: %v", name, args, err)
	}
	return out.String(), code
}

func hears(t *testing.T, lab *labnet.Lab, from, addr string) bool {
	t.Helper()
	_, code := run(t, lab, from, "ping", "-c", "1", "-W", "1", addr)
	return code == 0
}

func within(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 100 {
		if f() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s: not within the time", what)
}

func port(t *testing.T, lab *labnet.Lab, name string) cable.Port {
	t.Helper()
	ports, err := lab.Switch().Ports(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ports {
		if p.Node == name {
			return p
		}
	}
	t.Fatalf("node %s has no port", name)
	return cable.Port{}
}

// What the network was told about a cable survives a reboot and a cold start of
// the node at its end; a reset brings the site's own cabling back.
func TestCablesSurviveReboots(t *testing.T) {
	lab := start(t, "t-cables")
	within(t, "the two nodes hear each other", func() bool { return hears(t, lab, "one", "10.9.1.2") })

	ctx := t.Context()
	if err := lab.Switch().Move(ctx, "two", "eth0", "b"); err != nil {
		t.Fatal(err)
	}
	if err := lab.Switch().Impair(ctx, "one", "eth0", cable.Impairment{RateBits: 1_000_000}, cable.ToNode); err != nil {
		t.Fatal(err)
	}
	asTold := func(when string) {
		t.Helper()
		if p := port(t, lab, "two"); p.Segment != "b" || !p.Up {
			t.Errorf("%s: two is in segment %s, up %v; moved to b", when, p.Segment, p.Up)
		}
		if p := port(t, lab, "one"); p.ToNode.RateBits != 1_000_000 || p.Segment != "a" {
			t.Errorf("%s: one is in segment %s with %d bit/s", when, p.Segment, p.ToNode.RateBits)
		}
		if hears(t, lab, "one", "10.9.1.2") {
			t.Errorf("%s: the nodes hear each other from two segments", when)
		}
	}
	asTold("at once")
	if err := lab.Reboot(ctx, "two"); err != nil {
		t.Fatal(err)
	}
	asTold("after a reboot")
	if err := lab.Switch().SetLink(ctx, "one", "eth0", false); err != nil {
		t.Fatal(err)
	}
	run(t, lab, "one", "sh", "-c", "echo changed >/etc/first")
	if err := lab.ColdStart(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := lab.WaitRunning(ctx); err != nil {
		t.Fatal(err)
	}
	asTold("after a cold start")
	if p := port(t, lab, "one"); p.Up {
		t.Error("a port switched off has power after a cold start")
	}
	if out, _ := run(t, lab, "one", "cat", "/etc/first"); out != "changed\n" {
		t.Errorf("after a cold start the disk says %q", out)
	}

	if err := lab.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	if err := lab.WaitRunning(ctx); err != nil {
		t.Fatal(err)
	}
	if p := port(t, lab, "two"); p.Segment != "a" {
		t.Errorf("after a reset two is in segment %s", p.Segment)
	}
	if p := port(t, lab, "one"); !p.Up || !p.ToNode.IsZero() {
		t.Errorf("after a reset the port of one is %+v", p)
	}
	if out, _ := run(t, lab, "one", "cat", "/etc/first"); out != "pristine\n" {
		t.Errorf("after a reset the disk says %q", out)
	}
	within(t, "the two nodes hear each other after a reset", func() bool { return hears(t, lab, "one", "10.9.1.2") })
}

// gc with another run directory sees no state of this lab; its disk is mounted all
// the same, and stays.
func TestGCLeavesDisksInUse(t *testing.T) {
	lab := start(t, "t-gc")
	t.Run("gc", func(t *testing.T) {
		t.Setenv("SITULAB_RUN", filepath.Join(t.TempDir(), "run"))
		if removed, err := labnet.GC(t.Context(), nil); err != nil || len(removed) > 0 {
			t.Errorf("gc removed %v, %v", removed, err)
		}
	})
	if _, err := os.Stat(filepath.Join(host.LabDisks("t-gc"), "disk.img")); err != nil {
		t.Error(err)
	}
	if out, code := run(t, lab, "one", "sh", "-c", "echo kept >/etc/third && cat /etc/third"); code != 0 || out != "kept\n" {
		t.Errorf("the disk of a running node: %q", out)
	}
}

// A reboot typed in a node loses what only lived in memory and keeps the disk.
func TestRebootIsHonest(t *testing.T) {
	lab := start(t, "t-reboot")
	if out, code := run(t, lab, "one", "sh", "-c", `
		ip address add 10.9.3.1/24 dev eth0 && ip route add 10.9.4.0/24 via 10.9.1.2 &&
		nft add table inet essai && sysctl -qw net.ipv4.ip_forward=1 &&
		mount -t tmpfs essai /mnt && echo kept >/etc/second && (setsid sleep 9999 >/dev/null 2>&1 &)`); code != 0 {
		t.Fatal(out)
	}
	before := lab.Node("one").PID()
	run(t, lab, "one", "systemctl", "reboot")
	within(t, "the node is back", func() bool {
		n := lab.Node("one")
		return n != nil && n.PID() != 0 && n.PID() != before && lab.NodeState("one") == labnet.Up
	})
	within(t, "its own address is back", func() bool { return hears(t, lab, "one", "10.9.1.2") })
	out, _ := run(t, lab, "one", "sh", "-c", `
		ip -o -4 address show; ip route; nft list tables; sysctl net.ipv4.ip_forward; findmnt -n /mnt; pgrep -a sleep; cat /etc/second`)
	for _, gone := range []string{"10.9.3.1", "10.9.4.0", "essai", "ip_forward = 1", "sleep"} {
		if strings.Contains(out, gone) {
			t.Errorf("%q has survived the reboot:\n%s", gone, out)
		}
	}
	if !strings.Contains(out, "10.9.1.1/24") || !strings.Contains(out, "kept") {
		t.Errorf("the boot files' address or the disk is lost:\n%s", out)
	}
}

// Two labs with the same addresses live side by side and do not hear each other.
func TestTwoLabsSamePlan(t *testing.T) {
	x, y := start(t, "t-side1"), start(t, "t-side2")
	within(t, "x", func() bool { return hears(t, x, "one", "10.9.1.2") })
	within(t, "y", func() bool { return hears(t, y, "one", "10.9.1.2") })
	if err := x.Node("two").Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The kernel takes the network of a dead node apart a moment after its
	// processes, and answers for it until then.
	within(t, "no node of the other lab answers", func() bool { return !hears(t, x, "one", "10.9.1.2") })
	if !hears(t, y, "one", "10.9.1.2") {
		t.Error("the other lab lost its node")
	}
}

// stubborn is a runtime that cannot remove one of its nodes.
type stubborn struct {
	node.Runtime
	name string
}

type stuck struct{ node.Node }

func (r stubborn) Create(ctx context.Context, s node.Spec) (node.Node, error) {
	n, err := r.Runtime.Create(ctx, s)
	if err == nil && s.Name == r.name {
		n = stuck{n}
	}
	return n, err
}

var errStuck = errors.New("stuck")

func (stuck) Remove(context.Context) error { return errStuck }

// What Close could not remove is still mounted, and named by its record: gc ends
// the work.
func TestGCAfterFailedClose(t *testing.T) {
	const name = "t-stuck"
	ownPlace(t)
	lab := startOn(t, name, func(g node.Ground) (node.Runtime, error) {
		rt, err := oci.New(oci.Config{State: g.State, IDs: g.IDs})
		return stubborn{rt, "one"}, err
	})
	if err := lab.Close(context.Background()); !errors.Is(err, errStuck) {
		t.Errorf("close: %v", err)
	}
	record := filepath.Join(labnet.RuntimeState(name), "nodes", "one", "node.json")
	if _, err := os.Stat(record); err != nil {
		t.Errorf("what gc needs: %v", err)
	}
	if _, err := os.Stat(filepath.Join(labnet.RuntimeState(name), "nodes", "two")); !os.IsNotExist(err) {
		t.Errorf("the other node is not removed (%v)", err)
	}
	removed, err := labnet.GC(t.Context(), nil)
	if err != nil || !slices.Contains(removed, "node "+name+"/one") || !slices.Contains(removed, "lab "+name) {
		t.Errorf("gc removed %v, %v", removed, err)
	}
	nothingLeft(t, name)
	if removed, err := labnet.GC(t.Context(), nil); err != nil || len(removed) > 0 {
		t.Errorf("a second gc removed %v, %v", removed, err)
	}
}

// A node that writes until nothing more fits fills the lab's disk, all of which
// the host has set aside, and takes nothing else.
func TestNoNodeFillsTheHost(t *testing.T) {
	const name = "t-full"
	lab := start(t, name)
	image := filepath.Join(host.LabDisks(name), "disk.img")
	// What the host gave is given for good: the file neither grows nor shrinks.
	setAside := func(when string) int64 {
		t.Helper()
		var st unix.Stat_t
		if err := unix.Stat(image, &st); err != nil {
			t.Fatal(err)
		}
		if st.Size != host.DiskBytes(2) || st.Blocks*512 < st.Size {
			t.Errorf("%s: %d bytes of the image's %d are allocated", when, st.Blocks*512, st.Size)
		}
		return st.Blocks
	}
	before := setAside("empty")
	out, code := run(t, lab, "one", "sh", "-c", "LC_ALL=C dd if=/dev/zero of=/var/lib/full bs=1M; sync -f /var/lib; stat -c %s /var/lib/full")
	lines := strings.Fields(out)
	wrote, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
	if err != nil || code != 0 || !strings.Contains(out, "No space left on device") {
		t.Fatalf("dd: status %d, %s (%v)", code, out, err)
	}
	if wrote < host.DiskBytes(2)/2 || wrote > host.DiskBytes(2) {
		t.Errorf("a disk of %d bytes took %d", host.DiskBytes(2), wrote)
	}
	if after := setAside("full"); after != before {
		t.Errorf("the node wrote %d bytes, and the image grew by %d", wrote, (after-before)*512)
	}
	if out, code := run(t, lab, "one", "sh", "-c", "rm /var/lib/full && echo there >/var/lib/room && cat /var/lib/room"); code != 0 || out != "there\n" {
		t.Errorf("afterwards: %q", out)
	}
}

// A lab has a bound of its own, and what it starts with is not what it lives with.
func TestLabIsBound(t *testing.T) {
	const name = "t-bound"
	lab := start(t, name)
	read := func(group string, files ...string) int64 {
		t.Helper()
		for _, f := range files {
			c, err := os.ReadFile(strings.Replace("/sys/fs/cgroup/"+f, "*", group, 1))
			if err != nil {
				continue
			}
			v, err := strconv.ParseInt(strings.TrimSpace(string(c)), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		t.Fatalf("%s: none of %v", group, files)
		return 0
	}
	for what, v := range map[string]struct{ got, want int64 }{
		"memory":    {read("situlab/"+name, "memory/*/memory.limit_in_bytes", "*/memory.max"), 2 * 96 << 20},
		"processes": {read("situlab/"+name, "pids/*/pids.max", "*/pids.max"), 2 * 1024},
	} {
		if v.got != v.want {
			t.Errorf("the lab's bound of %s is %d, want %d", what, v.got, v.want)
		}
	}
	shares := read(lab.Node("one").CGroup(), "cpu/*/cpu.shares", "cpu,cpuacct/*/cpu.shares", "*/cpu.weight")
	if shares != 1024 && shares != 39 { // 39: what 1024 shares are as a weight
		t.Errorf("a booted workstation has %d shares", shares)
	}
}
