package evidence

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"
)

// CommitEvery bounds how long a durable record waits for others to share its
// fdatasync; LazyEvery how long other records stay unsynced.
const (
	CommitEvery = 5 * time.Millisecond
	LazyEvery   = 100 * time.Millisecond
)

// What a journal does unless its options say otherwise.
const (
	SegmentSize       = 64 << 20
	CheckpointRecords = 1000
	CheckpointEvery   = 5 * time.Second
)

// ErrClosed is returned by Append after Close, ErrEnded after
// session.end and decision.end.
var (
	ErrClosed = errors.New("journal is closed")
	ErrEnded  = errors.New("the journal has its last record and takes no more")
)

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
	// Failed, if set, is called once whenever the disk fails; every Append then
	// waits until Mend or GiveUp. Without it, a failure is the journal's end. It
	// must be quick and must not call the journal.
	Failed func(error)
	// KeyFile holds the session's private key (mode 0600) for a Continue after
	// the controller's death; it goes with the Close that follows session.end.
	// Empty: the key is in memory only, and the journal cannot be continued.
	KeyFile string
	// Zero means SegmentSize, CheckpointRecords, CheckpointEvery.
	SegmentSize       int64
	CheckpointRecords uint64
	CheckpointEvery   time.Duration
	// FS is the file system, nil the host's.
	FS FS
}

func (o *Options) defaults() {
	if o.Now == nil {
		o.Now = hostClock
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = SegmentSize
	}
	if o.CheckpointRecords == 0 {
		o.CheckpointRecords = CheckpointRecords
	}
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = CheckpointEvery
	}
	if o.FS == nil {
		o.FS = osFS{}
	}
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

// sealing are the types after which a checkpoint follows at once; a durable
// Append of them waits for it.
var sealing = map[Type]bool{TypeSessionStart: true, TypeClockPaused: true, TypeSessionFinish: true, TypeSessionEnd: true,
	TypeDecisionStart: true, TypeDecisionEnd: true}

// ending are the types after which a journal takes no more records.
var ending = map[Type]bool{TypeSessionEnd: true, TypeDecisionEnd: true}

// Journal is the append-only log of one session. Its methods may be called
// from any goroutine.
type Journal struct {
	dir    string
	opts   Options
	signer note.Signer
	key    string // of the verifier

	// appending is held from a record's number to its bytes; taken before mu.
	appending sync.Mutex
	chain     *Chain
	segment   int
	size      int64 // of the segment

	mu      sync.Mutex
	cond    *sync.Cond // anything below changed
	file    File       // the segment
	written uint64     // records written
	waiting [][]byte   // the lines among them that are not on disk
	safe    int64      // of the segment's bytes, these are on disk
	sealsAt int64      // size of the checkpoints on disk
	stalled error      // the disk has failed, all wait for Mend
	since   time.Time  // when it did
	hash    string     // of the last one
	last    Type       // its type
	tree    tree       // over them
	synced  uint64     // records on disk
	syncing bool       // someone syncs: two at once could each miss the other's error
	sealed  uint64     // size of the last checkpoint
	sealAt  time.Time  // when it was made
	seal    uint64     // a checkpoint of at least this size is wanted now
	err     error
	closed  bool

	checkpoints File // by who set syncing
	acked       File // by who set syncing

	kick chan struct{} // a durable record waits
	quit chan struct{}
	done chan struct{}
}

