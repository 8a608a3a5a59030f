package criteria

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/situlab/situlab/grader/evidence"
)

// problems collects everything that is wrong, so that one run shows all of it.
type problems []error

func (p *problems) addf(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

func (p *problems) check(ok bool, format string, args ...any) {
	if !ok {
		p.addf(format, args...)
	}
}

// tightSpace finds an ordinary space where French typography wants one that
// does not break.
var tightSpace = regexp.MustCompile(` [:;?!»%]|« `)

// text checks that both languages are there and set as print is.
func (p *problems) text(what string, t evidence.Text) {
	for lang, s := range map[string]string{"fr": t.FR, "en": t.EN} {
		p.check(s != "", "%s: no %s text", what, lang)
		p.check(s == strings.TrimSpace(s), "%s: %s text is padded: %q", what, lang, s)
		p.check(!strings.ContainsAny(s, `'"`), "%s: straight apostrophe or quote in %q", what, s)
	}
	p.check(!tightSpace.MatchString(t.FR), "%s: a space that breaks in %q", what, t.FR)
}

// under checks that a reference lies within that of its parent.
func (p *problems) under(what string, r, parent Ref) {
	p.check(strings.HasPrefix(string(r), string(parent)+", "), "%s: ref %q is not within %q", what, r, parent)
}

// once checks that ids are there and differ.
func (p *problems) once(what string, ids []string) {
	for i, id := range ids {
		p.check(id != "", "%s %d has no id", what, i+1)
		p.check(!slices.Contains(ids[:i], id), "%s %s stands twice", what, id)
	}
}

func ids[T any](all []T, id func(T) string) (out []string) {
	for _, x := range all {
		out = append(out, id(x))
	}
	return out
}

func capacityID(c Capacity) string   { return c.ID }
func mechanismID(m Mechanism) string { return m.ID }

// pointTail is what follows the criterion in the id of a sub-point: a roman
// number for a part of its sentence ("-ii"), a letter for one of its examples
// ("b"), both for a part of an example ("b-iii").
var pointTail = regexp.MustCompile(`^(-(i|ii|iii|iv|v)|[a-g](-(i|ii|iii))?)$`)

func (f capacityFile) validate() error {
	var p problems
	p.check(len(f.Capacities) > 0, "no capacity")
	for i, m := range f.Mechanisms {
		p.check(m.ID == "M"+strconv.Itoa(i+1), "mechanism %q stands in place %d", m.ID, i+1)
		p.text("mechanism "+m.ID, m.Label)
		p.check(slices.ContainsFunc(f.points(), func(x Point) bool { return slices.Contains(x.Mechanisms, m.ID) }),
			"mechanism %s measures no point", m.ID)
	}
	p.once("point", ids(f.points(), func(x Point) string { return x.ID }))
	for i, c := range f.Capacities {
		what := "capacity " + c.ID
		p.check(c.ID == strconv.Itoa(i+1), "%s stands in place %d", what, i+1)
		p.text(what, c.Label)
		p.check(c.Ref == Ref("II, capacité "+c.ID), "%s: ref %q", what, c.Ref)
		p.check(len(c.Modalities.OneOf) > 0, "%s: no modality", what)
		if !c.Observed {
			p.check(len(c.Criteria) == 0 && c.Enough == evidence.Text{}, "%s is not observed, yet has criteria or a measure of enough", what)
			continue
		}
		p.check(len(c.Criteria) > 0, "%s is observed, yet has no criterion", what)
		p.text(what+", enough", c.Enough)
		for j, cr := range c.Criteria {
			p.check(cr.ID == c.ID+"."+strconv.Itoa(j+1), "criterion %q stands in place %d of %s", cr.ID, j+1, what)
			p.check(cr.Ref == Ref(fmt.Sprintf("%s, critère %d", c.Ref, j+1)), "criterion %s: ref %q", cr.ID, cr.Ref)
			p.text("criterion "+cr.ID, cr.Label)
			p.check(len(cr.Points) > 0, "criterion %s has no point", cr.ID)
			for k, x := range cr.Points {
				p.point(f, cr, x, k == len(cr.Points)-1)
			}
		}
	}
	return errors.Join(p...)
}

func (p *problems) point(f capacityFile, cr Criterion, x Point, last bool) {
	what := "point " + x.ID
	tail, ok := strings.CutPrefix(x.ID, cr.ID)
	p.check(ok && pointTail.MatchString(tail), "%s: no id of a point of criterion %s", what, cr.ID)
	p.text(what, x.Label)
	p.under(what, x.Ref, cr.Ref)
	p.check(x.Mode != "", "%s: no mode", what)
	if x.Open {
		p.check(x.Mode == Jury && len(x.Mechanisms) == 0, "%s is open: only the jury speaks on it", what)
		p.check(last, "%s is open, yet not the end of its list", what)
	}
	p.once(what+": mechanism", x.Mechanisms)
	for _, m := range x.Mechanisms {
		p.check(slices.Contains(ids(f.Mechanisms, mechanismID), m), "%s: no mechanism %q", what, m)
	}
}

func (f capacityFile) points() (out []Point) {
	for _, c := range f.Capacities {
		out = append(out, c.Points()...)
	}
	return out
}
