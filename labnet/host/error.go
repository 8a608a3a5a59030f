package host

import "fmt"

// Error says what this host cannot do, and what to type or install. Commands
// end with exit code 3 on it.
type Error struct {
	What string // what is missing or refused
	Hint string // what to do about it
	Err  error  // the cause, if there is one
}

func (e *Error) Error() string {
	s := e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error with a hint; the last %w operand becomes its cause.
func Errorf(hint, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{What: err.Error(), Hint: hint}
}
