package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// CommitEvery bounds how long a durable record waits for others to share its
// fdatasync; LazyEvery how long other records stay unsynced.
const (
	CommitEvery = 5 * time.Millisecond
	LazyEvery   = 100 * time.Millisecond
)

// ErrClosed is returned by Append after Close.
var ErrClosed = errors.New("journal is closed")

// Options of a journal.
type Options struct {
	Lab     string
	Session string
	// Now gives CLOCK_BOOTTIME in nanoseconds and the wall clock; nil means
	// the host's clocks.
	Now func() (bootNS int64, wall time.Time)
	// Observe, if set, is called with each record in order, right after it was
	// written and before Append returns. It must be quick and must not call
	// the journal.
	Observe func(*Record)
}

// Entry is what a recorder hands over. The record's type is that of Payload.
type Entry struct {
	Source string
	Node   string
	Actor  string
	// BootNS and Wall are the event's time; zero means now. If only BootNS is
	// given, Wall is computed from it.
	BootNS  int64
	Wall    time.Time
	Payload Payload
	// Durable makes Append wait for fdatasync.
	Durable bool
}

// Journal is the append-only file of one session. Its methods may be called
// from any goroutine.
type Journal struct {
	opts Options
	file *os.File

	mu     sync.Mutex
	cond   *sync.Cond // synced, err or closed changed
	chain  *Chain
	synced uint64
	err    error
	closed bool

	kick chan struct{} // a durable record waits
	quit chan struct{}
	done chan struct{}
}

// Create makes a new journal file (mode 0600); it must not exist. The
// directory entry is synced too.
func Create(path string, opts Options) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err == nil {
		err = dir.Sync()
		dir.Close()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("create journal %s: sync its directory: %w", path, err)
	}
	return start(f, opts, 0, ZeroHash), nil
}

// Continue opens the journal of a session whose controller died. A torn last
// line is cut and accounted for by a recorder.recovery record; any other
// damage is refused with a *DamageError. It returns the sound records too.
func Continue(path string, opts Options) (*Journal, []*Record, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("continue journal: %w", err)
	}
	records, err := Read(f)
	var damage *DamageError
	torn := errors.As(err, &damage) && damage.Torn
	if err != nil && !torn {
		f.Close()
		return nil, records, fmt.Errorf("continue journal %s: %w", path, err)
	}
	var recovery *RecorderRecovery
	if torn {
		recovery, err = cut(f, damage.Offset)
		if err != nil {
			f.Close()
			return nil, records, fmt.Errorf("continue journal %s: %w", path, err)
		}
	}
	seq, prev := uint64(0), ZeroHash
	if n := len(records); n > 0 {
		seq, prev = records[n-1].Seq, records[n-1].Hash
	}
	j := start(f, opts, seq, prev)
	if recovery != nil {
		if _, err := j.Append(context.Background(), Entry{Source: "journal", Payload: recovery, Durable: true}); err != nil {
			j.Close()
			return nil, records, err
		}
	}
	return j, records, nil
}

// cut truncates f at offset and describes what was there.
func cut(f *os.File, offset int64) (*RecorderRecovery, error) {
	h := sha256.New()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(h, io.NewSectionReader(f, offset, end-offset)); err != nil {
		return nil, err
	}
	if err := f.Truncate(offset); err != nil {
		return nil, err
	}
	return &RecorderRecovery{Offset: offset, Bytes: end - offset, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

func start(f *os.File, opts Options, seq uint64, prev string) *Journal {
	if opts.Now == nil {
		opts.Now = hostClock
	}
	j := &Journal{opts: opts, file: f, chain: &Chain{Lab: opts.Lab, Session: opts.Session, Seq: seq, Prev: prev}, synced: seq,
		kick: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	j.cond = sync.NewCond(&j.mu)
	go j.commitLoop()
	return j
}

func hostClock() (int64, time.Time) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, time.Now().UTC()
	}
	return ts.Nano(), time.Now().UTC()
}

// Append adds a record and returns its sequence number. With Durable it
// returns once the record is on disk, or with the error of ctx, in which case
// the record is written all the same.
func (j *Journal) Append(ctx context.Context, e Entry) (uint64, error) {
	if e.Payload == nil {
		return 0, errors.New("append to journal: no payload")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return 0, j.err
	}
	if j.closed {
		return 0, ErrClosed
	}
	boot, wall := j.opts.Now()
	switch {
	case e.BootNS == 0 && e.Wall.IsZero():
		e.BootNS = boot
	case e.BootNS == 0:
		e.BootNS = boot - int64(wall.Sub(e.Wall))
	}
	if e.Wall.IsZero() {
		e.Wall = wall.Add(time.Duration(e.BootNS - boot))
	}
	rec, line, err := j.chain.Add(e)
	if err != nil {
		return 0, err
	}
	if _, err := j.file.Write(line); err != nil {
		j.poison(fmt.Errorf("write journal: %w", err))
		return 0, j.err
	}
	if j.opts.Observe != nil {
		j.opts.Observe(rec)
	}
	if !e.Durable {
		return rec.Seq, nil
	}
	return rec.Seq, j.wait(ctx, rec.Seq)
}

// wait blocks until seq is synced. j.mu is held.
func (j *Journal) wait(ctx context.Context, seq uint64) error {
	stop := context.AfterFunc(ctx, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.cond.Broadcast()
	})
	defer stop()
	select {
	case j.kick <- struct{}{}:
	default:
	}
	for j.synced < seq && j.err == nil {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for journal record %d: %w", seq, err)
		}
		j.cond.Wait()
	}
	return j.err
}

// Sync returns when everything appended so far is on disk.
func (j *Journal) Sync(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil || j.closed {
		return j.err
	}
	return j.wait(ctx, j.chain.Seq)
}

// Head is the sequence number and the hash ("sha256:...") of the last record.
func (j *Journal) Head() (uint64, string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.chain.Seq, "sha256:" + j.chain.Prev
}

// Err is the error that poisoned the journal, nil while it is sound.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// Close syncs and closes the file. Closing twice is harmless.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		err := j.err
		j.mu.Unlock()
		return err
	}
	j.closed = true
	j.mu.Unlock()
	close(j.quit)
	<-j.done
	if err := j.file.Close(); err != nil && j.Err() == nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return j.Err()
}

// poison records the first failure and wakes all. j.mu is held.
func (j *Journal) poison(err error) {
	if j.err == nil {
		j.err = err
	}
	j.cond.Broadcast()
}

// commitLoop owns fdatasync. A durable record is committed within
// CommitEvery, so that records of other goroutines share the sync.
func (j *Journal) commitLoop() {
	defer close(j.done)
	lazy := time.NewTicker(LazyEvery)
	defer lazy.Stop()
	for {
		select {
		case <-j.quit:
			j.commit()
			return
		case <-lazy.C:
		case <-j.kick:
			// Let a burst gather; alone it costs a fraction of a sync.
			gather := time.NewTimer(CommitEvery / 5)
			select {
			case <-gather.C:
			case <-j.quit:
				gather.Stop()
			}
		}
		j.commit()
	}
}

func (j *Journal) commit() {
	j.mu.Lock()
	seq := j.chain.Seq
	if seq == j.synced || j.err != nil {
		j.mu.Unlock()
		return
	}
	j.mu.Unlock()
	err := unix.Fdatasync(int(j.file.Fd()))
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.poison(fmt.Errorf("sync journal: %w", err))
		return
	}
	j.synced = seq
	j.cond.Broadcast()
}
