// Command situ is the candidate's command on the administration workstation: it
// shows where the session is, and carries tickets, notices, the logbook, the
// diagnosis and the console. All decisions are taken outside, by the session
// (see cmd/internal/desk); situ itself knows nothing and holds nothing.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/situlab/situlab/cmd/internal/desk"
)

func main() { os.Exit(run(os.Args[1:])) }

// tries is how often a call is made whose connection breaks: a controller can die
// more than once.
const tries = 5

func run(args []string) int {
	in := bufio.NewReader(os.Stdin)
	for n := 1; ; n++ {
		code, broken := call(args, in, n > 1)
		if !broken || n == tries {
			return code
		}
	}
}

// call makes one call. broken says that the session went away in the middle of it
// and that the same can be said again.
func call(args []string, in *bufio.Reader, again bool) (code int, broken bool) {
	sock, err := net.Dial("unix", filepath.Join(desk.Dir, desk.Socket))
	if err != nil {
		fmt.Fprintln(os.Stderr, "situ : l'épreuve ne répond pas / the session does not answer:", err)
		return 3, false
	}
	c := desk.NewConn(sock)
	defer c.Close()
	tty := term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
	rows, cols := size()
	if err := c.Send(desk.Message{Type: desk.Hello, Argv: args, TTY: tty, Again: again, Lang: os.Getenv("SITU_LANG"), Rows: rows, Cols: cols}); err != nil {
		return 3, true
	}
	asked := false
	for {
		m, err := c.Receive()
		if gone(err) {
			if asked {
				fmt.Fprintln(os.Stderr, "situ : la liaison est coupée, recommencez / the connection broke, do it again")
			}
			return 3, !asked
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "situ:", err)
			return 3, false
		}
		switch m.Type {
		case desk.Print:
			w := os.Stdout
			if m.Stderr {
				w = os.Stderr
			}
			fmt.Fprint(w, m.Text)
		case desk.Ask:
			asked = true
			err = c.Send(ask(in, m, tty))
		case desk.Read:
			asked = asked || m.Text == "-" // read to its end
			err = c.Send(readFile(m.Text))
		case desk.Stream:
			return stream(c, in, tty), false
		case desk.Exit:
			return m.Code, false
		}
		if err != nil && !gone(err) {
			fmt.Fprintln(os.Stderr, "situ:", err)
			return 3, false
		}
	}
}

// gone says that the other end of the connection has ended.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func size() (rows, cols uint16) {
	w, h, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 24, 80
	}
	return uint16(h), uint16(w)
}

func ask(in *bufio.Reader, m desk.Message, tty bool) desk.Message {
	if tty {
		fmt.Print(m.Text)
	}
	var b strings.Builder
	for {
		line, err := in.ReadString('\n')
		text := strings.TrimRight(line, "\r\n")
		if m.Lines && text != "" {
			b.WriteString(text + "\n")
		}
		if !m.Lines {
			if err != nil && text == "" {
				return desk.Message{Type: desk.Answer, Error: "end of input"}
			}
			return desk.Message{Type: desk.Answer, Text: text}
		}
		if text == "" || err != nil {
			return desk.Message{Type: desk.Answer, Text: b.String()}
		}
	}
}

func readFile(path string) desk.Message {
	f, err := os.Open(path)
	if path == "-" {
		f, err = os.Stdin, nil
	}
	if err != nil {
		return desk.Message{Type: desk.Answer, Error: err.Error()}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, desk.MaxFile+1))
	switch {
	case err != nil:
		return desk.Message{Type: desk.Answer, Error: err.Error()}
	case len(b) > desk.MaxFile:
		return desk.Message{Type: desk.Answer, Error: fmt.Sprintf("%s: more than %d bytes", path, desk.MaxFile)}
	}
	return desk.Message{Type: desk.Answer, Data: b}
}

// stream joins the terminal to a console until the session says exit.
func stream(c *desk.Conn, in *bufio.Reader, tty bool) int {
	fd := int(os.Stdin.Fd())
	if tty {
		if old, err := term.MakeRaw(fd); err == nil {
			defer func() { _ = term.Restore(fd, old) }()
		}
	}
	winch := make(chan os.Signal, 1)
	signal.Notify(winch, syscall.SIGWINCH)
	defer signal.Stop(winch)
	go func() {
		for range winch {
			rows, cols := size()
			_ = c.Send(desk.Message{Type: desk.Size, Rows: rows, Cols: cols})
		}
	}()
	go func() {
		if !tty && term.IsTerminal(fd) {
			// The output goes elsewhere (a pipe): what is typed is not for the
			// command but for the shell that waits for it.
			_ = c.Send(desk.Message{Type: desk.Input})
			return
		}
		buf := make([]byte, 4096)
		for {
			n, err := in.Read(buf)
			if n > 0 && c.Send(desk.Message{Type: desk.Input, Data: buf[:n]}) != nil {
				return
			}
			if err != nil {
				_ = c.Send(desk.Message{Type: desk.Input}) // end of input
				return
			}
		}
	}()
	for {
		m, err := c.Receive()
		if err != nil {
			fmt.Fprint(os.Stderr, "\r\nsitu : console interrompue / console broken off\r\n")
			return 3
		}
		switch m.Type {
		case desk.Output, desk.Print:
			w := os.Stdout
			if m.Stderr {
				w = os.Stderr
			}
			_, _ = w.Write(m.Data)
			_, _ = w.WriteString(m.Text)
		case desk.Exit:
			return m.Code
		}
	}
}
