package report

import (
	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/check"
)

// Share is the points of one outcome: the head of the page says in one line each
// what is proposed and what is left to the jury.
type Share struct {
	Outcome check.Outcome
	Points  []string
}

// shares groups the points by outcome; those that the situation does not call for
// are left out.
func shares(v *grader.Verdict) (out []Share) {
	for _, o := range []check.Outcome{check.Acquired, check.NotAcquired, check.Jury, check.Insufficient} {
		s := Share{Outcome: o}
		for _, c := range v.Capacities {
			for _, cr := range c.Criteria {
				for _, p := range cr.Points {
					if p.Outcome == o {
						s.Points = append(s.Points, p.ID)
					}
				}
			}
		}
		if len(s.Points) > 0 {
			out = append(out, s)
		}
	}
	return out
}
