package check

import (
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/situlab/situlab/grader/evidence"
)

// canaries lists what was read back: all of it, what was lost, and what could
// not be read.
func (v *View) canaries() (all, lost, unread canarySet) {
	for _, r := range v.byType[evidence.TypeExamCanary] {
		c, _ := evidence.As[evidence.ExamCanary](r)
		all.add(c.Name, r.Seq)
		switch {
		case c.OK:
		case c.Unread:
			unread.add(c.Name, r.Seq)
		default:
			lost.add(c.Name, r.Seq)
		}
	}
	return all, lost, unread
}

type canarySet struct {
	names []string
	ev    []uint64
}

func (c *canarySet) add(name string, seq uint64) {
	c.names, c.ev = append(c.names, name), append(c.ev, seq)
	sort.Strings(c.names)
}

// widened lists the flows that were closed before and are open now.
func (v *View) widened() (names []string, ev []uint64) {
	for _, r := range v.byType[evidence.TypeExamFlow] {
		if f, _ := evidence.As[evidence.ExamFlow](r); f.Now && !f.Before {
			names = append(names, f.From+" → "+f.To)
			ev = append(ev, r.Seq)
		}
	}
	sort.Strings(names)
	return names, ev
}

// dataSafe is 3.3-i.
func dataSafe(v *View) Finding {
	const id = "3.3-i"
	all, lost, unread := v.canaries()
	n := len(all.names)
	flows, flowEv := v.widened()
	m := map[string]any{"canaries": n, "lost": strs(lost.names), "unread": strs(unread.names)}
	measured := len(v.byType[evidence.TypeExamFlow])
	if measured > 0 {
		m["flows_measured"], m["flows_widened"] = measured, strs(flows)
	}
	switch {
	case len(lost.names) > 0:
		return finding(id, DataLost, args{"n": n, "lost": len(lost.names), "names": labels(lost.names, v.CanaryLabel)}, m, lost.ev)
	case len(flows) > 0:
		return finding(id, RightsWidened, args{"n": len(flows), "names": flows}, m, flowEv)
	case n == 0:
		return finding(id, CanariesNotRead, nil, m, []uint64{v.FinishSeq})
	case len(unread.names) > 0:
		return finding(id, CanariesUnread, args{"n": n, "unread": len(unread.names), "names": labels(unread.names, v.CanaryLabel)}, m, unread.ev)
	}
	closed := tx("", "")
	if measured > 0 {
		closed = tx(", et aucun flux n’a été ouvert au-delà de l’existant", ", and no flow was opened beyond what existed")
	}
	return finding(id, DataIntact, args{"n": n, "flows": closed}, m, all.ev)
}

// DefaultNoticeSeconds is the unscaled delay of a first notice.
const DefaultNoticeSeconds = 900

// announceSlack (unscaled seconds) is how early before the first green sample
// the end may be announced: the candidate sees the return before the probes.
const announceSlack = 60

type notice struct {
	*evidence.Notice
	seq    uint64
	bootNS int64
}

// covers says whether a notice reaches a group, directly or through a group
// that includes it.
func (v *View) covers(n *evidence.Notice, group string) bool {
	for _, g := range n.Groups {
		if g == group || v.includes(g, group, 8) {
			return true
		}
	}
	return false
}

func (v *View) includes(outer, group string, depth int) bool {
	if depth == 0 {
		return false
	}
	for _, g := range v.Facts.Groups {
		if g.ID != outer {
			continue
		}
		for _, in := range g.Includes {
			if in == group || v.includes(in, group, depth-1) {
				return true
			}
		}
	}
	return false
}

// leaves counts the groups without parts that a notice reaches.
func (v *View) leaves(n *evidence.Notice) map[string]bool {
	out := map[string]bool{}
	for _, g := range v.Facts.Groups {
		if len(g.Includes) == 0 && v.covers(n, g.ID) {
			out[g.ID] = true
		}
	}
	return out
}

