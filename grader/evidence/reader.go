package evidence

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// DamageError tells the first damaged record of a journal. Everything before it
// is sound.
type DamageError struct {
	// Record is the sequence number expected there; Segment its file, Offset
	// its first byte in it.
	Record  uint64
	Segment string
	Offset  int64
	// Torn is true for a line that is not whole, in the last segment, with
	// nothing sound known after it: what a crash leaves of writes that were
	// never acknowledged. Nothing else can be honest.
	Torn bool
	Err  error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("journal: record %d (%s, byte %d) is damaged: %v", e.Record, e.Segment, e.Offset, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// segment is a file of a journal, in memory.
type segment struct {
	name string
	data []byte
}

// line is where a record stands.
type line struct {
	segment int
	offset  int64
	json    []byte
}

// scan is a journal that was read.
type scan struct {
	records []*Record
	lines   []line       // of the records
	damage  *DamageError // nil if all is sound
}

// position is the state of a reader between two records.
type position struct {
	seq  uint64 // of the record before
	prev string // its hash
}

// follow says whether rec comes next.
func (p *position) follow(rec *Record) error {
	switch {
	case rec.Seq != p.seq+1:
		return fmt.Errorf("its sequence number is %d, expected %d", rec.Seq, p.seq+1)
	case rec.Prev != p.prev:
		return fmt.Errorf("it follows %s, but the record before is %s", short(rec.Prev), short(p.prev))
	}
	p.seq, p.prev = rec.Seq, rec.Hash
	return nil
}

// scanSegments reads segments that follow each other, from pos on. Lines are
// decoded on all processors; everything else is in order.
func scanSegments(segments []segment, pos position) *scan {
	s := &scan{}
	begin := pos.seq
	damage := func(l line, err error, torn bool) {
		if s.damage == nil || uint64(len(s.lines))+begin+1 < s.damage.Record {
			s.damage = &DamageError{Record: begin + 1 + uint64(len(s.lines)), Segment: segments[l.segment].name, Offset: l.offset, Torn: torn, Err: err}
		}
	}
	for i, seg := range segments {
		for at := 0; at < len(seg.data); {
			json, n, err := unframe(seg.data[at:])
			if err != nil {
				damage(line{segment: i, offset: int64(at)}, err, i == len(segments)-1)
				break
			}
			s.lines = append(s.lines, line{i, int64(at), json})
			at += n
		}
		if s.damage != nil {
			break
		}
	}
	records, errs := decodeAll(s.lines)
	for i, rec := range records {
		err := errs[i]
		if err == nil {
			err = pos.follow(rec)
		}
		if err != nil {
			l := s.lines[i]
			s.records, s.lines = records[:i], s.lines[:i]
			damage(l, err, false)
			return s
		}
	}
	s.records = records
	return s
}

// decodeAll decodes lines; what follows the first error of a part is left out.
func decodeAll(lines []line) ([]*Record, []error) {
	const part = 256
	records, errs := make([]*Record, len(lines)), make([]error, len(lines))
	decode := func(from int) {
		for i := from; i < min(from+part, len(lines)); i++ {
			if records[i], errs[i] = decodeLine(lines[i].json); errs[i] != nil {
				return
			}
		}
	}
	if len(lines) <= part {
		decode(0)
		return records, errs
	}
	parts := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for from := range parts {
				decode(from)
			}
		})
	}
	for from := 0; from < len(lines); from += part {
		parts <- from
	}
	close(parts)
	wg.Wait()
	return records, errs
}

// err is the damage as an error.
func (s *scan) err() error {
	if s.damage == nil {
		return nil
	}
	return s.damage
}

// Read reads the lines of one segment, or of several in a row, strictly. On
// damage it returns the sound records before it and a *DamageError; other
// errors are those of the reader.
func Read(r io.Reader) ([]*Record, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	s := scanSegments([]segment{{SegmentName(1), data}}, position{0, ZeroHash})
	return s.records, s.err()
}

// ReadJournal reads the journal in a directory, which nobody writes meanwhile.
func ReadJournal(dir string) ([]*Record, error) {
	files, err := readFiles(osFS{}, dir)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	segments, err := segmentsOf(files)
	if err != nil {
		return nil, err
	}
	s := scanSegments(segments, position{0, ZeroHash})
	return s.records, s.err()
}

// JournalFiles reads the files of a journal's directory that a bundle holds.
func JournalFiles(dir string) (map[string][]byte, error) { return bundled(osFS{}, dir) }

func bundled(fsys FS, dir string) (map[string][]byte, error) {
	files, err := readFiles(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	out := make(map[string][]byte, len(files))
	for name, data := range files {
		if name == CheckpointsName || segmentNumber(name) > 0 || cutNumber(name) > 0 {
			out[JournalDir+name] = data
		}
	}
	return out, nil
}

// readFiles reads a whole directory.
func readFiles(fsys FS, dir string) (map[string][]byte, error) {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(names))
	for _, name := range names {
		if files[name], err = fsys.ReadFile(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// errNoSegment is returned for a journal without a single segment.
var errNoSegment = fmt.Errorf("the journal has no segment: %w", fs.ErrNotExist)

// segmentsOf orders the segments among files; the error for a missing one is a
// *DamageError that names the record it would begin with. What comes before it
// is returned too.
func segmentsOf(files map[string][]byte) ([]segment, error) {
	last := 0
	for name := range files {
		last = max(last, segmentNumber(name))
	}
	if last == 0 {
		return nil, errNoSegment
	}
	var segments []segment
	for n := 1; n <= last; n++ {
		data, ok := files[SegmentName(n)]
		if !ok {
			s := scanSegments(segments, position{0, ZeroHash})
			if s.damage != nil {
				s.damage.Torn = false
				return segments, s.damage
			}
			return segments, &DamageError{Record: uint64(len(s.records)) + 1, Segment: SegmentName(n), Err: errors.New("the segment is missing")}
		}
		segments = append(segments, segment{SegmentName(n), data})
	}
	return segments, nil
}

// journalFiles takes a bundle's files apart: those of the journal, by their name
// in its directory, and the others.
func journalFiles(files map[string][]byte) (journal, others map[string][]byte) {
	journal, others = map[string][]byte{}, map[string][]byte{}
	for name, data := range files {
		if in, ok := strings.CutPrefix(name, JournalDir); ok {
			journal[in] = data
		} else {
			others[name] = data
		}
	}
	return journal, others
}
