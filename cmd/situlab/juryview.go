package main

import (
	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/jury"
)

// juryView is what jury show prints with --json.
type juryView struct {
	Session   string `json:"session"`
	Candidate string `json:"candidate"`
	Head      string `json:"head"`
	// Verdict is the SHA-256 of the verdict whose proposals are shown.
	Verdict string `json:"verdict_sha256"`
	// Environment is the verdict's: an invalid session counts for nothing.
	Environment string `json:"environment"`
	// Admissible is always null: that is for the award jury to say.
	Admissible *bool           `json:"admissible"`
	Assessors  []juryAssessor  `json:"assessors"`
	Capacities []juryCapacity  `json:"capacities"`
	Flags      []grader.Flag   `json:"flags"`
	Standing   []jury.Standing `json:"standing"`
}

// juryAssessor is somebody who decides; Shown says whether the decisions are in
// the view.
type juryAssessor struct {
	Slug     string `json:"slug"`
	Assessor string `json:"assessor"`
	Function string `json:"function,omitempty"`
	Closed   bool   `json:"closed"`
	Records  uint64 `json:"records"`
	Head     string `json:"head"`
	Shown    bool   `json:"shown"`
	// SameVerdict says whether the proposals are those of the first sitting.
	SameVerdict bool `json:"same_verdict"`
}

// juryDecision is one assessor's decision.
type juryDecision struct {
	Assessor string `json:"assessor"`
	jury.Decision
}

type juryOpinion struct {
	Assessor string `json:"assessor"`
	jury.Opinion
}

type juryInterview struct {
	Assessor string `json:"assessor"`
	jury.Interview
}

type juryCapacity struct {
	ID         string          `json:"id"`
	Label      evidence.Text   `json:"label"`
	Proposal   check.Outcome   `json:"proposal,omitempty"`
	Decisions  []juryDecision  `json:"decisions"`
	Opinions   []juryOpinion   `json:"opinions"`
	Interviews []juryInterview `json:"interviews"`
	Criteria   []juryCriterion `json:"criteria"`
}

type juryCriterion struct {
	ID        string         `json:"id"`
	Label     evidence.Text  `json:"label"`
	Proposal  check.Outcome  `json:"proposal"`
	Decisions []juryDecision `json:"decisions"`
	Points    []juryPoint    `json:"points"`
}

type juryPoint struct {
	Label evidence.Text `json:"label"`
	grader.Point
	Decisions []juryDecision `json:"decisions"`
}

// shown are the sheets that somebody may see: one's own, and the others' once
// one has closed. Two who decide on one bundle stay independent so.
func (d *docket) shown(as string, all bool) ([]*jury.Sheet, error) {
	if all {
		return d.sheets, nil
	}
	if as == "" {
		return nil, nil
	}
	own, err := d.own(as)
	if own == nil || err != nil {
		return nil, err
	}
	if own.Closed {
		return d.sheets, nil
	}
	return []*jury.Sheet{own}, nil
}

func (d *docket) view(as string, all bool) (*juryView, error) {
	shown, err := d.shown(as, all)
	if err != nil {
		return nil, err
	}
	view := &juryView{Session: d.v.Session, Candidate: d.verdict.Candidate, Head: d.v.Head, Verdict: d.sum, Environment: d.verdict.Environment, Assessors: []juryAssessor{},
		Capacities: []juryCapacity{}, Flags: d.verdict.Flags, Standing: []jury.Standing{}}
	visible := map[string]bool{}
	for _, s := range shown {
		visible[s.Slug] = true
		st, err := jury.Stand(s)
		if err != nil {
			return nil, inputErrorf("%w", err) // a record that no command of this tool writes
		}
		view.Standing = append(view.Standing, st)
	}
	for _, s := range d.sheets {
		view.Assessors = append(view.Assessors, juryAssessor{s.Slug, s.Assessor, s.Function, s.Closed, s.Records, s.Head, visible[s.Slug], s.VerdictSHA256 == d.sum})
	}
	on := func(id string) []juryDecision {
		out := []juryDecision{}
		for _, s := range shown {
			for _, x := range s.On(id) {
				out = append(out, juryDecision{s.Assessor, x})
			}
		}
		return out
	}
	for _, c := range criteria.Capacities() {
		k := juryCapacity{ID: c.ID, Label: c.Label, Decisions: on(c.ID), Opinions: []juryOpinion{}, Interviews: []juryInterview{}, Criteria: []juryCriterion{}}
		for _, s := range shown {
			for _, o := range s.Opinions {
				if o.Capacity == c.ID {
					k.Opinions = append(k.Opinions, juryOpinion{s.Assessor, o})
				}
			}
			for _, i := range s.Interviews {
				if i.Capacity == c.ID {
					k.Interviews = append(k.Interviews, juryInterview{s.Assessor, i})
				}
			}
		}
		graded := d.graded(c.ID)
		if graded != nil {
			k.Proposal = graded.Outcome
			for _, cr := range graded.Criteria {
				k.Criteria = append(k.Criteria, viewCriterion(cr, on))
			}
		}
		if graded != nil || len(k.Decisions)+len(k.Opinions)+len(k.Interviews) > 0 {
			view.Capacities = append(view.Capacities, k)
		}
	}
	return view, nil
}

// graded is a capacity of the verdict, nil if the session is not about it.
func (d *docket) graded(id string) *grader.Capacity {
	for i, c := range d.verdict.Capacities {
		if c.ID == id {
			return &d.verdict.Capacities[i]
		}
	}
	return nil
}

func viewCriterion(cr grader.Criterion, on func(string) []juryDecision) juryCriterion {
	label, _ := criteria.CriterionByID(cr.ID)
	out := juryCriterion{ID: cr.ID, Label: label.Label, Proposal: cr.Outcome, Decisions: on(cr.ID), Points: []juryPoint{}}
	for _, p := range cr.Points {
		label, _ := criteria.PointByID(p.ID)
		out.Points = append(out.Points, juryPoint{label.Label, p, on(p.ID)})
	}
	return out
}
