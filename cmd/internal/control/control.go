// Package control is how one situlab process asks another one that holds a lab
// or a session: remote procedure calls (net/rpc) over a unix socket in the
// lab's state directory, which only root can reach.
package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/situlab/situlab/labnet/host"
)

// service is the name that all methods are called under.
const service = "Situlab"

// None is the argument or the reply of a method that has none.
type None struct{}

func socket(lab string) string { return filepath.Join(host.LabState(lab), "control.sock") }

// Server answers for one lab.
type Server struct {
	l     *net.UnixListener
	calls sync.WaitGroup
}

// Serve registers the methods of v (net/rpc's rules) and answers until Close.
func Serve(lab string, v any) (*Server, error) {
	r := rpc.NewServer()
	if err := r.RegisterName(service, v); err != nil {
		return nil, err
	}
	// Whoever serves a lab holds it: a socket that is there is a dead controller's.
	if err := os.Remove(socket(lab)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket(lab), Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(socket(lab), 0o600); err != nil {
		l.Close()
		return nil, err
	}
	s := &Server{l: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.calls.Go(func() { r.ServeConn(c) })
		}
	}()
	return s, nil
}

// Close stops listening and waits until those who asked have their answers.
func (s *Server) Close() error {
	err := s.l.Close()
	s.calls.Wait()
	return err
}

// NobodyError says that no living process holds the lab.
type NobodyError struct {
	Lab string
	Err error
}

func (e *NobodyError) Error() string {
	if _, err := os.Stat(host.LabState(e.Lab)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("no lab %q; labs: situlab lab list", e.Lab)
	}
	return fmt.Sprintf("lab %q: no process answers for it; if it was left behind: situlab gc", e.Lab)
}

func (e *NobodyError) Unwrap() error { return e.Err }

// InputError marks wrong input (exit code 2).
func (e *NobodyError) InputError() {}

// Call calls a method of the process that holds a lab. When ctx ends the caller
// stops waiting; the holder finishes what it began.
func Call(ctx context.Context, lab, method string, args, reply any) error {
	client, err := dial(lab)
	if err != nil {
		return err
	}
	defer client.Close()
	return wait(ctx, client.Go(service+"."+method, args, reply, make(chan *rpc.Call, 1)))
}

func dial(lab string) (*rpc.Client, error) {
	c, err := net.Dial("unix", socket(lab))
	if errors.Is(err, fs.ErrPermission) {
		return nil, host.Errorf("run as root", "lab %q: %w", lab, err)
	}
	if err != nil {
		return nil, &NobodyError{lab, err}
	}
	return rpc.NewClient(c), nil
}

func wait(ctx context.Context, call *rpc.Call) error {
	select {
	case <-call.Done:
		return remote(call.Error)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// remote makes what it was of an error that came over the socket as a text.
func remote(err error) error {
	var text rpc.ServerError
	if !errors.As(err, &text) {
		return err
	}
	if why, ok := strings.CutPrefix(string(text), refusal); ok {
		return &RefusedError{why}
	}
	return errors.New(string(text))
}

// refusal begins the text of an error that is about what the caller asked.
const refusal = "\x01refused\x01"

// Refusef is what a holder's method answers when what it is asked for is wrong:
// the caller of [Call] gets a [RefusedError] of this text.
func Refusef(format string, args ...any) error {
	return errors.New(refusal + fmt.Sprintf(format, args...))
}

// RefusedError says why the holder of a lab does not do what it was asked.
type RefusedError struct{ Why string }

func (e *RefusedError) Error() string { return e.Why }

// InputError marks wrong input (exit code 2).
func (e *RefusedError) InputError() {}
