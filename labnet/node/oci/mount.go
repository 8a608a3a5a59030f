package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/host"
)

// inDir runs f on a thread of its own whose working directory is dir. overlayfs
// shows its options as they were given, so that relative names keep every path
// of the host out of the node's mountinfo. The thread dies with f.
func inDir(dir string, f func() error) error {
	done := make(chan error, 1)
	onThread(func() { // its directory is spoilt
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			done <- fmt.Errorf("unshare(CLONE_FS): %w", err)
			return
		}
		if err := unix.Chdir(dir); err != nil {
			done <- fmt.Errorf("chdir %s: %w", dir, err)
			return
		}
		done <- f()
	})
	return <-done
}

// AttachMapped mounts a read-only view of dir at target with all owners shifted
// by the user namespace: mount_setattr(2), Linux 5.12; on overlay 5.19.
func AttachMapped(dir, target string, userns *os.File) error {
	return attachMapped(dir, target, userns, unix.MOUNT_ATTR_RDONLY, 0)
}

// attachMapped is AttachMapped with the attributes to set and to clear.
func attachMapped(dir, target string, userns *os.File, set, clear uint64) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open_tree %s: %w", dir, err)
	}
	defer unix.Close(tree)
	attr := unix.MountAttr{
		Attr_set:    unix.MOUNT_ATTR_IDMAP | set,
		Attr_clr:    clear,
		Propagation: unix.MS_PRIVATE,
		Userns_fd:   uint64(userns.Fd()),
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		return &HostError{What: "cannot shift the owners of " + dir, Err: err,
			Do: "idmapped mounts need Linux 5.12 and a file system that allows them (ext4, xfs, btrfs)"}
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount %s: %w", target, err)
	}
	return nil
}

// MountOverlay mounts a node's root file system at target: the layers, the upper
// one first, under a writable directory. The calling thread makes it, in its own
// mount namespace, and the names are what the mounted system will show of them.
//
// It is volatile (Linux 5.10): nothing of a node is forced to the host's disk, be
// it that a program asks or that the node is removed. No lab outlives a crash of
// its host, so nothing is lost by it.
func MountOverlay(target string, lowers []string, upper, work string) error {
	// The kernel marks the directories of a volatile mount and refuses them until
	// somebody who knows that the host has not crashed takes the mark away. The
	// lab's disk is made anew by each lab.
	if err := os.RemoveAll(filepath.Join(work, "work", "incompat", "volatile")); err != nil {
		return err
	}
	// What observes a node's files needs handles for them: nfs_export, and index
	// with it.
	opts := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,index=on,nfs_export=on,volatile", strings.Join(lowers, ":"), upper, work)
	return os.NewSyscallError("mount", unix.Mount("overlay", target, "overlay", 0, opts))
}

// mountRoot makes the node's root file system at dir/rootfs from the image's
// layers and the writable directories dir/u and dir/w (links into the disk).
func mountRoot(dir string, lowers []string, userns *os.File) error {
	var names []string
	for i, lower := range lowers {
		name := fmt.Sprintf("l%d", i)
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if err := AttachMapped(lower, filepath.Join(dir, name), userns); err != nil {
			return err
		}
		names = append(names, name)
	}
	// The last life's overlay may die some moments after its processes: until
	// then the kernel calls its upper layer busy.
	err := until(context.Background(), patience, "the disk is still in use", func() (bool, error) {
		err := inDir(dir, func() error { return MountOverlay("rootfs", names, "u", "w") })
		if errors.Is(err, unix.EBUSY) {
			return false, nil
		}
		return err == nil, err
	})
	// overlayfs keeps private clones of its layers: the names can go at once.
	for _, name := range names {
		if e := unmount(filepath.Join(dir, name)); e != nil && err == nil {
			err = e
		}
	}
	if errors.Is(err, unix.ESTALE) {
		return fmt.Errorf("overlay: the disk was made on another image (index=on ties it to its top layer): reset the node: %w", err)
	}
	if err != nil {
		return fmt.Errorf("overlay in %s: %w", dir, err)
	}
	return nil
}

// mountNotify makes the small file system that holds the notify socket: one of
// its own, because a shared one would show its path in the node.
func mountNotify(target string) error {
	if err := unix.Mount("tmpfs", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC,
		"size=64k,nr_inodes=16,mode=755"); err != nil {
		return fmt.Errorf("tmpfs at %s: %w", target, err)
	}
	return nil
}

// ptysPerNode bounds what one node can take from the host-wide pool of
// pseudo-terminals through its /dev/pts.
const ptysPerNode = 48

// mountPts makes the node's /dev/pts from the host. Mounted by the host, its
// size is out of the node's reach, and in the host's first mount namespace it
// shares the kernel's reserve (kernel.pty.reserve), which a flood from inside
// another node cannot take (fs/devpts/inode.c).
func mountPts(target string, base uint32) error {
	opts := fmt.Sprintf("newinstance,ptmxmode=0666,mode=0620,gid=%d,max=%d", base+5, ptysPerNode)
	if err := unix.Mount("devpts", target, "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, opts); err != nil {
		return fmt.Errorf("devpts at %s: %w", target, err)
	}
	return nil
}

// unmount detaches what is mounted at path; nothing mounted is no error.
func unmount(path string) error {
	err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return fmt.Errorf("umount %s: %w", path, err)
}

// stateSize bounds a file system of state: a node's share is some ten kilobytes.
const stateSize = "size=64m,mode=0711"

// mountState mounts a file system in memory at dir, which propagates nothing, so
// that the nodes' mounts do not spread into other mount namespaces. In memory
// because runc and we write and delete some dozen small files per node, and /run
// is not in memory everywhere: in containers and small virtual machines it lies on
// the disk. What is mounted there already stays.
func mountState(dir string) error {
	points, err := host.MountsUnder(dir)
	if err != nil {
		return err
	}
	if slices.Contains(points, dir) {
		return nil
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, stateSize); err != nil {
		return fmt.Errorf("tmpfs at %s: %w", dir, err)
	}
	if err := unix.Mount("", dir, "", unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make %s private: %w", dir, err)
	}
	return nil
}
