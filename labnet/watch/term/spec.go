package term

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// Spec describes a terminal before it exists.
type Spec struct {
	// ID names the terminal and its files: letters, digits, dash.
	ID string `json:"id"`
	// Kind is the caller's word for it: shell, attach, console.
	Kind string `json:"kind,omitempty"`
	// Dir is the host's directory of the files; no node may reach it.
	Dir string `json:"dir"`
	// SocketDir is where the socket lies, if not in Dir; it exists.
	SocketDir string `json:"socketDir,omitempty"`
	// State, Lab and Node choose the node (labnet/node/oci.Attach). With an empty
	// Node the program runs on the host: tests only.
	State string `json:"state,omitempty"`
	Lab   string `json:"lab,omitempty"`
	Node  string `json:"node,omitempty"`
	// Command, Env, WorkDir and User are as in node.Command.
	Command []string `json:"command"`
	Env     []string `json:"env,omitempty"`
	WorkDir string   `json:"work_dir,omitempty"`
	User    string   `json:"user,omitempty"`
	Cols    uint16   `json:"cols"`
	Rows    uint16   `json:"rows"`
	// LoginUID is the audit login uid (a host id). Setting it makes the audit
	// session that tells the terminal's programs from all others.
	LoginUID uint32 `json:"login_uid"`
	// MaxBytes of output at full speed (256 KiB/s sustained, 4 MiB at once);
	// beyond it the terminal goes on at 8 KiB/s. 0 means 64 MiB.
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// Banner is shown, and recorded, before the program's first output; it brings
	// its own "\r\n".
	Banner string `json:"banner,omitempty"`
	// Farewell is shown, and recorded, when the program ended because its whole node
	// did; it brings its own "\r\n".
	Farewell string `json:"farewell,omitempty"`
	// Label is the recording's title.
	Label string `json:"label,omitempty"`
}

// DefaultLoginUID is used for a zero LoginUID; it is nobody's uid in any node.
const DefaultLoginUID = 4_200_000_000

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,62}$`)

// check completes a spec and refuses one that cannot work.
func (s *Spec) check() error {
	switch {
	case !idPattern.MatchString(s.ID):
		return fmt.Errorf("terminal %q: the id must be letters, digits and dashes", s.ID)
	case !filepath.IsAbs(s.Dir):
		return fmt.Errorf("terminal %s: the directory %q must be absolute", s.ID, s.Dir)
	case len(s.Command) == 0:
		return fmt.Errorf("terminal %s: no command", s.ID)
	}
	if s.Cols == 0 || s.Cols > 1000 {
		s.Cols = 80
	}
	if s.Rows == 0 || s.Rows > 1000 {
		s.Rows = 24
	}
	if s.MaxBytes == 0 {
		s.MaxBytes = 64 << 20
	}
	if s.LoginUID == 0 {
		s.LoginUID = DefaultLoginUID
	}
	return nil
}

func (s *Spec) file(ext string) string { return filepath.Join(s.Dir, s.ID+ext) }

// socket lies apart from the recordings where their place may have a long name
// (sun_path holds 108 bytes, unix(7)).
func (s *Spec) socket() string {
	if s.SocketDir != "" {
		return filepath.Join(s.SocketDir, s.ID+".sock")
	}
	return s.file(".sock")
}

// Info is what is known of a terminal from outside.
type Info struct {
	ID   string `json:"id"`
	Kind string `json:"kind,omitempty"`
	Node string `json:"node,omitempty"`
	// Session is the audit session id of the terminal's programs, NoSession if
	// the kernel has no audit.
	Session uint32 `json:"session"`
	// PID is the program's, Holder the holder's pid on the host.
	PID    int    `json:"pid"`
	Holder int    `json:"holder"`
	Cols   uint16 `json:"cols"`
	Rows   uint16 `json:"rows"`
	// Socket, Cast and Events are paths on the host.
	Socket string `json:"socket"`
	Cast   string `json:"cast"`
	Events string `json:"events"`
	// BootNS is CLOCK_BOOTTIME of the recording's time 0.
	BootNS int64 `json:"boot_ns"`
	// Exit is the program's status (128+n after signal n) once Ended is set.
	Exit  int        `json:"exit"`
	Ended *time.Time `json:"ended,omitempty"`
}

// NoSession is the audit session id of a process without.
const NoSession = 1<<32 - 1

func writeInfo(i *Info, path string) error {
	b, err := json.Marshal(i)
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func readInfo(path string) (*Info, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var i Info
	if err := json.Unmarshal(b, &i); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &i, nil
}

// The kinds of Event.
const (
	EventOpen   = "open"   // Session, PID, Cols, Rows
	EventLine   = "line"   // Text, Typed, PID and Foreground (at the Enter, if typed)
	EventUncut  = "uncut"  // BootNS, PID, Foreground: of an Enter that no known prompt explains; Detail: its row
	EventKeys   = "keys"   // Keys, Hidden, Seconds
	EventResize = "resize" // Cols, Rows
	EventOutput = "output" // Offset, Bytes, SHA256
	EventPause  = "pause"  // input is not passed on
	EventResume = "resume"
	EventNotice = "notice" // Text shown to viewers by the controller
	EventClose  = "close"  // Code
	// EventLost is made by Follow, not by the holder: the holder ended without
	// an end (it was killed).
	EventLost = "lost"
)

// Event is one line of a terminal's events file.
type Event struct {
	Kind   string `json:"kind"`
	BootNS int64  `json:"boot_ns"`
	// Next is the offset behind this event in the file: where Follow goes on.
	Next int64 `json:"-"`

	Session    uint32  `json:"session,omitempty"`
	PID        int     `json:"pid,omitempty"` // on the host
	Cols       uint16  `json:"cols,omitempty"`
	Rows       uint16  `json:"rows,omitempty"`
	Text       string  `json:"text,omitempty"`
	Foreground string  `json:"foreground,omitempty"`
	Typed      bool    `json:"typed,omitempty"`
	Keys       int     `json:"keys,omitempty"`
	Hidden     int     `json:"hidden,omitempty"`
	Seconds    float64 `json:"seconds,omitempty"`
	Offset     int64   `json:"offset,omitempty"`
	Bytes      int     `json:"bytes,omitempty"`
	SHA256     string  `json:"sha256,omitempty"`
	Code       int     `json:"code,omitempty"`
	Detail     string  `json:"detail,omitempty"`
}

// ErrDetached ends Attach when the viewer went away and the terminal runs on.
var ErrDetached = errors.New("detached: the terminal runs on")
