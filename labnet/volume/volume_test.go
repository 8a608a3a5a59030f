package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/host"
)

// These tests mount file systems: they need root.

const rootID = 60001 << 16 // the host's id of a node's root, in a block that no lab gets

// ground is a lab's disk and its state directory.
func ground(t testing.TB, size int64) (state, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("root is needed")
	}
	state = t.TempDir()
	d, err := host.NewDisk(t.Context(), filepath.Join(t.TempDir(), "lab"), size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(Sweep(context.Background(), state), d.Remove()); err != nil {
			t.Error(err)
		}
	})
	return state, filepath.Join(d.Mount(), ".volumes")
}

func spec(name string) Spec {
	return Spec{Node: "one", Name: name, Device: "/dev/vdb", Size: 32 << 20, Reserved: 5, Root: rootID,
		Made: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func stat(t *testing.T, path string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return st
}

func statfs(t *testing.T, path string) unix.Statfs_t {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return st
}

// allocated checks that an image is whole, and gives its blocks.
func allocated(t *testing.T, when, image string, size int64) int64 {
	t.Helper()
	st := stat(t, image)
	if st.Size != size || st.Blocks*512 < size {
		t.Errorf("%s: %d bytes of the image's %d are allocated, of %d", when, st.Blocks*512, st.Size, size)
	}
	return st.Blocks
}

func mounts(t *testing.T, dir string) []string {
	t.Helper()
	points, err := host.MountsUnder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return points
}

// loops are the loop devices whose file has this name.
func loops(t *testing.T, name string) (out []string) {
	t.Helper()
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), name) {
			out = append(out, f+": "+strings.TrimSpace(string(b)))
		}
	}
	return out
}

// write lets somebody write to a file until nothing more fits, and gives the
// number of bytes.
func write(t *testing.T, id uint32, path string) int64 {
	t.Helper()
	// Opened by us: others cannot pass to what is mounted there.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var words bytes.Buffer
	cmd := exec.Command("dd", "if=/dev/zero", "bs=4096")
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{"LC_ALL=C"}, f, &words
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	err = cmd.Run()
	if err == nil || !strings.Contains(words.String(), "No space left on device") {
		t.Fatalf("dd as %d: %v: %s", id, err, &words)
	}
	return stat(t, path).Size
}

func TestVolume(t *testing.T) {
	state, dir := ground(t, 256<<20)
	s := spec("vtest-whole")
	if err := Make(t.Context(), state, dir, []Spec{s}, 2); err != nil {
		t.Fatal(err)
	}
	point, image := Dir(dir, "one", s.Name), Dir(dir, "one", s.Name)+".img"
	before := allocated(t, "new", image, s.Size)
	if points := mounts(t, dir); len(points) != 1 || points[0] != point {
		t.Fatalf("mounted: %v", points)
	}
	if l := loops(t, s.Name); len(l) != 1 || !strings.HasSuffix(l[0], ": /"+s.Name+".img") {
		t.Errorf("the kernel's name of the image: %v", l)
	}
	line, err := exec.Command("findmnt", "-no", "SOURCE,FSTYPE,OPTIONS", point).Output()
	want := fmt.Sprintf("/dev/vdb ext4 rw,nosuid,nodev,noexec,relatime,resuid=%d", rootID)
	if got := strings.Join(strings.Fields(string(line)), " "); err != nil || got != want {
		t.Errorf("findmnt says %q, want %q (%v)", got, want, err)
	}
	for _, p := range []string{point, filepath.Join(point, "lost+found")} {
		if st := stat(t, p); st.Mtim.Sec != s.Made.Unix() || st.Ctim.Sec != s.Made.Unix() || st.Uid != 0 {
			t.Errorf("%s is of %d, %v", p, st.Uid, time.Unix(st.Mtim.Unix()))
		}
	}

	// Blocks: somebody, then root, who has the reserve, then nobody at all.
	fs := statfs(t, point)
	if fs.Files != 2048 {
		t.Errorf("%d inodes, want one per 16 KiB", fs.Files)
	}
	// Beside the reserve, ext4 keeps 2 % for itself.
	if part := int64(fs.Bfree-fs.Bavail) * fs.Bsize * 1000 / s.Size; part < 49 || part > 71 {
		t.Errorf("%d thousandths are not available to all, want 50 and up to 20", part)
	}
	first := write(t, rootID+1000, filepath.Join(point, "somebody"))
	if fs := statfs(t, point); fs.Bavail != 0 || fs.Bfree == 0 {
		t.Errorf("somebody filled it: %d blocks free, %d available", fs.Bfree, fs.Bavail)
	}
	second := write(t, rootID, filepath.Join(point, "root"))
	if part := s.Size * 5 / 100; second < part*8/10 || second > part*12/10 {
		t.Errorf("root got %d bytes more, want about %d", second, part)
	}
	if sum, all := first+second, int64(fs.Bavail)*fs.Bsize+s.Size*5/100; sum < all*97/100 || sum > all {
		t.Errorf("%d and %d bytes fit; %d said to be free", first, second, all)
	}
	unix.Sync()
	if after := allocated(t, "full", image, s.Size); after != before {
		t.Errorf("the image had %d blocks and has %d", before, after)
	}
}

