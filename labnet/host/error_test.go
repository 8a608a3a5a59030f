package host

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

// An error of the host says its cause once and is what its causes are.
func TestErrorKeepsItsCause(t *testing.T) {
	cause := &fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}
	for _, c := range []struct {
		err  error
		text string
	}{
		{Errorf("run as root", "make the lab: %w", cause), "make the lab: open /x: permission denied (run as root)"},
		{Errorf("run as root", "make the lab: %w, %w", errors.New("first"), cause), "make the lab: first, open /x: permission denied (run as root)"},
		{&Error{What: "make the lab", Hint: "run as root", Err: cause}, "make the lab: open /x: permission denied (run as root)"},
		{fmt.Errorf("up: %w", Errorf("", "make the lab: %w", cause)), "up: make the lab: open /x: permission denied"},
	} {
		if got := c.err.Error(); got != c.text {
			t.Errorf("%q, want %q", got, c.text)
		}
		var path *fs.PathError
		if !errors.Is(c.err, fs.ErrPermission) || !errors.As(c.err, &path) {
			t.Errorf("%v has lost its cause", c.err)
		}
		var host *Error
		if !errors.As(c.err, &host) {
			t.Errorf("%v is no error of the host", c.err)
		}
	}
	if err := Errorf("wait", "no cause"); errors.Unwrap(errors.Unwrap(err)) != nil {
		t.Errorf("%v has a cause", err)
	}
}
