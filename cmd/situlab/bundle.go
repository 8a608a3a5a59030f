package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/host"
)

// bundleFile is a session's bundle in its folder.
const bundleFile = "bundle.situlab"

// sessionID is what a folder of a session may be called; a bundle is not to be
// trusted with more.
var sessionID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func sessionsDir() string { return filepath.Join(host.Home(), "sessions") }

func (a *app) bundleCommand() *cobra.Command {
	return group("bundle", "Dossiers de preuve / bundles", a.bundleExportCommand(), a.bundleImportCommand())
}

// bundleResult is what export and import have done.
type bundleResult struct {
	Session string `json:"session"`
	Bundle  string `json:"bundle"`
	Head    string `json:"head"`
}

func (a *app) bundleDone(v *evidence.Verification, path string) error {
	return a.ui.Result(bundleResult{v.Session, path, v.Head}, func() {
		a.ui.Printf(a.ui.T("%s\népreuve %s, tête %s\n", "%s\nsession %s, head %s\n"), path, v.Session, v.Head)
	})
}

func (a *app) bundleExportCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "export SESSION", Short: "Copier le dossier d'une épreuve, vérifié / copy a session's bundle, verified", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := args[0] // an id, or a folder
			if sessionID.MatchString(dir) {
				if st, err := os.Stat(filepath.Join(sessionsDir(), dir)); err == nil && st.IsDir() {
					dir = filepath.Join(sessionsDir(), dir)
				}
			}
			from := filepath.Join(dir, bundleFile)
			if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
				return inputErrorf("session %q has no bundle: there is no such session, or it has not ended", args[0])
			}
			v, err := a.verify(from, evidence.Witness{})
			if err != nil {
				return err
			}
			if !v.OK() {
				return a.damaged(from, v)
			}
			if out == "" {
				out = v.Session + ".situlab"
			}
			err = replaceFile(out, func(w io.Writer) error { return evidence.EncodeBundle(w, v.Archive()) })
			if err != nil {
				return err
			}
			return a.bundleDone(v, out)
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "file to write (default: SESSION.situlab)")
	return c
}

func (a *app) bundleImportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "import BUNDLE", Short: "Ranger un dossier parmi les épreuves de cette machine / put a bundle among this host's sessions", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			v, err := a.verify(args[0], evidence.Witness{})
			if err != nil {
				return err
			}
			if !v.OK() {
				return a.damaged(args[0], v)
			}
			if !sessionID.MatchString(v.Session) {
				return inputErrorf("bundle %s: session %q is no name of a session", args[0], v.Session)
			}
			dir := filepath.Join(sessionsDir(), v.Session)
			if old, err := evidence.VerifyFile(filepath.Join(dir, bundleFile), evidence.Witness{}); err == nil && old.OK() && sameFiles(old.Archive(), v.Archive()) {
				return a.bundleDone(v, filepath.Join(dir, bundleFile)) // it is there
			}
			if _, err := os.Lstat(dir); err == nil {
				return inputErrorf("session %q is here already, and it is not the one of the bundle: %s", v.Session, dir)
			}
			if err := place(dir, v); err != nil {
				return host.Errorf("check the rights and the free space of "+sessionsDir(), "put the bundle into %s: %w", dir, err)
			}
			return a.bundleDone(v, filepath.Join(dir, bundleFile))
		},
	}
}

func sameFiles(a, b map[string][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		if _, ok := b[name]; !ok || !bytes.Equal(a[name], b[name]) {
			return false
		}
	}
	return true
}

// place writes a session's folder as run leaves it, whole or not at all.
func place(dir string, v *evidence.Verification) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".import-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := evidence.WriteBundle(filepath.Join(tmp, bundleFile), v.Archive()); err != nil {
		return err
	}
	for _, name := range []string{evidence.VerdictName, evidence.ReportName} {
		if data, ok := v.Archive()[name]; ok {
			if err := os.WriteFile(filepath.Join(tmp, name), data, 0o600); err != nil {
				return err
			}
		}
	}
	return os.Rename(tmp, dir)
}
