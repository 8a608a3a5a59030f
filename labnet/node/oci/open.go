package oci

import (
	"fmt"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// inRoot resolves all links inside the given root and follows none of procfs'.
const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// Open opens a regular file of the node for reading: with the node's own mounts
// while it runs, else on its disk. Links are followed within the node only;
// pipes, sockets, devices and files of the kernel (procfs, sysfs, cgroups) are
// refused. The content is the candidate's: read it with a limit.
func (d *door) Open(name string) (*os.File, error) {
	f, err := d.openFile(name)
	if err != nil {
		return nil, fmt.Errorf("node %s: open %s: %w", d.rec.Name, name, err)
	}
	return f, nil
}

func (d *door) openFile(name string) (*os.File, error) {
	if root, ok := d.openRoot(); ok {
		defer unix.Close(root)
		return openRegular(root, name)
	}
	disks, err := d.openDisks()
	if err != nil {
		return nil, err
	}
	defer disks.close()
	if !path.IsAbs(name) || path.Clean(name) == "/" {
		return nil, fmt.Errorf("an absolute path of a file is needed: %w", os.ErrInvalid)
	}
	disk, name, err := disks.of(name)
	if err != nil {
		return nil, err
	}
	return openRegular(disk.fd, name)
}

// openRoot returns PID 1's root directory if it lives, with the check made after
// the opening, so that the pid cannot be another process'.
func (d *door) openRoot() (int, bool) {
	p, err := d.rec.live()
	if err != nil {
		return -1, false
	}
	defer p.close()
	fd, err := openDir(fmt.Sprintf("/proc/%d/root", d.rec.PID))
	if err != nil {
		return -1, false
	}
	if _, err := startTime(d.rec.PID); err != nil {
		unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// openDisk returns the root of the disk, below the node's own mounts.
func (d *door) openDisk() (int, error) {
	return openDir(filepath.Join(d.dir, "rootfs"))
}

func openDir(p string) (int, error) {
	fd, err := unix.Open(p, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", p, err)
	}
	return fd, nil
}

// fileSystems are those whose regular files are files. A regular file of procfs
// may block, act, or show the host.
var fileSystems = map[int64]bool{
	unix.OVERLAYFS_SUPER_MAGIC: true,
	unix.TMPFS_MAGIC:           true,
	unix.EXT4_SUPER_MAGIC:      true,
	unix.XFS_SUPER_MAGIC:       true,
	unix.BTRFS_SUPER_MAGIC:     true,
}

func openRegular(root int, name string) (*os.File, error) {
	if !path.IsAbs(name) {
		return nil, fmt.Errorf("an absolute path is needed: %w", os.ErrInvalid)
	}
	// First without opening it: opening a device or a pipe can act.
	at, err := openat2(root, name, unix.O_PATH, inRoot)
	if err != nil {
		return nil, err
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("not a regular file: refused: %w", os.ErrInvalid)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(at, &fs); err != nil {
		return nil, err
	}
	if !fileSystems[int64(fs.Type)] {
		return nil, fmt.Errorf("a file of the kernel, not of a disk: refused: %w", os.ErrInvalid)
	}
	// The very inode that was looked at, through our own descriptor.
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", at), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	// A regular file has no use for O_NONBLOCK; os.File would poll it.
	if err := unix.SetNonblock(fd, false); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// openat2 retries what a rename elsewhere interrupts (EAGAIN, openat2(2)).
func openat2(dir int, name string, flags int, resolve uint64) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolve}
	for range 100 {
		fd, err := unix.Openat2(dir, name, &how)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		return fd, err
	}
	return -1, fmt.Errorf("%s: its directories do not stand still: %w", name, unix.EAGAIN)
}
