package evidence

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestMendAtEveryCall lets the disk fail from each call of the writer on, in each
// way and for a while: whoever writes waits, and then everything is there once,
// whether the power is cut meanwhile or not.
func TestMendAtEveryCall(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	stalls, cuts := 0, 0
	for _, kind := range []error{syscall.EIO, syscall.ENOSPC} {
		for _, long := range []int{1, 4, 11} { // calls that fail
			for at, hit := 1, true; hit; at++ {
				hit = false
				synctest.Test(t, func(t *testing.T) {
					m := newModelFS()
					if err := errors.Join(m.Mkdir("/s"), m.SyncDir("/")); err != nil {
						t.Fatal(err)
					}
					opts := modelOptions(m)
					failed := make(chan error, 1)
					var broken atomic.Bool
					opts.Failed = func(err error) { broken.Store(true); failed <- err }
					var acked atomic.Uint64
					var mu sync.Mutex
					var records []*Record
					opts.Observe = func(r *Record) {
						mu.Lock()
						defer mu.Unlock()
						records = append(records, r)
					}
					j, err := Create(modelDir, opts)
					if err != nil {
						t.Fatal(err)
					}
					begun := m.calls
					var states []state
					m.hook = func(call int, op, _ string, size int) (int, error) {
						if n := call - begun; n >= at && n < at+long && op != "close" && (broken.Load() || !strings.HasPrefix(op, "read")) {
							hit = true
							if errors.Is(kind, syscall.ENOSPC) && strings.HasPrefix(op, "write") {
								return size / 2, kind
							}
							return 0, kind
						} else if n >= at && n < at+long+20 && rng.IntN(4) == 0 {
							states = append(states, state{m.snapshot(), acked.Load()})
						}
						return size, nil
					}
					stop, stopped := context.WithCancel(t.Context())
					defer stopped()
					mended := make(chan struct{})
					go func() {
						defer close(mended)
						for {
							select {
							case err := <-failed:
								stalls++
								if !errors.Is(err, kind) {
									t.Errorf("the reason given is %v", err)
								}
								for err = j.Mend(); err != nil; err = j.Mend() {
									if !errors.Is(err, kind) {
										t.Errorf("call %d: mend: %v", at, err)
										j.GiveUp()
										return
									}
									time.Sleep(time.Second)
								}
								broken.Store(false)
							case <-stop.Done():
								return
							}
						}
					}()
					var wg sync.WaitGroup
					for g := range 3 {
						wg.Go(func() {
							for i := g; i < 15; i += 3 {
								seq, err := j.Append(context0, Entry{Source: "t", Payload: &LogEntry{ID: i, Text: strings.Repeat("x", 100+400*(i%4))}, Durable: g > 0})
								if err != nil {
									t.Error(err)
									return
								}
								for was := acked.Load(); g > 0 && seq > was && !acked.CompareAndSwap(was, seq); was = acked.Load() {
								}
								time.Sleep(2 * time.Millisecond)
							}
						})
					}
					wg.Wait()
					for _, p := range []Payload{&SessionFiles{}, &SessionEnd{}} {
						if _, err := j.Append(context0, Entry{Payload: p, Durable: true}); err != nil {
							t.Fatal(err)
						}
					}
					got, err := j.Records(context0)
					if err != nil {
						t.Fatal(err)
					}
					stopped()
					<-mended
					if len(got) != len(records) {
						t.Errorf("call %d: %d records of %d", at, len(got), len(records))
					}
					said := 0
					for i, r := range got {
						if r.Hash != records[i].Hash {
							t.Fatalf("call %d: record %d is another one", at, i+1)
						}
						if p, ok := As[RecorderStalled](r); ok {
							said++
							if p.Reason != kind.Error() {
								t.Errorf("the reason recorded is %q", p.Reason)
							}
						}
					}
					if said == 0 && hit && at < begun { // the first calls are in the middle of the work
						t.Errorf("call %d: the stall is not in the journal", at)
					}
					if err := j.Close(); err != nil && at < begun {
						t.Errorf("call %d: close: %v", at, err)
					}
					for _, s := range states {
						cuts++
						again, _, err := survives(s.fs.crash(rng), records, s.acked)
						if err != nil {
							t.Errorf("%v at call %d, power cut: %v", kind, at, err)
						}
						if again != nil {
							_ = again.Close()
						}
					}
				})
			}
		}
	}
	t.Logf("%d stalls, %d power cuts", stalls, cuts)
	if stalls < 100 || cuts < 100 {
		t.Error("too few failures")
	}
}

// Who gives up tells everybody why; what was acknowledged can be continued.
func TestGiveUp(t *testing.T) {
	m := newModelFS()
	if err := errors.Join(m.Mkdir("/s"), m.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	opts := modelOptions(m)
	failed := make(chan error, 1)
	opts.Failed = func(err error) { failed <- err }
	j, err := Create(modelDir, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(t.Context(), Entry{Payload: &SessionStart{JournalKey: j.Key()}, Durable: true}); err != nil {
		t.Fatal(err)
	}
	m.hook = func(_ int, op, _ string, size int) (int, error) {
		if strings.HasPrefix(op, "read") {
			return size, nil
		}
		return 0, syscall.ENOSPC
	}
	waits := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := j.Append(context0, Entry{Payload: &LogEntry{Text: "x"}, Durable: true})
			waits <- err
		}()
	}
	<-failed
	if err := j.Mend(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("mended: %v", err)
	}
	quick, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := j.Append(quick, Entry{Payload: &LogEntry{}}); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
	j.GiveUp()
	for range 2 {
		if err := <-waits; !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v", err)
		}
	}
	if err := j.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("close: %v", err)
	}
	m.hook = nil
	again, records, err := Continue(modelDir, modelOptions(m))
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}
