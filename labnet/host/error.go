package host

import "fmt"

// Error says what this host cannot do, and what to type or install. Commands
// end with exit code 3 on it.
type Error struct {
	What string // what is missing or refused
	Hint string // what to do about it
	Err  error  // the cause, if there is one that What does not tell

	cause error // told by What already
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

func (e *Error) Unwrap() error {
	if e.Err != nil {
		return e.Err
	}
	return e.cause
}

// Errorf makes an Error with a hint; it is what its %w operands are.
func Errorf(hint, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{What: err.Error(), Hint: hint, cause: err}
}
