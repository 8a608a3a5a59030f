package desk

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Dir is the directory of the socket on the administration workstation, Socket
// the socket in it.
const (
	Dir    = "/run/situ"
	Socket = "desk.sock"
)

// MaxMessage is the longest message in bytes, MaxFile the longest file that can
// be submitted.
const (
	MaxMessage = 2 << 20
	MaxFile    = 1 << 20
)

// Type is a kind of message.
type Type string

// The kinds of messages, see the package comment.
const (
	Hello  Type = "hello"
	Print  Type = "print"
	Ask    Type = "ask"
	Answer Type = "answer"
	Read   Type = "read"
	Stream Type = "stream"
	Output Type = "output"
	Input  Type = "input"
	Size   Type = "size"
	Exit   Type = "exit"
)

// Message is one message in either direction; which fields count depends on its
// type.
type Message struct {
	Type Type `json:"type"`
	// Hello.
	Argv []string `json:"argv,omitempty"`
	TTY  bool     `json:"tty,omitempty"`
	// Again says that the connection of the same call broke before its end: what
	// it had sealed already is not sealed twice.
	Again bool   `json:"again,omitempty"`
	Lang  string `json:"lang,omitempty"`
	// Text of print, ask and answer; path of read; error of an answer.
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
	// Lines says that an ask takes lines until an empty one.
	Lines bool `json:"lines,omitempty"`
	// Stderr says that a print goes to standard error.
	Stderr bool   `json:"stderr,omitempty"`
	Data   []byte `json:"data,omitempty"`
	Rows   uint16 `json:"rows,omitempty"`
	Cols   uint16 `json:"cols,omitempty"`
	Code   int    `json:"code,omitempty"`
}

// ErrTooLong says that a message exceeds MaxMessage.
var ErrTooLong = errors.New("message too long")

// Conn sends and receives messages; sending is safe from several goroutines.
type Conn struct {
	rw io.ReadWriteCloser
	sc *bufio.Scanner
	mu sync.Mutex
}

// NewConn makes a connection over a socket.
func NewConn(rw io.ReadWriteCloser) *Conn {
	sc := bufio.NewScanner(rw)
	sc.Buffer(make([]byte, 0, 4096), MaxMessage)
	return &Conn{rw: rw, sc: sc}
}

// patience is how long a peer may leave a message unread.
const patience = 10 * time.Second

// Send sends a message; a peer that does not read gets an error in the end.
func (c *Conn) Send(m Message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(b) >= MaxMessage {
		return ErrTooLong
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, ok := c.rw.(interface{ SetWriteDeadline(time.Time) error }); ok {
		if err := d.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
	}
	_, err = c.rw.Write(append(b, '\n'))
	return err
}

// Receive waits for the next message; io.EOF says that the peer is gone.
func (c *Conn) Receive() (Message, error) {
	var m Message
	if !c.sc.Scan() {
		err := c.sc.Err()
		switch {
		case err == nil:
			err = io.EOF
		case errors.Is(err, bufio.ErrTooLong):
			err = ErrTooLong
		}
		return m, err
	}
	if err := json.Unmarshal(c.sc.Bytes(), &m); err != nil {
		return m, fmt.Errorf("not a message of the desk: %w", err)
	}
	return m, nil
}

// Close closes the connection.
func (c *Conn) Close() error { return c.rw.Close() }
