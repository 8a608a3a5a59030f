package watch

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Origin says where a program comes from. The zero value: a daemon of the node.
type Origin struct {
	// Terminal is the recorded terminal it descends from.
	Terminal string
	// Via says how the terminal reaches the node: "" (its own node), "ssh",
	// "console".
	Via string
	// Detached: it is somebody's work but descends from no terminal any more, or
	// the way could not be shown. Reason: "cron" and "unit" (a job, a unit that were
	// not there when the observation began), "at", "systemd-run", "login" (a login
	// that was joined to no terminal).
	Detached bool
	Reason   string
}

func (o Origin) known() bool { return o != Origin{} }

// reasonNode marks what is known to be the node's own (a cron job of before).
const reasonNode = "node"

// Joiner gives programs to terminals: by the audit session that a terminal's
// holder set (inherited through tmux, nohup, su, setsid), by parents, and across
// ssh by joining the server's TCP connection to the client's socket. It may be
// used by several goroutines; Resolve must be called for every event in order.
type Joiner struct {
	mu      sync.Mutex
	session map[uint32]Origin
	login   map[nodeUID]Origin
	procs   map[procKey]*proc
	own     map[string]*Own // by node
}

type nodeUID struct {
	node string
	uid  uint32
}

type procKey struct {
	node string
	pid  int
}

type proc struct {
	origin Origin
	name   string // of the program: comm
}

// NewJoiner knows no terminal yet.
func NewJoiner() *Joiner {
	return &Joiner{session: map[uint32]Origin{}, login: map[nodeUID]Origin{}, procs: map[procKey]*proc{}, own: map[string]*Own{}}
}

// Expect announces that programs of the node with this audit login uid (a host
// id) are a terminal's. Called before the terminal is started it makes sure that
// not even its first program is without a terminal.
func (j *Joiner) Expect(terminal, node string, loginUID uint32, via string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.login[nodeUID{node, loginUID}] = Origin{Terminal: terminal, Via: via}
}

