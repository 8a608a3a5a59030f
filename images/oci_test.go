package images

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ociLayout writes a layout whose index holds an image of another processor
// first, then one for this host: the small root file system, and a layer that
// deletes a file and adds one.
func ociLayout(t *testing.T) string {
	t.Helper()
	make := func(arch string) v1.Image {
		img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{Architecture: arch, OS: "linux", RootFS: v1.RootFS{Type: "layers"}})
		if err != nil {
			t.Fatal(err)
		}
		second := archive(t, file{name: "etc/.wh.motd"}, file{name: "etc/added", body: "new", mode: 0o600, uid: 7})
		for _, l := range [][]byte{smallRootfs(t, file{name: "etc/motd", body: "old"}), second} {
			if img, err = mutate.AppendLayers(img, static.NewLayer(l, types.OCIUncompressedLayer)); err != nil {
				t.Fatal(err)
			}
		}
		return mutate.MediaType(img, types.OCIManifestSchema1)
	}
	var index v1.ImageIndex = empty.Index
	for _, arch := range []string{"s390x", runtime.GOARCH} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: make(arch), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	dir := t.TempDir()
	if _, err := layout.Write(dir, index); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tarOf packs a folder's files, as `skopeo copy ... oci-archive:` does.
func tarOf(t *testing.T, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestImportOCI(t *testing.T) {
	ctx := context.Background()
	dir := ociLayout(t)
	s := Open(filepath.Join(t.TempDir(), "images"))
	img, err := s.Import(ctx, dir, ImportOptions{Name: "from-oci"})
	if err != nil {
		t.Fatal(err)
	}
	lowers, err := img.Lowers("dns")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(lowers[0], "etc/motd")); err == nil {
		t.Error("a file that the second layer deletes is there")
	}
	e, err := inspect(lowers[0], "etc/added")
	if err != nil || e.stat.Uid != 7 || e.stat.Mode&0o7777 != 0o600 {
		t.Errorf("added file: %+v, %v", e, err)
	}
	if v := xattr(t, filepath.Join(lowers[0], "usr/bin/ping"), "security.capability"); v != capNetRaw {
		t.Errorf("capability: %q", v)
	}
	// The archive of the layout is the same image.
	got, err := s.ImportFrom(ctx, bytes.NewReader(tarOf(t, dir)), "archive", ImportOptions{Name: "from-oci"})
	if err != nil || got.ID != img.ID {
		t.Errorf("from the archive: %v, %v", got, err)
	}
}

func TestDamagedOCI(t *testing.T) {
	ctx := context.Background()
	for name, damage := range map[string]func(t *testing.T, dir string){
		"a changed layer": func(t *testing.T, dir string) {
			blobs, _ := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
			for _, b := range blobs {
				content := []byte(readFile(t, b))
				if i := bytes.Index(content, []byte("not really")); i >= 0 {
					content[i] = 'N'
					if err := os.WriteFile(b, content, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		},
		"a missing layer": func(t *testing.T, dir string) {
			blobs, _ := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
			for _, b := range blobs {
				if strings.Contains(readFile(t, b), "not really") {
					os.Remove(b)
				}
			}
		},
		"no index":  func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "index.json")) },
		"bad index": func(t *testing.T, dir string) { os.WriteFile(filepath.Join(dir, "index.json"), []byte("{"), 0o644) },
		"another processor": func(t *testing.T, dir string) {
			f := filepath.Join(dir, "index.json")
			os.WriteFile(f, bytes.ReplaceAll([]byte(readFile(t, f)), []byte(`"`+runtime.GOARCH+`"`), []byte(`"sparc"`)), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ociLayout(t)
			damage(t, dir)
			s := Open(filepath.Join(t.TempDir(), "images"))
			if _, err := s.Import(ctx, dir, ImportOptions{}); !errors.As(err, new(*InputError)) {
				t.Errorf("imported, or another error: %v", err)
			}
			if _, err := s.Image(""); !errors.As(err, new(*NoImageError)) {
				t.Errorf("something was imported: %v", err)
			}
		})
	}
}

// TestRealImageRoundTrip moves the machine's own image to another store and back
// out: the second export is the first, byte for byte.
func TestRealImageRoundTrip(t *testing.T) {
	if testing.Short() {
		t.Skip("moves a gigabyte")
	}
	ctx := context.Background()
	from := Open(filepath.Join(home(), "images"))
	img, err := from.Build(ctx, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	to := Open(filepath.Join(t.TempDir(), "images"))
	pipe, w := io.Pipe()
	go func() { w.CloseWithError(from.Export(ctx, img.ID, w, nil)) }()
	got, err := to.ImportFrom(ctx, pipe, "pipe", ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != img.ID || got.Size() != img.Size() {
		t.Errorf("imported %.12s with %d bytes, want %.12s with %d", got.ID, got.Size(), img.ID, img.Size())
	}
}
