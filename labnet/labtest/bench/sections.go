package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/labtest"
	"github.com/situlab/situlab/scenarios"
)

func key(section string, nodes int) string { return fmt.Sprintf("%s/%d", section, nodes) }

// upSection measures the site at its own size: start, checks, reboots, reset,
// teardown.
func (b *bench) upSection(ctx context.Context) error {
	return b.repeat(ctx, key("up", b.scales[0]), func(ctx context.Context, s *sample) (err error) {
		o, err := b.up(ctx, s, b.site)
		if err != nil {
			return err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, b.away(ctx, o))
			}
		}()
		if err := b.checkUnits(s, o); err != nil {
			return err
		}
		for _, r := range []struct {
			class  scenarios.Class
			figure string
		}{{scenarios.Workstation, "reboot_workstation_s"}, {scenarios.Server, "reboot_server_s"}, {scenarios.Router, "reboot_router_s"}} {
			if node := firstOf(o.site, r.class); node != "" {
				if err := b.reboot(ctx, s, o, node, r.figure, "lab", "reboot", o.lab, node); err != nil {
					return err
				}
			}
		}
		if node := firstOf(o.site, scenarios.Server); node != "" {
			if err := b.reboot(ctx, s, o, node, "reboot_typed_s", "lab", "exec", o.lab, node, "--", "systemctl", "reboot"); err != nil {
				return err
			}
		}
		if err := b.reset(ctx, s, o); err != nil {
			return err
		}
		return b.down(ctx, s, o)
	})
}

func firstOf(site *scenarios.Site, class scenarios.Class) string {
	for _, n := range site.Nodes {
		if n.Class == class {
			return n.Name
		}
	}
	return ""
}

// idleSection measures windows of one lab at rest.
func (b *bench) idleSection(ctx context.Context) (err error) {
	var o *observer
	defer func() {
		if o != nil {
			err = errors.Join(err, b.away(ctx, o))
		}
	}()
	return b.repeat(ctx, key("idle", b.scales[0]), func(ctx context.Context, s *sample) (err error) {
		if o == nil {
			if o, err = b.up(ctx, newSample(), b.site); err != nil {
				return err
			}
			// Timers that a boot arms (clock, monitoring) come to rest.
			if err := pause(ctx, 6*settle); err != nil {
				return err
			}
		}
		pid, err := o.controller()
		if err != nil {
			return err
		}
		return idleWindow(ctx, s, labtest.Accounting(o.lab), pid, b.idle)
	})
}

// scaleSection measures the same company with more workstations.
func (b *bench) scaleSection(ctx context.Context) error {
	for _, n := range b.scales[1:] {
		dir := filepath.Join(b.out, fmt.Sprintf("site-%d", n))
		if err := grow(b.site, dir, n); err != nil {
			return err
		}
		err := b.repeat(ctx, key("scale", n), func(ctx context.Context, s *sample) error {
			o, err := b.up(ctx, s, dir)
			if err != nil {
				return err
			}
			// Once per size: thousands of questions are asked for it.
			if len(b.book.values(key("scale", n), "services_checked")) == 0 {
				if err := b.checkUnits(s, o); err != nil {
					return errors.Join(err, b.away(ctx, o))
				}
			}
			return b.down(ctx, s, o)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// idleScript is a candidate who does nothing; the odd number is how the bench
// sees that the candidate's terminal is open.
const idleScript = "sleep 86413\n"

// sessionSection measures a session's controller while nobody types: probes and
// recorders run, which a lab by itself does not have.
func (b *bench) sessionSection(ctx context.Context) (err error) {
	var p *played
	defer func() {
		if p != nil {
			p.end()
		}
	}()
	return b.repeat(ctx, key("session", b.scales[0]), func(ctx context.Context, s *sample) (err error) {
		if p == nil {
			if p, err = b.play(ctx); err != nil {
				return err
			}
		}
		select {
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("the session has ended: %w", err)
		default:
		}
		return idleWindow(ctx, s, labtest.Accounting(p.lab), p.pid, b.idle)
	})
}

// played is a running session.
type played struct {
	lab  string
	pid  int
	done chan error
}

// play starts a session and waits until its candidate's terminal is open.
func (b *bench) play(ctx context.Context) (*played, error) {
	dir := filepath.Join(b.out, "session")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	script := filepath.Join(dir, "idle.sh")
	if err := os.WriteFile(script, []byte(idleScript), 0o644); err != nil {
		return nil, err
	}
	// The interrupt is sent by end, after the windows.
	cmd, out := b.command(context.WithoutCancel(ctx), "run", "lost-connectivity", "--seed", "7", "--script", script, "--as", "bench", "--out", filepath.Join(dir, "out"))
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &played{pid: cmd.Process.Pid, done: make(chan error, 1)}
	go func() {
		_ = cmd.Wait() // its code is in the process's state
		p.done <- fmt.Errorf("situlab run ended with code %d: %s", cmd.ProcessState.ExitCode(), lastLine(out.String()))
	}()
	deadline := time.Now().Add(startTimeout)
	for time.Now().Before(deadline) {
		if p.lab == "" {
			p.lab = labOf(p.pid)
		} else if typing(p.lab) {
			return p, pause(ctx, 6*settle)
		}
		select {
		case err := <-p.done:
			return nil, err
		default:
		}
		if err := pause(ctx, time.Second); err != nil {
			p.end()
			return nil, err
		}
	}
	p.end()
	return nil, errors.New("the session's terminal did not open")
}

// end interrupts the session, which writes its bundle and takes its lab down.
func (p *played) end() {
	_ = syscall.Kill(p.pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(2 * time.Minute):
		say("the session does not end; process %d is left", p.pid)
	}
}

// labOf is the lab that a process holds.
func labOf(pid int) string {
	files, _ := filepath.Glob(filepath.Join(host.Run(), "labs", "*", "lab.json"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		var info struct{ PID int }
		if err == nil && json.Unmarshal(text, &info) == nil && info.PID == pid {
			return filepath.Base(filepath.Dir(f))
		}
	}
	return ""
}

// typing says whether the idle script runs in a node of the lab.
func typing(lab string) bool {
	files, _ := filepath.Glob(labtest.Accounting(lab) + "/*/cgroup.procs")
	more, _ := filepath.Glob(labtest.Accounting(lab) + "/*/*/cgroup.procs")
	for _, f := range append(files, more...) {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for pid := range strings.FieldsSeq(string(text)) {
			if line, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && strings.ReplaceAll(string(line), "\x00", " ") == strings.TrimSpace(idleScript)+" " {
				return true
			}
		}
	}
	return false
}
