package labnet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/situlab/situlab/labnet/cable"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node/oci"
	"github.com/situlab/situlab/labnet/volume"
)

// GC removes everything that killed controllers left: it follows the intents in
// the state directories and touches nothing else. Labs whose controller lives
// stay, and those that keep, if given, wants to keep, with their desks. It
// returns what it removed; twice is no error.
func GC(ctx context.Context, keep func(Info) bool) ([]string, error) {
	var removed []string
	var errs []error
	var kept []string
	for _, name := range running() {
		info, _ := readInfo(name)
		if info.Alive {
			continue
		}
		if info.Session != "" && keep != nil && keep(info) {
			kept = append(kept, info.Session)
			continue
		}
		done, err := sweep(ctx, name)
		removed = append(removed, done...)
		errs = append(errs, err)
	}
	for _, sweep := range []func() ([]string, error){sweepDisks, func() ([]string, error) { return sweepDesks(kept) }} {
		done, err := sweep()
		removed = append(removed, done...)
		errs = append(errs, err)
	}
	if len(running()) == 0 {
		errs = append(errs, host.RestoreLimits())
		removeEmptyRun()
	}
	return removed, errors.Join(errs...)
}

func sweep(ctx context.Context, name string) ([]string, error) {
	dir := host.LabState(name)
	lock, err := host.TryLock(filepath.Join(dir, "lock"))
	if errors.Is(err, host.ErrHeld) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil // somebody else is at it, or was
	}
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	halting, err := host.Lock(haltLock(name))
	if err != nil {
		return nil, err
	}
	defer halting.Close()
	removed, err := oci.Sweep(ctx, RuntimeState(name))
	errs := []error{err, cable.Sweep(ctx, dir), volume.Sweep(ctx, dir), host.OpenDisk(host.LabDisks(name)).Remove()}
	if err := errors.Join(errs...); err != nil {
		return removed, fmt.Errorf("lab %s: %w", name, err)
	}
	if err := removeState(dir); err != nil {
		return removed, fmt.Errorf("lab %s: %w", name, err)
	}
	return append(removed, "lab "+name), nil
}

// sweepDisks removes disks whose lab has no state any more: a power cut empties
// the state directory. It unmounts everything, too: a disk that is mounted is a
// lab's whose state lies in another run directory.
func sweepDisks() ([]string, error) {
	entries, _ := os.ReadDir(filepath.Dir(host.LabDisks("x")))
	var removed []string
	var errs []error
	for _, e := range entries {
		if _, err := os.Stat(host.LabState(e.Name())); err == nil || !e.IsDir() {
			continue
		}
		disk := host.OpenDisk(host.LabDisks(e.Name()))
		if disk.Mounted() {
			continue
		}
		if err := disk.Remove(); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, "disk of lab "+e.Name())
	}
	return removed, errors.Join(errs...)
}

// Tidy removes the run directory of the host when no lab runs and nothing of
// anybody is in it: for whoever kept something there longer than its lab.
func Tidy() {
	if len(running()) == 0 {
		removeEmptyRun()
	}
}

// removeEmptyRun removes the run directory when nothing is in it but our locks.
func removeEmptyRun() {
	entries, err := os.ReadDir(host.Run())
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Name() != "labs" && !strings.HasSuffix(e.Name(), ".lock") {
			return
		}
	}
	if err := os.Remove(filepath.Join(host.Run(), "labs")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return // a lab has come
	}
	for _, e := range entries {
		if e.Name() == "labs" {
			continue
		}
		f, err := host.TryLock(filepath.Join(host.Run(), e.Name()))
		if err != nil {
			return
		}
		_ = os.Remove(f.Name())
		f.Close()
	}
	_ = os.Remove(host.Run())
}
