package host

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	if Held(path) {
		t.Error("a lock that does not exist is held")
	}
	f, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if !Held(path) {
		t.Error("a lock that is held is not")
	}
	if _, err := TryLock(path); !errors.Is(err, ErrHeld) {
		t.Errorf("a held lock is taken: %v", err)
	}
	f.Close()
	if Held(path) {
		t.Error("a lock that was let go is held")
	}
	if _, err := Lock(filepath.Join(t.TempDir(), "none", "x.lock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a lock in no directory: %v", err)
	}
}

// Holders that delete their lock let in one at a time all the same.
func TestLockDeletedByItsHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	var wg sync.WaitGroup
	var inside atomic.Int32
	var together atomic.Bool
	for range 8 {
		wg.Go(func() {
			for range 200 {
				f, err := Lock(path)
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					together.Store(true)
				}
				inside.Add(-1)
				if err := os.Remove(path); err != nil {
					t.Error(err)
				}
				f.Close()
			}
		})
	}
	wg.Wait()
	if together.Load() {
		t.Error("two held the lock at once")
	}
}
