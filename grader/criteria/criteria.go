package criteria

import (
	_ "embed"
	"slices"
	"sync"

	"github.com/situlab/situlab/grader/evidence"
)

// Capacity is a "capacité professionnelle" (référentiel, II, first column).
type Capacity struct {
	ID    string        `yaml:"id"`
	Label evidence.Text `yaml:"label"`
	Ref   Ref           `yaml:"ref"`
	// Observed says whether situations of situlab can show it. The others have
	// a name only, so that the admission rule knows what is missing.
	Observed   bool       `yaml:"observed"`
	Modalities Modalities `yaml:"modalities"`
	// Enough says what a session must hold before the capacity is proposed as
	// acquired. It is situlab's own rule, not the référentiel's.
	Enough   evidence.Text `yaml:"enough"`
	Criteria []Criterion   `yaml:"criteria"`
}

// Modalities are the ids of the modalities that a capacity may be assessed by
// (référentiel, II, column "Modalités d'évaluation"): "a Ou b Ou c Et d".
type Modalities struct {
	OneOf []string `yaml:"one_of"`
	And   []string `yaml:"and"`
}

// Criterion is a main criterion ("3.1"), a box of the third column of II.
type Criterion struct {
	ID     string        `yaml:"id"`
	Label  evidence.Text `yaml:"label"`
	Ref    Ref           `yaml:"ref"`
	Points []Point       `yaml:"points"`
}

// Point is a sub-point ("3.1-ii"): one thing that a criterion asks for.
type Point struct {
	ID    string        `yaml:"id"`
	Label evidence.Text `yaml:"label"`
	Ref   Ref           `yaml:"ref"`
	// Open marks the "…" at the end of a list of examples: the place for an
	// assessor's bookmark on what the list does not foresee. No situation
	// declares it, no rule decides it.
	Open bool `yaml:"open"`
	Mode Mode `yaml:"mode"`
	// Mechanisms are ids of what measures it ("M3"); none where the journal
	// alone shows it.
	Mechanisms []string `yaml:"mechanisms"`
}

// Mode says who can speak on a point.
type Mode string

// The modes.
const (
	Auto Mode = "auto" // the facts decide
	Jury Mode = "jury" // only the jury does
	Both Mode = "both" // the facts decide or are laid out; a part is the jury's
)

// UnmarshalText accepts the words above only.
func (m *Mode) UnmarshalText(text []byte) error {
	return oneOf(m, text, Auto, Jury, Both)
}

// Mechanism is a way of measuring that several points share.
type Mechanism struct {
	ID    string        `yaml:"id"`
	Label evidence.Text `yaml:"label"`
}

//go:embed criteria.yaml
var criteriaYAML []byte

type capacityFile struct {
	Mechanisms []Mechanism `yaml:"mechanisms"`
	Capacities []Capacity  `yaml:"capacities"`
}

var loadCapacities = sync.OnceValue(func() capacityFile {
	var f capacityFile
	must("criteria.yaml", decode(criteriaYAML, &f))
	must("criteria.yaml", f.validate())
	return f
})

// Capacities returns the six capacities in order.
func Capacities() []Capacity { return loadCapacities().Capacities }

// Mechanisms returns the mechanisms in order.
func Mechanisms() []Mechanism { return loadCapacities().Mechanisms }

// Declared returns, in order, the capacities of which points (ids) names at
// least one sub-point: those that a situation is about. A verdict has these and
// no others.
func Declared(points []string) (out []Capacity) {
	for _, c := range Capacities() {
		if slices.ContainsFunc(c.Points(), func(p Point) bool { return slices.Contains(points, p.ID) }) {
			out = append(out, c)
		}
	}
	return out
}

// Undeclarable returns those of points (ids) that a situation cannot declare:
// the référentiel has no such sub-point, or it is open. It is for whoever reads
// a scenario, while nobody has played it: a grader that refuses a session for
// such a point would make the candidate pay for it.
func Undeclarable(points []string) (out []string) {
	for _, id := range points {
		if p, ok := PointByID(id); !ok || p.Open {
			out = append(out, id)
		}
	}
	return out
}

// Points returns the sub-points of all criteria in order.
func (c Capacity) Points() (out []Point) {
	for _, cr := range c.Criteria {
		out = append(out, cr.Points...)
	}
	return out
}

// CapacityByID finds a capacity.
func CapacityByID(id string) (Capacity, bool) {
	return find(Capacities(), func(c Capacity) bool { return c.ID == id })
}

// CriterionByID finds a criterion.
func CriterionByID(id string) (Criterion, bool) {
	for _, c := range Capacities() {
		if cr, ok := find(c.Criteria, func(cr Criterion) bool { return cr.ID == id }); ok {
			return cr, true
		}
	}
	return Criterion{}, false
}

// PointByID finds a sub-point.
func PointByID(id string) (Point, bool) {
	for _, c := range Capacities() {
		if p, ok := find(c.Points(), func(p Point) bool { return p.ID == id }); ok {
			return p, true
		}
	}
	return Point{}, false
}

func find[T any](all []T, is func(T) bool) (found T, ok bool) {
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i], true
	}
	return found, false
}
