package evidence

// Type is the kind of a record. The list below is closed: a journal with any
// other type is refused. Adding a type means adding a constant, a payload
// struct and a line of registry, nothing else.
type Type string

const (
	// TypeSessionStart opens every journal: what is played, with which tool,
	// under which rules. It names neither the candidate nor the variant.
	TypeSessionStart Type = "session.start"
	// TypeSessionIdentity holds the names that the grader must not see: the
	// candidate's pseudonym and the variant's key.
	TypeSessionIdentity Type = "session.identity"
	// TypeSessionSeal commits to the facts of the variant before the
	// candidate enters, without showing them.
	TypeSessionSeal Type = "session.seal"
	// TypeSessionFacts reveals the sealed facts after the end: truth, hit
	// groups, thresholds. The grader takes its expectations from here only.
	TypeSessionFacts Type = "session.facts"
	// TypeSessionEnter marks the moment the candidate gets the terminal and
	// the situation; notice delays are counted from here.
	TypeSessionEnter Type = "session.enter"
	// TypeSessionResumed says that another controller has taken the session over.
	TypeSessionResumed Type = "session.resumed"
	// TypeSessionFinish ends the candidate's work, with the reason.
	TypeSessionFinish Type = "session.finish"
	// TypeSessionInvalid says that the environment, not the candidate, failed.
	TypeSessionInvalid Type = "session.invalid"
	// TypeSessionFiles seals the bundle's other files before the end.
	TypeSessionFiles Type = "session.files"
	// TypeSessionEnd is the last record of a complete journal.
	TypeSessionEnd Type = "session.end"

	// TypeLabUp says that all nodes of the lab have been started.
	TypeLabUp Type = "lab.up"
	// TypeLabReady says that every baseline probe was green.
	TypeLabReady Type = "lab.ready"
	// TypeLabNode is a change in a node's life: started, rebooted, off.
	TypeLabNode Type = "lab.node"
	// TypeLabColdStart is a stop and start of the whole company by the
	// controller, before the candidate enters.
	TypeLabColdStart Type = "lab.cold_start"
	// TypeLabDown says that the lab was removed.
	TypeLabDown Type = "lab.down"

	// TypeFaultInjected says that an artefact was written or an actor started.
	TypeFaultInjected Type = "fault.injected"
	// TypeFaultAdmitted says that artefact, symptom and control were all seen.
	TypeFaultAdmitted Type = "fault.admitted"
	// TypeFaultRejected says that admission failed; the session is invalid.
	TypeFaultRejected Type = "fault.rejected"
	// TypeFaultVanished says that the fault went away without the candidate.
	TypeFaultVanished Type = "fault.vanished"
	// TypeFaultHealed says that the controller took a fault back.
	TypeFaultHealed Type = "fault.healed"

	// TypeProbeSample is one measurement of one service from one post.
	TypeProbeSample Type = "probe.sample"
	// TypeProbeRound closes a round of samples, so that a missing sample shows.
	TypeProbeRound Type = "probe.round"

	// TypeExecStart is a program started in a node.
	TypeExecStart Type = "exec.start"
	// TypeExecExit is the end of that program, with its status.
	TypeExecExit Type = "exec.exit"

	// TypeTermOpen is a recorded terminal that opened.
	TypeTermOpen Type = "term.open"
	// TypeTermOutput accounts for bytes written to a terminal's recording.
	TypeTermOutput Type = "term.output"
	// TypeTermInputLine is a line typed inside an interactive program, cut
	// from what the program echoed.
	TypeTermInputLine Type = "term.input_line"
	// TypeTermKeys counts key presses of a span of time, without the keys.
	TypeTermKeys Type = "term.keys"
	// TypeTermUncut says that lines typed in a program could not be cut.
	TypeTermUncut Type = "term.uncut"
	// TypeTermResize is a change of a terminal's size.
	TypeTermResize Type = "term.resize"
	// TypeTermClose is a recorded terminal that closed.
	TypeTermClose Type = "term.close"

	// TypeFileChange is a change to a file of a node.
	TypeFileChange Type = "file.change"

	// TypeNetState is the kernel's network state of a node, as a difference
	// to the sample before.
	TypeNetState Type = "net.state"

	// TypeMessageTicket is a ticket delivered to the candidate.
	TypeMessageTicket Type = "message.ticket"
	// TypeMessageTicketReply is an answer of the candidate to a ticket.
	TypeMessageTicketReply Type = "message.ticket_reply"
	// TypeMessageTicketClose is a ticket closed by the candidate.
	TypeMessageTicketClose Type = "message.ticket_close"
	// TypeMessageNotice is a notice of the candidate to groups of users.
	TypeMessageNotice Type = "message.notice"
	// TypeMessageRequest is a request of the candidate to the service desk.
	TypeMessageRequest Type = "message.request"
	// TypeMessageInbox is a message that arrived in the candidate's inbox, an
	// answer to a request or one by the scenario's own will.
	TypeMessageInbox Type = "message.inbox"
	// TypeMessageDiagnosisText is the diagnosis in the candidate's own words,
	// sealed before the closed form opens.
	TypeMessageDiagnosisText Type = "message.diagnosis_text"
	// TypeMessageDiagnosis is the closed form: element and cause, or no fault.
	TypeMessageDiagnosis Type = "message.diagnosis"
	// TypeMessageRestored is the candidate's declaration that service is back.
	TypeMessageRestored Type = "message.restored"
	// TypeMessageDocument is a document handed in (incident report).
	TypeMessageDocument Type = "message.document"
	// TypeMessageDocShown is a document opened by the candidate.
	TypeMessageDocShown Type = "message.doc_shown"
	// TypeMessageSecretRead is a secret of the vault read by the candidate.
	TypeMessageSecretRead Type = "message.secret_read"
	// TypeMessageHintShown is a hint given to the candidate (training).
	TypeMessageHintShown Type = "message.hint_shown"

	// TypeLogEntry is an entry of the candidate's logbook.
	TypeLogEntry Type = "log.entry"
	// TypeLogCorrection corrects an earlier entry, which stays.
	TypeLogCorrection Type = "log.correction"

	// TypeClockPaused stops the candidate's clock.
	TypeClockPaused Type = "clock.paused"
	// TypeClockResumed lets it run again.
	TypeClockResumed Type = "clock.resumed"

	// TypeExamPermanence says how the wait after finish for the missing part
	// of the permanence window ended.
	TypeExamPermanence Type = "exam.permanence"
	// TypeExamColdStart is the cold start of the whole company after finish.
	TypeExamColdStart Type = "exam.cold_start"
	// TypeExamCanary is one canary datum read back after finish.
	TypeExamCanary Type = "exam.canary"
	// TypeExamFlow is one tuple of the flow matrix measured again after finish.
	TypeExamFlow Type = "exam.flow"
	// TypeExamDone says that all examinations are over.
	TypeExamDone Type = "exam.done"

	// TypeRecorderState is a recorder switched on or off.
	TypeRecorderState Type = "recorder.state"
	// TypeRecorderLoss counts events that a recorder lost.
	TypeRecorderLoss Type = "recorder.loss"
	// TypeRecorderHealth is the health of the host and of the control probe.
	TypeRecorderHealth Type = "recorder.health"
	// TypeRecorderRecovery says that a torn tail was cut from the journal.
	TypeRecorderRecovery Type = "recorder.recovery"
	// TypeRecorderStalled says that the journal could not be written for a
	// while and went on in a new segment, without a loss.
	TypeRecorderStalled Type = "recorder.stalled"

	// TypeDecisionStart opens an assessor's journal, which lies beside the
	// session's in the bundle. It takes decision.* and recorder.* records only.
	TypeDecisionStart Type = "decision.start"
	// TypeDecisionPoint is a human decision on a point, with its motive.
	TypeDecisionPoint Type = "decision.point"
	// TypeDecisionCriterion is a human decision on a whole criterion.
	TypeDecisionCriterion Type = "decision.criterion"
	// TypeDecisionCapacity is a human decision on a whole capacity.
	TypeDecisionCapacity Type = "decision.capacity"
	// TypeDecisionOpinion is the company's opinion on a capacity.
	TypeDecisionOpinion Type = "decision.opinion"
	// TypeDecisionInterview is what the interview has shown on a capacity.
	TypeDecisionInterview Type = "decision.interview"
	// TypeDecisionEnd is the last record of a closed assessor's journal.
	TypeDecisionEnd Type = "decision.end"
)

