package evidence

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// DamageError tells the first damaged record of a journal. Everything before
// Line is sound.
type DamageError struct {
	// Line counts from 1 (it is the sequence number expected there); Offset
	// is its first byte.
	Line   uint64
	Offset int64
	// Torn is true when the line is the last one and has no newline: a write
	// cut by a crash, the only damage that honest use can cause.
	Torn bool
	Err  error
}

func (e *DamageError) Error() string {
	if e.Torn {
		return fmt.Sprintf("journal: record %d (byte %d) is cut off: %v", e.Line, e.Offset, e.Err)
	}
	return fmt.Sprintf("journal: record %d (byte %d) is damaged: %v", e.Line, e.Offset, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// Read reads a whole journal strictly. On damage it returns the sound records
// before it and a *DamageError; other errors are those of the reader.
func Read(r io.Reader) ([]*Record, error) {
	var records []*Record
	err := Scan(r, func(rec *Record) error {
		records = append(records, rec)
		return nil
	})
	return records, err
}

// Scan calls f for each sound record in order, and stops at the first error
// of f or at the first damage.
func Scan(r io.Reader, f func(*Record) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	prev, offset := ZeroHash, int64(0)
	for n := uint64(1); ; n++ {
		line, err := readLine(br)
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		damage := func(e error) *DamageError { return &DamageError{Line: n, Offset: offset, Err: e} }
		switch {
		case errors.Is(err, io.EOF):
			d := damage(fmt.Errorf("no newline after %d bytes", len(line)))
			d.Torn = true
			return d
		case errors.Is(err, errLong):
			return damage(err)
		case err != nil:
			return fmt.Errorf("journal: read at byte %d: %w", offset, err)
		}
		rec, err := decodeLine(line)
		if err != nil {
			return damage(err)
		}
		if rec.Seq != n {
			return damage(fmt.Errorf("its sequence number is %d, expected %d", rec.Seq, n))
		}
		if rec.Prev != prev {
			return damage(fmt.Errorf("it follows %s, but the record before is %s", short(rec.Prev), short(prev)))
		}
		prev = rec.Hash
		offset += int64(len(line)) + 1
		if err := f(rec); err != nil {
			return err
		}
	}
}

var errLong = fmt.Errorf("line longer than %d bytes", MaxLine)

// readLine returns the next line without newline; io.EOF with the rest when
// the newline is missing.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > MaxLine+1 {
			return line, errLong
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return line, err
		}
		return bytes.TrimSuffix(line, []byte("\n")), nil
	}
}
