package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/host"
)

// attach mounts an image at point on the host. If the process is killed on the
// way, the kernel takes all of it back: the loop device detaches itself when
// nobody has it open, and nothing is mounted before the last step.
func attach(image, point string, s Spec) error {
	loop, err := attachLoop(image)
	if err != nil {
		return host.Errorf("loop devices are needed: modprobe loop; a container needs /dev/loop-control and the right to mount",
			"it cannot be attached: %w", err)
	}
	defer loop.Close()
	mount, err := open(loop, s)
	if err != nil {
		return fmt.Errorf("it cannot be mounted: %w", err)
	}
	defer unix.Close(mount)
	if err := unix.MoveMount(mount, "", unix.AT_FDCWD, point, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount %s: %w", point, err)
	}
	return nil
}

// attachLoop gives an image a loop device, which lasts as long as somebody has
// it open or mounted.
func attachLoop(image string) (*os.File, error) {
	f, err := openAlone(image)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	c := unix.LoopConfig{Fd: uint32(f.Fd())}
	// Direct: what a node writes is in its own cache, and in that of the lab's
	// disk; a third copy would serve nobody. The kernel ignores it where it cannot.
	c.Info.Flags = unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO
	for range 100 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("a free loop device: %w", err)
		}
		loop, err := os.OpenFile("/dev/loop"+strconv.Itoa(n), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		if err = unix.IoctlLoopConfigure(int(loop.Fd()), &c); err == nil {
			return loop, nil
		}
		loop.Close()
		if !errors.Is(err, unix.EBUSY) { // else somebody was faster
			return nil, fmt.Errorf("%s: %w", loop.Name(), err)
		}
	}
	return nil, errors.New("no loop device stays free")
}

// openAlone opens an image by a mount of its own directory that is nowhere
// attached: the name that the kernel keeps of a loop device's file, which a node
// may find, then has no path of the host.
func openAlone(image string) (*os.File, error) {
	dir, err := unix.OpenTree(unix.AT_FDCWD, filepath.Dir(image), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open_tree %s: %w", filepath.Dir(image), err)
	}
	defer unix.Close(dir)
	fd, err := unix.Openat(dir, filepath.Base(image), unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", image, err)
	}
	return os.NewFile(uintptr(fd), image), nil
}

// open makes a mount of the device that is attached nowhere yet.
//
// A mount is shown with the name by which its device was found. So that this is
// the node's name for it, the device is looked up on a thread whose root is a
// small file system that holds this one name and that nobody else sees.
func open(loop *os.File, s Spec) (mount int, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(loop.Fd()), &st); err != nil {
		return -1, err
	}
	done := make(chan struct{})
	onThread(func() {
		defer close(done)
		mount, err = openIn(st.Rdev, s)
	})
	<-done
	return mount, err
}

// onThread runs f in a goroutine on a thread of its own, which dies with f and
// its root. That is never the first thread: it cannot end, and /proc shows its
// root as the process's.
func onThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != os.Getpid() {
			f() // never unlocked
			return
		}
		defer runtime.UnlockOSThread()
		other := make(chan struct{})
		onThread(func() { close(other); f() })
		<-other // held until f has found another thread
	}()
}

func openIn(device uint64, s Spec) (int, error) {
	jail, err := newMount("tmpfs", 0, nil)
	if err != nil {
		return -1, err
	}
	defer unix.Close(jail)
	if err := unix.Mkdirat(jail, "dev", 0o700); err != nil {
		return -1, err
	}
	if err := unix.Mknodat(jail, "dev/"+base(s.Device), unix.S_IFBLK|0o600, int(device)); err != nil {
		return -1, fmt.Errorf("mknod %s: %w", s.Device, err)
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return -1, fmt.Errorf("unshare(CLONE_FS): %w", err)
	}
	if err := unix.Fchdir(jail); err != nil {
		return -1, err
	}
	if err := unix.Chroot("."); err != nil {
		return -1, fmt.Errorf("chroot: %w", err)
	}
	options := map[string]string{"source": s.Device}
	if s.Reserved > 0 {
		// ext4 asks for a right on the host that a node's root does not have.
		options["resuid"] = strconv.FormatUint(uint64(s.Root), 10)
	}
	// These are for the host's view; the node's has none of them.
	return newMount("ext4", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC, options)
}

// newMount is mount(8) by the calls of Linux 5.2, without a place.
func newMount(kind string, attr int, options map[string]string) (int, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen %s: %w", kind, err)
	}
	defer unix.Close(fs)
	for k, v := range options {
		if err := unix.FsconfigSetString(fs, k, v); err != nil {
			return -1, told(fs, fmt.Errorf("%s with %s=%s: %w", kind, k, v, err))
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, told(fs, fmt.Errorf("%s: %w", kind, err))
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attr)
	if err != nil {
		return -1, told(fs, fmt.Errorf("fsmount %s: %w", kind, err))
	}
	return fd, nil
}

// told adds what the kernel says of a mount that failed.
func told(fs int, err error) error {
	b := make([]byte, 1024)
	if n, rerr := unix.Read(fs, b); rerr == nil && n > 0 {
		return fmt.Errorf("%w (%s)", err, strings.TrimSpace(string(b[:n])))
	}
	return err
}

// unmount takes a volume's plain mount away; nothing mounted is no error. The
// file system lives until the last view of it is gone.
func unmount(point string) error {
	for {
		err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		switch {
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
			return nil
		case err != nil:
			return fmt.Errorf("unmount %s: %w", point, err)
		}
	}
}
