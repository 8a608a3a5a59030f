package report

import (
	"time"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/jury"
)

// DecisionView is an assessor's decision with its words. The proposal is the one
// that stood when it was taken.
type DecisionView struct {
	On       string
	Assessor string
	Function string
	// Proposal is empty where nothing had been proposed.
	Proposal check.Outcome
	Outcome  check.Outcome
	Label    evidence.Text
	Motive   string
	Bases    []evidence.Text
	At       evidence.Text
	Replaced bool
}

// HeardView is what an assessor has recorded of the company's opinion or of the
// interview.
type HeardView struct {
	Title    evidence.Text
	Assessor string
	Text     string
	At       evidence.Text
	Replaced bool
}

// panel puts what the assessors have decided into words.
type panel struct {
	sheets []*jury.Sheet
	zone   *time.Location
}

// on are the decisions on one thing, assessor by assessor.
func (p panel) on(id string) (out []DecisionView) {
	for _, s := range p.sheets {
		for _, d := range s.On(id) {
			v := DecisionView{On: id, Assessor: s.Assessor, Function: s.Function, Proposal: check.Outcome(d.Proposal.Outcome),
				Outcome: check.Outcome(d.Outcome), Label: jury.Label(d.Outcome), Motive: d.Motive, At: date(d.At.In(p.zone)), Replaced: d.Replaced}
			for _, b := range criteria.TheQualification().Bases {
				for _, id := range d.Bases {
					if id == b.ID {
						v.Bases = append(v.Bases, b.Label)
					}
				}
			}
			out = append(out, v)
		}
	}
	return out
}

// heard are opinions and interviews on a capacity.
func (p panel) heard(capacity string) (out []HeardView) {
	for _, s := range p.sheets {
		for _, o := range s.Opinions {
			if o.Capacity != capacity {
				continue
			}
			t := ui("opinion_against")
			if o.Favourable {
				t = ui("opinion_for")
			}
			out = append(out, HeardView{Title: tx(t.FR+" ("+o.By+")", t.EN+" ("+o.By+")"), Assessor: s.Assessor, Text: o.Text, At: date(o.At.In(p.zone)), Replaced: o.Replaced})
		}
		for _, i := range s.Interviews {
			if i.Capacity == capacity {
				out = append(out, HeardView{Title: ui("interview"), Assessor: s.Assessor, Text: i.Text, At: date(i.At.In(p.zone))})
			}
		}
	}
	return out
}

// decide adds what was decided to the capacities of the page.
func (p panel) decide(capacities []CapacityView) {
	for i := range capacities {
		c := &capacities[i]
		c.Decisions, c.Heard = p.on(c.ID), p.heard(c.ID)
		for k := range c.Criteria {
			cr := &c.Criteria[k]
			cr.Decisions = p.on(cr.ID)
			for _, points := range [][]PointView{cr.Points, cr.Skipped} {
				for _, pt := range points {
					cr.Decisions = append(cr.Decisions, p.on(pt.ID)...)
				}
			}
		}
	}
}
