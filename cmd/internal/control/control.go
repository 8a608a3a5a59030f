// Package control is how one situlab process asks another one that holds a lab
// or a session: remote procedure calls (net/rpc) over a unix socket in the
// lab's state directory, which only root can reach.
package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
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

// Call calls a method of the process that holds a lab.
func Call(lab, method string, args, reply any) error {
	c, err := net.Dial("unix", socket(lab))
	if errors.Is(err, fs.ErrPermission) {
		return host.Errorf("run as root", "lab %q: %w", lab, err)
	}
	if err != nil {
		return &NobodyError{lab, err}
	}
	client := rpc.NewClient(c)
	defer client.Close()
	err = client.Call(service+"."+method, args, reply)
	var remote rpc.ServerError
	if errors.As(err, &remote) {
		return errors.New(string(remote))
	}
	return err
}
