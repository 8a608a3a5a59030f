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
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/situlab/situlab/cmd/internal/control"
	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/fault"
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

// message is one line of JSON that the keeper writes to its parent while it
// starts: a report to show, or how the start ended.
type message struct {
	ui.Report
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
		var m message
		if err := json.Unmarshal(sc.Bytes(), &m); err != nil {
			return nil, fmt.Errorf("the keeper of lab %s said %q", o.Name, sc.Text())
		}
		switch {
		case m.Ready != nil:
			return m.Ready, cmd.Process.Release()
		case m.Error != "":
			_ = cmd.Wait()
			return nil, &StartError{m.Error, m.Code}
		}
		u.Say(m.Report)
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
	say := func(m message) {
		mu.Lock()
		defer mu.Unlock()
		_ = enc.Encode(m)
	}
	k, err := start(ctx, o, say)
	if err != nil {
		say(message{Error: ui.New(false, o.Lang).Text(err), Code: exit(err)})
		return exit(err)
	}
	say(message{Ready: &k.started})
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
	k.end()
	k.work.Lock() // what was at work on the lab has given up
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
	talk    control.Talk // what is said once the lab is ready
	life    context.Context
	end     context.CancelFunc
	work    sync.Mutex // held by what works on the lab as a whole
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

func start(ctx context.Context, o Options, say func(message)) (*keeper, error) {
	site, err := scenarios.LoadSite(o.Site)
	if err != nil {
		return nil, err
	}
	if site, err = scenarios.Expand(site, o.Seed); err != nil {
		return nil, err
	}
	k := &keeper{site: site, down: make(chan struct{}), downErr: make(chan error, 1), faults: map[string]injected{}}
	k.life, k.end = context.WithCancel(context.WithoutCancel(ctx))
	var ready atomic.Bool
	k.ui = ui.Relay(o.Lang, func(r ui.Report) {
		if ready.Load() {
			k.talk.Say(r)
		} else {
			say(message{Report: r})
		}
	})
	if k.lab, err = provision.Lab(ctx, provision.Options{Name: o.Name, Site: site, Start: time.Now(), UI: k.ui}); err != nil {
		return nil, err
	}
	results, err := provision.WaitGreen(ctx, k.lab, k.ui)
	if err == nil {
		k.server, err = control.Serve(o.Name, (*calls)(k))
	}
	if err != nil {
		return nil, errors.Join(err, k.lab.Close(context.WithoutCancel(ctx)))
	}
	ready.Store(true)
	k.started = Started{Lab: o.Name, Nodes: len(site.Nodes), PID: os.Getpid(), Probes: len(results)}
	return k, nil
}
