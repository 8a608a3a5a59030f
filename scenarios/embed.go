package scenarios

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

//go:embed all:library all:sites
var embedded embed.FS

// Library returns the ids of the embedded scenarios, sorted.
func Library() []string { return embeddedIDs("library", "scenario.yaml") }

// Sites returns the ids of the embedded sites, sorted.
func Sites() []string { return embeddedIDs("sites", "site.yaml") }

func embeddedIDs(dir, file string) []string {
	entries, err := fs.ReadDir(embedded, dir)
	if err != nil {
		return nil
	}
	var ids []string
	for _, e := range entries {
		if _, err := fs.Stat(embedded, path.Join(dir, e.Name(), file)); err == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids
}

// Limits of a folder of the disk.
const (
	maxFolderEntries = 20_000
	maxFolderBytes   = 256 << 20
)

// folder is an opened folder of the library or of the disk. Name is what
// messages call it.
type folder struct {
	fs.FS
	name string
}

// file is what messages call a file of the folder.
func (f folder) file(name string) string { return path.Join(f.name, name) }

// isPath tells a folder path from an id of the library.
func isPath(ref string) bool {
	return strings.ContainsRune(ref, '/') || ref == "." || ref == ".."
}

// openRef opens dir/ref of the library, or the folder ref of the disk. file must
// be in it.
func openRef(ref, dir, file string, ids []string) (*folder, error) {
	if !isPath(ref) {
		for _, id := range ids {
			if id == ref {
				sub, err := fs.Sub(embedded, path.Join(dir, id))
				if err != nil {
					return nil, err
				}
				return &folder{sub, id}, nil
			}
		}
		hint := Suggest(ref, ids)
		if st, err := os.Stat(ref); err == nil && st.IsDir() {
			hint = fmt.Sprintf("; for the folder write ./%s", ref)
		}
		return nil, inputErrorf("", "there is no %q in the embedded library%s", ref, hint)
	}
	return openFolder(ref, file)
}

// openFolder opens a folder of the disk so that nothing outside it can be read:
// os.Root refuses a path that leaves, and links are refused altogether, since a
// link may change between two readings.
func openFolder(name, file string) (*folder, error) {
	st, err := os.Stat(name)
	if err != nil || !st.IsDir() {
		return nil, inputErrorf("", "%s is no folder that can be read", name)
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, inputErrorf("", "%s cannot be opened: %v", name, err)
	}
	fsys := root.FS()
	var entries int
	var size int64
	var errs ErrorList
	err = fs.WalkDir(fsys, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		entries++
		switch {
		case entries > maxFolderEntries:
			return inputErrorf("", "%s holds more than %d files", name, maxFolderEntries)
		case e.IsDir():
			return nil
		case !e.Type().IsRegular():
			errs = append(errs, inputErrorf(path.Join(name, p), "only plain files and folders are read here, not a %s", kindOf(e.Type())))
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if size += info.Size(); size > maxFolderBytes {
			return inputErrorf("", "%s holds more than %d MiB", name, maxFolderBytes>>20)
		}
		return nil
	})
	var in *InputError
	switch {
	case errors.As(err, &in):
		return nil, err
	case err != nil:
		return nil, inputErrorf("", "%s cannot be read: %v", name, err)
	case len(errs) > 0:
		return nil, errs.err()
	}
	if _, err := fs.Stat(fsys, file); err != nil {
		return nil, inputErrorf("", "%s has no %s", name, file)
	}
	return &folder{fsys, name}, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	default:
		return "device"
	}
}

// readLimited reads a file of a folder, never more than limit bytes and one.
func readLimited(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return readAllLimited(f, limit+1)
}
