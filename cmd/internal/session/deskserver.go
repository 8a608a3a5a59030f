package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/situlab/situlab/cmd/internal/desk"
)

// maxCalls bounds the situ processes served at once: the workstation is in the
// hands of the candidate.
const maxCalls = 32

// verb is one of situ's subcommands.
type verb struct {
	// run does the work; usage errors are returned as usageError.
	run func(*call) error
	// usage is its line of help.
	usage string
	fr    string
	en    string
}

// call is one run of situ by the candidate.
type call struct {
	s    *Session
	ctx  context.Context
	conn *desk.Conn
	args []string
	tty  bool
	lang string
	rows uint16
	cols uint16
	peer int // host pid of situ
	// again: the controller died in the middle of the same call.
	again bool
}

// usageError is shown with the verb's usage; situ ends with code 2.
type usageError struct{ fr, en string }

func (e usageError) Error() string { return e.en }

// refusal is shown as it is; situ ends with code 1.
type refusal struct{ fr, en string }

func (e refusal) Error() string { return e.en }

func (c *call) t(fr, en string) string {
	if c.lang == "en" {
		return en
	}
	return apostrophes(fr)
}

// apostrophes gives a French text the apostrophes of the documents beside it.
func apostrophes(fr string) string { return strings.ReplaceAll(fr, "'", "’") }

func (c *call) printf(fr, en string, args ...any) error {
	return c.conn.Send(desk.Message{Type: desk.Print, Text: fmt.Sprintf(c.t(fr, en), args...)})
}

func (c *call) print(text string) error {
	return c.conn.Send(desk.Message{Type: desk.Print, Text: text})
}

// ask asks one line, or lines until an empty one.
func (c *call) ask(prompt string, lines bool) (string, error) {
	if err := c.conn.Send(desk.Message{Type: desk.Ask, Text: prompt, Lines: lines}); err != nil {
		return "", err
	}
	m, err := c.conn.Receive()
	switch {
	case err != nil:
		return "", err
	case m.Error != "":
		return "", refusal{"saisie interrompue", "input ended"}
	}
	return strings.TrimSpace(m.Text), nil
}

// file asks for a file named on the command line.
func (c *call) file(path string) ([]byte, error) {
	if err := c.conn.Send(desk.Message{Type: desk.Read, Text: path}); err != nil {
		return nil, err
	}
	m, err := c.conn.Receive()
	if err != nil {
		return nil, err
	}
	if m.Error != "" {
		return nil, refusal{"fichier illisible : " + m.Error, "cannot read the file: " + m.Error}
	}
	return m.Data, nil
}

// flags splits "--name value" pairs from the other arguments. Flags in bare
// take no value.
func (c *call) flags(names []string, bare ...string) (map[string]string, []string, error) {
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
	}
	single := map[string]bool{}
	for _, n := range bare {
		single[n] = true
	}
	out, rest := map[string]string{}, []string{}
	for i := 0; i < len(c.args); i++ {
		a := c.args[i]
		if a == "--" {
			rest = append(rest, c.args[i+1:]...)
			break
		}
		name, isFlag := strings.CutPrefix(a, "--")
		if !isFlag {
			rest = append(rest, a)
			continue
		}
		name, value, has := strings.Cut(name, "=")
		switch {
		case single[name] && !has:
			out[name] = "yes"
		case !known[name]:
			return nil, nil, usageError{"option inconnue : --" + name, "unknown option: --" + name}
		case has:
			out[name] = value
		case i+1 < len(c.args):
			i++
			out[name] = c.args[i]
		default:
			return nil, nil, usageError{"valeur manquante après --" + name, "value missing after --" + name}
		}
	}
	return out, rest, nil
}

// deskServer listens on the socket that the administration workstation sees.
type deskServer struct {
	listener *net.UnixListener
	wg       sync.WaitGroup
	slots    chan struct{}
}

// listenDesk makes the socket in dir, open to every account of the node: the
// candidate is root there anyway.
func listenDesk(dir string) (*deskServer, error) {
	path := filepath.Join(dir, desk.Socket)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("the desk's socket: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		l.Close()
		return nil, err
	}
	return &deskServer{listener: l, slots: make(chan struct{}, maxCalls)}, nil
}

// pausedEvery is how often a call looks whether the session goes on.
const pausedEvery = 50 * time.Millisecond

