package labnet_test

import (
	"context"
	"errors"
	"io"
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
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/node/oci"
	"github.com/situlab/situlab/scenarios"
)

// As in lab_test.go: real nodes, which need root and the node image.

const (
	dataMB  = 64
	spoolMB = 16
)

// withVolumes runs a lab of two nodes, the first of which has two volumes. It has
// a run directory and a home of its own.
func withVolumes(t *testing.T, name string, runtime func(node.Ground) (node.Runtime, error)) *labnet.Lab {
	t.Helper()
	ownPlace(t)
	img, err := images.Open(filepath.Join(host.Home(), "images")).Ensure(t.Context(), nil)
	if err != nil {
		t.Fatalf("an image is needed (situlab image build): %v", err)
	}
	none := 0
	site := &scenarios.Site{ID: "disks", Nodes: []scenarios.Node{
		{Name: "one", Class: scenarios.Workstation, Role: "sauv", Volumes: []scenarios.Volume{
			{Name: "vtest-data", Mount: "/srv/data", SizeMB: dataMB, Owner: "games:mail", Mode: "2775"},
			{Name: "vtest-spool", Mount: "/var/spool/essai", SizeMB: spoolMB, Inodes: 256, ReservedPercent: &none},
		}},
		{Name: "two", Class: scenarios.Workstation, Role: "sauv", Volumes: []scenarios.Volume{{Name: "vtest-aside", Mount: "/disques/vdb", SizeMB: spoolMB}}},
	}}
	start := time.Now()
	tree := func(n *scenarios.Node) ([]scenarios.TreeFile, error) {
		if n.Name == "two" {
			return []scenarios.TreeFile{
				{Path: "/etc/fstab", Mode: 0o644, Content: []byte("/disques/vdb /srv/data none bind 0 0\n")},
				{Path: "/disques/vdb/there", Mode: 0o644},
			}, nil
		}
		return []scenarios.TreeFile{
			{Path: "/srv/data/share/first", Mode: 0o640, User: "games", Group: "mail", Content: []byte("pristine\n"), Age: 48 * time.Hour},
			{Path: "/etc/data", Mode: os.ModeSymlink | 0o777, Content: []byte("../srv/data/share")},
		}, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	lab, err := labnet.New(ctx, labnet.Config{Name: name, Site: site, Image: img, Tree: tree, Start: start, Runtime: runtime})
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.WaitRunning(ctx); err != nil {
		t.Fatal(errors.Join(err, lab.Close(context.Background())))
	}
	return lab
}

// noVolumeLeft says that neither a mount nor a loop device of a volume is left.
func noVolumeLeft(t *testing.T, name string) {
	t.Helper()
	nothingLeft(t, name)
	if points, err := host.MountsUnder(host.LabDisks(name)); err != nil || len(points) > 0 {
		t.Errorf("mounted: %v (%v)", points, err)
	}
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && (strings.Contains(string(b), "vtest-") || strings.HasPrefix(string(b), host.Home()+"/")) {
			t.Errorf("attached: %s: %s", f, b)
		}
	}
}

// sh runs a script in a node and fails if it does.
func sh(t *testing.T, lab *labnet.Lab, name, script string) string {
	t.Helper()
	out, code := run(t, lab, name, "sh", "-c", script)
	if code != 0 {
		t.Fatalf("%s: %s\nstatus %d: %s", name, script, code, out)
	}
	return strings.TrimSpace(out)
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatalf("no number: %q", s)
	}
	return n
}

// df is a column of df in a node, in KiB or inodes.
func df(t *testing.T, lab *labnet.Lab, column, path string) int64 {
	t.Helper()
	lines := strings.Split(sh(t, lab, "one", "df -k --output="+column+" "+path), "\n")
	return number(t, strings.TrimSpace(lines[len(lines)-1]))
}

func volumeImage(lab *labnet.Lab, name string) string {
	return filepath.Join(host.LabDisks(lab.Name()), "disk", ".volumes", "one", name+".img")
}

// whole checks that an image has all its blocks and gives their number.
func whole(t *testing.T, when, image string, mb int64) int64 {
	t.Helper()
	unix.Sync()
	var st unix.Stat_t
	if err := unix.Stat(image, &st); err != nil {
		t.Fatal(err)
	}
	if st.Size != mb<<20 || st.Blocks*512 < st.Size {
		t.Errorf("%s: %d bytes of %d are allocated", when, st.Blocks*512, st.Size)
	}
	return st.Blocks
}

