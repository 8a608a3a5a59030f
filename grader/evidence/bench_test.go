package evidence

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// big is a session of n records as the recorders of two hours leave them.
func big(tb testing.TB, n int) map[string][]byte {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "journal")
	j, err := Create(dir, Options{Lab: "demo", Session: "s1"})
	if err != nil {
		tb.Fatal(err)
	}
	s := &session{}
	s.put(tb, j, &SessionStart{JournalKey: j.Key(), SeedCommitment: hexSum("salt|0")})
	for i := range n - 3 {
		var p Payload
		switch i % 4 {
		case 0:
			p = &ExecStart{ID: uint64(i), PID: 100 + i, PPID: 1, Argv: []string{"/usr/bin/vtysh", "-c", "show ip ospf neighbor"}, Exe: "/usr/bin/vtysh", Cwd: "/home/tech", Terminal: "t1", Via: "ssh"}
		case 1:
			p = &ExecExit{ID: uint64(i - 1), StartNS: int64(i), EndNS: int64(i) + 1e6}
		case 2:
			p = &ProbeSample{Probe: "erp@bur2", Service: "erp", Segment: "bur2", Group: "tilly", Post: "pc-bur2-01", Phase: PhaseSession, OK: true, LatencyMS: 12.345}
		case 3:
			p = &TermOutput{Terminal: "t1", Offset: int64(i) * 100, Bytes: 100, SHA256: ZeroHash}
		}
		if _, err := j.Append(tb.Context(), Entry{Source: "t", Node: "rt-til1", Actor: "candidate", Payload: p}); err != nil {
			tb.Fatal(err)
		}
	}
	s.put(tb, j, &SessionFiles{})
	s.put(tb, j, &SessionEnd{})
	files, err := j.Files(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	if err := j.Close(); err != nil {
		tb.Fatal(err)
	}
	return files
}

// BenchmarkVerify verifies a session of 100,000 records; 5 s are allowed.
func BenchmarkVerify(b *testing.B) {
	files := big(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		if v := Verify(files, Witness{}); !v.OK() || v.Records != 100_000 {
			b.Fatal(v.Damage)
		}
	}
	if each := b.Elapsed() / time.Duration(b.N); each > 5*time.Second {
		b.Errorf("%v for 100,000 records, 5 s are allowed", each)
	}
}

// BenchmarkAppend is a record nobody waits for.
func BenchmarkAppend(b *testing.B) {
	j, _ := newJournal(b)
	for b.Loop() {
		if _, err := j.Append(b.Context(), Entry{Source: "t", Payload: &LogEntry{Text: "x"}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendDurable is a record that is acknowledged, with as many
// recorders at the same time as its name says.
func BenchmarkAppendDurable(b *testing.B) {
	for _, writers := range []int{1, 8} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			j, _ := newJournal(b)
			took := make(chan time.Duration, b.N)
			todo := make(chan struct{})
			for range writers {
				go func() {
					for range todo {
						begin := time.Now()
						if _, err := j.Append(b.Context(), Entry{Source: "t", Payload: &LogEntry{Text: "x"}, Durable: true}); err != nil {
							b.Error(err)
						}
						took <- time.Since(begin)
					}
				}()
			}
			b.ResetTimer()
			for range b.N {
				todo <- struct{}{}
			}
			close(todo)
			all := make([]time.Duration, b.N)
			for i := range all {
				all[i] = <-took
			}
			slices.Sort(all)
			for _, p := range []int{50, 99} {
				b.ReportMetric(float64(all[len(all)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
			}
		})
	}
}
