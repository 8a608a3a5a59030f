package images

import "fmt"

// HostError says what this host cannot do and what to type about it. Commands
// end with exit code 3 on it.
type HostError struct {
	What string // what is missing or refused
	Hint string // what to type
	Err  error  // the cause, if there is one
}

func (e *HostError) Error() string {
	s := e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

func (e *HostError) Unwrap() error { return e.Err }

// InputError says what is wrong with something given to this package: an
// archive, a reference, a role. Commands end with exit code 2 on it.
type InputError struct {
	Subject string // which file or name
	Problem string // what is wrong, and what to do
	Err     error
}

func (e *InputError) Error() string {
	s := e.Subject + ": " + e.Problem
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *InputError) Unwrap() error { return e.Err }

func badInput(subject, format string, args ...any) *InputError {
	return &InputError{Subject: subject, Problem: fmt.Sprintf(format, args...)}
}

// notDebian is what build answers where there are no Debian packages.
func notDebian(cause error) *HostError {
	return &HostError{
		What: "an image can only be built on Debian (no Debian package source found in /etc/apt)",
		Hint: "make one on a Debian machine with `situlab image export --out node.tar.zst`, then here: situlab image import node.tar.zst",
		Err:  cause,
	}
}