// usersTold is 3.3-ii: opening in time, end told.
func usersTold(v *View) Finding {
	const id = "3.3-ii"
	if v.Facts.Truth.NoFault {
		return v.authorAnswered()
	}
	var notices []notice
	var ev []uint64
	for _, r := range v.within(evidence.TypeMessageNotice) {
		n, _ := evidence.As[evidence.Notice](r)
		notices = append(notices, notice{n, r.Seq, r.BootNS})
	}
	need := v.scaled(v.Facts.Thresholds.NoticeSeconds, DefaultNoticeSeconds)
	back, declared := v.backAgain()
	var untold, noEnd, badEnd []string
	told := map[string]bool{}
	worst := 0.0
	someTold := false
	for _, g := range v.Facts.HitGroups {
		first, last := v.firstLast(notices, g)
		if first == nil {
			untold = append(untold, g)
			continue
		}
		someTold = true
		ev = append(ev, first.seq)
		worst = max(worst, v.Active(v.Enter, first.bootNS))
		switch {
		case last == first || !after(last.bootNS, back, declared):
			noEnd = append(noEnd, g)
		case back < 0:
			badEnd = append(badEnd, g)
			ev = append(ev, last.seq)
		default:
			ev = append(ev, last.seq)
		}
	}
	for _, n := range notices {
		for g := range v.leaves(n.Notice) {
			told[g] = true
		}
	}
	m := map[string]any{"notices": len(notices), "first_notice_seconds": round(worst), "allowed_seconds": need,
		"hit_groups": strs(v.Facts.HitGroups), "groups_told": len(told), "without_notice": strs(untold),
		"end_not_told": strs(append(append([]string(nil), noEnd...), badEnd...))}
	a := args{"groups": labels(v.Facts.HitGroups, v.GroupLabel), "delay": seconds(worst), "need": seconds(need),
		"told": len(told), "hit": len(v.Facts.HitGroups)}
	switch {
	case !someTold:
		return finding(id, NoNotice, a, m, []uint64{v.FinishSeq})
	case len(untold) > 0:
		a["groups"] = labels(untold, v.GroupLabel)
		return finding(id, GroupNotTold, a, m, ev)
	case worst > need:
		return finding(id, NoticeLate, a, m, ev)
	case len(noEnd) > 0:
		a["groups"] = labels(noEnd, v.GroupLabel)
		return finding(id, EndNotTold, a, m, ev)
	case len(badEnd) > 0:
		return finding(id, EndToldNotRestored, a, m, ev)
	case len(told) > 2*len(v.Facts.HitGroups):
		return finding(id, NoticeTooBroad, a, m, ev)
	}
	return finding(id, UsersInformed, a, m, ev)
}

// backAgain is when service came back for good (-1: it did not), and when the
// candidate first declared it restored (-1: never).
func (v *View) backAgain() (back, declared int64) {
	back, declared = -1, -1
	if p := v.permanence(); p.Since > 0 {
		back = p.Since - int64(announceSlack*v.Factor*1e9)
	}
	if r := v.within(evidence.TypeMessageRestored); len(r) > 0 {
		declared = r[0].BootNS
	}
	return back, declared
}

// after says whether a notice can be about the end: sent once service was back,
// or, if it never came back, once the candidate had declared that it was.
func after(at, back, declared int64) bool {
	if back >= 0 {
		return at >= back
	}
	return declared >= 0 && at >= declared
}

func (v *View) firstLast(notices []notice, group string) (first, last *notice) {
	for i := range notices {
		if v.covers(notices[i].Notice, group) {
			if first == nil {
				first = &notices[i]
			}
			last = &notices[i]
		}
	}
	return first, last
}

// minAnswer is how many characters make an answer to a person.
const minAnswer = 20

