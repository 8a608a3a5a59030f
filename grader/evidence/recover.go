package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Continue opens the journal of a session whose controller died. What a crash
// leaves of records that were never acknowledged is cut, kept in a file cut-N
// and accounted for by recorder.recovery records; any other damage is refused
// with a *DamageError, and nothing is changed. It returns the sound records
// too, without those it writes.
//
// A journal that holds session.end (or decision.end) takes no more records; Files signs what a
// crash has left unsigned, and Close destroys the key. Without the key there is
// nothing left to do: the journal is as its Close left it.
//
// The last segment and the checkpoints are written anew: what the controller
// before wrote and failed to sync may be in the kernel's cache, called clean,
// and not on disk.
func Continue(dir string, opts Options) (*Journal, []*Record, error) {
	opts.defaults()
	j, records, err := reopen(dir, opts)
	if err != nil {
		return nil, records, fmt.Errorf("continue journal %s: %w", dir, err)
	}
	return j, records, nil
}

// ruins is what reopen finds.
type ruins struct {
	segments    []segment
	scan        *scan
	end         int    // of what is sound in the last segment
	checkpoints []byte // those that are whole
	torn        []byte // what follows them
	sealed      uint64 // size of the last one
	root        tlog.Hash
	orphans     []string
}

func reopen(dir string, opts Options) (_ *Journal, _ []*Record, err error) {
	files, err := readFiles(opts.FS, dir)
	if err != nil {
		return nil, nil, err
	}
	signer, key, err := readKey(opts)
	if err != nil {
		return nil, nil, err
	}
	r, err := examine(files, key)
	if err != nil {
		return nil, r.records(), err
	}
	records := r.records()
	j := &Journal{dir: dir, opts: opts, signer: signer, key: key, segment: len(r.segments), size: int64(r.end), hash: ZeroHash, sealed: r.sealed,
		safe: int64(r.end), sealsAt: int64(len(r.checkpoints))}
	for i, l := range r.scan.lines {
		j.tree.add(tlog.RecordHash(l.json))
		j.written, j.hash, j.last = records[i].Seq, records[i].Hash, records[i].Type
	}
	if ending[j.last] {
		r.torn = nil // no record can tell of it any more, and no record is in it
	}
	if r.sealed > 0 && rootAt(r.scan, r.sealed) != r.root {
		return nil, records, fmt.Errorf("journal: the records up to %d are not those that were signed", r.sealed)
	}
	j.synced = j.written
	j.chain = &Chain{Lab: opts.Lab, Session: opts.Session, Seq: j.written, Prev: j.hash}
	defer func() {
		if err != nil {
			_ = j.closeFiles()
		}
	}()
	cuts, err := j.restore(files, r)
	if err != nil {
		return nil, records, err
	}
	j.start()
	for _, c := range cuts {
		if _, err := j.Append(context.Background(), Entry{Source: "journal", Actor: "controller", Payload: c, Durable: true}); err != nil {
			_ = j.Close()
			return nil, records, err
		}
	}
	return j, records, nil
}

func (r *ruins) records() []*Record {
	if r == nil || r.scan == nil {
		return nil
	}
	return r.scan.records
}

// rootAt is the tree's hash over the first n records of a journal.
func rootAt(s *scan, n uint64) tlog.Hash {
	var t tree
	for _, l := range s.lines[:n] {
		t.add(tlog.RecordHash(l.json))
	}
	return t.root()
}

func readKey(opts Options) (note.Signer, string, error) {
	if opts.KeyFile == "" {
		return nil, "", errors.New("no file with the session's key is given")
	}
	data, err := opts.FS.ReadFile(opts.KeyFile)
	if err != nil {
		return nil, "", fmt.Errorf("the session's key: %w", err)
	}
	skey := strings.TrimSuffix(string(data), "\n")
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, "", fmt.Errorf("the session's key in %s: %w", opts.KeyFile, err)
	}
	key, err := verifierOf(signer, skey)
	return signer, key, err
}

