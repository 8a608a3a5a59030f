package oci

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// accountsMax is the most that is read of a node's passwd or group file.
const accountsMax = 1 << 20

// account is a user of the node, as its own files say.
type account struct {
	name, home, shell string
	uid, gid          uint32
	groups            []uint32
}

// accounts are a node's users and groups; the bytes are the node's, so that
// nothing but numbers below the node's range is taken from them.
type accounts struct{ passwd, group []byte }

func (d *door) accounts() (accounts, error) {
	var a accounts
	var err error
	if a.passwd, err = d.readFile("/etc/passwd", accountsMax); err != nil {
		return a, err
	}
	a.group, err = d.readFile("/etc/group", accountsMax)
	return a, err
}

// readFile reads a regular file of the node; more than limit bytes is an error.
func (d *door) readFile(path string, limit int64) ([]byte, error) {
	f, err := d.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes: refused", path, limit)
	}
	return b, nil
}

// lookup finds the line of a name, or of a number in the third field.
func lookup(file []byte, name string, fields int) ([]string, bool) {
	sc := bufio.NewScanner(bytes.NewReader(file))
	sc.Buffer(nil, accountsMax)
	for sc.Scan() {
		f := strings.Split(sc.Text(), ":")
		if len(f) >= fields && (f[0] == name || f[2] == name) {
			return f, true
		}
	}
	return nil, false
}

func parseID(s string) (uint32, error) {
	v, err := strconv.ParseUint(s, 10, 32)
	if err != nil || v >= rangeSize {
		return 0, fmt.Errorf("id %q: not between 0 and %d", s, rangeSize-1)
	}
	return uint32(v), nil
}

// user resolves a name or a number; empty means root. A number without an
// account is taken as it is, with the group of the same number.
func (a accounts) user(name string) (account, error) {
	if name == "" {
		name = "root"
	}
	f, ok := lookup(a.passwd, name, 7)
	if !ok {
		id, err := parseID(name)
		switch {
		case err == nil:
			return account{name: name, home: "/", shell: "/bin/sh", uid: id, gid: id}, nil
		case name == "root":
			return account{name: name, home: "/root", shell: "/bin/sh"}, nil
		}
		return account{}, fmt.Errorf("no user %q in the node's /etc/passwd", name)
	}
	uid, err := parseID(f[2])
	if err != nil {
		return account{}, fmt.Errorf("user %q: %w", name, err)
	}
	gid, err := parseID(f[3])
	if err != nil {
		return account{}, fmt.Errorf("user %q: %w", name, err)
	}
	acc := account{name: f[0], home: f[5], shell: f[6], uid: uid, gid: gid}
	if acc.home == "" {
		acc.home = "/"
	}
	if acc.shell == "" {
		acc.shell = "/bin/sh"
	}
	acc.groups = a.groupsOf(acc.name, gid)
	return acc, nil
}

// groupsOf lists the further groups of a user.
func (a accounts) groupsOf(user string, primary uint32) []uint32 {
	var out []uint32
	sc := bufio.NewScanner(bytes.NewReader(a.group))
	sc.Buffer(nil, accountsMax)
	for sc.Scan() {
		f := strings.Split(sc.Text(), ":")
		if len(f) < 4 {
			continue
		}
		for m := range strings.SplitSeq(f[3], ",") {
			if m == user {
				if id, err := parseID(f[2]); err == nil && id != primary {
					out = append(out, id)
				}
			}
		}
	}
	return out
}

// groupID resolves a group's name or number; empty means root.
func (a accounts) groupID(name string) (uint32, error) {
	if name == "" {
		return 0, nil
	}
	if f, ok := lookup(a.group, name, 3); ok {
		return parseID(f[2])
	}
	id, err := parseID(name)
	if err != nil {
		return 0, fmt.Errorf("no group %q in the node's /etc/group", name)
	}
	return id, nil
}
