package session

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/node"
)

// remains are places of a node, relative to its root.
type remains struct {
	logs []string // files, or folders of them: emptied, since daemons expect each with its owner
	dirs []string // folders whose entries go
	// leases are files of kea's (lease file of "memfile"): they are what a
	// server knows of its network and stay, dated to the evening before.
	leases []string
}

// forget removes what the first start wrote, from the host, while the node is
// stopped. os.Root follows no link out of the node's tree.
func forget(n node.Node, r remains) error {
	root, err := os.OpenRoot(n.Root())
	if err != nil {
		return err
	}
	defer root.Close()
	for _, p := range r.logs {
		err := fs.WalkDir(root.FS(), p, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			return truncate(root, p)
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget /%s: %w", p, err)
		}
	}
	for _, p := range r.leases {
		if err := ageLeases(root, p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("date /%s: %w", p, err)
		}
	}
	for _, p := range r.dirs {
		if err := empty(root, p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget /%s: %w", p, err)
		}
	}
	return nil
}

// The first start is dated to the evening before: so long before begun, spread
// over some time by the path's hash, the same in every lab.
const (
	evening       = 12 * time.Hour
	eveningSpread = 90 * time.Minute
)

// backdate gives everything that has changed on the node's disks since begun the
// times of the evening before.
func backdate(n node.Node, begun time.Time) error {
	layer, err := filepath.EvalSymlinks(n.Layer())
	if err != nil {
		return err
	}
	err = backdateTree(layer, n.Root(), begun)
	for _, v := range n.Volumes() {
		err = errors.Join(err, backdateTree(v.Dir, v.Dir, begun))
	}
	if err != nil {
		return fmt.Errorf("node %s: %w", n.Name(), err)
	}
	return nil
}

// backdateTree dates what is new in a directory by its names in another.
func backdateTree(target, as string, begun time.Time) error {
	return filepath.WalkDir(target, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil || st.ModTime().Before(begun) {
			return err
		}
		rel, err := filepath.Rel(target, p)
		if err != nil {
			return err
		}
		h := fnv.New32a()
		h.Write([]byte(rel))
		at := begun.Add(-evening - time.Duration(h.Sum32()%uint32(eveningSpread/time.Second))*time.Second)
		ts := unix.NsecToTimespec(at.UnixNano())
		err = unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(as, rel), []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			return nil // a whiteout: the file is gone for the node
		}
		if err != nil {
			return fmt.Errorf("date /%s: %w", rel, err)
		}
		return nil
	})
}

// expireColumn is where a lease file says when a lease ends, in seconds.
const expireColumn = 4

// ageLeases moves every lease of a file to the evening before; the file keeps
// its owner.
func ageLeases(root *os.Root, p string) error {
	text, err := root.ReadFile(p)
	if err != nil {
		return err
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(line, ",")
		if len(columns) > expireColumn {
			if at, err := strconv.ParseInt(columns[expireColumn], 10, 64); err == nil { // not the heading
				columns[expireColumn] = strconv.FormatInt(at-int64(evening/time.Second), 10)
			}
		}
		out.WriteString(strings.Join(columns, ","))
	}
	f, err := root.OpenFile(p, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(out.String())
	return errors.Join(err, f.Close())
}

func truncate(root *os.Root, p string) error {
	f, err := root.OpenFile(p, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// empty removes what a directory holds and keeps the directory.
func empty(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	d.Close()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := root.RemoveAll(dir + "/" + n); err != nil {
			return err
		}
	}
	return nil
}
