package check

import (
	"math"
	"strconv"
	"strings"

	"github.com/situlab/situlab/grader/evidence"
)

// Bounds of domain rule 3.1-i: how often an answer may change, and how many
// elements may be named.
const (
	maxRevisions = 2
	maxElements  = 3
)

// DefaultTwinTests is how many different relevant tests a "no fault" needs.
const DefaultTwinTests = 3

// factor prints a time factor in both languages.
func factor(f float64) evidence.Text {
	s := strconv.FormatFloat(math.Round(f*1000)/1000, 'f', -1, 64)
	return tx(strings.Replace(s, ".", ",", 1), s)
}

// identified is 3.1-i: the sealed diagnosis against the truth. The last answer
// counts.
func identified(v *View) Finding {
	const id = "3.1-i"
	all := v.answers()
	if len(all) == 0 {
		return finding(id, NoDiagnosis, nil, map[string]any{"diagnoses": 0}, []uint64{v.FinishSeq})
	}
	last := all[len(all)-1]
	var ev []uint64
	elements := map[string]bool{}
	for _, a := range all {
		ev = append(ev, a.seq, a.TextSeq)
		if !a.NoFault {
			elements[a.Element] = true
		}
	}
	truth := v.Facts.Truth
	m := map[string]any{"diagnoses": len(all), "no_fault": last.NoFault, "element": last.Element, "cause": last.Cause}
	a := args{"given": v.ElementLabel(last.Element), "element": v.ElementLabel(truth.Element),
		"cause": CauseLabel(truth.Cause), "count": len(elements), "revisions": len(all) - 1}
	if truth.NoFault {
		return v.identifiedTwin(last, a, m, ev)
	}
	shown, hintSeq := v.revealed()
	switch {
	case last.NoFault:
		return finding(id, FaultDenied, a, m, ev)
	case len(elements) > maxElements:
		return finding(id, TooManyElements, a, m, ev)
	case !v.elementRight(last.Element) && v.elementParent(last.Element):
		return finding(id, ParentElement, a, m, ev)
	case !v.elementRight(last.Element):
		return finding(id, WrongElement, a, m, ev)
	case !v.causeRight(last.Cause):
		a["given"] = CauseLabel(last.Cause)
		return finding(id, ElementOnly, a, m, ev)
	case shown >= 0 && shown < last.bootNS:
		return finding(id, AfterReveal, a, m, append(ev, hintSeq))
	case len(all)-1 > maxRevisions:
		return finding(id, ManyRevisions, a, m, ev)
	}
	return finding(id, Identified, a, m, ev)
}

func (v *View) identifiedTwin(last answer, a args, m map[string]any, ev []uint64) Finding {
	const id = "3.1-i"
	if !last.NoFault {
		return finding(id, FalseAlarmMissed, a, m, ev)
	}
	need := v.Facts.Thresholds.TwinTests
	if need == 0 {
		need = DefaultTwinTests
	}
	n, tests := v.relevantTests(last.bootNS)
	shown, hintSeq := v.revealed()
	m["relevant_tests"], m["changes"] = n, len(v.Changes)
	a["tests"], a["need"], a["changes"] = n, need, len(v.Changes)
	switch {
	case len(v.Changes) > 0:
		return finding(id, FalseAlarmButChanged, a, m, append(ev, evidenceOf(v.Changes)...))
	case v.Off("exec", "terminal"):
		return finding(id, NotObserved, a, m, v.Lossy("exec", "terminal"))
	case shown >= 0 && shown < last.bootNS:
		return finding(id, FalseAlarmRevealed, a, m, append(ev, hintSeq))
	case n < need:
		return finding(id, FalseAlarmUntested, a, m, append(ev, tests...))
	case len(v.Lossy("exec", "terminal", "file")) > 0 || len(v.Uncut) > 0:
		// "Without changing anything" is an absence.
		return finding(id, ObservedPartly, a, m, append(ev, v.Lossy("exec", "terminal", "file")...))
	}
	return finding(id, FalseAlarmConfirmed, a, m, append(ev, tests...))
}