// Create makes a new journal in dir, which must not exist. Directory entries
// are synced too. What was begun is taken away when it fails.
func Create(dir string, opts Options) (_ *Journal, err error) {
	opts.defaults()
	skey, vkey, err := note.GenerateKey(rand.Reader, Origin(opts.Lab, opts.Session))
	if err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	j := &Journal{dir: dir, opts: opts, key: vkey, chain: &Chain{Lab: opts.Lab, Session: opts.Session, Prev: ZeroHash}, hash: ZeroHash, segment: 1}
	if j.signer, err = note.NewSigner(skey); err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	var undo []string
	defer func() {
		if err != nil {
			_ = j.closeFiles()
			for i := len(undo) - 1; i >= 0; i-- {
				_ = opts.FS.Remove(undo[i])
			}
			err = fmt.Errorf("create journal: %w", err)
		}
	}()
	if opts.KeyFile != "" {
		var f File
		if f, err = opts.FS.Create(opts.KeyFile); err != nil {
			return nil, err
		}
		undo = append(undo, opts.KeyFile)
		if err = errors.Join(writeAll(f, []byte(skey+"\n")), f.Sync(), f.Close()); err != nil {
			return nil, err
		}
		if err = opts.FS.SyncDir(filepath.Dir(opts.KeyFile)); err != nil {
			return nil, err
		}
	}
	if err = opts.FS.Mkdir(dir); err != nil {
		return nil, err
	}
	undo = append(undo, dir)
	if err = opts.FS.SyncDir(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	for _, n := range []string{SegmentName(1), CheckpointsName, ackedName} {
		undo = append(undo, filepath.Join(dir, n), filepath.Join(dir, n+newSuffix))
	}
	if j.file, err = install(opts.FS, dir, SegmentName(1), nil); err != nil {
		return nil, err
	}
	if j.checkpoints, err = install(opts.FS, dir, CheckpointsName, nil); err != nil {
		return nil, err
	}
	if j.acked, err = install(opts.FS, dir, ackedName, mark(0)); err != nil {
		return nil, err
	}
	j.start()
	return j, nil
}

func (j *Journal) start() {
	j.cond = sync.NewCond(&j.mu)
	j.kick, j.quit, j.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	j.sealAt = time.Now()
	go j.commitLoop()
}

func hostClock() (int64, time.Time) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, time.Now().UTC()
	}
	return ts.Nano(), time.Now().UTC()
}

// Key is the verifier key of the session's checkpoints, for
// SessionStart.JournalKey.
func (j *Journal) Key() string { return j.key }

// Append adds a record and returns its sequence number. With Durable it
// returns once the record is on disk, or with the error of ctx, in which case
// the record is written all the same.
func (j *Journal) Append(ctx context.Context, e Entry) (uint64, error) {
	if e.Payload == nil {
		return 0, errors.New("append to journal: no payload")
	}
	seq, err := j.write(ctx, e)
	if err != nil || !e.Durable {
		return seq, err
	}
	return seq, j.await(ctx, seq, sealing[e.Payload.RecordType()])
}

func (j *Journal) write(ctx context.Context, e Entry) (uint64, error) {
	if err := j.begin(ctx); err != nil {
		return 0, err
	}
	defer j.appending.Unlock()
	return j.add(e)
}

// add writes a record; appending is held and the journal usable. A record that
// the disk did not take waits in memory if the journal can be mended.
func (j *Journal) add(e Entry) (uint64, error) {
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
	if err := j.store(line); err != nil {
		if err = j.fail(err); err != nil {
			return 0, err
		}
	}
	leaf := tlog.RecordHash(line[headLen : len(line)-1])
	j.mu.Lock()
	j.waiting = append(j.waiting, line)
	j.written, j.hash, j.last = rec.Seq, rec.Hash, rec.Type
	j.tree.add(leaf)
	if sealing[rec.Type] {
		j.seal = rec.Seq
	}
	j.mu.Unlock()
	if j.opts.Observe != nil {
		j.opts.Observe(rec)
	}
	return rec.Seq, nil
}

// store writes a line into the segment, or into a new one.
func (j *Journal) store(line []byte) error {
	if j.size > 0 && j.size+int64(len(line)) > j.opts.SegmentSize {
		if err := j.nextSegment(); err != nil {
			return err
		}
	}
	if err := writeAll(j.file, line); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	j.size += int64(len(line))
	return nil
}

// begin takes appending once the journal can be written.
func (j *Journal) begin(ctx context.Context) error {
	for {
		if err := j.sound(ctx); err != nil {
			return err
		}
		j.appending.Lock()
		j.mu.Lock()
		stalled, err := j.stalled, j.unusable()
		j.mu.Unlock()
		if stalled == nil && err == nil {
			return nil
		}
		j.appending.Unlock() // Mend needs it
		if err != nil {
			return err
		}
	}
}

// sound waits until the journal is not stalled.
func (j *Journal) sound(ctx context.Context) error {
	stop := context.AfterFunc(ctx, j.wake)
	defer stop()
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.stalled != nil {
		if err := j.final(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for the journal: %w (%w)", err, j.stalled)
		}
		j.cond.Wait()
	}
	return j.err
}

// final is the failure that nothing mends any more; mu is held.
func (j *Journal) final() error {
	if j.err == nil && j.closed {
		return j.stalled
	}
	return j.err
}

// unusable says why no record is taken any more; mu is held.
func (j *Journal) unusable() error {
	if err := j.final(); err != nil {
		return err
	}
	switch {
	case j.closed:
		return ErrClosed
	case ending[j.last]:
		return ErrEnded
	}
	return nil
}

