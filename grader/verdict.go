package grader

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
)

// APIVersion and Kind head every verdict.
const (
	APIVersion = "situlab/v1"
	Kind       = "Verdict"
)

// Words of Verdict.Environment.
const (
	EnvironmentValid   = "valid"
	EnvironmentInvalid = "invalid"
)

// Verdict is verdict.json.
type Verdict struct {
	APIVersion  string `json:"apiVersion"`
	Kind        string `json:"kind"`
	Session     string `json:"session"`
	Scenario    string `json:"scenario"`
	Seed        uint64 `json:"seed"`
	Candidate   string `json:"candidate"`
	Tool        string `json:"tool"`
	JournalHead string `json:"journalHead"`
	Environment string `json:"environment"`
	// Admissible is always null: the tool sees three capacities of six.
	Admissible *bool      `json:"admissible"`
	Capacities []Capacity `json:"capacities"`
	Flags      []Flag     `json:"flags"`
}

// Capacity is the proposal for one capacity.
type Capacity struct {
	ID       string        `json:"id"`
	Outcome  check.Outcome `json:"outcome"`
	Criteria []Criterion   `json:"criteria"`
}

// Criterion is the proposal for one main criterion.
type Criterion struct {
	ID      string        `json:"id"`
	Outcome check.Outcome `json:"outcome"`
	Points  []Point       `json:"points"`
}

// Point is the proposal for one sub-point.
type Point struct {
	ID       string         `json:"id"`
	Outcome  check.Outcome  `json:"outcome"`
	Reason   check.Reason   `json:"reason"`
	Sentence evidence.Text  `json:"sentence"`
	Measured map[string]any `json:"measured"`
	// Evidence are sequence numbers of the journal.
	Evidence []uint64       `json:"evidence"`
	Question *evidence.Text `json:"question,omitempty"`
}

// Flag is a fact for the jury that belongs to no single point.
type Flag struct {
	Code     check.Reason   `json:"code"`
	Blocking bool           `json:"blocking"`
	Sentence evidence.Text  `json:"sentence"`
	Measured map[string]any `json:"measured"`
	Evidence []uint64       `json:"evidence"`
	Question *evidence.Text `json:"question,omitempty"`
}

// JSON is the verdict as written to verdict.json: indented, fields in the
// order of the contract, one newline at the end.
func (v *Verdict) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode verdict of session %s: %w", v.Session, err)
	}
	return b.Bytes(), nil
}

// ReadVerdict reads a verdict.json strictly.
func ReadVerdict(data []byte) (*Verdict, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var v Verdict
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("read verdict: %w", err)
	}
	if v.APIVersion != APIVersion || v.Kind != Kind {
		return nil, fmt.Errorf("read verdict: it is %s %s, expected %s %s", v.APIVersion, v.Kind, APIVersion, Kind)
	}
	return &v, nil
}

// Exit codes of run and grade.
const (
	exitDone        = 0
	exitNotAcquired = 1
	exitEnvironment = 4
	exitInterrupted = 130
)

// Interrupted says whether the session did not come to its end (see the flag
// interrupted_session): nothing of it is held against the candidate.
func (v *Verdict) Interrupted() bool {
	for _, f := range v.Flags {
		if f.Code == check.InterruptedSession {
			return true
		}
	}
	return false
}

// ExitCode is that of run and grade: 4 for an invalid environment, 130 for an
// interrupted session, 1 if a point is non_acquis, else 0.
func (v *Verdict) ExitCode() int {
	switch {
	case v.Environment == EnvironmentInvalid:
		return exitEnvironment
	case v.Interrupted():
		return exitInterrupted
	}
	for _, c := range v.Capacities {
		for _, cr := range c.Criteria {
			for _, p := range cr.Points {
				if p.Outcome == check.NotAcquired {
					return exitNotAcquired
				}
			}
		}
	}
	return exitDone
}

// Point finds a point of the verdict.
func (v *Verdict) Point(id string) (Point, bool) {
	for _, c := range v.Capacities {
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
