package evidence

import "time"

// Text is a sentence in the two languages of the tool.
type Text struct {
	FR string `json:"fr"`
	EN string `json:"en"`
}

// In returns the text in the language "fr" or "en"; French is the fallback.
func (t Text) In(lang string) string {
	if lang == "en" && t.EN != "" {
		return t.EN
	}
	if t.FR == "" {
		return t.EN
	}
	return t.FR
}

// SessionStart is the genesis of a journal.
type SessionStart struct {
	// Scenario is the scenario's id; Site that of its site.
	Scenario string `json:"scenario"`
	Site     string `json:"site"`
	// Mode is "training" or "exam".
	Mode string `json:"mode"`
	// SeedCommitment is SHA-256(salt "|" decimal seed), hex; the seed itself
	// is in SessionFacts.
	SeedCommitment string `json:"seed_commitment"`
	// TimeFactor multiplies every duration of the scenario.
	TimeFactor float64 `json:"time_factor"`
	// LimitSeconds is the candidate's time, already multiplied.
	LimitSeconds float64 `json:"limit_seconds"`
	// Deadline is the wall-clock end when nothing is paused.
	Deadline time.Time `json:"deadline"`
	// Lang is the candidate's language.
	Lang string `json:"lang"`
	// Tool is situlab's version; Runtime "native" or "docker".
	Tool    string `json:"tool"`
	Runtime string `json:"runtime"`
	// Unattended is true for a session played by --script.
	Unattended bool `json:"unattended"`
	// Hashes names what was used: "scenario", "site", "image", "binary", ...
	Hashes map[string]string `json:"hashes,omitempty"`
	// JournalKey checks the signatures of the journal's checkpoints
	// (golang.org/x/mod/sumdb/note).
	JournalKey string `json:"journal_key,omitempty"`
	// Host holds facts of the host ("kernel", "cpus", "cgroup").
	Host map[string]string `json:"host,omitempty"`
}

// SessionIdentity is kept apart from all else, so that the grader can be
// shown the rest without it.
type SessionIdentity struct {
	Candidate string `json:"candidate"`
	Variant   string `json:"variant"`
	// Seat is the post or room, if any.
	Seat string `json:"seat,omitempty"`
}

// SessionSeal is Facts.Commitment(salt), written before the candidate enters.
type SessionSeal struct {
	Commitment string `json:"commitment"`
}

// SessionFacts reveals what was sealed.
type SessionFacts struct {
	Salt  string `json:"salt"`
	Facts Facts  `json:"facts"`
}

// SessionEnter is the candidate's entry.
type SessionEnter struct {
	Terminal string `json:"terminal"`
}

// SessionResumed says what happened between the death of a controller and the
// next one. Moments are CLOCK_BOOTTIME in nanoseconds.
type SessionResumed struct {
	// LastNS is the last record before the death, DiedNS when the guard found the
	// controller dead and HaltedNS when every node stood still; 0: nobody did.
	LastNS   int64 `json:"last_ns"`
	DiedNS   int64 `json:"died_ns,omitempty"`
	HaltedNS int64 `json:"halted_ns,omitempty"`
	ResumeNS int64 `json:"resume_ns"`
	// Unseen are programs that were begun unrecorded and still run: node, process
	// id in the node and name.
	Unseen []string `json:"unseen,omitempty"`
	// Ended are nodes that ended meanwhile.
	Ended []string `json:"ended,omitempty"`
}

// Reasons of SessionFinish.
const (
	FinishCandidate   = "candidate"    // situ finish
	FinishDeadline    = "deadline"     // time is up
	FinishScriptEnded = "script_ended" // --script ended without situ finish
	FinishInterrupted = "interrupted"  // SIGINT or SIGTERM to the controller
	FinishInvalid     = "environment"  // the environment became invalid
)

// SessionFinish ends the candidate's part.
type SessionFinish struct {
	Reason string `json:"reason"`
}

// SessionInvalid explains why the environment is invalid. Reason is a stable
// snake_case word: fault_not_admitted, fault_vanished, host_starved, lab_failed.
type SessionInvalid struct {
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// SessionFiles seals what lies beside the journal in a complete bundle, but for
// verdict and report: the SHA-256 (hex) of every file by its name in the bundle.
type SessionFiles struct {
	SHA256 map[string]string `json:"sha256"`
}

// SessionEnd closes the journal; Exit is the code that run will return.
type SessionEnd struct {
	Exit int `json:"exit"`
}

func (*SessionStart) RecordType() Type    { return TypeSessionStart }
func (*SessionIdentity) RecordType() Type { return TypeSessionIdentity }
func (*SessionSeal) RecordType() Type     { return TypeSessionSeal }
func (*SessionFacts) RecordType() Type    { return TypeSessionFacts }
func (*SessionEnter) RecordType() Type    { return TypeSessionEnter }
func (*SessionResumed) RecordType() Type  { return TypeSessionResumed }
func (*SessionFinish) RecordType() Type   { return TypeSessionFinish }
func (*SessionInvalid) RecordType() Type  { return TypeSessionInvalid }
func (*SessionFiles) RecordType() Type    { return TypeSessionFiles }
func (*SessionEnd) RecordType() Type      { return TypeSessionEnd }
