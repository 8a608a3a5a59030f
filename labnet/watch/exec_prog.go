package watch

import (
	"github.com/cilium/ebpf/asm"
)

// The event as the kernel programs write it: a fixed head, then argv. Both
// sides of the layout are here.
const (
	evKind     = 0  // u64: kernelExec or kernelExit
	evBoot     = 8  // u64: CLOCK_BOOTTIME
	evNS       = 16 // u32: inum of the node's pid namespace
	evPID      = 20 // u32: in the controller's pid namespace
	evNodePID  = 24
	evPPID     = 28
	evUID      = 32
	evGID      = 36
	evLogin    = 40
	evSession  = 44
	evCGroup   = 48 // u64
	evStart    = 56 // u64: exit only, boottime of the last exec
	evExit     = 64
	evArgLen   = 68 // real length
	evArgKept  = 72
	evInMode   = 76 // u32: mode of the file that is standard input, 0 if closed
	evIno      = 80 // u64: inode of the program file
	evComm     = 88 // 16 bytes
	evTTY      = 104
	evTTYLen   = 24
	evParents  = 128 // maxParents u32, nearest first, 0 ends
	evInDev    = 160 // u32: device number of standard input
	evGroup    = 168 // name of the control group, a unit's
	evGroupLen = 96
	evHead     = evGroup + evGroupLen
	maxParents = 8

	// argvMax is how much of a command line is kept (bytes).
	argvMax = 4096

	kernelExec = 1
	kernelExit = 2
	kernelFork = 3

	// justRan is how long, in ns, all forks of a process are told after it was seen
	// to execute: meanwhile the reader says whether they matter (Execs.Follow).
	justRan = 1_000_000_000
)

// Slots of the programs' stacks.
const (
	stackA = -8  // u64 scratch
	stackB = -16 // u32: namespace inum, key of the nodes map
	stackC = -24 // u32: depth of the task's pid
	stackK = -32 // u32: key of the scratch map
	stackP = -40 // u64: the parent's task (fork)
	stackQ = -48 // u64: {namespace, pid} of the parent (fork)
	// maxDepth of pid namespaces searched for the node's (the kernel's limit is 32;
	// a controller deeper than this in containers is not met in life).
	maxDepth = 7
)

// tracer writes one of the three programs. Registers: R6 task, R7 the event being
// built, R8 struct pid of the task or a pointer being followed, R9 offset of
// the node's number in pid->numbers.
type tracer struct {
	o                                     *offsets
	nodes, scratch, seen, mine, out, lost int // map fds
	ins                                   asm.Instructions
}

func (t *tracer) add(i ...asm.Instruction) { t.ins = append(t.ins, i...) }

// read copies size bytes at src+off (kernel memory; zeroes on fault) to dst+at.
func (t *tracer) read(dst asm.Register, at int16, size int32, src asm.Register, off int16) {
	t.add(
		asm.Mov.Reg(asm.R3, src), asm.Add.Imm(asm.R3, int32(off)),
		asm.Mov.Reg(asm.R1, dst), asm.Add.Imm(asm.R1, int32(at)),
		asm.Mov.Imm(asm.R2, size),
		asm.FnProbeReadKernel.Call(),
	)
}

// follow loads the pointer at src+off into reg.
func (t *tracer) follow(reg, src asm.Register, off int16) {
	t.read(asm.RFP, stackA, 8, src, off)
	t.add(asm.LoadMem(reg, asm.RFP, stackA, asm.DWord))
}

// number copies the pid number at level R9/upidSize + delta of struct pid R8.
func (t *tracer) number(at int16, delta int16) {
	t.add(
		asm.Mov.Reg(asm.R3, asm.R8), asm.Add.Reg(asm.R3, asm.R9),
		asm.Add.Imm(asm.R3, int32(t.o.pidNumbers+t.o.upidNr+delta*t.o.upidSize)),
		asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, int32(at)),
		asm.Mov.Imm(asm.R2, 4),
		asm.FnProbeReadKernel.Call(),
	)
}

