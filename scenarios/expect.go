package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Expect is candidates/expect.yaml: what each scripted candidate must obtain.
type Expect struct {
	APIVersion string `yaml:"apiVersion" json:"apiVersion"`
	Kind       string `yaml:"kind" json:"kind"`
	// Candidates are the scripts, played in this order.
	Candidates []ExpectedCandidate `yaml:"candidates" json:"candidates"`
}

// ExpectedCandidate is one script, candidates/NAME.sh.
type ExpectedCandidate struct {
	Name string `yaml:"name" json:"name"`
	// About says what the candidate does, for the table of results.
	About Text `yaml:"about" json:"about"`
	// Like takes the rows of a candidate written above; own rows come after.
	Like string `yaml:"like,omitempty" json:"like,omitempty"`
	// Rows are applied in order; a later one overrides point by point.
	Rows []ExpectedRow `yaml:"rows,omitempty" json:"rows,omitempty"`
}

// ExpectedRow holds for some variants.
type ExpectedRow struct {
	// Variants are ids of variants, or "healthy".
	Variants []string `yaml:"variants" json:"variants"`
	// Points maps a sub-point to what must come out.
	Points map[string]ExpectedPoint `yaml:"points,omitempty" json:"points,omitempty"`
	// Flags are the codes of the blocking facts that must come out, and no others.
	Flags []string `yaml:"flags,omitempty" json:"flags,omitempty"`
}

// ExpectedPoint is an outcome with its reason code.
type ExpectedPoint struct {
	// Outcome is acquis, non_acquis, jury, sans_objet or preuve_insuffisante.
	Outcome string `yaml:"outcome" json:"outcome"`
	// Reason is the grader's reason code; several with | between them where the
	// lab's timing decides (a restart seen by a probe or not), the outcome
	// being the same.
	Reason string `yaml:"reason" json:"reason"`
}

// Matches says whether an outcome and a reason are what is expected.
func (p ExpectedPoint) Matches(outcome, reason string) bool {
	return p.Outcome == outcome && slices.Contains(strings.Split(p.Reason, "|"), reason)
}

var reasonPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

var outcomes = []string{"acquis", "non_acquis", "jury", "sans_objet", "preuve_insuffisante"}

// For returns what a candidate must obtain on a variant; ok is false when it is
// not played there.
func (e *Expect) For(candidate, variant string) (points map[string]ExpectedPoint, ok bool) {
	for _, c := range e.Candidates {
		if c.Name != candidate {
			continue
		}
		points = map[string]ExpectedPoint{}
		if c.Like != "" {
			points, ok = e.For(c.Like, variant)
			if points == nil {
				points = map[string]ExpectedPoint{}
			}
		}
		for _, r := range c.Rows {
			if slices.Contains(r.Variants, variant) {
				ok = true
				maps.Copy(points, r.Points)
			}
		}
		return points, ok
	}
	return nil, false
}