func TestVolumes(t *testing.T) {
	const name = "t-volumes"
	begin := time.Now()
	lab := withVolumes(t, name, nil)
	t.Cleanup(func() { // before the place goes
		if err := lab.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
		noVolumeLeft(t, name)
	})
	image := volumeImage(lab, "vtest-data")
	// What others may write is what it is without volumes.
	if st, err := os.Stat(filepath.Join(host.LabDisks(name), "disk.img")); err != nil || st.Size() < host.DiskBytes(2)+(dataMB+spoolMB)<<20 {
		t.Errorf("the lab's disk: %+v, %v", st, err)
	}
	blocks := whole(t, "new", image, dataMB)
	t.Run("looks like a disk", func(t *testing.T) { volumeLooks(t, lab) })
	t.Run("what the host writes", func(t *testing.T) { volumeWrites(t, lab, begin) })
	t.Run("by its own fstab", func(t *testing.T) { volumeFstab(t, lab) })
	t.Run("owners and rights", func(t *testing.T) { volumeRights(t, lab) })
	t.Run("full", func(t *testing.T) { volumeFull(t, lab) })
	t.Run("full of files", func(t *testing.T) { volumeInodes(t, lab) })
	t.Run("deleted and open", func(t *testing.T) { volumeDeleted(t, lab) })
	t.Run("reboots", func(t *testing.T) { volumeReboots(t, lab) })
	if now := whole(t, "after all that", image, dataMB); now != blocks {
		t.Errorf("the image had %d blocks and has %d", blocks, now)
	}
	t.Run("reset", func(t *testing.T) { volumeReset(t, lab) })
	if now := whole(t, "after a reset", image, dataMB); now != blocks {
		t.Errorf("the image had %d blocks and has %d", blocks, now)
	}
}

// In the node, everything says disk, and nothing says host.
func volumeLooks(t *testing.T, lab *labnet.Lab) {
	for script, want := range map[string]string{
		"findmnt -no TARGET,SOURCE,FSTYPE /srv/data | xargs":                       "/srv/data /dev/vdb ext4",
		"findmnt -no TARGET,SOURCE,FSTYPE /var/spool/essai | xargs":                "/var/spool/essai /dev/vdc ext4",
		"df --output=source,fstype /srv/data | tail -1 | xargs":                    "/dev/vdb ext4",
		"stat -f -c '%T %S' /srv/data":                                             "ext2/ext3 4096",
		"findmnt -no OPTIONS /srv/data | grep -cE 'nosuid|nodev|noexec|ro,' || :":  "0",
		"ls -A /srv/data/lost+found | wc -l; stat -c '%U %a' /srv/data/lost+found": "0\nroot 700",
		"systemctl is-active srv-data.mount":                                       "active",
		"lsblk -n | wc -l":                                                         "0",
	} {
		if got := sh(t, lab, "one", script); got != want {
			t.Errorf("%s\n%s\nwant %s", script, got, want)
		}
	}
	size := df(t, lab, "size", "/srv/data")
	if size > dataMB<<10 || size < dataMB<<10*9/10 {
		t.Errorf("df: a disk of %d KiB", size)
	}
	// Also for who takes the masks off.
	text := sh(t, lab, "one", `
		cat /proc/mounts /proc/self/mountinfo /proc/self/mountstats; findmnt; mount; df -a 2>/dev/null; lsblk -a
		umount /sys/block /sys/devices/virtual/block /sys/class/block && cat /sys/block/loop*/loop/backing_file`)
	if !strings.Contains(text, "/dev/vdb") || !strings.Contains(text, "/vtest-data.img") {
		t.Errorf("this shows no volume:\n%s", text)
	}
	for line := range strings.Lines(text) {
		// The lab's own disk was there before, behind the masks.
		if strings.HasSuffix(strings.TrimSpace(line), "/disk.img") {
			continue
		}
		for _, word := range []string{".volumes", "/dev/loop", lab.Name(), host.Home(), host.Run(), "situlab"} {
			if strings.Contains(line, word) {
				t.Errorf("the node sees %q: %s", word, line)
			}
		}
	}
}

