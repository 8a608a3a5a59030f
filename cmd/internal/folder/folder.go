// Package folder makes directories that can be taken back: what was there before
// stays, and so does what somebody has put something into meanwhile.
package folder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Make makes a directory and the missing ones above it. unmake removes those that
// it made and that are empty; it is never nil.
func Make(dir string, mode fs.FileMode) (unmake func(), err error) {
	var missing []string // the deepest first
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Lstat(d); !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			break
		}
		missing = append(missing, d)
	}
	unmake = func() {
		for _, d := range missing {
			if os.Remove(d) != nil {
				return
			}
		}
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		unmake()
		return func() {}, err
	}
	return unmake, nil
}
