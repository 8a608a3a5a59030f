package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// rechain gives records that follow each other again after an edit: numbers,
// hashes and frames are right, as an operator with a script makes them.
func rechain(records []*Record, prev string) []byte {
	var out []byte
	for i, r := range records {
		r.Seq, r.Prev = uint64(i)+1, prev
		j, err := encode(r)
		if err != nil {
			panic(err)
		}
		prev = r.Hash
		out = append(out, frame(j)...)
	}
	return out
}

// edit rewrites the records of a single-segment bundle and chains them again.
func edit(change func([]*Record) []*Record) func(map[string][]byte) {
	return func(f map[string][]byte) {
		records, err := Read(bytes.NewReader(f[segmentOne]))
		if err != nil {
			panic(err)
		}
		f[segmentOne] = rechain(change(records), ZeroHash)
	}
}

// data changes the payload of the first record of a type.
func data[P any](change func(*P)) func([]*Record) []*Record {
	return func(records []*Record) []*Record {
		for _, r := range records {
			if p, ok := As[P](r); ok {
				change(p)
				d, err := marshal(p)
				if err != nil {
					panic(err)
				}
				r.Data = d
				return records
			}
		}
		panic("no such record")
	}
}

// replay writes the same payloads into a journal with a key of its own, as an
// operator does who signs everything again.
func replay(t testing.TB, records []*Record, change func(Payload) Payload) map[string][]byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	at := 0
	now := func() (int64, time.Time) { return records[at].BootNS, records[at].Wall }
	j, err := Create(dir, Options{Lab: "demo", Session: "s1", Now: now, CheckpointEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range records {
		at = i
		p := change(r.Payload())
		if s, ok := p.(*SessionStart); ok {
			s.JournalKey = j.Key()
		}
		if _, err := j.Append(context.Background(), Entry{Source: r.Source, Node: r.Node, Actor: r.Actor, Payload: p, Durable: sealing[r.Type]}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := j.Files(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return files
}

// TestDishonestOperator: 36 edits by someone who has the bundle, the source of
// this program and time, but not the session's key, which is gone. witness says
// what it takes: nothing, or the head that is printed on the report.
func TestDishonestOperator(t *testing.T) {
	honest := play(t, 30, 1e9)
	small := play(t, 60, 3000)
	other := play(t, 30, 1e9)
	records := func() []*Record {
		r, err := Read(bytes.NewReader(honest.files[segmentOne]))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	again := func(change func(Payload) Payload) func(map[string][]byte) {
		return func(f map[string][]byte) {
			for name, data := range replay(t, records(), change) {
				f[name] = data
			}
		}
	}
	same := func(p Payload) Payload { return p }
	without := func(from, to int) func([]*Record) []*Record {
		return func(r []*Record) []*Record { return slices.Delete(r, from, to) }
	}
	cutAt := func(n int, checkpoints int) func(map[string][]byte) {
		return func(f map[string][]byte) {
			lines := bytes.SplitAfter(f[segmentOne], []byte("\n"))
			f[segmentOne] = bytes.Join(lines[:n], nil)
			notes, _ := splitCheckpoints(f[checkpointsFile])
			f[checkpointsFile] = nil
			for _, c := range notes[:checkpoints] {
				f[checkpointsFile] = append(append(f[checkpointsFile], c...), '\n')
			}
		}
	}
	cases := []struct {
		name    string
		from    *session
		do      func(map[string][]byte)
		witness bool
		code    string
		record  uint64 // named
	}{
		{"a byte of a record", honest, func(f map[string][]byte) { f[segmentOne][5000] ^= 4 }, false, DamagedRecord, 0},
		{"a digit, its checksum put right", honest, func(f map[string][]byte) {
			lines := bytes.SplitAfter(f[segmentOne], []byte("\n"))
			lines[9] = frame(bytes.Replace(lines[9][headLen:len(lines[9])-1], []byte(`"id":6`), []byte(`"id":7`), 1))
			f[segmentOne] = bytes.Join(lines, nil)
		}, false, DamagedRecord, 10},
		{"a record's hash put right too", honest, func(f map[string][]byte) {
			lines := bytes.SplitAfter(f[segmentOne], []byte("\n"))
			r, err := decodeLine(lines[10][headLen : len(lines[10])-1])
			if err != nil {
				panic(err)
			}
			data(func(p *LogEntry) { p.Text = "rien" })([]*Record{r})
			j, err := encode(r)
			if err != nil {
				panic(err)
			}
			lines[10] = frame(j)
			f[segmentOne] = bytes.Join(lines, nil)
		}, false, DamagedRecord, 12},
		{"a logbook entry, chained again", honest, edit(data(func(p *LogEntry) { p.Text = "autre chose" })), false, RewrittenRecords, 2},
		{"a probe made green", honest, edit(data(func(p *ProbeSample) { p.OK = !p.OK })), false, RewrittenRecords, 2},
		{"a command changed", honest, edit(data(func(p *ExecStart) { p.Argv = []string{"reboot"} })), false, RewrittenRecords, 2},
		{"a command given to a terminal", honest, edit(data(func(p *ExecStart) { p.Terminal = "t2" })), false, RewrittenRecords, 2},
		{"the truth changed", honest, edit(data(func(p *SessionFacts) { p.Facts.Truth.Cause = "cable" })), false, SealBroken, 35},
		{"the seal changed", honest, edit(data(func(p *SessionSeal) { p.Commitment = hexSum("x") })), false, SealBroken, 35},
		{"the seed changed", honest, edit(data(func(p *SessionFacts) { p.Facts.Seed = 43 })), false, SealBroken, 35},
		{"a threshold loosened", honest, edit(data(func(p *SessionFacts) { p.Facts.Thresholds.PermanenceSeconds = 1 })), false, SealBroken, 35},
		{"the candidate swapped", honest, edit(data(func(p *SessionIdentity) { p.Candidate = "candidat-08" })), false, RewrittenRecords, 2},
		{"an examination made of training", honest, edit(data(func(p *SessionStart) { p.Mode = "training" })), false, RewrittenRecords, 1},
		{"the time factor changed", honest, edit(data(func(p *SessionStart) { p.TimeFactor = 0.5 })), false, RewrittenRecords, 1},
		{"the scenario's hash changed", honest, edit(data(func(p *SessionStart) { p.Hashes["scenario"] = "cc" })), false, RewrittenRecords, 1},
		{"the grader's hash changed", honest, edit(data(func(p *SessionStart) { p.Hashes["binary"] = "cc" })), false, RewrittenRecords, 1},
		{"the reason of the end changed", honest, edit(data(func(p *SessionFinish) { p.Reason = FinishDeadline })), false, RewrittenRecords, 20},
		{"the wall clock rolled by an hour", honest, edit(func(r []*Record) []*Record {
			for _, x := range r {
				x.Wall = x.Wall.Add(-time.Hour)
			}
			return r
		}), false, RewrittenRecords, 1},
		{"one entry back-dated", honest, edit(func(r []*Record) []*Record { r[25].BootNS -= 6e11; return r }), false, RewrittenRecords, 20},
		{"a record deleted, chained again", honest, edit(without(10, 11)), false, RewrittenRecords, 2},
		{"a record deleted, not chained", honest, func(f map[string][]byte) {
			lines := bytes.SplitAfter(f[segmentOne], []byte("\n"))
			f[segmentOne] = bytes.Join(slices.Delete(lines, 10, 11), nil)
		}, false, DamagedRecord, 11},
		{"a record doubled", honest, edit(func(r []*Record) []*Record { c := *r[10]; return slices.Insert(r, 10, &c) }), false, RewrittenRecords, 2},
		{"two records swapped", honest, edit(func(r []*Record) []*Record { r[10], r[11] = r[11], r[10]; return r }), false, RewrittenRecords, 2},
		{"a record of another session spliced in", honest, edit(func(r []*Record) []*Record {
			c := *r[10]
			c.Session = "s0"
			return slices.Insert(r, 10, &c)
		}), false, ForeignRecord, 11},
		{"records after the end", honest, edit(func(r []*Record) []*Record { c := *r[10]; return append(r, &c) }), false, AfterEnd, 38},
		{"the last records cut off", honest, cutAt(30, 3), false, MissingRecords, 31},
		{"and their checkpoints", honest, cutAt(19, 2), false, Unfinished, 19},
		{"eight records deleted, chained again", honest, edit(func(r []*Record) []*Record {
			return slices.Delete(r, 25, 33)
		}), false, MissingRecords, 30},
		{"a segment deleted", small, func(f map[string][]byte) { delete(f, JournalDir+SegmentName(3)) }, false, MissingSegment, 0},
		{"the last segment deleted", small, func(f map[string][]byte) {
			n := 1
			for f[JournalDir+SegmentName(n+1)] != nil {
				n++
			}
			delete(f, JournalDir+SegmentName(n))
		}, false, MissingRecords, 0},
		{"two segments swapped", small, func(f map[string][]byte) {
			a, b := JournalDir+SegmentName(2), JournalDir+SegmentName(3)
			f[a], f[b] = f[b], f[a]
		}, false, DamagedRecord, 0},
		{"the journal deleted", honest, func(f map[string][]byte) { delete(f, segmentOne) }, false, MissingJournal, 0},
		{"checkpoints deleted", honest, func(f map[string][]byte) { delete(f, checkpointsFile) }, false, UnsignedEnd, 1},
		{"checkpoints of another session", honest, func(f map[string][]byte) { f[checkpointsFile] = other.files[checkpointsFile] }, false, OtherKey, 0},
		{"signed again with a key of one's own, the first record kept", honest, func(f map[string][]byte) {
			f[checkpointsFile] = replay(t, records(), same)[checkpointsFile]
		}, false, OtherKey, 0},
		{"a recording edited", honest, func(f map[string][]byte) { f[TerminalDir+"t1.cast"] = []byte("{ }\n") }, false, FileChanged, 36},
		{"the scenario edited", honest, func(f map[string][]byte) { f[ScenarioDir+"scenario.yaml"] = []byte("id: z\n") }, false, FileChanged, 36},
		{"a recording removed", honest, func(f map[string][]byte) { delete(f, TerminalDir+"t1.cast") }, false, FileMissing, 36},
		{"a recording added", honest, func(f map[string][]byte) { f[TerminalDir+"t2.cast"] = []byte("{}\n") }, false, StrayFile, 0},
		{"a file hidden in the journal", honest, func(f map[string][]byte) { f[JournalDir+"x"] = nil }, false, StrayFile, 0},
		// Who signs everything again from the first record on is found out by
		// what left the machine, and by nothing else.
		{"everything signed again, a diagnosis changed", honest, again(func(p Payload) Payload {
			if l, ok := p.(*LogEntry); ok {
				return &LogEntry{ID: l.ID, Text: "mieux"}
			}
			return p
		}), true, WitnessOtherRecord, 0},
		{"everything signed again, the candidate swapped", honest, again(func(p Payload) Payload {
			if _, ok := p.(*SessionIdentity); ok {
				return &SessionIdentity{Candidate: "candidat-08", Variant: "v1"}
			}
			return p
		}), true, WitnessOtherRecord, 0},
		{"everything signed again, nothing changed", honest, again(same), true, WitnessOtherRecord, 0},
		{"another whole session of the same candidate", honest, func(f map[string][]byte) {
			for name, data := range other.files {
				f[name] = data
			}
		}, true, WitnessOtherRecord, 0},
	}
	for _, c := range cases {
		files := clone(c.from.files)
		c.do(files)
		head := c.from.heads[len(c.from.heads)-1]
		w := Witness{}
		if c.witness {
			if v := Verify(files, w); !v.OK() || v.End {
				t.Errorf("%s: without a witness: %+v", c.name, told(v))
			}
			w.Head = head
		}
		v := Verify(files, w)
		i := slices.IndexFunc(v.Damage, func(d Damage) bool { return d.Code == c.code && (c.record == 0 || c.record == d.Record) })
		if i < 0 {
			t.Errorf("%s: %s of record %d expected, got %+v", c.name, c.code, c.record, v.Damage)
			continue
		}
		if d := v.Damage[i]; d.Text.FR == "" || d.Text.EN == "" || v.End {
			t.Errorf("%s: %+v, end %v", c.name, d, v.End)
		}
		// A checkpoint that was kept says so as well.
		if v := Verify(files, Witness{Checkpoint: LastCheckpoint(c.from.files)}); v.OK() || v.End {
			t.Errorf("%s: with a checkpoint: %+v", c.name, told(v))
		}
	}
	t.Logf("%d edits, all named", len(cases))
	for _, s := range []*session{honest, small, other} {
		if v := Verify(s.files, Witness{Head: s.heads[len(s.heads)-1], Checkpoint: LastCheckpoint(s.files)}); !v.OK() || !v.End {
			t.Errorf("an honest bundle: %+v", told(v))
		}
	}
}

const checkpointsFile = JournalDir + CheckpointsName

// TestWitness: an early checkpoint or head speaks for what came before it; a
// bad one is said to be bad.
func TestWitness(t *testing.T) {
	s := play(t, 30, 1e9)
	notes, _ := splitCheckpoints(s.files[checkpointsFile])
	for i, w := range []struct {
		Witness
		n   uint64
		end bool
	}{
		{Witness{}, 0, false},
		{Witness{Checkpoint: notes[1]}, 19, false},
		{Witness{Checkpoint: notes[3]}, 37, true},
		{Witness{Checkpoint: append(bytes.Clone(notes[3]), "\n\n"...)}, 37, true},
		{Witness{Head: s.heads[9]}, 10, false},
		{Witness{Head: strings.TrimPrefix(s.heads[36], "sha256:")}, 37, true},
		{Witness{Head: s.heads[9], Checkpoint: notes[3]}, 37, true},
	} {
		if v := Verify(s.files, w.Witness); !v.OK() || v.Witnessed != w.n || v.End != w.end {
			t.Errorf("%d: %+v", i, told(v))
		}
	}
	// The same session goes on after the copy was made.
	late := play(t, 30, 1e9)
	old := clone(late.files)
	lines := bytes.SplitAfter(old[segmentOne], []byte("\n"))
	old[segmentOne] = bytes.Join(lines[:34], nil)
	n2, _ := splitCheckpoints(old[checkpointsFile])
	old[checkpointsFile] = append(bytes.Join(n2[:3], []byte("\n")), '\n')
	for _, w := range []Witness{{Checkpoint: n2[3]}, {Head: late.heads[36]}} {
		v := Verify(old, w)
		if !slices.ContainsFunc(v.Damage, func(d Damage) bool { return d.Code == RolledBack || d.Code == WitnessOtherRecord }) {
			t.Errorf("an older copy: %+v", v.Damage)
		}
	}
	for _, w := range []Witness{{Checkpoint: []byte("x")}, {Head: "sha256:x"}} {
		if v := Verify(s.files, w); len(v.Damage) != 1 || v.Damage[0].Code != BadWitness {
			t.Errorf("%+v", v.Damage)
		}
	}
}

// FuzzCheckpoint: a checkpoint has one spelling, and the splitter loses nothing.
func FuzzCheckpoint(f *testing.F) {
	s := play(f, 5, 1e9)
	v := Verify(s.files, Witness{})
	f.Add(s.files[checkpointsFile])
	f.Add([]byte("a\n1\nb\nc\n\nd\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		notes, rest := splitCheckpoints(data)
		var out []byte
		for _, n := range notes {
			out = append(append(out, n...), '\n')
			c, err := parseCheckpoint(n, nil)
			if err == nil && !bytes.HasPrefix(n, []byte(c.text())) {
				t.Fatalf("%q was read as %q", n, c.text())
			}
		}
		if out = append(out, rest...); !bytes.Equal(out, data) {
			t.Fatalf("%q came back as %q", data, out)
		}
		files := clone(s.files)
		files[checkpointsFile] = data
		if Verify(files, Witness{}).OK() && !bytes.Equal(data, s.files[checkpointsFile]) && !subset(notes, s.files[checkpointsFile]) {
			t.Fatalf("other checkpoints were accepted: %q", data)
		}
		Verify(s.files, Witness{Checkpoint: data, Head: string(data)})
		_, _ = CheckProof(string(data), v.Key)
	})
}

// subset says whether all notes are among whole's.
func subset(notes [][]byte, whole []byte) bool {
	for _, n := range notes {
		if !bytes.Contains(whole, n) {
			return false
		}
	}
	return true
}

// FuzzProof: no other bytes prove the same.
func FuzzProof(f *testing.F) {
	s := play(f, 5, 1e9)
	v := Verify(s.files, Witness{})
	proof, err := v.Prove(4)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(proof)
	f.Fuzz(func(t *testing.T, data string) {
		r, err := CheckProof(data, v.Key)
		if err != nil {
			return
		}
		if want := v.scan.records[r.Seq-1]; r.Hash != want.Hash {
			t.Fatalf("record %d was proven as %v", r.Seq, r)
		}
	})
}

// The texts of damage are there in both languages and JSON keeps them.
func TestVerificationJSON(t *testing.T) {
	s := play(t, 3, 1e9)
	s.files[segmentOne][40] ^= 1
	b, err := json.Marshal(Verify(s.files, Witness{}))
	if err != nil || !strings.Contains(string(b), `"code":"damaged_record"`) || !strings.Contains(string(b), "l'enregistrement 1") {
		t.Errorf("%s, %v", b, err)
	}
}

// told is what a verification says, without the bytes it is about.
func told(v *Verification) Verification {
	out := *v
	out.files, out.journal, out.others, out.scan = nil, nil, nil, nil
	return out
}

// TestCheckpointSpelling: base64 leaves bits unused; a signature has one
// spelling all the same, and a checkpoint one signature.
func TestCheckpointSpelling(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	s := play(t, 3, 1e9)
	v := Verify(s.files, Witness{})
	verifier, err := note.NewVerifier(v.Key)
	if err != nil {
		t.Fatal(err)
	}
	msg := string(LastCheckpoint(s.files))
	if _, err := parseCheckpoint([]byte(msg), verifier); err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndex(msg, "=") - 1
	for i := 1; i < 4; i++ {
		bad := msg[:at] + string(alphabet[strings.IndexByte(alphabet, msg[at])|i]) + msg[at+1:]
		if _, err := note.Open([]byte(bad), note.VerifierList(verifier)); err != nil {
			t.Fatalf("the test does not test: %v", err)
		}
		if _, err := parseCheckpoint([]byte(bad), verifier); err == nil {
			t.Errorf("unused bits %d were accepted", i)
		}
	}
	lines := strings.SplitAfter(msg, "\n")
	for name, bad := range map[string]string{
		"two signatures":   msg + lines[5],
		"an extension":     strings.Join(lines[:4], "") + "more\n" + strings.Join(lines[4:], ""),
		"a leading zero":   lines[0] + "0" + strings.Join(lines[1:], ""),
		"no final newline": strings.TrimSuffix(msg, "\n"),
		"a second newline": msg + "\n",
	} {
		if _, err := parseCheckpoint([]byte(bad), verifier); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
