package images

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// An export is a zstd-compressed tar archive:
//
//	situlab-image.json   what the image and its layers are (manifest)
//	layers/ID/...        each layer's tree, with owners, times, hard links,
//	                     capabilities and overlay marks
//
// The same image exported twice gives the same bytes.
const manifestName = "situlab-image.json"

type manifest struct {
	Format int     `json:"format"`
	Image  *Image  `json:"image"`
	Layers []layer `json:"layers"`
}

const exportFormat = 1

// Export writes an image to w in the form that Import takes.
func (s *Store) Export(ctx context.Context, ref string, w io.Writer, p Progress) error {
	img, err := s.Image(ref)
	if err != nil {
		return err
	}
	all, err := s.layers()
	if err != nil {
		return err
	}
	m := manifest{Format: exportFormat, Image: img}
	for _, l := range img.Layers {
		d, ok := all[l.ID]
		if !ok {
			return fmt.Errorf("image %s: its layer %.12s is not in the store; remove the image and build again", img.Name, l.ID)
		}
		m.Layers = append(m.Layers, d)
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(2))
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	if err := s.writeExport(ctx, t, m, p); err != nil {
		z.Close()
		return fmt.Errorf("export image %s: %w", img.Name, err)
	}
	return firstError(t.Close(), z.Close())
}

func (s *Store) writeExport(ctx context.Context, t *tar.Writer, m manifest, p Progress) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	head := &tar.Header{Typeflag: tar.TypeReg, Name: manifestName, Mode: 0o644, Size: int64(len(b)), ModTime: m.Image.Created, Format: tar.FormatPAX}
	if err := t.WriteHeader(head); err != nil {
		return err
	}
	if _, err := t.Write(b); err != nil {
		return err
	}
	buf := make([]byte, 256<<10)
	for i, l := range m.Layers {
		what := "base"
		if l.Role != "" {
			what = "role " + l.Role
		}
		p.tell("export "+what, i, len(m.Layers))
		root := s.tree(l.ID)
		err := walk(ctx, root, func(e *entry) error { return writeEntry(t, root, "layers/"+l.ID, e, buf) })
		if err != nil {
			return err
		}
	}
	p.tell("exported", len(m.Layers), len(m.Layers))
	return nil
}

// writeEntry writes one name of a tree below a prefix.
func writeEntry(t *tar.Writer, root, prefix string, e *entry, buf []byte) error {
	h := &tar.Header{
		Name: path.Join(prefix, e.path), Mode: int64(e.stat.Mode & 0o7777), Uid: int(e.stat.Uid), Gid: int(e.stat.Gid),
		ModTime: time.Unix(e.stat.Mtim.Sec, 0), Format: tar.FormatPAX,
	}
	switch e.kind() {
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, e.stat.Size
	case unix.S_IFLNK:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	default:
		return fmt.Errorf("%s is of a type that layers do not hold", e.path)
	}
	if e.twin != "" {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, path.Join(prefix, e.twin), 0
	} else if len(e.xattrs) > 0 {
		h.PAXRecords = map[string]string{}
		for k, v := range e.xattrs {
			h.PAXRecords["SCHILY.xattr."+k] = v
		}
	}
	if err := t.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", e.path, err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	f, err := os.Open(filepath.Join(root, e.path))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{t}, struct{ io.Reader }{f}, buf)
	return err
}