func TestInodes(t *testing.T) {
	state, dir := ground(t, 128<<20)
	s := spec("vtest-inodes")
	s.Inodes, s.Reserved, s.Size = 256, 0, 16<<20
	if err := Make(t.Context(), state, dir, []Spec{s}, 1); err != nil {
		t.Fatal(err)
	}
	point := Dir(dir, "one", s.Name)
	fs := statfs(t, point)
	if fs.Files != 256 || fs.Ffree != 256-11 {
		t.Fatalf("%d inodes, %d free", fs.Files, fs.Ffree)
	}
	made, err := 0, error(nil)
	for ; err == nil; made++ {
		err = os.WriteFile(filepath.Join(point, fmt.Sprint("f", made)), nil, 0o600)
	}
	if made--; uint64(made) != fs.Ffree || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%d files of %d, then %v", made, fs.Ffree, err)
	}
	if fs := statfs(t, point); fs.Bavail == 0 || int64(fs.Bfree-fs.Bavail)*fs.Bsize > s.Size*21/1000 {
		t.Errorf("without a reserve: %d of %d blocks available", fs.Bavail, fs.Bfree)
	}
	line, err := exec.Command("findmnt", "-no", "OPTIONS", point).Output()
	if err != nil || strings.Contains(string(line), "resuid") {
		t.Errorf("options without a reserve: %s (%v)", line, err)
	}
}

