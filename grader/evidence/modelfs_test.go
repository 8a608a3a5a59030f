package evidence

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
)

// modelFS is a file system in memory that can lose its power. What was synced
// stays; of what was not, sectors of 512 bytes come through or do not, each on
// its own, the size may have grown over sectors that did not (zeros); the
// changes of directories come through up to some point of their order.
type modelFS struct {
	mu      sync.Mutex
	visible map[string]*inode
	durable map[string]*inode
	pending []dirChange
	calls   int
	// hook is called before each operation, with mu held; an error fails the
	// operation. n is how many bytes of a write are done all the same.
	hook func(call int, op, name string, size int) (n int, err error)
}

type dirChange struct {
	op, name, to string // create, rename, remove
	node         *inode
}

type inode struct {
	dir     bool
	data    []byte // as programs see it
	synced  []byte
	pending []extent
}

type extent struct {
	offset int
	data   []byte
}

const sector = 512

func newModelFS() *modelFS {
	root := &inode{dir: true}
	return &modelFS{visible: map[string]*inode{"/": root}, durable: map[string]*inode{"/": root}}
}

func (m *modelFS) call(op, name string, size int) (int, error) {
	m.calls++
	if m.hook == nil {
		return size, nil
	}
	return m.hook(m.calls, op, name, size)
}

func (m *modelFS) add(op, name string, dir bool) (*inode, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.call(op, name, 0); err != nil {
		return nil, err
	}
	if m.visible[name] != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrExist}
	}
	if p := m.visible[filepath.Dir(name)]; p == nil || !p.dir {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	n := &inode{dir: dir}
	m.visible[name] = n
	m.pending = append(m.pending, dirChange{op: "create", name: name, node: n})
	return n, nil
}

func (m *modelFS) Mkdir(name string) error {
	_, err := m.add("mkdir", name, true)
	return err
}

func (m *modelFS) Create(name string) (File, error) {
	n, err := m.add("create", name, false)
	if err != nil {
		return nil, err
	}
	return &modelFile{m, n, name, 0, false}, nil
}

func (m *modelFS) ReadDir(name string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.call("readdir", name, 0); err != nil {
		return nil, err
	}
	if m.visible[name] == nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	var names []string
	for p := range m.visible {
		if p != "/" && filepath.Dir(p) == name {
			names = append(names, filepath.Base(p))
		}
	}
	sort.Strings(names)
	return names, nil
}

func (m *modelFS) ReadFile(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.call("read", name, 0); err != nil {
		return nil, err
	}
	n := m.visible[name]
	if n == nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	return slices.Clone(n.data), nil
}

func (m *modelFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.call("rename", from, 0); err != nil {
		return err
	}
	n := m.visible[from]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(m.visible, from)
	m.visible[to] = n
	m.pending = append(m.pending, dirChange{"rename", from, to, n})
	return nil
}

func (m *modelFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.call("remove", name, 0); err != nil {
		return err
	}
	if m.visible[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(m.visible, name)
	m.pending = append(m.pending, dirChange{op: "remove", name: name})
	return nil
}

// Truncate is on disk when it returns, with all that is left; one that fails has
// done nothing.
func (m *modelFS) Truncate(name string, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.call("truncate", name, 0); err != nil {
		return err
	}
	n := m.visible[name]
	if n == nil {
		return &fs.PathError{Op: "truncate", Path: name, Err: fs.ErrNotExist}
	}
	n.data = n.data[:min(int(size), len(n.data))]
	// What an earlier sync has lost does not come back.
	n.synced = slices.Clone(n.synced[:min(int(size), len(n.synced))])
	var kept []extent
	for _, e := range n.pending {
		if e.offset < int(size) {
			kept = append(kept, extent{e.offset, e.data[:min(len(e.data), int(size)-e.offset)]})
		}
	}
	for _, e := range kept {
		n.synced = overwrite(n.synced, e.offset, e.data)
	}
	n.pending = nil
	return nil
}

func (m *modelFS) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.call("syncdir", name, 0); err != nil {
		return err
	}
	var rest []dirChange
	for _, c := range m.pending {
		if filepath.Dir(c.name) == name {
			c.apply(m.durable)
		} else {
			rest = append(rest, c)
		}
	}
	m.pending = rest
	return nil
}

func (c dirChange) apply(names map[string]*inode) {
	switch c.op {
	case "create":
		names[c.name] = c.node
	case "rename":
		delete(names, c.name)
		names[c.to] = c.node
	case "remove":
		delete(names, c.name)
	}
}

