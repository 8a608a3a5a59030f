package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Disk is the fixed-size, fully allocated ext4 file system that holds all
// writable layers of one lab, so that no node can fill the host.
type Disk struct {
	dir string
}

// diskReserve is what stays free on the host's file system after a disk is
// allocated, in bytes.
const diskReserve = 1 << 30

// DiskBytes is the size of the disk of a lab with this many nodes.
func DiskBytes(nodes int) int64 { return 768<<20 + int64(nodes)*24<<20 }

// NewDisk allocates, formats and mounts the disk of a lab in dir.
func NewDisk(ctx context.Context, dir string, size int64) (*Disk, error) {
	d := &Disk{dir: dir}
	if err := os.MkdirAll(d.Mount(), 0o711); err != nil {
		return nil, Errorf("check the rights and the free space of SITULAB_HOME", "create the lab's disk: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return nil, fmt.Errorf("look at %s: %w", dir, err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < size+diskReserve {
		_ = d.Remove()
		return nil, Errorf("free some space or set SITULAB_HOME to a larger disk",
			"not enough room for the lab's disk in %s: %d MiB free, %d MiB needed", dir, free>>20, (size+diskReserve)>>20)
	}
	f, err := os.OpenFile(d.image(), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, Errorf("remove what an earlier lab left: situlab gc", "create the lab's disk: %w", err)
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, size)
	f.Close()
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		err = Errorf("set SITULAB_HOME to a disk with ext4, xfs or btrfs", "the file system of %s cannot reserve room for the lab's disk", dir)
	case err != nil:
		err = Errorf("free some space or set SITULAB_HOME to a larger disk", "no room for the lab's disk of %d MiB in %s: %w", size>>20, dir, err)
	default:
		err = d.format(ctx)
	}
	if err == nil {
		err = d.mount(ctx)
	}
	if err != nil {
		_ = d.Remove()
		return nil, err
	}
	return d, nil
}

// Tool runs a program of the host, of a Debian package, with some variables more
// in its environment; its own words are the error, after what it was wanted for.
func Tool(ctx context.Context, debian, hint, what string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.Is(err, exec.ErrNotFound):
		return Errorf("apt install "+debian, "the program %s is missing", name)
	}
	if first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n"); first != "" {
		err = errors.New(strings.TrimSuffix(first, "."))
	}
	return Errorf(hint, "%s: %w", what, err)
}

// OpenDisk is the disk of a lab that runs already.
func OpenDisk(dir string) *Disk { return &Disk{dir: dir} }

func (d *Disk) image() string { return filepath.Join(d.dir, "disk.img") }

// Mount is where the disk is mounted on the host.
func (d *Disk) Mount() string { return filepath.Join(d.dir, "disk") }

func (d *Disk) format(ctx context.Context) error {
	// No journal of its own is kept across a power cut of the host: the lab is
	// gone then. -m 0: the reserve would protect nobody (overlay writes as root).
	return Tool(ctx, "e2fsprogs", "free some space or set SITULAB_HOME to a larger disk", "the lab's disk cannot be formatted", nil, "mkfs.ext4", "-q", "-F", "-m", "0", "-i", "8192",
		"-O", "^resize_inode", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", "-L", "situlab", d.image())
}

func (d *Disk) mount(ctx context.Context) error {
	// noinit_itable: zeroing the inode tables in the background punches holes into
	// the image (loop turns "write zeroes" into that), room that the host may then
	// give to somebody else.
	err := Tool(ctx, "mount", "loop devices are needed: modprobe loop; a container needs /dev/loop-control and the right to mount", "the lab's disk cannot be mounted",
		nil, "mount", "-t", "ext4", "-o", "loop,noatime,nosuid,nodev,noinit_itable,commit=60", d.image(), d.Mount())
	if err != nil {
		return err
	}
	// Nothing mounted below may travel to other mount namespaces and keep the
	// disk busy.
	return unix.Mount("", d.Mount(), "", unix.MS_PRIVATE, "")
}

// Mounted says whether something is mounted at the disk's place: a lab uses it,
// or its controller was killed. An error counts as yes.
func (d *Disk) Mounted() bool {
	var inside, outside unix.Stat_t
	if err := unix.Lstat(d.Mount(), &inside); err != nil {
		return !errors.Is(err, unix.ENOENT)
	}
	err := unix.Lstat(d.dir, &outside)
	return err != nil || inside.Dev != outside.Dev
}

// Remove unmounts and deletes the disk; twice is no error.
func (d *Disk) Remove() error {
	for {
		err := unix.Unmount(d.Mount(), 0)
		if err == nil {
			continue // stacked mounts
		}
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break
		}
		if errors.Is(err, unix.EBUSY) {
			// The kernel frees a dead node's namespaces late; a lazy unmount
			// lets the loop device go as soon as they are gone.
			if err := unix.Unmount(d.Mount(), unix.MNT_DETACH); err != nil {
				return fmt.Errorf("unmount %s: %w", d.Mount(), err)
			}
			continue
		}
		return fmt.Errorf("unmount %s: %w", d.Mount(), err)
	}
	return os.RemoveAll(d.dir)
}
