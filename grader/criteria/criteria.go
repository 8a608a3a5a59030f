package criteria

import (
	"bytes"
	_ "embed"
	"fmt"
	"sync"

	"github.com/situlab/situlab/grader/evidence"
	"gopkg.in/yaml.v3"
)

// Capacity is a "capacité professionnelle" of the référentiel.
type Capacity struct {
	ID       string        `yaml:"id"`
	Label    evidence.Text `yaml:"label"`
	Ref      string        `yaml:"ref"`
	Criteria []Criterion   `yaml:"criteria"`
}

// Criterion is a main criterion ("3.1").
type Criterion struct {
	ID     string        `yaml:"id"`
	Label  evidence.Text `yaml:"label"`
	Ref    string        `yaml:"ref"`
	Points []Point       `yaml:"points"`
}

// Point is a sub-point ("3.1-ii").
type Point struct {
	ID    string        `yaml:"id"`
	Label evidence.Text `yaml:"label"`
}

// Cause is one line of the diagnosis form's second list.
type Cause struct {
	ID string `yaml:"id"`
	// Family groups causes that the same kind of test would show.
	Family string        `yaml:"family"`
	Label  evidence.Text `yaml:"label"`
}

// ElementClass is a kind of element of the form's first list.
type ElementClass struct {
	ID    string        `yaml:"id"`
	Label evidence.Text `yaml:"label"`
}

// Family is a family of causes.
type Family struct {
	ID    string        `yaml:"id"`
	Label evidence.Text `yaml:"label"`
}

//go:embed criteria.yaml
var criteriaYAML []byte

//go:embed causes.yaml
var causesYAML []byte

type causeFile struct {
	Families []Family       `yaml:"families"`
	Classes  []ElementClass `yaml:"classes"`
	Causes   []Cause        `yaml:"causes"`
}

var loadCapacities = sync.OnceValue(func() []Capacity {
	var f struct {
		Capacities []Capacity `yaml:"capacities"`
	}
	mustDecode("criteria.yaml", criteriaYAML, &f)
	return f.Capacities
})

var loadCauses = sync.OnceValue(func() causeFile {
	var f causeFile
	mustDecode("causes.yaml", causesYAML, &f)
	return f
})

// mustDecode panics on a broken embedded file: the tests decode all of them,
// so this cannot happen in a released binary.
func mustDecode(name string, data []byte, v any) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(v); err != nil {
		panic(fmt.Sprintf("criteria: embedded %s: %v", name, err))
	}
}

// Capacities returns the capacities 2, 3 and 4 in order.
func Capacities() []Capacity { return loadCapacities() }

// Causes returns the one list of causes, the same for all scenarios.
func Causes() []Cause { return loadCauses().Causes }

// Families returns the families of causes in the order of the form.
func Families() []Family { return loadCauses().Families }

// Classes returns the element classes.
func Classes() []ElementClass { return loadCauses().Classes }

// CauseByID finds a cause.
func CauseByID(id string) (Cause, bool) {
	for _, c := range Causes() {
		if c.ID == id {
			return c, true
		}
	}
	return Cause{}, false
}

// ClassByID finds an element class.
func ClassByID(id string) (ElementClass, bool) {
	for _, c := range Classes() {
		if c.ID == id {
			return c, true
		}
	}
	return ElementClass{}, false
}

// PointByID finds a sub-point.
func PointByID(id string) (Point, bool) {
	for _, c := range Capacities() {
		for _, cr := range c.Criteria {
			for _, p := range cr.Points {
				if p.ID == id {
					return p, true
				}
			}
		}
	}
	return Point{}, false
}
