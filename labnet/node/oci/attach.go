package oci

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Attached is a running node seen from a process that does not own it: what
// holds a terminal. It has Exec, Spawn, Open, Write and Delete of a [Node].
type Attached struct{ door }

// Attach finds a running node by the lab's state directory and their names. The
// calling process becomes a child subreaper, so that it gets the exit status of
// what it spawns. The error is os.ErrNotExist if there is no such node and
// os.ErrProcessDone if it has ended.
func Attach(state, lab, name string) (*Attached, error) {
	path, err := exec.LookPath("runc")
	if err != nil {
		return nil, &HostError{What: "the OCI runtime is missing", Do: "apt install runc", Err: err}
	}
	dir := nodeDir(state, name)
	rec, err := loadRecord(dir)
	if err != nil {
		return nil, fmt.Errorf("attach to node %s: %w", name, err)
	}
	if rec.Lab != lab {
		return nil, fmt.Errorf("attach to node %s: %s holds lab %s, not %s: %w", name, state, rec.Lab, lab, os.ErrNotExist)
	}
	p, err := rec.live()
	if err != nil {
		return nil, fmt.Errorf("attach to node %s: %w", name, err)
	}
	p.close()
	return &Attached{door{state: state, runc: path, dir: dir, rec: rec}}, nil
}

// PID is the host pid of the node's PID 1 at the time of Attach.
func (a *Attached) PID() int { return a.rec.PID }

// capabilities are those of the bundle.
var capabilities = sync.OnceValues(func() (*specs.LinuxCapabilities, error) {
	var c specs.Spec
	if err := json.Unmarshal(template, &c); err != nil {
		return nil, fmt.Errorf("embedded config.json: %w", err)
	}
	return c.Process.Capabilities, nil
})
