package oci

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/node"
)

// Write puts files onto the node's disk through the host's view of it, which
// the running node sees at once. Each file appears whole, by a rename, and the
// times of its directory stay what they were. What the node mounts over its
// disk (/run, /dev, /proc, /sys) cannot be written.
func (d *door) Write(files []node.File) error {
	disks, err := d.openDisks()
	if err != nil {
		return fmt.Errorf("node %s: %w", d.rec.Name, err)
	}
	defer disks.close()
	var acc accounts
	known := false
	for _, f := range files {
		uid, gid := uint32(0), uint32(0)
		if f.User != "" || f.Group != "" {
			if !known || changesAccounts(files) {
				if acc, err = d.diskAccounts(disks.root.fd); err != nil {
					return fmt.Errorf("node %s: %w", d.rec.Name, err)
				}
				known = true
			}
			a, err := acc.user(f.User)
			if err != nil {
				return fmt.Errorf("node %s: write %s: %w", d.rec.Name, f.Path, err)
			}
			uid = a.uid
			if gid, err = acc.groupID(f.Group); err != nil {
				return fmt.Errorf("node %s: write %s: %w", d.rec.Name, f.Path, err)
			}
		}
		if err := disks.write(f, int(uid), int(gid)); err != nil {
			return fmt.Errorf("node %s: write %s: %w", d.rec.Name, f.Path, err)
		}
	}
	return nil
}

func (d *door) writeHost(name string, at time.Time) error {
	return d.Write([]node.File{{Path: "/etc/hostname", Mode: 0o644, Content: []byte(name), ModTime: at}})
}

// changesAccounts says whether the set brings its own users.
func changesAccounts(files []node.File) bool {
	return slices.ContainsFunc(files, func(f node.File) bool {
		return f.Path == "/etc/passwd" || f.Path == "/etc/group"
	})
}

// diskAccounts reads passwd and group below the node's mounts.
func (d *door) diskAccounts(root int) (accounts, error) {
	read := func(name string) ([]byte, error) {
		f, err := openRegular(root, name)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", name, err)
		}
		defer f.Close()
		b := make([]byte, accountsMax)
		n, err := f.Read(b)
		if err != nil && n == 0 {
			return nil, nil //nolint:nilerr // an empty file names nobody
		}
		return b[:n], nil
	}
	p, err := read("/etc/passwd")
	if err != nil {
		return accounts{}, err
	}
	g, err := read("/etc/group")
	return accounts{passwd: p, group: g}, err
}

// kernelDirs are mounted over in every node.
var kernelDirs = []string{"dev", "proc", "run", "sys"}

func isKernelDir(name string) bool { return slices.Contains(kernelDirs, name) }

// split checks a path and cuts it into its directory and its last name.
func split(name string) (dir, base string, err error) {
	clean := path.Clean(name)
	if !path.IsAbs(name) || clean == "/" || strings.ContainsRune(name, 0) {
		return "", "", fmt.Errorf("an absolute path of a file is needed: %w", os.ErrInvalid)
	}
	first, _, _ := strings.Cut(clean[1:], "/")
	if isKernelDir(first) {
		return "", "", fmt.Errorf("/%s is not on the node's disk: %w", first, os.ErrInvalid)
	}
	return path.Dir(clean), path.Base(clean), nil
}

// write writes one file; the ids are the node's.
func (ds *disks) write(f node.File, uid, gid int) error {
	if _, _, err := split(f.Path); err != nil {
		return err
	}
	d, name, err := ds.of(f.Path)
	if err != nil {
		return err
	}
	uid, gid = d.base+uid, d.base+gid
	if name == "/" { // of a volume
		if !f.Mode.IsDir() {
			return fmt.Errorf("a volume is mounted there: %w", os.ErrExist)
		}
		return writeDir(d.fd, ".", f, uid, gid)
	}
	dir, err := d.makeDirs(path.Dir(name), f.ModTime)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	base := path.Base(name)
	restore, err := keepTimes(dir)
	if err != nil {
		return err
	}
	switch f.Mode.Type() {
	case os.ModeDir:
		err = writeDir(dir, base, f, uid, gid)
	case os.ModeSymlink:
		err = replace(dir, base, func(tmp string) error {
			if err := unix.Symlinkat(string(f.Content), dir, tmp); err != nil {
				return err
			}
			if err := unix.Fchownat(dir, tmp, uid, gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				return err
			}
			return setTime(dir, tmp, f.ModTime)
		})
	case 0:
		err = replace(dir, base, func(tmp string) error { return writeRegular(dir, tmp, f, uid, gid) })
	default:
		err = fmt.Errorf("a %s cannot be written: %w", f.Mode.Type(), os.ErrInvalid)
	}
	return errors.Join(err, restore())
}

