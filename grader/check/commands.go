package check

import (
	"net/netip"
	"net/url"
	"path"
	"sort"
	"strconv"
	"strings"

	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/evidence"
)

// Command is one thing the candidate did: an executed program, or a line
// typed inside an interactive one.
type Command struct {
	Seq    uint64
	BootNS int64
	// Ended is when the program ended, -1 if that is not known.
	Ended    int64
	Node     string
	Terminal string
	// Program is the basename; Text the whole line as a person would type it.
	Program string
	Text    string
	// Typed is true for a line typed inside Program.
	Typed    bool
	Detached bool
	// Wrapper is true for ssh, sudo, shells: shown, never counted.
	Wrapper bool
	// Nested is true for what a changing command executed in its turn.
	Nested bool
	// Code is the exit status, -1 if unknown.
	Code int
	// Test and Change are kinds of tables.go, empty if the command is neither.
	Test   string
	Change string
	// Relevant and Discriminating judge a test (see judge); Target is where it
	// looks.
	Relevant       bool
	Discriminating bool
	Target         string
}

func readCommands(v *View) []Command {
	codes, ended := map[uint64]int{}, map[uint64]int64{}
	for _, r := range v.byType[evidence.TypeExecExit] {
		e, _ := evidence.As[evidence.ExecExit](r)
		codes[e.ID], ended[e.ID] = e.Code, r.BootNS
	}
	var out []Command
	changing := map[string]bool{} // node/pid of a changing command or its children
	own := processes{}
	for _, r := range v.byType[evidence.TypeExecStart] {
		e, _ := evidence.As[evidence.ExecStart](r)
		if e.Terminal == "" && !e.Detached || len(e.Argv) == 0 || r.BootNS < v.Enter || r.BootNS > v.Finish {
			continue
		}
		c := Command{Seq: r.Seq, BootNS: r.BootNS, Ended: -1, Node: r.Node, Terminal: e.Terminal, Detached: e.Detached,
			Program: strings.TrimPrefix(path.Base(e.Argv[0]), "-"), Text: quoted(e.Argv), Code: -1}
		if code, ok := codes[e.ID]; ok {
			c.Code, c.Ended = code, ended[e.ID]
		}
		c.Wrapper = wrappers[c.Program]
		k := classify(e.Argv, e.Cwd)
		if k.victims != nil && (own.all(r.Node, r.BootNS, k.victims) || c.Program != "kill" && c.Code == 1) {
			k.change = "" // it ended its own programs, or none (pgrep(1): 1 is no match)
		}
		c.Test, c.Change = k.test, k.change
		if changing[processKey(r.Node, e.PPID)] {
			c.Nested, c.Test, c.Change = true, "", ""
		}
		if c.Change != "" || c.Nested {
			changing[processKey(r.Node, e.PID)] = true
		} else {
			delete(changing, processKey(r.Node, e.PID))
		}
		own.add(r.Node, process{pid: e.PID, name: c.Program, line: strings.Join(e.Argv, " "), ended: c.Ended})
		v.judge(&c, k)
		out = append(out, c)
	}
	for _, r := range v.within(evidence.TypeTermInputLine) {
		l, _ := evidence.As[evidence.TermInputLine](r)
		if strings.TrimSpace(l.Line) == "" {
			continue
		}
		c := Command{Seq: r.Seq, BootNS: r.BootNS, Ended: r.BootNS, Node: r.Node, Terminal: l.Terminal, Program: l.Program,
			Text: l.Line, Typed: true, Code: -1}
		var k class
		switch l.Program {
		case "vtysh":
			k = vtyshLine(l.Line)
		case "psql":
			k = psqlLine(l.Line)
		}
		c.Test, c.Change = k.test, k.change
		v.judge(&c, k)
		out = append(out, c)
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].BootNS != out[j].BootNS {
			return out[i].BootNS < out[j].BootNS
		}
		return out[i].Seq < out[j].Seq
	})
	return out
}

// process is a program that the candidate started; ended is -1 while it runs.
type process struct {
	pid        int
	name, line string
	ended      int64
}

// processes are the candidate's own programs, by node.
type processes map[string][]process

func (p processes) add(node string, x process) { p[node] = append(p[node], x) }

// all says whether all that a killing program aims at was started by the
// candidate, on the same node, and still runs. A name may also be that of a
// program of the system: the candidate's own are then the likelier aim.
func (p processes) all(node string, at int64, v *victims) bool {
	found := func(is func(process) bool) bool {
		for _, x := range p[node] {
			if (x.ended < 0 || x.ended >= at) && is(x) {
				return true
			}
		}
		return false
	}
	for _, pid := range v.pids {
		n, err := strconv.Atoi(strings.TrimPrefix(pid, "-"))
		if err != nil || !found(func(x process) bool { return x.pid == n }) {
			return false
		}
	}
	for _, name := range v.names {
		// pkill(1): the pattern matches a part of the name, which the kernel
		// cuts at 15 bytes.
		name = strings.Trim(name, "^$")
		if name == "" || !found(func(x process) bool {
			return strings.Contains(x.name, name) || v.full && !wrappers[x.name] && x.name != "pkill" && strings.Contains(x.line, name)
		}) {
			return false
		}
	}
	return len(v.pids)+len(v.names) > 0
}

