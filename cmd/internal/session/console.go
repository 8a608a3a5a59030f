package session

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/situlab/situlab/cmd/internal/desk"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/node/oci"
	"github.com/situlab/situlab/labnet/watch"
)

// spawner is a node in which a program can be started with an audit session of
// its own.
type spawner interface {
	Spawn(ctx context.Context, c node.Command, o oci.Options) (*oci.Process, error)
}

// consoleLoginUID is the first audit login uid of consoles. Each has its own, so
// that the observation can be told beforehand whose its programs will be.
const consoleLoginUID = 9900

// console opens a root shell, or runs a command, in a node of the perimeter: the
// way in when the network is what is broken. All of it passes through the
// candidate's recorded terminal, and its programs are observed like any other.
func (c *call) console() error {
	name, command, err := c.consoleArgs()
	if err != nil {
		return err
	}
	s := c.s
	n := s.siteNode(name)
	switch {
	case n == nil:
		return refusal{"aucune machine de ce nom : " + name, "no such machine: " + name}
	case !n.Perimeter:
		return refusal{name + " n'est pas dans votre périmètre d'intervention", name + " is not in your perimeter"}
	}
	sp, ok := s.lab.Node(name).(spawner)
	if !ok || s.lab.Node(name).PID() == 0 {
		return refusal{name + " est éteint", name + " is off"}
	}
	login := consoleLoginUID + s.consoles.Add(1)
	s.joiner.Expect(s.term.of(c.peer), name, login, "console")
	cmd := node.Command{
		Args: command, Dir: "/root", Terminal: c.tty, Rows: c.rows, Cols: c.cols,
		Env: []string{"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "TERM=" + termType(), "LANG=C.UTF-8",
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
	if c.tty {
		return c.consoleTerminal(sp, name, cmd, login)
	}
	return c.consolePipes(sp, name, cmd, login)
}

// consoleArgs reads "NODE [-- CMD...]".
func (c *call) consoleArgs() (name string, command []string, err error) {
	for i, a := range c.args {
		switch {
		case a == "--":
			command = c.args[i+1:]
			if len(command) == 0 {
				return "", nil, usageError{"commande manquante après --", "command missing after --"}
			}
			return name, command, nil
		case name == "":
			name = a
		default:
			return "", nil, usageError{"il faut : MACHINE [-- COMMANDE]", "wanted: MACHINE [-- COMMAND]"}
		}
	}
	if name == "" {
		return "", nil, usageError{"nom de la machine manquant", "machine missing"}
	}
	return name, []string{"/bin/bash", "-l"}, nil
}

// joinConsole tells the observation which terminal the console belongs to.
func (c *call) joinConsole(name string, session uint32) {
	c.s.joiner.Terminal(c.s.term.of(c.peer), name, session, "console")
}

func (c *call) consoleTerminal(sp spawner, name string, cmd node.Command, login uint32) error {
	p, err := sp.Spawn(c.ctx, cmd, oci.Options{LoginUID: &login})
	if err != nil {
		return cannotRun(err)
	}
	defer p.Terminal.Close()
	c.joinConsole(name, p.Session)
	if err := c.conn.Send(desk.Message{Type: desk.Stream}); err != nil {
		return err
	}
	go func() {
		for {
			m, err := c.conn.Receive()
			if err != nil {
				p.Terminal.Close() // situ is gone: the shell gets a hangup
				return
			}
			switch m.Type {
			case desk.Input:
				if _, err := p.Terminal.Write(m.Data); err != nil {
					return
				}
			case desk.Size:
				_ = p.Resize(m.Rows, m.Cols)
			}
		}
	}()
	c.copyOut(p.Terminal, false)
	code, err := p.Wait()
	if err != nil {
		return err
	}
	return status(code)
}

func (c *call) consolePipes(sp spawner, name string, cmd node.Command, login uint32) error {
	inR, inW, err := os.Pipe()
	if err != nil {
		return err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, inR.Close(), inW.Close())
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, inR.Close(), inW.Close(), outR.Close(), outW.Close())
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, errW
	p, err := sp.Spawn(c.ctx, cmd, oci.Options{LoginUID: &login})
	for _, f := range []*os.File{inR, outW, errW} {
		f.Close()
	}
	defer outR.Close()
	defer errR.Close()
	if err != nil {
		inW.Close()
		return cannotRun(err)
	}
	c.joinConsole(name, p.Session)
	if err := c.conn.Send(desk.Message{Type: desk.Stream}); err != nil {
		return err
	}
	go func() {
		defer inW.Close()
		for {
			m, err := c.conn.Receive()
			if err != nil || (m.Type == desk.Input && len(m.Data) == 0) {
				return
			}
			if m.Type == desk.Input {
				if _, err := inW.Write(m.Data); err != nil {
					return
				}
			}
		}
	}()
	var wg sync.WaitGroup
	wg.Go(func() { c.copyOut(outR, false) })
	wg.Go(func() { c.copyOut(errR, true) })
	wg.Wait()
	code, err := p.Wait()
	if err != nil {
		return err
	}
	return status(code)
}

func (c *call) copyOut(r io.Reader, stderr bool) {
	buf := make([]byte, 16<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 && c.conn.Send(desk.Message{Type: desk.Output, Data: buf[:n], Stderr: stderr}) != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

func status(code int) error {
	if code == 0 {
		return nil
	}
	return exitStatus(code)
}

func cannotRun(err error) error {
	var cr *oci.CannotRun
	if errors.As(err, &cr) {
		return refusal{"commande impossible : " + cr.Error(), "cannot run: " + cr.Error()}
	}
	return err
}

// of is the recorded terminal that a process of the host descends from: its
// audit session says so.
func (t *terminals) of(pid int) string {
	session := watch.SessionOf(pid)
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, h := range t.opened {
		if session != watch.NoSession && h.Info().Session == session {
			return id
		}
	}
	return t.name
}
