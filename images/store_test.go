package images

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets a test run this binary as a process that is killed at a named
// point: SITULAB_IMAGES_KILL names it, the arguments say what to do.
func TestMain(m *testing.M) {
	if what := os.Getenv("SITULAB_IMAGES_CHILD"); what != "" {
		os.Exit(child(what))
	}
	os.Exit(m.Run())
}

// child does one change of a store; it is killed when the point is passed for
// the given time.
func child(what string) int {
	point, count := os.Getenv("SITULAB_IMAGES_KILL"), 0
	after := 1
	fmt.Sscanf(os.Getenv("SITULAB_IMAGES_KILL_AT"), "%d", &after)
	failpoint = func(name string) {
		if name != point {
			return
		}
		if count++; count == after {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	s := Open(os.Getenv("SITULAB_IMAGES_STORE"))
	var err error
	switch what {
	case "import":
		_, err = s.Import(context.Background(), os.Getenv("SITULAB_IMAGES_FILE"), ImportOptions{})
	case "build":
		s.cache = os.Getenv("SITULAB_IMAGES_CACHE")
		var r *recipe
		if r, err = loadRecipe(smallRecipe); err == nil {
			_, err = s.build(context.Background(), r, BuildOptions{})
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// killed runs the child and reports whether it was killed at the point.
func killed(t *testing.T, env ...string) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("child: %v\n%s", err, out)
	}
	return true
}

// file is one entry of a test archive.
type file struct {
	name, body, link string
	typ              byte
	mode             int64
	uid, gid         int
	xattrs           map[string]string
}

func archive(t *testing.T, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if f.typ == 0 {
			f.typ = tar.TypeReg
		}
		if f.mode == 0 {
			f.mode = 0o755
		}
		h := &tar.Header{
			Name: f.name, Linkname: f.link, Typeflag: f.typ, Mode: f.mode, Uid: f.uid, Gid: f.gid,
			Size: int64(len(f.body)), ModTime: time.Unix(1_600_000_000, 0), Format: tar.FormatPAX,
		}
		for k, v := range f.xattrs {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords["SCHILY.xattr."+k] = v
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// capNetRaw is cap_net_raw=ep in the form of revision 2 (capabilities(7)).
const capNetRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// smallRootfs is the least that import takes, with one of everything.
func smallRootfs(t *testing.T, extra ...file) []byte {
	return archive(t, append([]file{
		{name: "./", typ: tar.TypeDir},
		{name: "etc/", typ: tar.TypeDir},
		{name: "etc/passwd", body: "root:x:0:0::/root:/bin/sh\nbind:x:320:321::/:/bin/false\n", mode: 0o644},
		{name: "etc/group", body: "root:x:0:\nbind:x:321:\n", mode: 0o644},
		{name: "usr/lib/systemd/systemd", body: "not really"},
		{name: "usr/bin/ping", body: "x", xattrs: map[string]string{"security.capability": capNetRaw, "user.note": "a\x00b"}},
		{name: "usr/bin/ping6", typ: tar.TypeLink, link: "usr/bin/ping"},
		{name: "usr/bin/su", body: "y", mode: 0o4755},
		{name: "bin", typ: tar.TypeSymlink, link: "usr/bin"},
		{name: "var/cache/bind/", typ: tar.TypeDir, uid: 320, gid: 321, mode: 0o2775},
		{name: "var/fifo", typ: tar.TypeFifo, uid: 320, mode: 0o622},
	}, extra...)...)
}

func writeTemp(t *testing.T, b []byte) string {
	t.Helper()
	f := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(f, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

func mustImport(t *testing.T, s *Store, b []byte) *Image {
	t.Helper()
	img, err := s.ImportFrom(context.Background(), bytes.NewReader(b), "test", ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// checkWhole fails unless every image of the store is complete and every layer
// is what its id says.
func checkWhole(t *testing.T, s *Store) {
	t.Helper()
	images, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range images {
		for _, l := range img.Layers {
			got, err := fingerprint(context.Background(), s.tree(l.ID))
			if err != nil || got.id != l.ID {
				t.Errorf("image %.12s: layer %.12s has the content of %.12s (%v)", img.ID, l.ID, got.id, err)
			}
		}
	}
	layers, err := s.layers()
	if err != nil {
		t.Fatal(err)
	}
	for id := range layers {
		if got, err := fingerprint(context.Background(), s.tree(id)); err != nil || got.id != id {
			t.Errorf("layer %.12s has the content of %.12s (%v)", id, got.id, err)
		}
	}
}

func TestImportKilledAtEachStep(t *testing.T) {
	file := writeTemp(t, smallRootfs(t))
	for _, point := range []string{"unpacked", "sealed", "renamed", "imported", "described"} {
		t.Run(point, func(t *testing.T) {
			s := Open(filepath.Join(t.TempDir(), "images"))
			if !killed(t, "SITULAB_IMAGES_CHILD=import", "SITULAB_IMAGES_KILL="+point, "SITULAB_IMAGES_STORE="+s.dir, "SITULAB_IMAGES_FILE="+file) {
				t.Fatalf("the import does not pass %q", point)
			}
			checkWhole(t, s)
			if _, err := s.Image(""); err != nil && !errors.As(err, new(*NoImageError)) {
				t.Fatal(err)
			}
			img, err := s.Import(context.Background(), file, ImportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			checkWhole(t, s)
			if got, err := s.Image(""); err != nil || got.ID != img.ID {
				t.Fatalf("default: %v, %v", got, err)
			}
			if left, _ := filepath.Glob(filepath.Join(s.dir, "tmp", "*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestExportImportRoundTrip(t *testing.T) {
	ctx := context.Background()
	from, to := Open(filepath.Join(t.TempDir(), "images")), Open(filepath.Join(t.TempDir(), "images"))
	img := layeredImage(t, from)
	var first, second bytes.Buffer
	if err := from.Export(ctx, img.ID[:8], &first, nil); err != nil {
		t.Fatal(err)
	}
	if err := from.Export(ctx, "", &second, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two exports of one image differ")
	}
	got, err := to.ImportFrom(ctx, bytes.NewReader(first.Bytes()), "export", ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != img.ID || got.Name != img.Name || got.Origin != "import" {
		t.Errorf("imported %+v, want the id and name of %+v", got, img)
	}
	checkWhole(t, to)
	lowers, err := got.Lowers("dns")
	if err != nil || len(lowers) != 2 {
		t.Fatalf("lowers: %v, %v", lowers, err)
	}
	if v := xattr(t, filepath.Join(lowers[0], "etc/bind"), opaque); v != "y" {
		t.Errorf("opaque mark: %q", v)
	}
	ping := filepath.Join(lowers[1], "usr/bin/ping")
	if v := xattr(t, ping, "security.capability"); v != capNetRaw {
		t.Errorf("capability: %q", v)
	}
	if v := xattr(t, ping, "user.note"); v != "a\x00b" {
		t.Errorf("user attribute: %q", v)
	}
	var a, b, su, dir unix.Stat_t
	for p, st := range map[string]*unix.Stat_t{"usr/bin/ping": &a, "usr/bin/ping6": &b, "usr/bin/su": &su, "var/cache/bind": &dir} {
		if err := unix.Lstat(filepath.Join(lowers[1], p), st); err != nil {
			t.Fatal(err)
		}
	}
	if a.Ino != b.Ino {
		t.Error("the hard link is lost")
	}
	if su.Mode&0o7777 != 0o4755 || su.Mtim.Sec != 1_600_000_000 {
		t.Errorf("su: mode %o, time %d", su.Mode, su.Mtim.Sec)
	}
	if dir.Uid != 320 || dir.Gid != 321 || dir.Mode&0o7777 != 0o2775 || dir.Mtim.Sec != 1_600_000_000 {
		t.Errorf("directory: %d:%d %o %d", dir.Uid, dir.Gid, dir.Mode, dir.Mtim.Sec)
	}
	// A second import finds its layers and changes nothing.
	again, err := to.ImportFrom(ctx, bytes.NewReader(first.Bytes()), "export", ImportOptions{})
	if err != nil || again.ID != img.ID {
		t.Fatalf("second import: %v, %v", again, err)
	}
}

func TestDamagedExportIsRefused(t *testing.T) {
	ctx := context.Background()
	from := Open(filepath.Join(t.TempDir(), "images"))
	img := layeredImage(t, from)
	good := map[string]func(id string) []file{
		"changed file": func(id string) []file { return []file{{name: "layers/" + id + "/etc/extra", body: "x"}} },
		"other layer":  func(string) []file { return []file{{name: "layers/" + strings.Repeat("0", 64) + "/x", body: "x"}} },
		"no layer":     func(string) []file { return []file{{name: "etc/x", body: "x"}} },
		"link out": func(id string) []file {
			return []file{{name: "layers/" + id + "/x", typ: tar.TypeLink, link: "layers/" + img.Layers[1].ID + "/etc/bind"}}
		},
		"overlay redirect": func(id string) []file {
			return []file{{name: "layers/" + id + "/etc", typ: tar.TypeDir, xattrs: map[string]string{"trusted.overlay.redirect": "/root"}}}
		},
	}
	var b bytes.Buffer
	if err := from.Export(ctx, "", &b, nil); err != nil {
		t.Fatal(err)
	}
	for name, add := range good {
		t.Run(name, func(t *testing.T) {
			to := Open(filepath.Join(t.TempDir(), "images"))
			r, done, err := decompress(bytes.NewReader(b.Bytes()), "export")
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			var plain bytes.Buffer
			if _, err := plain.ReadFrom(r); err != nil {
				t.Fatal(err)
			}
			// The archive's end is two blocks of zeros, perhaps more: cut them.
			data := bytes.TrimRight(plain.Bytes(), "\x00")
			data = append(data, make([]byte, (512-len(data)%512)%512)...)
			data = append(data, archive(t, add(img.Layers[0].ID)...)...)
			_, err = to.ImportFrom(ctx, bytes.NewReader(data), "export", ImportOptions{})
			if !errors.As(err, new(*InputError)) {
				t.Fatalf("imported, or another error: %v", err)
			}
			if _, err := to.Image(""); !errors.As(err, new(*NoImageError)) {
				t.Errorf("something was imported: %v", err)
			}
		})
	}
	t.Run("cut", func(t *testing.T) {
		for _, n := range []int{3, 100, b.Len() / 2, b.Len() - 20} {
			to := Open(filepath.Join(t.TempDir(), "images"))
			if _, err := to.ImportFrom(ctx, bytes.NewReader(b.Bytes()[:n]), "export", ImportOptions{}); !errors.As(err, new(*InputError)) {
				t.Errorf("cut at %d: %v", n, err)
			}
		}
	})
}

// layeredImage puts an image of a base and one role into a store.
func layeredImage(t *testing.T, s *Store) *Image {
	t.Helper()
	base := mustImport(t, s, smallRootfs(t))
	ctx := context.Background()
	tmp, end, err := s.change(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	work := filepath.Join(tmp, "role")
	dir := filepath.Join(work, "tree", "etc", "bind")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, "tree/etc/passwd"), []byte("root:x:0:0::/root:/bin/sh\nbind:x:322:323::/:/bin/false\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(dir, opaque, []byte("y"), 0); err != nil {
		t.Fatal(err)
	}
	l, err := s.seal(ctx, work, layer{Role: "dns", Base: base.Layers[0].ID})
	if err != nil {
		t.Fatal(err)
	}
	img := &Image{Name: "two", Origin: "build", Arch: base.Arch, Created: base.Created, Layers: append(base.Layers, Layer{Role: "dns", ID: l.ID})}
	if err := s.commit(img); err != nil {
		t.Fatal(err)
	}
	return img
}

func xattr(t *testing.T, path, name string) string {
	t.Helper()
	b := make([]byte, 1000)
	n, err := unix.Lgetxattr(path, name, b)
	if err != nil {
		t.Errorf("%s of %s: %v", name, path, err)
		return ""
	}
	return string(b[:n])
}

func TestOwnersComeFromTheRolesOwnFiles(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "images"))
	img := layeredImage(t, s)
	for _, c := range []struct {
		role, user, group string
		uid, gid          uint32
		fails             bool
	}{
		{role: "dns", user: "bind", uid: 322, gid: 323},
		{role: "", user: "bind", uid: 320, gid: 321},
		{role: "dns", user: "bind", group: "bind", uid: 322, gid: 321}, // the group file is the base's
		{role: "dns", group: "root"},
		{role: "dns", user: "1000", group: "1001", uid: 1000, gid: 1001},
		{role: "dns"},
		{role: "dns", user: "nobody-here", fails: true},
		{role: "dns", user: "65536", fails: true},
		{role: "fax", user: "root", fails: true},
	} {
		uid, gid, err := img.Owner(c.role, c.user, c.group)
		if (err != nil) != c.fails || uid != c.uid || gid != c.gid {
			t.Errorf("Owner(%q, %q, %q) = %d, %d, %v", c.role, c.user, c.group, uid, gid, err)
		}
		if err != nil && !errors.As(err, new(*InputError)) {
			t.Errorf("not an input error: %v", err)
		}
	}
}

func TestReferencesAndRemove(t *testing.T) {
	ctx := context.Background()
	s := Open(filepath.Join(t.TempDir(), "images"))
	if _, err := s.Image(""); !errors.As(err, new(*NoImageError)) {
		t.Fatalf("empty store: %v", err)
	}
	two := layeredImage(t, s)
	one, err := s.Image("imported")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Image(one.ID[:6]); err != nil || got.ID != one.ID {
		t.Errorf("by prefix: %v, %v", got, err)
	}
	if _, err := s.Image("abc"); err == nil {
		t.Error("three digits are enough")
	}
	if _, err := s.Remove(ctx, "two"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.tree(two.Layers[0].ID)); err != nil {
		t.Error("a layer that another image uses was removed")
	}
	if _, err := os.Stat(s.tree(two.Layers[1].ID)); err == nil {
		t.Error("an unused layer was kept")
	}
	if got, err := s.Image(""); err != nil || got.ID != one.ID {
		t.Errorf("the remaining image is the default: %v, %v", got, err)
	}
	if _, err := s.Remove(ctx, one.ID); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*", "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestChangesWaitForEachOther(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "images"))
	_, end, err := s.change(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	waiting := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, _, err := s.change(ctx, func(string, int, int) { close(waiting) })
		done <- err
	}()
	<-waiting
	select {
	case err := <-done:
		t.Fatalf("two changes at once: %v", err)
	default:
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	end()
	_, end, err = s.change(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	end()
}

// sealedLayers puts layers into the store as a build of the recipe would have.
func sealedLayers(t *testing.T, s *Store, r *recipe) {
	t.Helper()
	tmp, end, err := s.change(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	seal := func(l layer, key string, err error) layer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		work := filepath.Join(tmp, "layer"+l.Role)
		if err := os.MkdirAll(filepath.Join(work, "tree", "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(work, "tree", "etc", "role"), []byte(l.Role), 0o644); err != nil {
			t.Fatal(err)
		}
		l.Key = key
		if l, err = s.seal(context.Background(), work, l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	key, err := r.baseKey()
	base := seal(layer{}, key, err)
	for _, role := range r.roles {
		key, err := r.roleKey(role.role, base.ID)
		seal(layer{Role: role.role, Base: base.ID}, key, err)
	}
}

// An image that is put together from layers of the store is described under its
// lock: one that is being removed meanwhile is not.
func TestBuiltImageIsDescribedUnderTheLock(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "images"))
	r, err := loadRecipe(smallRecipe)
	if err != nil {
		t.Fatal(err)
	}
	sealedLayers(t, s, r)
	t.Setenv("PATH", "/nonexistent") // nothing is built here
	_, end, err := s.change(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	waiting, done := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := s.build(context.Background(), r, BuildOptions{Progress: func(string, int, int) { close(waiting) }})
		done <- err
	}()
	select {
	case <-waiting:
	case err := <-done:
		t.Fatalf("described while another changes the store (%v)", err)
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "layers")); err != nil {
		t.Fatal(err)
	}
	end()
	if err := <-done; !errors.As(err, new(*HostError)) {
		t.Errorf("build without its layers: %v", err)
	}
	if all, err := s.List(); err != nil || len(all) > 0 {
		t.Errorf("images of layers that are gone: %v, %v", all, err)
	}

	// With the layers in place it is described, needs no tool, and is found.
	sealedLayers(t, s, r)
	img, err := s.build(context.Background(), r, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if def, err := s.Image(""); err != nil || def.ID != img.ID {
		t.Errorf("default: %v, %v", def, err)
	}
	checkWhole(t, s)
}

func TestSweep(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "images"))
	if done, err := s.Sweep(); err != nil || done != nil {
		t.Errorf("no store: %q, %v", done, err)
	}
	if _, err := os.Stat(s.dir); err == nil {
		t.Error("a store was made")
	}
	file := writeTemp(t, smallRootfs(t, file{name: "big", body: strings.Repeat("x", 3<<20)}))
	if !killed(t, "SITULAB_IMAGES_CHILD=import", "SITULAB_IMAGES_KILL=unpacked", "SITULAB_IMAGES_STORE="+s.dir, "SITULAB_IMAGES_FILE="+file) {
		t.Fatal("the import was not killed")
	}
	half := filepath.Join(s.dir, "images", strings.Replace(newFile, "*", "1", 1))
	if err := os.WriteFile(half, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// Not while somebody is at work: he would lose what he makes.
	busy, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(busy.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Sweep(); err != nil || done != nil {
		t.Errorf("at work: %q, %v", done, err)
	}
	busy.Close()
	if done, err := s.Sweep(); err != nil || !slices.Equal(done, []string{"unfinished work on the images (3 MiB)"}) {
		t.Errorf("swept: %q, %v", done, err)
	}
	for _, p := range []string{half, filepath.Join(s.dir, "tmp")} {
		if _, err := os.Stat(p); err == nil {
			t.Errorf("%s is left", p)
		}
	}
	if done, err := s.Sweep(); err != nil || done != nil {
		t.Errorf("twice: %q, %v", done, err)
	}
	mustImport(t, s, smallRootfs(t))
	checkWhole(t, s)
}

func TestFullDisk(t *testing.T) {
	home := t.TempDir()
	if err := unix.Mount("tmpfs", home, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(home, 0); err != nil {
			t.Error(err)
		}
	})
	s := Open(filepath.Join(home, "images"))
	big := smallRootfs(t, file{name: "big", body: strings.Repeat("x", 2<<20)})
	var h *HostError
	if _, err := s.ImportFrom(context.Background(), bytes.NewReader(big), "big", ImportOptions{}); !errors.As(err, &h) {
		t.Errorf("import: %v", err)
	}
	r, err := loadRecipe(smallRecipe)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.build(context.Background(), r, BuildOptions{}); !errors.As(err, &h) {
		t.Errorf("build: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*", "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	mustImport(t, s, smallRootfs(t))
}
