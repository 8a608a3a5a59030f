package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/node/oci"
)

// terminalIn joins this terminal to a login shell of a node.
func (a *app) terminalIn(ctx context.Context, n *oci.Attached, user string) error {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return inputErrorf("lab shell needs a terminal; for a command: situlab lab exec")
	}
	cols, rows, err := term.GetSize(in)
	if err != nil {
		return err
	}
	p, err := n.Spawn(ctx, node.Command{Args: []string{"/bin/bash", "-l"}, User: user, Terminal: true, Rows: uint16(rows), Cols: uint16(cols),
		Env: []string{"TERM=" + os.Getenv("TERM"), "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}, oci.Options{})
	if err != nil {
		return err
	}
	defer p.Terminal.Close()
	old, err := term.MakeRaw(in)
	if err != nil {
		return err
	}
	defer func() { _ = term.Restore(in, old) }()
	winch := make(chan os.Signal, 1)
	signal.Notify(winch, syscall.SIGWINCH)
	defer signal.Stop(winch)
	go func() {
		for range winch {
			if w, h, err := term.GetSize(in); err == nil {
				_ = p.Resize(uint16(h), uint16(w))
			}
		}
	}()
	go func() { _, _ = io.Copy(p.Terminal, os.Stdin) }()
	_, _ = io.Copy(os.Stdout, p.Terminal) // ends with EIO when the shell ends
	code, err := p.Wait()
	if err == nil && code != 0 {
		err = &codeError{code: code}
	}
	return err
}
