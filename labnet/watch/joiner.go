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
	// the way could not be shown. Reason: "cron", "at", "systemd-run", "login"
	// (a login that was joined to no terminal).
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
	cron    map[string][]string
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
	return &Joiner{session: map[uint32]Origin{}, login: map[nodeUID]Origin{}, procs: map[procKey]*proc{}, cron: map[string][]string{}}
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

// KnownCron gives the text of a node's crontabs as they were before the
// candidate came: their jobs are the node's own.
func (j *Joiner) KnownCron(node string, text []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range strings.Split(string(text), "\n") {
		if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
			j.cron[node] = append(j.cron[node], l)
		}
	}
}

// Resolve says where the program of an event comes from.
func (j *Joiner) Resolve(e *ExecEvent) Origin {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := procKey{e.Node, e.PID}
	switch e.Kind {
	case ExecStart:
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
	switch {
	case strings.HasPrefix(e.Unit, "run-"):
		return Origin{Detached: true, Reason: "systemd-run"}
	case e.Unit == "cron.service" || e.Unit == "atd.service":
		// The daemon itself was started before we watched; its children are jobs.
		if base := path.Base(e.Exe); base != "cron" && base != "atd" && base != "" {
			return j.job(e, &proc{name: strings.TrimSuffix(e.Unit, ".service")})
		}
	case e.Session != NoSession:
		return Origin{Detached: true, Reason: "login"}
	}
	return Origin{}
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
		text := strings.TrimSpace(strings.Join(line, " "))
		for _, known := range j.cron[e.Node] {
			if text != "" && strings.HasSuffix(known, text) {
				return Origin{Reason: reasonNode}
			}
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
