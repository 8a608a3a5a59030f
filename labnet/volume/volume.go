package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/situlab/situlab/labnet/host"
)

// Spec describes one volume before it exists.
type Spec struct {
	// Node and Name identify the volume within the lab.
	Node string `json:"node"`
	Name string `json:"name"`
	// Device is the name that the node sees, as /dev/vdb.
	Device string `json:"device"`
	// Size is the image's in bytes, a multiple of 4096.
	Size int64 `json:"size"`
	// Inodes is their number; 0 means one for each 16 KiB, as mke2fs makes them.
	// mke2fs rounds it up to whole blocks of its tables.
	Inodes int `json:"inodes,omitempty"`
	// Reserved is the percentage of the blocks that only Root may use.
	Reserved int `json:"reserved"`
	// Root is the id on the host of the node's root.
	Root uint32 `json:"root"`
	// Made is when the file system says that it was made; zero means now.
	Made time.Time `json:"made,omitzero"`
}

// Room is how much larger a lab's disk must be for these volumes: the images, and
// what ext4 needs to keep account of them (a thirty-second for its tables of
// inodes, and a larger journal).
func Room(specs []Spec) int64 {
	var n int64
	for _, s := range specs {
		n += s.Size + s.Size/16
	}
	return (n + 4095) &^ 4095
}

// Dir is where a volume is mounted on the host, dir being the directory of the
// lab's volumes ([Make]).
func Dir(dir, node, name string) string { return filepath.Join(dir, node, name) }

func (r record) image(s Spec) string { return Dir(r.Dir, s.Node, s.Name) + ".img" }
func (r record) point(s Spec) string { return Dir(r.Dir, s.Node, s.Name) }

// Make makes the volumes of a lab, so many at once, below dir, which must lie on
// the lab's own disk and not exist yet; state is the lab's state directory. On
// error, what was made is left to [Sweep].
func Make(ctx context.Context, state, dir string, specs []Spec, atOnce int) error {
	if len(specs) == 0 {
		return nil
	}
	r := record{Dir: dir, Volumes: specs}
	if err := r.save(state); err != nil {
		return err
	}
	// A node's mapped root must not pass to what is mounted here.
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	for _, s := range specs {
		if err := os.MkdirAll(r.point(s), 0o700); err != nil {
			return fmt.Errorf("volumes: %w", err)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, s := range specs {
		g.Go(func() error { return s.named(r.make(ctx, s)) })
	}
	return g.Wait()
}

func (s Spec) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("volume %s of node %s: %w", s.Name, s.Node, err)
}

func (r record) make(ctx context.Context, s Spec) error {
	if err := allocate(r.image(s), s.Size); err != nil {
		return err
	}
	if err := format(ctx, r.image(s), s); err != nil {
		return err
	}
	return attach(r.image(s), r.point(s), s)
}

// How long the kernel may take to let go of the images of dead nodes: a reset
// cannot go on before, the end of a lab can.
const (
	patience = 30 * time.Second
	parting  = 10 * time.Second
)

// Renew gives a node that does not exist at present new file systems on its
// volumes. It waits until the kernel has let go of the last ones.
func Renew(ctx context.Context, state, node string) error {
	r, err := load(state)
	if err != nil {
		return err
	}
	for _, s := range r.Volumes {
		if s.Node != node {
			continue
		}
		if err := s.named(r.renew(ctx, s)); err != nil {
			return err
		}
	}
	return nil
}

func (r record) renew(ctx context.Context, s Spec) error {
	if err := unmount(r.point(s)); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := waitUnused(wait, r.image(s)); err != nil {
		return err
	}
	return r.make(ctx, s)
}

// Sweep unmounts all volumes of a lab, by the record in its state directory, and
// waits some time until the kernel has detached their loop devices. The nodes
// must be gone. A lab without volumes, and a second call, are no error.
func Sweep(ctx context.Context, state string) error {
	r, err := load(state)
	if err != nil || r.Dir == "" {
		return err
	}
	points, err := host.MountsUnder(r.Dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range r.Volumes {
		if slices.Contains(points, r.point(s)) {
			errs = append(errs, s.named(unmount(r.point(s))))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, parting)
	defer cancel()
	for _, s := range r.Volumes {
		// Somebody who copied the host's mounts meanwhile may hold one for long:
		// that device goes with its last user, and nothing of ours waits for it.
		if err := waitUnused(ctx, r.image(s)); err != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// Device is the name of the i-th volume's device in a node: /dev/vda is what the
// node's root would be.
func Device(i int) string { return "/dev/vd" + string(rune('b'+i)) }

func base(device string) string { return strings.TrimPrefix(device, "/dev/") }
