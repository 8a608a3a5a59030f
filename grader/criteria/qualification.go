package criteria

import (
	_ "embed"
	"sync"

	"github.com/situlab/situlab/grader/evidence"
)

// Qualification is what the référentiel says of the certificate as a whole.
type Qualification struct {
	// Kind is the kind of certificate, the same word in both languages.
	Kind  string        `yaml:"kind"`
	Title evidence.Text `yaml:"title"`
	Ref   Ref           `yaml:"ref"`
	// Modalities are the ways of assessing (IV.2, B).
	Modalities []Modality `yaml:"modalities"`
	// Bases are what the commission d'évaluation validates a capacity on
	// (IV.2, A).
	Bases     []Basis   `yaml:"bases"`
	Admission Admission `yaml:"admission"`
}

// Modality is a "modalité d'évaluation" (référentiel, IV.2, B).
type Modality struct {
	// ID is the letter of the référentiel.
	ID    string        `yaml:"id"`
	Label evidence.Text `yaml:"label"`
	// Short is the label without the words that all of them share.
	Short evidence.Text `yaml:"short"`
	Ref   Ref           `yaml:"ref"`
	Use   Use           `yaml:"use"`
	// Played marks the one that a session of situlab is.
	Played bool `yaml:"played"`
	// Forms are the ways to hold it, of which one is enough.
	Forms []Form `yaml:"forms"`
}

// Use says when a modality is taken (référentiel, IV.1, alinéa 3, and II, last
// column).
type Use string

// The uses.
const (
	Preferred   Use = "preferred"   // wherever possible
	Exceptional Use = "exceptional" // only where no preferred one is possible
	Always      Use = "always"      // on top of whichever is taken
)

// UnmarshalText accepts the words above only.
func (u *Use) UnmarshalText(text []byte) error {
	return oneOf(u, text, Preferred, Exceptional, Always)
}

// Form is a way to hold a modality (référentiel, IV.2, B, c).
type Form struct {
	ID    string        `yaml:"id"`
	Label evidence.Text `yaml:"label"`
	Ref   Ref           `yaml:"ref"`
}

// Basis is one of the things that the commission d'évaluation validates a
// capacity on (référentiel, IV.2, A).
type Basis struct {
	ID    string        `yaml:"id"`
	Label evidence.Text `yaml:"label"`
	Ref   Ref           `yaml:"ref"`
}

// Admission is the condition of admissibility (référentiel, III).
type Admission struct {
	Rule evidence.Text `yaml:"rule"`
	// Who says who validates (IV.2, A) and who pronounces (III): never the
	// tool.
	Who evidence.Text `yaml:"who"`
	Ref Ref           `yaml:"ref"`
	// Capacities are the ids of those that must all be acquired.
	Capacities []string `yaml:"capacities"`
}

//go:embed qualification.yaml
var qualificationYAML []byte

var loadQualification = sync.OnceValue(func() Qualification {
	var q Qualification
	must("qualification.yaml", decode(qualificationYAML, &q))
	must("qualification.yaml", q.validate(Capacities()))
	return q
})

// TheQualification returns the one qualification that situlab knows.
func TheQualification() Qualification { return loadQualification() }

// Modality finds a modality by its letter.
func (q Qualification) Modality(id string) (Modality, bool) {
	return find(q.Modalities, func(m Modality) bool { return m.ID == id })
}

// Played is the modality that a session of situlab is.
func (q Qualification) Played() Modality {
	m, _ := find(q.Modalities, func(m Modality) bool { return m.Played })
	return m
}