// Terminal says which audit session is a terminal's; via is "" or "console".
func (j *Joiner) Terminal(terminal, node string, session uint32, via string) {
	if session == NoSession {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.session[session] = Origin{Terminal: terminal, Via: via}
}

// Known says where the programs of an audit session come from, as an earlier
// observation has found out.
func (j *Joiner) Known(session uint32, o Origin) {
	if session == NoSession || !o.known() {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.session[session] = o
}

// OfSession says where the programs of an audit session come from; the zero
// value when that is not known.
func (j *Joiner) OfSession(session uint32) Origin {
	if session == NoSession {
		return Origin{}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return visible(j.session[session])
}

// Own says what a node runs of its own accord: its jobs and units are its own,
// those that appear later are somebody's work. Of a node without it every unit is
// its own and no job is.
func (j *Joiner) Own(node string, o *Own) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.own[node] = o
}

// Resolve says where the program, or the forked child, of an event comes from.
func (j *Joiner) Resolve(e *ExecEvent) Origin {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := procKey{e.Node, e.PID}
	switch e.Kind {
	case ExecStart:
	case ExecFork:
		p := j.procs[procKey{e.Node, e.PPID}]
		delete(j.procs, key) // of an earlier process whose end was lost
		if p == nil || !p.origin.known() {
			return Origin{}
		}
		j.procs[key] = &proc{origin: p.origin, name: p.name}
		return visible(p.origin)
	case ExecExit:
		p := j.procs[key]
		delete(j.procs, key)
		if p == nil {
			return Origin{}
		}
		return visible(p.origin)
	default:
		return Origin{}
	}
	if e.NodePID == 1 { // a new incarnation
		for k := range j.procs {
			if k.node == e.Node {
				delete(j.procs, k)
			}
		}
	}
	o := j.origin(e)
	p := &proc{origin: o, name: e.Comm}
	j.procs[key] = p
	if e.Session != NoSession && o.known() {
		if _, ok := j.session[e.Session]; !ok {
			j.session[e.Session] = o
		}
	}
	return visible(o)
}

// visible hides the inner mark of the node's own jobs.
func visible(o Origin) Origin {
	if o.Reason == reasonNode {
		return Origin{}
	}
	return o
}

func (j *Joiner) origin(e *ExecEvent) Origin {
	if e.Session != NoSession {
		if o, ok := j.session[e.Session]; ok {
			return o
		}
	}
	if e.LoginUID != NoSession {
		if o, ok := j.login[nodeUID{e.Node, e.LoginUID}]; ok {
			return o
		}
	}
	if len(e.conns) > 0 {
		return j.acrossSSH(e)
	}
	o := j.descent(e)
	if visible(o) == (Origin{}) && j.own[e.Node].foreign(e.Argv) {
		return Origin{Detached: true, Reason: "cron"}
	}
	return o
}

// descent is the origin by parents, or by the unit.
func (j *Joiner) descent(e *ExecEvent) Origin {
	// The process itself was forked by somebody, or ran another program before.
	if p := j.procs[procKey{e.Node, e.PID}]; p != nil && p.origin.known() {
		return p.origin
	}
	for _, pid := range e.Parents {
		p := j.procs[procKey{e.Node, pid}]
		if p == nil {
			continue
		}
		if p.origin.known() {
			return p.origin
		}
		if o := j.job(e, p); o.known() {
			return o
		}
	}
	if o := j.savedBy(e); o.known() {
		return o
	}
	switch {
	case strings.HasPrefix(e.Unit, "run-"):
		return Origin{Detached: true, Reason: "systemd-run"}
	case e.Unit == "cron.service" || e.Unit == "atd.service":
		// The daemon itself was started before we watched; its children are jobs.
		if base := path.Base(e.Exe); base != "cron" && base != "atd" && base != "" {
			return j.job(e, &proc{name: strings.TrimSuffix(e.Unit, ".service")})
		}
	case j.own[e.Node] != nil && strings.HasSuffix(e.Unit, ".service") && !j.own[e.Node].unit(e.Unit):
		return Origin{Detached: true, Reason: "unit"}
	case e.Session != NoSession:
		return Origin{Detached: true, Reason: "login"}
	}
	return Origin{}
}

// savedBy is the origin of the "vtysh -w" that FRR's watchfrr runs when a vtysh
// asks it over its socket to save the configuration, and waits (FRR 8.4,
// watchfrr/watchfrr_vty.c, "write integrated"): that of the vtysh which runs in
// the node meanwhile. When one that is nobody's runs there too, it may have asked.
func (j *Joiner) savedBy(e *ExecEvent) (o Origin) {
	if e.Unit != "frr.service" || len(e.Argv) != 2 || path.Base(e.Argv[0]) != "vtysh" || e.Argv[1] != "-w" {
		return Origin{}
	}
	for k, p := range j.procs {
		switch {
		case k.node != e.Node || p.name != "vtysh" || k.pid == e.PID:
		case visible(p.origin) == Origin{}:
			return Origin{}
		default:
			o = p.origin
		}
	}
	return o
}

// job is the origin of a program whose ancestor is a scheduler.
func (j *Joiner) job(e *ExecEvent, parent *proc) Origin {
	switch parent.name {
	case "atd":
		return Origin{Detached: true, Reason: "at"}
	case "cron", "crond":
		// cron runs "sh -c LINE".
		line := e.Argv
		if len(line) == 3 && line[1] == "-c" {
			line = line[2:]
		}
		if j.own[e.Node].job(strings.Join(line, " ")) {
			return Origin{Reason: reasonNode}
		}
		return Origin{Detached: true, Reason: "cron"}
	}
	return Origin{}
}

// acrossSSH joins the connection that a server holds to the process at its
// other end, in whatever node that is.
func (j *Joiner) acrossSSH(server *ExecEvent) Origin {
	var ssh, others []procKey
	for k, p := range j.procs {
		if k.node == server.Node && k.pid == server.PID {
			continue
		}
		if strings.HasPrefix(p.name, "ssh") {
			ssh = append(ssh, k)
		} else if p.origin.known() {
			others = append(others, k)
		}
	}
	for _, keys := range [][]procKey{ssh, others} {
		for _, k := range keys {
			if !j.holds(k.pid, server.conns) {
				continue
			}
			o := j.procs[k].origin
			switch {
			case o.Terminal != "":
				return Origin{Terminal: o.Terminal, Via: "ssh"}
			case o.Detached:
				return o
			default: // a daemon of one node talks to another
				return Origin{Reason: reasonNode}
			}
		}
	}
	return Origin{Detached: true, Reason: "login"}
}

// holds says whether the process, or a child that it forked without executing
// anything (a jump host's sshd), has the other end of one of the connections.
func (j *Joiner) holds(pid int, server []conn) bool {
	for _, p := range family(pid, 0) {
		for _, c := range tcpOf(p) {
			for _, s := range server {
				if otherEnd(c, s) {
					return true
				}
			}
		}
	}
	return false
}

// otherEnd: same ports crosswise, and the same address on at least one side; a
// firewall on the way may translate the other.
func otherEnd(client, server conn) bool {
	return client.local.Port() == server.remote.Port() && client.remote.Port() == server.local.Port() &&
		(client.local.Addr() == server.remote.Addr() || client.remote.Addr() == server.local.Addr())
}

// family is a process and its descendants, as far as three generations.
func family(pid, depth int) []int {
	out := []int{pid}
	if depth == 3 {
		return out
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return out
	}
	for _, f := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			out = append(out, family(n, depth+1)...)
		}
	}
	return out
}
