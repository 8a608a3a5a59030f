package oci

import "fmt"

// HostError says that this host cannot run nodes: a program, a kernel feature
// or a right is missing. Callers map it to exit code 3.
type HostError struct {
	// What is missing or refused.
	What string
	// Do is what the operator can type or change.
	Do string
	// Err is the cause; may be nil.
	Err error
}

func (e *HostError) Error() string {
	s := e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Do != "" {
		s += "; " + e.Do
	}
	return s
}

func (e *HostError) Unwrap() error { return e.Err }

// SpecError says that a node was asked for that cannot exist: a bad name, no
// image, a bad range of ids. Callers map it to exit code 2.
type SpecError struct {
	Node string
	What string
}

func (e *SpecError) Error() string { return fmt.Sprintf("node %q: %s", e.Node, e.What) }
