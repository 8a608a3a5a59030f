package images

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// newFile is what a file is called until it is whole.
const newFile = ".new-*"

// writeFile replaces a file in one step: a reader, or a machine that loses its
// power, finds the old content or the new.
func writeFile(file string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), newFile)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	if _, err = f.Write(b); err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return syncDir(filepath.Dir(file))
}

// syncDir makes renames in a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// syncFS writes the whole file system to the disk: one call instead of one per
// file of a layer (syncfs(2)).
func syncFS(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("write %s to the disk: %w", path, err)
	}
	return nil
}

// roomFor says before a long work that the disk is too small for it.
func roomFor(dir string, need int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("measure %s: %w", dir, err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < need {
		return &HostError{
			What: fmt.Sprintf("%s has %d MiB free, an image needs %d", dir, free>>20, need>>20),
			Hint: "make room, or set SITULAB_HOME to a larger disk",
		}
	}
	return nil
}

// diskFull turns a full disk into what the host cannot do.
func diskFull(dir string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return &HostError{What: "the disk of " + dir + " is full", Hint: "make room, or set SITULAB_HOME to a larger disk", Err: err}
	}
	return err
}

// failpoint lets tests end the process at a named point, as a kill would.
var failpoint = func(name string) {}
