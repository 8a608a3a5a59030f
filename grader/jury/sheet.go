package jury

import (
	"slices"
	"time"

	"github.com/situlab/situlab/grader/evidence"
)

// Outcomes of a decision (référentiel, III: "acquis"), spelt as a verdict's.
const (
	Acquired    = "acquis"
	NotAcquired = "non_acquis"
)

// Label is what people read for a decision's outcome.
func Label(outcome string) evidence.Text {
	if outcome == Acquired {
		return evidence.Text{FR: "acquis", EN: "achieved"}
	}
	return evidence.Text{FR: "non acquis", EN: "not achieved"}
}

// Decision is one decision of one assessor.
type Decision struct {
	// On is the id of a sub-point, a criterion or a capacity.
	On       string            `json:"on"`
	Outcome  string            `json:"outcome"`
	Motive   string            `json:"motive,omitempty"`
	Proposal evidence.Proposal `json:"proposal"`
	// Override says that it is not what the tool had proposed.
	Override bool `json:"override"`
	// Bases are what a decision on a capacity rests on.
	Bases []string `json:"bases,omitempty"`
	// Record is its number in the assessor's journal.
	Record uint64    `json:"record"`
	At     time.Time `json:"at"`
	// Replaced says that a later decision has taken its place.
	Replaced bool `json:"replaced,omitempty"`
}

// Opinion is the company's opinion on a capacity.
type Opinion struct {
	evidence.CompanyOpinion
	Record   uint64    `json:"record"`
	At       time.Time `json:"at"`
	Replaced bool      `json:"replaced,omitempty"`
}

// Interview is what the interview has shown on a capacity.
type Interview struct {
	evidence.Interview
	Record uint64    `json:"record"`
	At     time.Time `json:"at"`
}

// Sheet is all that one assessor has written.
type Sheet struct {
	Slug     string `json:"slug"`
	Assessor string `json:"assessor"`
	Function string `json:"function,omitempty"`
	Closed   bool   `json:"closed"`
	Records  uint64 `json:"records"`
	Head     string `json:"head"`
	// VerdictSHA256 is of the verdict that lay before the assessor at the start.
	VerdictSHA256 string      `json:"verdict_sha256"`
	Decisions     []Decision  `json:"decisions"`
	Opinions      []Opinion   `json:"opinions"`
	Interviews    []Interview `json:"interviews"`
}

// Overrides says whether a decision differs from the proposal; one on what was
// left to the jury, or on what had no proposal, does.
func Overrides(outcome string, p evidence.Proposal) bool { return outcome != p.Outcome }

// Read reads a sitting.
func Read(s *evidence.Sitting) *Sheet {
	out := &Sheet{Slug: s.Slug, Assessor: s.Assessor, Function: s.Function, Closed: s.Closed, Records: s.Records, Head: s.Head,
		Decisions: []Decision{}, Opinions: []Opinion{}, Interviews: []Interview{}}
	for _, r := range s.Entries() {
		d := Decision{Record: r.Seq, At: r.Wall}
		switch p := r.Payload().(type) {
		case *evidence.DecisionStart:
			out.VerdictSHA256 = p.VerdictSHA256
		case *evidence.PointDecision:
			d.On, d.Outcome, d.Motive, d.Proposal = p.Point, p.Outcome, p.Motive, p.Proposal
			out.decide(d)
		case *evidence.CriterionDecision:
			d.On, d.Outcome, d.Motive, d.Proposal = p.Criterion, p.Outcome, p.Motive, p.Proposal
			out.decide(d)
		case *evidence.CapacityDecision:
			d.On, d.Outcome, d.Motive, d.Proposal, d.Bases = p.Capacity, p.Outcome, p.Motive, p.Proposal, p.Bases
			out.decide(d)
		case *evidence.CompanyOpinion:
			for i, o := range out.Opinions {
				out.Opinions[i].Replaced = o.Replaced || o.Capacity == p.Capacity && o.By == p.By
			}
			out.Opinions = append(out.Opinions, Opinion{CompanyOpinion: *p, Record: r.Seq, At: r.Wall})
		case *evidence.Interview:
			out.Interviews = append(out.Interviews, Interview{Interview: *p, Record: r.Seq, At: r.Wall})
		}
	}
	return out
}

func (s *Sheet) decide(d Decision) {
	d.Override = Overrides(d.Outcome, d.Proposal)
	for i, old := range s.Decisions {
		s.Decisions[i].Replaced = old.Replaced || old.On == d.On
	}
	s.Decisions = append(s.Decisions, d)
}

// On are the decisions on one thing, the replaced ones first.
func (s *Sheet) On(id string) (out []Decision) {
	for _, d := range s.Decisions {
		if d.On == id {
			out = append(out, d)
		}
	}
	return out
}

// Now is the decision that holds on a thing.
func (s *Sheet) Now(id string) (Decision, bool) {
	i := slices.IndexFunc(s.Decisions, func(d Decision) bool { return d.On == id && !d.Replaced })
	if i < 0 {
		return Decision{}, false
	}
	return s.Decisions[i], true
}