func (j *Journal) wake() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cond.Broadcast()
}

// nextSegment closes the segment, synced, and begins the next one. appending is
// held, so nothing is written meanwhile.
func (j *Journal) nextSegment() error {
	seq, err := j.claim()
	if err != nil {
		return err
	}
	err = j.sync(seq)
	j.release(seq, err)
	if err == nil {
		err = j.file.Close()
	}
	var f File
	if err == nil {
		f, err = install(j.opts.FS, j.dir, SegmentName(j.segment+1), nil)
	}
	if err != nil {
		return fmt.Errorf("begin segment %d of the journal: %w", j.segment+1, err)
	}
	j.segment++
	j.size = 0
	j.mu.Lock()
	j.file, j.safe = f, 0
	j.mu.Unlock()
	return nil
}

// claim waits for the right to sync; seq is what has been written then.
func (j *Journal) claim() (seq uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.syncing {
		j.cond.Wait()
	}
	if err := j.failed(); err != nil {
		return 0, err
	}
	j.syncing = true
	return j.written, nil
}

// failed is why nothing can be written now; mu is held.
func (j *Journal) failed() error {
	if j.err == nil {
		return j.stalled
	}
	return j.err
}

// release gives it back: without an error, seq records are on disk.
func (j *Journal) release(seq uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.syncing = false
	if err == nil {
		j.onDisk(seq)
	}
	j.cond.Broadcast()
}

// onDisk forgets the lines that are on disk; mu is held.
func (j *Journal) onDisk(seq uint64) {
	for ; j.synced < seq; j.synced++ {
		j.safe += int64(len(j.waiting[0]))
		j.waiting[0] = nil
		j.waiting = j.waiting[1:]
	}
	j.cond.Broadcast()
}

// sync puts the segment on disk and then writes down how much is acknowledged.
func (j *Journal) sync(seq uint64) error {
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	m := mark(seq)
	n, err := j.acked.WriteAt(m, 0)
	if err == nil && n < len(m) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write the journal's mark: %w", err)
	}
	return nil
}

// mark is the content of the file "acked": how many records have been
// acknowledged at least. It lies in one sector and is never synced, so after a
// power cut it may be old; it is never ahead.
func mark(seq uint64) []byte { return frame(fmt.Appendf(nil, "%020d", seq)) }

func parseMark(data []byte) uint64 {
	text, n, err := unframe(data)
	if err != nil || n != len(data) {
		return 0
	}
	var seq uint64
	if _, err := fmt.Sscanf(string(text), "%d", &seq); err != nil || !bytes.Equal(mark(seq), data) {
		return 0
	}
	return seq
}

// await blocks until seq is synced, and covered by a checkpoint if it must be.
func (j *Journal) await(ctx context.Context, seq uint64, sealed bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
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
	for j.synced < seq || sealed && j.sealed < seq {
		if err := j.final(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for journal record %d: %w", seq, err)
		}
		j.cond.Wait()
	}
	return nil
}

// Sync returns when everything appended so far is on disk.
func (j *Journal) Sync(ctx context.Context) error {
	seq, err := j.wanted(false)
	if err != nil {
		return err
	}
	return j.await(ctx, seq, false)
}

// Checkpoint returns when everything appended so far is on disk and covered by
// a signed checkpoint.
func (j *Journal) Checkpoint(ctx context.Context) error {
	seq, err := j.wanted(true)
	if err != nil {
		return err
	}
	return j.await(ctx, seq, true)
}

func (j *Journal) wanted(sealed bool) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if sealed {
		j.seal = j.written
	}
	return j.written, j.err
}

// Records reads back everything appended so far, once it is on disk.
func (j *Journal) Records(ctx context.Context) ([]*Record, error) {
	files, err := j.Files(ctx)
	if err != nil {
		return nil, err
	}
	files, _ = journalFiles(files)
	segments, err := segmentsOf(files)
	if err != nil {
		return nil, err
	}
	s := scanSegments(segments, position{0, ZeroHash})
	return s.records, s.err()
}

// Files gives the journal's files as a bundle holds them, once everything
// appended so far is on disk, and signed if the session has ended.
func (j *Journal) Files(ctx context.Context) (map[string][]byte, error) {
	j.mu.Lock()
	ended := ending[j.last]
	j.mu.Unlock()
	seq, err := j.wanted(ended)
	if err == nil {
		err = j.await(ctx, seq, ended)
	}
	if err != nil {
		return nil, err
	}
	for {
		if err := j.sound(ctx); err != nil {
			return nil, err
		}
		files, err := j.readAll()
		if j.Err() == nil || err == nil {
			return files, err
		}
	}
}