// enter finds the node of the task in R6; tasks of no node leave here, those of
// the host after a dozen instructions. The node is the pid namespace of the task
// or of one of its ancestors: nested namespaces stay with their node.
func (t *tracer) enter() {
	o := t.o
	t.follow(asm.R8, asm.R6, o.taskThreadPid)
	t.add(asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.RFP, stackC, asm.R1, asm.DWord))
	t.read(asm.RFP, stackC, 4, asm.R8, o.pidLevel)
	for i := int16(1); i <= maxDepth; i++ {
		t.add(asm.LoadMem(asm.R1, asm.RFP, stackC, asm.Word), asm.JLT.Imm(asm.R1, int32(i), "exit"))
		t.follow(asm.R9, asm.R8, o.pidNumbers+i*o.upidSize+o.upidNS)
		t.read(asm.RFP, stackB, 4, asm.R9, o.nsInum)
		t.add(
			asm.LoadMapPtr(asm.R1, t.nodes), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, stackB),
			asm.FnMapLookupElem.Call(),
			asm.Mov.Imm(asm.R9, int32(i*o.upidSize)), asm.JNE.Imm(asm.R0, 0, "found"),
		)
	}
	t.add(asm.Ja.Label("exit"))
	t.add(
		asm.StoreImm(asm.RFP, stackK, 0, asm.Word).WithSymbol("found"),
		asm.LoadMapPtr(asm.R1, t.scratch), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, stackK),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "exit"),
		asm.Mov.Reg(asm.R7, asm.R0),
		asm.LoadMem(asm.R1, asm.RFP, stackB, asm.Word), asm.StoreMem(asm.R7, evNS, asm.R1, asm.Word),
		asm.FnKtimeGetBootNs.Call(), asm.StoreMem(asm.R7, evBoot, asm.R0, asm.DWord),
	)
	t.number(evPID, -1)
	t.number(evNodePID, 0)
}

// submit sends the head and R8 further bytes, counting a failure.
func (t *tracer) submit() {
	t.add(
		asm.LoadMapPtr(asm.R1, t.out), asm.Mov.Reg(asm.R2, asm.R7),
		asm.Mov.Reg(asm.R3, asm.R8), asm.Add.Imm(asm.R3, evHead),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnRingbufOutput.Call(),
		asm.JEq.Imm(asm.R0, 0, "exit"),
		asm.LoadMapPtr(asm.R1, t.lost), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, stackK),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "exit"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("exit"), asm.Return(),
	)
}

