package nodetest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/labnet/node"
)

func lifeTests(t *testing.T, f Fixture) {
	t.Run("Boot", func(t *testing.T) { testBoot(t, f) })
	t.Run("RebootIsHonest", func(t *testing.T) { testReboot(t, f) })
	t.Run("Reasons", func(t *testing.T) { testReasons(t, f) })
	t.Run("QuickReboots", func(t *testing.T) { testQuickReboots(t, f) })
	t.Run("Freeze", func(t *testing.T) { testFreeze(t, f) })
	t.Run("Refusals", func(t *testing.T) { testRefusals(t, f) })
}

func testBoot(t *testing.T, f Fixture) {
	b := newBench(t, f)
	s := b.spec("boot")
	n := b.create(s)
	b.identify(n)
	if n.PID() <= 1 {
		t.Fatalf("pid %d of a created node", n.PID())
	}
	select {
	case <-n.Ready():
		t.Fatal("ready before the start")
	default:
	}
	for _, m := range []string{"uid_map", "gid_map"} {
		want := fmt.Sprint([]string{"0", fmt.Sprint(s.IDBase), "65536"})
		if got := fmt.Sprint(strings.Fields(b.proc(n, m))); got != want {
			t.Errorf("%s is %s, want %s", m, got, want)
		}
	}
	for _, ns := range []string{"user", "mnt", "pid_for_children", "uts", "ipc", "net", "cgroup"} {
		in, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", n.PID(), ns))
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.Readlink("/proc/self/ns/" + ns)
		if err != nil {
			t.Fatal(err)
		}
		if in == out {
			t.Errorf("the node shares namespace %s with the host", ns)
		}
	}
	b.start(n)
	if got := strings.TrimSpace(b.sh(n, "cat /proc/1/comm; uname -n; id -u")); got != "systemd\nboot\n0" {
		t.Errorf("PID 1, host name, uid: %q", got)
	}
	if code, out := b.try(n, "systemctl --failed --no-legend"); code != 0 || strings.TrimSpace(out) != "" {
		t.Errorf("failed units: %s", out)
	}
	if st := b.proc(n, "status"); !strings.Contains(st, "Seccomp:\t2") {
		t.Error("PID 1 runs without a seccomp filter")
	}
	if err := n.Start(context.Background()); err == nil {
		t.Error("a second start is no error")
	}
}

// changes are made in a running node; each check must fail before the change,
// hold after it, and fail again after a reboot, unless it is on the disk.
var changes = []struct {
	name, change, check string
	kept                bool
}{
	{"address", "ip link set lo up; ip addr add 192.0.2.77/32 dev lo", "ip addr show dev lo | grep -q 192.0.2.77", false},
	{"route", "ip route add blackhole 198.51.100.0/24", "ip route | grep -q 198.51.100", false},
	{"nftables rule", "nft add table inet qzt", "nft list tables | grep -q qzt", false},
	{"sysctl of the network", "sysctl -qw net.ipv4.ip_forward=1", "test $(cat /proc/sys/net/ipv4/ip_forward) = 1", false},
	{"sysctl of a namespace", "sysctl -qw kernel.msgmax=4242", "test $(cat /proc/sys/kernel/msgmax) = 4242", false},
	{"mount", "mount -t tmpfs qzt /mnt", "grep -q ' /mnt ' /proc/mounts", false},
	{"process", "setsid sleep 98765 >/dev/null 2>&1 </dev/null & :", "pgrep -f '^sleep 98765'", false},
	{"file in /run", "echo x >/run/qzt", "test -e /run/qzt", false},
	{"file in /dev/shm", "echo x >/dev/shm/qzt", "test -e /dev/shm/qzt", false},
	{"host name by command", "hostname qzt", "test $(uname -n) = qzt", false},
	{"interface", "ip link add qzt0 type veth peer name qzt1", "ip link show qzt0", false},
	{"file on the disk", "echo kept >/var/lib/qzt && chown 7:9 /var/lib/qzt", "test \"$(cat /var/lib/qzt; stat -c %u:%g /var/lib/qzt)\" = \"kept\n7:9\"", true},
	{"removed file of the image", "rm /etc/os-release", "test ! -e /etc/os-release", true},
}

