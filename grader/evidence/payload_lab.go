package evidence

// LabUp counts what was started; Seconds is measured from the first create.
type LabUp struct {
	Nodes    int     `json:"nodes"`
	Segments int     `json:"segments"`
	Seconds  float64 `json:"seconds"`
}

// LabReady says how long the lab took until every baseline probe was green.
type LabReady struct {
	Seconds float64 `json:"seconds"`
	Probes  int     `json:"probes"`
}

// Events of LabNode.
const (
	NodeStarted  = "started"
	NodeRunning  = "running"
	NodeRebooted = "rebooted"
	NodeOff      = "off"
	NodeFailed   = "failed"
)

// LabNode is a change in the life of Record.Node. Origin is "controller",
// "candidate" (a reboot or poweroff typed inside) or "desk".
type LabNode struct {
	Event  string `json:"event"`
	Origin string `json:"origin"`
	BootID string `json:"boot_id,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// LabColdStart is "this morning's start", before the candidate enters.
type LabColdStart struct {
	Nodes   int     `json:"nodes"`
	Seconds float64 `json:"seconds"`
}

// LabDown is the removal of the lab.
type LabDown struct {
	Seconds float64 `json:"seconds"`
}

// FaultInjected describes an injection. Kind is "provisioned" or "live".
type FaultInjected struct {
	Fault    string `json:"fault"`
	Kind     string `json:"kind"`
	Element  string `json:"element"`
	Cause    string `json:"cause"`
	Artefact string `json:"artefact,omitempty"`
}

// FaultAdmitted says what was seen. HitProbes are the probes found red,
// ControlProbes those found green. On the twin Fault is empty, HitProbes too.
type FaultAdmitted struct {
	Fault         string   `json:"fault,omitempty"`
	HitGroups     []string `json:"hit_groups,omitempty"`
	HitSegments   []string `json:"hit_segments,omitempty"`
	HitProbes     []string `json:"hit_probes,omitempty"`
	ControlProbes []string `json:"control_probes,omitempty"`
}

// FaultRejected explains a failed admission.
type FaultRejected struct {
	Fault  string `json:"fault"`
	Detail string `json:"detail"`
}

// FaultVanished explains how a fault was found gone.
type FaultVanished struct {
	Fault  string `json:"fault"`
	Detail string `json:"detail"`
}

// FaultHealed is a fault taken back by the controller.
type FaultHealed struct {
	Fault string `json:"fault"`
}

// Phases of ProbeSample.
const (
	PhaseBaseline   = "baseline"   // the healthy lab, before injection
	PhaseAdmission  = "admission"  // proof of the symptom
	PhaseSession    = "session"    // while the candidate works
	PhasePermanence = "permanence" // waited for after finish
	PhaseColdStart  = "cold_start" // after the examination's cold start, once settled
)

// ProbeSample is one measurement. Probe is stable for one (service, segment):
// by convention "service@segment", e.g. "erp@bur2"; Node of the record is the
// post it was made from.
type ProbeSample struct {
	Probe   string `json:"probe"`
	Service string `json:"service"`
	Segment string `json:"segment"`
	// Group is the group of users that works there.
	Group string `json:"group,omitempty"`
	Post  string `json:"post"`
	Phase string `json:"phase"`
	// Control marks the untouched service that judges the environment.
	Control   bool    `json:"control,omitempty"`
	OK        bool    `json:"ok"`
	LatencyMS float64 `json:"latency_ms"`
	Detail    string  `json:"detail,omitempty"`
}

// ProbeRound closes one round: Expected probes, of which Sampled answered.
type ProbeRound struct {
	Phase    string `json:"phase"`
	Expected int    `json:"expected"`
	Sampled  int    `json:"sampled"`
}

func (*LabUp) RecordType() Type         { return TypeLabUp }
func (*LabReady) RecordType() Type      { return TypeLabReady }
func (*LabNode) RecordType() Type       { return TypeLabNode }
func (*LabColdStart) RecordType() Type  { return TypeLabColdStart }
func (*LabDown) RecordType() Type       { return TypeLabDown }
func (*FaultInjected) RecordType() Type { return TypeFaultInjected }
func (*FaultAdmitted) RecordType() Type { return TypeFaultAdmitted }
func (*FaultRejected) RecordType() Type { return TypeFaultRejected }
func (*FaultVanished) RecordType() Type { return TypeFaultVanished }
func (*FaultHealed) RecordType() Type   { return TypeFaultHealed }
func (*ProbeSample) RecordType() Type   { return TypeProbeSample }
func (*ProbeRound) RecordType() Type    { return TypeProbeRound }
