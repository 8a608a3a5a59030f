package term

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// AttachOptions tunes Attach; the zero value is a person at a terminal.
type AttachOptions struct {
	// ReadOnly shows without typing (an assessor's view).
	ReadOnly bool
	// Detach is the key that leaves, 0x1d (Ctrl-]) if zero; NoDetach takes that
	// key away.
	Detach   byte
	NoDetach bool
	// Input forwards in even if it is no terminal (tests, scripted input).
	Input bool
}

// Attach shows a terminal on the local one until its program ends, whose status
// it returns. The local terminal is in raw mode meanwhile, its size is passed on
// (SIGWINCH), and so are its answers to queries: only the viewer's own terminal
// answers. A nil in types nothing. The error is [ErrDetached] when ctx ended, the local terminal hung up
// or the detach key was typed. With files that are no terminals output is copied
// and, with Input, in is typed.
func Attach(ctx context.Context, socket string, in, out *os.File, o AttachOptions) (int, error) {
	tty := !o.ReadOnly && in != nil && term.IsTerminal(int(in.Fd()))
	hi := hello{Mode: "view", Input: tty || (o.Input && in != nil && !o.ReadOnly)}
	if tty {
		hi.Cols, hi.Rows = windowSize(out, in)
	}
	c, err := dial(ctx, socket, hi)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()

	var w sync.Mutex // frames are written whole
	send := func(kind byte, b []byte) error {
		w.Lock()
		defer w.Unlock()
		return writeFrame(c, kind, b)
	}
	if tty {
		old, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return 0, err
		}
		defer term.Restore(int(in.Fd()), old) //nolint:errcheck // nothing to do about it
		defer out.WriteString(leaveScreen)    //nolint:errcheck // before Restore
		sig := make(chan os.Signal, 1)
		signal.Notify(sig, syscall.SIGWINCH, syscall.SIGHUP)
		defer signal.Stop(sig)
		go func() {
			for {
				select {
				case s := <-sig:
					if s == syscall.SIGHUP {
						cancel()
						return
					}
					var z size
					z.Cols, z.Rows = windowSize(out, in)
					if b, err := json.Marshal(z); err == nil {
						_ = send(frameSize, b)
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	if hi.Input {
		stopInput := forward(ctx, cancel, in, tty && !o.NoDetach, o.Detach, send)
		defer stopInput()
	}
	for {
		kind, b, err := readFrame(c)
		if err != nil {
			return 0, ErrDetached
		}
		switch kind {
		case frameOutput:
			if _, err := out.Write(b); err != nil {
				return 0, ErrDetached
			}
		case frameExit:
			var x exit
			if err := json.Unmarshal(b, &x); err != nil {
				return 0, err
			}
			return x.Code, nil
		}
	}
}

// leaveScreen gives the local terminal back as it is for a shell: the main
// screen, a visible cursor, no mouse, no bracketed paste, no colours.
const leaveScreen = "\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\x1b[?25h\x1b[0m\r\n"

// forward sends what is typed. The returned function waits for the reader to be
// gone, so that the next reader of in loses no key to it.
func forward(ctx context.Context, cancel func(), in *os.File, keys bool, detach byte, send func(byte, []byte) error) func() {
	if detach == 0 {
		detach = 0x1d
	}
	var wake [2]int
	if err := unix.Pipe2(wake[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		cancel()
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for ctx.Err() == nil {
			// Not in.Read: it could not be taken back from a blocking terminal.
			p := []unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}, {Fd: int32(wake[0]), Events: unix.POLLIN}}
			if _, err := unix.Poll(p, -1); errors.Is(err, unix.EINTR) {
				continue
			} else if err != nil || p[1].Revents != 0 {
				return
			}
			n, err := unix.Read(int(in.Fd()), b)
			if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
				continue
			}
			if n <= 0 {
				if keys { // the local terminal is gone
					cancel()
				}
				return
			}
			for i := range b[:n] {
				if keys && b[i] == detach {
					cancel()
					return
				}
			}
			if send(frameInput, b[:n]) != nil {
				return
			}
		}
	}()
	return func() {
		_, _ = unix.Write(wake[1], []byte{0})
		<-done
		unix.Close(wake[0])
		unix.Close(wake[1])
	}
}

func windowSize(files ...*os.File) (cols, rows int) {
	for _, f := range files {
		if c, r, err := term.GetSize(int(f.Fd())); err == nil && c > 0 && r > 0 {
			return c, r
		}
	}
	return 80, 24
}
