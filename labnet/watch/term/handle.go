package term

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// HelperCommand is the hidden command of the situlab binary that Start runs and
// that calls [Main].
const HelperCommand = "__terminal"

// Handle is a terminal seen from outside its holder.
type Handle struct {
	info Info
	dir  string
}

// Start runs a holder: self is the situlab binary ("" = this very program),
// which must call Main when its first argument is [HelperCommand]. Start returns
// when the program runs. The holder is in a session of its own and lives on
// whatever happens to the caller.
func Start(ctx context.Context, s Spec, self string) (*Handle, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if self == "" {
		self = "/proc/self/exe"
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("terminal %s: %w", s.ID, err)
	}
	arg, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(s.file(".log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("terminal %s: %w", s.ID, err)
	}
	defer log.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// Not CommandContext: the holder is not to die with the caller's context.
	cmd := exec.Command(self, HelperCommand, string(arg))
	cmd.Args[0] = "situlab"
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles, cmd.Dir = log, log, []*os.File{w}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return nil, fmt.Errorf("terminal %s: %w", s.ID, err)
	}
	go func() { _ = cmd.Wait() }() // reaps it if it ends first
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(r).ReadString('\n')
		said <- strings.TrimSpace(line)
	}()
	select {
	case line := <-said:
		if line != "ready" {
			if line == "" {
				line = "the holder ended; see " + s.file(".log")
			}
			return nil, fmt.Errorf("terminal %s: %s", s.ID, line)
		}
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("terminal %s: %w", s.ID, context.Cause(ctx))
	}
	return Open(s.Dir, s.ID)
}

// Open finds a terminal, running or ended, that an earlier process started.
func Open(dir, id string) (*Handle, error) {
	i, err := readInfo(filepath.Join(dir, id+".json"))
	if err != nil {
		return nil, fmt.Errorf("terminal %s: %w", id, err)
	}
	return &Handle{info: *i, dir: dir}, nil
}

// List names the terminals of a directory in the order of their names.
func List(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.cast"))
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(files))
	for _, f := range files {
		ids = append(ids, strings.TrimSuffix(filepath.Base(f), ".cast"))
	}
	sort.Strings(ids)
	return ids, nil
}

// Info is what is known; it is read again for a terminal that may have ended.
func (h *Handle) Info() Info {
	if i, err := readInfo(filepath.Join(h.dir, h.info.ID+".json")); err == nil {
		h.info = *i
	}
	return h.info
}

