package jury

import (
	"fmt"
	"slices"
	"strings"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/evidence"
)

// MotiveWords is how many words the motive of an override has at least: "non",
// "vu" and the like are no motive that somebody else can follow.
const MotiveWords = 3

// Bases of a decision on a capacity (référentiel, IV.2, A), ids of
// criteria.Qualification.
const (
	BaseAssessments = "assessments"
	BaseOpinion     = "opinion"
	BaseInterview   = "interview"
)

// InputError says what is wrong with a decision that somebody wants to take.
type InputError struct{ text string }

func (e *InputError) Error() string { return e.text }

// InputError marks it as a mistake of who typed it.
func (e *InputError) InputError() {}

func failf(format string, args ...any) error { return &InputError{fmt.Sprintf(format, args...)} }

// Proposed is what a verdict proposes on a sub-point, a criterion or a capacity.
// It refuses what the situation is not about, but for whole capacities: the
// commission decides on all six.
func Proposed(v *grader.Verdict, id string) (evidence.Proposal, error) {
	for _, c := range v.Capacities {
		if c.ID == id {
			return evidence.Proposal{Outcome: string(c.Outcome)}, nil
		}
		for _, cr := range c.Criteria {
			if cr.ID == id {
				return evidence.Proposal{Outcome: string(cr.Outcome)}, nil
			}
		}
	}
	if p, ok := v.Point(id); ok {
		return evidence.Proposal{Outcome: string(p.Outcome), Reason: string(p.Reason)}, nil
	}
	if _, ok := criteria.CapacityByID(id); ok {
		return evidence.Proposal{}, nil
	}
	_, criterion := criteria.CriterionByID(id)
	_, point := criteria.PointByID(id)
	if criterion || point {
		return evidence.Proposal{}, failf("%s: the session is not about it", id)
	}
	return evidence.Proposal{}, failf("%q is no sub-point, no criterion and no capacity of the référentiel", id)
}

// Decide makes the record of a decision. s is what the assessor has written so
// far, nil for nothing. An override without a motive is refused.
func Decide(v *grader.Verdict, s *Sheet, id, outcome, motive string) (evidence.Payload, error) {
	if outcome != Acquired && outcome != NotAcquired {
		return nil, failf("a decision is %s or %s, not %q", Acquired, NotAcquired, outcome)
	}
	p, err := Proposed(v, id)
	if err != nil {
		return nil, err
	}
	motive = strings.TrimSpace(motive)
	if words := len(strings.Fields(motive)); Overrides(outcome, p) && words < MotiveWords {
		return nil, failf("%s: the decision is not what was proposed; it needs a motive of at least %d words", id, MotiveWords)
	}
	if _, ok := criteria.CapacityByID(id); ok {
		return &evidence.CapacityDecision{Capacity: id, Outcome: outcome, Motive: motive, Proposal: p, Bases: bases(v, s, id)}, nil
	}
	if _, ok := criteria.CriterionByID(id); ok {
		return &evidence.CriterionDecision{Criterion: id, Outcome: outcome, Motive: motive, Proposal: p}, nil
	}
	return &evidence.PointDecision{Point: id, Outcome: outcome, Motive: motive, Proposal: p}, nil
}

// bases are what a decision on a capacity can rest on now.
func bases(v *grader.Verdict, s *Sheet, capacity string) []string {
	out := []string{}
	if slices.ContainsFunc(v.Capacities, func(c grader.Capacity) bool { return c.ID == capacity }) {
		out = append(out, BaseAssessments)
	}
	if s == nil {
		return out
	}
	if slices.ContainsFunc(s.Opinions, func(o Opinion) bool { return o.Capacity == capacity }) {
		out = append(out, BaseOpinion)
	}
	if slices.ContainsFunc(s.Interviews, func(i Interview) bool { return i.Capacity == capacity }) {
		out = append(out, BaseInterview)
	}
	return out
}

// Opine makes the record of the company's opinion.
func Opine(capacity, by string, favourable bool, text string) (evidence.Payload, error) {
	by, text = strings.TrimSpace(by), strings.TrimSpace(text)
	if _, ok := criteria.CapacityByID(capacity); !ok {
		return nil, failf("no capacity %q; there are 1 to %d", capacity, len(criteria.Capacities()))
	}
	if by == "" || text == "" {
		return nil, failf("an opinion needs who gave it (--by) and its text (--text)")
	}
	return &evidence.CompanyOpinion{Capacity: capacity, By: by, Favourable: favourable, Text: text}, nil
}

// Note makes the record of what the interview has shown.
func Note(capacity, text string) (evidence.Payload, error) {
	text = strings.TrimSpace(text)
	if _, ok := criteria.CapacityByID(capacity); !ok {
		return nil, failf("no capacity %q; there are 1 to %d", capacity, len(criteria.Capacities()))
	}
	if text == "" {
		return nil, failf("an interview needs a text (--text)")
	}
	return &evidence.Interview{Capacity: capacity, Text: text}, nil
}
