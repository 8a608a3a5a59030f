package criteria

import (
	"fmt"
	"slices"
)

// Decision is what the commission d'évaluation decided on one capacity. A
// proposal of a verdict is none.
type Decision struct {
	// Capacity is an id ("3").
	Capacity string
	Acquired bool
	// Bases are the ids of what it was decided on.
	Bases []string
}

// Standing is what the admission rule makes of decisions.
type Standing struct {
	// Met says whether the rule is met. It is nil while a capacity has no
	// decision, even if another one is already not acquired: whether somebody is
	// admissible is then not for anybody to say, least of all for a tool that
	// sees three capacities. It is never more than the rule applied; the jury de
	// délibération pronounces.
	Met *bool
	// Undecided and NotAcquired are ids of capacities, in their order.
	Undecided   []string
	NotAcquired []string
	// Without are the bases that decisions lack, in the order of the capacities.
	// They do not change Met: the référentiel foresees candidates who have no
	// company (IV.1, alinéa 2), and so no opinion of one.
	Without []Lack
}

// Lack is a basis that the decision on a capacity does not rest on.
type Lack struct {
	Capacity string
	Basis    string
}

// Standing applies the admission rule (référentiel, III: all capacities must be
// acquired) to the decisions taken so far, in any order. A capacity or a basis
// that does not exist, or a second decision on one capacity, is an error: no
// answer is better than one built on a contradiction.
func (q Qualification) Standing(decisions []Decision) (Standing, error) {
	byCapacity := map[string]Decision{}
	for _, d := range decisions {
		if !slices.Contains(q.Admission.Capacities, d.Capacity) {
			return Standing{}, fmt.Errorf("decision on capacity %q: the référentiel has none of that name", d.Capacity)
		}
		if _, twice := byCapacity[d.Capacity]; twice {
			return Standing{}, fmt.Errorf("decision on capacity %s: there are two", d.Capacity)
		}
		for _, id := range d.Bases {
			if !slices.ContainsFunc(q.Bases, func(b Basis) bool { return b.ID == id }) {
				return Standing{}, fmt.Errorf("decision on capacity %s: no basis %q", d.Capacity, id)
			}
		}
		byCapacity[d.Capacity] = d
	}
	var s Standing
	for _, id := range q.Admission.Capacities {
		d, decided := byCapacity[id]
		if !decided {
			s.Undecided = append(s.Undecided, id)
			continue
		}
		if !d.Acquired {
			s.NotAcquired = append(s.NotAcquired, id)
		}
		for _, b := range q.Bases {
			if !slices.Contains(d.Bases, b.ID) {
				s.Without = append(s.Without, Lack{Capacity: id, Basis: b.ID})
			}
		}
	}
	// Counted against the capacities themselves: a list of conditions that is
	// empty or cut short is not met by deciding nothing.
	if len(s.Undecided) == 0 && len(byCapacity) == len(Capacities()) {
		met := len(s.NotAcquired) == 0
		s.Met = &met
	}
	return s, nil
}
