package term

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Main is the holder's whole life: situlab's hidden command __terminal. Its one
// argument is the Spec in JSON; descriptor 3 gets one line when the program
// runs, "ready", or the reason why it does not. The result is the exit status.
func Main(args []string) int {
	ready := os.NewFile(3, "ready")
	err := func() error {
		if len(args) != 1 {
			return errors.New("want one argument: the terminal's description")
		}
		var s Spec
		if err := json.Unmarshal([]byte(args[0]), &s); err != nil {
			return err
		}
		return hold(s, func() { fmt.Fprintln(ready, "ready"); ready.Close() })
	}()
	if err != nil {
		fmt.Fprintln(ready, err)
		fmt.Fprintln(os.Stderr, "situlab terminal:", err)
		return 3
	}
	return 0
}

// holder is the state of the process that holds a terminal.
type holder struct {
	spec Spec
	info Info
	rec  *recorder
	prog *program
	srv  *server

	// showing keeps output and notices in one order: in the recording, in the
	// account with its hashes and for the viewers.
	showing sync.Mutex

	mu     sync.Mutex // screen, keys, account
	screen *screen
	total  int64 // bytes shown
	keys   keyCounter
	acct   account
	paused bool
	closed bool // by the controller

	input chan []byte
	rate  bucket
}

// account gathers what is told once a second.
type account struct {
	offset  int64 // of the bytes below in the terminal's stream
	bytes   int
	sum     hash.Hash
	keys    int
	hidden  int
	since   time.Time // first key of the second
	pending []time.Time
	enters  []enter // that no line has explained
}

// enter is an Enter that was typed.
type enter struct {
	at   time.Time
	boot int64
	pid  int    // who had the terminal, by the first process of the group
	name string // and that process's name
	row  string // where it was typed, once that was left
}

// maxEnters bounds how many are remembered: a paste of more lines than this into
// a program that does not read is told by its first ones.
const maxEnters = 256

// explain takes the Enter that a line was given with: the last one, since what is
// typed ahead is explained in the end, too.
func (a *account) explain() (e enter) {
	if n := len(a.enters); n > 0 {
		e, a.enters = a.enters[n-1], a.enters[:n-1]
	}
	return e
}

// ripe takes the Enters that waited too long for a line; one event for each
// program that had the terminal.
func (a *account) ripe(wait time.Duration) (out []Event) {
	rest := a.enters[:0]
	for _, e := range a.enters {
		if time.Since(e.at) < wait {
			rest = append(rest, e)
			continue
		}
		i := slices.IndexFunc(out, func(v Event) bool { return v.PID == e.pid && v.Foreground == e.name })
		if i < 0 {
			out = append(out, Event{Kind: EventUncut, BootNS: e.boot, PID: e.pid, Foreground: e.name, Detail: e.row})
		} else if out[i].Detail == "" {
			out[i].Detail = e.row
		}
	}
	a.enters = rest
	return out
}

func hold(s Spec, ready func()) error {
	if err := s.check(); err != nil {
		return err
	}
	// A hangup or an interrupt of the controller's terminal is not ours. Caught, not
	// ignored: a program would inherit that, and outlive the end of its terminal.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGTSTP)
	if err := os.Chdir("/"); err != nil {
		return err
	}
	unix.Umask(0o077)
	l, err := listen(s.socket())
	if err != nil {
		return err
	}
	defer os.Remove(s.socket())
	defer l.Close()
	rec, err := newRecorder(&s, map[string]string{"TERM": "xterm-256color"})
	if err != nil {
		return err
	}
	prog, err := startProgram(context.Background(), &s)
	if err != nil {
		_ = rec.close()
		_ = os.Remove(s.file(".cast"))
		_ = os.Remove(s.file(".events"))
		return err
	}
	h := &holder{spec: s, rec: rec, prog: prog, screen: newScreen(int(s.Cols), int(s.Rows)), input: make(chan []byte, 16),
		acct: account{sum: sha256.New()}, rate: newBucket(s.MaxBytes)}
	h.info = Info{ID: s.ID, Kind: s.Kind, Node: s.Node, Session: prog.session, PID: prog.pid, Holder: os.Getpid(),
		Cols: s.Cols, Rows: s.Rows, Socket: s.socket(), Cast: s.file(".cast"), Events: s.file(".events"), BootNS: rec.start}
	h.srv = newServer(h, l)
	if err := h.rec.event(Event{Kind: EventOpen, Session: prog.session, PID: prog.pid, Cols: s.Cols, Rows: s.Rows}); err != nil {
		return err
	}
	if err := writeInfo(&h.info, s.file(".json")); err != nil {
		return err
	}
	if s.Banner != "" {
		h.show([]byte(s.Banner))
	}
	go h.srv.accept()
	go h.typeLoop()
	stop := make(chan struct{})
	ticked := make(chan struct{})
	go h.tick(stop, ticked)
	ready()

	ended := make(chan int, 1)
	go func() {
		code, err := prog.wait()
		if err != nil {
			code = -1
		}
		ended <- code
	}()
	code, err := h.pump(ended)
	if s.Farewell != "" && code >= 128 && !h.isClosed() && prog.nodeEnds(farewellWait) { // by a signal
		h.show([]byte(s.Farewell))
	}
	close(stop)
	<-ticked
	return errors.Join(err, h.finish(code))
}

