package evidence

import "time"

// Ticket is a ticket put before the candidate.
type Ticket struct {
	ID     string `json:"id"`
	Author string `json:"author"`
	Title  string `json:"title"`
	Text   string `json:"text"`
}

// TicketReply is the candidate's answer to a ticket.
type TicketReply struct {
	Ticket string `json:"ticket"`
	Text   string `json:"text"`
}

// TicketClose closes a ticket; Text is the closing words, possibly empty.
type TicketClose struct {
	Ticket string `json:"ticket"`
	Text   string `json:"text,omitempty"`
}

// Notice is a notice to users. Groups are ids of Facts.Groups. From and Until
// are the announced window (zero = not given).
type Notice struct {
	Groups   []string  `json:"groups"`
	From     time.Time `json:"from,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Services []string  `json:"services,omitempty"`
	Text     string    `json:"text"`
}

// Request goes to the service desk. To is "technician", "manager",
// "user:NAME", ...
type Request struct {
	To   string `json:"to"`
	Text string `json:"text"`
}

// InboxMessage arrived for the candidate. InReplyTo is the sequence number of
// the request or ticket reply it answers, 0 for none.
type InboxMessage struct {
	From      string `json:"from"`
	Text      string `json:"text"`
	InReplyTo uint64 `json:"in_reply_to,omitempty"`
}

// DiagnosisText is the free part, sealed first.
type DiagnosisText struct {
	Text string `json:"text"`
}

// Diagnosis is the closed form. Either NoFault, or Element and Cause. TextSeq
// is the record of the free text before it.
type Diagnosis struct {
	NoFault bool   `json:"no_fault"`
	Element string `json:"element,omitempty"`
	Cause   string `json:"cause,omitempty"`
	TextSeq uint64 `json:"text_seq,omitempty"`
}

// Restored declares service back, for good (Definitive) or degraded.
type Restored struct {
	Definitive bool      `json:"definitive"`
	Until      time.Time `json:"until,omitzero"`
}

// Document is a document handed in. Kind is "report" (incident report) here.
type Document struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	// Text is the whole content of a text document of up to 256 KiB.
	Text string `json:"text,omitempty"`
}

// DocShown is a document opened.
type DocShown struct {
	Doc string `json:"doc"`
}

// SecretRead is a secret opened; the secret itself is never written.
type SecretRead struct {
	Secret string `json:"secret"`
}

// HintShown is a hint. Reveals is true if it told element or cause.
type HintShown struct {
	Level   int  `json:"level"`
	Reveals bool `json:"reveals"`
}

// LogEntry is a logbook entry. NodeRef is the node it is about (--node).
type LogEntry struct {
	ID      int    `json:"id"`
	NodeRef string `json:"node_ref,omitempty"`
	Text    string `json:"text"`
}

// LogCorrection corrects the entry Corrects.
type LogCorrection struct {
	ID       int    `json:"id"`
	Corrects int    `json:"corrects"`
	Text     string `json:"text"`
}

func (*Ticket) RecordType() Type        { return TypeMessageTicket }
func (*TicketReply) RecordType() Type   { return TypeMessageTicketReply }
func (*TicketClose) RecordType() Type   { return TypeMessageTicketClose }
func (*Notice) RecordType() Type        { return TypeMessageNotice }
func (*Request) RecordType() Type       { return TypeMessageRequest }
func (*InboxMessage) RecordType() Type  { return TypeMessageInbox }
func (*DiagnosisText) RecordType() Type { return TypeMessageDiagnosisText }
func (*Diagnosis) RecordType() Type     { return TypeMessageDiagnosis }
func (*Restored) RecordType() Type      { return TypeMessageRestored }
func (*Document) RecordType() Type      { return TypeMessageDocument }
func (*DocShown) RecordType() Type      { return TypeMessageDocShown }
func (*SecretRead) RecordType() Type    { return TypeMessageSecretRead }
func (*HintShown) RecordType() Type     { return TypeMessageHintShown }
func (*LogEntry) RecordType() Type      { return TypeLogEntry }
func (*LogCorrection) RecordType() Type { return TypeLogCorrection }
