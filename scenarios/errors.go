package scenarios

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a file; Line and Column count from 1, zero meaning the
// file as a whole.
type Position struct {
	File         string
	Line, Column int
}

// String writes file:line:col.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// InputError is one mistake in what somebody wrote or typed; the command line
// turns it into exit code 2.
type InputError struct {
	Position
	Msg string
}

// Error writes the place and what is wrong there.
func (e *InputError) Error() string {
	if e.File == "" {
		return e.Msg
	}
	return e.Position.String() + ": " + e.Msg
}

// InputError marks the error as one of input, for callers that test an
// interface.
func (e *InputError) InputError() {}

// ErrorList is every mistake found, in the order of the files.
type ErrorList []*InputError

// Error writes one mistake per line.
func (l ErrorList) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// InputError marks the list as errors of input.
func (l ErrorList) InputError() {}

// Unwrap gives the single mistakes to errors.As.
func (l ErrorList) Unwrap() []error {
	out := make([]error, len(l))
	for i, e := range l {
		out[i] = e
	}
	return out
}

// IsInput says whether the mistake lies in what was given, not in the host.
func IsInput(err error) bool {
	var in interface{ InputError() }
	return errors.As(err, &in)
}

// err returns the list as an error: nil when it is empty, sorted otherwise.
func (l ErrorList) err() error {
	if len(l) == 0 {
		return nil
	}
	slices.SortStableFunc(l, func(a, b *InputError) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Msg, b.Msg))
	})
	return slices.CompactFunc(l, func(a, b *InputError) bool { return *a == *b })
}

func inputErrorf(file, format string, args ...any) *InputError {
	return &InputError{Position: Position{File: file}, Msg: fmt.Sprintf(format, args...)}
}

// Suggest is what an error says behind a name that nobody knows: `; did you mean
// "x"?` for the nearest of the names; when none is near, the names themselves if
// they are few, else nothing.
func Suggest(wrong string, names []string) string {
	hint := nearName(wrong, names)
	if hint == "" && len(names) > 0 && len(names) <= 10 {
		return "; to choose from: " + strings.Join(slices.Sorted(slices.Values(names)), ", ")
	}
	return hint
}

// nearName is [Suggest] where the message lists the names already.
func nearName(wrong string, names []string) string {
	best, at := "", 3
	switch {
	case len(wrong) < 2:
		at = 1 // any letter is near any other
	case len(wrong) < 4:
		at = 2
	}
	names = slices.Sorted(slices.Values(names))
	for _, n := range names {
		if d := distance(strings.ToLower(wrong), strings.ToLower(n)); d < at || strings.EqualFold(wrong, n) {
			best, at = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is the number of letters to insert, remove, replace or swap between
// two names (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