func testReboot(t *testing.T, f Fixture) {
	b := newBench(t, f)
	n, s := b.boot("reboot")
	// One exec for all checks: "name" on a line means that it holds.
	var all, change strings.Builder
	for i, c := range changes {
		fmt.Fprintf(&all, "if { %s; } >/dev/null 2>&1; then echo %d; fi\n", c.check, i)
		fmt.Fprintf(&change, "{ %s; } || echo %s\n", c.change, c.name)
	}
	holding := func(n node.Node) map[int]bool {
		m := map[int]bool{}
		for w := range strings.FieldsSeq(b.sh(n, all.String())) {
			var i int
			if _, err := fmt.Sscan(w, &i); err == nil {
				m[i] = true
			}
		}
		return m
	}
	if h := holding(n); len(h) != 0 {
		t.Fatalf("checks that hold before the change: %v", h)
	}
	if out := b.sh(n, change.String()); out != "" {
		t.Fatalf("changes that are refused: %s", out)
	}
	h := holding(n)
	for i, c := range changes {
		if !h[i] {
			t.Fatalf("%s: the change does not take", c.name)
		}
	}
	before := n.NetNS()
	b.sh(n, "mkdir -p /var/log/journal && journalctl --flush && logger -t test of the first boot && journalctl --sync")
	id := b.sh(n, "cat /proc/sys/kernel/random/boot_id")
	b.sh(n, "systemctl reboot")
	if r := b.ended(n); r != node.Rebooted {
		t.Errorf("reason %q, want %q", r, node.Rebooted)
	}
	n = b.reborn(n, s)
	if n.NetNS() == before {
		t.Error("the network namespace is the old one")
	}
	if again := b.sh(n, "cat /proc/sys/kernel/random/boot_id"); again == id {
		t.Errorf("the boot id is still %s", id)
	}
	if out := b.sh(n, "journalctl -b -1 -t test -o cat --no-pager"); strings.TrimSpace(out) != "of the first boot" {
		t.Errorf("the journal of the boot before says %q", out)
	}
	h = holding(n)
	for i, c := range changes {
		if h[i] != c.kept {
			t.Errorf("%s: kept %v after the reboot, want %v", c.name, h[i], c.kept)
		}
	}
}

func testReasons(t *testing.T, f Fixture) {
	b := newBench(t, f)
	end := func(script string) func(node.Node) error {
		return func(n node.Node) error {
			// The command may be cut off by the end of the node.
			_, err := n.Exec(context.Background(), node.Command{Args: []string{"/bin/sh", "-c", script}})
			_ = err // only the reason counts
			return nil
		}
	}
	for _, c := range []struct {
		name string
		end  func(node.Node) error
		want node.Reason
	}{
		{"systemctl reboot", end("systemctl reboot"), node.Rebooted},
		{"reboot -f", end("reboot -f"), node.Rebooted},
		{"poweroff", end("systemctl poweroff"), node.PoweredOff},
		{"halt", end("systemctl halt"), node.PoweredOff},
		{"Shutdown", func(n node.Node) error { return n.Shutdown(context.Background(), patience) }, node.PoweredOff},
		{"Kill", func(n node.Node) error { return n.Kill(context.Background()) }, node.Killed},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, _ := b.boot("reason")
			defer b.remove(n)
			if r := n.Reason(); r != "" {
				t.Errorf("reason %q of a running node", r)
			}
			if err := c.end(n); err != nil {
				t.Fatal(err)
			}
			if r := b.ended(n); r != c.want {
				t.Errorf("reason %q, want %q", r, c.want)
			}
			if n.PID() != 0 {
				t.Errorf("pid %d of an ended node", n.PID())
			}
		})
	}
}

