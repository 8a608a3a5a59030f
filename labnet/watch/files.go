package watch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// FileEvent is a change of a file of a node's root file system, or several
// alike within a second. Paths come from the node: hostile.
type FileEvent struct {
	BootNS int64 // of the first
	Node   string
	Path   string
	// Op is created, modified, deleted, renamed or attr.
	Op string
	// From is the old path of a renamed file.
	From string
	// PID of the first writer, the controller's number.
	PID int
	// Session is the writer's audit session, [NoSession] if it has none or had
	// ended before it could be asked.
	Session uint32
	// Count of events put together; in a volatile directory Path is that
	// directory and Count all that happened in it.
	Count int
	// Barrier, if not nil, is an answer to Sync; nothing else is set. The reader
	// closes it: it has heard all that happened before.
	Barrier chan<- struct{}
	// Lost, if not 0: so many times the kernel's queue overflowed; then only Node
	// is set, of the node whose changes were lost.
	Lost uint64
}

// Volatile directories: daemons write there all the time. Creations, changes and
// attributes are counted per directory and minute; deletions and renames are
// told one by one as anywhere else.
var Volatile = []string{"/run", "/tmp", "/var/tmp", "/var/log", "/var/cache", "/var/lib/systemd", "/var/lib/chrony",
	"/var/lib/prometheus", "/var/lib/postgresql", "/var/lib/kea", "/var/lib/logrotate", "/var/spool/postfix", "/var/lib/postfix"}

// Tree is a file system of a node beside its root.
type Tree struct {
	Dir  string // where the host has it mounted
	Path string // where the node has it
}

// Files watches the root file systems of nodes, and those given with them, with
// fanotify: one group per node (fs.fanotify.max_user_groups must be above their
// number), a mark on each file system, so that other mount namespaces of the node
// are seen too. tmpfs mounts (/run, /tmp where the node mounts one) are other file
// systems and not seen.
//
// Nothing is held open in the node's file system: it can be unmounted at any time.
type Files struct {
	ctx    context.Context
	cancel context.CancelFunc
	events chan FileEvent
	lost   atomic.Uint64
	every  time.Duration

	mu    sync.Mutex
	nodes map[string]*fileNode
	work  sync.WaitGroup
}

type fileNode struct {
	name  string
	pid   int
	trees map[fsid]Tree
	f     *os.File
	flush chan chan<- struct{} // asks for what is gathered
	gone  chan struct{}        // closed when nobody reads any more
}

const fileMask = unix.FAN_CREATE | unix.FAN_DELETE | unix.FAN_ATTRIB | unix.FAN_CLOSE_WRITE | unix.FAN_ONDIR

// The gathering times: like events of one file, and of volatile directories.
const (
	gatherFiles    = time.Second
	gatherVolatile = time.Minute
)

// NewFiles begins with no node.
func NewFiles(ctx context.Context) (*Files, error) {
	fd, err := fanotify()
	if err != nil {
		return nil, err
	}
	unix.Close(fd)
	ctx, cancel := context.WithCancel(ctx)
	return &Files{ctx: ctx, cancel: cancel, events: make(chan FileEvent, 1024), every: gatherFiles, nodes: map[string]*fileNode{}}, nil
}

func fanotify() (int, error) {
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_REPORT_DFID_NAME, unix.O_RDONLY|unix.O_CLOEXEC)
	switch {
	case err == nil:
		return fd, nil
	case errors.Is(err, unix.EMFILE):
		return -1, &UnsupportedError{What: "no more fanotify groups", Do: "raise fs.fanotify.max_user_groups above the number of nodes", Err: err}
	default:
		return -1, &UnsupportedError{What: "fanotify does not report names", Do: "needs root and Linux 5.9 or later", Err: err}
	}
}

// Add watches the root file system of the node whose PID 1 has this host pid. A
// node known already is replaced (it was rebooted). The overlay must have been
// mounted with index=on,nfs_export=on.
func (w *Files) Add(node string, initPID int, trees ...Tree) error {
	w.Remove(node)
	fd, err := fanotify()
	if err != nil {
		return fmt.Errorf("watch the files of %s: %w", node, err)
	}
	err = mark(fd, fmt.Sprintf("/proc/%d/root", initPID))
	known := map[fsid]Tree{}
	for _, t := range trees {
		var st unix.Statfs_t
		if err == nil {
			err = unix.Statfs(t.Dir, &st)
		}
		if err == nil {
			known[fsid(st.Fsid.Val)] = t
			err = mark(fd, t.Dir)
		}
	}
	if err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EXDEV) {
			return &UnsupportedError{What: "the root file system of " + node + " has no file handles", Do: "mount its overlay with index=on,nfs_export=on", Err: err}
		}
		return fmt.Errorf("watch the files of %s: %w", node, err)
	}
	n := &fileNode{name: node, pid: initPID, trees: known, f: os.NewFile(uintptr(fd), "fanotify:"+node), flush: make(chan chan<- struct{}, 1), gone: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		n.f.Close()
		return context.Cause(w.ctx)
	}
	w.nodes[node] = n
	w.work.Add(1)
	go w.read(n)
	return nil
}

