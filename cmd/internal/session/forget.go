package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/situlab/situlab/labnet/node"
)

// forget removes what the first start wrote, from the host, while the node is
// stopped. os.Root follows no link out of the node's tree.
func forget(n node.Node, paths []string) error {
	root, err := os.OpenRoot(n.Root())
	if err != nil {
		return err
	}
	defer root.Close()
	for _, p := range paths {
		st, err := root.Lstat(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !st.IsDir() {
			// Emptied, not removed: daemons expect the file with its owner.
			err = truncate(root, p)
		} else {
			err = empty(root, p)
		}
		if err != nil {
			return fmt.Errorf("forget /%s: %w", p, err)
		}
	}
	return nil
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
