package images

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Image is a set of layers that nodes boot from.
type Image struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	// Origin is "build" or "import".
	Origin string `json:"origin"`
	// Arch is Go's name of the processor.
	Arch string `json:"arch"`
	// Layers has the base (role "") first, then the roles by name. An image
	// with a base alone serves every role with it.
	Layers []Layer `json:"layers"`

	store *Store
}

// Layer is one layer of an image.
type Layer struct {
	Role  string `json:"role,omitempty"` // empty: the base
	ID    string `json:"id"`
	Size  int64  `json:"size"` // bytes of regular files
	Files int    `json:"files"`
}

// Size is the sum of the layers' sizes in bytes.
func (i *Image) Size() int64 {
	var n int64
	for _, l := range i.Layers {
		n += l.Size
	}
	return n
}

// Roles lists the roles that have a layer of their own.
func (i *Image) Roles() []string {
	var out []string
	for _, l := range i.Layers {
		if l.Role != "" {
			out = append(out, l.Role)
		}
	}
	return out
}

// digest is the image's id: its processor, roles and layers.
func (i *Image) digest() string {
	sort.Slice(i.Layers, func(a, b int) bool { return i.Layers[a].Role < i.Layers[b].Role })
	h := sha256.New()
	fmt.Fprintf(h, "situlab image %s\n", i.Arch)
	for _, l := range i.Layers {
		fmt.Fprintf(h, "%q %s\n", l.Role, l.ID)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Lowers returns the absolute directories that a node of a role stands on, top
// layer first. An image of one layer serves every role; in another, an unknown
// role is an [InputError].
func (i *Image) Lowers(role string) ([]string, error) {
	if i.Arch != runtime.GOARCH {
		return nil, &HostError{What: fmt.Sprintf("image %s is made for %s, this host is %s", i.Name, i.Arch, runtime.GOARCH), Hint: "situlab image build"}
	}
	if len(i.Layers) == 1 || role == "" {
		return []string{i.store.tree(i.Layers[0].ID)}, nil
	}
	for _, l := range i.Layers[1:] {
		if l.Role == role {
			return []string{i.store.tree(l.ID), i.store.tree(i.Layers[0].ID)}, nil
		}
	}
	return nil, badInput("image "+i.Name, "has no role %q; it has %s", role, strings.Join(i.Roles(), ", "))
}

// Owner finds the ids of a user and a group in the account files of a role's
// image. Both may be decimal ids. Without a user it is root; without a group it
// is the user's own.
func (i *Image) Owner(role, user, group string) (uid, gid uint32, err error) {
	if user != "" {
		n, primary, err := i.account(role, "passwd", user)
		if err != nil {
			return 0, 0, err
		}
		uid, gid = n, primary
	}
	if group != "" {
		if gid, _, err = i.account(role, "group", group); err != nil {
			return 0, 0, err
		}
	}
	return uid, gid, nil
}

// account finds a name (or a decimal id) in /etc/passwd or /etc/group: its id,
// and for a user the id of its group.
func (i *Image) account(role, file, name string) (id, primary uint32, err error) {
	lowers, err := i.Lowers(role)
	if err != nil {
		return 0, 0, err
	}
	number, numErr := strconv.ParseUint(name, 10, 16)
	for _, dir := range lowers {
		lines, err := accountLines(dir, file)
		if os.IsNotExist(err) {
			continue // the file is the layer's below
		}
		if err != nil {
			return 0, 0, fmt.Errorf("image %s: read /etc/%s: %w", i.Name, file, err)
		}
		for _, f := range lines {
			n, err := strconv.ParseUint(f[2], 10, 16)
			if err != nil || (f[0] != name && (numErr != nil || n != number)) {
				continue
			}
			if file == "passwd" {
				g, err := strconv.ParseUint(f[3], 10, 16)
				if err != nil {
					continue
				}
				primary = uint32(g)
			}
			return uint32(n), primary, nil
		}
		break
	}
	if numErr == nil {
		return uint32(number), uint32(number), nil
	}
	what := "user"
	if file == "group" {
		what = "group"
	}
	return 0, 0, badInput("image "+i.Name, "role %q has no %s %q", role, what, name)
}

// accountLines reads a colon-separated file, never through a link that leaves
// the layer.
func accountLines(dir, file string) ([][]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(filepath.Join("etc", file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out [][]string
	lines := bufio.NewScanner(io.LimitReader(f, 4<<20))
	for lines.Scan() {
		if v := strings.Split(lines.Text(), ":"); len(v) >= 4 {
			out = append(out, v)
		}
	}
	return out, lines.Err()
}
