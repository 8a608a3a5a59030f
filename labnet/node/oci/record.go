package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/situlab/situlab/labnet/node"
)

// record is what is written about a node before anything of it is made, and
// what a later process needs to find or remove it (threats D20).
type record struct {
	Lab    string `json:"lab"`
	Name   string `json:"name"`
	CGroup string `json:"cgroup"`
	Disk   string `json:"disk"`
	IDBase uint32 `json:"idBase"`
	// Volumes tell who only attaches to the node where to write.
	Volumes []node.Volume `json:"volumes,omitempty"`
	// PID and Start name PID 1 once it exists.
	PID   int    `json:"pid,omitempty"`
	Start string `json:"start,omitempty"`
	Ready bool   `json:"ready,omitempty"`
}

// The places in a lab's state directory.
func nodesDir(state string) string      { return filepath.Join(state, "nodes") }
func nodeDir(state, name string) string { return filepath.Join(state, "nodes", name) }
func runcRoot(state string) string      { return filepath.Join(state, "runc") }
func recordFile(dir string) string      { return filepath.Join(dir, "node.json") }

// containerID is the node's name for runc, within the lab's own root.
func containerID(lab, name string) string { return "situlab-" + lab + "-" + name }

// save writes the record durably: file, rename, directory.
func (r record) save(dir string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := recordFile(dir) + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("record of node %s: %w", r.Name, err)
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, recordFile(dir))
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("record of node %s: %w", r.Name, err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// loadRecord reads a node's record; os.ErrNotExist means that there is none.
func loadRecord(dir string) (record, error) {
	var r record
	b, err := os.ReadFile(recordFile(dir))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s: %w", recordFile(dir), err)
	}
	return r, nil
}

// exists says whether the recorded PID 1 is there, running or not yet reaped.
func (r record) exists() bool {
	if r.PID == 0 {
		return false
	}
	_, f, err := readStat(r.PID)
	return err == nil && f[19] == r.Start
}

// live takes hold of the recorded PID 1 if it is still the same process.
func (r record) live() (*process, error) {
	if r.PID == 0 {
		return nil, os.ErrProcessDone
	}
	p, err := openProcess(r.PID)
	if err != nil {
		return nil, os.ErrProcessDone
	}
	if at, err := startTime(r.PID); err != nil || at != r.Start {
		p.close()
		return nil, os.ErrProcessDone
	}
	return p, nil
}