// waitWhilePaused holds a call that comes while the session is paused: the nodes
// run some seconds before the clock, and a program of the candidate's must not
// lose what it has to say.
func (s *Session) waitWhilePaused(ctx context.Context) {
	for s.paused() {
		select {
		case <-time.After(pausedEvery):
		case <-s.over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// serve answers until the listener is closed.
func (d *deskServer) serve(ctx context.Context, s *Session) {
	d.wg.Add(1)
	defer d.wg.Done()
	for {
		conn, err := d.listener.AcceptUnix()
		if err != nil {
			return
		}
		select {
		case d.slots <- struct{}{}:
		default:
			conn.Close() // too many at once; situ says that nobody answers
			continue
		}
		d.wg.Add(1)
		go func() {
			defer d.wg.Done()
			defer func() { <-d.slots }()
			s.answer(ctx, conn)
		}()
	}
}

func (d *deskServer) close() {
	d.listener.Close()
}

// answer serves one run of situ.
func (s *Session) answer(ctx context.Context, conn *net.UnixConn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { <-ctx.Done(); conn.Close() }()
	dc := desk.NewConn(conn)
	hello, err := dc.Receive()
	if err != nil || hello.Type != desk.Hello {
		return
	}
	c := &call{s: s, ctx: ctx, conn: dc, args: hello.Argv, tty: hello.TTY, lang: s.opts.Lang, rows: hello.Rows, cols: hello.Cols, peer: peerPID(conn), again: hello.Again}
	if hello.Lang == "fr" || hello.Lang == "en" {
		c.lang = hello.Lang
	}
	_ = dc.Send(desk.Message{Type: desk.Exit, Code: c.dispatch()})
}

func (c *call) dispatch() int {
	name := "status"
	if len(c.args) > 0 {
		name, c.args = c.args[0], c.args[1:]
	}
	if name == "help" || name == "--help" || name == "-h" {
		return c.help()
	}
	v, ok := verbs()[name]
	if !ok {
		_ = c.conn.Send(desk.Message{Type: desk.Print, Stderr: true, Text: c.t("situ : commande inconnue : ", "situ: unknown command: ") + name + "\n" + c.t("Voir : situ help\n", "See: situ help\n")})
		return 2
	}
	if slices.ContainsFunc(c.args, func(a string) bool { return a == "--help" || a == "-h" }) && !slices.Contains(c.args, "--") {
		_ = c.print(c.usage(v) + "\n    " + c.t(v.fr, v.en) + "\n")
		return 0
	}
	if name != "status" {
		c.s.waitWhilePaused(c.ctx)
	}
	if c.s.isOver() {
		_ = c.printf("L'épreuve est terminée : plus rien n'est enregistré.\n", "The session is finished: nothing is recorded any more.\n")
		return 1
	}
	err := v.run(c)
	var ue usageError
	var re refusal
	var code exitStatus
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSealed):
		_ = c.printf("Déjà enregistré avant la coupure.\n", "It had been recorded before the break.\n")
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &ue):
		_ = c.conn.Send(desk.Message{Type: desk.Print, Stderr: true, Text: "situ: " + c.t(ue.fr, ue.en) + "\n" + c.t("Usage : ", "Usage: ") + c.usage(v) + "\n"})
		return 2
	case errors.As(err, &re):
		_ = c.conn.Send(desk.Message{Type: desk.Print, Stderr: true, Text: "situ: " + c.t(re.fr, re.en) + "\n"})
		return 1
	default:
		_ = c.conn.Send(desk.Message{Type: desk.Print, Stderr: true, Text: "situ: " + c.t("erreur du simulateur, rien n'a été enregistré : ", "simulator error, nothing was recorded: ") + err.Error() + "\n"})
		return 3
	}
}

// errSealed says that a call which is made again had done its work before the
// controller died.
var errSealed = errors.New("sealed before the controller died")

// exitStatus is the exit status of a program run through the console.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usage is a verb's line of help; what stands for something is named in the
// language of the reader.
func (c *call) usage(v verb) string {
	if c.lang != "en" {
		return v.usage
	}
	return placeholders.Replace(v.usage)
}

var placeholders = strings.NewReplacer("TEXTE", "TEXT", "GROUPE", "GROUP", "MACHINE", "MACHINE", "FICHIER", "FILE", "COMMANDE", "COMMAND")

func (c *call) help() int {
	var names []string
	all := verbs()
	for n := range all {
		names = append(names, n)
	}
	sort.Strings(names)
	var b strings.Builder
	b.WriteString(c.t("Commandes du poste d'administration :\n\n", "Commands of the administration workstation:\n\n"))
	for _, n := range names {
		v := all[n]
		if v.usage == "" {
			continue
		}
		fmt.Fprintf(&b, "  %s\n      %s\n", c.usage(v), c.t(v.fr, v.en))
	}
	_ = c.print(b.String())
	return 0
}
