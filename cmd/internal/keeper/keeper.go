// Package keeper is the process that holds a lab after "lab up" has returned:
// it owns the nodes, brings a rebooted one back, and answers the other lab
// commands over the control socket. It lives until "lab down".
package keeper

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/situlab/situlab/cmd/internal/control"
	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/fault"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/scenarios"
)

// Verb is the hidden first argument that makes situlab a keeper.
const Verb = "__keeper"

// Options says which lab to keep; it travels to the keeper as JSON.
type Options struct {
	Site string `json:"site"`
	Name string `json:"name"`
	Seed uint64 `json:"seed"`
	Lang string `json:"lang"`
}

// Started is what "lab up" prints.
type Started struct {
	Lab    string `json:"lab"`
	Nodes  int    `json:"nodes"`
	PID    int    `json:"pid"`
	Probes int    `json:"probes"`
}

// progress is one line that the keeper writes to its parent while it starts.
type progress struct {
	Step  string   `json:"step,omitempty"`
	Done  int      `json:"done,omitempty"`
	Total int      `json:"total,omitempty"`
	Ready *Started `json:"ready,omitempty"`
	Error string   `json:"error,omitempty"`
	Code  int      `json:"code,omitempty"`
}

// StartError is what a keeper said before it gave up; it carries the exit code.
type StartError struct {
	Text string
	Code int
}

func (e *StartError) Error() string { return e.Text }

// Start runs a keeper and waits until its lab is ready.
func Start(ctx context.Context, o Options, u *ui.UI) (*Started, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	arg, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, Verb, string(arg))
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	sc := bufio.NewScanner(out)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var p progress
		if err := json.Unmarshal(sc.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("the keeper of lab %s said %q", o.Name, sc.Text())
		}
		switch {
		case p.Ready != nil:
			return p.Ready, cmd.Process.Release()
		case p.Error != "":
			_ = cmd.Wait()
			return nil, &StartError{p.Error, p.Code}
		case p.Total > 0:
			u.Progress(p.Step, p.Done, p.Total)
		default:
			u.Step("%s", p.Step)
		}
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("the keeper of lab %s ended early: %w", o.Name, err)
}

// Main is the keeper's life. exit maps an error to situlab's exit code.
func Main(arg string, exit func(error) int) int {
	var o Options
	if err := json.Unmarshal([]byte(arg), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	signal.Ignore(syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	enc := json.NewEncoder(os.Stdout)
	var mu sync.Mutex
	say := func(p progress) {
		mu.Lock()
		defer mu.Unlock()
		_ = enc.Encode(p)
	}
	k, err := start(ctx, o, say)
	if err != nil {
		say(progress{Error: ui.New(false, o.Lang).Text(err), Code: exit(err)})
		return exit(err)
	}
	say(progress{Ready: &k.started})
	// The parent is gone from here on.
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err == nil {
		for fd := range 3 {
			_ = syscall.Dup3(int(null.Fd()), fd, 0)
		}
	}
	select {
	case <-ctx.Done():
	case <-k.down:
	}
	err = k.lab.Close(context.Background())
	k.downErr <- err
	_ = k.server.Close() // the one who asked has the answer then
	if err != nil {
		return exit(err)
	}
	return 0
}

// keeper holds one lab; its exported methods are the control calls.
type keeper struct {
	lab     *labnet.Lab
	site    *scenarios.Site
	started Started
	server  *control.Server
	ui      *ui.UI
	down    chan struct{}
	once    sync.Once
	downErr chan error

	mu     sync.Mutex
	faults map[string]injected
	next   int
}

type injected struct {
	spec  scenarios.Fault
	fault fault.Fault
}

func start(ctx context.Context, o Options, say func(progress)) (*keeper, error) {
	site, err := scenarios.LoadSite(o.Site)
	if err != nil {
		return nil, err
	}
	if site, err = scenarios.Expand(site, o.Seed); err != nil {
		return nil, err
	}
	u := ui.New(false, o.Lang)
	u.Err = lines{say}
	k := &keeper{site: site, ui: u, down: make(chan struct{}), downErr: make(chan error, 1), faults: map[string]injected{}}
	if k.lab, err = provision.Lab(ctx, provision.Options{Name: o.Name, Site: site, Start: time.Now(), UI: u}); err != nil {
		return nil, err
	}
	results, err := provision.WaitGreen(ctx, k.lab, u)
	if err == nil {
		err = saveSite(o.Name, site)
	}
	if err == nil {
		k.server, err = control.Serve(o.Name, (*calls)(k))
	}
	if err != nil {
		return nil, errors.Join(err, k.lab.Close(context.WithoutCancel(ctx)))
	}
	k.started = Started{Lab: o.Name, Nodes: len(site.Nodes), PID: os.Getpid(), Probes: len(results)}
	return k, nil
}

// lines passes the UI's lines on to the parent.
type lines struct{ say func(progress) }

func (l lines) Write(b []byte) (int, error) {
	text := string(b)
	// The parent adds its own clock.
	if i := indexAfter(text, "s] "); i > 0 {
		text = text[i:]
	}
	for len(text) > 0 && (text[len(text)-1] == '\n' || text[len(text)-1] == ' ') {
		text = text[:len(text)-1]
	}
	if text != "" {
		l.say(progress{Step: text})
	}
	return len(b), nil
}

func indexAfter(s, sep string) int {
	for i := 0; i+len(sep) <= len(s); i++ {
		if s[i:i+len(sep)] == sep {
			return i + len(sep)
		}
	}
	return 0
}

func siteFile(lab string) string { return filepath.Join(host.LabState(lab), "site.json") }

// saveSite keeps the expanded site for commands that only look at it.
func saveSite(lab string, site *scenarios.Site) error {
	b, err := json.Marshal(site)
	if err != nil {
		return err
	}
	return os.WriteFile(siteFile(lab), b, 0o600)
}

// SiteOf is the expanded site of a running lab.
func SiteOf(lab string) (*scenarios.Site, error) {
	f, err := os.Open(siteFile(lab))
	if err != nil {
		return nil, &control.NobodyError{Lab: lab, Err: err}
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	var site scenarios.Site
	if err := json.Unmarshal(b, &site); err != nil {
		return nil, fmt.Errorf("read the site of lab %s: %w", lab, err)
	}
	return &site, nil
}
