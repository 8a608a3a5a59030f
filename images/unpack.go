package images

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Limits of an archive: far above any node image, far below what would hurt.
const (
	maxEntries = 2_000_000
	maxBytes   = 64 << 30
	maxID      = 65535 // a node's range of ids
	maxPath    = 4095  // PATH_MAX less its NUL
)

// unpacker writes the entries of a tar archive below one directory. Each name is
// resolved by the kernel beneath that directory without following any link
// (openat2(2)), and nothing that exists is ever opened for writing.
type unpacker struct {
	root    int
	subject string // the archive, for messages
	// layer is true for a layer of our own export: it may mark directories
	// opaque, and everything unexpected in it is an error. In foreign archives
	// /dev is left out, because the runtime makes it, and unknown attributes are.
	layer   bool
	entries int
	bytes   int64
	dirs    []dirTime
	lastDir string
	lastFd  int
}

type dirTime struct {
	path string
	when time.Time
}

func newUnpacker(dir, subject string, layer bool) (*unpacker, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &unpacker{root: fd, subject: subject, layer: layer, lastFd: -1}, nil
}

func (u *unpacker) bad(format string, args ...any) error {
	return badInput(u.subject, format, args...)
}

// finish sets the directories' times, which every entry made in them had
// changed, and ends the unpacking.
func (u *unpacker) finish() error {
	defer u.close()
	sort.Slice(u.dirs, func(i, j int) bool { return u.dirs[i].path > u.dirs[j].path })
	for _, d := range u.dirs {
		dir, base, err := u.parent(d.path)
		if err != nil {
			return err
		}
		if err := setTime(dir, base, d.when); err != nil {
			return fmt.Errorf("set the time of %s: %w", d.path, err)
		}
	}
	return nil
}

// close releases the descriptors; twice, and on nil, is no error.
func (u *unpacker) close() {
	if u == nil {
		return
	}
	if u.lastFd >= 0 {
		unix.Close(u.lastFd)
		u.lastFd = -1
	}
	if u.root >= 0 {
		unix.Close(u.root)
		u.root = -1
	}
}

// all unpacks a whole archive.
func (u *unpacker) all(ctx context.Context, r io.Reader) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &InputError{Subject: u.subject, Problem: "is no readable tar archive", Err: err}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := u.entry(h.Name, h, t); err != nil {
			return err
		}
	}
}

// cleanName checks a name of an archive and makes it relative ("." is the root).
func (u *unpacker) cleanName(name string) (string, error) {
	if name == "" || len(name) > maxPath || strings.HasPrefix(name, "/") || strings.ContainsRune(name, 0) {
		return "", u.bad("entry %.80q: a name must be relative, and at most %d bytes long", name, maxPath)
	}
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return "", u.bad("entry %.80q: a name must not climb with ..", name)
		}
		if len(part) > 255 {
			return "", u.bad("entry %.80q: a part of a name is at most 255 bytes long", name)
		}
	}
	return path.Clean(name), nil
}

// entry unpacks one entry.
func (u *unpacker) entry(name string, h *tar.Header, content io.Reader) error {
	name, err := u.cleanName(name)
	if err != nil {
		return err
	}
	if u.entries++; u.entries > maxEntries {
		return u.bad("more than %d entries", maxEntries)
	}
	if h.Size < 0 || h.Size > maxBytes-u.bytes {
		return u.bad("more than %d GiB of files", maxBytes>>30)
	}
	if h.Uid < 0 || h.Uid > maxID || h.Gid < 0 || h.Gid > maxID {
		return u.bad("entry %q belongs to %d:%d; a node has the ids 0 to %d", name, h.Uid, h.Gid, maxID)
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return u.bad("entry %q is stored sparse, where a few bytes can stand for gigabytes; pack without --sparse", name)
		}
	}
	if !u.layer && strings.HasPrefix(name, "dev/") {
		return nil
	}
	if name == "." && h.Typeflag != tar.TypeDir {
		return u.bad("the root of the archive is no directory")
	}
	attrs, err := u.attributes(name, h)
	if err != nil {
		return err
	}
	dir, base, err := u.parent(name)
	if err != nil {
		return err
	}
	mode := uint32(h.Mode) & 0o7777
	switch h.Typeflag {
	case tar.TypeDir:
		err = u.directory(dir, base, name, h, mode, attrs)
	case tar.TypeReg:
		err = u.file(dir, base, h, mode, attrs, content)
	case tar.TypeLink:
		err = u.hardLink(dir, base, h)
	case tar.TypeSymlink:
		if h.Linkname == "" || len(h.Linkname) > maxPath {
			return u.bad("entry %q: a link needs a target", name)
		}
		if err = unix.Symlinkat(h.Linkname, dir, base); err == nil {
			err = u.ownAndDate(dir, base, h)
		}
	case tar.TypeFifo:
		if err = unix.Mknodat(dir, base, unix.S_IFIFO|mode, 0); err == nil {
			err = firstError(unix.Fchmodat(dir, base, mode, 0), u.ownAndDate(dir, base, h))
		}
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeChar, tar.TypeBlock:
		return u.bad("entry %q is a device; nodes get theirs from the runtime (only /dev may hold some, and is left out)", name)
	default:
		return u.bad("entry %q has an unknown type %q", name, h.Typeflag)
	}
	if errors.Is(err, unix.EEXIST) {
		return u.bad("entry %q is there twice", name)
	}
	var in *InputError
	if err != nil && !errors.As(err, &in) {
		return fmt.Errorf("unpack %s from %s: %w", name, u.subject, err)
	}
	return err
}

