package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/host"
)

// allocate makes an image whose bytes are all zero and all set aside. An image
// that is there keeps its room: what was in it is forgotten without giving a block
// back, which a node could take meanwhile.
func allocate(image string, size int64) error {
	f, err := os.OpenFile(image, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	fd := int(f.Fd())
	if err := unix.Fallocate(fd, unix.FALLOC_FL_ZERO_RANGE, 0, size); err != nil {
		return fmt.Errorf("set %d MiB of the lab's disk aside: %w", size>>20, err)
	}
	return nil
}

// full makes sure that an image has no hole.
func full(image string, size int64) error {
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		return fmt.Errorf("set %d MiB of the lab's disk aside: %w", size>>20, err)
	}
	return nil
}

// format makes the file system. Its tables are written now: the kernel, doing it
// later, would turn zeros into holes of the image.
func format(ctx context.Context, image string, s Spec) error {
	// No label and no name of ours; blocks and ratio are fixed, since mke2fs would
	// choose others below 512 MiB, and so that a host's mke2fs.conf changes nothing.
	args := []string{"-q", "-F", "-b", "4096", "-I", "256", "-m", strconv.Itoa(s.Reserved),
		"-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"}
	if s.Inodes > 0 {
		args = append(args, "-N", strconv.Itoa(s.Inodes))
	} else {
		args = append(args, "-i", "16384")
	}
	var env []string
	if !s.Made.IsZero() {
		// mke2fs dates everything by it, ctime and birth included.
		env = append(env, "E2FSPROGS_FAKE_TIME="+strconv.FormatInt(s.Made.Unix(), 10))
	}
	if err := host.Tool(ctx, "e2fsprogs", "", "it cannot be formatted", env, "mkfs.ext4", append(args, image)...); err != nil {
		return err
	}
	return full(image, s.Size)
}

// waitUnused waits until nobody has the image open: a loop device closes it when
// the last mount is gone, and that of a dead node goes a moment after its
// processes. An image that does not exist is unused.
func waitUnused(ctx context.Context, image string) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		used, err := inUse(image)
		if err != nil || !used {
			return err
		}
		select { // the kernel frees in the background and tells nobody
		case <-ctx.Done():
			return fmt.Errorf("it is still in use: %w", context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// inUse asks the kernel for a lease, which it grants to who alone has a file open
// (fcntl(2)): loop devices have no list of their files that is safe to read.
func inUse(image string) (bool, error) {
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() // gives the lease back
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	if errors.Is(err, unix.EAGAIN) {
		return true, nil
	}
	if err != nil {
		return false, host.Errorf("leases are needed: sysctl -w fs.leases-enable=1", "who uses its image cannot be told: %w", err)
	}
	return false, nil
}
