package images

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// leftovers of an installation, by patterns within an image: the build
// machine's names and sources, keys that each node must have of its own, caches.
var leftovers = []string{
	"etc/ssh/ssh_host_*", "etc/resolv.conf", "etc/hostname", "etc/machine-id", "var/lib/dbus/machine-id",
	"etc/apt/sources.list", "etc/apt/sources.list.d/*", "etc/apt/apt.conf.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
	"etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-",
	"usr/sbin/policy-rc.d", "var/cache/apt/*.bin", "var/cache/apt/archives/*.deb", "var/cache/ldconfig/aux-cache",
	"var/cache/debconf/*-old", "var/lib/dpkg/*-old", "var/lib/systemd/random-seed",
}

// cleanTree removes leftovers, logs, sockets, and what lies in directories that
// the runtime mounts over.
func cleanTree(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, p := range leftovers {
		names, err := fs.Glob(root.FS(), p)
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := root.RemoveAll(n); err != nil {
				return err
			}
		}
	}
	for _, d := range []string{"dev", "proc", "run", "sys", "tmp", "var/tmp", "var/lib/apt/lists"} {
		names, err := fs.Glob(root.FS(), d+"/*")
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := root.RemoveAll(n); err != nil {
				return err
			}
		}
	}
	return fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		log := strings.HasPrefix(p, "var/log/") && !d.IsDir()
		if log || d.Type()&fs.ModeSocket != 0 {
			return root.Remove(p)
		}
		return nil
	})
}

// cleanBase finishes the base: System V links go (units and presets decide),
// and an empty machine-id says "not the first boot" (machine-id(5)).
func (b *builder) cleanBase(dir string) error {
	if err := cleanTree(dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := removeSysvLinks(root); err != nil {
		return err
	}
	if err := root.RemoveAll("etc/systemd/system/getty.target.wants"); err != nil {
		return err
	}
	if err := root.MkdirAll("var/lib/apt/lists/partial", 0o755); err != nil {
		return err
	}
	return root.WriteFile("etc/machine-id", nil, 0o444)
}

func removeSysvLinks(root *os.Root) error {
	names, err := fs.Glob(root.FS(), "etc/rc?.d/[SK]*")
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := root.Remove(n); err != nil {
			return err
		}
	}
	return nil
}

// stripMarks removes overlay's marks that name inodes of the build machine, and
// opaque marks on directories that hide nothing: the layer then is what an
// unpacked archive of it would be.
func stripMarks(layer, base string) error {
	return filepath.WalkDir(layer, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		marks := []string{"trusted.overlay.origin", "trusted.overlay.impure", "trusted.overlay.nlink", "trusted.overlay.uuid"}
		if d.IsDir() {
			rel, err := filepath.Rel(layer, p)
			if err != nil {
				return err
			}
			if _, err := os.Lstat(filepath.Join(base, rel)); os.IsNotExist(err) {
				marks = append(marks, opaque)
			}
		}
		for _, name := range marks {
			if err := unix.Lremovexattr(p, name); err != nil && err != unix.ENODATA && err != unix.ENOTSUP {
				return &fs.PathError{Op: "remove " + name, Path: p, Err: err}
			}
		}
		return nil
	})
}

// dropEmpty removes mount points and other directories that only the build made
// or touched, if they are empty in the layer and exist below.
func dropEmpty(layer, base string) error {
	for _, d := range []string{"dev", "proc", "run", "sys", "tmp", "var/tmp", "var/lib/apt/lists/partial", "var/lib/apt/lists", "var/cache/apt/archives/partial", "var/cache/apt/archives", "var/cache/apt"} {
		if _, err := os.Lstat(path.Join(base, d)); err != nil {
			continue
		}
		err := os.Remove(path.Join(layer, d))
		if err != nil && !os.IsNotExist(err) && !isNotEmpty(err) {
			return err
		}
	}
	return nil
}

func isNotEmpty(err error) bool {
	return errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST)
}

// settled is how old a new layer's files are at least: a machine of a company was
// not installed on the day of its image, and a list of the newest files must show
// what people did, not the build.
const settled = 40 * 24 * time.Hour

// backdate makes files newer than limit as old as limit; what the packages date
// themselves stays.
func backdate(dir string, limit time.Time) error {
	to := unix.NsecToTimespec(limit.UnixNano())
	return filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return &fs.PathError{Op: "stat", Path: p, Err: err}
		}
		if st.Mtim.Nano() <= to.Nano() {
			return nil
		}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{to, to}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &fs.PathError{Op: "set the time of", Path: p, Err: err}
		}
		return nil
	})
}
