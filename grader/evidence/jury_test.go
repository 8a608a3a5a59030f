package evidence

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sit adds an assessor's journal with n decisions to a bundle's files, in two
// sittings, and gives its records' heads.
func sit(t testing.TB, files map[string][]byte, name string, n int, closed bool) (heads []string) {
	t.Helper()
	v := Verify(files, Witness{})
	if !v.OK() {
		t.Fatal(v.Damage)
	}
	beside := map[string]string{}
	for _, s := range v.Jury {
		beside[s.Slug] = s.Head
	}
	dir := filepath.Join(t.TempDir(), "journal")
	opts := Options{Lab: v.Lab, Session: JurySession(v.Session, name), Now: stepClock(), KeyFile: dir + ".key"}
	j, err := Create(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	put := func(p Payload) {
		t.Helper()
		if _, err := j.Append(t.Context(), Entry{Source: "jury", Actor: "assessor", Payload: p, Durable: true}); err != nil {
			t.Fatal(err)
		}
		_, head := j.Head()
		heads = append(heads, head)
	}
	put(&DecisionStart{Assessor: name, SessionHead: v.Head, Tool: "t", VerdictSHA256: hexSum("v"), Beside: beside, JournalKey: j.Key()})
	for i := range n {
		if i == n/2 {
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if j, _, err = Continue(dir, opts); err != nil {
				t.Fatal(err)
			}
		}
		put(&PointDecision{Point: "3.1-i", Outcome: "acquis", Motive: "vu en entretien " + strings.Repeat("x", i), Proposal: Proposal{Outcome: "jury", Reason: "element_only"}})
	}
	if closed {
		put(&DecisionEnd{Beside: beside})
		if _, err := j.Append(t.Context(), Entry{Source: "jury", Payload: &DecisionEnd{}}); err == nil {
			t.Error("a closed journal takes a record")
		}
	}
	if err := j.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	own, err := j.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for n, data := range own {
		files[JuryDir+JurySlug(name)+"/"+strings.TrimPrefix(n, JournalDir)] = data
	}
	return heads
}

func TestJurySlug(t *testing.T) {
	for name, want := range map[string]string{"Anne Martin": "anne-martin", "  Zoé  d’Àé-Ñ 2 ": "zoe-d-ae-n-2", "anne-martin": "anne-martin",
		strings.Repeat("a", 47) + " bc": strings.Repeat("a", 47), "../../x": "x"} {
		if got := JurySlug(name); got != want || JurySlug(got) != got {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if a, b := JurySlug("李"), JurySlug("王"); a == b || JurySlug(a) != a {
		t.Error(a, b)
	}
}

func TestJury(t *testing.T) {
	s := play(t, 4, 1e9)
	alone := Verify(s.files, Witness{})
	a := sit(t, s.files, "Anne Martin", 4, true)
	b := sit(t, s.files, "Bruno", 2, false)
	v := Verify(s.files, Witness{Head: a[len(a)-1]})
	if !v.OK() || len(v.Jury) != 2 || v.Head != alone.Head || v.Files != alone.Files {
		t.Fatalf("%+v", v.Damage)
	}
	anne, bruno := v.Jury[0], v.Jury[1]
	if anne.Assessor != "Anne Martin" || !anne.Closed || anne.Records != 6 || anne.Head != a[5] || anne.Witnessed != 6 ||
		bruno.Closed || bruno.Records != 3 || bruno.Head != b[2] || bruno.Witnessed != 0 {
		t.Errorf("%+v, %+v", anne, bruno)
	}
	if v := Verify(s.files, Witness{Checkpoint: bruno.Checkpoint()}); !v.OK() || v.Jury[1].Witnessed != 3 || v.Witnessed != 0 {
		t.Errorf("%+v", v.Damage)
	}
}

// TestDishonestJury: what somebody with the bundle, but without an assessor's
// key, may do to decisions. witness is the head that Anne was given.
func TestDishonestJury(t *testing.T) {
	s := play(t, 4, 1e9)
	a := sit(t, s.files, "Anne Martin", 4, true)
	other := play(t, 5, 1e9)
	sit(t, other.files, "Anne Martin", 4, true)
	second := clone(s.files)
	sit(t, second, "Bruno", 2, true)
	const dir = JuryDir + "anne-martin/"
	one := dir + SegmentName(1)
	rewrite := func(f map[string][]byte, change func([]*Record) []*Record) {
		records, err := Read(bytes.NewReader(f[one]))
		if err != nil {
			t.Fatal(err)
		}
		f[one] = rechain(change(records), ZeroHash)
	}
	move := func(f map[string][]byte, from map[string][]byte, to string) {
		for name, data := range clone(from) {
			if in, ok := strings.CutPrefix(name, dir); ok {
				delete(f, name)
				f[JuryDir+to+"/"+in] = data
			}
		}
	}
	for _, c := range []struct {
		name    string
		from    map[string][]byte
		do      func(map[string][]byte)
		witness string
		code    string
		record  uint64
		file    string
	}{
		{"a byte of a decision", s.files, func(f map[string][]byte) { f[one][900] ^= 1 }, "", DamagedRecord, 2, one},
		{"a decision edited, chained again", s.files, func(f map[string][]byte) {
			rewrite(f, data(func(p *PointDecision) { p.Outcome = "non_acquis" }))
		}, "", RewrittenRecords, 2, one},
		{"a decision deleted", s.files, func(f map[string][]byte) {
			rewrite(f, func(r []*Record) []*Record { return slices.Delete(r, 2, 3) })
		}, "", RewrittenRecords, 2, one},
		{"the last decisions cut off", s.files, func(f map[string][]byte) {
			lines := bytes.SplitAfter(f[one], []byte("\n"))
			f[one] = bytes.Join(lines[:3], nil)
		}, "", MissingRecords, 4, dir},
		{"the close undone, with its checkpoint", s.files, func(f map[string][]byte) {
			lines := bytes.SplitAfter(f[one], []byte("\n"))
			f[one] = bytes.Join(lines[:3], nil)
			notes, _ := splitCheckpoints(f[dir+CheckpointsName])
			f[dir+CheckpointsName] = append(bytes.Join(notes[:2], []byte("\n")), '\n')
		}, a[5], WitnessOtherRecord, 0, ""},
		{"moved to another bundle", s.files, func(f map[string][]byte) { move(f, other.files, "anne-martin") }, "", OtherEvidence, 1, one},
		{"under another name", s.files, func(f map[string][]byte) { move(f, f, "bruno") }, "", ForeignRecord, 1, JuryDir + "bruno/" + SegmentName(1)},
		{"the assessor's name changed", s.files, func(f map[string][]byte) {
			rewrite(f, data(func(p *DecisionStart) { p.Assessor = "Anne-Martin" }))
		}, "", RewrittenRecords, 1, one},
		{"taken away, a head is known", s.files, func(f map[string][]byte) { move(f, nil, ""); deleteDir(f, dir) }, a[5], WitnessOtherRecord, 0, ""},
		{"taken away, another has seen them", second, func(f map[string][]byte) { deleteDir(f, dir) }, "", DecisionsGone, 1, dir},
		{"made anew, another has seen them", second, func(f map[string][]byte) {
			again := clone(s.files)
			deleteDir(again, dir)
			sit(t, again, "Anne Martin", 1, true)
			move(f, again, "anne-martin")
		}, "", DecisionsGone, 1, dir},
		{"signatures taken away", s.files, func(f map[string][]byte) { delete(f, dir+CheckpointsName) }, "", UnsignedEnd, 1, one},
		{"signed by the session's key", s.files, func(f map[string][]byte) { f[dir+CheckpointsName] = f[checkpointsFile] }, "", OtherKey, 0, dir + CheckpointsName},
		{"a file more", s.files, func(f map[string][]byte) { f[dir+"note.txt"] = []byte("x") }, "", StrayFile, 0, dir + "note.txt"},
		{"a file of nobody", s.files, func(f map[string][]byte) { f[JuryDir+"note.txt"] = []byte("x") }, "", StrayFile, 0, JuryDir + "note.txt"},
		{"the session's own journal as decisions", s.files, func(f map[string][]byte) { f[one], f[dir+CheckpointsName] = f[segmentOne], f[checkpointsFile] }, "", NoGenesis, 1, one},
	} {
		f := clone(c.from)
		c.do(f)
		v := Verify(f, Witness{Head: c.witness})
		i := slices.IndexFunc(v.Damage, func(d Damage) bool { return d.Code == c.code && d.Record == c.record && d.File == c.file })
		if i < 0 {
			t.Errorf("%s: no %s (record %d, %s) in %+v", c.name, c.code, c.record, c.file, v.Damage)
			continue
		}
		if d := v.Damage[i]; strings.HasPrefix(d.File, JuryDir) && strings.Count(d.File, "/") == 2 && d.Assessor == "" {
			t.Errorf("%s: whose? %+v", c.name, d)
		}
	}
	gone := clone(s.files)
	checkpoint := lastCheckpoint(gone, dir)
	deleteDir(gone, dir)
	if v := Verify(gone, Witness{Checkpoint: checkpoint}); len(v.Damage) != 1 || v.Damage[0].Code != DecisionsGone {
		t.Errorf("%+v", v.Damage)
	}
}

func deleteDir(files map[string][]byte, dir string) {
	for name := range files {
		if strings.HasPrefix(name, dir) {
			delete(files, name)
		}
	}
}

// decided is a session with the decisions of two assessors.
func decided(t testing.TB) *session {
	t.Helper()
	s := play(t, 3, 1e9)
	sit(t, s.files, "Anne", 4, true)
	sit(t, s.files, "Bruno", 3, false)
	return s
}
