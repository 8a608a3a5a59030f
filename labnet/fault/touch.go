package fault

import (
	"time"

	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/scenarios"
)

// touched is the decoy touch: a file gets a newer time and the same content, so
// that times alone do not show which node was broken.
type touched struct {
	file   string
	ago    time.Duration
	before *node.File
	at     time.Time
}

func touch(p *params) Fault {
	t := &touched{file: p.path("file"), ago: time.Duration(p.fault.Ago)}
	if t.ago <= 0 {
		p.problem("ago is missing: an artefact must be older than the session")
	}
	return t
}

// Fits: any file can be touched.
func (t *touched) Fits([]scenarios.TreeFile) error { return nil }

func (t *touched) Inject(d Disk, start time.Time) error {
	_, file, err := read(d, t.file)
	if err != nil {
		return err
	}
	before := file
	t.at = start.Add(-t.ago)
	file.ModTime = t.at
	if err := d.Write([]node.File{file}); err != nil {
		return err
	}
	t.before = &before
	return nil
}

func (t *touched) Present(d Disk) (bool, error) {
	_, file, err := read(d, t.file)
	return err == nil && t.before != nil && file.ModTime.Equal(t.at), err
}

func (t *touched) Heal(d Disk) error {
	if t.before == nil {
		return nil
	}
	if err := d.Write([]node.File{*t.before}); err != nil {
		return err
	}
	t.before = nil
	return nil
}

func (t *touched) Artefact() string { return t.file + ": touched" }
