package host

import (
	"bufio"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// Snapshot is everything on a host that a lab could leave behind, one line per
// object, by kind.
type Snapshot map[string][]string

// volatile sysctls change by themselves.
var volatileSysctls = []string{
	"fs/dentry-state", "fs/file-nr", "fs/inode-nr", "fs/inode-state", "fs/aio-nr", "fs/quota", "kernel/random", "kernel/pty/nr",
	"kernel/ns_last_pid", "net/netfilter/nf_conntrack_count", "kernel/sched_domain", "fs/binfmt_misc", "kernel/perf_event_max_sample_rate",
	"net/ipv4/conf", "net/ipv6/conf", "net/ipv4/neigh", "net/ipv6/neigh", "kernel/spl", "kernel/hostname", "debug/",
}

// TakeSnapshot reads the host's state: namespaces, mounts, links, cgroups of
// every hierarchy, loop devices, sysctls, processes and sockets, and the files of
// the run directory and of the labs' disks.
func TakeSnapshot() (Snapshot, error) {
	s := Snapshot{}
	add := func(kind, line string) { s[kind] = append(s[kind], line) }

	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer mounts.Close()
	for sc := bufio.NewScanner(mounts); sc.Scan(); {
		f := strings.Fields(sc.Text())
		if len(f) > 4 {
			add("mount", f[4])
		}
	}

	links, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		add("link", l.Name)
	}

	_ = filepath.WalkDir("/sys/fs/cgroup", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			add("cgroup", p)
		}
		return nil // a group may go away while we look
	})

	_ = filepath.WalkDir(Run(), func(p string, d fs.DirEntry, err error) error {
		if err == nil {
			add("run", p)
			if d.IsDir() && deviceOf(p) != deviceOf(Run()) {
				return fs.SkipDir // a node's tree is a mount, and the node's own
			}
		}
		return nil
	})
	// The image and the mount point of each lab's disk; what nodes have written
	// below is theirs.
	for _, pattern := range []string{"*", "*/*"} {
		found, _ := filepath.Glob(filepath.Join(filepath.Dir(LabDisks("x")), pattern))
		for _, p := range found {
			add("disk", p)
		}
	}

	limits, _ := filepath.Glob(filepath.Join(limitsDir, "situlab-limits.*"))
	for _, p := range limits {
		add("run", p)
	}

	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, l := range loops {
		if b, err := os.ReadFile(l); err == nil {
			add("loop", l+" "+strings.TrimSpace(string(b)))
		}
	}

	_ = filepath.WalkDir("/proc/sys", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		key := strings.TrimPrefix(p, "/proc/sys/")
		for _, v := range volatileSysctls {
			if strings.HasPrefix(key, v) {
				return nil
			}
		}
		if b, err := os.ReadFile(p); err == nil {
			add("sysctl", key+" = "+strings.TrimSpace(string(b)))
		}
		return nil
	})

	namespaces := map[string]bool{}
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		if exe, err := os.Readlink(p + "/exe"); err == nil { // kernel threads have none
			if cmd, err := os.ReadFile(p + "/cmdline"); err == nil {
				add("process", fmt.Sprintf("%s %s (%s)", filepath.Base(p), exe, strings.TrimSpace(strings.ReplaceAll(string(cmd), "\x00", " "))))
			}
		}
		for _, ns := range []string{"net", "mnt", "pid", "user", "uts", "ipc", "cgroup"} {
			if l, err := os.Readlink(p + "/ns/" + ns); err == nil {
				namespaces[l] = true
			}
		}
	}
	for ns := range namespaces {
		add("namespace", ns)
	}

	for _, f := range []string{"unix", "tcp", "tcp6", "udp", "udp6", "packet"} {
		b, err := os.ReadFile("/proc/net/" + f)
		if err != nil {
			continue
		}
		for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
			if i == 0 {
				continue
			}
			w := strings.Fields(line)
			switch {
			case f == "unix" && len(w) > 7:
				add("socket", "unix "+w[7])
			case f != "unix" && len(w) > 3 && (w[3] == "0A" || w[3] == "07"):
				add("socket", f+" "+w[1])
			}
		}
	}
	for k := range s {
		sort.Strings(s[k])
	}
	return s, nil
}

// deviceOf is the file system of a path.
func deviceOf(path string) uint64 {
	var st unix.Stat_t
	_ = unix.Lstat(path, &st) // gone meanwhile: 0 is no device
	return st.Dev
}

// Diff lists what differs between two snapshots: "+kind object" for what is
// new, "-kind object" for what is gone. ignore leaves objects out.
func (s Snapshot) Diff(after Snapshot, ignore func(kind, object string) bool) []string {
	var out []string
	kinds := map[string]bool{}
	for k := range s {
		kinds[k] = true
	}
	for k := range after {
		kinds[k] = true
	}
	for k := range kinds {
		count := map[string]int{}
		for _, o := range s[k] {
			count[o]--
		}
		for _, o := range after[k] {
			count[o]++
		}
		for o, n := range count {
			if n == 0 || (ignore != nil && ignore(k, o)) {
				continue
			}
			sign := "+"
			if n < 0 {
				sign = "-"
			}
			out = append(out, sign+k+" "+o)
		}
	}
	sort.Strings(out)
	return out
}
