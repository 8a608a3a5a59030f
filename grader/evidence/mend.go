package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Mend tries to go on after a failure of the disk (Options.Failed). Nothing that
// has failed is tried again: the segment ends with its last record that is on
// disk, and the lines that wait in memory begin a new one, so nothing is lost
// and nothing written twice. After an error everybody goes on waiting, and Mend
// can be called again.
func (j *Journal) Mend() error {
	j.appending.Lock()
	defer j.appending.Unlock()
	j.mu.Lock()
	for j.syncing {
		j.cond.Wait()
	}
	cause, since := j.stalled, j.since
	if err := j.final(); err != nil || cause == nil {
		j.mu.Unlock()
		return err
	}
	j.syncing = true
	waiting, all := len(j.waiting), j.written
	j.mu.Unlock()
	err := j.anew()
	if err != nil {
		j.release(0, err)
		return fmt.Errorf("mend journal: %w", err)
	}
	j.mu.Lock()
	j.stalled = nil
	ended := j.last == TypeSessionEnd
	j.mu.Unlock()
	j.release(all, nil)
	if ended {
		return nil
	}
	_, err = j.add(Entry{Source: "journal", Actor: "controller",
		Payload: &RecorderStalled{Reason: plain(cause), Seconds: time.Since(since).Seconds(), Records: waiting}})
	return err
}

// GiveUp makes a failure final: whoever waits is told.
func (j *Journal) GiveUp() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = j.stalled
	}
	j.cond.Broadcast()
}

// anew puts what is on disk and what waits into files that nothing has failed
// on. appending is held, and the right to sync.
func (j *Journal) anew() error {
	fsys := j.opts.FS
	if err := removeUnfinished(fsys, j.dir); err != nil {
		return err
	}
	next := j.segment
	if j.safe > 0 {
		if err := fsys.Truncate(filepath.Join(j.dir, SegmentName(j.segment)), j.safe); err != nil {
			return err
		}
		next++
	}
	seals, err := fsys.ReadFile(filepath.Join(j.dir, CheckpointsName))
	if err != nil {
		return err
	}
	if int64(len(seals)) < j.sealsAt {
		return fmt.Errorf("%s has %d bytes, %d were on disk", CheckpointsName, len(seals), j.sealsAt)
	}
	if err := j.replace(&j.checkpoints, CheckpointsName, seals[:j.sealsAt]); err != nil {
		return err
	}
	if err := j.replace(&j.acked, ackedName, mark(j.synced)); err != nil {
		return err
	}
	data := bytes.Join(j.waiting, nil)
	if err := j.replace(&j.file, SegmentName(next), data); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segment, j.size, j.safe = next, int64(len(data)), 0 // onDisk counts what waited
	return nil
}

// replace puts a new file in the place of one that has failed.
func (j *Journal) replace(f *File, name string, data []byte) error {
	n, err := install(j.opts.FS, j.dir, name, data)
	if err != nil {
		return err
	}
	j.mu.Lock()
	old := *f
	*f = n
	j.mu.Unlock()
	if old != nil {
		_ = old.Close() // it has failed, or has been closed
	}
	return nil
}

// removeUnfinished removes what an install left that did not end.
func removeUnfinished(fsys FS, dir string) error {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, newSuffix) {
			if err := fsys.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// plain is an error in the system's words, without paths of the host.
func plain(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
