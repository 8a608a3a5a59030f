package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// replaceFile writes a file that the user named: what was there before stays
// until everything is written, and whatever fails. What is no plain file (a
// device, a pipe) is written to as it is, never replaced.
func replaceFile(name string, write func(io.Writer) error) error {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	mode, known := fs.FileMode(0o666), false // the umask takes its part
	if st, err := os.Stat(name); err == nil {
		if !st.Mode().IsRegular() {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err != nil {
				return inputErrorf("--out: %w", err)
			}
			return errors.Join(write(f), f.Close())
		}
		mode, known = st.Mode().Perm(), true
	}
	tmp := filepath.Join(filepath.Dir(name), fmt.Sprintf(".%s.%08x", filepath.Base(name), rand.Uint32()))
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			p.Path = name // the one that the user knows
		}
		return inputErrorf("--out: %w", err)
	}
	if known {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = write(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, name)
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}
