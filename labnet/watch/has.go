package watch

import (
	"context"

	"golang.org/x/sys/unix"
)

// HasExecs tries to load and attach the programs: nil if [NewExecs] works here,
// else its error, which says what to do.
func HasExecs() error {
	x, err := NewExecs(context.Background(), ExecConfig{RingBytes: 1 << 16})
	if err != nil {
		return err
	}
	// Close ends the channel; nothing was added to watch.
	return x.Close()
}

// HasFiles tries to make a group that reports names: nil if [NewFiles] works.
func HasFiles() error {
	fd, err := fanotify()
	if err != nil {
		return err
	}
	return unix.Close(fd)
}
