package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/situlab/situlab/labnet/node"
)

const (
	mountV1 = `30 20 0:20 / /sys/fs/cgroup rw - tmpfs tmpfs rw
31 30 0:21 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 30 0:22 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 30 0:23 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,name=systemd
`
	mountUnified = `34 30 0:24 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
`
	mountV2 = `30 20 0:20 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
`
)

func TestHierarchies(t *testing.T) {
	for _, c := range []struct {
		text, systemd, unified string
		mode                   Mode
	}{
		{mountV1, "/sys/fs/cgroup/systemd/situlab/a/b", "", V1},
		{mountV1 + mountUnified, "/sys/fs/cgroup/systemd/situlab/a/b", "/sys/fs/cgroup/unified/situlab/a/b", Hybrid},
		{mountV2, "", "/sys/fs/cgroup/situlab/a/b", V2},
	} {
		h, err := parseHierarchies([]byte(c.text))
		if err != nil || h.mode != c.mode {
			t.Errorf("mode %q, %v; want %q", h.mode, err, c.mode)
		}
		if d, _ := h.with("name=systemd", "/situlab/a/b"); d != c.systemd {
			t.Errorf("%s: systemd %q", c.mode, d)
		}
		if d, _ := h.unified("/situlab/a/b"); d != c.unified {
			t.Errorf("%s: unified %q", c.mode, d)
		}
		if d, ok := h.with("cpuacct", "/x"); ok != (c.mode != V2) {
			t.Errorf("%s: cpuacct %q", c.mode, d)
		}
	}
	for _, bad := range []string{"", "30 20 0:20 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n", strings.Replace(mountV1, "name=systemd", "name=other", 1)} {
		if h, err := parseHierarchies([]byte(bad)); err == nil {
			t.Errorf("accepted as %s:\n%s", h.mode, bad)
		}
	}
}

func TestBundle(t *testing.T) {
	s := node.Spec{Lab: "l", Name: "n", IDBase: 1 << 20, CPUShares: 256, Sockets: []node.Socket{{HostDir: "/h", Path: "/run/desk"}}}
	for _, mounts := range []string{mountV1, mountV1 + mountUnified, mountV2} {
		h, err := parseHierarchies([]byte(mounts))
		if err != nil {
			t.Fatal(err)
		}
		c, err := bundle(s, "/d", h)
		if err != nil {
			t.Fatal(err)
		}
		has := slices.ContainsFunc(c.Mounts, func(m specs.Mount) bool { return m.Type == "cgroup2" })
		if has != (h.mode == Hybrid) {
			t.Errorf("%s: cgroup2 mounted beside version 1: %v", h.mode, has)
		}
		for _, m := range c.Mounts {
			bind := slices.Contains(m.Options, "bind")
			if bind && m.Destination != "/dev/pts" && !slices.Contains(m.Options, "ro") {
				t.Errorf("the node can write through %s", m.Destination)
			}
		}
		if *c.Linux.Resources.Memory.Limit != DefaultMemory || *c.Linux.Resources.Pids.Limit != DefaultPIDs || *c.Linux.Resources.CPU.Shares != 256 {
			t.Errorf("limits: %+v", c.Linux.Resources)
		}
		if slices.Contains(c.Linux.ReadonlyPaths, "/proc/sys") {
			t.Error("/proc/sys is read-only: routers cannot forward")
		}
		if c.Linux.CgroupsPath != "/situlab/l/n" || c.Hostname != "n" {
			t.Errorf("cgroup %q, host name %q", c.Linux.CgroupsPath, c.Hostname)
		}
		if c.Process.Capabilities.Inheritable != nil || c.Process.Capabilities.Ambient != nil {
			t.Error("inheritable capabilities reach ordinary users")
		}
	}
	var all specs.Spec
	if err := json.Unmarshal(template, &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_TIME", "CAP_BPF", "CAP_PERFMON", "CAP_MAC_ADMIN"} {
		if slices.Contains(all.Process.Capabilities.Bounding, c) {
			t.Errorf("%s", c)
		}
	}
}

