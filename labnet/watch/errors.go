package watch

import "errors"

// ErrUnsupported is matched by errors of a host that cannot observe: no BTF, no
// eBPF, no fanotify with directory names, or capabilities that are missing.
var ErrUnsupported = errors.New("this host cannot observe")

// UnsupportedError says what the host lacks and what to do. It matches
// [ErrUnsupported].
type UnsupportedError struct {
	What, Do string
	Err      error
}

func (e *UnsupportedError) Error() string {
	s := e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Do != "" {
		s += " (" + e.Do + ")"
	}
	return s
}

// Is matches ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == ErrUnsupported }

func (e *UnsupportedError) Unwrap() error { return e.Err }
