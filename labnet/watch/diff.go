package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Changed is one entry of a node's writable layer that changed.
type Changed struct {
	// Path inside the node.
	Path string
	// Op is modified (new or changed: the layer does not tell them apart) or
	// deleted (a whiteout).
	Op       string
	Mode     os.FileMode
	UID, GID uint32 // host ids
	Size     int64
	// SHA256 in hex of a regular file of at most 16 MiB.
	SHA256           string
	ModTime, Changed time.Time
}

// maxHashed bounds what is read of one file.
const maxHashed = 16 << 20

// Diff lists what changed in an overlay's upper directory since a moment, by the
// inodes' change time, which a node cannot set. The tree is the node's: it is
// walked beneath upper only, links are not followed, nothing but regular files
// is opened. Directories themselves are not listed.
func Diff(upper string, since time.Time) ([]Changed, error) {
	root, err := os.OpenRoot(upper)
	if err != nil {
		return nil, fmt.Errorf("writable layer: %w", err)
	}
	defer root.Close()
	var out []Changed
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) { // a running node
				return nil
			}
			return err
		}
		if p == "." {
			return nil
		}
		i, err := d.Info()
		if err != nil {
			return nil
		}
		st, ok := i.Sys().(*syscall.Stat_t)
		if !ok || time.Unix(st.Ctim.Unix()).Before(since) || d.IsDir() {
			return nil
		}
		c := Changed{Path: path.Join("/", p), Op: "modified", Mode: i.Mode(), UID: st.Uid, GID: st.Gid, Size: i.Size(),
			ModTime: i.ModTime(), Changed: time.Unix(st.Ctim.Unix())}
		if i.Mode()&os.ModeCharDevice != 0 && st.Rdev == 0 {
			c.Op, c.Mode, c.Size = "deleted", 0, 0
		}
		if i.Mode().IsRegular() && i.Size() <= maxHashed {
			c.SHA256 = hashOf(root, p)
		}
		out = append(out, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("writable layer: %w", err)
	}
	return out, nil
}

func hashOf(root *os.Root, p string) string {
	f, err := root.OpenFile(p, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	if i, err := f.Stat(); err != nil || !i.Mode().IsRegular() {
		return ""
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxHashed)); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
