package labnet

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/volume"
	"github.com/situlab/situlab/scenarios"
)

// volumesDir holds the volumes of a lab on its disk; no node can have that name.
func (l *Lab) volumesDir() string { return filepath.Join(l.disk.Mount(), ".volumes") }

// volumeSpecs are the volumes of all nodes.
func (l *Lab) volumeSpecs() []volume.Spec {
	var out []volume.Spec
	for i := range l.cfg.Site.Nodes {
		n := &l.cfg.Site.Nodes[i]
		for j, v := range n.Volumes {
			out = append(out, volume.Spec{
				Node: n.Name, Name: v.Name, Device: volume.Device(j),
				Size: int64(v.SizeMB) << 20, Inodes: v.Inodes, Reserved: v.Reserved(),
				Root: idBase(l.idBlock, i), Made: l.imageAge(n.Role),
			})
		}
	}
	return out
}

// imageAge is when the image of a role was made: a node's disks are as old as its
// system.
func (l *Lab) imageAge(role string) time.Time {
	lowers, err := l.cfg.Image.Lowers(role)
	if err != nil || len(lowers) == 0 {
		return time.Time{} // prepare tells of the error
	}
	st, err := os.Stat(lowers[0])
	if err != nil {
		return time.Time{}
	}
	return st.ModTime()
}

// makeVolumes makes the volumes of all nodes.
func (l *Lab) makeVolumes(ctx context.Context) error {
	return volume.Make(ctx, l.lock.dir, l.volumesDir(), l.volumeSpecs(), workers())
}

// nodeVolumes are the volumes of a node as its runtime wants them.
func (l *Lab) nodeVolumes(n *scenarios.Node) []node.Volume {
	var out []node.Volume
	for _, v := range n.Volumes {
		out = append(out, node.Volume{Dir: volume.Dir(l.volumesDir(), n.Name, v.Name), Path: v.Mount})
	}
	return out
}

// Volumes are the file systems that a node has beside its root, whether it lives
// or not. It can be asked while the lab tells of an event.
func (l *Lab) Volumes(name string) []node.Volume {
	if m := l.nodes[name]; m != nil {
		return m.spec.Volumes
	}
	return nil
}

// volumeRoots are the root directories of a node's new volumes, where the site
// wants others than mke2fs makes. They keep their age, and are written after the
// node's tree, which may bring the accounts of their owners.
func volumeRoots(n *scenarios.Node) []node.File {
	var out []node.File
	for _, v := range n.Volumes {
		if f, ok := v.Root(); ok {
			out = append(out, node.File{Path: f.Path, Mode: f.Mode, User: f.User, Group: f.Group})
		}
	}
	return out
}
