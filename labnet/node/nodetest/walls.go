package nodetest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/node"
)

func wallTests(t *testing.T, f Fixture) {
	b := newBench(t, f)
	n, s := b.boot("walls")
	t.Run("NoHostPath", func(t *testing.T) {
		texts := append([]string{Lab, s.Disk, f.Disks}, f.HostPaths...)
		texts = append(texts, f.Lowers...)
		for _, script := range []string{
			"cat /proc/self/mountinfo /proc/1/mountinfo /proc/mounts", "mount", "findmnt", "df -a", "lsblk -a 2>&1 || :", "env",
			"tr '\\0' '\\n' </proc/1/environ", "tr '\\0' '\\n' </proc/1/cmdline", "ls -l /proc/1/fd /proc/1/cwd /proc/1/root /proc/1/exe",
			"cat /proc/1/cgroup /proc/self/cgroup", "systemctl show-environment", "cat /etc/hostname /etc/hosts /etc/resolv.conf 2>/dev/null || :",
			"cat /proc/swaps", "hostnamectl 2>/dev/null || :", "ls -lR /run /dev | head -2000",
		} {
			_, out := b.try(n, script)
			for _, text := range texts {
				if strings.Contains(out, text) {
					t.Errorf("%s shows %q", script, text)
				}
			}
		}
	})
	t.Run("NoDisks", func(t *testing.T) {
		for _, script := range []string{"ls /sys/block", "ls /sys/class/block", "cat /proc/partitions", "cat /proc/diskstats", "lsblk -n 2>/dev/null || :"} {
			if _, out := b.try(n, script); strings.TrimSpace(out) != "" {
				t.Errorf("%s shows %s", script, out)
			}
		}
	})
	t.Run("Devices", func(t *testing.T) {
		const allowed = " null zero full random urandom tty ptmx pts shm mqueue console fd stdin stdout stderr log initctl core net hugepages "
		for name := range strings.FieldsSeq(b.sh(n, "ls /dev")) {
			if !strings.Contains(allowed, " "+name+" ") {
				t.Errorf("/dev/%s", name)
			}
		}
		if code, _ := b.try(n, "mknod /root/mem c 1 1"); code == 0 {
			t.Error("a device can be made")
		}
	})
	t.Run("Knobs", func(t *testing.T) {
		before, err := os.ReadFile("/proc/sys/kernel/core_pattern")
		if err != nil {
			t.Fatal(err)
		}
		for _, script := range []string{
			"echo '|/bin/true' >/proc/sys/kernel/core_pattern", "echo c >/proc/sysrq-trigger", "echo 1 >/proc/sys/vm/drop_caches",
			"date -s @0", "unshare -U true", "insmod /nonexistent.ko", "mount -t debugfs none /mnt", "mount -t cgroup -o memory x /mnt && echo 1 >/mnt/memory.limit_in_bytes",
			"echo 99999999999 >/sys/fs/cgroup/memory/memory.limit_in_bytes", "echo max >/sys/fs/cgroup/memory.max", "echo $$ >/sys/fs/cgroup/memory/../../cgroup.procs",
		} {
			if code, out := b.try(n, script+" 2>/dev/null"); code == 0 {
				t.Errorf("%s is allowed: %s", script, out)
			}
		}
		after, err := os.ReadFile("/proc/sys/kernel/core_pattern")
		if err != nil || string(after) != string(before) {
			t.Errorf("core_pattern of the host is now %q (%v)", after, err)
		}
	})
	t.Run("Sockets", func(t *testing.T) {
		if runtime.GOARCH != "amd64" {
			t.Skip("the system call's number is amd64's")
		}
		// Also with a bit that the kernel ignores and a careless filter does not.
		out := b.sh(n, `perl -e 'for $f (0..45) { for $h (0, 1<<32) { my $r = syscall(41, $h|$f, 2, 0); print "$f $h ", $r >= 0 ? "ok" : $!+0, "\n" } }'`)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) != 92 {
			t.Fatalf("the probe did not run: %s", out)
		}
		for _, l := range lines {
			var fam int
			var high, res string
			if _, err := fmt.Sscan(l, &fam, &high, &res); err != nil {
				t.Fatal(err)
			}
			allowed := fam == unix.AF_UNIX || fam == unix.AF_INET || fam == unix.AF_INET6 || fam == unix.AF_NETLINK || fam == unix.AF_PACKET
			switch {
			case res == "ok" && (!allowed || high != "0"):
				t.Errorf("a socket of family %d (+%s) is allowed", fam, high)
			case res == "97" && allowed && high == "0":
				t.Errorf("a socket of family %d is refused", fam)
			}
		}
	})
	t.Run("Limits", func(t *testing.T) { testLimits(t, f) })
	t.Run("Shares", func(t *testing.T) { testShares(t, f) })
	t.Run("Desk", func(t *testing.T) { testSocket(t, f) })
	t.Run("Notify", func(t *testing.T) {
		if code, _ := b.try(n, "touch /run/host/x 2>/dev/null || mkdir /run/host/d 2>/dev/null || rm /run/host/notify 2>/dev/null || mount -o remount,rw /run/host 2>/dev/null"); code == 0 {
			t.Error("the node changes a directory of the host")
		}
	})
}