// testQuickReboots reboots at once, ten times: an overlay, a name or a cgroup of
// the last life must not be in the way of the next.
func testQuickReboots(t *testing.T, f Fixture) {
	b := newBench(t, f)
	n, s := b.boot("quick")
	var ours time.Duration
	for i := range 10 {
		b.sh(n, fmt.Sprintf("echo %d >>/var/lib/boots; ip link set lo up; ip addr add 192.0.2.%d/32 dev lo; reboot -f", i, i+1))
		if r := b.ended(n); r != node.Rebooted {
			t.Fatalf("reboot %d: reason %q", i, r)
		}
		began := time.Now()
		b.remove(n)
		n = b.create(s)
		if err := n.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		ours += time.Since(began)
		select {
		case <-n.Ready():
		case <-time.After(patience):
			t.Fatalf("reboot %d: not ready", i)
		}
		if out := b.sh(n, "ip addr show dev lo"); strings.Contains(out, "192.0.2.") {
			t.Fatalf("reboot %d: the address is still there: %s", i, out)
		}
	}
	if got, want := b.sh(n, "cat /var/lib/boots"), "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"; got != want {
		t.Errorf("the disk lost writes: %q", got)
	}
	t.Logf("a reboot costs %v beside systemd's own time", ours/10)
}

func testFreeze(t *testing.T, f Fixture) {
	b := newBench(t, f)
	n, s := b.boot("freeze")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b.sh(n, "setsid sh -c 'while :; do date +%s%N >/var/lib/tick; sleep 0.01; done' >/dev/null 2>&1 </dev/null &")
	tick := func() string {
		c, _ := os.ReadFile(upperFile(s, "var/lib/tick"))
		return string(c)
	}
	moves := func(within time.Duration) bool {
		was, end := tick(), time.Now().Add(within)
		for time.Now().Before(end) {
			if now := tick(); now != "" && now != was {
				return true
			}
			time.Sleep(5 * time.Millisecond)
		}
		return false
	}
	if !moves(patience) {
		t.Fatal("the counter does not run")
	}
	if err := n.Freeze(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n.Freeze(ctx); err != nil {
		t.Errorf("freezing twice: %v", err)
	}
	if moves(500 * time.Millisecond) {
		t.Error("the counter runs in a frozen node")
	}
	if err := n.Thaw(ctx); err != nil {
		t.Fatal(err)
	}
	if !moves(patience) {
		t.Error("the counter does not go on")
	}
	if err := n.Freeze(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n.Kill(ctx); err != nil {
		t.Errorf("a frozen node cannot be killed: %v", err)
	}
}

func testRefusals(t *testing.T, f Fixture) {
	b := newBench(t, f)
	ctx := context.Background()
	good := b.spec("refused")
	for name, spoil := range map[string]func(*node.Spec){
		"no name":             func(s *node.Spec) { s.Name = "" },
		"name with a slash":   func(s *node.Spec) { s.Name = "../x" },
		"lab with a dot":      func(s *node.Spec) { s.Lab = ".." },
		"host root mapped":    func(s *node.Spec) { s.IDBase = 0 },
		"ids of the host":     func(s *node.Spec) { s.IDBase = 1000 },
		"no image":            func(s *node.Spec) { s.Lowers = nil },
		"image is missing":    func(s *node.Spec) { s.Lowers = []string{"/nowhere/at/all"} },
		"relative disk":       func(s *node.Spec) { s.Disk = "disk" },
		"negative memory":     func(s *node.Spec) { s.Memory = -1 },
		"/proc is a link":     func(s *node.Spec) { s.Lowers = []string{linkedProc(t)} },
		"relative socket dir": func(s *node.Spec) { s.Sockets = []node.Socket{{HostDir: "x", Path: "/run/x"}} },
	} {
		s := good
		spoil(&s)
		if n, err := b.rt.Create(ctx, s); err == nil {
			t.Errorf("%s: accepted", name)
			b.remove(n)
		}
	}
	n := b.create(good)
	if _, err := b.rt.Create(ctx, good); err == nil {
		t.Error("a second node of the same name is accepted")
	}
	b.remove(n)
	if err := n.Start(ctx); err == nil {
		t.Error("a removed node can be started")
	}
	b.remove(n) // twice is no error
}

func linkedProc(t *testing.T) string {
	dir := t.TempDir()
	if err := os.Symlink("/etc", dir+"/proc"); err != nil {
		t.Fatal(err)
	}
	return dir
}
