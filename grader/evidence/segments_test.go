package evidence

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
)

// session is a whole small session, with n entries between start and end.
type session struct {
	dir   string
	files map[string][]byte // of its bundle
	heads []string
}

// play writes a session in segments of at most size bytes.
func play(t testing.TB, n int, size int64) *session {
	t.Helper()
	s := &session{dir: filepath.Join(t.TempDir(), "journal")}
	opts := Options{Lab: "demo", Session: "s1", Now: stepClock(), KeyFile: s.dir + ".key", SegmentSize: size,
		CheckpointRecords: 1e9, CheckpointEvery: time.Hour} // only where the records say so
	j, err := Create(s.dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, j, n)
	return s
}

func (s *session) put(t testing.TB, j *Journal, p Payload) {
	t.Helper()
	if _, err := j.Append(t.Context(), Entry{Source: "controller", Actor: "candidate", Payload: p, Durable: sealing[p.RecordType()]}); err != nil {
		t.Fatal(err)
	}
	_, head := j.Head()
	s.heads = append(s.heads, head)
}

func (s *session) write(t testing.TB, j *Journal, n int) {
	t.Helper()
	facts := Facts{Seed: 42, Title: Text{FR: "t", EN: "t"}, Truth: Truth{Element: "rt1", Cause: "passive"}}
	seal, err := facts.Commitment("salt")
	if err != nil {
		t.Fatal(err)
	}
	s.files = map[string][]byte{ScenarioDir + "scenario.yaml": []byte("id: x\n"), SiteDir + "site.yaml": []byte("id: y\n"), TerminalDir + "t1.cast": []byte("{}\n")}
	s.put(t, j, &SessionStart{Scenario: "lost-connectivity", Site: "aveline", Mode: "exam", TimeFactor: 1,
		SeedCommitment: hexSum("salt|42"), JournalKey: j.Key(), Hashes: map[string]string{"scenario": "aa", "binary": "bb"}})
	s.put(t, j, &SessionIdentity{Candidate: "candidat-07", Variant: "v1"})
	s.put(t, j, &SessionSeal{Commitment: seal})
	for i := range n {
		switch {
		case i == n/2:
			s.put(t, j, &ClockPaused{Reason: "pause"})
		case i%5 == 0:
			s.put(t, j, &ProbeSample{Probe: "erp@bur2", Service: "erp", Segment: "bur2", Post: "pc-1", Phase: PhaseSession, OK: i%2 == 0, LatencyMS: 1.5})
		case i%5 == 1:
			s.put(t, j, &ExecStart{ID: uint64(i), PID: 100 + i, Argv: []string{"ping", "-c1", "rt<1>"}, Terminal: "t1"})
		default:
			s.put(t, j, &LogEntry{ID: i, Text: "j'ai redémarré le service <dns>"})
		}
	}
	s.put(t, j, &SessionFinish{Reason: FinishCandidate})
	s.put(t, j, &SessionFacts{Salt: "salt", Facts: facts})
	sums := map[string]string{}
	for name, data := range s.files {
		sums[name] = hexSum(string(data))
	}
	s.put(t, j, &SessionFiles{SHA256: sums})
	s.put(t, j, &SessionEnd{})
	files, err := j.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		s.files[name] = data
	}
	s.files[VerdictName] = []byte("{}")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSegments(t *testing.T) {
	s := play(t, 100, 4096)
	v := Verify(s.files, Witness{Head: s.heads[len(s.heads)-1]})
	if !v.OK() || v.Records != 107 || v.Segments < 10 || !v.End || v.Head != s.heads[106] || v.Files != 3 || v.Checkpoints != 4 {
		t.Errorf("%+v", told(v))
	}
	for name, data := range s.files {
		if segmentNumber(strings.TrimPrefix(name, JournalDir)) > 0 && (len(data) > 4096 || len(data) == 0) {
			t.Errorf("%s has %d bytes", name, len(data))
		}
	}
	onDisk, err := JournalFiles(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range onDisk {
		if string(s.files[name]) != string(data) {
			t.Errorf("%s changed after its bundle was made", name)
		}
	}
	if _, err := os.Stat(s.dir + ".key"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the key is still there: %v", err)
	}
	if st, err := os.Stat(filepath.Join(s.dir, SegmentName(1))); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	records, err := ReadJournal(s.dir)
	if err != nil || len(records) != 107 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

// A record larger than a segment has one of its own.
func TestLargeRecord(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := Create(dir, Options{Lab: "demo", Session: "s1", SegmentSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{10, 5000, 10} {
		if _, err := j.Append(t.Context(), Entry{Payload: &LogEntry{Text: strings.Repeat("x", n)}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.Append(t.Context(), Entry{Payload: &LogEntry{Text: strings.Repeat("x", MaxLine)}}); err == nil {
		t.Error("a record longer than a reader accepts was written")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if records, err := ReadJournal(dir); err != nil || len(records) != 3 {
		t.Errorf("%d records, %v", len(records), err)
	}
	if j.segment != 3 {
		t.Errorf("%d segments", j.segment)
	}
}

// The journal of a session that is under way can be read at any time.
func TestReadWhileWriting(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := Create(dir, Options{Lab: "demo", Session: "s1", SegmentSize: 2000, CheckpointRecords: 10})
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := j.Append(t.Context(), Entry{Payload: &LogEntry{ID: i}, Durable: i%50 == 0}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for range 30 {
		seq, _ := j.Head()
		records, err := j.Records(t.Context())
		if err != nil || uint64(len(records)) < seq {
			t.Fatalf("%d records of %d, %v", len(records), seq, err)
		}
		if len(records) > 5000 {
			break
		}
	}
	close(stop)
	<-done
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTree(t *testing.T) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, a := range at {
			out[i] = stored[a]
		}
		return out, nil
	})
	var tr tree
	for n := range int64(300) {
		want, err := tlog.TreeHash(n, reader)
		if err != nil || tr.root() != want {
			t.Fatalf("tree of %d: %v, want %v, %v", n, tr.root(), want, err)
		}
		leaf := []byte{byte(n), byte(n >> 8)}
		h, err := tlog.StoredHashes(n, leaf, reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, h...)
		tr.add(tlog.RecordHash(leaf))
	}
}

func TestProof(t *testing.T) {
	s := play(t, 30, 4096)
	v := Verify(s.files, Witness{})
	for n := uint64(1); n <= v.Records; n++ {
		proof, err := v.Prove(n)
		if err != nil {
			t.Fatal(err)
		}
		r, err := CheckProof(proof, v.Key)
		if err != nil || r.Seq != n {
			t.Fatalf("record %d: %v, %v", n, r, err)
		}
		if d := cmp.Diff(v.scan.records[n-1].Data, r.Data); d != "" {
			t.Error(d)
		}
		other := play0Key(t)
		if _, err := CheckProof(proof, other); err == nil {
			t.Fatal("accepted with another key")
		}
	}
	if _, err := v.Prove(v.Records + 1); err == nil {
		t.Error("a record that is not there was proven")
	}
	// No byte of a proof can change.
	proof, err := v.Prove(9)
	if err != nil {
		t.Fatal(err)
	}
	for i := range proof {
		bad := []byte(proof)
		bad[i] ^= 1
		if _, err := CheckProof(string(bad), v.Key); err == nil {
			t.Fatalf("byte %d of the proof was changed unnoticed", i)
		}
	}
}

func play0Key(t testing.TB) string {
	j, _ := newJournal(t)
	return j.Key()
}
