package term

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// server lets viewers, readers of events and the controller in.
type server struct {
	h *holder
	l *net.UnixListener

	mu      sync.Mutex
	viewers map[*viewer]bool
	over    bool
	work    sync.WaitGroup
}

// viewer is one attached screen. Its queue is bounded: when it is full, output
// waits a little for it (the program waits too), then goes on without it, and
// the viewer gets the whole screen again once it reads.
type viewer struct {
	conn  net.Conn
	queue chan frame
	from  int64 // where its part of the output begins
	stale bool  // server.mu
	gone  chan struct{}
	once  sync.Once
}

type frame struct {
	kind byte
	b    []byte
}

const (
	viewerQueue = 256
	viewerWait  = 2 * time.Second
)

func (v *viewer) leave() { v.once.Do(func() { close(v.gone); v.conn.Close() }) }

func newServer(h *holder, l *net.UnixListener) *server {
	return &server{h: h, l: l, viewers: map[*viewer]bool{}}
}

func (s *server) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.work.Add(1)
		go func() {
			defer s.work.Done()
			defer c.Close()
			s.serve(c)
		}()
	}
}

func (s *server) serve(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	kind, b, err := readFrame(c)
	var hi hello
	if err != nil || kind != frameHello || json.Unmarshal(b, &hi) != nil {
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	switch hi.Mode {
	case "view":
		s.view(c, hi)
	case "events":
		s.events(c, hi.Offset)
	case "control":
		s.control(c)
	}
}

// view shows the terminal to one viewer until either side leaves.
func (s *server) view(c net.Conn, hi hello) {
	if hi.Input {
		s.h.setSize(hi.Cols, hi.Rows)
	}
	// The screen and the place in the stream of output must be of one moment.
	s.h.mu.Lock()
	v := &viewer{conn: c, queue: make(chan frame, viewerQueue), from: s.h.total, gone: make(chan struct{})}
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		s.h.mu.Unlock()
		return
	}
	v.queue <- frame{frameOutput, s.h.screen.show()}
	s.viewers[v] = true
	s.mu.Unlock()
	s.h.mu.Unlock()
	defer s.drop(v)
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		defer v.leave()
		for {
			select {
			case f := <-v.queue:
				if err := writeFrame(c, f.kind, f.b); err != nil || f.kind == frameExit {
					return
				}
			case <-v.gone:
				return
			}
		}
	}()
	for {
		kind, b, err := readFrame(c)
		if err != nil {
			return
		}
		switch kind {
		case frameInput:
			// Asked here and again before it is typed: what comes during a pause must
			// not wait in the queue for its end.
			if !hi.Input || len(b) == 0 || s.h.deaf() {
				continue
			}
			select {
			case s.h.input <- b:
			case <-v.gone:
				return
			}
		case frameSize:
			var z size
			if hi.Input && json.Unmarshal(b, &z) == nil {
				s.h.setSize(z.Cols, z.Rows)
			}
		}
	}
}

func (s *server) drop(v *viewer) {
	v.leave()
	s.mu.Lock()
	delete(s.viewers, v)
	s.mu.Unlock()
}

// broadcast shows output, which begins at byte at of the stream, to all viewers.
func (s *server) broadcast(b []byte, at int64) {
	s.mu.Lock()
	all := make([]*viewer, 0, len(s.viewers))
	for v := range s.viewers {
		if !v.stale && at >= v.from {
			all = append(all, v)
		}
	}
	s.mu.Unlock()
	for _, v := range all {
		select {
		case v.queue <- frame{frameOutput, b}:
			continue
		default:
		}
		t := time.NewTimer(viewerWait)
		select {
		case v.queue <- frame{frameOutput, b}:
		case <-v.gone:
		case <-t.C:
			s.mu.Lock()
			v.stale = true
			s.mu.Unlock()
		}
		t.Stop()
	}
}

// refresh gives viewers that fell behind and have caught up the whole screen.
func (s *server) refresh() {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.viewers {
		if v.stale && len(v.queue) == 0 {
			v.queue <- frame{frameOutput, s.h.screen.show()}
			v.stale, v.from = false, s.h.total
		}
	}
}

// goodbye tells everybody that the program has ended and waits until they know.
// Whoever has heard it finds no socket any more.
func (s *server) goodbye(code int) {
	b, err := json.Marshal(exit{code})
	if err != nil {
		b = []byte("{}")
	}
	s.mu.Lock()
	s.over = true
	all := make([]*viewer, 0, len(s.viewers))
	for v := range s.viewers {
		all = append(all, v)
	}
	s.mu.Unlock()
	s.l.Close()
	for _, v := range all {
		_ = v.conn.SetWriteDeadline(time.Now().Add(viewerWait))
		t := time.NewTimer(viewerWait)
		select {
		case v.queue <- frame{frameExit, b}:
		case <-v.gone:
		case <-t.C:
			v.leave()
		}
		t.Stop()
	}
	s.work.Wait()
}

// events sends the events file from an offset on, and what is added, until the
// terminal has ended.
func (s *server) events(c net.Conn, offset int64) {
	f, err := os.Open(s.h.spec.file(".events"))
	if err != nil {
		return
	}
	defer f.Close()
	if offset < 0 { // only what is to come
		i, err := f.Stat()
		if err != nil {
			return
		}
		offset = i.Size()
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return
	}
	gone := make(chan struct{})
	go func() { // a reader says nothing more; its end wakes us
		_, _ = io.Copy(io.Discard, c)
		close(gone)
		s.h.rec.wake()
	}()
	r := s.h.rec
	b := make([]byte, 64<<10)
	for {
		size, ended := r.wait(offset, gone)
		for offset < size {
			n, err := f.Read(b[:min(int64(len(b)), size-offset)])
			if err != nil {
				return
			}
			if writeFrame(c, frameEvents, b[:n]) != nil {
				return
			}
			offset += int64(n)
		}
		if ended {
			return
		}
		select {
		case <-gone:
			return
		default:
		}
	}
}

// control obeys the controller, one order at a time.
func (s *server) control(c net.Conn) {
	for {
		kind, b, err := readFrame(c)
		var o control
		if err != nil || kind != frameControl || json.Unmarshal(b, &o) != nil {
			return
		}
		var a answer
		if err := s.h.obey(o); err != nil {
			a.Error = err.Error()
		}
		if b, err = json.Marshal(a); err != nil || writeFrame(c, frameAnswer, b) != nil {
			return
		}
	}
}