// fsid names a file system, as statfs(2) and fanotify(7) do.
type fsid [2]int32

// mark watches a whole file system.
func mark(fd int, path string) error {
	err := unix.FanotifyMark(fd, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, fileMask|unix.FAN_RENAME, unix.AT_FDCWD, path)
	if errors.Is(err, unix.EINVAL) { // before Linux 5.17
		err = unix.FanotifyMark(fd, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, fileMask|unix.FAN_MOVED_TO|unix.FAN_MOVED_FROM, unix.AT_FDCWD, path)
	}
	return err
}

// Remove stops watching; an unknown node is no error.
func (w *Files) Remove(node string) {
	w.mu.Lock()
	n := w.nodes[node]
	delete(w.nodes, node)
	w.mu.Unlock()
	if n != nil {
		n.f.Close()
	}
}

// Events is closed by Close.
func (w *Files) Events() <-chan FileEvent { return w.events }

// Lost is how many times a queue overflowed.
func (w *Files) Lost() uint64 { return w.lost.Load() }

// Close tells what is still being gathered and closes Events; somebody must read
// them meanwhile. Closing twice is no error.
func (w *Files) Close() error {
	w.mu.Lock()
	closed := w.ctx.Err() != nil && w.nodes == nil
	nodes := w.nodes
	w.nodes = nil
	w.mu.Unlock()
	if closed {
		return nil
	}
	for _, n := range nodes {
		n.f.Close()
	}
	w.work.Wait()
	w.cancel()
	close(w.events)
	return nil
}

// syncPoke is how often a reader is woken that may have missed it.
const syncPoke = 20 * time.Millisecond

