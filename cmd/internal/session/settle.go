package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/report"
)

// records reads the journal as it is now.
func (s *Session) records() ([]*evidence.Record, error) {
	return s.journal.Records(context.Background())
}

// settle reveals the facts, grades, and writes bundle, verdict and report. What a
// controller that died had sealed is not sealed again.
func (s *Session) settle(res *Result) error {
	files, err := s.sealedFiles()
	if err != nil {
		return err
	}
	var done past
	if s.past != nil {
		done = *s.past
	}
	if !done.revealed {
		s.put(&evidence.SessionFacts{Salt: s.salt, Facts: s.facts})
	}
	if !done.ended {
		records, err := s.records()
		if err != nil {
			return err
		}
		v, err := grader.Grade(records)
		if err != nil {
			return err
		}
		if !done.sealed {
			s.put(sumsOf(files))
		}
		s.put(&evidence.SessionEnd{Exit: v.ExitCode()})
	}
	journal, err := s.journal.Files(context.Background())
	if err != nil {
		return err
	}
	maps.Copy(files, journal)
	bundle, err := readBack(files)
	if err != nil {
		return err
	}
	// The last record is part of what is graded for good.
	v, err := grader.Grade(bundle.Records)
	if err != nil {
		return err
	}
	verdict, err := v.JSON()
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := report.Write(&page, report.Input{Bundle: bundle, Verdict: v, Lang: s.opts.Lang}); err != nil {
		return err
	}
	files[evidence.VerdictName], files[evidence.ReportName] = verdict, page.Bytes()
	if err := evidence.WriteBundle(res.Bundle, files); err != nil {
		return err
	}
	if err := os.WriteFile(res.Verdict, verdict, 0o600); err != nil {
		return err
	}
	res.Grade = v
	return os.WriteFile(res.Report, page.Bytes(), 0o600)
}

// sumsOf seals the bundle's files beside the journal.
func sumsOf(files map[string][]byte) *evidence.SessionFiles {
	sums := map[string]string{}
	for name, data := range files {
		sum := sha256.Sum256(data)
		sums[name] = hex.EncodeToString(sum[:])
	}
	return &evidence.SessionFiles{SHA256: sums}
}

func readBack(files map[string][]byte) (*evidence.Bundle, error) {
	var b bytes.Buffer
	if err := evidence.EncodeBundle(&b, files); err != nil {
		return nil, err
	}
	return evidence.ReadBundle(&b)
}

// sealedFiles gathers what the journal seals before its end: scenario, site and
// terminal recordings.
func (s *Session) sealedFiles() (map[string][]byte, error) {
	files := map[string][]byte{}
	if err := addTree(files, evidence.ScenarioDir, s.variant.Scenario.Files); err != nil {
		return nil, err
	}
	if err := addTree(files, evidence.SiteDir, s.variant.Site.Files); err != nil {
		return nil, err
	}
	casts, err := filepath.Glob(filepath.Join(s.dir, "terminals", "*.cast"))
	if err != nil {
		return nil, err
	}
	for _, c := range casts {
		b, err := os.ReadFile(c)
		if err != nil {
			return nil, err
		}
		files[evidence.TerminalDir+filepath.Base(c)] = b
	}
	return files, nil
}

func addTree(files map[string][]byte, prefix string, tree fs.FS) error {
	if tree == nil {
		return nil
	}
	return fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(tree, p)
		if err == nil {
			files[prefix+strings.TrimPrefix(p, "./")] = b
		}
		return err
	})
}
