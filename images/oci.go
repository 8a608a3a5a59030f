package images

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// importLayout imports the image in a folder, an OCI layout (image-spec,
// image-layout.md). Its layers become one tree, as a container would see it.
func (s *Store) importLayout(ctx context.Context, tmp, dir, subject string, o ImportOptions) (*Image, error) {
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err != nil {
		return nil, badInput(subject, "holds an image in Docker's old format; write it again with `skopeo copy ... oci-archive:FILE`, or take `docker export` of a container")
	}
	img, err := layoutImage(dir, subject)
	if err != nil {
		return nil, err
	}
	o.Progress.tell("examine "+subject, 0, 0)
	if err := verify(ctx, img); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &InputError{Subject: subject, Problem: "is damaged", Err: err}
	}
	return s.importRootfs(ctx, tmp, subject, o, func(u *unpacker) error {
		r := mutate.Extract(img)
		defer r.Close()
		return u.all(ctx, r)
	})
}

// layoutImage picks the image for this processor from an OCI layout.
func layoutImage(dir, subject string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, &InputError{Subject: subject, Problem: "is no readable OCI layout", Err: err}
	}
	return pick(index, subject, 0)
}

// pick descends into nested indexes; depth bounds one that holds itself.
func pick(index v1.ImageIndex, subject string, depth int) (v1.Image, error) {
	m, err := index.IndexManifest()
	if err != nil {
		return nil, &InputError{Subject: subject, Problem: "is no readable OCI layout", Err: err}
	}
	if depth > 4 {
		return nil, badInput(subject, "its indexes are nested too deeply")
	}
	var have []string
	for _, d := range m.Manifests {
		if d.Platform != nil && (d.Platform.OS != "linux" || d.Platform.Architecture != runtime.GOARCH) {
			have = append(have, d.Platform.String())
			continue
		}
		switch {
		case d.MediaType.IsIndex():
			inner, err := index.ImageIndex(d.Digest)
			if err != nil {
				return nil, &InputError{Subject: subject, Problem: "is damaged", Err: err}
			}
			return pick(inner, subject, depth+1)
		case d.MediaType.IsImage():
			img, err := index.Image(d.Digest)
			if err != nil {
				return nil, &InputError{Subject: subject, Problem: "is damaged", Err: err}
			}
			return forThisProcessor(img, subject)
		}
	}
	return nil, badInput(subject, "holds no image for linux/%s (it has %v)", runtime.GOARCH, have)
}

func forThisProcessor(img v1.Image, subject string) (v1.Image, error) {
	c, err := img.ConfigFile()
	if err != nil {
		return nil, &InputError{Subject: subject, Problem: "is damaged", Err: err}
	}
	if c.Architecture != "" && c.Architecture != runtime.GOARCH {
		return nil, badInput(subject, "is an image for %s, this host is %s", c.Architecture, runtime.GOARCH)
	}
	return img, nil
}

// verify compares an image's manifest, configuration and layers with their
// digests: the library trusts the names of a layout's files. (Its own validator
// takes gzip layers only; layers may also be plain or zstd.)
func verify(ctx context.Context, img v1.Image) error {
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	raw, err := img.RawManifest()
	if err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	for _, c := range []struct {
		what string
		have []byte
		want v1.Hash
	}{{"manifest", raw, digest}, {"configuration", config, m.Config.Digest}} {
		got, _, err := v1.SHA256(bytes.NewReader(c.have))
		if err != nil {
			return err
		}
		if got != c.want {
			return fmt.Errorf("its %s is %s, not %s", c.what, got, c.want)
		}
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for i, l := range layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := l.Compressed()
		if err != nil {
			return err
		}
		got, _, err := v1.SHA256(r)
		r.Close()
		if err != nil {
			return err
		}
		if got != m.Layers[i].Digest {
			return fmt.Errorf("layer %d is %s, not %s", i+1, got, m.Layers[i].Digest)
		}
	}
	return nil
}
