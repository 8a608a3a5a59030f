package watch

import (
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// offsets are byte offsets in the running kernel's structures, read from its
// own type information (/sys/kernel/btf/vmlinux).
type offsets struct {
	taskPid, taskTgid, taskParent, taskLeader, taskThreadPid int16
	taskCred, taskComm, taskSignal, taskMM, taskExit         int16
	taskLogin, taskSession, taskCgroups                      int16
	pidLevel, pidNumbers, upidSize, upidNr, upidNS, nsInum   int16
	credUID, credGID, signalTTY, ttyName                     int16
	argStart, argEnd                                         int16
	cssCgrp, cgrpKn, knID, knName                            int16
	mmExe, fileInode, inodeIno                               int16
	taskFiles, filesFDT, fdtFD, inodeMode, inodeRdev         int16
}

// field is one offset wanted: a path of members, through embedded structures.
type field struct {
	to   *int16
	typ  string
	path []string
}

func kernelOffsets() (*offsets, error) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, &UnsupportedError{What: "the kernel has no type information (BTF)",
			Do: "use a kernel built with CONFIG_DEBUG_INFO_BTF; all current distributions' are", Err: err}
	}
	var o offsets
	for _, f := range []field{
		{&o.taskPid, "task_struct", []string{"pid"}},
		{&o.taskTgid, "task_struct", []string{"tgid"}},
		{&o.taskParent, "task_struct", []string{"real_parent"}},
		{&o.taskLeader, "task_struct", []string{"group_leader"}},
		{&o.taskThreadPid, "task_struct", []string{"thread_pid"}},
		{&o.taskCred, "task_struct", []string{"cred"}},
		{&o.taskComm, "task_struct", []string{"comm"}},
		{&o.taskSignal, "task_struct", []string{"signal"}},
		{&o.taskMM, "task_struct", []string{"mm"}},
		{&o.taskExit, "task_struct", []string{"exit_code"}},
		{&o.taskLogin, "task_struct", []string{"loginuid"}},
		{&o.taskSession, "task_struct", []string{"sessionid"}},
		{&o.taskCgroups, "task_struct", []string{"cgroups"}},
		{&o.pidLevel, "pid", []string{"level"}},
		{&o.pidNumbers, "pid", []string{"numbers"}},
		{&o.upidNr, "upid", []string{"nr"}},
		{&o.upidNS, "upid", []string{"ns"}},
		{&o.nsInum, "pid_namespace", []string{"ns", "inum"}},
		{&o.credUID, "cred", []string{"uid"}},
		{&o.credGID, "cred", []string{"gid"}},
		{&o.signalTTY, "signal_struct", []string{"tty"}},
		{&o.ttyName, "tty_struct", []string{"name"}},
		{&o.argStart, "mm_struct", []string{"arg_start"}},
		{&o.argEnd, "mm_struct", []string{"arg_end"}},
		{&o.cssCgrp, "css_set", []string{"dfl_cgrp"}},
		{&o.cgrpKn, "cgroup", []string{"kn"}},
		{&o.knID, "kernfs_node", []string{"id"}},
		{&o.knName, "kernfs_node", []string{"name"}},
		{&o.mmExe, "mm_struct", []string{"exe_file"}},
		{&o.fileInode, "file", []string{"f_inode"}},
		{&o.inodeIno, "inode", []string{"i_ino"}},
		{&o.taskFiles, "task_struct", []string{"files"}},
		{&o.filesFDT, "files_struct", []string{"fdt"}},
		{&o.fdtFD, "fdtable", []string{"fd"}},
		{&o.inodeMode, "inode", []string{"i_mode"}},
		{&o.inodeRdev, "inode", []string{"i_rdev"}},
	} {
		var s *btf.Struct
		if err := spec.TypeByName(f.typ, &s); err != nil {
			return nil, &UnsupportedError{What: "struct " + f.typ + " is not in the kernel's type information", Err: err}
		}
		if *f.to, err = offsetOf(s, f.path); err != nil {
			return nil, &UnsupportedError{What: "struct " + f.typ, Err: err}
		}
	}
	var upid *btf.Struct
	if err := spec.TypeByName("upid", &upid); err != nil {
		return nil, &UnsupportedError{What: "struct upid", Err: err}
	}
	o.upidSize = int16(upid.Size)
	return &o, nil
}

// offsetOf follows named members; members of anonymous structures and unions
// count as their parent's own, as in C.
func offsetOf(t btf.Type, path []string) (int16, error) {
	var off uint32
	for _, name := range path {
		m, at, ok := member(t, name)
		if !ok {
			return 0, fmt.Errorf("no member %q", name)
		}
		off += at
		t = m.Type
	}
	if off > 1<<15-1 {
		return 0, fmt.Errorf("member %v at %d is out of reach", path, off)
	}
	return int16(off), nil
}

func member(t btf.Type, name string) (btf.Member, uint32, bool) {
	var members []btf.Member
	switch s := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		members = s.Members
	case *btf.Union:
		members = s.Members
	}
	for _, m := range members {
		if m.Name == name {
			return m, m.Offset.Bytes(), true
		}
		if m.Name == "" {
			if found, at, ok := member(m.Type, name); ok {
				return found, at + m.Offset.Bytes(), true
			}
		}
	}
	return btf.Member{}, 0, false
}
