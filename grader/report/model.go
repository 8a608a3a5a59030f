package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/evidence"
)

// Page is everything the template shows.
type Page struct {
	Lang string
	// Kind is the kind of certificate; Modality what a session is in its terms.
	Kind     string
	Modality evidence.Text
	// Standing says what this document is and who decides.
	Standing   evidence.Text
	Title      evidence.Text
	Facts      []Pair
	Valid      bool
	Verdict    *grader.Verdict
	Shares     []Share
	Capacities []CapacityView
	Flags      []FlagView
	Timeline   Timeline
	Map        *NetMap
	Commands   []CommandLine
	Hidden     int
	Terminals  []Terminal
	Writings   []Writing
	Records    []RecordLine
	Solution   *SolutionView
}

// Pair is a labelled value of the head of the page.
type Pair struct {
	Label evidence.Text
	Value evidence.Text
	Mono  bool
}

// CapacityView is a capacity with its words.
type CapacityView struct {
	ID    string
	Label evidence.Text
	// Enough is what a session must hold before the capacity is proposed.
	Enough   evidence.Text
	Outcome  check.Outcome
	Criteria []CriterionView
	// Decisions are on the capacity as a whole; Heard what was heard on it.
	Decisions []DecisionView
	Heard     []HeardView
}

// CriterionView is a criterion with its words. Skipped are the points that
// the situation does not call for.
type CriterionView struct {
	ID      string
	Label   evidence.Text
	Ref     evidence.Text
	Outcome check.Outcome
	Points  []PointView
	Skipped []PointView
	// Decisions are on the criterion, then on its points.
	Decisions []DecisionView
}

// PointView is a point with its words.
type PointView struct {
	ID       string
	Label    evidence.Text
	Outcome  check.Outcome
	Reason   check.Reason
	Sentence evidence.Text
	Measured []Pair
	Evidence []Proof
	More     int // further records cited
	Question *evidence.Text
}

// FlagView is a flag with its words.
type FlagView struct {
	Code     check.Reason
	Blocking bool
	Sentence evidence.Text
	Evidence []Proof
	More     int
	Question *evidence.Text
}

// CommandLine is a line of the candidate's work.
type CommandLine struct {
	check.Command
	Since  string
	IsTest bool
	IsDisc bool
	IsChg  bool
	Failed bool
	// Neutral is neither test nor change; hidden until asked for.
	Neutral bool
}

// SolutionView compares the reference with the candidate.
type SolutionView struct {
	evidence.Solution
	Own []CommandLine
}

// maxLines bounds the command table.
const maxLines = 1500

func build(in Input, v *check.View) *Page {
	c := newClock(v)
	p := &Page{Lang: "fr", Title: v.Facts.Title, Verdict: in.Verdict, Valid: in.Verdict.Environment == grader.EnvironmentValid}
	if in.Lang == "en" {
		p.Lang = "en"
	}
	q := criteria.TheQualification()
	p.Kind, p.Modality = q.Kind, q.Played().Short
	p.Standing = tx(ui("proposal").FR+" "+q.Admission.Who.FR, ui("proposal").EN+" "+q.Admission.Who.EN)
	cites := newCitations(in.Bundle.Records)
	for _, c := range in.Verdict.Capacities {
		for _, cr := range c.Criteria {
			for _, p := range cr.Points {
				cites.add(p.Evidence...)
			}
		}
	}
	for _, f := range in.Verdict.Flags {
		cites.add(f.Evidence...)
	}
	for _, ch := range v.Changes {
		cites.add(ch.Seq)
	}
	cites.group()
	proofs := func(ev []uint64) ([]Proof, int) { return cites.proofs(ev, c) }
	p.Facts = head(in, v, cites.index)
	p.Shares = shares(in.Verdict)
	p.Capacities = capacities(in.Verdict, v, proofs)
	panel{in.Jury, v.Start.Deadline.Location()}.decide(p.Capacities)
	for _, f := range in.Verdict.Flags {
		fv := FlagView{Code: f.Code, Blocking: f.Blocking, Sentence: f.Sentence, Question: f.Question}
		fv.Evidence, fv.More = proofs(f.Evidence)
		p.Flags = append(p.Flags, fv)
	}
	p.Writings = buildWritings(v, c)
	p.Timeline = buildTimeline(v, c, p.Writings)
	if m, ok := buildMap(v); ok {
		p.Map = &m
	}
	p.Commands, p.Hidden = commandLines(v, c)
	p.Terminals = buildTerminals(in.Bundle, v)
	shown := map[uint64]bool{}
	for _, l := range p.Commands {
		shown[l.Seq] = true
	}
	for _, w := range p.Writings {
		shown[w.Seq] = true
	}
	p.Records = cites.lines(v, c, shown)
	if in.Solution {
		s := SolutionView{Solution: v.Facts.Solution}
		for _, l := range p.Commands {
			if l.IsTest || l.IsChg {
				s.Own = append(s.Own, l)
			}
		}
		p.Solution = &s
	}
	return p
}

func same(s string) evidence.Text { return tx(s, s) }

