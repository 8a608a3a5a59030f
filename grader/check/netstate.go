package check

import (
	"sort"
	"strings"

	"github.com/situlab/situlab/grader/evidence"
)

// The kernel's network state shows what no program's name tells: a value written
// into /proc, a rule changed by a script. The recorder samples it at the end of
// each command and every few seconds; what differs is the candidate's when
// something of theirs that can have done it ran on the node in between.

// netWindow is how long after a command's end its sample may come, in
// nanoseconds; bootWindow how long after its start a machine is still taking its
// addresses and routes. They are about machines: the time factor does not touch
// them.
const (
	netWindow  = 5e9
	bootWindow = 10e9
)

// netChange is a difference of a node's network state with what made it.
type netChange struct {
	*evidence.Record
	lines []string
	// cause is an index of View.Commands.
	cause int
}

// learnt are protocols of routes that no administrator enters.
var learnt = set("ospf", "dhcp", "kernel", "ra", "redirect", "bgp", "rip", "isis", "eigrp", "babel", "openr")

// entered keeps the lines of a difference that an administrator's work makes:
// addresses that are not leased, settings, rules, links switched or changed,
// routes that are not learnt.
func entered(n *evidence.NetState) []string {
	carrier := map[string]int{} // link lines without their carrier, both ways
	for i, side := range [][]string{n.Added, n.Removed} {
		for _, l := range side {
			if strings.HasPrefix(l, "link ") {
				carrier[withoutCarrier(l)] += 1 - 2*i
			}
		}
	}
	var out []string
	for i, side := range [][]string{n.Added, n.Removed} {
		sign := []string{"+ ", "- "}[i]
		for _, l := range side {
			kind, rest, _ := strings.Cut(l, " ")
			ok := false
			switch kind {
			case "address":
				ok = !strings.HasSuffix(rest, " leased") && !strings.Contains(rest, " fe80:")
			case "route":
				ok = !learnt[wordAfter(rest, "proto ")]
			case "link":
				ok = carrier[withoutCarrier(l)] != 0
			case "sysctl", "rule", "nft":
				ok = true
			}
			if ok {
				out = append(out, sign+l)
			}
		}
	}
	return out
}

// withoutCarrier is a link's line without what comes from the other end.
func withoutCarrier(l string) string {
	return strings.NewReplacer(" carrier true", "", " carrier false", "").Replace(l)
}

// wordAfter is the word after a key.
func wordAfter(s, key string) string {
	_, rest, ok := strings.Cut(" "+s, " "+key)
	if !ok {
		return ""
	}
	word, _, _ := strings.Cut(rest, " ")
	return word
}

// readNetChanges finds the differences that are the candidate's, and marks the
// commands that made them as changes.
func (v *View) readNetChanges() []netChange {
	lives := v.nodeLives()
	byNode := map[string][]int{}
	for i, c := range v.Commands {
		if canChangeNet(c) {
			byNode[c.Node] = append(byNode[c.Node], i)
		}
	}
	before := map[string]int64{}
	var out []netChange
	for _, r := range v.byType[evidence.TypeNetState] {
		n, _ := evidence.As[evidence.NetState](r)
		since, known := before[r.Node]
		before[r.Node] = r.BootNS
		lines := entered(n)
		if !known || n.Trigger == "start" || len(lines) == 0 || booting(lives[r.Node], since, r.BootNS) {
			continue
		}
		if i := v.causeOf(byNode[r.Node], min(since, r.BootNS-netWindow), r.BootNS); i >= 0 {
			out = append(out, netChange{r, lines, i})
			if c := &v.Commands[i]; c.Change == "" && c.Ended >= 0 && !c.Typed && !c.Nested {
				c.Change = changeRuntime
			}
		}
	}
	return out
}

// causeOf is the last of the commands that ran between two moments, or -1.
func (v *View) causeOf(commands []int, from, to int64) int {
	for k := len(commands) - 1; k >= 0; k-- {
		c := v.Commands[commands[k]]
		if c.BootNS <= to && (c.Ended < 0 || c.Ended >= from) {
			return commands[k]
		}
	}
	return -1
}

// canChangeNet says whether a command may have changed the network without its
// name telling: it changes something, or it is a shell or a program that is not
// known to only look.
func canChangeNet(c Command) bool {
	switch {
	case c.Change != "":
		return true
	case c.Test != "", c.Typed:
		return false
	case shells[c.Program]:
		// What a shell executes is recorded on its own; by itself it changes the
		// network by a redirection only.
		return !strings.Contains(c.Text, " -c ") || strings.Contains(c.Text, "/proc/") || strings.Contains(c.Text, "/sys/")
	}
	return !c.Wrapper && !readers[c.Program] && !inert[c.Program] && programs[c.Program] == nil
}

// nodeLives are the moments at which a node's life took a turn.
func (v *View) nodeLives() map[string][]*evidence.Record {
	out := map[string][]*evidence.Record{}
	for _, r := range v.byType[evidence.TypeLabNode] {
		out[r.Node] = append(out[r.Node], r)
	}
	return out
}

// booting says whether a node was starting between two samples of it, or still
// is: it then loses and takes its state by itself.
func booting(life []*evidence.Record, since, now int64) bool {
	i := sort.Search(len(life), func(i int) bool { return life[i].BootNS > now })
	if i == 0 {
		return false
	}
	last := life[i-1]
	n, _ := evidence.As[evidence.LabNode](last)
	return n.Event != evidence.NodeRunning || last.BootNS > since || now-last.BootNS < bootWindow
}
