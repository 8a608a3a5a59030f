package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/situlab/situlab/labnet/node"
)

// Config says where a lab's runtime works.
type Config struct {
	// State is the lab's own directory on the host, absolute, kept until the
	// lab is removed (/run/situlab/labs/NAME). The node's mapped root passes
	// through it while it is created: all directories above need mode x for
	// others, as New's 0711. A node's own directory lets only that node pass.
	State string
	// IDs are the first ids of the ranges that nodes will have, as far as they
	// are known: their user namespaces are then made ahead, all together.
	IDs []uint32
	// Memory (bytes) and PIDs bound what all nodes of a lab use together, beside
	// what each may use; 0 is no bound.
	Memory, PIDs int64
	// Runc is the OCI runtime's program; empty means "runc" on the PATH.
	Runc string
}

// Runtime makes the nodes of one lab. It implements [node.Runtime].
type Runtime struct {
	cfg Config
	cg  hierarchies
	ids idNamespaces

	mu   sync.Mutex
	labs map[string]bool
}

var _ node.Runtime = (*Runtime)(nil)

// New prepares the state directory. It makes the calling process a child
// subreaper: from then on, orphans of its children become its own children.
func New(c Config) (*Runtime, error) {
	if !filepath.IsAbs(c.State) || filepath.Clean(c.State) != c.State {
		return nil, fmt.Errorf("state directory %q: an absolute, clean path is needed", c.State)
	}
	if os.Geteuid() != 0 {
		return nil, &HostError{What: "nodes need root", Do: "run situlab with sudo"}
	}
	if c.Runc == "" {
		c.Runc = "runc"
	}
	path, err := exec.LookPath(c.Runc)
	if err != nil {
		return nil, &HostError{What: "the OCI runtime is missing", Do: "apt install runc", Err: err}
	}
	c.Runc = path
	cg, err := detectCGroups()
	if err != nil {
		return nil, err
	}
	if err := beSubreaper(); err != nil {
		return nil, err
	}
	for _, d := range []string{c.State, nodesDir(c.State), runcRoot(c.State)} {
		if err := os.MkdirAll(d, 0o711); err != nil {
			return nil, fmt.Errorf("state directory: %w", err)
		}
	}
	if err := passable(c.State); err != nil {
		return nil, err
	}
	for _, d := range []string{nodesDir(c.State), runcRoot(c.State)} {
		if err := mountState(d); err != nil {
			return nil, errors.Join(err, removeState(c.State))
		}
	}
	r := &Runtime{cfg: c, cg: cg, labs: map[string]bool{}}
	r.ids.make(c.IDs...)
	return r, nil
}

// CGroupMode says how the host arranges its control groups.
func (r *Runtime) CGroupMode() Mode { return r.cg.mode }

// Close forgets what belongs to no node; while nodes exist it leaves them, and
// all that they need, in place. Closing twice is no error.
func (r *Runtime) Close() error {
	r.ids.close()
	entries, err := os.ReadDir(nodesDir(r.cfg.State))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if len(entries) > 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for lab := range r.labs {
		r.cg.removeEmpty(labCGroup(lab))
	}
	r.cg.removeEmpty("/" + cgroupRoot)
	return removeState(r.cfg.State)
}

// passable checks that a node's mapped root can reach the state directory.
func passable(dir string) error {
	for d := dir; d != "/"; d = filepath.Dir(d) {
		st, err := os.Stat(d)
		if err != nil {
			return err
		}
		if st.Mode()&1 == 0 {
			return &HostError{What: "nodes cannot pass through " + d, Do: "chmod o+x " + d + ", or choose another place"}
		}
	}
	return nil
}

// removeState takes away the empty frame that New made.
func removeState(state string) error {
	for _, d := range []string{nodesDir(state), runcRoot(state)} {
		if err := unmount(d); err != nil {
			return err
		}
		if err := os.Remove(d); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("state directory: %w", err)
		}
	}
	_ = os.Remove(state) // stays if its owner keeps other things there
	return nil
}

// nameRule is what a lab or a node may be called: it becomes a host name, a
// directory and a cgroup.
var nameRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func check(s node.Spec) error {
	bad := func(format string, a ...any) error { return &SpecError{Node: s.Name, What: fmt.Sprintf(format, a...)} }
	switch {
	case !nameRule.MatchString(s.Name):
		return bad("a name is 1 to 63 of a-z, 0-9 and -, not starting or ending with -")
	case !nameRule.MatchString(s.Lab):
		return bad("lab %q: a name is 1 to 63 of a-z, 0-9 and -", s.Lab)
	case s.IDBase < rangeSize || s.IDBase > 1<<32-1-2*rangeSize:
		return bad("id range from %d: it must lie between %d and 2^32", s.IDBase, rangeSize)
	case len(s.Lowers) == 0:
		return bad("no image")
	case !filepath.IsAbs(s.Disk):
		return bad("disk %q: an absolute path is needed", s.Disk)
	case s.Memory < 0 || s.PIDs < 0:
		return bad("negative limit")
	}
	for _, l := range s.Lowers {
		if st, err := os.Stat(l); err != nil || !st.IsDir() {
			return bad("image layer %s: not a directory", l)
		}
		// A link at a mount point sends runc's mounts elsewhere (CVE-2026-41579).
		for _, d := range []string{"dev", "proc", "sys", "run"} {
			if st, err := os.Lstat(filepath.Join(l, d)); err == nil && !st.IsDir() {
				return bad("image layer %s: /%s is not a directory: refused", l, d)
			}
		}
	}
	for _, v := range s.Volumes {
		if err := checkVolume(v); err != nil {
			return bad("volume %s: %v", v.Path, err)
		}
	}
	for _, k := range s.Sockets {
		if !filepath.IsAbs(k.HostDir) || !filepath.IsAbs(k.Path) {
			return bad("socket %s: absolute paths are needed", k.Path)
		}
		if err := passable(k.HostDir); err != nil {
			return fmt.Errorf("socket %s of node %s: %w", k.Path, s.Name, err)
		}
	}
	return nil
}

