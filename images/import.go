package images

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// ImportOptions say what an imported image is called.
type ImportOptions struct {
	// Name is given to a root file system or OCI image; our own exports keep
	// theirs. Empty means "imported".
	Name     string
	Progress Progress
}

// Import puts an image made elsewhere into the store and makes it the default.
// path is our own export, a tar archive of a root file system, an OCI archive,
// or the folder of an OCI layout; archives may be compressed with gzip or zstd. A
// root file system serves every role.
func (s *Store) Import(ctx context.Context, path string, o ImportOptions) (*Image, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, &InputError{Subject: path, Problem: "cannot be imported", Err: err}
	}
	if st.IsDir() {
		return s.importWith(ctx, o, func(tmp string) (*Image, error) { return s.importLayout(ctx, tmp, path, path, o) })
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &InputError{Subject: path, Problem: "cannot be imported", Err: err}
	}
	defer f.Close()
	return s.importFrom(ctx, f, path, o)
}

// ImportFrom is Import from a stream; name stands for it in messages.
func (s *Store) ImportFrom(ctx context.Context, r io.Reader, name string, o ImportOptions) (*Image, error) {
	return s.importFrom(ctx, r, name, o)
}

func (s *Store) importFrom(ctx context.Context, r io.Reader, subject string, o ImportOptions) (*Image, error) {
	return s.importWith(ctx, o, func(tmp string) (*Image, error) {
		plain, done, err := decompress(r, subject)
		if err != nil {
			return nil, err
		}
		defer done()
		return s.importTar(ctx, tmp, plain, subject, o)
	})
}

// importWith runs an import in the store's work directory and makes its result
// the default image.
func (s *Store) importWith(ctx context.Context, o ImportOptions, do func(tmp string) (*Image, error)) (*Image, error) {
	if os.Geteuid() != 0 {
		return nil, &HostError{What: "importing an image needs root (files keep their owners)", Hint: "sudo situlab image import FILE"}
	}
	tmp, end, err := s.change(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	defer end()
	img, err := do(tmp)
	if err != nil {
		return nil, diskFull(s.dir, err)
	}
	failpoint("imported")
	if err := s.commit(img); err != nil {
		return nil, diskFull(s.dir, err)
	}
	o.Progress.tell("image "+img.Name+" is ready", 1, 1)
	return img, nil
}

// decompress looks at a stream's first bytes (RFC 1952, RFC 8878).
func decompress(r io.Reader, subject string) (io.Reader, func(), error) {
	b := bufio.NewReaderSize(r, 256<<10)
	magic, err := b.Peek(4)
	if err != nil && len(magic) < 4 {
		return nil, nil, &InputError{Subject: subject, Problem: "is too short for an archive", Err: err}
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, nil, &InputError{Subject: subject, Problem: "is no readable gzip file", Err: err}
		}
		return z, func() { z.Close() }, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, nil, &InputError{Subject: subject, Problem: "is no readable zstd file", Err: err}
		}
		return z, z.Close, nil
	case bytes.HasPrefix(magic, []byte("BZh")), bytes.HasPrefix(magic, []byte{0xfd, '7', 'z', 'X'}):
		return nil, nil, badInput(subject, "is compressed with bzip2 or xz; compress it with gzip or zstd")
	}
	return b, func() {}, nil
}

// importTar tells the kinds of archives apart by their first entries.
func (s *Store) importTar(ctx context.Context, tmp string, r io.Reader, subject string, o ImportOptions) (*Image, error) {
	t := tar.NewReader(r)
	h, err := t.Next()
	if err != nil {
		return nil, &InputError{Subject: subject, Problem: "is no readable tar archive", Err: err}
	}
	if h.Name == manifestName && h.Typeflag == tar.TypeReg {
		return s.importExport(ctx, tmp, t, h, subject, o)
	}
	switch name := strings.TrimPrefix(h.Name, "./"); {
	case name == "oci-layout", name == "index.json", name == "manifest.json", name == "blobs/", strings.HasPrefix(name, "blobs/"), hexDir.MatchString(name):
		// An image in an archive: unpack it, then read it as a folder.
		dir := filepath.Join(tmp, "oci")
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		o.Progress.tell("unpack "+subject, 0, 0)
		if err := unpackAll(ctx, dir, subject, t, h); err != nil {
			return nil, err
		}
		return s.importLayout(ctx, tmp, dir, subject, o)
	}
	return s.importRootfs(ctx, tmp, subject, o, func(u *unpacker) error { return u.rest(ctx, t, h) })
}

