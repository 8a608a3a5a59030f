package sitting

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/situlab/situlab/grader/evidence"
)

// Dir is where keys and checkpoints of the decisions on one evidence lie.
func Dir(home, head string) string {
	head = strings.TrimPrefix(head, "sha256:")
	return filepath.Join(home, "jury", head[:min(len(head), 16)])
}

// InputError says why this assessor can add nothing to this bundle here.
type InputError struct{ text string }

func (e *InputError) Error() string { return e.text }

// InputError marks it as a mistake of who typed it.
func (e *InputError) InputError() {}

func failf(format string, args ...any) error { return &InputError{fmt.Sprintf(format, args...)} }

// Known compares a bundle with what this host knows of its decisions.
func Known(home string, v *evidence.Verification) (*evidence.Verification, error) {
	names, err := filepath.Glob(filepath.Join(Dir(home, v.Head), "*.checkpoint"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		checkpoint, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if with := evidence.Verify(v.Archive(), evidence.Witness{Checkpoint: checkpoint}); !with.OK() {
			return with, nil
		}
	}
	return v, nil
}

// Writer adds to one assessor's journal. Two must not write at once under the
// same Home: the caller holds a lock from before the bundle was read.
type Writer struct {
	// Home is $SITULAB_HOME; Path the bundle's file.
	Home, Path string
	// V is the bundle as verified.
	V *evidence.Verification
	// Start opens the journal if there is none. Assessor is set in any case.
	Start evidence.DecisionStart
}

// maxName bounds an assessor's name, in bytes.
const maxName = 200

// Find gives the assessor's journal, nil if there is none yet. Two names for the
// same folder are refused: nobody goes on with another's decisions by mistake.
func Find(v *evidence.Verification, assessor string) (*evidence.Sitting, error) {
	if strings.TrimSpace(assessor) == "" {
		return nil, failf("--as: the name of the assessor is missing")
	}
	if strings.ContainsFunc(assessor, unicode.IsControl) || len(assessor) > maxName {
		return nil, failf("--as: a name is one line of at most %d bytes", maxName)
	}
	s, ok := v.Sitting(evidence.JurySlug(assessor))
	if !ok {
		return nil, nil
	}
	if s.Assessor != assessor {
		return nil, failf("--as %q: too like %q, who has decisions in this bundle", assessor, s.Assessor)
	}
	return s, nil
}

// Add writes records at the end of the assessor's journal and puts the bundle
// in its place. It returns the bundle as it is then.
func (w *Writer) Add(ctx context.Context, payloads ...evidence.Payload) (_ *evidence.Verification, err error) {
	s, err := Find(w.V, w.Start.Assessor)
	if err != nil {
		return nil, err
	}
	dir, slug := Dir(w.Home, w.V.Head), evidence.JurySlug(w.Start.Assessor)
	key := filepath.Join(dir, slug+".key")
	if s != nil && s.Closed {
		_ = os.Remove(key) // a close that was killed may have left it
		return nil, failf("%q has closed: no more decisions are taken by this name", s.Assessor)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := sweep(dir); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(dir, working)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	opts := evidence.Options{Lab: w.V.Lab, Session: evidence.JurySession(w.V.Session, w.Start.Assessor), KeyFile: key}
	j, err := w.open(ctx, filepath.Join(tmp, "journal"), s, opts)
	if err != nil {
		return nil, err
	}
	closed := false
	defer func() {
		if !closed {
			err = errors.Join(err, j.Close())
		}
	}()
	for _, p := range payloads {
		if end, ok := p.(*evidence.DecisionEnd); ok {
			end.Beside = w.beside(slug)
		}
		if _, err := j.Append(ctx, evidence.Entry{Source: "jury", Actor: "assessor", Payload: p, Durable: true}); err != nil {
			return nil, err
		}
	}
	if err := j.Checkpoint(ctx); err != nil {
		return nil, err
	}
	own, err := j.Files(ctx)
	if err != nil {
		return nil, err
	}
	journal := map[string][]byte{}
	for name, data := range own {
		journal[strings.TrimPrefix(name, evidence.JournalDir)] = data
	}
	v, err := replace(w.Home, w.Path, w.V, map[string]map[string][]byte{slug: journal})
	if err != nil {
		return nil, err
	}
	// The key goes with Close after the end: only now is nothing lost by it.
	closed = true
	return v, j.Close()
}

// working begins the names of the folders in which journals are written.
const working = ".journal-"

// sweep takes away what killed runs have left; the caller is the only one to
// write here.
func sweep(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, working+"*"))
	for _, name := range left {
		err = errors.Join(err, os.RemoveAll(name))
	}
	return err
}

// open continues the journal of s, or begins one.
func (w *Writer) open(ctx context.Context, dir string, s *evidence.Sitting, opts evidence.Options) (*evidence.Journal, error) {
	if s == nil {
		// A key without a journal in the bundle was left by a run that died
		// before it had written anything; Known has seen to the rest.
		if err := os.Remove(opts.KeyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		j, err := evidence.Create(dir, opts)
		if err != nil {
			return nil, err
		}
		start := w.Start
		start.SessionHead, start.JournalKey, start.Beside = w.V.Head, j.Key(), w.beside("")
		if _, err := j.Append(ctx, evidence.Entry{Source: "jury", Actor: "assessor", Payload: &start, Durable: true}); err != nil {
			return nil, errors.Join(err, j.Close())
		}
		return j, nil
	}
	if _, err := os.Stat(opts.KeyFile); errors.Is(err, fs.ErrNotExist) {
		return nil, failf("the key of the decisions by %q is not on this host (%s): they can only be continued where they were begun, or begun again under another name", s.Assessor, opts.KeyFile)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	for name, data := range journalOf(w.V, s.Slug) {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, 0o600); err != nil {
			return nil, err
		}
	}
	j, _, err := evidence.Continue(dir, opts)
	return j, err
}

// beside are the heads of the other assessors' journals.
func (w *Writer) beside(slug string) map[string]string {
	out := map[string]string{}
	for _, s := range w.V.Jury {
		if s.Slug != slug {
			out[s.Slug] = s.Head
		}
	}
	return out
}
