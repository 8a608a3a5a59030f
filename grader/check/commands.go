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
	Seq      uint64
	BootNS   int64
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
	// Relevant and Discriminating judge a test.
	Relevant       bool
	Discriminating bool
	Target         string
}

func readCommands(v *View) []Command {
	codes := map[uint64]int{}
	for _, r := range v.byType[evidence.TypeExecExit] {
		e, _ := evidence.As[evidence.ExecExit](r)
		codes[e.ID] = e.Code
	}
	var out []Command
	changing := map[string]bool{} // node/pid of a changing command or its children
	for _, r := range v.byType[evidence.TypeExecStart] {
		e, _ := evidence.As[evidence.ExecStart](r)
		if e.Terminal == "" && !e.Detached || len(e.Argv) == 0 || r.BootNS < v.Enter || r.BootNS > v.Finish {
			continue
		}
		c := Command{Seq: r.Seq, BootNS: r.BootNS, Node: r.Node, Terminal: e.Terminal, Detached: e.Detached,
			Program: strings.TrimPrefix(path.Base(e.Argv[0]), "-"), Text: quoted(e.Argv), Code: -1}
		if code, ok := codes[e.ID]; ok {
			c.Code = code
		}
		c.Wrapper = wrappers[c.Program]
		k := classify(e.Argv, e.Cwd)
		c.Test, c.Change = k.test, k.change
		if changing[processKey(r.Node, e.PPID)] {
			c.Nested, c.Test, c.Change = true, "", ""
		}
		if c.Change != "" || c.Nested {
			changing[processKey(r.Node, e.PID)] = true
		} else {
			delete(changing, processKey(r.Node, e.PID))
		}
		v.judge(&c, k.args)
		out = append(out, c)
	}
	for _, r := range v.within(evidence.TypeTermInputLine) {
		l, _ := evidence.As[evidence.TermInputLine](r)
		if strings.TrimSpace(l.Line) == "" {
			continue
		}
		c := Command{Seq: r.Seq, BootNS: r.BootNS, Node: r.Node, Terminal: l.Terminal, Program: l.Program,
			Text: l.Line, Typed: true, Code: -1}
		var k class
		switch l.Program {
		case "vtysh":
			k = vtyshLine(l.Line)
		case "psql":
			k = psqlLine(l.Line)
		}
		c.Test, c.Change = k.test, k.change
		v.judge(&c, k.args)
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

// judge fills what a test is worth in this situation.
func (v *View) judge(c *Command, args []string) {
	kind, ok := testKinds[c.Test]
	if !ok {
		return
	}
	switch {
	case kind.scope == scopeLocal:
		c.Relevant, c.Target = contains(v.Facts.Targets.Nodes, c.Node), c.Node
	default:
		for _, a := range args {
			if t := v.target(a); t != "" {
				c.Relevant, c.Target = true, t
				break
			}
		}
	}
	c.Discriminating = c.Relevant && separates(kind.families)
}

// separates says whether a test that shows these families tells two causes of
// the list apart: one that it shows and one that it does not.
func separates(families []string) bool {
	shown, hidden := false, false
	for _, c := range criteria.Causes() {
		if contains(families, c.Family) {
			shown = true
		} else {
			hidden = true
		}
	}
	return shown && hidden
}

// target returns the host of the broken chain that an argument names, or "".
func (v *View) target(arg string) string {
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
	if host == "" || strings.HasPrefix(host, "-") {
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