// makeDirs opens a directory of the disk and makes what is missing of it, one
// name at a time, resolved within the node.
func (d disk) makeDirs(name string, at time.Time) (int, error) {
	fd, err := d.open(name)
	if !errors.Is(err, unix.ENOENT) || name == "/" {
		return fd, err
	}
	parent, err := d.makeDirs(path.Dir(name), at)
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	restore, err := keepTimes(parent)
	if err != nil {
		return -1, err
	}
	base := path.Base(name)
	if err := unix.Mkdirat(parent, base, 0o755); err != nil {
		return -1, errors.Join(err, restore())
	}
	err = errors.Join(
		unix.Fchownat(parent, base, d.base, d.base, unix.AT_SYMLINK_NOFOLLOW),
		chmodAt(parent, base, 0o755),
		setTime(parent, base, at),
		restore())
	if err != nil {
		return -1, err
	}
	return openat2(parent, base, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_XDEV)
}

func writeDir(dir int, base string, f node.File, uid, gid int) error {
	if err := unix.Mkdirat(dir, base, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("exists and is no directory: %w", os.ErrExist)
	}
	if err := unix.Fchownat(dir, base, uid, gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if err := chmodAt(dir, base, unixMode(f.Mode)); err != nil {
		return err
	}
	return setTime(dir, base, f.ModTime)
}

func writeRegular(dir int, tmp string, f node.File, uid, gid int) error {
	fd, err := unix.Openat(dir, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), tmp)
	_, err = file.Write(f.Content)
	if err == nil {
		err = unix.Fchown(fd, uid, gid)
	}
	if err == nil { // after the owner: chown clears the set-id bits
		err = unix.Fchmod(fd, unixMode(f.Mode))
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return setTime(dir, tmp, f.ModTime)
}

// replace makes something under a name of its own and moves it over base.
func replace(dir int, base string, make func(tmp string) error) error {
	tmp := "." + rand.Text()[:12]
	err := make(tmp)
	if err == nil {
		err = unix.Renameat(dir, tmp, dir, base)
	}
	if err != nil {
		_ = unix.Unlinkat(dir, tmp, 0)
	}
	return err
}

// chmodAt changes the mode of a directory that was just checked or made,
// through a descriptor, so that a link put in its place is not followed.
func chmodAt(dir int, base string, mode uint32) error {
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fchmod(fd, mode)
}

// setTime sets both times of a name, of the link itself if it is one; a zero
// time leaves them.
func setTime(dir int, base string, at time.Time) error {
	if at.IsZero() {
		return nil
	}
	ts := unix.NsecToTimespec(at.UnixNano())
	return unix.UtimesNanoAt(dir, base, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

// keepTimes remembers the times of a directory: what is done from outside must
// not show as a fresh time (design 2).
func keepTimes(dir int) (restore func() error, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return nil, err
	}
	return func() error {
		return unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", dir), []unix.Timespec{st.Atim, st.Mtim}, 0)
	}, nil
}

// unixMode turns a Go mode into the bits of chmod(2).
func unixMode(m os.FileMode) uint32 {
	u := uint32(m.Perm())
	if m&os.ModeSetuid != 0 {
		u |= unix.S_ISUID
	}
	if m&os.ModeSetgid != 0 {
		u |= unix.S_ISGID
	}
	if m&os.ModeSticky != 0 {
		u |= unix.S_ISVTX
	}
	return u
}

// Delete removes files, links and empty directories from the disk; what is not
// there is no error.
func (d *door) Delete(paths []string) error {
	disks, err := d.openDisks()
	if err != nil {
		return fmt.Errorf("node %s: %w", d.rec.Name, err)
	}
	defer disks.close()
	for _, p := range paths {
		if err := disks.delete(p); err != nil {
			return fmt.Errorf("node %s: delete %s: %w", d.rec.Name, p, err)
		}
	}
	return nil
}

func (ds *disks) delete(p string) error {
	if _, _, err := split(p); err != nil {
		return err
	}
	d, name, err := ds.of(p)
	if err != nil {
		return err
	}
	if name == "/" {
		return fmt.Errorf("a volume is mounted there: %w", os.ErrInvalid)
	}
	base := path.Base(name)
	dir, err := d.open(path.Dir(name))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	restore, err := keepTimes(dir)
	if err != nil {
		return err
	}
	err = unix.Unlinkat(dir, base, 0)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
		err = unix.Unlinkat(dir, base, unix.AT_REMOVEDIR)
	}
	if errors.Is(err, unix.ENOENT) {
		err = nil
	}
	return errors.Join(err, restore())
}
