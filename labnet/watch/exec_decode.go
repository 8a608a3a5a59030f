package watch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// decode turns what a kernel program wrote into events: one for a start, one
// per execve of the process for an end.
func (x *Execs) decode(b []byte) []ExecEvent {
	if len(b) < evHead {
		return nil
	}
	le := binary.LittleEndian
	u32 := func(at int) uint32 { return le.Uint32(b[at:]) }
	key := pidKey{u32(evNS), u32(evPID)}
	x.mu.Lock()
	w := x.byNS[key.ns]
	x.mu.Unlock()
	if w == nil {
		return nil
	}
	e := ExecEvent{BootNS: int64(le.Uint64(b[evBoot:])), Node: w.name, ns: key.ns,
		PID: int(key.pid), NodePID: int(u32(evNodePID)), Session: u32(evSession), NodeUID: -1, NodeGID: -1}
	switch le.Uint64(b) {
	case kernelExit:
		chain := x.live[key]
		delete(x.live, key)
		e.Kind, e.Code = ExecExit, exitCode(u32(evExit))
		if len(chain) > 1 && chain[0].fork {
			chain = chain[1:] // it became a program, whose end is told
		}
		out := make([]ExecEvent, 0, len(chain))
		for _, s := range chain {
			e.ID, e.StartNS = s.id, s.start
			out = append(out, e)
		}
		return out
	case kernelFork:
		x.nextID++
		e.Kind, e.StartNS, e.ID, e.PPID = ExecFork, e.BootNS, x.nextID, int(u32(evPPID))
		x.live[key] = []started{{e.ID, e.BootNS, e.NodePID, true}}
		return []ExecEvent{e}
	}
	e.PPID, e.UID, e.GID, e.LoginUID = int(u32(evPPID)), u32(evUID), u32(evGID), u32(evLogin)
	e.Comm, e.TTY = cString(b[evComm:evComm+16]), cString(b[evTTY:evTTY+evTTYLen])
	e.CGroup, e.Inode, e.Stdin = le.Uint64(b[evCGroup:]), le.Uint64(b[evIno:]), stdinOf(u32(evInMode), u32(evInDev))
	e.Kind, e.StartNS = ExecStart, e.BootNS
	for i := range maxParents {
		p := u32(evParents + 4*i)
		if p == 0 {
			break
		}
		e.Parents = append(e.Parents, int(p))
	}
	if e.NodePPID = x.nodePID(key.ns, e.PPID); e.NodePPID == 0 {
		e.NodePPID = nodePIDOf(e.PPID)
	}
	if g := cString(b[evGroup : evGroup+evGroupLen]); isUnit(g) {
		e.Unit = g
	}
	e.NodeUID, e.NodeGID = w.ids.uid.inside(e.UID), w.ids.gid.inside(e.GID)
	kept := min(int(u32(evArgKept)), len(b)-evHead)
	e.ArgvBytes = int(u32(evArgLen))
	e.Truncated = e.ArgvBytes > kept
	e.Argv = splitArgv(b[evHead : evHead+kept])
	x.nextID++
	e.ID = x.nextID
	if e.NodePID == 1 {
		x.forget(key.ns)
	}
	x.live[key] = append(x.live[key], started{id: e.ID, start: e.BootNS, nodePID: e.NodePID})
	readProc(&e)
	return []ExecEvent{e}
}

// nodePID is the node's number of a process that was seen to execute.
func (x *Execs) nodePID(ns uint32, pid int) int {
	if chain := x.live[pidKey{ns, uint32(pid)}]; len(chain) > 0 {
		return chain[0].nodePID
	}
	return 0
}

