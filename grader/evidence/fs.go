package evidence

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// FS is what the journal's writer asks of a file system. Tests put faults and
// crashes under it.
type FS interface {
	Mkdir(name string) error
	// ReadDir lists the names in a directory, sorted.
	ReadDir(name string) ([]string, error)
	ReadFile(name string) ([]byte, error)
	// Create makes a file of mode 0600 that must not exist.
	Create(name string) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// Truncate cuts a file to its first bytes, durably.
	Truncate(name string, size int64) error
	// SyncDir makes what was created, renamed and removed in a directory last.
	SyncDir(name string) error
}

// File is a file being written.
type File interface {
	io.Writer // at the end
	io.WriterAt
	// Sync returns once everything written is on disk.
	Sync() error
	Close() error
}

// osFS is the host's file system.
type osFS struct{}

func (osFS) Mkdir(name string) error              { return os.Mkdir(name, 0o700) }
func (osFS) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }
func (osFS) Rename(from, to string) error         { return os.Rename(from, to) }
func (osFS) Remove(name string) error             { return os.Remove(name) }

func (osFS) ReadDir(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) Create(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Truncate(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

type osFile struct{ *os.File }

// Sync is fdatasync: the size counts as data, the times do not matter.
func (f osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// install writes a whole file so that it is there, durably, or not at all, and
// gives it open for more.
func install(fsys FS, dir, name string, data []byte) (File, error) {
	tmp := filepath.Join(dir, name+newSuffix)
	f, err := fsys.Create(tmp)
	if err != nil {
		return nil, err
	}
	if len(data) > 0 {
		err = writeAll(f, data)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fsys.Rename(tmp, filepath.Join(dir, name))
	}
	if err == nil {
		err = fsys.SyncDir(dir)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func writeAll(w io.Writer, data []byte) error {
	n, err := w.Write(data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	return err
}
