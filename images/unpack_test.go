package images

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func TestStrictArchives(t *testing.T) {
	long := strings.Repeat("x", 256)
	for name, bad := range map[string][]file{
		"climbs":              {{name: "../evil", body: "x"}},
		"climbs inside":       {{name: "etc/../../evil", body: "x"}},
		"absolute":            {{name: "/evil", body: "x"}},
		"long part":           {{name: long, body: "x"}},
		"through a link":      {{name: "out", typ: tar.TypeSymlink, link: "/tmp"}, {name: "out/evil", body: "x"}},
		"through a near link": {{name: "near", typ: tar.TypeSymlink, link: "etc"}, {name: "near/evil", body: "x"}},
		"through a file":      {{name: "etc/passwd/evil", body: "x"}},
		"twice":               {{name: "etc/passwd", body: "x"}},
		"link then file":      {{name: "l", typ: tar.TypeSymlink, link: "/etc/evil"}, {name: "l", body: "x"}},
		"directory over link": {{name: "d", typ: tar.TypeSymlink, link: "/tmp"}, {name: "d/", typ: tar.TypeDir}},
		"hard link out":       {{name: "h", typ: tar.TypeLink, link: "../../etc/passwd"}},
		"hard link absolute":  {{name: "h", typ: tar.TypeLink, link: "/etc/passwd"}},
		"hard link forward":   {{name: "h", typ: tar.TypeLink, link: "later"}, {name: "later", body: "x"}},
		"hard link to dir":    {{name: "h", typ: tar.TypeLink, link: "etc"}},
		"hard link via link":  {{name: "s", typ: tar.TypeSymlink, link: "/etc"}, {name: "h", typ: tar.TypeLink, link: "s/passwd"}},
		"device":              {{name: "var/disk", typ: tar.TypeBlock}},
		"large id":            {{name: "f", body: "x", uid: 65536}},
		"socket or unknown":   {{name: "u", typ: 'Z'}},
		"run is a link":       {{name: "run", typ: tar.TypeSymlink, link: "/tmp"}},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			s := Open(filepath.Join(home, "a", "images"))
			_, err := s.ImportFrom(context.Background(), bytes.NewReader(smallRootfs(t, bad...)), "bad", ImportOptions{})
			if !errors.As(err, new(*InputError)) {
				t.Fatalf("imported, or another error: %v", err)
			}
			if _, err := s.Image(""); !errors.As(err, new(*NoImageError)) {
				t.Errorf("something was imported: %v", err)
			}
			filepath.WalkDir(home, func(p string, d fs.DirEntry, err error) error {
				if err == nil && d.Name() == "evil" {
					t.Errorf("written: %s", p)
				}
				return err
			})
		})
	}
}

func TestForeignRootfs(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "images"))
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(smallRootfs(t,
		file{name: "dev/", typ: tar.TypeDir}, file{name: "dev/null", typ: tar.TypeChar},
		file{name: "opt/", typ: tar.TypeDir, xattrs: map[string]string{opaque: "y", "trusted.overlay.redirect": "/root", "security.selinux": "x"}},
	)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	img := mustImport(t, s, z.Bytes())
	for _, role := range []string{"", "dns", "anything"} {
		lowers, err := img.Lowers(role)
		if err != nil || len(lowers) != 1 {
			t.Fatalf("role %q: %v, %v", role, lowers, err)
		}
	}
	lowers, _ := img.Lowers("")
	if names, _ := filepath.Glob(filepath.Join(lowers[0], "dev/*")); len(names) > 0 {
		t.Errorf("devices were unpacked: %v", names)
	}
	e, err := inspect(lowers[0], "opt")
	if err != nil || len(e.xattrs) > 0 {
		t.Errorf("attributes were unpacked: %v, %v", e.xattrs, err)
	}
	for _, d := range []string{"proc", "sys", "run", "tmp"} {
		if st, err := os.Lstat(filepath.Join(lowers[0], d)); err != nil || !st.IsDir() {
			t.Errorf("/%s was not made: %v", d, err)
		}
	}
}

func TestNotAnArchive(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty": nil, "text": []byte("hello, this is no archive at all"), "bzip2": []byte("BZh91AY&SY"),
		"xz": {0xfd, '7', 'z', 'X', 'Z', 0}, "bad gzip": {0x1f, 0x8b, 9, 9, 9, 9}, "bad zstd": {0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3},
		"empty tar": make([]byte, 1024), "no systemd": archive(t, file{name: "etc/passwd", body: "x"}, file{name: "etc/group", body: "x"}),
	} {
		s := Open(filepath.Join(t.TempDir(), "images"))
		if _, err := s.ImportFrom(context.Background(), bytes.NewReader(b), name, ImportOptions{}); !errors.As(err, new(*InputError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzUnpack: whatever the archive says, nothing appears outside of the
// directory, and no device in it.
func FuzzUnpack(f *testing.F) {
	t := &testing.T{}
	f.Add(smallRootfs(t))
	f.Add(archive(t, file{name: "a", typ: tar.TypeSymlink, link: ".."}, file{name: "a/evil", body: "x"}))
	f.Add(archive(t, file{name: "a/b/", typ: tar.TypeDir}, file{name: "c", typ: tar.TypeLink, link: "a/../a/b"}))
	f.Add(archive(t, file{name: "n", typ: tar.TypeChar}, file{name: "p", typ: tar.TypeFifo}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		outer := t.TempDir()
		dir := filepath.Join(outer, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		u, err := newUnpacker(dir, "fuzz", false)
		if err != nil {
			t.Fatal(err)
		}
		defer u.close()
		if u.all(context.Background(), bytes.NewReader(b)) == nil {
			if err := u.finish(); err != nil {
				t.Fatal(err)
			}
		}
		if names, _ := os.ReadDir(outer); len(names) != 1 {
			t.Fatalf("written outside: %v", names)
		}
		filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type()&fs.ModeDevice != 0 {
				t.Fatalf("device: %s", p)
			}
			return nil
		})
	})
}