// nodePIDOf reads a process's number in its node from /proc, which lists the
// numbers from the reader's namespace inwards (NSpid, proc(5)).
func nodePIDOf(pid int) int {
	numbers := func(pid int) []string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return nil
		}
		_, rest, _ := strings.Cut(string(b), "\nNSpid:")
		line, _, _ := strings.Cut(rest, "\n")
		return strings.Fields(line)
	}
	n := numbers(pid)
	if len(n) < 2 {
		return 0 // of the host, or gone
	}
	v, err := strconv.Atoi(n[1])
	if err != nil {
		return 0
	}
	return v
}

// forget drops processes whose end was lost with their node.
func (x *Execs) forget(ns uint32) {
	for k := range x.live {
		if k.ns == ns {
			delete(x.live, k)
		}
	}
}

// stdinOf reads an inode's mode and device number (the kernel's own encoding:
// include/linux/kdev_t.h).
func stdinOf(mode, dev uint32) Stdin {
	const nullDevice = 1<<20 | 3 // Documentation/admin-guide/devices.txt
	major := dev >> 20
	switch {
	case mode == 0:
		return StdinClosed
	case mode&unix.S_IFMT != unix.S_IFCHR:
		return StdinOther
	case major >= 136 && major <= 143, major == 4, major == 5: // pseudo-terminals, consoles, /dev/tty
		return StdinTerminal
	case dev == nullDevice:
		return StdinNull
	}
	return StdinOther
}

// foreground says whether a process's group has its terminal: fields 5 and 8 of
// proc_pid_stat(5). known is false when the process is gone.
func foreground(pid int) (has, known bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false, false
	}
	_, rest, _ := strings.Cut(string(b[bytes.LastIndexByte(b, ')')+1:]), " ")
	f := strings.Fields(rest) // from field 3 on
	return len(f) > 5 && f[2] == f[5], len(f) > 5
}

// readProc adds what only /proc tells; the process may be gone.
func readProc(e *ExecEvent) {
	dir := fmt.Sprintf("/proc/%d/", e.PID)
	e.Exe, _ = os.Readlink(dir + "exe")
	e.Cwd, _ = os.Readlink(dir + "cwd")
	if e.Unit == "" && e.Session == NoSession {
		e.Unit = unitOf(e.PID)
	}
	if e.TTY != "" {
		e.Foreground, _ = foreground(e.PID)
	}
	if isSSHServer(e) {
		e.conns = tcpOf(e.PID)
	}
}

// isUnit says whether a control group's name is that of a unit with processes.
func isUnit(name string) bool { return path.Ext(name) == ".service" || path.Ext(name) == ".scope" }

// unitOf is the last component of the process's cgroup that names a unit.
func unitOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return ""
	}
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.SplitN(line, ":", 3)
		if len(f) != 3 || (f[1] != "name=systemd" && f[1] != "") {
			continue
		}
		for p := f[2]; p != "/" && p != "."; p = path.Dir(p) {
			if u := path.Base(p); isUnit(u) {
				return u
			}
		}
	}
	return ""
}

func exitCode(status uint32) int {
	if sig := status & 0x7f; sig != 0 {
		return 128 + int(sig)
	}
	return int(status >> 8 & 0xff)
}

func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func splitArgv(b []byte) []string {
	b = bytes.TrimSuffix(b, []byte{0})
	if len(b) == 0 {
		return nil
	}
	return strings.Split(string(b), "\x00")
}

// idMap is a user namespace's uid_map or gid_map.
type idMap []struct{ inside, outside, count uint32 }

type idMaps struct{ uid, gid idMap }

func (m idMap) inside(outside uint32) int {
	for _, r := range m {
		if outside >= r.outside && outside-r.outside < r.count {
			return int(r.inside + outside - r.outside)
		}
	}
	return -1
}

func readIDMaps(pid int) idMaps {
	read := func(name string) (m idMap) {
		f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			return nil
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			var r struct{ inside, outside, count uint32 }
			if n, _ := fmt.Sscan(s.Text(), &r.inside, &r.outside, &r.count); n == 3 {
				m = append(m, r)
			}
		}
		return m
	}
	return idMaps{read("uid_map"), read("gid_map")}
}