// A volume in use is not made anew; one that is free is, in the same room, be the
// disk as full as it may.
func TestRenew(t *testing.T) {
	state, dir := ground(t, 256<<20)
	a, b := spec("vtest-a"), spec("vtest-b")
	b.Node = "two"
	if err := Make(t.Context(), state, dir, []Spec{a, b}, 2); err != nil {
		t.Fatal(err)
	}
	point, image := Dir(dir, "one", a.Name), Dir(dir, "one", a.Name)+".img"
	before := allocated(t, "new", image, a.Size)
	for _, s := range []Spec{a, b} {
		if err := os.WriteFile(filepath.Join(Dir(dir, s.Node, s.Name), "kept"), []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(t, 0, filepath.Join(dir, "..", "fill"))
	if fs := statfs(t, filepath.Dir(dir)); fs.Bavail > 16 {
		t.Fatalf("the lab's disk still has %d blocks", fs.Bavail)
	}

	view, err := unix.OpenTree(unix.AT_FDCWD, point, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := Renew(short, state, "one"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "volume vtest-a of node one") {
		t.Errorf("a volume in use: %v", err)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(view, "kept", &st, 0); err != nil || st.Size != 4 {
		t.Errorf("who uses it: %d, %v", st.Size, err)
	}
	unix.Close(view)

	// As a later process would: only the state directory is known.
	if err := Renew(t.Context(), state, "one"); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(point); err != nil || len(entries) != 1 || entries[0].Name() != "lost+found" {
		t.Errorf("after a renewal: %v, %v", entries, err)
	}
	if b, err := os.ReadFile(filepath.Join(Dir(dir, "two", b.Name), "kept")); err != nil || string(b) != "kept" {
		t.Errorf("the other node's: %q, %v", b, err)
	}
	unix.Sync()
	if after := allocated(t, "renewed", image, a.Size); after != before {
		t.Errorf("the image had %d blocks and has %d", before, after)
	}
	// All of it can be written: nobody took the room meanwhile.
	free := int64(statfs(t, point).Bavail) * 4096
	if n := write(t, 0, filepath.Join(point, "all")); n < free*99/100 || free < a.Size*3/4 {
		t.Errorf("%d bytes fit into %d of %d", n, free, a.Size)
	}
	if out, err := exec.Command("sync", "-f", point).CombinedOutput(); err != nil {
		t.Errorf("sync: %s", out)
	}
}

// Sweep takes what the record names, and what is beside it stays.
func TestSweep(t *testing.T) {
	state, dir := ground(t, 256<<20)
	if err := Sweep(t.Context(), state); err != nil {
		t.Errorf("a lab without volumes: %v", err)
	}
	specs := []Spec{spec("vtest-x"), spec("vtest-y")}
	if err := Make(t.Context(), state, dir, specs, 2); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("foreign", foreign, "tmpfs", 0, "size=4k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(foreign, 0) })
	for range 2 {
		if err := Sweep(t.Context(), state); err != nil {
			t.Error(err)
		}
		if points := mounts(t, dir); len(points) != 1 || points[0] != foreign {
			t.Errorf("mounted: %v", points)
		}
		if l := loops(t, "vtest-"); len(l) > 0 {
			t.Errorf("attached: %v", l)
		}
	}
	// What was begun and not finished is swept as well.
	if err := os.WriteFile(filepath.Join(state, "volumes.json"), []byte(`{"dir":"`+dir+`-none","volumes":[{"node":"a","name":"b"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(t.Context(), state); err != nil {
		t.Errorf("killed after its intent: %v", err)
	}
}

// A volume that cannot be made says which, and the kernel keeps nothing of it.
func TestMakeFails(t *testing.T) {
	state, dir := ground(t, 64<<20)
	s := spec("vtest-large")
	s.Size = 1 << 30
	err := Make(t.Context(), state, dir, []Spec{s}, 1)
	if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "volume vtest-large of node one: set 1024 MiB of the lab's disk aside") {
		t.Errorf("no room: %v", err)
	}
	if err := attach(Dir(dir, "one", "vtest-large")+".img", Dir(dir, "one", "vtest-large"), s); err == nil {
		t.Error("what is no file system is mounted")
	}
	if l := loops(t, s.Name); len(l) > 0 {
		t.Errorf("attached: %v", l)
	}
}

// The disk of a lab that has volumes leaves its nodes what one without leaves.
func TestRoom(t *testing.T) {
	const plain = 512 << 20
	_, dir := ground(t, plain)
	want := statfs(t, filepath.Dir(dir))
	var specs []Spec
	for i := range 8 {
		s := spec(fmt.Sprint("vtest-room", i))
		s.Size = 64 << 20 << (i % 4)
		specs = append(specs, s)
	}
	state, dir := ground(t, plain+Room(specs))
	begin := time.Now()
	if err := Make(t.Context(), state, dir, specs, 4); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	got := statfs(t, filepath.Dir(dir))
	if got.Bavail < want.Bavail {
		t.Errorf("%d MiB left, %d without volumes", got.Bavail*uint64(got.Bsize)>>20, want.Bavail*uint64(want.Bsize)>>20)
	}
	if spare := int64(got.Bavail-want.Bavail) * got.Bsize; spare > Room(specs)/16 {
		t.Errorf("%d MiB too much", spare>>20)
	}
	t.Logf("%d volumes in %v", len(specs), took)
}
