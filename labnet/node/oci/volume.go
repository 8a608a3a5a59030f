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

// of finds the disk that a path of the node lies on, and its name there. Links of
// the root file system that lead onto a volume count, as they do in the node;
// links on a volume stay within it, and one that leaves it is an error.
func (ds *disks) of(name string) (disk, string, error) {
	name = path.Clean(name)
	if len(ds.volumes) == 0 {
		return ds.root, name, nil
	}
	if d, rest, ok := ds.under(name); ok {
		return d, rest, d.stays(rest)
	}
	real, err := ds.root.real(path.Dir(name))
	if err != nil {
		return disk{}, "", err
	}
	if d, rest, ok := ds.under(path.Join(real, path.Base(name))); ok {
		return d, rest, d.stays(rest)
	}
	return ds.root, name, nil
}

// under says which volume a path without links lies on.
func (ds *disks) under(name string) (disk, string, bool) {
	for _, v := range ds.volumes {
		if name == v.path {
			return v, "/", true
		}
		if rest, ok := strings.CutPrefix(name, v.path+"/"); ok {
			return v, "/" + rest, true
		}
	}
	return disk{}, "", false
}

// stays checks that no link leads out of the volume on the way to a name.
func (d disk) stays(name string) error {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		fd, err := openat2(d.fd, "."+dir, unix.O_PATH, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_XDEV)
		if err == nil {
			unix.Close(fd)
			return nil
		}
		if !errors.Is(err, unix.ENOENT) || dir == "/" {
			return fmt.Errorf("on volume %s: %w", d.path, err)
		}
	}
}

// real is a directory's path in the node without links, as far as it exists.
func (d disk) real(name string) (string, error) {
	rest := ""
	for {
		fd, err := openat2(d.fd, name, unix.O_PATH, inRoot|unix.RESOLVE_NO_XDEV)
		if errors.Is(err, unix.ENOENT) && name != "/" {
			name, rest = path.Dir(name), path.Join(path.Base(name), rest)
			continue
		}
		if err != nil {
			return "", err
		}
		defer unix.Close(fd)
		root, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(d.fd))
		if err != nil {
			return "", err
		}
		full, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if err != nil {
			return "", err
		}
		inside, ok := strings.CutPrefix(full, root)
		if !ok {
			return "", fmt.Errorf("%s does not stay in its place: %w", name, os.ErrInvalid)
		}
		return path.Join("/", inside, rest), nil
	}
}
