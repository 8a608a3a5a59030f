package session_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/situlab/situlab/grader/evidence"
	"golang.org/x/sys/unix"
)

// smallDisk is a folder on a file system that is soon full. It needs root.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all that is left, to the last byte.
func fill(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the disk is not full: %v", err)
	}
}

// The disk of the evidence is full while the candidate works: the session stands
// still until there is room again, and ends as if nothing had been.
func TestFullDiskOfTheEvidence(t *testing.T) {
	disk := smallDisk(t)
	out, filler := filepath.Join(disk, "session"), filepath.Join(disk, "filler")
	segment := filepath.Join(out, evidence.JournalDir, evidence.SegmentName(1))
	ended, filled := make(chan struct{}), make(chan time.Duration, 1)
	defer close(ended)
	go func() {
		for {
			if b, _ := os.ReadFile(segment); bytes.Contains(b, []byte(`"type":"message.notice"`)) {
				break
			}
			select {
			case <-ended:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
		fill(t, filler)
		begin := time.Now()
		time.Sleep(4 * time.Second)
		before, _ := os.ReadFile(segment)
		time.Sleep(time.Second)
		if after, _ := os.ReadFile(segment); !bytes.Equal(before, after) {
			t.Error("a full disk takes records")
		}
		if err := os.Remove(filler); err != nil {
			t.Error(err)
		}
		filled <- time.Since(begin)
	}()
	script, err := os.ReadFile("testdata/small/candidates/reference.sh")
	if err != nil {
		t.Fatal(err)
	}
	p := playIn(t, out, script)
	var full time.Duration
	select {
	case full = <-filled:
	default:
		t.Fatal("the disk was never full")
	}
	if !holds(p, func(_ *evidence.Record, s *evidence.RecorderStalled) bool {
		return s.Reason == syscall.ENOSPC.Error() && s.Seconds > 1 && s.Seconds < full.Seconds()+2
	}) {
		t.Error("the journal does not say that it stood still")
	}
	paused, resumed := time.Time{}, time.Time{}
	for _, r := range p.records {
		if c, ok := evidence.As[evidence.ClockPaused](r); ok && c.Reason == "journal_stalled" && c.Automatic {
			paused = r.Wall
		}
		if _, ok := evidence.As[evidence.ClockResumed](r); ok {
			resumed = r.Wall
		}
	}
	if paused.IsZero() || !resumed.After(paused) {
		t.Errorf("paused %v, resumed %v", paused, resumed)
	}
	if got := p.outcome("3.1-ii"); !strings.HasPrefix(got, "acquis ") {
		t.Errorf("3.1-ii is %s", got)
	}
	v, err := evidence.VerifyFile(filepath.Join(out, "bundle.situlab"), evidence.Witness{})
	if err != nil || !v.OK() {
		t.Errorf("%+v, %v", v, err)
	}
}
