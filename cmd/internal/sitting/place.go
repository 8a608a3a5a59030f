package sitting

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/situlab/situlab/grader/evidence"
)

// journalOf are the files of an assessor's journal in a bundle, by their name in
// its folder.
func journalOf(v *evidence.Verification, slug string) map[string][]byte {
	out := map[string][]byte{}
	for name, data := range v.Archive() {
		if in, ok := strings.CutPrefix(name, evidence.JuryDir+slug+"/"); ok {
			out[in] = data
		}
	}
	return out
}

// replace puts journals, by their folders, into a bundle in the place of what is
// there of them, writes it, and then what this host knows of it.
func replace(home, path string, v *evidence.Verification, journals map[string]map[string][]byte) (*evidence.Verification, error) {
	files := maps.Clone(v.Archive())
	for slug, journal := range journals {
		dir := evidence.JuryDir + slug + "/"
		maps.DeleteFunc(files, func(name string, _ []byte) bool { return strings.HasPrefix(name, dir) })
		for name, data := range journal {
			files[dir+name] = data
		}
	}
	now := evidence.Verify(files, evidence.Witness{})
	if !now.OK() {
		return nil, fmt.Errorf("the bundle with the new decisions does not verify: %s", now.Damage[0].Text.EN)
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := evidence.WriteBundle(path, files); err != nil {
		return nil, err
	}
	if err := os.Chmod(path, st.Mode().Perm()); err != nil {
		return nil, err
	}
	dir := Dir(home, now.Head)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for slug := range journals {
		s, ok := now.Sitting(slug)
		if !ok {
			return nil, fmt.Errorf("the bundle with the new decisions lacks those of %s", slug)
		}
		if err := os.WriteFile(filepath.Join(dir, slug+".checkpoint"), s.Checkpoint(), 0o600); err != nil {
			return nil, err
		}
	}
	return now, nil
}

// Merge brings the decisions that another copy of a bundle holds into this one:
// assessors who sit on different hosts decide on a copy each. It returns the
// bundle as it is then and whose decisions are new. One name with two different
// journals is refused: nobody could say which is to be believed.
func Merge(home, path string, v, other *evidence.Verification) (*evidence.Verification, []string, error) {
	if other.Head != v.Head {
		return nil, nil, failf("the two bundles are not of one session: their heads are %s and %s", v.Head, other.Head)
	}
	journals, names := map[string]map[string][]byte{}, []string{}
	for _, theirs := range other.Jury {
		ours, ok := v.Sitting(theirs.Slug)
		switch {
		case ok && ours.Has(theirs.Head):
			continue // it is here, or more of it
		case ok && !theirs.Has(ours.Head):
			return nil, nil, failf("the decisions by %q in the two bundles do not follow each other: one of them was begun anew", theirs.Assessor)
		}
		journals[theirs.Slug] = journalOf(other, theirs.Slug)
		names = append(names, theirs.Assessor)
	}
	if len(journals) == 0 {
		return v, names, nil
	}
	slices.Sort(names)
	now, err := replace(home, path, v, journals)
	return now, names, err
}