// Payload is the data of a record. Its type names the record's type.
type Payload interface{ RecordType() Type }

// registry makes an empty payload for each type; it is the closed list.
var registry = map[Type]func() Payload{
	TypeSessionStart:         func() Payload { return new(SessionStart) },
	TypeSessionIdentity:      func() Payload { return new(SessionIdentity) },
	TypeSessionSeal:          func() Payload { return new(SessionSeal) },
	TypeSessionFacts:         func() Payload { return new(SessionFacts) },
	TypeSessionEnter:         func() Payload { return new(SessionEnter) },
	TypeSessionResumed:       func() Payload { return new(SessionResumed) },
	TypeSessionFinish:        func() Payload { return new(SessionFinish) },
	TypeSessionInvalid:       func() Payload { return new(SessionInvalid) },
	TypeSessionFiles:         func() Payload { return new(SessionFiles) },
	TypeSessionEnd:           func() Payload { return new(SessionEnd) },
	TypeLabUp:                func() Payload { return new(LabUp) },
	TypeLabReady:             func() Payload { return new(LabReady) },
	TypeLabNode:              func() Payload { return new(LabNode) },
	TypeLabColdStart:         func() Payload { return new(LabColdStart) },
	TypeLabDown:              func() Payload { return new(LabDown) },
	TypeFaultInjected:        func() Payload { return new(FaultInjected) },
	TypeFaultAdmitted:        func() Payload { return new(FaultAdmitted) },
	TypeFaultRejected:        func() Payload { return new(FaultRejected) },
	TypeFaultVanished:        func() Payload { return new(FaultVanished) },
	TypeFaultHealed:          func() Payload { return new(FaultHealed) },
	TypeProbeSample:          func() Payload { return new(ProbeSample) },
	TypeProbeRound:           func() Payload { return new(ProbeRound) },
	TypeExecStart:            func() Payload { return new(ExecStart) },
	TypeExecExit:             func() Payload { return new(ExecExit) },
	TypeTermOpen:             func() Payload { return new(TermOpen) },
	TypeTermOutput:           func() Payload { return new(TermOutput) },
	TypeTermInputLine:        func() Payload { return new(TermInputLine) },
	TypeTermKeys:             func() Payload { return new(TermKeys) },
	TypeTermUncut:            func() Payload { return new(TermUncut) },
	TypeTermResize:           func() Payload { return new(TermResize) },
	TypeTermClose:            func() Payload { return new(TermClose) },
	TypeFileChange:           func() Payload { return new(FileChange) },
	TypeNetState:             func() Payload { return new(NetState) },
	TypeMessageTicket:        func() Payload { return new(Ticket) },
	TypeMessageTicketReply:   func() Payload { return new(TicketReply) },
	TypeMessageTicketClose:   func() Payload { return new(TicketClose) },
	TypeMessageNotice:        func() Payload { return new(Notice) },
	TypeMessageRequest:       func() Payload { return new(Request) },
	TypeMessageInbox:         func() Payload { return new(InboxMessage) },
	TypeMessageDiagnosisText: func() Payload { return new(DiagnosisText) },
	TypeMessageDiagnosis:     func() Payload { return new(Diagnosis) },
	TypeMessageRestored:      func() Payload { return new(Restored) },
	TypeMessageDocument:      func() Payload { return new(Document) },
	TypeMessageDocShown:      func() Payload { return new(DocShown) },
	TypeMessageSecretRead:    func() Payload { return new(SecretRead) },
	TypeMessageHintShown:     func() Payload { return new(HintShown) },
	TypeLogEntry:             func() Payload { return new(LogEntry) },
	TypeLogCorrection:        func() Payload { return new(LogCorrection) },
	TypeClockPaused:          func() Payload { return new(ClockPaused) },
	TypeClockResumed:         func() Payload { return new(ClockResumed) },
	TypeExamPermanence:       func() Payload { return new(ExamPermanence) },
	TypeExamColdStart:        func() Payload { return new(ExamColdStart) },
	TypeExamCanary:           func() Payload { return new(ExamCanary) },
	TypeExamFlow:             func() Payload { return new(ExamFlow) },
	TypeExamDone:             func() Payload { return new(ExamDone) },
	TypeRecorderState:        func() Payload { return new(RecorderState) },
	TypeRecorderLoss:         func() Payload { return new(RecorderLoss) },
	TypeRecorderHealth:       func() Payload { return new(HostHealth) },
	TypeRecorderRecovery:     func() Payload { return new(RecorderRecovery) },
	TypeRecorderStalled:      func() Payload { return new(RecorderStalled) },
	TypeDecisionStart:        func() Payload { return new(DecisionStart) },
	TypeDecisionPoint:        func() Payload { return new(PointDecision) },
	TypeDecisionCriterion:    func() Payload { return new(CriterionDecision) },
	TypeDecisionCapacity:     func() Payload { return new(CapacityDecision) },
	TypeDecisionOpinion:      func() Payload { return new(CompanyOpinion) },
	TypeDecisionInterview:    func() Payload { return new(Interview) },
	TypeDecisionEnd:          func() Payload { return new(DecisionEnd) },
}
