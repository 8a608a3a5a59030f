package term

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// recorder appends to the recording and the events file. What it has returned
// from is written; it is on the disk within syncEvery.
type recorder struct {
	mu     sync.Mutex
	cast   *os.File
	events *os.File
	start  int64  // boottime of time 0
	carry  []byte // the beginning of a rune
	dirty  chan struct{}
	done   chan struct{}
	grown  *sync.Cond // the events file has grown, or the terminal has ended
	ended  bool
	size   int64 // of the events file
}

// syncEvery is the longest time that shown output is not on the disk.
const syncEvery = 80 * time.Millisecond

func newRecorder(s *Spec, env map[string]string) (*recorder, error) {
	r := &recorder{start: bootNow(), dirty: make(chan struct{}, 1), done: make(chan struct{})}
	r.grown = sync.NewCond(&r.mu)
	var err error
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL | os.O_APPEND
	if r.cast, err = os.OpenFile(s.file(".cast"), flags, 0o600); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	if r.events, err = os.OpenFile(s.file(".events"), flags, 0o600); err != nil {
		return nil, fmt.Errorf("events of the terminal: %w", err)
	}
	head, err := json.Marshal(map[string]any{"version": 2, "width": s.Cols, "height": s.Rows,
		"timestamp": time.Now().Unix(), "title": s.Label, "env": env, "boot_ns": r.start})
	if err != nil {
		return nil, err
	}
	if err := appendAll(r.cast, append(head, '\n')); err != nil {
		return nil, err
	}
	go r.syncLoop()
	return r, nil
}

// syncLoop flushes both files soon after each burst of writing.
func (r *recorder) syncLoop() {
	defer close(r.done)
	for range r.dirty {
		time.Sleep(syncEvery / 2) // gather a burst: bounds the rate of syncs, nothing waits for it
		_ = unix.Fdatasync(int(r.cast.Fd()))
		_ = unix.Fdatasync(int(r.events.Fd()))
	}
}

func (r *recorder) touch() {
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// appendAll writes b or nothing: what a failed write left is cut off.
func appendAll(f *os.File, b []byte) error {
	n, err := f.Write(b)
	if err == nil {
		return nil
	}
	if n > 0 {
		if size, serr := f.Seek(0, 2); serr == nil {
			_ = f.Truncate(size - int64(n))
		}
	}
	return err
}

// output records bytes that the program wrote. A rune that is not complete is
// carried to the next call; flush ends that.
func (r *recorder) output(b []byte, flush bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := bootNow()
	b = append(r.carry, b...)
	keep := 0
	if !flush {
		keep = unfinished(b)
	}
	text, rest := b[:len(b)-keep], b[len(b)-keep:]
	if len(text) > 0 {
		if err := r.write(now, text); err != nil {
			return err // the caller tries again with the same bytes
		}
	}
	r.carry = append([]byte(nil), rest...)
	return nil
}

func (r *recorder) write(now int64, text []byte) error {
	line := castLine(now-r.start, "o", string(text))
	if !utf8.Valid(text) {
		line = castLine(now-r.start, "o", strings.ToValidUTF8(string(text), "\uFFFD")) +
			castLine(now-r.start, "x", base64.StdEncoding.EncodeToString(text))
	}
	defer r.touch()
	return appendAll(r.cast, []byte(line))
}

// resize records a new size.
func (r *recorder) resize(cols, rows uint16) error {
	r.mu.Lock()
	err := appendAll(r.cast, []byte(castLine(bootNow()-r.start, "r", fmt.Sprintf("%dx%d", cols, rows))))
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.event(Event{Kind: EventResize, Cols: cols, Rows: rows})
}

// event appends to the events file.
func (r *recorder) event(e Event) error {
	if e.BootNS == 0 {
		e.BootNS = bootNow()
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := appendAll(r.events, append(b, '\n')); err != nil {
		return err
	}
	r.size += int64(len(b)) + 1
	r.grown.Broadcast()
	r.touch()
	return nil
}

// close flushes what is left, to the disk.
func (r *recorder) close() error {
	err := r.output(nil, true)
	r.mu.Lock()
	r.ended = true
	r.grown.Broadcast()
	r.mu.Unlock()
	close(r.dirty)
	<-r.done
	for _, f := range []*os.File{r.cast, r.events} {
		if serr := f.Sync(); err == nil {
			err = serr
		}
		f.Close()
	}
	return err
}

func castLine(ns int64, code, data string) string {
	j, err := json.Marshal(data)
	if err != nil { // a string always marshals
		j = []byte(`""`)
	}
	return "[" + strconv.FormatFloat(float64(ns/1000)/1e6, 'f', 6, 64) + `, "` + code + `", ` + string(j) + "]\n"
}

// unfinished is the number of bytes at the end that begin a rune.
func unfinished(b []byte) int {
	for i := 1; i <= 3 && i <= len(b); i++ {
		c := b[len(b)-i]
		if utf8.RuneStart(c) {
			if c >= 0x80 && !utf8.FullRune(b[len(b)-i:]) {
				return i
			}
			return 0
		}
	}
	return 0
}

// bootNow is CLOCK_BOOTTIME in ns.
func bootNow() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}

// wait returns when the events file is longer than offset, has ended, or gone is
// closed and wake was called.
func (r *recorder) wait(offset int64, gone <-chan struct{}) (size int64, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.size <= offset && !r.ended {
		select {
		case <-gone:
			return r.size, r.ended
		default:
		}
		r.grown.Wait()
	}
	return r.size, r.ended
}

func (r *recorder) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grown.Broadcast()
}
