package jury

import "github.com/situlab/situlab/grader/criteria"

// Standing is where the capacities stand by one assessor's decisions. It says
// what is decided and what is missing, never whether somebody is admissible: the
// jury de délibération pronounces (référentiel, III).
type Standing struct {
	Assessor    string   `json:"assessor"`
	Acquired    []string `json:"acquired"`
	NotAcquired []string `json:"not_acquired"`
	Undecided   []string `json:"undecided"`
	// Without are the bases that a decision does not rest on.
	Without []Lack `json:"without"`
}

// Lack is a basis (référentiel, IV.2, A) that a decision lacks.
type Lack struct {
	Capacity string `json:"capacity"`
	Basis    string `json:"basis"`
}

// Stand applies criteria.Qualification.Standing to a sheet.
func Stand(s *Sheet) (Standing, error) {
	var decisions []criteria.Decision
	out := Standing{Assessor: s.Assessor, Acquired: []string{}, NotAcquired: []string{}, Undecided: []string{}, Without: []Lack{}}
	for _, c := range criteria.Capacities() {
		d, ok := s.Now(c.ID)
		if !ok {
			continue
		}
		decisions = append(decisions, criteria.Decision{Capacity: c.ID, Acquired: d.Outcome == Acquired, Bases: d.Bases})
		if d.Outcome == Acquired {
			out.Acquired = append(out.Acquired, c.ID)
		}
	}
	st, err := criteria.TheQualification().Standing(decisions)
	if err != nil {
		return out, err
	}
	out.NotAcquired, out.Undecided = append(out.NotAcquired, st.NotAcquired...), append(out.Undecided, st.Undecided...)
	for _, l := range st.Without {
		out.Without = append(out.Without, Lack(l))
	}
	return out, nil
}