// hexDir is how older `docker save` archives begin.
var hexDir = regexp.MustCompile(`^[0-9a-f]{64}(/|\.json|\.tar)`)

func unpackAll(ctx context.Context, dir, subject string, t *tar.Reader, first *tar.Header) error {
	u, err := newUnpacker(dir, subject, false)
	if err != nil {
		return err
	}
	defer u.close()
	if err := u.rest(ctx, t, first); err != nil {
		return err
	}
	return u.finish()
}

// rest unpacks an archive whose first header has been read already.
func (u *unpacker) rest(ctx context.Context, t *tar.Reader, h *tar.Header) error {
	for {
		if err := u.entry(h.Name, h, t); err != nil {
			return err
		}
		var err error
		if h, err = t.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return &InputError{Subject: u.subject, Problem: "is damaged", Err: err}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// importRootfs makes an image of one layer from one tree.
func (s *Store) importRootfs(ctx context.Context, tmp, subject string, o ImportOptions, fill func(*unpacker) error) (*Image, error) {
	o.Progress.tell("unpack "+subject, 0, 1)
	work := filepath.Join(tmp, "rootfs")
	tree := filepath.Join(work, "tree")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return nil, err
	}
	u, err := newUnpacker(tree, subject, false)
	if err != nil {
		return nil, err
	}
	defer u.close()
	if err := fill(u); err != nil {
		return nil, err
	}
	if err := u.finish(); err != nil {
		return nil, err
	}
	if err := checkRootfs(tree, subject); err != nil {
		return nil, err
	}
	failpoint("unpacked")
	l, err := s.seal(ctx, work, layer{})
	if err != nil {
		return nil, err
	}
	name := o.Name
	if name == "" {
		name = "imported"
	}
	return &Image{
		Name: name, Origin: "import", Arch: runtime.GOARCH, Created: time.Now().UTC().Truncate(time.Second),
		Layers: []Layer{{ID: l.ID, Size: l.Size, Files: l.Files}},
	}, nil
}

// checkRootfs refuses trees that no node could boot from, and those whose mount
// points are links (threats: CVE-2025-31133 and its like begin with one).
func checkRootfs(dir, subject string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, d := range []string{"dev", "proc", "sys", "run", "tmp", "etc"} {
		st, err := root.Lstat(d)
		if errors.Is(err, os.ErrNotExist) && d != "etc" {
			if err := root.Mkdir(d, 0o755); err != nil {
				return err
			}
			continue
		}
		if err != nil || !st.IsDir() {
			return badInput(subject, "is no root file system for a node: /%s is no directory", d)
		}
	}
	for _, f := range []string{"etc/passwd", "etc/group"} {
		if st, err := root.Lstat(f); err != nil || !st.Mode().IsRegular() {
			return badInput(subject, "is no root file system for a node: it has no file /%s", f)
		}
	}
	for _, f := range []string{"usr/lib/systemd/systemd", "lib/systemd/systemd"} {
		if st, err := root.Stat(f); err == nil && st.Mode().IsRegular() {
			return nil
		}
	}
	return badInput(subject, "is no root file system for a node: it has no systemd")
}

var layerID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// importExport takes an archive written by Export: each layer must be what its
// id says.
func (s *Store) importExport(ctx context.Context, tmp string, t *tar.Reader, h *tar.Header, subject string, o ImportOptions) (*Image, error) {
	m, err := readManifest(t, h, subject)
	if err != nil {
		return nil, err
	}
	have, err := s.layers()
	if err != nil {
		return nil, err
	}
	open := map[string]*unpacker{}
	defer func() {
		for _, u := range open {
			u.close()
		}
	}()
	for _, l := range m.Layers {
		if _, ok := have[l.ID]; ok {
			open[l.ID] = nil // its entries are read over
			continue
		}
		tree := filepath.Join(tmp, l.ID, "tree")
		if err := os.MkdirAll(tree, 0o755); err != nil {
			return nil, err
		}
		if open[l.ID], err = newUnpacker(tree, subject, true); err != nil {
			return nil, err
		}
	}
	current, done := "", 0
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, &InputError{Subject: subject, Problem: "is damaged", Err: err}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		id, name, ok := layerEntry(h.Name)
		u, known := open[id]
		if !ok || !known {
			return nil, badInput(subject, "entry %.100q belongs to none of its layers", h.Name)
		}
		if id != current {
			current = id
			o.Progress.tell(fmt.Sprintf("import layer %.12s", id), done, len(m.Layers))
			done++
		}
		if u == nil {
			continue
		}
		if h.Typeflag == tar.TypeLink {
			lid, target, ok := layerEntry(h.Linkname)
			if !ok || lid != id {
				return nil, badInput(subject, "entry %.100q is a hard link out of its layer", h.Name)
			}
			h.Linkname = target
		}
		if err := u.entry(name, h, t); err != nil {
			return nil, err
		}
	}
	return s.adopt(ctx, tmp, m, open, subject)
}