// What the site and the controller write below a volume's path is on it.
func volumeWrites(t *testing.T, lab *labnet.Lab, begin time.Time) {
	if got := sh(t, lab, "one", "stat -c '%U:%G %a' /srv/data /srv/data/share /srv/data/share/first; cat /etc/data/first"); got != "games:mail 2775\nroot:root 755\ngames:mail 640\npristine" {
		t.Errorf("the site's files:\n%s", got)
	}
	age := begin.Unix() - number(t, sh(t, lab, "one", "stat -c %Y /srv/data/share/first"))
	if age < 47*3600 || age > 49*3600 {
		t.Errorf("a file of two days is %d s old", age)
	}
	if age := begin.Unix() - number(t, sh(t, lab, "one", "stat -c %Z /srv/data/lost+found")); age < 60 {
		t.Errorf("the disk was made %d s before the lab", age)
	}
	n := lab.Node("one")
	if err := n.Write([]node.File{
		{Path: "/srv/data/neu/von/aussen", Mode: 0o600, User: "1000", Content: []byte("outside")},
		{Path: "/etc/data/through", Mode: 0o644, Content: []byte("link")},
		{Path: "/srv/database", Mode: 0o644, Content: []byte("beside")},
	}); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, lab, "one", "stat -c '%u:%g %a %m' /srv/data/neu/von/aussen /srv/data/share/through /srv/database"); got != "1000:0 600 /srv/data\n0:0 644 /srv/data\n0:0 644 /" {
		t.Errorf("written while it runs:\n%s", got)
	}
	layer, err := filepath.EvalSymlinks(n.Layer())
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Join(layer, "srv", "data")); err != nil || len(entries) > 0 {
		t.Errorf("under the volume lies %v (%v)", entries, err)
	}
	f, err := n.Open("/etc/data/through")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(f); err != nil || string(b) != "link" {
		t.Errorf("read: %q, %v", b, err)
	}
	f.Close()
	// Links of the volume lead where they lead in the node, never to the host.
	sh(t, lab, "one", "ln -s /etc /srv/data/out && ln -s ../../../../etc /srv/data/share/up && ln -s share /srv/data/in && ln -s loop /srv/data/loop")
	if err := n.Write([]node.File{
		{Path: "/srv/data/out/by-out", Mode: 0o600, Content: []byte("out")}, {Path: "/srv/data/in/up/by-up", Mode: 0o600, Content: []byte("up")},
	}); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, lab, "one", "cat /etc/by-out /etc/by-up; stat -c %u%m /etc/by-out"); got != "outup0/" {
		t.Errorf("through links of the volume: %s", got)
	}
	for _, p := range []string{"/srv/data", "/srv/data/loop/x", "/srv/data/share/first/x"} {
		if err := n.Write([]node.File{{Path: p, Mode: 0o644, Content: []byte("evil")}}); err == nil {
			t.Errorf("%s was written", p)
		}
	}
	if err := n.Delete([]string{"/srv/data"}); err == nil {
		t.Error("a mount point was deleted")
	}
	if err := n.Delete([]string{"/srv/data/in/through", "/srv/data/neu/von/aussen", "/srv/database", "/srv/data/none/at/all", "/srv/data/out/by-out", "/etc/by-up"}); err != nil {
		t.Error(err)
	}
	sh(t, lab, "one", `for f in /srv/data/share/through /srv/data/neu/von/aussen /srv/database /etc/by-out /etc/by-up; do ! test -e $f || exit 1; done
		rm -r /srv/data/neu /srv/data/out /srv/data/share/up /srv/data/in /srv/data/loop`)
}

// A volume mounted aside is the node's own to mount where it belongs.
func volumeFstab(t *testing.T, lab *labnet.Lab) {
	if got := sh(t, lab, "two", `findmnt -no SOURCE,FSTYPE /srv/data | xargs; ls /srv/data; df --output=source,target /srv/data | tail -1 | xargs
		umount /srv/data && ls -A /srv/data && mount -a && ls /srv/data
		umount /srv/data && systemctl start srv-data.mount && ls /srv/data`); got != "/dev/vdb ext4\nlost+found\nthere\n/dev/vdb /srv/data\nlost+found\nthere\nlost+found\nthere" {
		t.Errorf("by fstab:\n%s", got)
	}
}

const user = "setpriv --reuid 1000 --regid 1000 --clear-groups "

