package labtest

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/probe"
	"github.com/situlab/situlab/scenarios"
)

// CGroups are the directories of a lab, one per hierarchy.
func CGroups(lab string) []string {
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*/situlab/" + lab)
	if isDir("/sys/fs/cgroup/situlab/" + lab) {
		dirs = append(dirs, "/sys/fs/cgroup/situlab/"+lab)
	}
	return dirs
}

// Accounting is the lab's directory of the hierarchy that counts CPU time; the
// first where processes stay where the runtime put them.
func Accounting(lab string) string {
	for _, controller := range []string{"cpuacct", "cpu,cpuacct"} {
		if d := "/sys/fs/cgroup/" + controller + "/situlab/" + lab; isDir(d) {
			return d
		}
	}
	return "/sys/fs/cgroup/situlab/" + lab
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// FindInit finds the PID 1 of a node among the processes of its cgroup, dir being
// its lab's ([Accounting]): the one that is number 1 in a pid namespace of its
// own. 0 means none yet.
func FindInit(dir, node string) int {
	for _, sub := range []string{"", "init.scope"} {
		text, err := os.ReadFile(filepath.Join(dir, node, sub, "cgroup.procs"))
		if err != nil {
			continue
		}
		for f := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(f)
			if err == nil && IsInit(pid) {
				return pid
			}
		}
	}
	return 0
}

// IsInit says whether a process is number 1 of a pid namespace below this one.
func IsInit(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	i := bytes.Index(status, []byte("\nNSpid:"))
	if i < 0 {
		return false
	}
	line, _, _ := bytes.Cut(status[i+7:], []byte("\n"))
	f := bytes.Fields(line)
	return len(f) > 1 && string(f[len(f)-1]) == "1"
}

// Posts are the workstations of a site, for probes; pid gives a node's PID 1.
func Posts(site *scenarios.Site, pid func(node string) int) []probe.Post {
	nets := map[string]netip.Prefix{}
	for _, s := range site.Segments {
		nets[s.ID] = s.Net
	}
	var out []probe.Post
	for _, n := range site.Nodes {
		if n.Class != scenarios.Workstation || len(n.Interfaces) == 0 {
			continue
		}
		i, pid := n.Interfaces[0], pid(n.Name)
		out = append(out, probe.Post{Name: n.Name, Segment: i.Segment, Interface: i.Name, Net: nets[i.Segment],
			NetNS: fmt.Sprintf("/proc/%d/ns/net", pid), Open: func(path string) (*os.File, error) { return openIn(pid, path) }})
	}
	return out
}

// Prober makes a site's probes, from another workstation of each segment in each
// round.
func Prober(site *scenarios.Site, pid func(node string) int) *probe.Runner {
	return &probe.Runner{Probes: site.Probes, Secrets: probe.SecretsOf(site),
		Posts: func(round int) []probe.Post { return probe.OnePerSegment(Posts(site, pid), round) }}
}

// openIn opens a file of a node's tree; links stay inside.
func openIn(pid int, path string) (*os.File, error) {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, strings.TrimPrefix(path, "/"), &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK, Resolve: unix.RESOLVE_IN_ROOT})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}