// layerEntry splits "layers/ID/NAME".
func layerEntry(name string) (id, rest string, ok bool) {
	name, ok = strings.CutPrefix(name, "layers/")
	if !ok {
		return "", "", false
	}
	id, rest, ok = strings.Cut(name, "/")
	if rest == "" {
		rest = "."
	}
	return id, rest, ok
}

// adopt checks the unpacked layers against their ids and moves them in.
func (s *Store) adopt(ctx context.Context, tmp string, m *manifest, open map[string]*unpacker, subject string) (*Image, error) {
	for _, l := range m.Layers {
		u := open[l.ID]
		if u == nil {
			continue
		}
		if err := u.finish(); err != nil {
			return nil, err
		}
		want := l.ID
		got, err := fingerprint(ctx, filepath.Join(tmp, want, "tree"))
		if err != nil {
			return nil, err
		}
		if got.id != want {
			return nil, badInput(subject, "is damaged: layer %.12s has the content of %.12s", want, got.id)
		}
		failpoint("unpacked")
		if _, err := s.seal(ctx, filepath.Join(tmp, want), l); err != nil {
			return nil, err
		}
	}
	img := m.Image
	img.Origin = "import"
	return img, nil
}

// readManifest reads and checks an export's description of itself.
func readManifest(t io.Reader, h *tar.Header, subject string) (*manifest, error) {
	const most = 4 << 20
	if h.Size > most {
		return nil, badInput(subject, "its %s is too large", manifestName)
	}
	b, err := io.ReadAll(io.LimitReader(t, most))
	if err != nil {
		return nil, &InputError{Subject: subject, Problem: "is damaged", Err: err}
	}
	m := &manifest{}
	if err := json.Unmarshal(b, m); err != nil || m.Image == nil {
		return nil, &InputError{Subject: subject, Problem: "its " + manifestName + " cannot be read", Err: err}
	}
	if m.Format != exportFormat {
		return nil, badInput(subject, "is an export of format %d; this program reads format %d", m.Format, exportFormat)
	}
	if len(m.Image.Layers) == 0 || len(m.Image.Layers) != len(m.Layers) || len(m.Layers) > 1000 || m.Image.digest() != m.Image.ID {
		return nil, badInput(subject, "its %s contradicts itself", manifestName)
	}
	ids := map[string]bool{}
	for _, l := range m.Layers {
		if !layerID.MatchString(l.ID) || ids[l.ID] && l.Role == "" {
			return nil, badInput(subject, "its %s names a layer %.20q", manifestName, l.ID)
		}
		ids[l.ID] = true
	}
	roles := map[string]bool{}
	for _, l := range m.Image.Layers {
		if !ids[l.ID] || roles[l.Role] {
			return nil, badInput(subject, "its %s contradicts itself", manifestName)
		}
		roles[l.Role] = true
	}
	if !roles[""] {
		return nil, badInput(subject, "its image has no base")
	}
	return m, nil
}