// farewellWait is how long a node may take to end after it killed the terminal's
// program.
const farewellWait = 3 * time.Second

// pump moves output until the program has ended and what it left in the
// terminal has been read.
func (h *holder) pump(ended <-chan int) (int, error) {
	var wake [2]int
	if err := unix.Pipe2(wake[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return -1, err
	}
	status := make(chan int, 1)
	go func() {
		status <- <-ended
		_, _ = unix.Write(wake[1], []byte{0})
	}()
	chunks := make(chan []byte)
	go func() {
		defer close(chunks)
		for {
			p := []unix.PollFd{{Fd: int32(h.prog.master.Fd()), Events: unix.POLLIN}, {Fd: int32(wake[0]), Events: unix.POLLIN}}
			if _, err := unix.Poll(p, -1); errors.Is(err, unix.EINTR) {
				continue
			} else if err != nil || p[1].Revents != 0 {
				return
			}
			b, err := h.read()
			if len(b) > 0 {
				chunks <- b
			}
			if err != nil {
				return // EIO: nobody has the other side any more
			}
		}
	}()
	for b := range chunks {
		h.show(b)
	}
	code := <-status
	h.drain()
	return code, nil
}

// read waits for output and for the terminal's speed.
func (h *holder) read() ([]byte, error) {
	b := make([]byte, 32<<10)
	n, err := h.prog.master.Read(b)
	if n > 0 {
		h.rate.take(n)
	}
	if errors.Is(err, syscall.EINTR) {
		err = nil
	}
	return b[:max(n, 0)], err
}

// ttyBuffer is more than the kernel keeps of a terminal's output
// (drivers/tty/tty_buffer.c: 64 KiB, and a page in n_tty).
const ttyBuffer = 96 << 10

// drain shows what the terminal holds at its program's end. Programs left behind
// may write on for ever: what will come is not waited for. The kernel answers
// poll(2) only after it has moved all that was written (n_tty_poll).
func (h *holder) drain() {
	for left := ttyBuffer; left > 0; {
		p := []unix.PollFd{{Fd: int32(h.prog.master.Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, 0); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil || p[0].Revents&unix.POLLIN == 0 {
			return
		}
		b, err := h.read()
		if len(b) > 0 {
			h.show(b)
		}
		if err != nil {
			return
		}
		left -= len(b)
	}
}

// show records output, then lets the viewers have it.
func (h *holder) show(b []byte) {
	h.showing.Lock()
	defer h.showing.Unlock()
	h.insist(func() error { return h.rec.output(b, false) })
	h.mu.Lock()
	lines := h.screen.write(b)
	events := make([]Event, len(lines))
	for i, l := range lines {
		var at enter
		if l.typed {
			at = h.acct.explain()
		} else {
			at.pid, at.name = h.prog.foreground()
		}
		events[i] = Event{Kind: EventLine, Text: l.text, Typed: l.typed, PID: at.pid, Foreground: at.name}
	}
	if n := len(h.acct.enters); n > 0 && h.screen.left != "" {
		h.acct.enters[n-1].row, h.screen.left = h.screen.left, ""
	}
	h.acct.bytes += len(b)
	h.acct.sum.Write(b)
	h.acct.echo(len(b))
	at := h.total
	h.total += int64(len(b))
	h.mu.Unlock()
	for _, e := range events {
		h.insist(func() error { return h.rec.event(e) })
	}
	h.srv.broadcast(b, at)
}

// insist records something, however long the disk does not take it: nothing is
// shown that is not recorded, the program waits, and the viewers are told why.
func (h *holder) insist(record func() error) {
	for err := record(); err != nil; err = record() {
		h.mu.Lock()
		at := h.total
		h.mu.Unlock()
		h.srv.broadcast([]byte("\r\n\x1b[7m recording impossible: "+plain(err)+" \x1b[0m\r\n"), at)
		time.Sleep(time.Second) // a full disk has no event to wait for
	}
}

// plain is the system's word for an error: a path of the host means nothing to
// the candidate.
func plain(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// typeLoop types what viewers sent; it waits when the program does not read.
func (h *holder) typeLoop() {
	for b := range h.input {
		h.mu.Lock()
		if h.paused {
			h.mu.Unlock()
			continue
		}
		n := h.keys.count(b)
		h.acct.typed(n)
		switch {
		case n.enters > 0:
			// Asked before it is typed: the line may end the program.
			e := enter{at: time.Now(), boot: bootNow()}
			e.pid, e.name = h.prog.foreground()
			h.screen.typed(n.enters)
			for range min(n.enters, maxEnters-len(h.acct.enters)) {
				h.acct.enters = append(h.acct.enters, e)
			}
		case n.cancel:
			h.screen.enters = 0
		}
		h.mu.Unlock()
		if _, err := h.prog.master.Write(b); err != nil {
			continue // the program is gone; pump notices
		}
	}
}

// deaf says whether what comes from viewers is thrown away.
func (h *holder) deaf() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.paused
}

func (h *holder) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// uncutAfter is how long an Enter may stay without a line, once it was read.
const uncutAfter = 3 * time.Second

// tick tells the account each second.
func (h *holder) tick(stop <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			h.tell(false)
		case <-stop:
			h.tell(true)
			return
		}
	}
}

func (h *holder) tell(end bool) {
	h.mu.Lock()
	a := &h.acct
	var out []Event
	if a.bytes > 0 {
		out = append(out, Event{Kind: EventOutput, Offset: a.offset, Bytes: a.bytes, SHA256: hex.EncodeToString(a.sum.Sum(nil))})
		a.offset, a.bytes = a.offset+int64(a.bytes), 0
		a.sum.Reset()
	}
	wait := hiddenAfter
	if end {
		wait = 0
	}
	a.expire(wait)
	if a.keys > 0 && (end || len(a.pending) == 0) {
		out = append(out, Event{Kind: EventKeys, Keys: a.keys, Hidden: a.hidden, Seconds: time.Since(a.since).Seconds()})
		a.keys, a.hidden = 0, 0
	}
	switch {
	case end:
		out = append(out, a.ripe(0)...)
	case len(a.enters) > 0 && time.Since(a.enters[0].at) > uncutAfter && !h.prog.unread():
		out = append(out, a.ripe(uncutAfter)...)
	}
	h.screen.enters = min(h.screen.enters, len(a.enters))
	h.mu.Unlock()
	for _, e := range out {
		h.insist(func() error { return h.rec.event(e) })
	}
	h.srv.refresh()
}

// typed counts keys; each waits to be echoed.
func (a *account) typed(n typed) {
	if n.keys == 0 {
		return
	}
	if n.enters > 0 {
		a.expire(hiddenBeforeEnter)
	}
	now := time.Now()
	if a.keys == 0 {
		a.since = now
	}
	a.keys += n.keys
	for range min(n.keys-n.enters, 4096) {
		a.pending = append(a.pending, now)
	}
}

// echo: so many bytes came back.
func (a *account) echo(n int) {
	a.expire(hiddenAfter)
	a.pending = a.pending[min(n, len(a.pending)):]
}

// How long a key may wait for its echo, a slow line included; when an Enter
// follows, which is answered by output, the wait is over earlier.
const (
	hiddenAfter       = 1500 * time.Millisecond
	hiddenBeforeEnter = 400 * time.Millisecond
)

// expire counts the keys that waited longer as hidden.
func (a *account) expire(wait time.Duration) {
	i := 0
	for i < len(a.pending) && time.Since(a.pending[i]) >= wait {
		i++
	}
	a.hidden += i
	a.pending = a.pending[i:]
	if len(a.pending) == 0 {
		a.pending = nil
	}
}

// finish hangs up on what is left, closes the account and says goodbye.
func (h *holder) finish(code int) error {
	h.prog.hangUp()
	h.prog.master.Close()
	now := time.Now()
	h.info.Exit, h.info.Ended = code, &now
	err := h.rec.event(Event{Kind: EventClose, Code: code})
	if cerr := h.rec.close(); err == nil {
		err = cerr
	}
	if werr := writeInfo(&h.info, h.spec.file(".json")); err == nil {
		err = werr
	}
	h.srv.goodbye(code)
	h.screen.close()
	return err
}

// setSize is a viewer's wish: the last one decides.
func (h *holder) setSize(cols, rows int) {
	if cols < 1 || rows < 1 || cols > 1000 || rows > 1000 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if cols == h.screen.cols && rows == h.screen.rows {
		return
	}
	if err := unix.IoctlSetWinsize(int(h.prog.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(cols)}); err != nil {
		return
	}
	h.screen.resize(cols, rows)
	_ = h.rec.resize(uint16(cols), uint16(rows))
}

func listen(path string) (*net.UnixListener, error) {
	if len(path) > 100 { // sun_path holds 108
		return nil, fmt.Errorf("the path of the terminal's socket is too long: %s", path)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	l.SetUnlinkOnClose(false)
	return l, nil
}

// obey carries out an order of the controller.
func (h *holder) obey(o control) error {
	switch o.Op {
	case "close":
		h.mu.Lock()
		h.closed = true
		h.mu.Unlock()
		h.prog.hangUp()
		return nil
	case "kill":
		return h.prog.signal(syscall.SIGKILL)
	case "pause", "resume":
		h.mu.Lock()
		h.paused = o.Op == "pause"
		h.mu.Unlock()
		return h.rec.event(Event{Kind: o.Op})
	case "notify":
		if err := h.rec.event(Event{Kind: EventNotice, Text: o.Text}); err != nil {
			h.mu.Lock()
			at := h.total
			h.mu.Unlock()
			h.srv.broadcast([]byte(o.Text), at) // that the disk is full must be told
			return err
		}
		h.show([]byte(o.Text))
		return nil
	}
	return fmt.Errorf("unknown order %q", o.Op)
}
