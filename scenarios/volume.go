package scenarios

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Volume is a data disk of a node: an ext4 file system of a fixed size that is
// full when it is full. It survives reboots; a reset of the lab gives a new one.
//
// The node finds it mounted at each start, as /dev/vdb, /dev/vdc ... in the order
// of the list. Its root may unmount it, and cannot mount it again before the next
// start. Where that is to be possible, or where the line of /etc/fstab is part of
// the matter, mount it aside (/disques/vdb) and let the node's own /etc/fstab bind
// it to where it belongs.
type Volume struct {
	// Name identifies the volume on its node.
	Name string `yaml:"name" json:"name"`
	// Mount is the absolute path of its directory in the node; what the site's
	// trees place below it is written onto the volume.
	Mount string `yaml:"mount" json:"mount"`
	// SizeMB is the size of the disk in MiB, 16 to 4096; ext4 needs some of it for
	// itself.
	SizeMB int `yaml:"sizeMB" json:"sizeMB" jsonschema:"minimum=16,maximum=4096"`
	// Inodes is how many files and directories fit, 11 that ext4 needs included; it
	// is rounded up a little. The default is one for each 16 KiB.
	Inodes int `yaml:"inodes,omitempty" json:"inodes,omitempty" jsonschema:"minimum=64"`
	// ReservedPercent of the blocks are for root alone, 0 to 50; the default is 5, as
	// mke2fs has it.
	ReservedPercent *int `yaml:"reservedPercent,omitempty" json:"reservedPercent,omitempty" jsonschema:"minimum=0,maximum=50"`
	// Owner of the volume's root directory: USER or USER:GROUP, names of the node or
	// numbers; the default is root.
	Owner string `yaml:"owner,omitempty" json:"owner,omitempty"`
	// Mode of the volume's root directory, octal, in quotes; the default is "0755".
	Mode string `yaml:"mode,omitempty" json:"mode,omitempty"`
}

// Limits of volumes.
const (
	minVolumeMB, maxVolumeMB = 16, 4096
	minInodes                = 64
	maxReserved              = 50 // mke2fs refuses more
	// MaxVolumes is the largest number of volumes of a node.
	MaxVolumes = 8

	defaultReserved = 5
)

// Reserved is the percentage of the blocks that only root may use.
func (v Volume) Reserved() int {
	if v.ReservedPercent == nil {
		return defaultReserved
	}
	return *v.ReservedPercent
}

// Root is the volume's root directory, and false if it is as mke2fs makes it. Its
// age is left open.
func (v Volume) Root() (TreeFile, bool) {
	f := TreeFile{Path: v.Mount, Mode: os.ModeDir | 0o755}
	if m, err := parseMode(v.Mode); err == nil && v.Mode != "" { // checked when the site was loaded
		f.Mode = os.ModeDir | m
	}
	f.User, f.Group, _ = strings.Cut(v.Owner, ":")
	return f, v.Owner != "" || v.Mode != ""
}

var (
	mountPattern = regexp.MustCompile(`^(/[A-Za-z0-9._-]+)+$`)
	ownerPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*(:[A-Za-z0-9_][A-Za-z0-9_-]*)?$`)
	// systemDirs hold what a node needs before it could mount anything: an empty
	// disk over them, or below those of the kernel, is a node that does not start.
	systemDirs = []string{"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "usr"}
)

// volumes checks the volumes of the node that stands at p.
func (c *siteChecker) volumes(p string, n Node) {
	if len(n.Volumes) > MaxVolumes {
		c.failAt(p+".volumes", "%s.volumes: %d volumes; a node has at most %d", p, len(n.Volumes), MaxVolumes)
	}
	for i, v := range n.Volumes {
		q := fmt.Sprintf("%s.volumes[%d]", p, i)
		c.id(q+".name", v.Name)
		before := n.Volumes[:i]
		if v.Name != "" && slices.ContainsFunc(before, func(o Volume) bool { return o.Name == v.Name }) {
			c.failAt(q+".name", "%s.name: node %s has two volumes called %q", q, n.Name, v.Name)
		}
		if v.Mount != "" && c.mount(q+".mount", v.Mount) {
			for _, o := range before {
				switch {
				case o.Mount == v.Mount:
					c.failAt(q+".mount", "%s.mount: volume %q is mounted at %s already", q, o.Name, o.Mount)
				case below(v.Mount, o.Mount):
					c.failAt(q+".mount", "%s.mount: %s lies on volume %q (%s); mount it beside", q, v.Mount, o.Name, o.Mount)
				case below(o.Mount, v.Mount):
					c.failAt(q+".mount", "%s.mount: volume %q (%s) lies below %s; mount it beside", q, o.Name, o.Mount, v.Mount)
				}
			}
		}
		sized := v.SizeMB >= minVolumeMB && v.SizeMB <= maxVolumeMB
		if !sized && c.readable(q+".sizeMB") {
			c.failAt(q+".sizeMB", "%s.sizeMB: %d; %d to %d", q, v.SizeMB, minVolumeMB, maxVolumeMB)
		}
		// ext4 has at most one for each block of 4 KiB.
		if most := v.SizeMB * 256; sized && c.readable(q+".inodes") && (v.Inodes < minInodes || v.Inodes > most) {
			c.failAt(q+".inodes", "%s.inodes: %d; %d to %d on %d MiB", q, v.Inodes, minInodes, most, v.SizeMB)
		}
		if r := v.Reserved(); r < 0 || r > maxReserved {
			c.failAt(q+".reservedPercent", "%s.reservedPercent: %d; 0 to %d", q, r, maxReserved)
		}
		if v.Owner != "" && !ownerPattern.MatchString(v.Owner) {
			c.failAt(q+".owner", "%s.owner: %q is not USER or USER:GROUP", q, v.Owner)
		}
		if _, err := parseMode(v.Mode); v.Mode != "" && err != nil {
			c.failAt(q+".mode", "%s.mode: %v", q, err)
		}
	}
}

// readable says that a value stands in the file and is of the right kind: what is
// not has its message already.
func (c *siteChecker) readable(p string) bool {
	return c.written(p) && !slices.ContainsFunc(c.errs, func(e *InputError) bool { return e.Position == c.places[p] })
}

// mount checks one mount point by itself.
func (c *siteChecker) mount(p, at string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(at, "/"), "/")
	switch {
	case !strings.HasPrefix(at, "/"):
		c.failAt(p, "%s: %q must begin with /", p, at)
	case !mountPattern.MatchString(at) || path.Clean(at) != at || len(at) > 200:
		c.failAt(p, "%s: %q is no path of a mount: names of letters, digits, dots, dashes and underscores, none of them . or .., no slash at the end", p, at)
	case slices.Contains(systemDirs, first) || at == "/var":
		c.failAt(p, "%s: a node does not start with an empty disk at %s; mount it elsewhere, as under /srv or /var/lib", p, at)
	default:
		return true
	}
	return false
}

// below says whether a clean path lies below another.
func below(p, dir string) bool { return strings.HasPrefix(p, dir+"/") }