// execProgram runs at each successful execve, after the new image is in place:
// what is recorded is what runs, not what the caller's memory said.
func (t *tracer) execProgram() asm.Instructions {
	o := t.o
	t.ins = nil
	t.add(asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord))
	t.enter()
	t.add(asm.Mov.Imm(asm.R1, kernelExec), asm.StoreMem(asm.R7, evKind, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R7, evStart, asm.R1, asm.DWord), asm.StoreImm(asm.R7, evExit, 0, asm.Word))
	t.add( // seen[{ns,pid}] = boottime, so that the exit of this pid is told
		asm.LoadMapPtr(asm.R1, t.seen), asm.Mov.Reg(asm.R2, asm.R7), asm.Add.Imm(asm.R2, evNS),
		asm.Mov.Reg(asm.R3, asm.R7), asm.Add.Imm(asm.R3, evBoot), asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call())
	t.read(asm.R7, evLogin, 4, asm.R6, o.taskLogin)
	t.read(asm.R7, evSession, 4, asm.R6, o.taskSession)
	t.read(asm.R7, evComm, 16, asm.R6, o.taskComm)
	t.follow(asm.R8, asm.R6, o.taskCred)
	t.read(asm.R7, evUID, 4, asm.R8, o.credUID)
	t.read(asm.R7, evGID, 4, asm.R8, o.credGID)
	t.follow(asm.R8, asm.R6, o.taskSignal)
	t.follow(asm.R8, asm.R8, o.signalTTY)
	t.read(asm.R7, evTTY, evTTYLen, asm.R8, o.ttyName) // no terminal: a fault at a small address, zeroes
	t.follow(asm.R8, asm.R6, o.taskCgroups)
	t.follow(asm.R8, asm.R8, o.cssCgrp)
	t.follow(asm.R8, asm.R8, o.cgrpKn)
	t.read(asm.R7, evCGroup, 8, asm.R8, o.knID)
	t.follow(asm.R8, asm.R8, o.knName)
	t.add(
		asm.StoreImm(asm.R7, evGroup, 0, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, evGroup), asm.Mov.Imm(asm.R2, evGroupLen),
		asm.Mov.Reg(asm.R3, asm.R8), asm.FnProbeReadKernelStr.Call(),
	)
	// What standard input is: task->files->fdt->fd[0]. A closed one is a fault at a
	// small address, zeroes.
	t.follow(asm.R8, asm.R6, o.taskFiles)
	t.follow(asm.R8, asm.R8, o.filesFDT)
	t.follow(asm.R8, asm.R8, o.fdtFD)
	t.follow(asm.R8, asm.R8, 0)
	t.follow(asm.R8, asm.R8, o.fileInode)
	t.add(asm.StoreImm(asm.R7, evInMode, 0, asm.Word))
	t.read(asm.R7, evInMode, 2, asm.R8, o.inodeMode)
	t.read(asm.R7, evInDev, 4, asm.R8, o.inodeRdev)
	for i := range int16(maxParents) {
		t.add(asm.StoreImm(asm.R7, evParents+4*i, 0, asm.Word))
	}
	// R6 walks up: the parent of a process is the leader of the thread that forked it.
	t.follow(asm.R8, asm.R6, o.taskMM)
	t.add(asm.StoreMem(asm.RFP, stackC, asm.R8, asm.DWord))
	for i := range int16(maxParents) {
		t.follow(asm.R6, asm.R6, o.taskParent)
		t.follow(asm.R6, asm.R6, o.taskLeader)
		t.follow(asm.R8, asm.R6, o.taskThreadPid)
		t.number(evParents+4*i, -1)
		// Above process 1 of the controller's own namespace there is nothing of ours.
		t.add(asm.LoadMem(asm.R1, asm.R7, evParents+4*i, asm.Word), asm.JLE.Imm(asm.R1, 1, "parents"))
	}
	t.add(asm.LoadMem(asm.R1, asm.R7, evParents, asm.Word).WithSymbol("parents"),
		asm.StoreMem(asm.R7, evPPID, asm.R1, asm.Word))
	// The program file's inode, then argv.
	t.add(asm.LoadMem(asm.R6, asm.RFP, stackC, asm.DWord))
	t.follow(asm.R8, asm.R6, o.mmExe)
	t.follow(asm.R8, asm.R8, o.fileInode)
	t.read(asm.R7, evIno, 8, asm.R8, o.inodeIno)
	t.follow(asm.R9, asm.R6, o.argStart)
	t.follow(asm.R8, asm.R6, o.argEnd)
	t.add(
		asm.Sub.Reg(asm.R8, asm.R9), // length; huge when nonsense
		asm.StoreMem(asm.R7, evArgLen, asm.R8, asm.Word),
		asm.JLE.Imm(asm.R8, argvMax, "fits"), asm.Mov.Imm(asm.R8, argvMax),
		asm.Mov.Reg(asm.R1, asm.R7).WithSymbol("fits"), asm.Add.Imm(asm.R1, evHead),
		asm.Mov.Reg(asm.R2, asm.R8), asm.Mov.Reg(asm.R3, asm.R9),
		asm.FnProbeReadUser.Call(),
		asm.JEq.Imm(asm.R0, 0, "kept"), asm.Mov.Imm(asm.R8, 0),
		asm.StoreMem(asm.R7, evArgKept, asm.R8, asm.Word).WithSymbol("kept"),
	)
	t.submit()
	return t.ins
}

// leaders lets only the task in R6 pass that is its process's first thread.
func (t *tracer) leaders() {
	t.read(asm.RFP, stackA, 4, asm.R6, t.o.taskPid)
	t.read(asm.RFP, stackB, 4, asm.R6, t.o.taskTgid)
	t.add(asm.LoadMem(asm.R1, asm.RFP, stackA, asm.Word), asm.LoadMem(asm.R2, asm.RFP, stackB, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "exit"))
}

