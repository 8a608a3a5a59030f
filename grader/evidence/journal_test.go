package evidence

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var epoch = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// stepClock ticks one second per call.
func stepClock() func() (int64, time.Time) {
	n := int64(0)
	return func() (int64, time.Time) {
		n++
		return n * int64(time.Second), epoch.Add(time.Duration(n-1) * time.Second)
	}
}

// newJournal makes a journal and gives the name of its first segment.
func newJournal(t testing.TB) (*Journal, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := Create(dir, Options{Lab: "demo", Session: "s1", Now: stepClock(), KeyFile: dir + ".key"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j, filepath.Join(dir, SegmentName(1))
}

func TestWorkedExample(t *testing.T) {
	j, path := newJournal(t)
	if _, err := j.Append(t.Context(), Entry{Source: "controller", BootNS: 5e9, Wall: epoch,
		Payload: &ClockPaused{Reason: "pause"}}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `00000144 6c1e11c9 {"seq":1,"boot_ns":5000000000,"wall":"2026-03-02T08:00:00Z","lab":"demo","session":"s1","source":"controller","type":"clock.paused","data":{"reason":"pause","automatic":false},"prev":"` +
		ZeroHash + `","hash":"` + exampleHash + "\"}\n"
	if string(got) != want {
		t.Errorf("line is\n%swant\n%s", got, want)
	}
}

// exampleHash was computed with sha256sum over the line's bytes before ,"hash":
const exampleHash = "c1710067859781bb27953d8f84dcc58484925ad56e0f998a5d289bd5ed1b57e7"

func TestAppendReadEveryType(t *testing.T) {
	// What ends a journal is in one of its own.
	journals := [][]Type{nil}
	for _, typ := range slices.Sorted(maps.Keys(registry)) {
		if ending[typ] {
			journals = append(journals, []Type{typ})
		} else {
			journals[0] = append(journals[0], typ)
		}
	}
	var records []*Record
	for _, types := range journals {
		j, path := newJournal(t)
		for _, typ := range types {
			p := registry[typ]()
			if p.RecordType() != typ {
				t.Errorf("registry: %s makes a payload of type %s", typ, p.RecordType())
			}
			fill(reflect.ValueOf(p).Elem())
			if _, err := j.Append(t.Context(), Entry{Source: "test", Node: "n<1>", Payload: p}); err != nil {
				t.Fatalf("%s: %v", typ, err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		own, err := Read(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, head := j.Head(); head != Head(own) {
			t.Errorf("head %s, records say %s", head, Head(own))
		}
		records = append(records, own...)
	}
	if len(records) != len(registry) {
		t.Fatalf("%d records, want %d", len(records), len(registry))
	}
	for _, r := range records {
		want := registry[r.Type]()
		fill(reflect.ValueOf(want).Elem())
		if !reflect.DeepEqual(r.Payload(), want) {
			t.Errorf("%s came back as %+v, want %+v", r.Type, r.Payload(), want)
		}
	}
}

// fill sets every field of a payload to something that is not zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(epoch.Add(1234567 * time.Nanosecond)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.String:
		v.SetString("é <&> \u2028 \" \\ \x1b")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(-7)
	case reflect.Uint64, reflect.Uint32:
		v.SetUint(9)
	case reflect.Float64:
		v.SetFloat(0.1)
	case reflect.Slice:
		s := reflect.MakeSlice(v.Type(), 2, 2)
		fill(s.Index(0))
		fill(s.Index(1))
		v.Set(s)
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		for _, k := range []string{"b", "a"} {
			e := reflect.New(v.Type().Elem()).Elem()
			fill(e)
			m.SetMapIndex(reflect.ValueOf(k), e)
		}
		v.Set(m)
	default:
		panic("payload field of kind " + v.Kind().String())
	}
}

func TestDurableFromManyGoroutines(t *testing.T) {
	j, path := newJournal(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 10 {
				seq, err := j.Append(t.Context(), Entry{Source: "t", Durable: true, Payload: &ClockResumed{}})
				if err != nil {
					t.Error(err)
				}
				j.mu.Lock()
				if j.synced < seq || seq == 0 {
					t.Errorf("record %d acknowledged, only %d synced", seq, j.synced)
				}
				j.mu.Unlock()
			}
		})
	}
	wg.Wait()
	j.Close()
	data, _ := os.ReadFile(path)
	records, err := Read(bytes.NewReader(data))
	if err != nil || len(records) != 200 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if _, err := j.Append(t.Context(), Entry{Payload: &ClockResumed{}}); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
}

func TestPoison(t *testing.T) {
	j, _ := newJournal(t)
	j.file.Close()
	if _, err := j.Append(t.Context(), Entry{Payload: &ClockResumed{}}); err == nil {
		t.Fatal("append to a closed file succeeded")
	}
	if _, err := j.Append(t.Context(), Entry{Payload: &ClockResumed{}}); err == nil || j.Err() == nil {
		t.Fatal("journal is not poisoned")
	}
}

func TestAppendHonoursContext(t *testing.T) {
	j, _ := newJournal(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	seq, err := j.Append(ctx, Entry{Payload: &ClockResumed{}, Durable: true})
	if seq != 1 || (err != nil && !errors.Is(err, context.Canceled)) {
		t.Errorf("seq %d, %v", seq, err)
	}
}

// sample is a segment of n records.
func sample(t testing.TB, n int) []byte {
	t.Helper()
	j, path := newJournal(t)
	for i := range n {
		if _, err := j.Append(t.Context(), Entry{Source: "t", Node: "n", Payload: &LogEntry{ID: i, Text: "x < y"}}); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCutAtEveryByte(t *testing.T) {
	data := sample(t, 3)
	ends := map[int]int{0: 0}
	for i, n := 0, 0; i < len(data); i++ {
		if data[i] == '\n' {
			n++
			ends[i+1] = n
		}
	}
	for i := 0; i <= len(data); i++ {
		records, err := Read(bytes.NewReader(data[:i]))
		if n, whole := ends[i]; whole {
			if err != nil || len(records) != n {
				t.Fatalf("cut at %d: %d records, %v", i, len(records), err)
			}
			continue
		}
		var d *DamageError
		if !errors.As(err, &d) || !d.Torn || int(d.Record) != len(records)+1 {
			t.Fatalf("cut at %d: %d records, %v", i, len(records), err)
		}
	}
}

func TestFlipEveryByte(t *testing.T) {
	data := sample(t, 3)
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 0x01
		if _, err := Read(bytes.NewReader(bad)); err == nil {
			t.Fatalf("byte %d flipped unnoticed", i)
		}
	}
}

func TestDamageIsNamed(t *testing.T) {
	lines := strings.SplitAfter(string(sample(t, 3)), "\n")
	// again frames a changed record, as someone would who wants it unnoticed.
	again := func(line, from, to string) string {
		json := strings.Replace(line[headLen:len(line)-1], from, to, 1)
		if json == line[headLen:len(line)-1] {
			t.Fatalf("%q is not in %q", from, line)
		}
		return string(frame([]byte(json)))
	}
	for name, c := range map[string]struct{ text, want string }{
		"gone":      {lines[0] + lines[2], "its sequence number is 3, expected 2"},
		"doubled":   {lines[0] + lines[0], "its sequence number is 1, expected 2"},
		"swapped":   {lines[1] + lines[0], "record 1 (000001.seg, byte 0)"},
		"space":     {lines[0] + again(lines[1], `{"seq"`, `{ "seq"`), "canonical"},
		"unknown":   {again(lines[0], "log.entry", "log.forged"), `unknown record type "log.forged"`},
		"extra":     {again(lines[0], `{"seq":1`, `{"seq":1,"x":2`), "unknown field"},
		"data":      {again(lines[0], `{"id":0`, `{"id":0,"x":2`), "data of log.entry"},
		"text":      {again(lines[0], "x < y", "x > y"), "hash is"},
		"duplicate": {again(lines[0], `"source":"t"`, `"source":"a","source":"t"`), "canonical"},
		"checksum":  {strings.Replace(lines[0], "x < y", "x > y", 1), "checksum"},
		"length":    {lines[0] + "00000001" + lines[1][8:], "newline"},
		"longer":    {lines[0] + "0fffffff" + lines[1][8:], "its length says"},
		"capital":   {lines[0] + strings.ToUpper(lines[1][:17]) + lines[1][17:], "does not begin"},
		"empty":     {"\n", "record 1"},
		"trailing":  {lines[0] + "{}\n", "record 2"},
	} {
		_, err := Read(strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestFactsCommitment(t *testing.T) {
	a, _ := Facts{Seed: 1}.Commitment("s")
	b, _ := Facts{Seed: 2}.Commitment("s")
	c, _ := Facts{Seed: 1}.Commitment("r")
	if a == b || a == c || len(a) != 64 {
		t.Errorf("commitments %s %s %s", a, b, c)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"seq":1}` + "\n"))
	f.Add(frame([]byte(`{"seq":1}`)))
	f.Add(sample(f, 2))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		// What was accepted has exactly these bytes.
		var out []byte
		for _, r := range records {
			json, err := encode(r)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, frame(json)...)
		}
		if !bytes.Equal(out, data) {
			t.Fatalf("read %q, wrote %q", data, out)
		}
	})
}

// FuzzDecode gives the decoder what no frame protects: the JSON of a record.
func FuzzDecode(f *testing.F) {
	line := sample(f, 1)
	f.Add(line[headLen : len(line)-1])
	f.Fuzz(func(t *testing.T, json []byte) {
		r, err := decodeLine(json)
		if err != nil {
			return
		}
		if again, err := encode(r); err != nil || !bytes.Equal(again, json) {
			t.Fatalf("read %q, wrote %q, %v", json, again, err)
		}
	})
}
