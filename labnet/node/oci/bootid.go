package oci

import (
	"crypto/rand"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The kernel has one boot id for all nodes and all their lives. By it journald
// tells one boot from the next (journalctl -b -1), so that each life of a node
// gets an id of its own over the kernel's, as systemd-nspawn(1) does. runc lets
// nobody mount below /proc/sys; this is done between create and start.
const (
	bootIDName = "boot-id"
	bootIDFile = "/proc/sys/kernel/random/boot_id"
)

// writeBootID draws a random UUID (RFC 9562, version 4).
func writeBootID(path string) error {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	id := fmt.Sprintf("%x-%x-%x-%x-%x\n", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	if err := os.WriteFile(path, []byte(id), 0o444); err != nil {
		return fmt.Errorf("boot id: %w", err)
	}
	return nil
}

// mountBootID shows the id inside the node whose PID 1 is waiting to be started.
func mountBootID(pid int) error {
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err != nil {
		return fmt.Errorf("boot id: %w", err)
	}
	defer ns.Close()
	done := make(chan error, 1)
	onThread(func() { // it ends inside the node's mount namespace
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return fmt.Errorf("unshare(CLONE_FS): %w", err)
			}
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS); err != nil {
				return fmt.Errorf("setns(mnt): %w", err)
			}
			if err := unix.Mount("/run/host/"+bootIDName, bootIDFile, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("bind at %s: %w", bootIDFile, err)
			}
			return unix.Mount("", bootIDFile, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
		}()
	})
	if err := <-done; err != nil {
		return fmt.Errorf("boot id: %w", err)
	}
	return nil
}