// examine says what is sound, or why the journal must not be continued.
func examine(files map[string][]byte, key string) (*ruins, error) {
	r := &ruins{}
	var err error
	if r.segments, err = segmentsOf(files); errors.Is(err, errNoSegment) && parseMark(files[ackedName]) == 0 && len(files[CheckpointsName]) == 0 {
		r.segments, err = []segment{{name: SegmentName(1)}}, nil // died before its first record
	}
	if errors.Is(err, errNoSegment) {
		err = &DamageError{Record: 1, Segment: SegmentName(1), Err: err}
	}
	if err != nil {
		return r, err
	}
	r.scan = scanSegments(r.segments, position{0, ZeroHash})
	n := uint64(len(r.scan.records))
	last := r.segments[len(r.segments)-1]
	r.end = len(last.data)
	if d := r.scan.damage; d != nil {
		if d.Segment != last.name || !d.Torn {
			return r, d
		}
		r.end = int(d.Offset)
	}
	v, err := note.NewVerifier(key)
	if err != nil {
		return r, err
	}
	notes, torn := splitCheckpoints(files[CheckpointsName])
	for i, msg := range notes {
		c, err := parseCheckpoint(msg, v)
		if err != nil && i == len(notes)-1 && len(torn) == 0 && !errors.Is(err, errOtherKey) {
			torn = append(slices.Clone(msg), '\n') // whole in length, torn inside
			break
		}
		if err != nil {
			return r, fmt.Errorf("journal: checkpoint %d is damaged: %w", i+1, err)
		}
		r.sealed, r.root = c.Size, c.Root
		r.checkpoints = append(append(r.checkpoints, msg...), '\n')
	}
	r.torn = torn
	// What was acknowledged must be there.
	if floor := max(r.sealed, parseMark(files[ackedName])); n < floor {
		d := r.scan.damage
		if d == nil {
			d = &DamageError{Record: n + 1, Segment: last.name, Offset: int64(r.end), Err: errors.New("it is missing")}
		}
		return r, &DamageError{Record: d.Record, Segment: d.Segment, Offset: d.Offset,
			Err: fmt.Errorf("%d records were acknowledged: %w", floor, d.Err)}
	}
	if n > 0 {
		first := ""
		switch p := r.scan.records[0].Payload().(type) {
		case *SessionStart:
			first = p.JournalKey
		case *DecisionStart:
			first = p.JournalKey
		}
		if first != "" && first != key {
			return r, errors.New("journal: the key is not that of its first record")
		}
	}
	// Cut files whose recovery record was lost in a second crash.
	told := map[string]bool{}
	for _, rec := range r.scan.records {
		if p, ok := As[RecorderRecovery](rec); ok {
			told[p.File] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if cutNumber(name) > 0 && !told[name] {
			r.orphans = append(r.orphans, name)
		}
	}
	return r, nil
}

// restore keeps what is cut, and puts segment, checkpoints and mark in place.
func (j *Journal) restore(files map[string][]byte, r *ruins) ([]*RecorderRecovery, error) {
	fsys := j.opts.FS
	if err := removeUnfinished(fsys, j.dir); err != nil {
		return nil, err
	}
	next := 1
	for name := range files {
		next = max(next, cutNumber(name)+1)
	}
	last := r.segments[len(r.segments)-1]
	var cuts []*RecorderRecovery
	for _, name := range r.orphans {
		cuts = append(cuts, cutRecord(last.name, r.end, name, files[name]))
	}
	keep := func(from string, offset int, data []byte) error {
		if len(data) == 0 {
			return nil
		}
		name := fmt.Sprintf("%s%d", cutPrefix, next)
		next++
		f, err := install(fsys, j.dir, name, data)
		if err != nil {
			return err
		}
		cuts = append(cuts, cutRecord(from, offset, name, data))
		return f.Close()
	}
	if err := keep(last.name, r.end, last.data[r.end:]); err != nil {
		return nil, err
	}
	if err := keep(CheckpointsName, len(r.checkpoints), r.torn); err != nil {
		return nil, err
	}
	var err error
	if j.file, err = install(fsys, j.dir, last.name, last.data[:r.end]); err != nil {
		return nil, err
	}
	if j.checkpoints, err = install(fsys, j.dir, CheckpointsName, r.checkpoints); err != nil {
		return nil, err
	}
	j.acked, err = install(fsys, j.dir, ackedName, mark(j.synced))
	return cuts, err
}

// cutRecord accounts for what was cut. Sound counts the whole records in it: a
// disk may write a later sector and lose an earlier one.
func cutRecord(segment string, offset int, file string, data []byte) *RecorderRecovery {
	sum := sha256.Sum256(data)
	c := &RecorderRecovery{Segment: segment, Offset: int64(offset), Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), File: file}
	for len(data) > 0 {
		if json, n, err := unframe(data); err == nil {
			if _, err := decodeLine(json); err == nil {
				c.Sound++
			}
			data = data[n:]
			continue
		}
		i := slices.Index(data, '\n')
		if i < 0 {
			break
		}
		data = data[i+1:]
	}
	return c
}