// FlagsFor returns the blocking facts that a candidate must meet on a variant,
// sorted.
func (e *Expect) FlagsFor(candidate, variant string) []string {
	var out []string
	for _, c := range e.Candidates {
		if c.Name != candidate {
			continue
		}
		if c.Like != "" {
			out = e.FlagsFor(c.Like, variant)
		}
		for _, r := range c.Rows {
			if slices.Contains(r.Variants, variant) {
				out = append(out, r.Flags...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

const (
	candidatesDir = "candidates"
	expectFile    = candidatesDir + "/expect.yaml"
)

// LoadExpect reads candidates/expect.yaml of a scenario, strictly: every script
// exists, every declared point of every variant that is played has an outcome.
func LoadExpect(scn *Scenario) (*Expect, error) {
	file := scn.file(expectFile)
	raw, err := readLimited(scn.Files, expectFile, MaxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, inputErrorf(file, "there is no such file; it says what each script of candidates/ must obtain")
	}
	if err != nil {
		return nil, inputErrorf(file, "cannot be read: %v", err)
	}
	d := &decoder{file: file}
	e := &Expect{}
	d.decode(raw, e)
	d.header(e.APIVersion, e.Kind, "Expect")
	variants := []string{Healthy}
	for _, v := range scn.Variants {
		variants = append(variants, v.ID)
	}
	var names []string
	for i, c := range e.Candidates {
		p := fmt.Sprintf("candidates[%d]", i)
		if slices.Contains(names, c.Name) {
			d.failAt(p+".name", "%s.name: %q is listed twice", p, c.Name)
		}
		if c.Like != "" && !slices.Contains(names, c.Like) {
			d.failAt(p+".like", "%s.like: no candidate %q above%s", p, c.Like, Suggest(c.Like, names))
		}
		names = append(names, c.Name)
		if c.Name != "" {
			if _, err := Candidate(scn, c.Name); err != nil {
				d.failAt(p+".name", "%s.name: %v", p, err)
			}
		}
		for j, r := range c.Rows {
			checkExpectRow(d, scn, fmt.Sprintf("%s.rows[%d]", p, j), r, variants)
		}
		for _, v := range variants {
			got, ok := e.For(c.Name, v)
			points := scn.Points
			if v == Healthy {
				points = scn.HealthyPoints
			}
			for _, pt := range points {
				if _, has := got[pt]; ok && !has {
					d.failAt(p, "%s: nothing is said of %s on %s", p, pt, v)
				}
			}
		}
	}
	if err := d.errs.err(); err != nil {
		return nil, err
	}
	return e, nil
}

func checkExpectRow(d *decoder, scn *Scenario, p string, r ExpectedRow, variants []string) {
	for k, v := range r.Variants {
		if at := fmt.Sprintf("%s.variants[%d]", p, k); !slices.Contains(variants, v) {
			d.failAt(at, "%s: no variant %q%s", at, v, Suggest(v, variants))
		}
	}
	declared := append(slices.Clone(scn.Points), scn.HealthyPoints...)
	for _, pt := range slices.Sorted(maps.Keys(r.Points)) {
		at := p + ".points." + pt
		if !slices.Contains(declared, pt) {
			d.failAt(at, "%s: the scenario does not declare %q%s", at, pt, Suggest(pt, declared))
		}
		for code := range strings.SplitSeq(r.Points[pt].Reason, "|") {
			if code != "" && !reasonPattern.MatchString(code) {
				d.failAt(at+".reason", "%s.reason: %q is no reason code; it is written like lost_at_cold_start", at, code)
			}
		}
		if o := r.Points[pt].Outcome; o != "" && !slices.Contains(outcomes, o) {
			d.failAt(at+".outcome", "%s.outcome: %q is not one of %s%s", at, o, strings.Join(outcomes, ", "), nearName(o, outcomes))
		}
	}
}

// Candidates lists the scripts of a scenario, without their ending.
func Candidates(scn *Scenario) []string {
	entries, err := fs.ReadDir(scn.Files, candidatesDir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".sh"); ok && !e.IsDir() {
			out = append(out, name)
		}
	}
	return out
}

// Candidate returns a scripted candidate as one file: a script that builds on
// another one beside it has that one's text in place of the line
//
//	source "${BASH_SOURCE%/*}/other.sh"
//
// because only one file is brought into the lab.
func Candidate(scn *Scenario, name string) ([]byte, error) {
	if !idPattern.MatchString(name) {
		return nil, inputErrorf("", "%q is no candidate's name", name)
	}
	return inlined(scn.Files, candidatesDir, name+".sh", 0)
}

// Script reads a scripted candidate from a folder the way [Candidate] does.
func Script(fsys fs.FS, name string) ([]byte, error) { return inlined(fsys, ".", name, 0) }

var sourceLine = regexp.MustCompile(`(?m)^source "\$\{BASH_SOURCE%/\*\}/([a-z0-9-]+\.sh)"$`)

func inlined(fsys fs.FS, dir, name string, depth int) ([]byte, error) {
	if depth > 3 {
		return nil, inputErrorf("", "%s: scripts source each other in a circle", name)
	}
	raw, err := readLimited(fsys, path.Join(dir, name), 1<<20)
	if err != nil {
		return nil, inputErrorf("", "there is no script %s", path.Join(dir, name))
	}
	var failed error
	out := sourceLine.ReplaceAllFunc(raw, func(line []byte) []byte {
		other := sourceLine.FindSubmatch(line)[1]
		text, err := inlined(fsys, dir, string(other), depth+1)
		if err != nil {
			failed = err
		}
		return bytes.TrimPrefix(text, []byte("#!/usr/bin/env bash\n"))
	})
	return out, failed
}