// Sync returns when the reader of Events has heard all that happened before.
func (w *Files) Sync(ctx context.Context) error {
	w.mu.Lock()
	nodes := make([]*fileNode, 0, len(w.nodes))
	for _, n := range w.nodes {
		nodes = append(nodes, n)
	}
	w.mu.Unlock()
	for _, n := range nodes {
		done := make(chan struct{})
		select {
		case n.flush <- done:
		case <-n.gone:
			continue
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for told := false; !told; {
			_ = n.f.SetReadDeadline(time.Unix(1, 0)) // it may just be setting its own
			select {
			case <-done:
				told = true
			case <-n.gone:
				told = true
			case <-time.After(syncPoke):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	heard := make(chan struct{})
	select {
	case w.events <- FileEvent{Barrier: heard}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-heard:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// drain reads what the kernel has, without waiting.
func (n *fileNode) drain(b []byte, parse func([]byte)) {
	c, err := n.f.SyscallConn()
	if err != nil {
		return
	}
	for k := 1; k > 0; {
		if c.Control(func(fd uintptr) { k, err = unix.Read(int(fd), b) }) != nil || err != nil || k <= 0 {
			return
		}
		parse(b[:k])
	}
}

// read takes one node's events until its group is closed.
func (w *Files) read(n *fileNode) {
	defer w.work.Done()
	defer close(n.gone)
	g := &gatherer{node: n.name, every: w.every, out: func(e FileEvent) {
		select {
		case w.events <- e:
		case <-w.ctx.Done():
		}
	}, last: map[string]*FileEvent{}}
	defer g.flush(true)
	b := make([]byte, 64<<10)
	for {
		if g.empty() {
			_ = n.f.SetReadDeadline(time.Time{})
		} else {
			_ = n.f.SetReadDeadline(g.due())
		}
		k, err := n.f.Read(b)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		w.parse(n, g, b[:max(k, 0)])
		select {
		case done := <-n.flush:
			n.drain(b, func(b []byte) { w.parse(n, g, b) })
			g.flush(true)
			close(done)
		default:
			g.flush(false)
		}
	}
}

// parse decodes fanotify_event_metadata records (fanotify(7)).
func (w *Files) parse(n *fileNode, g *gatherer, b []byte) {
	const head = 24
	r := resolver{pid: n.pid, trees: n.trees}
	defer r.close()
	for len(b) >= head {
		le := binary.NativeEndian
		size := int(le.Uint32(b))
		if size < head || size > len(b) {
			return
		}
		mask := le.Uint64(b[8:])
		pid := int(int32(le.Uint32(b[20:])))
		info := b[le.Uint16(b[6:]):size]
		b = b[size:]
		if mask&unix.FAN_Q_OVERFLOW != 0 {
			w.lost.Add(1)
			g.out(FileEvent{BootNS: bootNow(), Node: n.name, Lost: 1})
			continue
		}
		if pid == os.Getpid() { // the controller's own hand
			continue
		}
		e := FileEvent{BootNS: bootNow(), Node: n.name, PID: pid, Session: SessionOf(pid), Count: 1}
		e.Path, e.From = r.names(info)
		if e.Path == "" {
			continue
		}
		for _, op := range []struct {
			bit  uint64
			name string
		}{{unix.FAN_RENAME | unix.FAN_MOVED_TO, "renamed"}, {unix.FAN_CREATE, "created"}, {unix.FAN_CLOSE_WRITE, "modified"},
			{unix.FAN_DELETE | unix.FAN_MOVED_FROM, "deleted"}, {unix.FAN_ATTRIB, "attr"}} {
			if mask&op.bit != 0 {
				e.Op = op.name
				g.add(e)
			}
		}
	}
}

// SessionOf is the audit session of a process (proc_pid_sessionid(5)),
// [NoSession] if it has none or has ended.
func SessionOf(pid int) uint32 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/sessionid", pid))
	if err != nil {
		return NoSession
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
	if err != nil {
		return NoSession
	}
	return uint32(n)
}

// resolver turns directory handles into paths of the node, opening the roots of
// its file systems only while a batch of events is worked on.
type resolver struct {
	pid   int
	trees map[fsid]Tree
	roots map[fsid]int      // -1: it is gone
	cache map[string]string // by file system and handle
}

func (r *resolver) close() {
	for _, fd := range r.roots {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// root is a descriptor of a file system's root, and where the node has it: what is
// in no other tree is in the node's root.
func (r *resolver) root(id fsid) (fd int, at string) {
	dir, at := fmt.Sprintf("/proc/%d/root", r.pid), "/"
	if t, ok := r.trees[id]; ok {
		dir, at = t.Dir, t.Path
	}
	fd, tried := r.roots[id]
	if !tried {
		var err error
		if fd, err = unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			fd = -1
		}
		if r.roots == nil {
			r.roots = map[fsid]int{}
		}
		r.roots[id] = fd
	}
	return fd, at
}

// names reads the info records: the file's path, and the old one if renamed.
func (r *resolver) names(b []byte) (name, from string) {
	for len(b) >= 4 {
		size := int(binary.NativeEndian.Uint16(b[2:]))
		if size < 4 || size > len(b) {
			return
		}
		rec := b[:size]
		switch b[0] {
		case unix.FAN_EVENT_INFO_TYPE_DFID_NAME, unix.FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
			name = r.path(rec)
		case unix.FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
			from = r.path(rec)
		}
		b = b[size:]
	}
	return name, from
}

// path decodes type, pad, len, fsid, file_handle{bytes, type, handle}, name.
func (r *resolver) path(rec []byte) string {
	const fixed = 4 + 8 + 8
	if len(rec) < fixed {
		return ""
	}
	n := int(binary.NativeEndian.Uint32(rec[12:]))
	typ := int32(binary.NativeEndian.Uint32(rec[16:]))
	if n < 0 || fixed+n > len(rec) {
		return ""
	}
	id := fsid{int32(binary.NativeEndian.Uint32(rec[4:])), int32(binary.NativeEndian.Uint32(rec[8:]))}
	handle, name := rec[fixed:fixed+n], cString(rec[fixed+n:])
	key := string(rec[4 : fixed+n])
	dir, ok := r.cache[key]
	if !ok {
		dir = r.dir(id, typ, handle)
		if r.cache == nil {
			r.cache = map[string]string{}
		}
		r.cache[key] = dir
	}
	if name == "." {
		return dir
	}
	return path.Join(dir, name)
}

// deletedDir stands for a directory that is gone.
const deletedDir = "/<deleted dir>"

func (r *resolver) dir(id fsid, typ int32, handle []byte) string {
	top, at := r.root(id)
	if top < 0 {
		return deletedDir
	}
	fd, err := unix.OpenByHandleAt(top, unix.NewFileHandle(typ, bytes.Clone(handle)), unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return deletedDir
	}
	defer unix.Close(fd)
	p, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil || strings.HasSuffix(p, " (deleted)") {
		return deletedDir
	}
	root, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", top))
	if err == nil && root != "/" {
		p = strings.TrimPrefix(p, root)
	}
	return path.Join(at, p)
}
