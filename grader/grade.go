package grader

import (
	"errors"
	"fmt"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/evidence"
)

// Grade judges the records of one session. Its errors say that the journal
// cannot be graded (wrong input), never that the candidate failed.
func Grade(records []*evidence.Record) (*Verdict, error) {
	if len(records) == 0 {
		return nil, errors.New("grade: the journal is empty")
	}
	view, err := check.NewView(records)
	if err != nil {
		return nil, fmt.Errorf("grade session %s: %w", records[0].Session, err)
	}
	v := &Verdict{APIVersion: APIVersion, Kind: Kind, Session: records[0].Session, Scenario: view.Start.Scenario,
		Seed: view.Facts.Seed, Tool: view.Start.Tool, JournalHead: evidence.Head(records),
		Environment: EnvironmentValid, Capacities: []Capacity{}, Flags: []Flag{}}
	if view.Invalid != nil {
		v.Environment = EnvironmentInvalid
	}
	blocked := false
	for _, f := range check.Flags(view) {
		blocked = blocked || f.Blocking
		v.Flags = append(v.Flags, Flag{Code: f.Code, Blocking: f.Blocking, Sentence: f.Sentence,
			Measured: measured(f.Measured), Evidence: f.Evidence, Question: f.Question})
	}
	// What the situation is not about is not in the verdict, not even as
	// sans_objet.
	for _, c := range criteria.Declared(view.Facts.Points) {
		v.Capacities = append(v.Capacities, gradeCapacity(view, c, blocked))
	}
	// The name is put in last: nothing above has seen it.
	for _, r := range records {
		if id, ok := evidence.As[evidence.SessionIdentity](r); ok {
			v.Candidate = id.Candidate
		}
	}
	return v, nil
}

// gradeCapacity judges a capacity; points that the situation does not declare
// are sans_objet.
func gradeCapacity(view *check.View, c criteria.Capacity, blocked bool) Capacity {
	out := Capacity{ID: c.ID}
	for _, cr := range c.Criteria {
		graded := Criterion{ID: cr.ID}
		for _, p := range cr.Points {
			f := check.Point(view, p.ID)
			graded.Points = append(graded.Points, Point{ID: p.ID, Outcome: f.Outcome, Reason: f.Reason,
				Sentence: f.Sentence, Measured: measured(f.Measured), Evidence: f.Evidence, Question: f.Question})
		}
		graded.Outcome = criterionOutcome(graded.Points)
		out.Criteria = append(out.Criteria, graded)
	}
	out.Outcome = capacityOutcome(out.Criteria, blocked, false)
	return out
}

func measured(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// criterionOutcome applies the rule of the package comment.
func criterionOutcome(points []Point) check.Outcome {
	concerned, acquired := 0, 0
	for _, p := range points {
		switch p.Outcome {
		case check.NotConcerned:
			continue
		case check.NotAcquired:
			return check.NotAcquired
		case check.Acquired:
			acquired++
		}
		concerned++
	}
	switch {
	case concerned == 0:
		return check.NotConcerned
	case acquired == concerned:
		return check.Acquired
	}
	return check.Jury
}

// capacityOutcome applies the rule of the package comment. enough says whether
// the session has enough material; one incident never has.
func capacityOutcome(criteria []Criterion, blocked, enough bool) check.Outcome {
	concerned, acquired, worst := 0, 0, 0
	for _, c := range criteria {
		bad := 0
		for _, p := range c.Points {
			if p.Outcome == check.NotAcquired {
				bad++
			}
		}
		worst = max(worst, bad)
		if c.Outcome != check.NotConcerned {
			concerned++
		}
		if c.Outcome == check.Acquired {
			acquired++
		}
	}
	switch {
	case concerned == 0:
		return check.NotConcerned
	case worst >= 2:
		return check.NotAcquired
	case blocked:
		return check.Jury
	case acquired == concerned && enough:
		return check.Acquired
	}
	return check.Jury
}
