package term

import (
	"encoding/binary"
	"fmt"
	"io"
)

// A frame on the terminal's socket: one letter, a length (32 bits, big endian),
// the payload. The first frame of a client is a hello.
const (
	// Client to holder.
	frameHello   = 'H' // JSON hello
	frameInput   = 'I' // bytes typed
	frameSize    = 'W' // JSON size
	frameControl = 'C' // JSON control, answered by frameAnswer

	// Holder to client.
	frameOutput = 'O' // bytes to show
	frameEvents = 'E' // a piece of the events file
	frameAnswer = 'A' // JSON answer
	frameExit   = 'X' // JSON exit: the program has ended
)

// maxFrame bounds what is accepted from a client.
const maxFrame = 1 << 20

type hello struct {
	Mode   string `json:"mode"` // view, events, control
	Input  bool   `json:"input,omitempty"`
	Cols   int    `json:"cols,omitempty"`
	Rows   int    `json:"rows,omitempty"`
	Offset int64  `json:"offset,omitempty"`
}

type size struct {
	Cols int `json:"cols"`
	Rows int `json:"rows"`
}

type control struct {
	Op   string `json:"op"` // close, pause, resume, notify
	Text string `json:"text,omitempty"`
}

type answer struct {
	Error string `json:"error,omitempty"`
}

type exit struct {
	Code int `json:"code"`
}

func writeFrame(w io.Writer, kind byte, payload []byte) error {
	b := make([]byte, 5, 5+len(payload))
	b[0] = kind
	binary.BigEndian.PutUint32(b[1:], uint32(len(payload)))
	_, err := w.Write(append(b, payload...))
	return err
}

func readFrame(r io.Reader) (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("frame of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return head[0], b, err
}