// head is the block of facts under the title.
func head(in Input, v *check.View, index map[uint64]*evidence.Record) []Pair {
	vd := in.Verdict
	mode := ui("mode_training")
	if v.Start.Mode == "exam" {
		mode = ui("mode_exam")
	}
	if v.Factor != 1 {
		n := strconv.FormatFloat(v.Factor, 'f', -1, 64)
		mode = tx(mode.FR+", durées × "+strings.Replace(n, ".", ",", 1), mode.EN+", durations × "+n)
	}
	out := []Pair{{ui("candidate"), same(vd.Candidate), false}, {ui("session"), same(vd.Session), true}}
	if r := index[v.EnterSeq]; r != nil {
		out = append(out, Pair{ui("date"), date(r.Wall.In(v.Start.Deadline.Location())), false})
	}
	length := lasting(v.Active(v.Enter, v.Finish))
	if len(v.Pauses()) > 0 {
		n := ui("duration_note")
		out = append(out, Pair{ui("duration"), tx(length+" ("+n.FR+")", length+" ("+n.EN+")"), false})
	} else {
		out = append(out, Pair{ui("duration"), same(length), false})
	}
	if r := index[v.FinishSeq]; r != nil {
		f, _ := evidence.As[evidence.SessionFinish](r)
		if t, ok := texts["end_"+f.Reason]; ok {
			out = append(out, Pair{ui("ended"), t, false})
		}
	}
	env := ui("env_valid")
	if vd.Environment != grader.EnvironmentValid {
		env = ui("env_invalid")
	}
	return append(out, Pair{ui("mode"), mode, false}, Pair{ui("environment"), env, false},
		Pair{ui("draw"), tx(fmt.Sprintf("%s, n°\u00a0%d", vd.Scenario, vd.Seed), fmt.Sprintf("%s, no.\u00a0%d", vd.Scenario, vd.Seed)), false},
		Pair{ui("tool"), same(vd.Tool), false}, Pair{ui("seal"), same(vd.JournalHead), true})
}

var months = []string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}

func date(t time.Time) evidence.Text {
	zone := t.Format("-07:00")
	if zone == "+00:00" {
		zone = "UTC"
	}
	return tx(fmt.Sprintf("%d %s %d, %s (%s)", t.Day(), months[t.Month()-1], t.Year(), t.Format("15:04"), zone),
		t.Format("2 January 2006, 15:04")+" ("+zone+")")
}

// lasting prints a length of time, rounded to the minute above ten minutes.
func lasting(s float64) string {
	n := int(math.Round(s))
	switch {
	case n >= 3600:
		return fmt.Sprintf("%d\u00a0h\u00a0%02d\u00a0min", n/3600, n/60%60)
	case n >= 600:
		return fmt.Sprintf("%d\u00a0min", (n+30)/60)
	case n >= 60 && n%60 == 0:
		return fmt.Sprintf("%d\u00a0min", n/60)
	case n >= 60:
		return fmt.Sprintf("%d\u00a0min\u00a0%02d\u00a0s", n/60, n%60)
	}
	return fmt.Sprintf("%d\u00a0s", n)
}

func capacities(vd *grader.Verdict, v *check.View, proofs func([]uint64) ([]Proof, int)) []CapacityView {
	var out []CapacityView
	for _, c := range vd.Capacities {
		lc, _ := criteria.CapacityByID(c.ID)
		view := CapacityView{ID: c.ID, Label: lc.Label, Enough: lc.Enough, Outcome: c.Outcome}
		for _, cr := range c.Criteria {
			lcr, _ := criteria.CriterionByID(cr.ID)
			cv := CriterionView{ID: cr.ID, Label: lcr.Label, Ref: lcr.Ref.Text(), Outcome: cr.Outcome}
			for _, p := range cr.Points {
				lp, _ := criteria.PointByID(p.ID)
				pv := PointView{ID: p.ID, Label: lp.Label, Outcome: p.Outcome, Reason: p.Reason, Sentence: p.Sentence,
					Measured: measurements(v, p.Measured), Question: p.Question}
				pv.Evidence, pv.More = proofs(p.Evidence)
				if p.Outcome == check.NotConcerned && p.Reason == check.NotDeclared {
					cv.Skipped = append(cv.Skipped, pv)
				} else {
					cv.Points = append(cv.Points, pv)
				}
			}
			view.Criteria = append(view.Criteria, cv)
		}
		out = append(out, view)
	}
	return out
}

func commandLines(v *check.View, c clock) (lines []CommandLine, hidden int) {
	for _, cmd := range v.Commands {
		if cmd.Nested {
			continue
		}
		if len(lines) >= maxLines {
			hidden++
			continue
		}
		lines = append(lines, CommandLine{Command: cmd, Since: c.since(cmd.BootNS), IsTest: cmd.Test != "",
			IsDisc: cmd.Discriminating, IsChg: cmd.Change != "", Failed: cmd.Code > 0, Neutral: cmd.Test == "" && cmd.Change == ""})
	}
	return lines, hidden
}
