package evidence

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// all runs everything: every byte, 100,000 crash states, 200 kills.
var all = flag.Bool("all", false, "run the whole of the long tests, not the sample for every change")

const (
	modelDir = "/s/journal"
	modelKey = "/s/journal.key"
)

var context0 = context.Background()

func modelOptions(m *modelFS) Options {
	return Options{Lab: "demo", Session: "s1", KeyFile: modelKey, FS: m, SegmentSize: 6000, CheckpointRecords: 13}
}

// load is what a session's recorders write: three durable, one in a hurry.
// acked is the highest number that was acknowledged.
func load(m *modelFS, rng *rand.Rand, n int, acked *atomic.Uint64) ([]*Record, error) {
	var mu sync.Mutex
	var records []*Record
	opts := modelOptions(m)
	opts.Observe = func(r *Record) {
		mu.Lock()
		defer mu.Unlock()
		records = append(records, r)
	}
	j, err := Create(modelDir, opts)
	if err != nil {
		return nil, err
	}
	ack := func(seq uint64, err error) bool {
		if err != nil {
			return false
		}
		for {
			was := acked.Load()
			if seq <= was || acked.CompareAndSwap(was, seq) {
				return true
			}
		}
	}
	if !ack(j.Append(context0, Entry{Payload: &SessionStart{JournalKey: j.Key()}, Durable: true})) {
		return records, errors.Join(j.Err(), j.Close())
	}
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = []int{1, 200, 900, 2500}[rng.IntN(4)]
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := g; i < n; i += 4 {
				durable := g > 0
				seq, err := j.Append(context0, Entry{Source: "t", Payload: &LogEntry{ID: i, Text: strings.Repeat("x", sizes[i])}, Durable: durable})
				if err != nil || durable && !ack(seq, err) {
					return
				}
				if g == 0 {
					time.Sleep(3 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	err = j.Err()
	if cerr := j.Close(); err == nil {
		err = cerr
	}
	return records, err
}

// survives continues what a crash left and checks what must be there.
func survives(m *modelFS, records []*Record, acked uint64) (*Journal, []*Record, error) {
	j, got, err := Continue(modelDir, modelOptions(m))
	if err != nil {
		if acked == 0 {
			return nil, nil, nil // it died while the journal was made
		}
		return nil, nil, fmt.Errorf("%d acknowledged, not continued: %w", acked, err)
	}
	if uint64(len(got)) < acked {
		return j, got, fmt.Errorf("%d acknowledged, %d found", acked, len(got))
	}
	for i, r := range got {
		if i < len(records) && r.Hash != records[i].Hash {
			return j, got, fmt.Errorf("record %d is another one", i+1)
		}
	}
	return j, got, nil
}

// state is a moment of a run.
type state struct {
	fs    *modelFS
	acked uint64
}

// TestCrashStates cuts the power of a model disk at random moments, in random
// ways, also while the journal recovers from the cut before: every state
// recovers to a prefix that holds all that was acknowledged.
func TestCrashStates(t *testing.T) {
	want := 5000
	if *all {
		want = 100_000
	}
	rng := rand.New(rand.NewPCG(1, 2))
	seen, twice, cut, verified, ended := 0, 0, 0, 0, 0
	for seen < want {
		synctest.Test(t, func(t *testing.T) {
			m := newModelFS()
			if err := errors.Join(m.Mkdir("/s"), m.SyncDir("/")); err != nil {
				t.Fatal(err)
			}
			var acked atomic.Uint64
			var states []state
			pick := rand.New(rand.NewPCG(rng.Uint64(), 1))
			m.hook = func(_ int, _, _ string, size int) (int, error) {
				if pick.IntN(6) == 0 {
					states = append(states, state{m.snapshot(), acked.Load()})
				}
				return size, nil
			}
			records, err := load(m, rng, 60, &acked)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range states {
				for range 10 {
					if seen++; seen > want {
						return
					}
					crashed := s.fs.crash(rng)
					// The power may go again while this is repaired.
					var second []*modelFS
					if rng.IntN(3) == 0 {
						crashed.hook = func(_ int, _, _ string, size int) (int, error) {
							if pick.IntN(30) == 0 {
								second = append(second, crashed.snapshot())
							}
							return size, nil
						}
					}
					j, got, err := survives(crashed, records, s.acked)
					if err != nil {
						t.Fatal(err, crashed)
					}
					if j == nil {
						continue
					}
					if seq, _ := j.Head(); seq > uint64(len(got)) {
						cut++
					}
					if rng.IntN(20) == 0 {
						for _, p := range []Payload{&SessionFiles{}, &SessionEnd{}} {
							if _, err := j.Append(t.Context(), Entry{Payload: p, Durable: true}); err != nil {
								t.Fatal(err)
							}
						}
						files, err := j.Files(t.Context())
						if err != nil {
							t.Fatal(err)
						}
						if v := Verify(files, Witness{}); len(got) > 0 && !v.OK() {
							t.Fatalf("after recovery: %+v", v.Damage)
						}
						verified++
					}
					if err := j.Close(); err != nil {
						t.Fatal(err)
					}
					for _, s2 := range second {
						twice++
						j, last, err := survives(s2.crash(rng), got, s.acked)
						if err != nil {
							t.Fatal("second crash: ", err)
						}
						if j == nil {
							continue
						}
						// Ended or not, its files are sound.
						if n := len(last); n > 0 && last[n-1].Type == TypeSessionEnd {
							files, err := j.Files(t.Context())
							if err != nil {
								t.Fatal(err)
							}
							if v := Verify(files, Witness{}); len(got) > 0 && !v.OK() {
								t.Fatalf("ended, crashed, continued: %+v", v.Damage)
							}
							ended++
						}
						if err := j.Close(); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		})
	}
	t.Logf("%d crash states, %d with a second crash, %d tails cut, %d finished and verified, %d crashed after their end", want, twice, cut, verified, ended)
	if cut == 0 || twice == 0 || verified == 0 {
		t.Error("the states are too kind")
	}
}

// TestFaultsAtEveryCall lets each call of the writer fail in each way: the
// journal stops, says why, and nothing acknowledged is lost, whether the
// process goes on or the power goes too.
func TestFaultsAtEveryCall(t *testing.T) {
	kinds := []struct {
		name string
		err  error
		part bool
	}{{"EIO", syscall.EIO, false}, {"ENOSPC", syscall.ENOSPC, true}, {"short write", nil, true}}
	rng := rand.New(rand.NewPCG(3, 4))
	cases := 0
	for _, kind := range kinds {
		for at, hit := 1, true; hit; at++ {
			hit = false
			synctest.Test(t, func(t *testing.T) {
				m := newModelFS()
				if err := errors.Join(m.Mkdir("/s"), m.SyncDir("/")); err != nil {
					t.Fatal(err)
				}
				var acked atomic.Uint64
				op, begun := "", m.calls
				m.hook = func(call int, o, name string, size int) (int, error) {
					if call-begun != at {
						return size, nil
					}
					hit, op = true, o+" "+name
					if kind.err == nil && !strings.HasPrefix(o, "write") {
						op = "" // a write only
						return size, nil
					}
					if kind.part {
						return size / 2, kind.err
					}
					return 0, kind.err
				}
				records, err := load(m, rand.New(rand.NewPCG(5, 6)), 16, &acked)
				if !hit || op == "" {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
				cases++
				// The last close and the removal of a key that is not due are
				// all that may fail unnoticed.
				if err == nil {
					t.Errorf("%s at call %d (%s): nobody was told", kind.name, at, op)
				}
				if kind.err != nil && err != nil && !errors.Is(err, kind.err) {
					t.Errorf("%s at call %d (%s): the reason given is %v", kind.name, at, op, err)
				}
				m.hook = nil
				m.mu.Lock()
				dark := m.snapshot()
				m.mu.Unlock()
				for range 3 {
					j, _, err := survives(dark.crash(rng), records, acked.Load())
					if err != nil {
						t.Errorf("%s at call %d (%s), power cut: %v", kind.name, at, op, err)
					}
					if j != nil {
						_ = j.Close()
					}
				}
				j, got, err := survives(m, records, acked.Load())
				if err != nil {
					t.Errorf("%s at call %d (%s): %v", kind.name, at, op, err)
				}
				if j == nil {
					return
				}
				// What was found is on disk from now on, even if the kernel had
				// called it clean without writing it.
				n := uint64(len(got))
				m.mu.Lock()
				dark = m.snapshot()
				m.mu.Unlock()
				_ = j.Close()
				j, _, err = survives(dark.crash(rng), records, n)
				if err != nil {
					t.Errorf("%s at call %d (%s), continued, power cut: %v", kind.name, at, op, err)
				}
				if j != nil {
					_ = j.Close()
				}
			})
		}
	}
	t.Logf("%d faults injected", cases)
	if cases < 100 {
		t.Error("too few calls were reached")
	}
}
