package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/labtest"
	"github.com/situlab/situlab/scenarios"
)

// startTimeout bounds a lab's start; the largest site on a slow host needs minutes.
const startTimeout = 10 * time.Minute

// settle is waited before memory is read: late work of a boot ends, and what the
// lab before left in the kernel is freed.
const settle = 5 * time.Second

var labNumber int

// labName is a name that no lab of this or an earlier run has.
func labName() string {
	labNumber++
	return fmt.Sprintf("%s%d-%d", labPrefix, os.Getpid(), labNumber)
}

// command is a situlab command that an interrupt ends softly: it takes down
// what it has begun.
func (b *bench) command(ctx context.Context, args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(ctx, b.situlab, append([]string{"--lang", "en"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// do runs a situlab command to its end.
func (b *bench) do(ctx context.Context, args ...string) (string, error) {
	cmd, out := b.command(ctx, args...)
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("situlab %s: %w: %s", strings.Join(args, " "), err, lastLine(out.String()))
	}
	return out.String(), nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// up starts a lab and measures until it is ready. On error the lab is down.
func (b *bench) up(ctx context.Context, s *sample, ref string) (*observer, error) {
	site, err := scenarios.LoadSite(ref)
	if err != nil {
		return nil, err
	}
	if site, err = scenarios.Expand(site, 0); err != nil {
		return nil, err
	}
	o := newObserver(labName(), site)
	unix.Sync()
	if err := pause(ctx, settle); err != nil {
		return nil, err
	}
	before, err := memAvailable(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.watchUp(ctx, s, o, ref); err != nil {
		return nil, errors.Join(err, b.away(ctx, o))
	}
	if err := pause(ctx, settle); err != nil {
		return nil, errors.Join(err, b.away(ctx, o))
	}
	after, err := memAvailable(ctx)
	if err != nil {
		return nil, errors.Join(err, b.away(ctx, o))
	}
	s.Figures["memory_mb"] = (before - after) / 1e6
	if pid, err := o.controller(); err == nil {
		rss, pss := memoryOf(family(pid))
		s.Figures["controller_rss_mb"], s.Figures["controller_pss_mb"] = rss/1e6, pss/1e6
	} else {
		s.finding("controller: %v", err)
	}
	return o, nil
}

// watchUp runs "lab up" and the observers beside it.
func (b *bench) watchUp(ctx context.Context, s *sample, o *observer, ref string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	begin := instant()
	cmd, out := b.command(ctx, "lab", "up", ref, "--name", o.lab)
	if err := cmd.Start(); err != nil {
		return err
	}
	said := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		s.Figures["said_ready_s"] = instant() - begin // read after said
		if err != nil {
			err = fmt.Errorf("situlab lab up: %w: %s", err, lastLine(out.String()))
			fail(err)
		}
		said <- err
	}()
	var wired, created, started, shell float64
	var ready times
	g, gctx := errgroup.WithContext(ctx)
	// What has been seen is said at once: a start that hangs shows where.
	o.saw = func(what string) { say("  %s after %.2f s", what, instant()-begin) }
	g.Go(func() (err error) {
		if wired, err = o.waitCables(gctx); err == nil {
			o.saw("cables")
		}
		return err
	})
	admin, hasInit := "", make(chan struct{})
	if n := o.site.AdminNode(); n != nil {
		admin = n.Name
	}
	g.Go(func() (err error) {
		if shell, err = b.firstShell(gctx, o, admin, hasInit); err == nil {
			o.saw("shell")
		}
		return err
	})
	g.Go(func() (err error) {
		created, started, err = o.waitInits(gctx, nil, func(node string) {
			if node == admin {
				close(hasInit)
			}
		})
		if err == nil {
			o.saw("inits")
			ready, err = o.waitReady(gctx, s)
		}
		return err
	})
	err := g.Wait()
	if err != nil && ctx.Err() == nil {
		fail(err)
	}
	if serr := <-said; serr != nil {
		err = serr // the cause: what the observers missed is its consequence
	}
	if err != nil {
		return err
	}
	f := s.Figures
	f["wired_s"], f["started_s"], f["shell_s"] = max(wired, created)-begin, started-begin, shell-begin
	f["running_s"], f["leases_s"], f["ready_s"] = ready.running-begin, ready.leases-begin, ready.all()-begin
	f["probes"] = float64(ready.probes)
	o.checkNamespaces(s)
	o.checkCables(s)
	return nil
}

// firstShell starts login shells as the candidate's account on the admin
// workstation until one answers.
func (b *bench) firstShell(ctx context.Context, o *observer, admin string, hasInit <-chan struct{}) (float64, error) {
	select {
	case <-hasInit:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	args := []string{"lab", "exec"}
	if n := o.site.AdminNode(); n != nil {
		if p := o.site.PersonByID(n.User); p != nil {
			args = append(args, "--user", p.Login)
		}
	}
	args = append(args, o.lab, admin, "--", "bash", "-lc", "echo shell on $(hostname)")
	for {
		out, err := b.do(ctx, args...)
		if err == nil && strings.Contains(out, "shell on "+admin) {
			return instant(), nil
		}
		if perr := pause(ctx, 50*time.Millisecond); perr != nil {
			return 0, fmt.Errorf("no shell on %s: %w", admin, errors.Join(perr, err))
		}
	}
}

// times are the moments of a start, as [instant].
type times struct {
	running, leases, green float64
	probes                 int
}

func (t times) all() float64 { return max(t.running, t.leases, t.green) }

// waitReady waits until every systemd runs, every workstation has its lease and
// every probe is green.
//
// The order is not that of the events: leases and probes are watched as they
// come, at little cost. Systemd notes its own moments, so it is asked when all
// the rest is over and the questions disturb nothing.
func (o *observer) waitReady(ctx context.Context, s *sample) (t times, err error) {
	if t.leases, err = o.waitLeases(ctx); err != nil {
		return t, err
	}
	o.saw("leases")
	if t.green, t.probes, err = o.waitGreen(ctx); err != nil {
		return t, err
	}
	o.saw("green")
	if t.running, err = o.waitRunning(ctx, s); err == nil {
		o.saw("running (asked)")
	}
	return t, err
}

// away takes a lab down, whatever has happened to it; an interrupt does not
// stop it.
func (b *bench) away(ctx context.Context, o *observer) error {
	if _, err := os.Stat(host.LabState(o.lab)); err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	_, err := b.do(ctx, "lab", "down", o.lab)
	return err
}

// down measures the teardown: until the command has returned and nothing of the
// lab is left.
func (b *bench) down(ctx context.Context, s *sample, o *observer) error {
	begin := instant()
	if _, err := b.do(ctx, "lab", "down", o.lab); err != nil {
		return err
	}
	s.Figures["down_returned_s"] = instant() - begin
	left := o.left()
	for first := left; len(left) > 0; left = o.left() {
		if instant()-begin > 30 {
			s.finding("left after teardown: %s", strings.Join(left, ", "))
			break
		}
		if s.Notes == nil {
			s.note("still there when lab down returned: %s", first[0])
		}
		if err := pause(ctx, look); err != nil {
			return err
		}
	}
	s.Figures["down_s"] = instant() - begin
	return nil
}

// reboot measures one node's reboot until its new systemd runs.
func (b *bench) reboot(ctx context.Context, s *sample, o *observer, node, figure string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	old := o.pid(node)
	begin := instant()
	ended := make(chan error, 1)
	go func() {
		_, err := b.do(ctx, args...)
		ended <- err
	}()
	for {
		if pid := labtest.FindInit(labtest.Accounting(o.lab), node); pid != 0 && pid != old {
			if boot, err := askBoot(pid); err == nil && boot.done() {
				o.mu.Lock()
				o.inits[node] = pid
				o.mu.Unlock()
				s.Figures[figure] = boot.finished - begin
				if boot.state != "running" {
					s.finding("%s after its reboot: systemd says %s", node, boot.state)
				}
				break
			}
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return fmt.Errorf("reboot of %s: %w", node, err)
		}
	}
	// A command typed inside dies with its node: its exit code says nothing.
	if err := <-ended; err != nil && args[1] != "exec" {
		return err
	}
	return nil
}

// reset measures "lab reset" until the lab is ready again.
func (b *bench) reset(ctx context.Context, s *sample, o *observer) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	old := map[int]bool{}
	for _, p := range o.pids() {
		old[p] = true
	}
	begin := instant()
	o.saw = func(what string) { say("  reset: %s after %.2f s", what, instant()-begin) }
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		_, err := b.do(gctx, "lab", "reset", o.lab)
		s.Figures["reset_returned_s"] = instant() - begin
		return err
	})
	var ready times
	g.Go(func() error {
		_, _, err := o.waitInits(gctx, old, nil)
		if err == nil {
			ready, err = o.waitReady(gctx, s)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	s.Figures["reset_s"] = ready.all() - begin
	return nil
}

// idleWindow measures the CPU time of a lab at rest.
func idleWindow(ctx context.Context, s *sample, dir string, controller int, window time.Duration) error {
	members := family(controller)
	lab, err := cgroupCPU(dir)
	if err != nil {
		return err
	}
	own := cpuOf(members)
	machine, err := readCPU()
	if err != nil {
		return err
	}
	begin := instant()
	if err := pause(ctx, window); err != nil {
		return err
	}
	took := instant() - begin
	lab2, err := cgroupCPU(dir)
	if err != nil {
		return err
	}
	machine2, err := readCPU()
	if err != nil {
		return err
	}
	f := s.Figures
	f["idle_lab_pct"] = 100 * (lab2 - lab) / took
	f["idle_controller_pct"] = 100 * (cpuOf(members) - own) / took
	f["idle_pct"] = f["idle_lab_pct"] + f["idle_controller_pct"]
	f["idle_machine_pct"] = machine2.since(machine).busyPercent()
	rss, pss := memoryOf(members)
	f["controller_rss_mb"], f["controller_pss_mb"] = rss/1e6, pss/1e6
	return nil
}
