package oci

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/node"
)

// checkVolume refuses a volume whose disk is not there: what the node wrote would
// land beside it.
func checkVolume(v node.Volume) error {
	first, _, _ := strings.Cut(strings.TrimPrefix(v.Path, "/"), "/")
	switch {
	case !filepath.IsAbs(v.Dir):
		return fmt.Errorf("its directory %q: an absolute path is needed", v.Dir)
	case !path.IsAbs(v.Path) || path.Clean(v.Path) != v.Path || v.Path == "/":
		return errors.New("an absolute, clean path is needed")
	case isKernelDir(first):
		return fmt.Errorf("/%s is the kernel's", first)
	}
	var in, out unix.Stat_t
	if err := unix.Lstat(v.Dir, &in); err != nil {
		return fmt.Errorf("%s: %w", v.Dir, err)
	}
	if err := unix.Lstat(filepath.Dir(v.Dir), &out); err != nil || in.Dev == out.Dev {
		return fmt.Errorf("nothing is mounted at %s", v.Dir)
	}
	return nil
}

// volumeName is where the i-th volume is mounted in the node's directory while the
// node is created.
func volumeName(i int) string { return "v" + strconv.Itoa(i) }

// mountVolumes makes the node's views of its volumes and says how the bundle
// mounts them.
//
// The view has none of the restrictions of the host's plain mount: in life a data
// disk has none. A node can make no device file (it has no right to on the host),
// and a set-id program means nothing outside its ids.
func (n *Node) mountVolumes(userns *os.File, fresh bool) ([]specs.Mount, error) {
	var out []specs.Mount
	for i, v := range n.spec.Volumes {
		ok, err := n.mountPoint(v.Path, fresh)
		if err != nil {
			return nil, fmt.Errorf("volume %s: %w", v.Path, err)
		}
		if !ok {
			continue
		}
		view := filepath.Join(n.dir, volumeName(i))
		if err := os.Mkdir(view, 0o700); err != nil && !os.IsExist(err) {
			return nil, err
		}
		if err := attachMapped(v.Dir, view, userns, 0, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC); err != nil {
			return nil, fmt.Errorf("volume %s: %w", v.Path, err)
		}
		out = append(out, specs.Mount{Destination: v.Path, Type: "bind", Source: view, Options: []string{"bind"}})
	}
	return out, nil
}

// mountPoint makes the directory that a volume is mounted over, as old as the
// image. It says no if the node, in an earlier life, has put a file or a link
// there: systemd does not mount over those either, and runc would follow the link.
func (n *Node) mountPoint(name string, fresh bool) (bool, error) {
	root, err := n.openDisk()
	if err != nil {
		return false, err
	}
	d := disk{fd: root, base: int(n.spec.IDBase)}
	defer d.close()
	var made time.Time
	if st, err := os.Stat(filepath.Join(n.spec.Lowers[0], "etc")); err == nil {
		made = st.ModTime()
	}
	fd, err := d.makeDirs(name, made)
	if err == nil {
		unix.Close(fd)
		fd, err = openat2(root, name, unix.O_PATH|unix.O_DIRECTORY, inRoot|unix.RESOLVE_NO_SYMLINKS)
	}
	if err == nil {
		unix.Close(fd)
		return true, nil
	}
	// On a full disk nothing can be made either.
	for _, own := range []error{unix.ELOOP, unix.ENOTDIR, unix.EEXIST, unix.ENOSPC, unix.EDQUOT} {
		if !fresh && errors.Is(err, own) {
			return false, nil
		}
	}
	return false, fmt.Errorf("no place to mount it: %w", err)
}

// disk is a file system of a node as the host writes to it.
type disk struct {
	fd   int
	path string // in the node
	base int    // the id by which the host knows the node's root there
}

func (d disk) close() { unix.Close(d.fd) }

// open opens a directory, resolved within the disk.
func (d disk) open(name string) (int, error) {
	return openat2(d.fd, name, unix.O_PATH|unix.O_DIRECTORY, inRoot|unix.RESOLVE_NO_XDEV)
}

// disks are the root file system of a node and its volumes.
type disks struct {
	root    disk
	volumes []disk
}

func (ds *disks) close() {
	ds.root.close()
	for _, v := range ds.volumes {
		v.close()
	}
}

// openDisks opens them below the node's own mounts. Of a volume it is the plain
// mount, where ids are the node's: through the node's view, whose ids are the
// host's, the host's root has no id and can make nothing (EOVERFLOW).
func (d *door) openDisks() (*disks, error) {
	root, err := d.openDisk()
	if err != nil {
		return nil, err
	}
	ds := &disks{root: disk{fd: root, path: "/", base: int(d.rec.IDBase)}}
	for _, v := range d.rec.Volumes {
		err := checkVolume(v)
		fd := -1
		if err == nil {
			fd, err = openDir(v.Dir)
		}
		if err != nil {
			ds.close()
			return nil, fmt.Errorf("volume %s: %w", v.Path, err)
		}
		ds.volumes = append(ds.volumes, disk{fd: fd, path: v.Path})
	}
	return ds, nil
}

// of finds the disk that a path of the node lies on, and its name there, free of
// links up to the last name. Links lead from disk to disk as they do in the node.
// Whoever opens that name is held within the disk, whatever the node changes
// meanwhile.
func (ds *disks) of(name string) (disk, string, error) {
	name = path.Clean(name)
	if len(ds.volumes) == 0 {
		return ds.root, name, nil
	}
	left := strings.Split(strings.TrimPrefix(name, "/"), "/")
	at, links := "/", 0
	for len(left) > 0 {
		first := left[0]
		left = left[1:]
		next := path.Join(at, first) // ".." as well: at has no links
		if len(left) == 0 && first != ".." {
			at = next
			break
		}
		target, ok, err := ds.link(next)
		if err != nil {
			return disk{}, "", err
		}
		if !ok {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return disk{}, "", unix.ELOOP
		}
		if path.IsAbs(target) {
			at = "/"
		}
		left = append(strings.Split(strings.Trim(target, "/"), "/"), left...)
	}
	d, rest := ds.under(at)
	return d, rest, nil
}

// maxLinks is how many links the kernel follows (path_resolution(7)).
const maxLinks = 40

// under says which disk a path without links lies on, and its name there.
func (ds *disks) under(name string) (disk, string) {
	for _, v := range ds.volumes {
		if name == v.path {
			return v, "/"
		}
		if rest, ok := strings.CutPrefix(name, v.path+"/"); ok {
			return v, "/" + rest
		}
	}
	return ds.root, name
}

// link reads a link whose path has no links above it; what is none, or not there,
// is no error.
func (ds *disks) link(name string) (target string, ok bool, err error) {
	d, rest := ds.under(name)
	fd, err := openat2(d.fd, rest, unix.O_PATH|unix.O_NOFOLLOW, inRoot|unix.RESOLVE_NO_XDEV)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", false, err
	}
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", b)
	if err != nil {
		return "", false, err
	}
	return string(b[:n]), true, nil
}