func TestAccounts(t *testing.T) {
	a := accounts{
		passwd: []byte("root:x:0:0::/root:/bin/bash\nadm1:x:1001:1002:A,,,:/home/adm1:/bin/zsh\nbad:x:65536:0::/:\nshort:x:5\nnohome:x:7:7:::\n"),
		group:  []byte("root:x:0:\nsudo:x:27:other,adm1\nadm1:x:1002:adm1\nhuge:x:4294967295:adm1\nwww-data:x:33:\n"),
	}
	u, err := a.user("adm1")
	if err != nil || u.uid != 1001 || u.gid != 1002 || u.shell != "/bin/zsh" || u.home != "/home/adm1" || !slices.Equal(u.groups, []uint32{27}) {
		t.Errorf("adm1: %+v %v", u, err)
	}
	if u, err := a.user("1001"); err != nil || u.name != "adm1" {
		t.Errorf("1001: %+v %v", u, err)
	}
	if u, err := a.user(""); err != nil || u.uid != 0 || u.home != "/root" {
		t.Errorf("root: %+v %v", u, err)
	}
	if u, err := a.user("nohome"); err != nil || u.home != "/" || u.shell != "/bin/sh" {
		t.Errorf("nohome: %+v %v", u, err)
	}
	if u, err := a.user("60000"); err != nil || u.uid != 60000 || u.gid != 60000 {
		t.Errorf("60000: %+v %v", u, err)
	}
	for _, bad := range []string{"bad", "short", "nobody", "65536", "-1", "4294967296"} {
		if u, err := a.user(bad); err == nil {
			t.Errorf("%s: %+v", bad, u)
		}
	}
	if g, err := a.groupID("www-data"); err != nil || g != 33 {
		t.Errorf("www-data: %d %v", g, err)
	}
	for _, bad := range []string{"huge", "none"} {
		if g, err := a.groupID(bad); err == nil {
			t.Errorf("%s: %d", bad, g)
		}
	}
}

func FuzzNotify(f *testing.F) {
	for _, s := range []string{"READY=1", "STATUS=x\nREADY=1\n", "READY=10", "XREADY=1", "", "\n\n", "READY=1\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := slices.Contains(strings.Split(string(b), "\n"), "READY=1")
		if got := isReady(b); got != want {
			t.Errorf("%q: %v", b, got)
		}
	})
}

func FuzzAccounts(f *testing.F) {
	f.Add([]byte("root:x:0:0::/root:/bin/sh\n"), []byte("root:x:0:\n"), "root")
	f.Add([]byte("a:x:-1:99999999999::::"), []byte(":::"), "a")
	f.Fuzz(func(t *testing.T, passwd, group []byte, name string) {
		a := accounts{passwd, group}
		if u, err := a.user(name); err == nil {
			for _, id := range append(u.groups, u.uid, u.gid) {
				if id >= rangeSize {
					t.Errorf("id %d outside of the node", id)
				}
			}
		}
		if g, err := a.groupID(name); err == nil && g >= rangeSize {
			t.Errorf("group %d outside of the node", g)
		}
	})
}

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	r := record{Lab: "l", Name: "n", CGroup: "/situlab/l/n", IDBase: 65536, PID: os.Getpid()}
	var err error
	if r.Start, err = startTime(r.PID); err != nil {
		t.Fatal(err)
	}
	if err := r.save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := loadRecord(dir)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Fatalf("%+v %v", got, err)
	}
	p, err := got.live()
	if err != nil {
		t.Fatal(err)
	}
	p.close()
	got.Start += "1" // the same pid, another process
	if _, err := got.live(); err == nil {
		t.Error("a reused pid is taken for the node")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); left != nil {
		t.Errorf("left: %v", left)
	}
}
