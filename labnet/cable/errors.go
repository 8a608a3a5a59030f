package cable

import (
	"errors"
	"fmt"
)

// InputError says that a name or a value given to this package is wrong.
type InputError struct {
	// What names the thing ("segment", "node"), Value is what was given.
	What, Value string
	// Why completes the sentence.
	Why string
}

func (e *InputError) Error() string { return fmt.Sprintf("%s %q: %s", e.What, e.Value, e.Why) }

// ErrNotSupported is what every [UnsupportedError] is (errors.Is).
var ErrNotSupported = errors.New("not supported by this kernel")

// UnsupportedError says that the kernel was asked for a feature and lacks it.
type UnsupportedError struct {
	// Feature is the name of the feature ("netem", "ifb").
	Feature string
	// Hint is what to do about it: a module to load, an option to build.
	Hint string
	// Err is what the kernel answered.
	Err error
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s: not supported by this kernel (%v): %s", e.Feature, e.Err, e.Hint)
}

// Unwrap gives the kernel's answer.
func (e *UnsupportedError) Unwrap() error { return e.Err }

// Is makes errors.Is(err, ErrNotSupported) true.
func (e *UnsupportedError) Is(target error) bool { return target == ErrNotSupported }

// ErrNoPort says that a node's interface is not attached to this switch.
var ErrNoPort = errors.New("not attached")