func volumeRights(t *testing.T, lab *labnet.Lab) {
	got := sh(t, lab, "one", `mkdir /srv/data/all /srv/data/none && chgrp root /srv/data/all /srv/data/none && chmod 01777 /srv/data/all && chmod 0700 /srv/data/none && chmod g-s /srv/data/all /srv/data/none && touch /srv/data/none/root
		`+user+`sh -c 'touch /srv/data/all/mine && ! touch /srv/data/none/x 2>/dev/null && ! rm -rf /srv/data/none 2>/dev/null && ! chown 0 /srv/data/all/mine 2>/dev/null' &&
		touch /srv/data/all/roots && ! `+user+`rm -f /srv/data/all/roots 2>/dev/null && chown 1001:1002 /srv/data/none/root &&
		stat -c '%n %u:%g' /srv/data/all/mine /srv/data/all/roots /srv/data/none/root`)
	if got != "/srv/data/all/mine 1000:1000\n/srv/data/all/roots 0:0\n/srv/data/none/root 1001:1002" {
		t.Errorf("owners:\n%s", got)
	}
	// A set-id program works as on any disk.
	if got := sh(t, lab, "one", "cp /usr/bin/id /srv/data/all/id && chmod 4755 /srv/data/all/id && "+user+"/srv/data/all/id -u"); got != "0" {
		t.Errorf("a set-id program runs as %s", got)
	}
	sh(t, lab, "one", "rm -r /srv/data/all /srv/data/none")
}

// A reboot finds the disk where the hardware has it, whatever was unmounted.
func volumeReboots(t *testing.T, lab *labnet.Lab) {
	ctx := t.Context()
	sh(t, lab, "one", `echo kept >/srv/data/kept; umount /srv/data && ! test -e /srv/data/kept && ! mount /dev/vdb /srv/data 2>/dev/null && echo beside >/srv/data/beside`)
	if err := lab.Reboot(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, lab, "one", "cat /srv/data/kept; ls /srv/data; stat -c %U /srv/data/kept"); got != "kept\nkept\nlost+found\nshare\nroot" {
		t.Errorf("after a reboot:\n%s", got)
	}
	// In the place of a mount point that is none the node starts without it.
	sh(t, lab, "one", "umount /srv/data && rm -r /srv/data && ln -s /etc /srv/data")
	if err := lab.Reboot(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, lab, "one", "readlink /srv/data; ls -d /etc/lost+found 2>&1 | grep -c 'No such'; grep -c vdb /proc/mounts; findmnt -no SOURCE /var/spool/essai"); got != "/etc\n1\n0\n/dev/vdc" {
		t.Errorf("with a link as its mount point:\n%s", got)
	}
	sh(t, lab, "one", "rm /srv/data")
	if err := lab.ColdStart(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := lab.WaitRunning(ctx); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, lab, "one", "cat /srv/data/kept; findmnt -no SOURCE /srv/data"); got != "kept\n/dev/vdb" {
		t.Errorf("after a cold start:\n%s", got)
	}
}

func volumeReset(t *testing.T, lab *labnet.Lab) {
	id := sh(t, lab, "one", "stat -f -c %i /srv/data; echo changed >/srv/data/share/first; fallocate -l 30M /srv/data/much")
	if err := lab.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := lab.WaitRunning(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := sh(t, lab, "one", "cat /srv/data/share/first; ls /srv/data; stat -c '%U:%G %a' /srv/data; findmnt -no SOURCE /srv/data; df --output=iused /srv/data | tail -1 | xargs")
	if got != "pristine\nlost+found\nshare\ngames:mail 2775\n/dev/vdb\n13" {
		t.Errorf("after a reset:\n%s", got)
	}
	if sh(t, lab, "one", "stat -f -c %i /srv/data") == id {
		t.Error("after a reset it is the same file system")
	}
}

// A controller that could not close its lab, and one that was killed, leave the
// volumes mounted: gc finds them by the lab's record.
func TestGCOfVolumes(t *testing.T) {
	const name = "t-volstuck"
	lab := withVolumes(t, name, func(g node.Ground) (node.Runtime, error) {
		rt, err := oci.New(oci.Config{State: g.State, IDs: g.IDs})
		return stubborn{rt, "one"}, err
	})
	point := strings.TrimSuffix(volumeImage(lab, "vtest-data"), ".img")
	mounted := func() bool {
		points, err := host.MountsUnder(point)
		return err == nil && len(points) == 1
	}
	// What runs keeps its volumes.
	if removed, err := labnet.GC(t.Context(), nil); err != nil || len(removed) > 0 || !mounted() {
		t.Errorf("gc of a lab that lives removed %v, %v", removed, err)
	}
	if err := lab.Close(context.Background()); !errors.Is(err, errStuck) || !mounted() {
		t.Errorf("close: %v", err)
	}
	if removed, err := labnet.GC(t.Context(), nil); err != nil || !slices.Contains(removed, "lab "+name) {
		t.Errorf("gc removed %v, %v", removed, err)
	}
	noVolumeLeft(t, name)
	if removed, err := labnet.GC(t.Context(), nil); err != nil || len(removed) > 0 {
		t.Errorf("a second gc removed %v, %v", removed, err)
	}
}
