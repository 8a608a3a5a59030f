package criteria

import (
	"errors"
	"slices"
)

func (q Qualification) validate(capacities []Capacity) error {
	var p problems
	p.check(q.Kind != "" && q.Ref != "", "no kind or no ref")
	p.text("title", q.Title)
	p.once("modality", ids(q.Modalities, func(m Modality) string { return m.ID }))
	played := 0
	for _, m := range q.Modalities {
		what := "modality " + m.ID
		p.text(what, m.Label)
		p.text(what+", short", m.Short)
		p.check(m.Ref == Ref("IV.2, B, "+m.ID), "%s: ref %q", what, m.Ref)
		p.check(m.Use != "", "%s: no use", what)
		p.once(what+": form", ids(m.Forms, func(f Form) string { return f.ID }))
		for _, f := range m.Forms {
			p.text(what+", form "+f.ID, f.Label)
			p.under(what+", form "+f.ID, f.Ref, m.Ref)
		}
		if m.Played {
			played++
			p.check(len(m.Forms) > 0, "%s is played, yet has no form", what)
		}
	}
	p.check(played == 1, "%d modalities are played, not one", played)
	p.once("basis", ids(q.Bases, func(b Basis) string { return b.ID }))
	p.check(len(q.Bases) > 0, "no basis")
	for _, b := range q.Bases {
		p.text("basis "+b.ID, b.Label)
		p.under("basis "+b.ID, b.Ref, "IV.2, A")
	}
	p.text("admission, rule", q.Admission.Rule)
	p.text("admission, who", q.Admission.Who)
	p.check(q.Admission.Ref != "", "admission: no ref")
	p.check(slices.Equal(q.Admission.Capacities, ids(capacities, capacityID)), "admission: requires %q, not every capacity", q.Admission.Capacities)
	for _, c := range capacities {
		p.modalities(q, c)
	}
	return errors.Join(p...)
}

// modalities checks that a capacity is assessed by one of the modalities that
// stand alone, with those that always come on top.
func (p *problems) modalities(q Qualification, c Capacity) {
	for _, id := range append(slices.Clone(c.Modalities.OneOf), c.Modalities.And...) {
		m, ok := q.Modality(id)
		p.check(ok, "capacity %s: no modality %q", c.ID, id)
		p.check(!ok || (m.Use == Always) == slices.Contains(c.Modalities.And, id), "capacity %s: modality %s is %s", c.ID, id, m.Use)
	}
}
