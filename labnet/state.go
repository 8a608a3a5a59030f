package labnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/situlab/situlab/labnet/host"
)

// Info is what other processes know of a running lab (lab.json of its state).
type Info struct {
	Name    string    `json:"name"`
	Site    string    `json:"site"`
	PID     int       `json:"pid"` // the controller
	Started time.Time `json:"started"`
	// FirstID is the first host id of the lab's nodes, IDs how many ranges.
	FirstID uint32 `json:"firstId"`
	IDs     int    `json:"ids"`
	// Session is the session that the lab is for, if it can be resumed when the
	// controller dies, and Folder where what it needs for that lies.
	Session string `json:"session,omitempty"`
	Folder  string `json:"folder,omitempty"`
	// Held are the ports that wait for the lease path, by node: an adoption
	// raises them.
	Held map[string][]string `json:"held,omitempty"`
	// Alive says whether the controller still holds the lab.
	Alive bool `json:"alive"`
}

// InUseError says that a lab of that name runs already or was left behind.
type InUseError struct {
	Info Info
}

func (e *InUseError) Error() string {
	if e.Info.Alive {
		return fmt.Sprintf("lab %q is in use by process %d; choose another --name or take it down: situlab lab down %s", e.Info.Name, e.Info.PID, e.Info.Name)
	}
	return fmt.Sprintf("lab %q was left behind by a controller that died; remove it first: situlab gc", e.Info.Name)
}

// NameError says that a lab's name cannot be used.
type NameError struct{ Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("lab name %q: use 1 to 32 small letters, digits and dashes, starting with a letter", e.Name)
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// lock is a lab's state directory, held by its controller.
type lock struct {
	dir  string
	file *os.File

	mu   sync.Mutex
	info Info
}

// acquire makes the state directory of a new lab and locks it. The directory is
// the first intent: gc finds all the rest through it.
func acquire(name, site string) (*lock, error) {
	if !validName.MatchString(name) {
		return nil, &NameError{name}
	}
	dir := host.LabState(name)
	f, err := makeLocked(dir)
	if errors.Is(err, fs.ErrExist) {
		info, _ := readInfo(name)
		return nil, &InUseError{info}
	}
	if err != nil {
		return nil, host.Errorf("run as root", "create %s: %w", dir, err)
	}
	l := &lock{dir: dir, file: f, info: Info{Name: name, Site: site, PID: os.Getpid(), Started: time.Now(), Alive: true}}
	if err := l.save(); err != nil {
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

// makeLocked makes a directory with a lock that is held. Between the two, gc may
// take it for what a dead controller left.
func makeLocked(dir string) (*os.File, error) {
	for {
		if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
			return nil, err
		}
		err := os.Mkdir(dir, 0o711)
		if err == nil {
			var f *os.File
			if f, err = host.Lock(filepath.Join(dir, "lock")); err == nil {
				return f, nil
			}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// note changes what is known of the lab.
func (l *lock) note(f func(*Info)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.info)
	return l.save()
}

func (l *lock) save() error {
	b, err := json.Marshal(l.info)
	if err != nil {
		return err
	}
	tmp := filepath.Join(l.dir, "lab.json.new")
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(l.dir, "lab.json"))
}

// release ends the lab's state, of which nothing on the host is left.
func (l *lock) release() error {
	err := removeState(l.dir)
	l.leave()
	return err
}

// leave gives the lab up to gc: its state stays.
func (l *lock) leave() {
	l.file.Close()
}

// removeState removes a state directory. What is still mounted there is somebody's
// whose intents it would destroy.
func removeState(dir string) error {
	points, err := host.MountsUnder(dir)
	if err != nil {
		return err
	}
	if len(points) > 0 {
		return fmt.Errorf("%s is still mounted: %s stays", points[0], dir)
	}
	return os.RemoveAll(dir)
}

func readInfo(name string) (Info, error) {
	info := Info{Name: name}
	dir := host.LabState(name)
	b, err := os.ReadFile(filepath.Join(dir, "lab.json"))
	if err == nil {
		err = json.Unmarshal(b, &info)
	}
	info.Alive = host.Held(filepath.Join(dir, "lock"))
	return info, err
}

// running lists the names of the state directories.
func running() []string {
	entries, _ := os.ReadDir(filepath.Join(host.Run(), "labs"))
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}

// List tells of all labs of this host, those left behind included.
func List() []Info {
	var out []Info
	for _, n := range running() {
		info, _ := readInfo(n)
		out = append(out, info)
	}
	return out
}

// Id ranges: a node has 65,536 ids; ranges start well above what a host's own
// accounts and other tools' subordinate ids use (subuid(5) starts at 100,000).
const (
	firstRange = 16384 // x 65,536 = 2^30
	lastRange  = 65000
)

func idBase(first, i int) uint32 { return uint32(first+i) << 16 }

// takeIDs reserves a run of ranges that no other lab of the host uses.
func takeIDs(l *lock, n int) (int, error) {
	guard, err := host.Lock(filepath.Join(host.Run(), "ids.lock"))
	if err != nil {
		return 0, err
	}
	defer guard.Close()
	first := firstRange
	for moved := true; moved; {
		moved = false
		for _, other := range List() {
			o := int(other.FirstID >> 16)
			if other.Name != l.info.Name && other.IDs > 0 && first < o+other.IDs && o < first+n {
				first, moved = o+other.IDs, true
			}
		}
	}
	if first+n > lastRange {
		return 0, host.Errorf("take some labs down: situlab lab list", "no free range of ids for %d nodes", n)
	}
	l.info.FirstID, l.info.IDs = idBase(first, 0), n
	return first, l.save()
}

// nodesOfAll is how many nodes the labs of this host have together, those left
// behind included: theirs may still run. A lab counts once it has its ids.
func nodesOfAll() int {
	n := 0
	for _, l := range List() {
		n += l.IDs
	}
	return n
}

// RuntimeState is where the runtime keeps the state of a lab's nodes; processes
// that open a terminal in a node find it there.
func RuntimeState(lab string) string { return filepath.Join(host.LabState(lab), "oci") }