// authorAnswered is 3.3-ii on the twin.
func (v *View) authorAnswered() Finding {
	const id = "3.3-ii"
	var t evidence.TicketFact
	if len(v.Facts.Tickets) > 0 {
		t = v.Facts.Tickets[0]
	}
	var ev []uint64
	answer := func(r *evidence.Record, about bool, text string) {
		if about && utf8.RuneCountInString(strings.TrimSpace(text)) >= minAnswer {
			ev = append(ev, r.Seq)
		}
	}
	for _, r := range v.within(evidence.TypeMessageTicketReply) {
		p, _ := evidence.As[evidence.TicketReply](r)
		answer(r, p.Ticket == t.ID, p.Text)
	}
	for _, r := range v.within(evidence.TypeMessageTicketClose) {
		p, _ := evidence.As[evidence.TicketClose](r)
		answer(r, p.Ticket == t.ID, p.Text)
	}
	for _, r := range v.within(evidence.TypeMessageRequest) {
		p, _ := evidence.As[evidence.Request](r)
		who, ok := strings.CutPrefix(p.To, "user:")
		answer(r, ok && who != "" && (who == t.Author || who == t.Login), p.Text)
	}
	m := map[string]any{"answers": len(ev)}
	if len(ev) == 0 {
		return finding(id, AuthorNotAnswered, args{"least": minAnswer}, m, []uint64{v.FinishSeq})
	}
	return finding(id, AuthorAnswered, nil, m, ev)
}

// Outage is a span in which a probe was red.
type Outage struct {
	Probe    string
	From, To int64
	Seq      uint64
}

// outages are interruptions, during the session, of services that the fault
// does not touch and that were green at the entry. What fails once, between two
// successes, is none ([redSamples]).
func (v *View) outages() []Outage {
	green := map[string]bool{}
	byProbe := map[string][]Sample{}
	for _, s := range v.Samples {
		switch {
		case s.BootNS < v.Enter:
			green[s.Probe] = s.OK
		case s.Phase != evidence.PhaseSession || s.BootNS > v.Finish || s.Control ||
			contains(v.Facts.HitProbes, s.Probe) || !s.OK && v.starved(s.BootNS):
		default:
			byProbe[s.Probe] = append(byProbe[s.Probe], s)
		}
	}
	var out []Outage
	for _, samples := range byProbe {
		red, _ := redSamples(samples, DefaultPermanenceSamples)
		was := green[samples[0].Probe]
		open := -1
		for i, s := range samples {
			switch {
			case red[i] && open < 0 && was:
				open = len(out)
				out = append(out, Outage{s.Probe, s.BootNS, s.BootNS, s.Seq})
			case open >= 0:
				out[open].To = s.BootNS
				if !red[i] {
					open = -1
				}
			}
			was = was || s.OK
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Seq < out[j].Seq })
	return out
}

// quality is 3.3-iii: facts for the jury.
func quality(v *View) Finding {
	const id = "3.3-iii"
	longest := 0.0
	var names []string
	var ev []uint64
	for _, o := range v.outages() {
		longest = max(longest, v.Active(o.From, o.To))
		ev = append(ev, o.Seq)
		if !contains(names, o.Probe) {
			names = append(names, o.Probe)
		}
	}
	restarts := 0
	for _, c := range v.Changes {
		if c.Kind == changeService || c.Kind == changeReboot {
			restarts++
			ev = append(ev, c.Seq)
		}
	}
	sort.Strings(names)
	m := map[string]any{"interrupted": strs(names), "longest_seconds": round(longest), "restarts": restarts}
	services := map[evidence.Text]bool{}
	for _, n := range names {
		services[v.ServiceLabel(n)] = true
	}
	a := args{"outages": len(services), "restarts": restarts, "detail": tx("", "")}
	if len(names) > 0 {
		a["detail"] = fillText(tx(" ({names}), au plus {longest}", " ({names}), at most {longest}"),
			args{"names": v.ProbeLabels(names), "longest": seconds(longest)})
	}
	if len(names)+restarts == 0 {
		return finding(id, QualityNoInterruption, a, m, []uint64{v.FinishSeq})
	}
	return finding(id, QualityFacts, a, m, ev)
}
