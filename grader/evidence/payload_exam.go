package evidence

// ClockPaused stops the clock. Reason is a snake_case word: pause,
// host_starved, recorder_silent.
type ClockPaused struct {
	Reason    string `json:"reason"`
	Automatic bool   `json:"automatic"`
}

// ClockResumed lets the clock run again.
type ClockResumed struct {
	Reason string `json:"reason,omitempty"`
}

// ExamPermanence ends the wait for the missing part of the window. Complete
// is true when time and samples sufficed; the grader counts again itself.
type ExamPermanence struct {
	WaitedSeconds float64 `json:"waited_seconds"`
	Complete      bool    `json:"complete"`
}

// ExamColdStart is the cold start of the whole company after finish, written
// once the lab has settled (or the wait for it is over). Its samples follow
// with PhaseColdStart.
type ExamColdStart struct {
	Nodes int `json:"nodes"`
	// Restarted is how many nodes came back with a new boot id.
	Restarted int     `json:"restarted"`
	Seconds   float64 `json:"seconds"`
	Settled   bool    `json:"settled"`
	// Failed names nodes that did not come back.
	Failed []string `json:"failed,omitempty"`
}

// ExamCanary is one canary datum: a nonce written before or during the
// session, read again at the end.
type ExamCanary struct {
	Name  string `json:"name"`
	Where string `json:"where"`
	OK    bool   `json:"ok"`
	// Unread is true when it could not be read (its service does not answer,
	// its machine does not exist): nobody can say then whether it is intact.
	Unread bool   `json:"unread,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// ExamFlow is one tuple of the flow matrix: whether From reached To before
// the session and whether it does now.
type ExamFlow struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Before bool   `json:"before"`
	Now    bool   `json:"now"`
}

// ExamDone ends the examinations.
type ExamDone struct {
	Seconds float64 `json:"seconds"`
}

// RecorderState is a recorder ("exec", "terminal", "file", "net", "probe",
// "desk") that went on or off.
type RecorderState struct {
	Recorder string `json:"recorder"`
	On       bool   `json:"on"`
	Detail   string `json:"detail,omitempty"`
}

// RecorderLoss counts lost events since the record before.
type RecorderLoss struct {
	Recorder string `json:"recorder"`
	Lost     uint64 `json:"lost"`
}

// Bounds of a healthy host: beyond them the lab is starved.
const (
	MaxStealPercent = 25.0 // CPU time taken by other guests
	MinAvailableMB  = 200
)

// HostHealth is a sample of the host, its figures those since the sample before.
// OutOfBand is true while the environment is not to be trusted: the host starves
// the lab (see Starved), or the control probe is red and nothing explains it.
type HostHealth struct {
	StealPercent     float64 `json:"steal_percent"`
	LoadPercent      float64 `json:"load_percent"`
	MemAvailableMB   int64   `json:"mem_available_mb"`
	ControlOK        bool    `json:"control_ok"`
	ControlLatencyMS float64 `json:"control_latency_ms"`
	OutOfBand        bool    `json:"out_of_band"`
	// OutOfBandSeconds is for how long already.
	OutOfBandSeconds float64 `json:"out_of_band_seconds,omitempty"`
}

// Starved says whether the host had too little for the lab. The control probe
// has no part in it: it may be red because of the candidate's work. Memory of 0
// is one that could not be read.
func (h *HostHealth) Starved() bool {
	return h.StealPercent > MaxStealPercent || h.MemAvailableMB > 0 && h.MemAvailableMB < MinAvailableMB
}

// RecorderRecovery says that Bytes bytes at Offset of Segment (or of the
// checkpoints) were cut: writes torn by a crash, never acknowledged. They are
// kept in File; SHA256 is of them, Sound counts the whole records among them.
type RecorderRecovery struct {
	Segment string `json:"segment"`
	Offset  int64  `json:"offset"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	File    string `json:"file"`
	Sound   int    `json:"sound,omitempty"`
}

// RecorderStalled says that the journal could not be written for so many
// seconds. The records that had a number already waited in memory; everything
// else waited with whoever had it to tell.
type RecorderStalled struct {
	Reason  string  `json:"reason"`
	Seconds float64 `json:"seconds"`
	Records int     `json:"records"`
}

func (*ClockPaused) RecordType() Type      { return TypeClockPaused }
func (*ClockResumed) RecordType() Type     { return TypeClockResumed }
func (*ExamPermanence) RecordType() Type   { return TypeExamPermanence }
func (*ExamColdStart) RecordType() Type    { return TypeExamColdStart }
func (*ExamCanary) RecordType() Type       { return TypeExamCanary }
func (*ExamFlow) RecordType() Type         { return TypeExamFlow }
func (*ExamDone) RecordType() Type         { return TypeExamDone }
func (*RecorderState) RecordType() Type    { return TypeRecorderState }
func (*RecorderLoss) RecordType() Type     { return TypeRecorderLoss }
func (*HostHealth) RecordType() Type       { return TypeRecorderHealth }
func (*RecorderRecovery) RecordType() Type { return TypeRecorderRecovery }
func (*RecorderStalled) RecordType() Type  { return TypeRecorderStalled }