type modelFile struct {
	fs     *modelFS
	node   *inode
	name   string
	at     int
	closed bool
}

func (f *modelFile) Write(data []byte) (int, error) {
	n, err := f.write("write", data, f.at)
	f.at += n
	return n, err
}

func (f *modelFile) WriteAt(data []byte, at int64) (int, error) {
	return f.write("writeat", data, int(at))
}

func (f *modelFile) write(op string, data []byte, at int) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n, err := f.fs.call(op, f.name, len(data))
	if f.closed {
		return 0, fs.ErrClosed
	}
	data = slices.Clone(data[:n])
	if len(data) > 0 {
		f.node.data = overwrite(f.node.data, at, data)
		f.node.pending = append(f.node.pending, extent{at, data})
	}
	return n, err
}

func overwrite(base []byte, at int, data []byte) []byte {
	if need := at + len(data) - len(base); need > 0 {
		base = append(base, make([]byte, need)...)
	}
	copy(base[at:], data)
	return base
}

// Sync that fails has lost what it was asked to keep: the pages are called
// clean, programs still see them, the disk never will.
func (f *modelFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	_, err := f.fs.call("sync", f.name, 0)
	if f.closed {
		return fs.ErrClosed
	}
	f.node.pending = nil
	if err == nil {
		f.node.synced = slices.Clone(f.node.data)
	}
	return err
}

func (f *modelFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	_, err := f.fs.call("close", f.name, 0)
	f.closed = true
	return err
}

// snapshot is a copy of the whole state, pending changes included; mu is held.
func (m *modelFS) snapshot() *modelFS {
	nodes := map[*inode]*inode{}
	of := func(n *inode) *inode {
		if n == nil {
			return nil
		}
		if nodes[n] == nil {
			nodes[n] = &inode{n.dir, slices.Clone(n.data), n.synced, slices.Clone(n.pending)}
		}
		return nodes[n]
	}
	out := &modelFS{visible: map[string]*inode{}, durable: map[string]*inode{}}
	for name, n := range m.visible {
		out.visible[name] = of(n)
	}
	for name, n := range m.durable {
		out.durable[name] = of(n)
	}
	for _, c := range m.pending {
		out.pending = append(out.pending, dirChange{c.op, c.name, c.to, of(c.node)})
	}
	return out
}

// crash is what the next start finds after a power cut.
func (m *modelFS) crash(rng *rand.Rand) *modelFS {
	names := map[string]*inode{}
	for name, n := range m.durable {
		names[name] = n
	}
	for _, c := range m.pending[:rng.IntN(len(m.pending)+1)] {
		c.apply(names)
	}
	out := newModelFS()
	chance := []float64{0, 0.1, 0.5, 0.9, 1}[rng.IntN(5)]
	var sorted []string
	for name := range names {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	for _, name := range sorted {
		n := names[name]
		for p := filepath.Dir(name); p != "/"; p = filepath.Dir(p) {
			if names[p] == nil {
				n = nil // its directory was lost
			}
		}
		if n == nil || name == "/" {
			continue
		}
		after := &inode{dir: n.dir, data: n.torn(rng, chance)}
		after.synced = slices.Clone(after.data)
		out.visible[name], out.durable[name] = after, after
	}
	return out
}

// torn is the content after a power cut.
func (n *inode) torn(rng *rand.Rand, chance float64) []byte {
	data := slices.Clone(n.synced)
	for _, e := range n.pending {
		for at := e.offset; at < e.offset+len(e.data); {
			end := min((at/sector+1)*sector, e.offset+len(e.data))
			if rng.Float64() < chance {
				data = overwrite(data, at, e.data[at-e.offset:end-e.offset])
			}
			at = end
		}
	}
	if grown := len(n.data) - len(data); grown > 0 && rng.IntN(3) == 0 {
		data = append(data, make([]byte, rng.IntN(grown+1))...)
	}
	return data
}

// put makes a file that is on disk.
func (m *modelFS) put(name string, data []byte) {
	n := &inode{data: slices.Clone(data), synced: slices.Clone(data)}
	m.visible[name], m.durable[name] = n, n
}

func (m *modelFS) String() string {
	var b strings.Builder
	for name, n := range m.visible {
		fmt.Fprintf(&b, "%s %d; ", name, len(n.data))
	}
	return b.String()
}
