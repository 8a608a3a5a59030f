package evidence

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// Names inside a bundle. The journal's segments, checkpoints and cut tails lie
// under JournalDir, scenario and site files under ScenarioDir and SiteDir,
// recordings (asciicast v2, one per terminal) under TerminalDir, and the journals
// of those who decide, each in a folder of its own, under JuryDir.
const (
	JournalDir  = "journal/"
	VerdictName = "verdict.json"
	ReportName  = "report.html"
	ScenarioDir = "scenario/"
	SiteDir     = "site/"
	TerminalDir = "terminals/"
	JuryDir     = "jury/"
)

// Bounds of a bundle that the reader accepts.
const (
	MaxBundleFile  = 512 << 20
	MaxBundleTotal = 2 << 30
	MaxBundleFiles = 20000
)

// Bundle is one session's file, opened. Records and Files are in memory.
type Bundle struct {
	Records []*Record
	// Files holds every file by name, the journal's included.
	Files map[string][]byte
}

// BundleError says what is wrong with a bundle; it is wrong input for the
// commands that read bundles.
type BundleError struct {
	Path string
	Err  error
}

func (e *BundleError) Error() string { return fmt.Sprintf("bundle %s: %v", e.Path, e.Err) }
func (e *BundleError) Unwrap() error { return e.Err }

// OpenBundle reads a bundle file and checks its journal.
func OpenBundle(file string) (*Bundle, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, &BundleError{Path: file, Err: err}
	}
	defer f.Close()
	b, err := ReadBundle(f)
	if err != nil {
		return nil, &BundleError{Path: file, Err: err}
	}
	return b, nil
}

// ReadBundle reads a bundle whose journal must be sound. It checks no
// signature, see Verify.
func ReadBundle(r io.Reader) (*Bundle, error) {
	files, err := ReadArchive(r)
	if err != nil {
		return nil, err
	}
	journal, _ := journalFiles(files)
	segments, err := segmentsOf(journal)
	if errors.Is(err, errNoSegment) {
		return nil, errors.New("it has no journal")
	}
	if err != nil {
		return nil, err
	}
	s := scanSegments(segments, position{0, ZeroHash})
	return &Bundle{Records: s.records, Files: files}, s.err()
}

// ErrNotBundle is in the error for a file that never was a bundle.
var ErrNotBundle = errors.New("not a situlab bundle")

// ReadArchive reads the files of a bundle strictly, whatever is in them: names
// sorted, plain files only, no second copy, nothing behind the archive.
func ReadArchive(r io.Reader) (map[string][]byte, error) {
	br := bufio.NewReader(r)
	zr, err := gzip.NewReader(br)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotBundle, err)
	}
	zr.Multistream(false)
	tr := tar.NewReader(zr)
	files := map[string][]byte{}
	last, total := "", int64(0)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch {
		case h.Typeflag != tar.TypeReg:
			return nil, fmt.Errorf("%q is not a plain file", h.Name)
		case !cleanName(h.Name):
			return nil, fmt.Errorf("bad file name %q", h.Name)
		case h.Name <= last:
			return nil, fmt.Errorf("file %q comes after %q: names must be sorted and unique", h.Name, last)
		case h.Size > MaxBundleFile || total+h.Size > MaxBundleTotal || len(files) >= MaxBundleFiles:
			return nil, fmt.Errorf("%q makes the bundle too large", h.Name)
		}
		data, err := io.ReadAll(io.LimitReader(tr, MaxBundleFile))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		files[h.Name] = data
		last, total = h.Name, total+h.Size
	}
	// The rest must be the archive's own zero padding, and then the checksum.
	rest, err := io.ReadAll(io.LimitReader(zr, 1<<20))
	if err != nil {
		return nil, err
	}
	_, end := br.ReadByte()
	if len(bytes.Trim(rest, "\x00")) != 0 || end == nil {
		return nil, errors.New("something follows the archive")
	}
	return files, nil
}

// cleanName accepts relative slash paths that stay inside the bundle.
func cleanName(name string) bool {
	return name != "" && name == path.Clean(name) && !path.IsAbs(name) &&
		name != ".." && !strings.HasPrefix(name, "../") && !strings.ContainsAny(name, "\\\x00")
}

// EncodeBundle writes files as a bundle. The same files give the same bytes.
func EncodeBundle(w io.Writer, files map[string][]byte) error {
	names := make([]string, 0, len(files))
	for name := range files {
		if !cleanName(name) {
			return fmt.Errorf("bundle: bad file name %q", name)
		}
		names = append(names, name)
	}
	sort.Strings(names)
	zw, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	for _, name := range names {
		data := files[name]
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(data)), Format: tar.FormatPAX}
		if err := tw.WriteHeader(h); err != nil {
			return fmt.Errorf("bundle: %s: %w", name, err)
		}
		if _, err := tw.Write(data); err != nil {
			return fmt.Errorf("bundle: %s: %w", name, err)
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return zw.Close()
}

// WriteBundle writes files as a bundle to file, atomically: a crash leaves
// either the old file or the new one.
func WriteBundle(file string, files map[string][]byte) error {
	if _, ok := files[JournalDir+SegmentName(1)]; !ok {
		return fmt.Errorf("bundle %s: no journal given", file)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".bundle-*")
	if err != nil {
		return fmt.Errorf("bundle %s: %w", file, err)
	}
	defer os.Remove(f.Name())
	err = EncodeBundle(f, files)
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
		return fmt.Errorf("bundle %s: %w", file, err)
	}
	return nil
}
