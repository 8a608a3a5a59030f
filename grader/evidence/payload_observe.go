package evidence

// ExecStart is one execve of a node (Record.Node). Record.BootNS is the time
// of the exec. ID is unique in the journal and joins the ExecExit.
type ExecStart struct {
	ID   uint64   `json:"id"`
	PID  int      `json:"pid"`
	PPID int      `json:"ppid"`
	Argv []string `json:"argv"`
	// Truncated is true when argv was longer than the recorder keeps.
	Truncated bool   `json:"truncated,omitempty"`
	Exe       string `json:"exe,omitempty"`
	Cwd       string `json:"cwd,omitempty"`
	// UID inside the node; LoginUID the audit login uid, LoginSession the
	// audit session set by the terminal's holder.
	UID          int    `json:"uid"`
	LoginUID     uint32 `json:"login_uid,omitempty"`
	LoginSession uint32 `json:"login_session,omitempty"`
	// Terminal is the recorded terminal this descends from, also across ssh;
	// empty when it descends from none.
	Terminal string `json:"terminal,omitempty"`
	// Via says how the terminal reaches this node: "" (local), "ssh", "console".
	Via string `json:"via,omitempty"`
	// Detached is true for a program that descends from the candidate's work
	// but from no terminal any more (cron, at, systemd-run) or cannot be
	// joined. A node's own daemons have neither Terminal nor Detached.
	Detached bool `json:"detached,omitempty"`
}

// ExecExit ends an ExecStart. Code is the exit code, or 128+signal.
type ExecExit struct {
	ID      uint64 `json:"id"`
	Code    int    `json:"code"`
	StartNS int64  `json:"start_ns"`
	EndNS   int64  `json:"end_ns"`
}

// Kinds of TermOpen.
const (
	TermShell   = "shell"   // the first terminal, or a reopened one
	TermAttach  = "attach"  // situlab attach
	TermConsole = "console" // situ console
)

// TermOpen is a recorded terminal; its recording is in the bundle under
// terminals/<Terminal>.cast.
type TermOpen struct {
	Terminal string `json:"terminal"`
	Kind     string `json:"kind"`
	Cols     int    `json:"cols"`
	Rows     int    `json:"rows"`
	// LoginSession is the audit session id given to this terminal.
	LoginSession uint32 `json:"login_session,omitempty"`
}

// TermOutput accounts for Bytes bytes of output at Offset of the terminal's
// stream; SHA256 (hex) is of these bytes. The bytes are in the recording.
type TermOutput struct {
	Terminal string `json:"terminal"`
	Offset   int64  `json:"offset"`
	Bytes    int    `json:"bytes"`
	SHA256   string `json:"sha256"`
}

// TermInputLine is a line given to an interactive program on Record.Node.
type TermInputLine struct {
	Terminal string `json:"terminal"`
	// Program is the basename: vtysh, psql, python3.
	Program string `json:"program"`
	Prompt  string `json:"prompt,omitempty"`
	Line    string `json:"line"`
}

// TermKeys counts keys of Seconds seconds up to the record's time. Hidden are
// those that were not echoed.
type TermKeys struct {
	Terminal string  `json:"terminal"`
	Keys     int     `json:"keys"`
	Hidden   int     `json:"hidden,omitempty"`
	Seconds  float64 `json:"seconds"`
}

// TermUncut says that what was typed into Program could not be cut in lines.
type TermUncut struct {
	Terminal string `json:"terminal"`
	Program  string `json:"program"`
	Detail   string `json:"detail,omitempty"`
}

// TermResize is a new size in cells.
type TermResize struct {
	Terminal string `json:"terminal"`
	Cols     int    `json:"cols"`
	Rows     int    `json:"rows"`
}

// TermClose ends a terminal.
type TermClose struct {
	Terminal string `json:"terminal"`
	Code     int    `json:"code"`
}

// Operations of FileChange.
const (
	FileCreated  = "created"
	FileModified = "modified"
	FileDeleted  = "deleted"
	FileRenamed  = "renamed"
	FileAttr     = "attr"
)

// Origins of FileChange.
const (
	OriginCandidate = "candidate" // a process descending from a terminal
	OriginSystem    = "system"    // a daemon of the node
	OriginUnknown   = "unknown"   // found by the closing difference only
)

// FileChange is a change of a file of Record.Node.
type FileChange struct {
	Path   string `json:"path"`
	Op     string `json:"op"`
	Origin string `json:"origin"`
	// PID and Terminal of the writer where known.
	PID      int    `json:"pid,omitempty"`
	Terminal string `json:"terminal,omitempty"`
	Mode     string `json:"mode,omitempty"`
	UID      int    `json:"uid,omitempty"`
	Size     int64  `json:"size,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
	// Diff is a short unified difference for text files, cut at 4 KiB.
	Diff string `json:"diff,omitempty"`
}

// NetState is the network state of Record.Node. Trigger is "start",
// "periodic" or "command". Added and Removed are lines such as "address eth0
// 10.1.2.3/24" (with "leased" behind if it is), "route 10.0.0.0/8 via 10.1.2.254
// dev eth0 proto static", "sysctl net.ipv4.ip_forward = 0", "link eth0 veth mac
// ... mtu 1500 up true carrier true", "rule ...", "nft rule ...", against the
// sample before; the first sample has all lines in Added.
type NetState struct {
	Trigger string   `json:"trigger"`
	Digest  string   `json:"digest"`
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
}

func (*ExecStart) RecordType() Type     { return TypeExecStart }
func (*ExecExit) RecordType() Type      { return TypeExecExit }
func (*TermOpen) RecordType() Type      { return TypeTermOpen }
func (*TermOutput) RecordType() Type    { return TypeTermOutput }
func (*TermInputLine) RecordType() Type { return TypeTermInputLine }
func (*TermKeys) RecordType() Type      { return TypeTermKeys }
func (*TermUncut) RecordType() Type     { return TypeTermUncut }
func (*TermResize) RecordType() Type    { return TypeTermResize }
func (*TermClose) RecordType() Type     { return TypeTermClose }
func (*FileChange) RecordType() Type    { return TypeFileChange }
func (*NetState) RecordType() Type      { return TypeNetState }