// restored is 3.1-ii: level, not edge, and then the cold start of the whole
// company.
func restored(v *View) Finding {
	const id = "3.1-ii"
	p, cold := v.permanence(), v.coldStart()
	m := map[string]any{
		"hit_probes": len(v.Facts.HitProbes), "green_seconds": round(p.SpanSeconds), "needed_seconds": round(p.needSeconds),
		"samples": max(0, p.Samples), "red_at_finish": strs(p.Red), "red_after_finish": strs(p.Relapsed),
		"cold_start": cold.done, "red_after_cold_start": strs(cold.red), "others_lost": strs(cold.collateral),
	}
	if len(cold.missing) > 0 {
		m["not_back"] = cold.missing
	}
	a := args{"span": seconds(p.SpanSeconds), "need": seconds(p.needSeconds), "samples": max(0, p.Samples)}
	// What decides is cited in full, of what is merely green a few.
	decisive := append(append([]uint64{v.FinishSeq}, p.red...), cold.decisive...)
	for _, r := range v.byType[evidence.TypeExamPermanence] {
		decisive = append(decisive, r.Seq)
	}
	give := func(code Reason) Finding {
		return finding(id, code, a, m, append(few(p.green), few(cold.green)...)).citing(decisive)
	}
	switch {
	case len(v.Facts.HitProbes) == 0:
		return finding(id, NotObserved, a, m, []uint64{v.FinishSeq})
	case len(p.Red) > 0 && cold.allGreen():
		a["probes"] = v.ProbeLabels(p.Red)
		return give(NotApplied)
	case len(p.Red) > 0:
		a["probes"] = v.ProbeLabels(p.Red)
		return give(NotRestored)
	case len(p.Relapsed) > 0:
		a["probes"], a["span"] = v.ProbeLabels(p.Relapsed), seconds(p.needSeconds)
		return give(RelapseAfterFinish)
	case len(p.Unseen) > 0:
		return give(PermanenceNotObserved)
	case len(cold.red) > 0 && cold.sound:
		a["probes"] = v.ProbeLabels(cold.red)
		return give(LostAtColdStart)
	case !p.Complete():
		return give(PermanenceNotObserved)
	case !cold.allGreen() || len(cold.collateral) > 0 && !cold.sound:
		return give(ColdStartNotObserved)
	case len(cold.collateral) > 0:
		a["probes"] = v.ProbeLabels(cold.collateral)
		return give(CollateralAtColdStart)
	}
	return give(RestoredPermanent)
}

func round(f float64) float64 { return math.Round(f*10) / 10 }

// strs is a list that prints as [] in JSON, never as null.
func strs(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// logWindow is the unscaled distance (seconds) between an intervention and the
// entry that may be about it.
const logWindow = 300

// logbook is 3.1-iii: facts for the jury. An intervention counts as matched
// when an entry about its node (declared or named in the text) lies close by.
func logbook(v *View) Finding {
	const id = "3.1-iii"
	entries := v.within(evidence.TypeLogEntry)
	corrections := len(v.within(evidence.TypeLogCorrection))
	var ev []uint64
	for _, r := range entries {
		ev = append(ev, r.Seq)
	}
	var missed []string
	matched := 0
	for _, c := range v.Changes {
		found := false
		for _, r := range entries {
			e, _ := evidence.As[evidence.LogEntry](r)
			near := v.Active(min(c.BootNS, r.BootNS), max(c.Last, r.BootNS)) <= v.scaled(0, logWindow)
			about := e.NodeRef == c.Node || strings.Contains(strings.ToLower(e.Text), strings.ToLower(c.Node))
			found = found || near && about
		}
		if found {
			matched++
		} else {
			missed = append(missed, c.Node+" · "+c.Text)
			ev = append(ev, c.Seq)
		}
	}
	m := map[string]any{"entries": len(entries), "corrections": corrections, "interventions": len(v.Changes),
		"matched": matched, "without_entry": strs(missed)}
	a := args{"entries": len(entries), "changes": len(v.Changes), "matched": tx("", "")}
	if len(v.Changes) > 0 {
		a["matched"] = fillText(tx(
			" ; {n|aucune n’est consignée|une est consignée|# sont consignées} à un moment proche, pour la même machine",
			"; {n|none is|one is|# are} recorded close in time, about the same machine"), args{"n": matched})
	}
	if len(entries) == 0 {
		return finding(id, LogbookEmpty, a, m, append(ev, v.FinishSeq))
	}
	return finding(id, LogbookFacts, a, m, ev)
}

// headings are the seven fields of an incident report and words by which
// either language names them.
var headings = []struct {
	name  evidence.Text
	words []string
}{
	{tx("détection", "detection"), []string{"détect", "detect", "signalement", "reported", "ticket"}},
	{tx("début et fin", "start and end"), []string{"début", "debut", "fin ", "durée", "duree", "start", "end ", "duration", "heure"}},
	{tx("impact", "impact"), []string{"impact", "touché", "touche", "affected", "utilisateurs"}},
	{tx("cause", "cause"), []string{"cause", "origine"}},
	{tx("actions", "actions"), []string{"action", "intervention", "correct", "répar", "repair"}},
	{tx("données", "data"), []string{"donnée", "donnee", "data", "sauvegarde", "backup"}},
	{tx("prévention", "prevention"), []string{"prévent", "prevent", "éviter", "eviter", "recommand", "recommend", "avoid"}},
}

// incidentReport is 3.1-iv: facts for the jury.
func incidentReport(v *View) Finding {
	const id = "3.1-iv"
	var doc *evidence.Document
	var ev []uint64
	for _, r := range v.within(evidence.TypeMessageDocument) {
		if d, _ := evidence.As[evidence.Document](r); d.Kind == "report" {
			doc, ev = d, append(ev, r.Seq)
		}
	}
	if doc == nil {
		return finding(id, ReportMissing, nil, map[string]any{"reports": 0}, []uint64{v.FinishSeq})
	}
	text := strings.ToLower(doc.Text) + " "
	var found []evidence.Text
	for _, h := range headings {
		for _, w := range h.words {
			if strings.Contains(text, w) {
				found = append(found, h.name)
				break
			}
		}
	}
	words := len(strings.Fields(doc.Text))
	shown := any(found)
	if len(found) == 0 {
		shown = tx("aucune", "none")
	}
	return finding(id, ReportFacts, args{"words": words, "found": len(found), "names": shown},
		map[string]any{"reports": len(ev), "words": words, "headings": len(found)}, ev)
}
