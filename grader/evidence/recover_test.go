package evidence

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

// half is a session that dies after n entries: its options, and its files as a
// kill leaves them.
func half(t testing.TB, n int, size int64) (Options, string, map[string][]byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	opts := Options{Lab: "demo", Session: "s1", Now: stepClock(), KeyFile: dir + ".key", SegmentSize: size}
	j, err := Create(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{dir: dir}
	s.put(t, j, &SessionStart{JournalKey: j.Key(), SeedCommitment: hexSum("salt|0")})
	for i := range n {
		s.put(t, j, &LogEntry{ID: i, Text: strings.Repeat("x", 50)})
	}
	if err := j.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := readFiles(osFS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return opts, dir, files
}

// place puts files where a journal is.
func place(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func clone(files map[string][]byte) map[string][]byte {
	out := make(map[string][]byte, len(files))
	for name, data := range files {
		out[name] = append([]byte(nil), data...)
	}
	return out
}

// finish ends a continued session and verifies it.
func finish(t testing.TB, j *Journal, dir string) *Verification {
	t.Helper()
	s := &session{}
	s.put(t, j, &SessionFiles{})
	s.put(t, j, &SessionEnd{})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := JournalFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	return Verify(files, Witness{})
}

// TestTruncatedAnywhere: a power cut may leave any prefix of what was not
// acknowledged; all that was is there.
func TestTruncatedAnywhere(t *testing.T) {
	opts, _, files := half(t, 8, 1e6)
	key, err := os.ReadFile(opts.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	whole := files[SegmentName(1)]
	all, err := Read(strings.NewReader(string(whole)))
	if err != nil {
		t.Fatal(err)
	}
	ends := []int{0}
	for i, c := range whole {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	const acked = 5
	synctest.Test(t, func(t *testing.T) {
		for at := 0; at <= len(whole); at++ {
			m := newModelFS()
			if err := errors.Join(m.Mkdir("/s"), m.Mkdir(modelDir)); err != nil {
				t.Fatal(err)
			}
			m.put(modelKey, key)
			m.put(modelDir+"/"+SegmentName(1), whole[:at])
			m.put(modelDir+"/"+ackedName, mark(acked))
			m.put(modelDir+"/"+CheckpointsName, files[CheckpointsName]) // of record 1
			j, records, err := Continue(modelDir, modelOptions(m))
			if at < ends[acked] {
				var d *DamageError
				if !errors.As(err, &d) || d.Record != uint64(len(records))+1 || d.Segment != SegmentName(1) {
					t.Fatalf("cut at %d, before record %d ends: %v", at, acked, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("cut at %d: %v", at, err)
			}
			n := len(records)
			if at < ends[n] || n < len(all) && at >= ends[n+1] {
				t.Fatalf("cut at %d: %d records", at, n)
			}
			seq, _ := j.Head()
			if torn := at > ends[n]; torn != (seq == uint64(n)+1) {
				t.Fatalf("cut at %d: %d records, head is %d", at, n, seq)
			}
			s := &session{}
			s.put(t, j, &SessionFiles{})
			s.put(t, j, &SessionEnd{})
			kept, err := j.Files(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			v := Verify(kept, Witness{})
			if !v.OK() {
				t.Fatalf("cut at %d: %+v", at, v.Damage)
			}
			if at > ends[n] && (string(kept[JournalDir+"cut-1"]) != string(whole[ends[n]:at]) || v.Recoveries != 1) {
				t.Fatalf("cut at %d: kept %q, %d recoveries", at, kept[JournalDir+"cut-1"], v.Recoveries)
			}
		}
	})
}

// TestContinueRefuses: what no crash can do is not repaired, and nothing is
// changed on disk.
func TestContinueRefuses(t *testing.T) {
	opts, dir, files := half(t, 40, 2000)
	key, err := os.ReadFile(opts.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for name := range files {
		last = max(last, segmentNumber(name))
	}
	if last < 4 {
		t.Fatalf("%d segments", last)
	}
	flip := func(name string, at int) func(map[string][]byte) {
		return func(f map[string][]byte) { f[name][at] ^= 1 }
	}
	for name, c := range map[string]struct {
		do   func(map[string][]byte)
		want string
	}{
		"first segment flipped":  {flip(SegmentName(1), 700), "000001.seg"},
		"middle segment flipped": {flip(SegmentName(2), 30), "000002.seg, byte 0"},
		"segment gone":           {func(f map[string][]byte) { delete(f, SegmentName(2)) }, "000002.seg, byte 0) is damaged: the segment is missing"},
		"first gone":             {func(f map[string][]byte) { delete(f, SegmentName(1)) }, "record 1 (000001.seg"},
		"last gone":              {func(f map[string][]byte) { delete(f, SegmentName(last)) }, "records were acknowledged: it is missing"},
		"last cut short":         {func(f map[string][]byte) { f[SegmentName(last)] = f[SegmentName(last)][:1] }, "records were acknowledged"},
		"last flipped":           {flip(SegmentName(last), 40), "records were acknowledged"},
		"all gone": {func(f map[string][]byte) {
			for n := range last {
				delete(f, SegmentName(n+1))
			}
		}, "no segment"},
		"middle cut short":   {func(f map[string][]byte) { f[SegmentName(2)] = f[SegmentName(2)][:1500] }, "000002.seg"},
		"segments swapped":   {func(f map[string][]byte) { f[SegmentName(2)], f[SegmentName(3)] = f[SegmentName(3)], f[SegmentName(2)] }, "000002.seg, byte 0"},
		"checkpoint changed": {flip(CheckpointsName, 20), "checkpoint"},
	} {
		state := clone(files)
		// A second checkpoint, so that the first one is no tail.
		state[CheckpointsName] = append(state[CheckpointsName], files[CheckpointsName]...)
		c.do(state)
		place(t, dir, state)
		_, _, err := Continue(dir, opts)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
			continue
		}
		var d *DamageError
		if strings.Contains(c.want, "seg") && !errors.As(err, &d) {
			t.Errorf("%s: %v is not typed", name, err)
		}
		after, err := readFiles(osFS{}, dir)
		if err != nil || len(after) != len(state) {
			t.Fatal(err, len(after), len(state))
		}
		for n := range state {
			if string(after[n]) != string(state[n]) {
				t.Errorf("%s: %s was changed", name, n)
			}
		}
	}
	place(t, dir, files)
	j, records, err := Continue(dir, opts)
	if err != nil || len(records) != 41 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if v := finish(t, j, dir); !v.OK() || v.Records != 43 {
		t.Errorf("%+v", told(v))
	}
	// The key is gone with the session's end.
	if _, _, err := Continue(dir, opts); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("continued after the end: %v", err)
	}
	if err := os.WriteFile(opts.KeyFile, key, 0o600); err != nil {
		t.Fatal(err)
	}
	// A crash between the end and its checkpoint: the end is signed now.
	ended, err := readFiles(osFS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	notes, _ := splitCheckpoints(ended[CheckpointsName])
	for _, torn := range []string{"", "situlab/demo/s1\n43\n"} {
		ended[CheckpointsName] = append(append(append([]byte(nil), notes[0]...), '\n'), torn...)
		place(t, dir, ended)
		if err := os.WriteFile(opts.KeyFile, key, 0o600); err != nil {
			t.Fatal(err)
		}
		j, records, err = Continue(dir, opts)
		if err != nil || len(records) != 43 {
			t.Fatal(len(records), err)
		}
		if _, err := j.Append(t.Context(), Entry{Payload: &ClockResumed{}}); !errors.Is(err, ErrEnded) {
			t.Errorf("a record after the end: %v", err)
		}
		signed, err := j.Files(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if v := Verify(signed, Witness{}); !v.OK() || v.Records != 43 {
			t.Error(v.Damage)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(opts.KeyFile); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the key is still there: %v", err)
		}
	}
}

// TestRecoveryInterrupted: a crash while the tail is cut loses none of it.
func TestRecoveryInterrupted(t *testing.T) {
	opts, dir, files := half(t, 3, 1e6)
	torn := clone(files)
	torn[SegmentName(1)] = append(torn[SegmentName(1)], "00000123 torn"...)
	for name, change := range map[string]func(map[string][]byte){
		"cut written, segment not": func(f map[string][]byte) { f["cut-1"] = []byte("00000123 torn") },
		"cut half written":         func(f map[string][]byte) { f["cut-1.new"] = []byte("0000") },
		"segment cut, nothing told": func(f map[string][]byte) {
			f["cut-1"], f[SegmentName(1)] = []byte("00000123 torn"), files[SegmentName(1)]
		},
		"recovery record torn as well": func(f map[string][]byte) { f["cut-1"] = []byte("something else") },
		"checkpoint torn": func(f map[string][]byte) {
			f[CheckpointsName] = append(f[CheckpointsName], f[CheckpointsName][:100]...)
		},
		"checkpoint torn inside": func(f map[string][]byte) {
			c := append([]byte(nil), f[CheckpointsName]...)
			copy(c[60:], make([]byte, 20))
			f[CheckpointsName] = append(f[CheckpointsName], c...)
		},
		"no checkpoint yet": func(f map[string][]byte) { f[CheckpointsName] = nil },
	} {
		key, err := os.ReadFile(opts.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		state := clone(torn)
		change(state)
		place(t, dir, state)
		j, records, err := Continue(dir, opts)
		if err != nil || len(records) != 4 {
			t.Fatalf("%s: %d records, %v", name, len(records), err)
		}
		if v := finish(t, j, dir); !v.OK() || v.Recoveries == 0 {
			t.Errorf("%s: %+v", name, told(v))
		}
		if err := os.WriteFile(opts.KeyFile, key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzContinue puts anything behind what was acknowledged: it is cut, kept and
// told, or refused; what was acknowledged stays.
func FuzzContinue(f *testing.F) {
	opts, _, files := half(f, 3, 1e6)
	key, err := os.ReadFile(opts.KeyFile)
	if err != nil {
		f.Fatal(err)
	}
	base := files[SegmentName(1)]
	f.Add([]byte("00000123 torn"), []byte(nil))
	f.Add(base[:200], files[CheckpointsName][:50])
	f.Fuzz(func(t *testing.T, tail, checkpoint []byte) {
		m := newModelFS()
		if err := errors.Join(m.Mkdir("/s"), m.Mkdir(modelDir)); err != nil {
			t.Fatal(err)
		}
		m.put(modelKey, key)
		m.put(modelDir+"/"+SegmentName(1), append(append([]byte(nil), base...), tail...))
		m.put(modelDir+"/"+ackedName, mark(4))
		m.put(modelDir+"/"+CheckpointsName, append(append([]byte(nil), files[CheckpointsName]...), checkpoint...))
		j, records, err := Continue(modelDir, modelOptions(m))
		if err != nil {
			return
		}
		defer j.Close()
		if len(records) < 4 {
			t.Fatalf("%d records", len(records))
		}
		s := &session{}
		s.put(t, j, &SessionFiles{})
		s.put(t, j, &SessionEnd{})
		kept, err := j.Files(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if v := Verify(kept, Witness{}); !v.OK() {
			t.Fatal(v.Damage)
		}
	})
}
