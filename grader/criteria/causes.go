package criteria

import (
	_ "embed"
	"sync"

	"github.com/situlab/situlab/grader/evidence"
)

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

//go:embed causes.yaml
var causesYAML []byte

type causeFile struct {
	Families []Family       `yaml:"families"`
	Classes  []ElementClass `yaml:"classes"`
	Causes   []Cause        `yaml:"causes"`
}

var loadCauses = sync.OnceValue(func() causeFile {
	var f causeFile
	must("causes.yaml", decode(causesYAML, &f))
	return f
})

// Causes returns the one list of causes, the same for all scenarios.
func Causes() []Cause { return loadCauses().Causes }

// Families returns the families of causes in the order of the form.
func Families() []Family { return loadCauses().Families }

// Classes returns the element classes.
func Classes() []ElementClass { return loadCauses().Classes }

// CauseByID finds a cause.
func CauseByID(id string) (Cause, bool) {
	return find(Causes(), func(c Cause) bool { return c.ID == id })
}

// ClassByID finds an element class.
func ClassByID(id string) (ElementClass, bool) {
	return find(Classes(), func(c ElementClass) bool { return c.ID == id })
}
