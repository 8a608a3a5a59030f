package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pin makes a namespace for one test.
func pin(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes network namespaces: run it as root")
	}
	path := filepath.Join(t.TempDir(), "ns")
	if err := Create(context.Background(), path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 { // twice is no error
			if err := Remove(path); err != nil {
				t.Error(err)
			}
		}
	})
	return path
}

// here is the namespace of the calling thread.
func here() string {
	s, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return err.Error()
	}
	return s
}

func TestDoIsInsideAndComesBack(t *testing.T) {
	path := pin(t)
	home := here()
	var inside string
	if err := Do(path, func() error { inside = here(); return nil }); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("net:[%d]", st.Ino); inside != want || inside == home {
		t.Errorf("inside %s, want %s (home %s)", inside, want, home)
	}
	if here() != home {
		t.Error("the caller was moved")
	}
}

func TestMainThreadIsNeverMoved(t *testing.T) {
	path := pin(t)
	self := func() string {
		s, err := os.Readlink("/proc/self/ns/net")
		if err != nil {
			t.Error(err)
		}
		return s
	}
	home := self()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if err := Do(path, func() error {
					if s := self(); s != home {
						return fmt.Errorf("/proc/self is in %s", s)
					}
					runtime.Gosched()
					if here() == home {
						return errors.New("not inside")
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestThreadsAreClean looks at every thread of the process after the worst that
// a function can do.
func TestThreadsAreClean(t *testing.T) {
	path := pin(t)
	home := here()
	wrong := errors.New("wrong")
	if err := Do(path, func() error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("error: %v", err)
	}
	func() {
		defer func() {
			if p := recover(); p != "boom" {
				t.Errorf("panic: %v", p)
			}
		}()
		Do(path, func() error { panic("boom") })
	}()
	if err := Do(path, func() error { runtime.Goexit(); return nil }); err == nil || !strings.Contains(err.Error(), "Goexit") {
		t.Errorf("Goexit: %v", err)
	}
	if err := Scratch(func(ns *os.File) error {
		is, err := IsOwn(ns)
		if err == nil && is {
			err = errors.New("scratch is the process's own")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	// A thread that is ending stands where it stood until the kernel has done with
	// it: on a busy machine that takes a moment.
	var strangers []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
		if err != nil || len(tasks) == 0 {
			t.Fatal(err, tasks)
		}
		strangers = nil
		for _, task := range tasks {
			if s, err := os.Readlink(task); err == nil && s != home {
				strangers = append(strangers, task+" stands in "+s)
			}
		}
		if len(strangers) == 0 {
			return
		}
	}
	t.Error(strings.Join(strangers, "\n"))
}

func TestOpenRefusesOtherThings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, "/proc/self/ns/mnt", "/dev/null"} {
		if _, err := Open(path); !errors.Is(err, ErrNotNetNS) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := Open("/nonexistent"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	own, err := Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if is, err := IsOwn(own); err != nil || !is {
		t.Errorf("own namespace not known: %v, %v", is, err)
	}
}

func TestCreateRefusesATakenPlace(t *testing.T) {
	path := pin(t)
	if err := Create(context.Background(), path); !errors.Is(err, os.ErrExist) {
		t.Errorf("second pin: %v", err)
	}
	if err := Do(path, func() error { return nil }); err != nil {
		t.Errorf("the first pin was damaged: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Create(ctx, path+"2"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