// quoted joins argv as one would type it.
func quoted(argv []string) string {
	out := make([]string, len(argv))
	for i, a := range argv {
		switch {
		case a == "":
			out[i] = "''"
		case !strings.ContainsAny(a, " \t\n\"'\\$&;|<>()*?[]{}~#!`"):
			out[i] = a
		default:
			out[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}

func processKey(node string, pid int) string {
	return node + "/" + strconv.Itoa(pid)
}

// judge fills what a test is worth in this situation. A test looks somewhere on
// the chain between the users hit and their services, or elsewhere; there it
// shows the causes of some families. It is relevant when it looks at the chain
// and shows causes that can lie there and give the symptom. It discriminates
// when its result then tells two causes of the common list apart: one that it
// shows, and one, possible as well, that it does not.
func (v *View) judge(c *Command, k class) {
	kind, ok := testKinds[c.Test]
	if !ok {
		return
	}
	at, target := v.looksAt(c.Test, c.Node, k.args)
	if len(at) == 0 {
		return
	}
	families := kind.families
	if k.families != nil {
		families = k.families
	}
	shown, hidden := v.possible(families, at)
	c.Relevant, c.Target = shown, target
	c.Discriminating = shown && hidden
}

// looksAt says at which places of the chain a test looks, none when it looks
// elsewhere, and what it is aimed at.
func (v *View) looksAt(kind, node string, args []string) (places []string, target string) {
	if testKinds[kind].scope == scopeLocal {
		if contains(v.Facts.Targets.Nodes, node) {
			return v.placesOf(node), node
		}
		return nil, ""
	}
	inside := contains(v.Facts.Targets.Inside, node)
	for _, a := range args {
		if t := v.target(a); t != "" {
			return everywhere, t
		}
		if t := hostOf(a); inside && t != "" && !itself(t, node) {
			return everywhere, t
		}
	}
	if inside && len(args) == 0 && kind == "dns_query" { // of the node's own resolver
		return everywhere, node
	}
	return nil, ""
}

// everywhere are the places that a test through the network crosses.
var everywhere = []string{evidence.PlacePost, evidence.PlacePath, evidence.PlaceServer}

// placesOf are the places that a machine of the chain is at. A server on the
// users' side is also a post there.
func (v *View) placesOf(node string) []string {
	class := ""
	for _, e := range v.Facts.Elements {
		if e.ID == node || e.Node == node && e.Parent == "" {
			class = e.Class
			break
		}
	}
	switch class {
	case "router", "firewall", "operator":
		return []string{evidence.PlacePath}
	case "workstation":
		return []string{evidence.PlacePost}
	}
	return []string{evidence.PlacePost, evidence.PlaceServer}
}

// possible goes through the causes of the list that may give the symptom. shown:
// one of these families can lie at one of the places; hidden: there is another
// one that the test would not show.
func (v *View) possible(families, at []string) (shown, hidden bool) {
	for _, c := range criteria.Causes() {
		here, open := false, false
		for _, p := range familyPlaces[c.Family] {
			if len(v.Facts.Targets.Places) == 0 || contains(v.Facts.Targets.Places, p) {
				open = true
				here = here || contains(at, p)
			}
		}
		switch {
		case open && here && contains(families, c.Family):
			shown = true
		case open && !contains(families, c.Family):
			hidden = true
		}
	}
	return shown, hidden
}

// hostOf is the host that an argument names: a name, an address, a URL, a share,
// user@host, host:port; empty when it can be none.
func hostOf(arg string) string {
	host := strings.ToLower(strings.TrimPrefix(arg, "@"))
	if u, err := url.Parse(host); err == nil && u.Host != "" {
		host = u.Hostname()
	} else if u, err := url.Parse("x:" + host); err == nil && u.Host != "" {
		host = u.Hostname() // //server/share
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	host, _, _ = strings.Cut(host, "/")
	if h, port, ok := strings.Cut(host, ":"); ok && !strings.Contains(port, ":") {
		host = h
	}
	host = strings.TrimSuffix(host, ".")
	if strings.HasPrefix(host, "-") || strings.Trim(host, "0123456789") == "" { // an option, a number
		return ""
	}
	return host
}

// itself says whether a host is the machine that the test runs on.
func itself(host, node string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || host == node || strings.HasPrefix(host, node+".") || err == nil && addr.IsLoopback()
}

// target returns the host that an argument names if it lies across the broken
// path from anywhere, or "".
func (v *View) target(arg string) string {
	host := hostOf(arg)
	if host == "" {
		return ""
	}
	for _, h := range v.Facts.Targets.Hosts {
		h = strings.ToLower(strings.TrimSuffix(h, "."))
		if host == h || strings.HasPrefix(h, host+".") || strings.HasPrefix(host, h+".") && !isAddr(h) {
			return host
		}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	for _, n := range v.Facts.Targets.Nets {
		if p, err := netip.ParsePrefix(n); err == nil && p.Contains(addr) {
			return host
		}
	}
	return ""
}

func isAddr(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// Tests returns the commands that are tests, in order.
func (v *View) Tests() []Command {
	var out []Command
	for _, c := range v.Commands {
		if c.Test != "" {
			out = append(out, c)
		}
	}
	return out
}

// relevantTests counts different relevant tests up to a moment: kind, node and
// target.
func (v *View) relevantTests(until int64) (n int, ev []uint64) {
	seen := map[string]bool{}
	for _, c := range v.Tests() {
		if c.BootNS > until {
			break
		}
		key := c.Test + "|" + c.Target
		if testKinds[c.Test].scope == scopeRemote {
			key += "|" + c.Node
		}
		if c.Relevant && !seen[key] {
			seen[key] = true
			ev = append(ev, c.Seq)
		}
	}
	return len(seen), ev
}