// testSocket shows a host directory with a listening socket in a node: anybody
// there can talk through it, nobody can change it, and its place does not show.
func testSocket(t *testing.T, f Fixture) {
	dir, err := os.MkdirTemp("/run", "qzdesk-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(dir)
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=64k,mode=755"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	l, err := net.Listen("unix", dir+"/desk")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(dir+"/desk", 0o666); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(c, "bonjour")
			c.Close()
		}
	}()
	b := newBench(t, f)
	s := b.spec("desk")
	s.Sockets = []node.Socket{{HostDir: dir, Path: "/run/situ"}}
	n := b.create(s)
	b.identify(n)
	b.start(n)
	for _, user := range []string{"root", "daemon"} {
		_, out := b.run(n, node.Command{Args: []string{"perl", "-MSocket", "-e", `socket(my $s, PF_UNIX, SOCK_STREAM, 0); connect($s, pack_sockaddr_un("/run/situ/desk")) or die $!; print <$s>`}, User: user})
		if out != "bonjour\n" {
			t.Errorf("%s hears %q", user, out)
		}
	}
	if code, _ := b.try(n, "touch /run/situ/x 2>/dev/null || rm -f /run/situ/desk 2>/dev/null || chmod 0 /run/situ/desk 2>/dev/null || mount -o remount,rw /run/situ 2>/dev/null"); code == 0 {
		t.Error("the node changes the host's directory")
	}
	if out := b.sh(n, "cat /proc/self/mountinfo"); strings.Contains(out, "qzdesk") {
		t.Errorf("the place on the host shows:\n%s", out)
	}
}

// testLimits spends all memory and all processes that a node may have: what asks
// for more gets none, the node and its neighbour go on.
func testLimits(t *testing.T, f Fixture) {
	b := newBench(t, f)
	s := b.spec("limits")
	s.Memory, s.PIDs = 128<<20, 100
	n := b.create(s)
	b.identify(n)
	b.start(n)
	other, _ := b.boot("neighbour")

	const hog = `my $s = ""; for (1..%d) { $s .= "x" x (1 << 20) } print length $s`
	if code, out := b.run(n, node.Command{Args: []string{"perl", "-e", fmt.Sprintf(hog, 32)}}); code != 0 {
		t.Errorf("32 MiB of 128 are refused: status %d, %s", code, out)
	}
	if code, out := b.run(n, node.Command{Args: []string{"perl", "-e", fmt.Sprintf(hog, 160)}}); code != 137 {
		t.Errorf("160 MiB of 128: status %d, %s; the kernel should have killed it", code, out)
	}
	if code, out := b.run(other, node.Command{Args: []string{"perl", "-e", fmt.Sprintf(hog, 160)}}); code != 0 {
		t.Errorf("160 MiB of the neighbour's 256 are refused: status %d, %s", code, out)
	}
	code, out := b.run(n, node.Command{Args: []string{"perl", "-e", `my @kids; while (@kids < 500) { my $p = fork; last unless defined $p; if (!$p) { sleep 1000; exit } push @kids, $p }
		my $why = $!+0; kill 9, @kids; waitpid $_, 0 for @kids; print @kids+0, " ", $why`}})
	var forks int64
	var why syscall.Errno
	if _, err := fmt.Sscan(out, &forks, (*uintptr)(&why)); err != nil || code != 0 {
		t.Errorf("forks: status %d, %q", code, out)
	}
	if forks == 0 || forks >= s.PIDs || why != syscall.EAGAIN {
		t.Errorf("%d forks in a node of %d processes, then %v", forks, s.PIDs, why)
	}
	select {
	case <-n.Exited():
		t.Fatalf("the node has ended: %s", n.Reason())
	default:
	}
	if got := strings.TrimSpace(b.sh(n, "systemctl is-system-running || :")); got != "running" {
		t.Errorf("after that the node is %q", got)
	}
}

// testShares changes a node's weight at the processors while it runs, and tries
// it on a removed one, whose place its successor may have.
func testShares(t *testing.T, f Fixture) {
	b := newBench(t, f)
	s := b.spec("shares")
	s.CPUShares = 8192
	n := b.create(s)
	if got := cpuShares(t, n); got != 8192 {
		t.Errorf("%d shares, want 8192", got)
	}
	if err := n.SetShares(1024); err != nil {
		t.Fatal(err)
	}
	if got := cpuShares(t, n); got != 1024 {
		t.Errorf("%d shares, want 1024", got)
	}
	b.remove(n)
	next := b.create(s)
	if err := n.SetShares(2); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a removed node: %v", err)
	}
	if got := cpuShares(t, next); got != 8192 {
		t.Errorf("its successor has %d shares, want 8192", got)
	}
}

// cpuShares reads a node's weight, in version 2 as the shares that give it.
func cpuShares(t *testing.T, n node.Node) uint64 {
	t.Helper()
	for _, h := range []string{"cpu/%s/cpu.shares", "cpu,cpuacct/%s/cpu.shares", "%s/cpu.weight"} {
		c, err := os.ReadFile("/sys/fs/cgroup/" + fmt.Sprintf(h, n.CGroup()))
		if err != nil {
			continue
		}
		v, err := strconv.ParseUint(strings.TrimSpace(string(c)), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(h, "weight") {
			for _, shares := range []uint64{8192, 1024} {
				if 1+(shares-2)*9999/262142 == v {
					return shares
				}
			}
		}
		return v
	}
	t.Fatal("the node has no weight")
	return 0
}
