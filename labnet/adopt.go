package labnet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/situlab/situlab/labnet/cable"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/node/oci"
)

// The errors of an adoption.
var (
	// ErrNoLab says that there is no lab of that name.
	ErrNoLab = errors.New("there is no such lab")
	// ErrOtherLab says that the lab is not the one that is asked for.
	ErrOtherLab = errors.New("it is another lab")
)

// Halt stops all nodes of a lab whose controller has died, so that nothing
// happens in them that nobody records. They stand still until Adopt and Thaw, or
// gc. Twice is no error.
func Halt(ctx context.Context, name string) error {
	held, err := host.Lock(haltLock(name)) // gc may be at it: it cannot end what is frozen again
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoLab
	}
	if err != nil {
		return err
	}
	defer held.Close()
	return oci.Freeze(ctx, RuntimeState(name))
}

func haltLock(lab string) string { return filepath.Join(host.LabState(lab), "halt") }

// Adopt takes over a lab whose controller has died. cfg is what that one made it
// from; its files are not written again. The lab is paused when Adopt returns,
// whatever it was: recorders can be started before Thaw. A node that has ended
// meanwhile is off; why it ended is not known. On error the lab is left as it
// was found, but stands still.
func Adopt(ctx context.Context, cfg Config) (lab *Lab, err error) {
	if cfg.Observe == nil {
		cfg.Observe = func(Event) {}
	}
	l := newLab(cfg)
	if l.lock, err = reacquire(cfg.Name, cfg.Site.ID, len(cfg.Site.Nodes)); err != nil {
		return nil, fmt.Errorf("adopt lab %s: %w", cfg.Name, err)
	}
	defer func() {
		if err != nil {
			l.end()
			if l.sw != nil {
				err = errors.Join(err, l.sw.Release())
			}
			l.lock.leave()
			err = fmt.Errorf("adopt lab %s: %w", cfg.Name, err)
		}
	}()
	l.idBlock = int(l.lock.info.FirstID >> 16)
	l.start = l.lock.info.Started
	if err := host.RaiseLimits(nodesOfAll()); err != nil {
		return nil, err
	}
	ids := make([]uint32, len(cfg.Site.Nodes))
	for i := range ids {
		ids[i] = idBase(l.idBlock, i)
	}
	newRuntime := cfg.Runtime
	if newRuntime == nil {
		newRuntime = containers
	}
	if l.runtime, err = newRuntime(l.ground(ids)); err != nil {
		return nil, err
	}
	l.disk = host.OpenDisk(host.LabDisks(cfg.Name))
	if !l.disk.Mounted() {
		return nil, fmt.Errorf("its disk is not mounted: %w", ErrNoLab)
	}
	if l.sw, err = cable.OpenSwitch(ctx, cable.Config{Lab: cfg.Name, StateDir: l.lock.dir}); err != nil {
		return nil, err
	}
	for name, ports := range l.lock.info.Held {
		for _, p := range ports {
			_ = l.sw.SetLink(ctx, name, p, true) // a node that is gone meanwhile has none
		}
	}
	if err := l.prepare(); err != nil {
		return nil, err
	}
	ms := l.order()
	if err := each(ctx, workers(), ms, l.adopt); err != nil {
		return nil, err
	}
	l.setPaused(true)
	if err := every(removers(), ms, func(m *machine) error {
		if n, _ := m.now(); n != nil {
			return n.Freeze(ctx)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for _, m := range ms {
		if n, _ := m.now(); n != nil {
			l.watchOver(m, n)
		}
	}
	l.startRelease(ms, time.Now())
	return l, nil
}

// adopt finds a machine's incarnation.
func (l *Lab) adopt(ctx context.Context, m *machine) error {
	n, err := l.runtime.Adopt(ctx, m.spec)
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(n)
	m.state = Starting
	select {
	case <-n.Ready():
		m.state = Up
	default:
	}
	return nil
}

// reacquire locks the state directory of a lab whose controller has died.
func reacquire(name, site string, nodes int) (*lock, error) {
	if !validName.MatchString(name) {
		return nil, &NameError{name}
	}
	dir := host.LabState(name)
	f, err := host.TryLock(filepath.Join(dir, "lock"))
	switch {
	case errors.Is(err, host.ErrHeld):
		info, _ := readInfo(name)
		return nil, &InUseError{info}
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNoLab
	case err != nil:
		return nil, err
	}
	l := &lock{dir: dir, file: f}
	if l.info, err = readInfo(name); err == nil && (l.info.Site != site || l.info.IDs != nodes) {
		err = fmt.Errorf("%w: site %s with %d nodes", ErrOtherLab, l.info.Site, l.info.IDs)
	}
	if err == nil {
		err = l.note(func(i *Info) { i.PID, i.Alive = os.Getpid(), true })
	}
	if err != nil {
		l.leave()
		return nil, err
	}
	return l, nil
}

// Leave gives an adopted lab up without touching it: another process may adopt
// it, or gc removes it.
func (l *Lab) Leave() error {
	l.end()
	l.endRelease()
	close(l.gone)
	l.wg.Wait()
	err := l.sw.Release()
	l.lock.leave()
	return err
}

// Discard removes what a dead controller left of one lab; nothing left is no error.
func Discard(ctx context.Context, name string) error {
	_, err := sweep(ctx, name)
	return err
}

// Keep says that the lab's session can be resumed should its controller die, and
// from where. Empty takes that back.
func (l *Lab) Keep(session, folder string) error {
	return l.lock.note(func(i *Info) { i.Session, i.Folder = session, folder })
}

// Leaving says what a node's systemd is about to do: of a node that was adopted
// the end shows, but not why.
func (l *Lab) Leaving(name string, why node.Reason) {
	if m := l.nodes[name]; m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.leaving = why
	}
}