// Create makes the node; see [node.Runtime]. A node of that name that still
// runs is an error; the remains of an ended one are removed first.
func (r *Runtime) Create(ctx context.Context, s node.Spec) (node.Node, error) {
	n, err := r.create(ctx, s)
	if err != nil {
		return nil, err
	}
	return n, nil
}

func (r *Runtime) create(ctx context.Context, s node.Spec) (_ *Node, err error) {
	if err := check(s); err != nil {
		return nil, err
	}
	dir := nodeDir(r.cfg.State, s.Name)
	if old, err := loadRecord(dir); err == nil {
		if p, err := old.live(); err == nil {
			p.close()
			return nil, fmt.Errorf("node %s of lab %s runs already (pid %d): remove it first", s.Name, s.Lab, old.PID)
		}
		if err := sweepNode(ctx, r.cfg.State, r.cg, dir, old); err != nil {
			return nil, fmt.Errorf("remains of node %s: %w", s.Name, err)
		}
	}
	rec := record{Lab: s.Lab, Name: s.Name, CGroup: cgroupOf(s.Lab, s.Name), Disk: s.Disk, IDBase: s.IDBase, Volumes: s.Volumes}
	if err := makeNodeDir(dir, s.IDBase); err != nil {
		return nil, err
	}
	if err := rec.save(dir); err != nil {
		return nil, err
	}
	n := &Node{door: door{state: r.cfg.State, runc: r.cfg.Runc, dir: dir, rec: rec}, rt: r, spec: s,
		ready: make(chan struct{}), exited: make(chan struct{})}
	defer func() {
		if err != nil {
			err = fmt.Errorf("create node %s: %w", s.Name, err)
			// The caller may have given up (ctx); the removal is still due.
			clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer cancel()
			err = errors.Join(err, n.cleanup(clean))
		}
	}()
	if err := r.wall(s.Lab); err != nil {
		return nil, err
	}
	if err := n.prepare(); err != nil {
		return nil, err
	}
	if err := n.runcCreate(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// wall bounds a lab before its first node; that node's record tells a later
// process of the lab's cgroup.
func (r *Runtime) wall(lab string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.labs[lab] {
		return nil
	}
	if err := r.cg.wall(lab, r.cfg.Memory, r.cfg.PIDs); err != nil {
		r.cg.removeEmpty(labCGroup(lab))
		return err
	}
	r.labs[lab] = true
	return nil
}

// makeNodeDir makes a directory that root enters and that the node's own root
// can pass: an ordinary user of the host must not run a set-id program of it.
func makeNodeDir(dir string, base uint32) error {
	if err := os.Mkdir(dir, 0o710); err != nil && !os.IsExist(err) {
		return err
	}
	if err := os.Chown(dir, 0, int(base)); err != nil {
		return err
	}
	return os.Chmod(dir, 0o710)
}

// prepare makes everything that runc needs: directories, mounts, bundle and
// the notify socket.
func (n *Node) prepare() error {
	base := n.spec.IDBase
	userns, err := n.rt.ids.get(base)
	if err != nil {
		return err
	}
	for _, d := range []string{"rootfs", "host", "pts"} {
		if err := os.Mkdir(filepath.Join(n.dir, d), 0o700); err != nil && !os.IsExist(err) {
			return err
		}
	}
	fresh, err := prepareDisk(n.spec)
	if err != nil {
		return err
	}
	for _, d := range []string{"u", "w"} {
		if err := os.Symlink(filepath.Join(n.spec.Disk, d), filepath.Join(n.dir, d)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	if err := mountRoot(n.dir, n.spec.Lowers, userns); err != nil {
		return err
	}
	if fresh {
		if err := n.writeHostname(); err != nil {
			return err
		}
	}
	volumes, err := n.mountVolumes(userns, fresh)
	if err != nil {
		return err
	}
	if err := mountNotify(filepath.Join(n.dir, "host")); err != nil {
		return err
	}
	if err := writeBootID(filepath.Join(n.dir, "host", bootIDName)); err != nil {
		return err
	}
	if err := mountPts(filepath.Join(n.dir, "pts"), base); err != nil {
		return err
	}
	if n.notify, err = listenNotify(filepath.Join(n.dir, "host"), base); err != nil {
		return err
	}
	c, err := bundle(n.spec, n.dir, n.rt.cg)
	if err != nil {
		return err
	}
	c.Mounts = append(c.Mounts, volumes...)
	return writeJSON(filepath.Join(n.dir, "config.json"), c)
}

// prepareDisk makes the two directories of the writable layer, owned by the
// node's root; fresh says that the node never booted from it.
func prepareDisk(s node.Spec) (fresh bool, err error) {
	u, w := filepath.Join(s.Disk, "u"), filepath.Join(s.Disk, "w")
	if err := os.MkdirAll(s.Disk, 0o700); err != nil {
		return false, fmt.Errorf("disk: %w", err)
	}
	if st, err := os.Lstat(u); err == nil {
		if owner := ownerOf(st); owner != s.IDBase {
			return false, fmt.Errorf("disk %s belongs to ids from %d, the node has ids from %d: reset the node", u, owner, s.IDBase)
		}
		return false, os.MkdirAll(w, 0o700)
	}
	if err := os.MkdirAll(w, 0o700); err != nil {
		return false, fmt.Errorf("disk: %w", err)
	}
	// Made under another name: a disk with "u" is a complete one.
	tmp := u + ".new"
	if err := os.Mkdir(tmp, 0o755); err != nil && !os.IsExist(err) {
		return false, fmt.Errorf("disk: %w", err)
	}
	if err := os.Chown(tmp, int(s.IDBase), int(s.IDBase)); err != nil {
		return false, fmt.Errorf("disk: %w", err)
	}
	// "/" is as old as the image's.
	if st, err := os.Stat(s.Lowers[0]); err == nil {
		if err := os.Chtimes(tmp, st.ModTime(), st.ModTime()); err != nil {
			return false, fmt.Errorf("disk: %w", err)
		}
	}
	return true, os.Rename(tmp, u)
}

// runcCreate lets runc make the namespaces and checks what it made.
func (n *Node) runcCreate(ctx context.Context) error {
	logFile, pidFile := filepath.Join(n.dir, "log"), filepath.Join(n.dir, "pid")
	cmd := n.command(ctx, logFile, "create", "--bundle", n.dir, "--pid-file", pidFile, "--no-new-keyring", n.id())
	defer orphans.creation()()
	if _, err := withLoginUID(nil, cmd.run); err != nil {
		return runcError("create", logFile, err)
	}
	pid, err := readPID(pidFile)
	if err != nil {
		return err
	}
	if n.init, err = openProcess(pid); err != nil {
		return err
	}
	n.pidNS = orphans.know(pid)
	n.watch()
	if err := checkMaps(pid, n.spec.IDBase); err != nil {
		return err
	}
	if err := n.rt.cg.delegate(n.rec.CGroup, n.spec.IDBase); err != nil {
		return err
	}
	if err := mountBootID(pid); err != nil {
		return err
	}
	// Inside, these are mounted now; the host needs their names no more.
	names := []string{"pts", "host"}
	for i := range n.spec.Volumes {
		names = append(names, volumeName(i))
	}
	for _, d := range names {
		if err := unmount(filepath.Join(n.dir, d)); err != nil {
			return err
		}
	}
	n.rec.PID = pid
	if n.rec.Start, err = startTime(pid); err != nil {
		return err
	}
	return n.rec.save(n.dir)
}

// Adopt finds a node that another process created and that still runs. How its
// PID 1 ends stays unknown, because its status goes to another parent. A node
// that has ended, or was never created, is an error: os.ErrProcessDone or
// os.ErrNotExist.
func (r *Runtime) Adopt(ctx context.Context, s node.Spec) (node.Node, error) {
	if err := check(s); err != nil {
		return nil, err
	}
	dir := nodeDir(r.cfg.State, s.Name)
	rec, err := loadRecord(dir)
	if err != nil {
		return nil, fmt.Errorf("adopt node %s: %w", s.Name, err)
	}
	if rec.Lab != s.Lab || rec.IDBase != s.IDBase || rec.Disk != s.Disk {
		return nil, &SpecError{Node: s.Name, What: "the running node is another one (lab, disk or ids differ)"}
	}
	p, err := rec.live()
	if err != nil {
		return nil, fmt.Errorf("adopt node %s: %w", s.Name, err)
	}
	if err := checkMaps(rec.PID, rec.IDBase); err != nil {
		p.close()
		return nil, fmt.Errorf("adopt node %s: %w", s.Name, err)
	}
	r.mu.Lock()
	r.labs[s.Lab] = true
	r.mu.Unlock()
	ns := orphans.know(rec.PID)
	orphans.again() // what the old controller left may have ended before
	n := &Node{door: door{state: r.cfg.State, runc: r.cfg.Runc, dir: dir, rec: rec}, rt: r, spec: s,
		init: p, pidNS: ns, ready: make(chan struct{}), exited: make(chan struct{})}
	n.started = !n.waitsForStart()
	n.watch()
	if rec.Ready {
		close(n.ready)
	} else if n.started {
		n.askReady(ctx)
	}
	return n, nil
}