// exitProgram runs when a thread ends; the leader's end of a process that was
// seen to exec, or whose fork was told, is told.
func (t *tracer) exitProgram() asm.Instructions {
	o := t.o
	t.ins = nil
	t.add(asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord))
	t.leaders()
	t.enter()
	t.add(
		asm.LoadMapPtr(asm.R1, t.seen), asm.Mov.Reg(asm.R2, asm.R7), asm.Add.Imm(asm.R2, evNS),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "exit"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.StoreMem(asm.R7, evStart, asm.R1, asm.DWord),
		asm.LoadMapPtr(asm.R1, t.seen), asm.Mov.Reg(asm.R2, asm.R7), asm.Add.Imm(asm.R2, evNS),
		asm.FnMapDeleteElem.Call(),
		asm.LoadMapPtr(asm.R1, t.mine), asm.Mov.Reg(asm.R2, asm.R7), asm.Add.Imm(asm.R2, evNS),
		asm.FnMapDeleteElem.Call(),
		asm.Mov.Imm(asm.R1, kernelExit), asm.StoreMem(asm.R7, evKind, asm.R1, asm.DWord),
		asm.StoreImm(asm.R7, evArgLen, 0, asm.Word), asm.StoreImm(asm.R7, evArgKept, 0, asm.Word),
	)
	t.read(asm.R7, evExit, 4, asm.R6, o.taskExit)
	t.read(asm.R7, evSession, 4, asm.R6, o.taskSession)
	t.add(asm.Mov.Imm(asm.R8, 0))
	t.submit()
	return t.ins
}

// forkProgram runs when a task has been copied, before the copy runs: what a
// child does without executing anything belongs to whom its parent does. Told are
// the children of processes with an audit session (a terminal's), of those that
// the reader follows, and, since the reader is always a moment late, of those
// that executed something just now. A node's daemons fork in silence.
func (t *tracer) forkProgram() asm.Instructions {
	o := t.o
	t.ins = nil
	t.add(asm.LoadMem(asm.R6, asm.R1, 8, asm.DWord), // the child; at 0 its parent
		asm.LoadMem(asm.R1, asm.R1, 0, asm.DWord), asm.StoreMem(asm.RFP, stackP, asm.R1, asm.DWord))
	t.leaders()
	t.enter()
	t.read(asm.R7, evSession, 4, asm.R6, o.taskSession)
	t.add(asm.LoadMem(asm.R6, asm.RFP, stackP, asm.DWord))
	t.follow(asm.R6, asm.R6, o.taskLeader)
	t.follow(asm.R8, asm.R6, o.taskThreadPid)
	t.number(evPPID, -1)
	t.add(
		asm.LoadMem(asm.R1, asm.R7, evNS, asm.Word), asm.StoreMem(asm.RFP, stackQ, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R7, evPPID, asm.Word), asm.StoreMem(asm.RFP, stackQ+4, asm.R1, asm.Word),
		// The child of one that is followed is followed.
		asm.LoadMapPtr(asm.R1, t.mine), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, stackQ),
		asm.FnMapLookupElem.Call(),
		asm.JNE.Imm(asm.R0, 0, "mine"),
		asm.LoadMem(asm.R1, asm.R7, evSession, asm.Word),
		asm.Mov.Imm32(asm.R2, -1), asm.JNE.Reg(asm.R1, asm.R2, "tell"),
		asm.LoadMapPtr(asm.R1, t.seen), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, stackQ),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "exit"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.LoadMem(asm.R2, asm.R7, evBoot, asm.DWord),
		asm.Sub.Reg(asm.R2, asm.R1), asm.JGT.Imm(asm.R2, justRan, "exit"),
		asm.Ja.Label("tell"),
		asm.LoadMapPtr(asm.R1, t.mine).WithSymbol("mine"), asm.Mov.Reg(asm.R2, asm.R7), asm.Add.Imm(asm.R2, evNS),
		asm.Mov.Reg(asm.R3, asm.R7), asm.Add.Imm(asm.R3, evBoot), asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
		// Its end is told, and what it forks in its turn.
		asm.LoadMapPtr(asm.R1, t.seen).WithSymbol("tell"), asm.Mov.Reg(asm.R2, asm.R7), asm.Add.Imm(asm.R2, evNS),
		asm.Mov.Reg(asm.R3, asm.R7), asm.Add.Imm(asm.R3, evBoot), asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
		asm.Mov.Imm(asm.R1, kernelFork), asm.StoreMem(asm.R7, evKind, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R8, 0),
	)
	t.submit()
	return t.ins
}