// readAll reads the files while nobody writes: no half line, no half checkpoint.
func (j *Journal) readAll() (map[string][]byte, error) {
	j.appending.Lock()
	defer j.appending.Unlock()
	if _, err := j.claim(); err != nil {
		return nil, err
	}
	defer j.release(0, nil)
	return bundled(j.opts.FS, j.dir)
}

// Head is the sequence number and the hash ("sha256:...") of the last record.
func (j *Journal) Head() (uint64, string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.written, "sha256:" + j.hash
}

// Err is why the journal cannot be written, nil while it is sound.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed()
}

// Close syncs, makes a last checkpoint and closes the files. After session.end
// the key is destroyed. Closing twice is harmless. One that waits to be mended
// is left as it is, for Continue.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		err := j.failed()
		j.mu.Unlock()
		return err
	}
	j.closed = true
	j.cond.Broadcast()
	j.mu.Unlock()
	close(j.quit)
	<-j.done
	j.appending.Lock() // a record under way is written before its file closes
	defer j.appending.Unlock()
	j.mu.Lock()
	j.seal = j.written
	j.mu.Unlock()
	j.commit()
	if err := j.closeFiles(); err != nil && j.Err() == nil {
		return fmt.Errorf("close journal: %w", err)
	}
	j.mu.Lock()
	ended := ending[j.last] && j.failed() == nil
	j.mu.Unlock()
	if ended && j.opts.KeyFile != "" {
		if err := j.opts.FS.Remove(j.opts.KeyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("destroy the session's key: %w", err)
		}
	}
	return j.Err()
}

func (j *Journal) closeFiles() error {
	var errs []error
	for _, f := range []File{j.file, j.checkpoints, j.acked} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// fail takes note of a failure of the disk and returns it if nothing mends it.
func (j *Journal) fail(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.err != nil:
	case j.opts.Failed == nil || j.closed:
		j.err = err
	case j.stalled == nil:
		j.stalled, j.since = err, time.Now()
		j.opts.Failed(err)
	}
	j.cond.Broadcast()
	return j.err
}

// commitLoop syncs. A durable record is committed within CommitEvery, so that
// records of other goroutines share the sync.
func (j *Journal) commitLoop() {
	defer close(j.done)
	lazy := time.NewTicker(LazyEvery)
	defer lazy.Stop()
	for {
		select {
		case <-j.quit:
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

// commit syncs what has been written, and makes a checkpoint of it if one is
// due: a checkpoint never speaks of a record that is not on disk.
func (j *Journal) commit() {
	j.mu.Lock()
	for j.syncing {
		j.cond.Wait()
	}
	seq, hash := j.written, j.hash
	due := seq > j.sealed && (j.seal > j.sealed || seq-j.sealed >= j.opts.CheckpointRecords || time.Since(j.sealAt) >= j.opts.CheckpointEvery)
	if j.failed() != nil || seq == j.synced && !due {
		j.mu.Unlock()
		return
	}
	j.syncing = true
	var t tree
	if due {
		t = j.tree.clone()
	}
	fresh := seq > j.synced
	j.mu.Unlock()
	var err error
	if fresh {
		err = j.sync(seq)
	}
	if err == nil && due {
		j.mu.Lock()
		j.onDisk(seq) // nobody waits for a checkpoint who does not need it
		j.mu.Unlock()
		err = j.writeCheckpoint(&t, hash)
	}
	if err != nil {
		_ = j.fail(err) // those who wait are told
	}
	j.release(seq, err)
}

// writeCheckpoint signs the tree and appends the note, synced.
func (j *Journal) writeCheckpoint(t *tree, head string) error {
	c := &Checkpoint{Origin: Origin(j.opts.Lab, j.opts.Session), Size: t.size, Root: t.root(), Head: head}
	msg, err := note.Sign(&note.Note{Text: c.text()}, j.signer)
	if err == nil {
		err = writeAll(j.checkpoints, append(msg, '\n'))
	}
	if err == nil {
		err = j.checkpoints.Sync()
	}
	if err != nil {
		return fmt.Errorf("write the journal's checkpoint: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sealed, j.sealAt = t.size, time.Now()
	j.sealsAt += int64(len(msg)) + 1
	return nil
}
