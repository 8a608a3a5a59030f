package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// entry is one name of a layer's tree. Times are kept in archives but are no
// part of a layer's id: the same files built twice are the same layer.
type entry struct {
	path   string // relative, "." for the root
	stat   unix.Stat_t
	link   string            // a symbolic link's target
	xattrs map[string]string // only those that keepXattr keeps
	twin   string            // the earlier name of the same inode, if any
}

func (e *entry) kind() uint32 { return e.stat.Mode & unix.S_IFMT }

// keepXattr says which attributes belong to a layer: capabilities, access lists
// and users' own, and overlay's mark of a directory that hides what lies below.
// Overlay's other marks (origin, impure) name inodes of the build machine.
func keepXattr(name string) bool {
	switch {
	case name == "security.capability", name == opaque, strings.HasPrefix(name, "user."), strings.HasPrefix(name, "system.posix_acl_"):
		return true
	}
	return false
}

// opaque marks a directory of an upper layer that hides the one below
// (Documentation/filesystems/overlayfs.rst).
const opaque = "trusted.overlay.opaque"

// walk visits a tree in the order of its sorted names, directories before what
// they hold, without following links.
func walk(ctx context.Context, root string, visit func(*entry) error) error {
	seen := map[[2]uint64]string{}
	var descend func(rel string) error
	descend = func(rel string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := inspect(root, rel)
		if err != nil {
			return err
		}
		if e.kind() != unix.S_IFDIR && e.stat.Nlink > 1 {
			ino := [2]uint64{uint64(e.stat.Dev), e.stat.Ino}
			e.twin = seen[ino]
			if e.twin == "" {
				seen[ino] = rel
			}
		}
		if err := visit(e); err != nil {
			return err
		}
		if e.kind() != unix.S_IFDIR {
			return nil
		}
		names, err := readNames(filepath.Join(root, rel))
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := descend(filepath.Join(rel, n)); err != nil {
				return err
			}
		}
		return nil
	}
	return descend(".")
}

func readNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	sort.Strings(names)
	return names, err
}

func inspect(root, rel string) (*entry, error) {
	full := filepath.Join(root, rel)
	e := &entry{path: rel}
	if err := unix.Lstat(full, &e.stat); err != nil {
		return nil, fmt.Errorf("inspect %s: %w", full, err)
	}
	if e.kind() == unix.S_IFLNK {
		var err error
		if e.link, err = os.Readlink(full); err != nil {
			return nil, err
		}
	}
	var err error
	e.xattrs, err = readXattrs(full)
	return e, err
}

// readXattrs reads the attributes that belong to a layer.
func readXattrs(path string) (map[string]string, error) {
	buf := make([]byte, 1024)
	n, err := unix.Llistxattr(path, buf)
	for err == unix.ERANGE {
		buf = make([]byte, 4*len(buf))
		n, err = unix.Llistxattr(path, buf)
	}
	if err == unix.ENOTSUP || n == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list attributes of %s: %w", path, err)
	}
	out := map[string]string{}
	for _, name := range strings.Split(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
		if !keepXattr(name) {
			continue
		}
		v := make([]byte, 64<<10) // XATTR_SIZE_MAX, xattr(7)
		m, err := unix.Lgetxattr(path, name, v)
		if err != nil {
			return nil, fmt.Errorf("read attribute %s of %s: %w", name, path, err)
		}
		out[name] = string(v[:m])
	}
	return out, nil
}

// measure is what sealing a tree finds.
type measure struct {
	id    string
	size  int64
	files int
}

// fingerprint computes a tree's id: the SHA-256 of one line per name.
func fingerprint(ctx context.Context, root string) (measure, error) {
	var m measure
	h := sha256.New()
	buf := make([]byte, 256<<10)
	err := walk(ctx, root, func(e *entry) error {
		m.files++
		fmt.Fprintf(h, "%q %o %d:%d", e.path, e.stat.Mode, e.stat.Uid, e.stat.Gid)
		for _, name := range sortedKeys(e.xattrs) {
			fmt.Fprintf(h, " %q=%q", name, e.xattrs[name])
		}
		switch {
		case e.twin != "":
			fmt.Fprintf(h, " = %q", e.twin)
		case e.kind() == unix.S_IFLNK:
			fmt.Fprintf(h, " -> %q", e.link)
		case e.kind() == unix.S_IFREG:
			m.size += e.stat.Size
			sum, err := hashFile(filepath.Join(root, e.path), buf)
			if err != nil {
				return err
			}
			fmt.Fprintf(h, " %d %s", e.stat.Size, sum)
		case e.kind() == unix.S_IFCHR, e.kind() == unix.S_IFBLK:
			return fmt.Errorf("%s is a device: layers hold none", e.path)
		case e.kind() == unix.S_IFSOCK:
			return fmt.Errorf("%s is a socket: layers hold none", e.path)
		}
		_, err := io.WriteString(h, "\n")
		return err
	})
	m.id = hex.EncodeToString(h.Sum(nil))
	return m, err
}

func hashFile(path string, buf []byte) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{f}, buf); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
