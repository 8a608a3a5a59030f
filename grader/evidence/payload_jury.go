package evidence

// Proposal is what the tool had proposed when somebody decided: it stays beside
// the decision, whatever a later tool proposes. Empty where there was none.
type Proposal struct {
	Outcome string `json:"outcome,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// DecisionStart is the genesis of an assessor's journal. It says on which
// evidence decisions will be taken, and who takes them.
type DecisionStart struct {
	Assessor string `json:"assessor"`
	Function string `json:"function,omitempty"`
	// SessionHead is the head ("sha256:...") of the session's journal.
	SessionHead string `json:"session_head"`
	// Tool is the version that made the proposals; VerdictSHA256 is of the
	// verdict that it made of the evidence.
	Tool          string `json:"tool"`
	VerdictSHA256 string `json:"verdict_sha256"`
	// Beside are the other assessors' journals in the bundle at that moment, and
	// their heads: who takes one away later is seen without a witness.
	Beside map[string]string `json:"beside,omitempty"`
	// JournalKey checks the signatures of this journal's checkpoints.
	JournalKey string `json:"journal_key"`
}

// PointDecision is a human decision on a sub-point. A later one on the same
// point takes its place; the earlier one stays in the journal.
type PointDecision struct {
	Point    string   `json:"point"`
	Outcome  string   `json:"outcome"`
	Motive   string   `json:"motive,omitempty"`
	Proposal Proposal `json:"proposal"`
}

// CriterionDecision is a human decision on a whole criterion.
type CriterionDecision struct {
	Criterion string   `json:"criterion"`
	Outcome   string   `json:"outcome"`
	Motive    string   `json:"motive,omitempty"`
	Proposal  Proposal `json:"proposal"`
}

// CapacityDecision is a human decision on a whole capacity. Bases are the ids of
// what it rests on: what this assessor had recorded by then.
type CapacityDecision struct {
	Capacity string   `json:"capacity"`
	Outcome  string   `json:"outcome"`
	Motive   string   `json:"motive,omitempty"`
	Proposal Proposal `json:"proposal"`
	Bases    []string `json:"bases"`
}

// CompanyOpinion is the company's opinion on a capacity, as the assessor had it
// from By (tutor, manager). The tool never computes one.
type CompanyOpinion struct {
	Capacity   string `json:"capacity"`
	By         string `json:"by"`
	Favourable bool   `json:"favourable"`
	Text       string `json:"text"`
}

// Interview is what the interview with the candidate has shown on a capacity.
type Interview struct {
	Capacity string `json:"capacity"`
	Text     string `json:"text"`
}

// DecisionEnd closes an assessor's journal. Beside is as in DecisionStart.
type DecisionEnd struct {
	Beside map[string]string `json:"beside,omitempty"`
}

func (*DecisionStart) RecordType() Type     { return TypeDecisionStart }
func (*PointDecision) RecordType() Type     { return TypeDecisionPoint }
func (*CriterionDecision) RecordType() Type { return TypeDecisionCriterion }
func (*CapacityDecision) RecordType() Type  { return TypeDecisionCapacity }
func (*CompanyOpinion) RecordType() Type    { return TypeDecisionOpinion }
func (*Interview) RecordType() Type         { return TypeDecisionInterview }
func (*DecisionEnd) RecordType() Type       { return TypeDecisionEnd }