// parent opens the directory that a name lies in, making what is missing, and
// returns it with the name's last part.
func (u *unpacker) parent(name string) (int, string, error) {
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	if dir == "." {
		return u.root, base, nil
	}
	if dir == u.lastDir && u.lastFd >= 0 {
		return u.lastFd, base, nil
	}
	fd, err := u.openDir(dir)
	if errors.Is(err, unix.ENOENT) {
		up, last, perr := u.parent(dir)
		if perr != nil {
			return -1, "", perr
		}
		if err = unix.Mkdirat(up, last, 0o755); err == nil {
			fd, err = u.openDir(dir)
		}
	}
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EXDEV) {
		return -1, "", u.bad("entry %q lies behind a link or a file (%s)", name, dir)
	}
	if err != nil {
		return -1, "", fmt.Errorf("open %s: %w", dir, err)
	}
	if u.lastFd >= 0 {
		unix.Close(u.lastFd)
	}
	u.lastDir, u.lastFd = dir, fd
	return fd, base, nil
}

func (u *unpacker) openDir(dir string) (int, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
	for {
		fd, err := unix.Openat2(u.root, dir, &how)
		if err != unix.EINTR && err != unix.EAGAIN {
			return fd, err
		}
	}
}

func (u *unpacker) directory(dir int, base, name string, h *tar.Header, mode uint32, attrs map[string]string) error {
	if name != "." {
		err := unix.Mkdirat(dir, base, 0o755)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
	} else {
		base = "."
	}
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return unix.EEXIST // a directory over something else
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	u.dirs = append(u.dirs, dirTime{name, h.ModTime})
	return firstError(unix.Fchown(fd, h.Uid, h.Gid), unix.Fchmod(fd, mode), setAttributes(fd, attrs))
}

func (u *unpacker) file(dir int, base string, h *tar.Header, mode uint32, attrs map[string]string, content io.Reader) error {
	fd, err := unix.Openat(dir, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(fdWriter(fd), content)
	u.bytes += n
	// The owner first: changing it clears set-id bits and capabilities.
	err = firstError(err, unix.Fchown(fd, h.Uid, h.Gid), unix.Fchmod(fd, mode), setAttributes(fd, attrs))
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &InputError{Subject: u.subject, Problem: "ends too early", Err: err}
	}
	if err != nil {
		return err
	}
	return setTime(dir, base, h.ModTime)
}

func (u *unpacker) hardLink(dir int, base string, h *tar.Header) error {
	target, err := u.cleanName(h.Linkname)
	if err != nil {
		return err
	}
	// Opening the target's directory may replace the cached descriptor.
	here, err := unix.FcntlInt(uintptr(dir), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(here)
	there, last, err := u.parent(target)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(there, last, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return u.bad("hard link to %q, which is no file of the archive before it", target)
	}
	return unix.Linkat(there, last, here, base, 0)
}

// attributes picks the extended attributes of an entry (PAX records of GNU tar
// and Docker).
func (u *unpacker) attributes(name string, h *tar.Header) (map[string]string, error) {
	out := map[string]string{}
	for k, v := range h.PAXRecords {
		x, ok := strings.CutPrefix(k, "SCHILY.xattr.")
		if !ok {
			continue
		}
		switch {
		case x == opaque && u.layer && v == "y" && h.Typeflag == tar.TypeDir:
		case x == opaque, !keepXattr(x):
			if u.layer {
				return nil, u.bad("entry %q has the attribute %s, which no layer has", name, x)
			}
			continue
		}
		out[x] = v
	}
	return out, nil
}

func setAttributes(fd int, attrs map[string]string) error {
	for _, k := range sortedKeys(attrs) {
		if err := unix.Fsetxattr(fd, k, []byte(attrs[k]), 0); err != nil {
			return fmt.Errorf("set attribute %s: %w", k, err)
		}
	}
	return nil
}

func (u *unpacker) ownAndDate(dir int, base string, h *tar.Header) error {
	return firstError(unix.Fchownat(dir, base, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW), setTime(dir, base, h.ModTime))
}

func setTime(dir int, base string, t time.Time) error {
	if base == "" {
		base = "."
	}
	if t.Year() < 1970 || t.Year() > 2200 {
		t = time.Unix(0, 0)
	}
	ts := unix.NsecToTimespec(t.UnixNano())
	return unix.UtimesNanoAt(dir, base, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

type fdWriter int

func (f fdWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Write(int(f), p[done:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}
