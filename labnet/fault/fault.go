package fault

import (
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/scenarios"
)

// Disk is what a provisioned fault acts on; a node.Node is one.
type Disk interface {
	Open(path string) (*os.File, error)
	Write(files []node.File) error
}

// Fault is one thing to break on one node.
type Fault interface {
	// Fits says what is wrong if the fault does not find in a node's first files
	// what it is to change. A file that is not among them lies in the image, which
	// is not looked into here: it fits.
	Fits(files []scenarios.TreeFile) error
	// Inject writes the artefact. Injecting twice is an error.
	Inject(d Disk, start time.Time) error
	// Present says whether the artefact is in place.
	Present(d Disk) (bool, error)
	// Heal puts back what Inject replaced; healing twice is no error.
	Heal(d Disk) error
	// Artefact describes what is wrong, for the evidence.
	Artefact() string
}

// kinds is the table of all faults.
var kinds = map[string]func(p *params) Fault{
	"config-line": configLine,
	"touch":       touch,
}

// Kinds lists the kinds, sorted.
func Kinds() []string {
	var out []string
	for k := range kinds {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// ParamError says what is wrong with a fault's parameters; it is wrong input.
type ParamError struct {
	Kind, Node string
	Problems   []string
}

func (e *ParamError) Error() string {
	return fmt.Sprintf("fault %q on node %q: %s", e.Kind, e.Node, strings.Join(e.Problems, "; "))
}

// InputError marks wrong input (exit code 2).
func (e *ParamError) InputError() {}

// Parse checks a scenario's fault and makes it ready; nothing is touched.
func Parse(f scenarios.Fault) (Fault, error) {
	mk, ok := kinds[f.Kind]
	if !ok {
		return nil, &ParamError{f.Kind, f.Node, []string{"no such kind; kinds are " + strings.Join(Kinds(), ", ")}}
	}
	p := &params{fault: f, used: map[string]bool{}}
	out := mk(p)
	for k := range f.Params {
		if !p.used[k] {
			p.problem("unknown parameter %q", k)
		}
	}
	if len(p.problems) > 0 {
		sort.Strings(p.problems)
		return nil, &ParamError{f.Kind, f.Node, p.problems}
	}
	return out, nil
}

// params reads a fault's parameters and collects all mistakes.
type params struct {
	fault    scenarios.Fault
	used     map[string]bool
	problems []string
}

func (p *params) problem(format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

func (p *params) get(name string, required bool) string {
	p.used[name] = true
	v := p.fault.Params[name]
	if v == "" && required {
		p.problem("parameter %q is missing", name)
	}
	return v
}

// path is an absolute, clean path inside the node.
func (p *params) path(name string) string {
	v := p.get(name, true)
	if v != "" && (!strings.HasPrefix(v, "/") || strings.Contains(v, "/../") || strings.HasSuffix(v, "/")) {
		p.problem("parameter %q: %q is not the absolute path of a file", name, v)
	}
	return v
}

// maxConfig bounds what is read of a node's file.
const maxConfig = 1 << 20

// read reads a file of a node with the mode and owner that a rewrite keeps.
func read(d Disk, path string) ([]byte, node.File, error) {
	f, err := d.Open(path)
	if err != nil {
		return nil, node.File{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, node.File{}, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, node.File{}, err
	}
	if len(b) > maxConfig {
		return nil, node.File{}, fmt.Errorf("%s: more than %d bytes", path, maxConfig)
	}
	file := node.File{Path: path, Mode: st.Mode(), Content: b, ModTime: st.ModTime()}
	file.User, file.Group = owner(st)
	return b, file, nil
}

// owner gives a file's ids as the node sees them: a node's range of host ids
// starts at a multiple of 65,536 (node.Spec).
func owner(st os.FileInfo) (user, group string) {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return "", ""
	}
	return strconv.Itoa(int(sys.Uid & 0xffff)), strconv.Itoa(int(sys.Gid & 0xffff))
}
