package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/host"
)

// Sweep removes what a killed controller left of the lab whose state directory
// is given: its processes, mounts, cgroups and runc's files, named by the
// records that were written before they were made. Disks stay. It says what it
// removed; nothing left is no error, and neither is a missing directory.
func Sweep(ctx context.Context, state string) ([]string, error) {
	state = filepath.Clean(state)
	if !filepath.IsAbs(state) {
		return nil, fmt.Errorf("sweep %q: an absolute path is needed", state)
	}
	entries, err := os.ReadDir(nodesDir(state))
	if os.IsNotExist(err) {
		entries, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	cg, err := detectCGroups()
	if err != nil {
		return nil, err
	}
	// A runc that outlived the controller would go on making things.
	var removed []string
	var errs []error
	var helpers errgroup.Group
	for _, pid := range runcsOf(state) {
		if killRunc(ctx, pid, &helpers) == nil {
			removed = append(removed, fmt.Sprintf("process %d (runc)", pid))
		}
	}
	labs := map[string]bool{}
	for _, e := range entries {
		dir := filepath.Join(nodesDir(state), e.Name())
		rec, err := loadRecord(dir)
		if err != nil {
			// Killed between mkdir and the record: nothing else was made.
			os.Remove(recordFile(dir) + ".new")
			if rerr := os.Remove(dir); rerr != nil {
				errs = append(errs, errors.Join(err, rerr))
			}
			continue
		}
		labs[rec.Lab] = true
		if err := sweepNode(ctx, state, cg, dir, rec); err != nil {
			errs = append(errs, fmt.Errorf("node %s: %w", rec.Name, err))
			continue
		}
		removed = append(removed, "node "+rec.Lab+"/"+rec.Name)
	}
	// After the nodes: one in a frozen cgroup could not die.
	errs = append(errs, helpers.Wait())
	for lab := range labs {
		cg.removeEmpty(labCGroup(lab))
	}
	cg.removeEmpty("/" + cgroupRoot)
	if errors.Join(errs...) == nil {
		errs = append(errs, removeState(state))
	}
	return removed, errors.Join(errs...)
}

// Freeze stops all nodes of the lab whose state directory is given, whoever made
// them; those that have ended do not matter.
func Freeze(ctx context.Context, state string) error {
	entries, err := os.ReadDir(nodesDir(filepath.Clean(state)))
	if err != nil {
		return err
	}
	cg, err := detectCGroups()
	if err != nil {
		return err
	}
	var g errgroup.Group
	errs := make([]error, len(entries))
	for i, e := range entries {
		g.Go(func() error {
			rec, err := loadRecord(filepath.Join(nodesDir(state), e.Name()))
			if err != nil || !rec.exists() {
				return nil //nolint:nilerr // nothing runs in it yet, or any more
			}
			if err := cg.freeze(ctx, rec.CGroup, true); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs[i] = fmt.Errorf("node %s: %w", rec.Name, err)
			}
			return nil
		})
	}
	_ = g.Wait()
	return errors.Join(errs...)
}

// sweepNode removes one node by its record. The record goes last, so that an
// interrupted removal can be repeated.
func sweepNode(ctx context.Context, state string, cg hierarchies, dir string, rec record) error {
	var ns string
	if rec.exists() { // as an orphan of ours it may have ended and not be reaped
		ns = orphans.know(rec.PID)
	}
	init, err := rec.live()
	if err == nil {
		defer init.close()
		if err := init.signal(unix.SIGKILL); err != nil {
			return err
		}
	}
	// A frozen process does not die; who cannot be thawed will show below.
	if d, ok := cg.with("freezer", rec.CGroup); ok {
		_ = os.WriteFile(filepath.Join(d, "freezer.state"), []byte("THAWED"), 0)
	}
	pids := cg.procs(rec.CGroup)
	for _, pid := range pids {
		if ns == "" { // killed before its PID 1 was recorded
			ns = orphans.know(pid)
		}
	}
	orphans.reap()
	for _, pid := range pids {
		if err := killAndWait(ctx, pid); err != nil {
			return err
		}
	}
	// By now it may have left its cgroup and still wait for its last children.
	if init != nil {
		if err := init.killAndWait(ctx); err != nil {
			return err
		}
	}
	orphans.forget(ns)
	points, err := host.MountsUnder(dir)
	if err != nil {
		return err
	}
	slices.Reverse(points)
	for _, p := range points {
		if err := unmount(p); err != nil {
			return err
		}
	}
	if err := cg.remove(ctx, rec.CGroup); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(runcRoot(state), containerID(rec.Lab, rec.Name))); err != nil {
		return err
	}
	return removeNodeDir(dir)
}

// removeNodeDir removes a node's directory by the names that we make there:
// never recursively where a mount could still lead to the node's files.
func removeNodeDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		p := filepath.Join(dir, e.Name())
		switch {
		case p == recordFile(dir):
			continue
		case strings.HasPrefix(e.Name(), execPrefix): // files of one exec
			err = os.RemoveAll(p)
		default:
			err = os.Remove(p)
		}
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if err := os.Remove(recordFile(dir)); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Remove(dir); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// runcsOf finds processes of runc that work on this lab's root directory: its
// exact path is one of their arguments.
func runcsOf(state string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	want := [][]byte{[]byte("--root"), []byte(runcRoot(state))}
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err != nil {
			continue
		}
		args := bytes.Split(b, []byte{0})
		for i := 1; i+1 < len(args); i++ {
			if bytes.Equal(args[i], want[0]) && bytes.Equal(args[i+1], want[1]) {
				out = append(out, pid)
				break
			}
		}
	}
	return out
}

// killAndWait kills a process and waits for its end, whoever its parent is.
func killAndWait(ctx context.Context, pid int) error {
	p, err := openProcess(pid)
	if err != nil {
		return nil //nolint:nilerr // it has ended
	}
	defer p.close()
	return p.killAndWait(ctx)
}

func (p *process) killAndWait(ctx context.Context) error {
	if err := p.signal(unix.SIGKILL); err != nil {
		return err
	}
	limit := time.Now().Add(patience)
	if d, ok := ctx.Deadline(); ok {
		limit = d
	}
	if err := p.fd.SetReadDeadline(limit); err != nil {
		return err
	}
	if err := p.ended(); err != nil {
		return fmt.Errorf("process %d does not end: %w", p.pid, err)
	}
	_, _, err := p.wait() // reaps it if it is our own orphan
	return err
}

// killRunc kills a runc and hands its helpers, of which those of an exec are not
// in the node's cgroup yet, to a group that waits for their end.
func killRunc(ctx context.Context, pid int, group *errgroup.Group) error {
	p, err := openProcess(pid)
	if err != nil {
		return nil //nolint:nilerr // it has ended
	}
	defer p.close()
	helpers, err := cutOff(p)
	for _, h := range helpers {
		group.Go(func() error {
			defer h.close()
			return h.killAndWait(ctx)
		})
	}
	if err != nil {
		return err
	}
	return p.killAndWait(ctx)
}
