package check

import (
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/situlab/situlab/grader/evidence"
)

// Change is one intervention: a change of state made by the candidate on one
// node. Successive steps of one piece of work are one change (see doc.go).
type Change struct {
	Seq    uint64
	BootNS int64 // of its first step
	Last   int64 // of its last step
	Node   string
	Kind   string
	Text   string
	// Evidence are the records of all its steps.
	Evidence []uint64
	// Unattributed is true when no terminal is known for it.
	Unattributed bool

	program string
	path    string
}

// Spans, in nanoseconds, within which steps belong to one piece of work. They
// are about how programs write, so the time factor does not touch them.
const (
	sameWork = 120e9 // lines of one program, an edit and its reload
	echoSpan = 10e9  // a command and the file or state it left behind
)

type step struct {
	seq      uint64
	at       int64
	node     string
	kind     string
	text     string
	program  string
	path     string
	detached bool
	test     bool
}

func readChanges(v *View) []Change {
	steps := v.steps()
	var out []Change
	lastTest := int64(-1)
	current := map[string]int{} // node -> index in out
	for _, s := range steps {
		if s.test {
			lastTest = s.at
			continue
		}
		if i, ok := current[s.node]; ok && out[i].takes(s, lastTest) {
			c := &out[i]
			c.Last = s.at
			c.Evidence = append(c.Evidence, s.seq)
			if c.path == "" {
				c.path = s.path
			}
			continue
		}
		current[s.node] = len(out)
		out = append(out, Change{Seq: s.seq, BootNS: s.at, Last: s.at, Node: s.node, Kind: s.kind, Text: s.text,
			Evidence: []uint64{s.seq}, Unattributed: s.detached, program: s.program, path: s.path})
	}
	return out
}

// takes says whether a further step on the same node belongs to c.
func (c *Change) takes(s step, lastTest int64) bool {
	gap := s.at - c.Last
	echo := s.kind == changeFile && s.program == "" || s.kind == changeRuntime && s.program == "" ||
		s.kind == changeReboot && s.program == ""
	switch {
	case echo && gap <= echoSpan:
		return true
	case s.kind == changeReboot && s.program == "" && c.Kind == changeReboot && gap <= sameWork:
		return true
	case lastTest > c.Last || gap > sameWork:
		return false
	case s.kind == changeSave:
		return true
	case s.program == "" && s.path != "" && s.path == c.path:
		return true
	case s.kind == changeService && c.Kind == changeFile:
		return true // a file edited, then loaded
	case s.program != "" && s.program == c.program && s.kind == c.Kind && oneWork[s.kind]:
		return true
	}
	return false
}

// oneWork are kinds whose successive commands by one program are one piece of
// work. Restarts are not: each is an interruption of its own.
var oneWork = map[string]bool{changeConfig: true, changeRuntime: true, changeFile: true, changeSave: true,
	changeData: true, changeAccount: true}

// steps lists changing steps and tests in order of time.
func (v *View) steps() []step {
	var out []step
	for _, c := range v.Commands {
		if c.Test != "" {
			out = append(out, step{at: c.BootNS, test: true, seq: c.Seq})
		}
		if c.Change != "" {
			out = append(out, step{seq: c.Seq, at: c.BootNS, node: c.Node, kind: c.Change, text: c.Text,
				program: c.Program, detached: c.Detached && c.Terminal == ""})
		}
	}
	for _, r := range v.within(evidence.TypeFileChange) {
		f, _ := evidence.As[evidence.FileChange](r)
		if f.Origin == evidence.OriginCandidate && isChange(f.Path) && !transient(f.Path) {
			out = append(out, step{seq: r.Seq, at: r.BootNS, node: r.Node, kind: changeFile, text: f.Path, path: f.Path})
		}
	}
	for _, n := range v.net {
		c := v.Commands[n.cause]
		at := c.BootNS
		if c.Ended < 0 { // a shell: when, within it, nobody knows
			at = min(n.BootNS, v.Finish)
		}
		out = append(out, step{seq: n.Seq, at: at, node: n.Node, kind: changeRuntime, text: strings.Join(n.lines, "; ")})
	}
	for _, r := range v.within(evidence.TypeLabNode) {
		n, _ := evidence.As[evidence.LabNode](r)
		if n.Origin == "candidate" && (n.Event == evidence.NodeRebooted || n.Event == evidence.NodeOff) {
			out = append(out, step{seq: r.Seq, at: r.BootNS, node: r.Node, kind: changeReboot, text: n.Event})
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].at < out[j].at })
	return out
}

// transientPlaces are where programs write beside the work itself.
var transientPlaces = []string{"/run", "/var/run", "/var/cache", "/var/log", "/var/lib/systemd", "/proc", "/sys"}

// transient says whether a file, or a folder whose entries changed, is in such a
// place, or is a lock. That of LMDB (slapd's readers) is mapped into memory: each
// query changes it, and no kernel event tells.
func transient(name string) bool {
	return strings.HasSuffix(name, ".lock") || path.Base(name) == "lock.mdb" || slices.ContainsFunc(transientPlaces, func(p string) bool {
		return name == p || strings.HasPrefix(name, p+"/")
	})
}

// truthNodes are the nodes of the faulty element and of those that say the same:
// its own, that of what carries it, or for a network those that it joins.
func (v *View) truthNodes() []string {
	var out []string
	for _, id := range append([]string{v.Facts.Truth.Element}, v.Facts.Truth.AlsoElements...) {
		e, _ := v.element(id)
		parent, _ := v.element(e.Parent)
		switch {
		case e.Node != "":
			out = append(out, e.Node)
		case parent.Node != "":
			out = append(out, parent.Node)
		default:
			for _, l := range v.Facts.Map.Links {
				if "net:"+l.Segment == id || l.Segment == id {
					out = append(out, l.Node)
				}
			}
		}
	}
	return out
}

// elsewhere returns the changes that were not made on the faulty element.
func (v *View) elsewhere() []Change {
	var out []Change
	on := v.truthNodes()
	for _, c := range v.Changes {
		if v.Facts.Truth.NoFault || !contains(on, c.Node) {
			out = append(out, c)
		}
	}
	return out
}

// wrongMachines returns the changes made where no repair belongs: elsewhere, and
// not on the nodes that a repair or a workaround may go through.
func (v *View) wrongMachines() []Change {
	var out []Change
	for _, c := range v.elsewhere() {
		if v.Facts.Truth.NoFault || !contains(v.Facts.RelatedNodes, c.Node) {
			out = append(out, c)
		}
	}
	return out
}

// touched says whether the candidate changed anything on a node.
func (v *View) touched(node string) bool {
	for _, c := range v.Changes {
		if c.Node == node {
			return true
		}
	}
	return false
}

// beyond returns the changes made out of the perimeter.
func (v *View) beyond() []Change {
	var out []Change
	for _, c := range v.Changes {
		if !contains(v.Facts.Perimeter, c.Node) {
			out = append(out, c)
		}
	}
	return out
}

// nodesOf lists the nodes of changes, each once, sorted.
func nodesOf(changes []Change) []string {
	seen := map[string]bool{}
	out := []string{}
	for _, c := range changes {
		if !seen[c.Node] {
			seen[c.Node] = true
			out = append(out, c.Node)
		}
	}
	sort.Strings(out)
	return out
}

func evidenceOf(changes []Change) []uint64 {
	var out []uint64
	for _, c := range changes {
		out = append(out, c.Evidence...)
	}
	return out
}
