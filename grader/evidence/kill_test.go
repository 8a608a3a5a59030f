package evidence

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// writerEnv makes the test's own program a writer on the journal it names.
const writerEnv = "EVIDENCE_TEST_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerEnv); dir != "" {
		if err := writer(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func killOptions(dir string) Options {
	return Options{Lab: "demo", Session: "s1", KeyFile: dir + ".key", SegmentSize: 64 << 10, CheckpointRecords: 50, CheckpointEvery: 100 * time.Millisecond}
}

// writer goes on with a journal at 500 records per second, from four
// goroutines, until it is killed. What it acknowledges it prints: number and
// text.
func writer(dir string) error {
	begin := time.Now()
	j, _, err := Continue(dir, killOptions(dir))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format, args...)
	}
	say("ready %d\n", time.Since(begin).Milliseconds())
	begin = time.Now()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				text := fmt.Sprintf("%d-%d-%d", os.Getpid(), g, i)
				seq, err := j.Append(context.Background(), Entry{Source: "t", Payload: &LogEntry{ID: i, Text: text}, Durable: true})
				if err != nil {
					say("error %v\n", err)
					return
				}
				say("ack %d %s\n", seq, text)
				time.Sleep(time.Until(begin.Add(time.Duration(i+1) * 8 * time.Millisecond)))
			}
		})
	}
	wg.Wait()
	return j.Err()
}

// TestKill kills a writer at random moments, its recovery included: nothing
// acknowledged is lost, nothing is there twice, and it is back within 3 s.
func TestKill(t *testing.T) {
	kills, limit := 200, 45*time.Second
	if *all {
		limit = 10 * time.Minute
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := Create(dir, killOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	(&session{}).put(t, j, &SessionStart{JournalKey: j.Key(), SeedCommitment: hexSum("salt|0")})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(9, 10))
	acked := map[uint64]string{}
	begin, slowest, done := time.Now(), int64(0), 0
	alive := time.Duration(0) // and writing
	for ; done < kills && time.Since(begin) < limit; done++ {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), writerEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		after := time.Duration(rng.IntN(300)) * time.Millisecond
		if done%4 == 0 {
			after /= 10 // while it recovers
		}
		kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		var ready time.Time
		for sc := bufio.NewScanner(out); sc.Scan(); {
			line := sc.Text()
			var seq uint64
			var text string
			var ms int64
			switch {
			case strings.HasPrefix(line, "error"):
				t.Error(line)
			case scanned(line, "ready %d", &ms):
				slowest, ready = max(slowest, ms), time.Now()
			case scanned(line, "ack %d %s", &seq, &text):
				if acked[seq] != "" {
					t.Fatalf("record %d was acknowledged twice: %s and %s", seq, acked[seq], text)
				}
				acked[seq] = text
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the writer ended by itself")
		}
		kill.Stop()
		if !ready.IsZero() {
			alive += time.Since(ready)
		}
	}
	total := len(acked)
	j, records, err := Continue(dir, killOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{}
	for _, r := range records {
		if p, ok := As[LogEntry](r); ok {
			if want := acked[r.Seq]; want != "" && want != p.Text || texts[p.Text] {
				t.Fatalf("record %d is %q, acknowledged was %q", r.Seq, p.Text, want)
			}
			texts[p.Text] = true
			delete(acked, r.Seq)
		}
	}
	if len(acked) > 0 {
		t.Errorf("%d acknowledged records are lost", len(acked))
	}
	v := finish(t, j, dir)
	if !v.OK() {
		t.Error(v.Damage)
	}
	t.Logf("%d kills in %.0f s, %d acknowledged records (%.0f a second) of %d in %d segments, %d tails cut, slowest restart %d ms",
		done, time.Since(begin).Seconds(), total, float64(total)/alive.Seconds(), len(records), v.Segments, v.Recoveries, slowest)
	if done < 20 || len(records) < 500 {
		t.Error("this host is too slow for the test to say anything")
	}
	if slowest > 3000 {
		t.Errorf("a restart took %d ms", slowest)
	}
}

func scanned(line, format string, args ...any) bool {
	n, err := fmt.Sscanf(line, format, args...)
	return err == nil && n == len(args)
}
