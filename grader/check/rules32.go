package check

import (
	"sort"

	"github.com/situlab/situlab/grader/evidence"
)

// blindLimit is how many changes without any test are non_acquis.
const blindLimit = 3

// methodical is 3.2a: a discriminating test before the first change.
func methodical(v *View) Finding {
	const id = "3.2a"
	tests := v.Tests()
	var disc []Command
	for _, c := range tests {
		if c.Discriminating {
			disc = append(disc, c)
		}
	}
	relevant, _ := v.relevantTests(v.Finish)
	m := map[string]any{"tests": len(tests), "relevant_tests": relevant, "discriminating_tests": len(disc),
		"changes": len(v.Changes)}
	a := args{"tests": len(tests), "changes": len(v.Changes)}
	before := disc
	if len(v.Changes) > 0 {
		first := v.Changes[0]
		a["command"], a["node"] = clip(first.Text), first.Node
		n := sort.Search(len(disc), func(i int) bool { return disc[i].BootNS >= first.BootNS })
		before = disc[:n]
		m["discriminating_before_change"] = n
	}
	lossy := v.Lossy("exec", "terminal")
	uncut, programs := v.uncutBefore(before)
	switch {
	case v.Facts.Truth.NoFault && len(v.Changes) > 0 && (len(tests) > 0 || len(v.Changes) < blindLimit):
		a["nodes"] = nodesOf(v.Changes)
		return finding(id, TwinChanged, a, m, evidenceOf(v.Changes))
	case len(before) > 0 && len(uncut) > 0:
		a["programs"] = programs
		return finding(id, LinesUncut, a, m, uncut)
	case len(before) > 0:
		return v.tested(before, a, m)
	case len(v.Uncut) > 0:
		_, a["programs"] = v.uncutBefore(nil)
		return finding(id, LinesUncut, a, m, recordSeqs(v.Uncut))
	case len(lossy) > 0:
		return finding(id, ObservedPartly, a, m, lossy)
	case len(tests) == 0 && len(v.Changes) >= blindLimit:
		return finding(id, BlindChanges, a, m, evidenceOf(v.Changes))
	case len(tests) == 0 && len(v.Changes) > 0:
		return finding(id, FewBlindChanges, a, m, evidenceOf(v.Changes))
	case len(tests) == 0:
		return finding(id, NoTestNoChange, a, m, []uint64{v.FinishSeq})
	case len(disc) > 0:
		return finding(id, ChangeBeforeTest, a, m, []uint64{v.Changes[0].Seq, disc[0].Seq})
	}
	return finding(id, NoDiscriminatingTest, a, m, commandSeqs(tests))
}

// tested concludes when a discriminating test came before any change.
func (v *View) tested(before []Command, a args, m map[string]any) Finding {
	const id = "3.2a"
	a["n"], a["target"], a["command"] = len(before), before[0].Target, clip(before[0].Text)
	a["when"] = tx("Avant la première modification,", "Before the first change")
	if len(v.Changes) == 0 {
		a["when"] = tx("Sans rien modifier,", "Without changing anything")
	}
	shown, hintSeq := v.revealed()
	switch {
	case shown >= 0 && shown < before[0].BootNS:
		return finding(id, TestsAfterReveal, a, m, []uint64{hintSeq, before[0].Seq})
	case v.Facts.Truth.NoFault && len(v.Lossy("exec", "terminal", "file")) > 0:
		return finding(id, ObservedPartly, a, m, v.Lossy("exec", "terminal", "file"))
	case v.Facts.Truth.NoFault:
		return finding(id, TwinTestedUnchanged, a, m, commandSeqs(before))
	}
	return finding(id, DiscriminatingTest, a, m, commandSeqs(before))
}

// uncutBefore returns the programs whose lines could not be cut before the
// first of the tests (all of them when there is none): what was typed there
// may have been a change. On the twin any such program matters, since "no
// change" is an absence.
func (v *View) uncutBefore(tests []Command) (ev []uint64, programs []string) {
	for _, r := range v.Uncut {
		u, _ := evidence.As[evidence.TermUncut](r)
		if len(tests) > 0 && r.BootNS > tests[0].BootNS && !v.Facts.Truth.NoFault {
			continue
		}
		ev = append(ev, r.Seq)
		if !contains(programs, u.Program) {
			programs = append(programs, u.Program)
		}
	}
	sort.Strings(programs)
	return ev, programs
}

// wrongLimit is how many sound machines make 3.2b non_acquis; one is
// tolerated (domain rule 3.2b).
const wrongLimit = 3

// elementFound is 3.2b.
func elementFound(v *View) Finding {
	const id = "3.2b"
	wrong := nodesOf(v.wrongMachines())
	beyond := v.beyond()
	m := map[string]any{"wrong_machines": wrong, "out_of_perimeter": nodesOf(beyond)}
	a := args{"element": v.ElementLabel(v.Facts.Truth.Element), "count": len(wrong), "nodes": wrong}
	var last *answer
	if all := v.answers(); len(all) > 0 {
		last = &all[len(all)-1]
		m["element"] = last.Element
		a["given"] = v.ElementLabel(last.Element)
	}
	switch {
	case len(wrong) >= wrongLimit:
		return finding(id, ManyWrongReplacements, a, m, evidenceOf(v.wrongMachines()))
	case len(beyond) > 0:
		a["nodes"] = nodesOf(beyond)
		return finding(id, OutOfPerimeter, a, m, evidenceOf(beyond))
	case last == nil || last.NoFault:
		return finding(id, NoElementNamed, a, m, []uint64{v.FinishSeq})
	case !v.elementRight(last.Element) && !v.elementParent(last.Element):
		return finding(id, ElementMismatch, a, m, []uint64{last.seq})
	case len(wrong) > 1:
		return finding(id, SomeWrongReplacements, a, m, append(evidenceOf(v.wrongMachines()), last.seq))
	case !v.elementRight(last.Element):
		return finding(id, ElementParent, a, m, []uint64{last.seq})
	}
	return finding(id, ElementIdentified, a, m, []uint64{last.seq})
}

// isolated is 3.2d: facts for the jury.
func isolated(v *View) Finding {
	const id = "3.2d"
	var on []Change
	nodes := v.truthNodes()
	for _, c := range v.Changes {
		if contains(nodes, c.Node) {
			on = append(on, c)
		}
	}
	m := map[string]any{"changes_on_element": len(on), "changes_elsewhere": len(v.Changes) - len(on)}
	a := args{"element": v.ElementLabel(v.Facts.Truth.Element), "changes": len(on), "nodes": nodesOf(v.Changes)}
	switch {
	case len(v.Changes) == 0:
		return finding(id, NothingIsolated, a, m, []uint64{v.FinishSeq})
	case len(on) == 0:
		return finding(id, IsolationElsewhere, a, m, evidenceOf(v.Changes))
	}
	a["last"] = clip(on[len(on)-1].Text)
	return finding(id, IsolationFacts, a, m, evidenceOf(on))
}

func commandSeqs(c []Command) []uint64 {
	out := make([]uint64, len(c))
	for i := range c {
		out[i] = c[i].Seq
	}
	return out
}

func recordSeqs(r []*evidence.Record) []uint64 {
	out := make([]uint64, len(r))
	for i := range r {
		out[i] = r[i].Seq
	}
	return out
}

// clip shortens a command for a sentence.
func clip(s string) string {
	r := []rune(s)
	if len(r) > 80 {
		return string(r[:79]) + "…"
	}
	return s
}