// Running says whether the holder answers.
func (h *Handle) Running() bool {
	c, err := net.Dial("unix", h.info.Socket)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// order sends one control and waits for its answer.
func (h *Handle) order(ctx context.Context, o control) error {
	c, err := dial(ctx, h.info.Socket, hello{Mode: "control"})
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := writeFrame(c, frameControl, b); err != nil {
		return err
	}
	kind, b, err := readFrame(c)
	var a answer
	if err != nil || kind != frameAnswer || json.Unmarshal(b, &a) != nil {
		return fmt.Errorf("terminal %s: no answer to %s: %w", h.info.ID, o.Op, err)
	}
	if a.Error != "" {
		return fmt.Errorf("terminal %s: %s: %s", h.info.ID, o.Op, a.Error)
	}
	return nil
}

// Pause stops passing on what viewers type.
func (h *Handle) Pause(ctx context.Context) error { return h.order(ctx, control{Op: "pause"}) }

// Resume ends a pause.
func (h *Handle) Resume(ctx context.Context) error { return h.order(ctx, control{Op: "resume"}) }

// Notify shows a text to the viewers as if the terminal had printed it; it is
// recorded as output. The text brings its own "\r\n".
func (h *Handle) Notify(ctx context.Context, text string) error {
	return h.order(ctx, control{Op: "notify", Text: text})
}

// Close hangs up (SIGHUP), kills after a second, and waits until the holder has
// written the end. An ended terminal is no error.
func (h *Handle) Close(ctx context.Context) error {
	if err := h.order(ctx, control{Op: "close"}); err != nil {
		if !h.Running() {
			return nil
		}
		return err
	}
	gone, err := h.holderGone(ctx)
	if err != nil {
		return nil // it has ended meanwhile
	}
	t := time.NewTimer(time.Second)
	defer t.Stop()
	for {
		select {
		case <-gone:
			return nil
		case <-t.C:
			_ = h.order(ctx, control{Op: "kill"})
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// holderGone is closed when the holder's process, the one that answers on the
// socket, has ended.
func (h *Handle) holderGone(ctx context.Context) (<-chan struct{}, error) {
	c, err := dial(ctx, h.info.Socket, hello{Mode: "events", Offset: -1})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var cerr error
	if err := raw.Control(func(fd uintptr) { cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return nil, err
	}
	if cerr != nil {
		return nil, cerr
	}
	fd, err := unix.PidfdOpen(int(cred.Pid), 0)
	if err != nil {
		return nil, err
	}
	gone := make(chan struct{})
	go func() {
		defer unix.Close(fd)
		for { // a process's descriptor is readable when it has ended
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
			if !errors.Is(err, unix.EINTR) {
				close(gone)
				return
			}
		}
	}()
	return gone, nil
}

// Follow reads the events from a byte offset on (0, or the Next of the last one
// read) and goes on until the terminal's end; then, or when ctx ends, the channel
// is closed. A holder that died without an end gives an EventLost.
func (h *Handle) Follow(ctx context.Context, offset int64) (<-chan Event, error) {
	f, err := os.Open(h.info.Events)
	if err != nil {
		return nil, fmt.Errorf("terminal %s: %w", h.info.ID, err)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	out := make(chan Event)
	go func() {
		defer close(out)
		defer f.Close()
		fl := follower{ctx: ctx, out: out, next: offset}
		if c, err := dial(ctx, h.info.Socket, hello{Mode: "events", Offset: offset}); err == nil {
			stop := context.AfterFunc(ctx, func() { c.Close() })
			for {
				kind, b, err := readFrame(c)
				if err != nil || kind != frameEvents || !fl.feed(b) {
					break
				}
			}
			stop()
			c.Close()
		}
		// What the holder could not send any more is in the file.
		if _, err := f.Seek(fl.next+int64(len(fl.rest)), io.SeekStart); err == nil && ctx.Err() == nil {
			if b, err := io.ReadAll(f); err == nil {
				fl.feed(b)
			}
		}
		if !fl.closed && ctx.Err() == nil {
			fl.send(Event{Kind: EventLost, BootNS: bootNow(), Next: fl.next, Detail: "the terminal's holder ended without an end"})
		}
	}()
	return out, nil
}

// follower cuts a stream in events.
type follower struct {
	ctx    context.Context
	out    chan<- Event
	next   int64
	rest   []byte
	closed bool
}

func (f *follower) send(e Event) bool {
	select {
	case f.out <- e:
		return true
	case <-f.ctx.Done():
		return false
	}
}

func (f *follower) feed(b []byte) bool {
	f.rest = append(f.rest, b...)
	for {
		i := bytes.IndexByte(f.rest, '\n')
		if i < 0 {
			return true
		}
		line := f.rest[:i]
		f.rest = f.rest[i+1:]
		f.next += int64(i) + 1
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			e = Event{Kind: EventLost, BootNS: bootNow(), Detail: "a damaged line in the events: " + err.Error()}
		}
		e.Next = f.next
		f.closed = f.closed || e.Kind == EventClose
		if !f.send(e) {
			return false
		}
	}
}

func dial(ctx context.Context, socket string, hi hello) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("the terminal has ended: %w", err)
		}
		return nil, err
	}
	b, err := json.Marshal(hi)
	if err == nil {
		err = writeFrame(c, frameHello, b)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
