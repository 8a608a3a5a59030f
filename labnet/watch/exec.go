package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// ExecConfig tunes [NewExecs]; the zero value is right.
type ExecConfig struct {
	// RingBytes is the size of the kernel's buffer, a power of two; 0 means 8 MiB,
	// about 30,000 command lines.
	RingBytes int
	// Poll is how often the loss counters are read; 0 means 500 ms.
	Poll time.Duration
	// queue is the length of the channel of events (tests).
	queue int
}

// ExecKind says what an ExecEvent tells.
type ExecKind uint8

// The kinds.
const (
	ExecStart ExecKind = iota + 1
	ExecExit
	// ExecFork is a process that has executed nothing yet, told of those only that
	// may be somebody's work (see Follow). Of an ExecFork only ID, the times, Node,
	// the pids and Session are known.
	ExecFork
	// ExecLost says that Lost events since the last such event were dropped by
	// the kernel because the reader did not keep up; they are of unknown nodes.
	ExecLost
)

// Stdin says what a program's standard input is.
type Stdin uint8

// The kinds of standard input.
const (
	StdinClosed Stdin = iota
	StdinTerminal
	StdinNull  // /dev/null
	StdinOther // a pipe, a file, a socket
)

// NoSession is the audit session id, and the login uid, of a process without.
const NoSession = 1<<32 - 1

// ExecEvent is one program started (a successful execve) or ended, or a process
// forked. Strings come from the node: hostile.
type ExecEvent struct {
	Kind ExecKind
	// ID is shared by a start and its end, unique for one Execs. A process that
	// executes twice has two starts; each gets its end when the process ends.
	ID uint64
	// BootNS is CLOCK_BOOTTIME of the event, StartNS of the start (of an end, or
	// of the same event).
	BootNS, StartNS int64
	Node            string
	// PID and PPID are the controller's numbers; NodePID and NodePPID the node's own
	// (0: unknown, or outside the node).
	PID, NodePID, PPID, NodePPID int
	// Parents are the ancestors' pids, nearest first, at most eight; those above
	// the node's PID 1 are processes of the host.
	Parents []int
	// UID and GID are the controller's numbers, NodeUID and NodeGID the node's
	// (-1: not mapped).
	UID, GID         uint32
	NodeUID, NodeGID int
	Comm, TTY        string
	// Foreground: it had its terminal when it was asked, right after the event.
	Foreground bool
	Stdin      Stdin
	// Exe and Cwd are read after the event, empty if the process was gone.
	Exe, Cwd string
	// Inode of the program file: what runs, whatever it is called.
	Inode uint64
	// LoginUID and Session are the audit ones, [NoSession] if unset.
	LoginUID, Session uint32
	// CGroup is the id on the unified hierarchy (one per node on cgroup v1).
	CGroup uint64
	// Unit is the node's systemd unit, by the name of the group on the unified
	// hierarchy; where systemd does not use that, if it could be read in time.
	Unit string
	Argv []string
	// ArgvBytes is the real length; Truncated if more than 4 KiB, of which Argv
	// has the beginning.
	ArgvBytes int
	Truncated bool
	// Code of an end is the exit status or 128 + signal.
	Code int
	// Lost of an ExecLost.
	Lost uint64

	ns uint32 // of the node's pid namespace
	// conns are the TCP sockets an sshd held when it was executed.
	conns []conn
}

// Execs observes the programs of the nodes it was told of.
type Execs struct {
	nodes  *ebpf.Map
	mine   *ebpf.Map
	lostM  *ebpf.Map
	progs  []*ebpf.Program
	links  []link.Link
	maps   []*ebpf.Map
	reader *ringbuf.Reader
	events chan ExecEvent
	poll   time.Duration

	mu   sync.Mutex
	byNS map[uint32]*watched
	byID map[string]uint32

	live   map[pidKey][]started
	nextID uint64
	lost   atomic.Uint64
	done   sync.WaitGroup
	cancel context.CancelFunc
}

type watched struct {
	name string
	ids  idMaps
}

type pidKey struct {
	ns  uint32
	pid uint32
}

type started struct {
	id      uint64
	start   int64
	nodePID int
	fork    bool
}

// NewExecs loads the three kernel programs and attaches them. Nodes are added
// afterwards, best between create and start so that not even PID 1 is missed.
// The error matches [ErrUnsupported] when the host cannot.
func NewExecs(ctx context.Context, c ExecConfig) (_ *Execs, err error) {
	if c.RingBytes == 0 {
		c.RingBytes = 8 << 20
	}
	if c.queue == 0 {
		c.queue = 4096
	}
	if c.Poll == 0 {
		c.Poll = 500 * time.Millisecond
	}
	o, err := kernelOffsets()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	x := &Execs{events: make(chan ExecEvent, c.queue), poll: c.Poll, cancel: cancel,
		byNS: map[uint32]*watched{}, byID: map[string]uint32{}, live: map[pidKey][]started{}}
	defer func() {
		if err != nil {
			_ = x.release() // the first error is the one that counts
			cancel()
		}
	}()
	if err := x.load(o, c.RingBytes); err != nil {
		return nil, err
	}
	x.done.Add(2)
	go x.readLoop(ctx)
	go func() { // the reader's deadline is the context
		defer x.done.Done()
		<-ctx.Done()
		x.reader.Close()
	}()
	return x, nil
}

func (x *Execs) newMap(s *ebpf.MapSpec) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(s)
	if err != nil {
		return nil, cannotBPF("cannot make the map "+s.Name, err)
	}
	x.maps = append(x.maps, m)
	return m, nil
}

func cannotBPF(what string, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.ENOSYS) {
		return &UnsupportedError{What: what, Do: "run as root with CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN", Err: err}
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (x *Execs) load(o *offsets, ringBytes int) error {
	var err error
	if x.nodes, err = x.newMap(&ebpf.MapSpec{Name: "situ_nodes", Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 4096}); err != nil {
		return err
	}
	scratch, err := x.newMap(&ebpf.MapSpec{Name: "situ_scratch", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: evHead + argvMax, MaxEntries: 1})
	if err != nil {
		return err
	}
	seen, err := x.newMap(&ebpf.MapSpec{Name: "situ_seen", Type: ebpf.LRUHash, KeySize: 8, ValueSize: 8, MaxEntries: 1 << 16})
	if err != nil {
		return err
	}
	if x.mine, err = x.newMap(&ebpf.MapSpec{Name: "situ_mine", Type: ebpf.LRUHash, KeySize: 8, ValueSize: 8, MaxEntries: 1 << 14}); err != nil {
		return err
	}
	if x.lostM, err = x.newMap(&ebpf.MapSpec{Name: "situ_lost", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1}); err != nil {
		return err
	}
	ring, err := x.newMap(&ebpf.MapSpec{Name: "situ_ring", Type: ebpf.RingBuf, MaxEntries: uint32(ringBytes)})
	if err != nil {
		return err
	}
	t := &tracer{o: o, nodes: x.nodes.FD(), scratch: scratch.FD(), seen: seen.FD(), mine: x.mine.FD(), out: ring.FD(), lost: x.lostM.FD()}
	for _, p := range []struct {
		point string
		ins   asm.Instructions
	}{{"sched_process_exec", t.execProgram()}, {"sched_process_exit", t.exitProgram()}, {"sched_process_fork", t.forkProgram()}} {
		prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "situ_" + p.point[len("sched_process_"):], Type: ebpf.RawTracepoint, License: "GPL", Instructions: p.ins})
		if err != nil {
			return cannotBPF("cannot load the program for "+p.point, err)
		}
		x.progs = append(x.progs, prog)
		l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: p.point, Program: prog})
		if err != nil {
			return cannotBPF("cannot attach to "+p.point, err)
		}
		x.links = append(x.links, l)
	}
	if x.reader, err = ringbuf.NewReader(ring); err != nil {
		return cannotBPF("cannot read events", err)
	}
	return nil
}

// Add observes the node whose PID 1 has the host pid initPID; a node that was
// rebooted has a new pid namespace and is added again, which replaces it.
func (x *Execs) Add(node string, initPID int) error {
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/pid", initPID), &st); err != nil {
		return fmt.Errorf("watch node %s (pid %d): %w", node, initPID, err)
	}
	var own unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &own); err != nil {
		return err
	}
	if st.Ino == own.Ino {
		return fmt.Errorf("watch node %s: pid %d is in the host's own pid namespace", node, initPID)
	}
	w := &watched{name: node, ids: readIDMaps(initPID)}
	ns := uint32(st.Ino)
	x.mu.Lock()
	defer x.mu.Unlock()
	if old, ok := x.byID[node]; ok && old != ns {
		_ = x.nodes.Delete(old)
	}
	x.byNS[ns], x.byID[node] = w, ns
	if err := x.nodes.Put(ns, uint32(1)); err != nil {
		return fmt.Errorf("watch node %s: %w", node, err)
	}
	return nil
}

// Follow has the kernel tell what the process of an event, an ExecStart or an
// ExecFork, forks from now on, and its children in their turn. It ends with the
// process.
func (x *Execs) Follow(e *ExecEvent) error {
	key := [2]uint32{e.ns, uint32(e.PID)}
	if err := x.mine.Put(key, uint64(e.BootNS)); err != nil {
		return fmt.Errorf("follow process %d of %s: %w", e.PID, e.Node, err)
	}
	return nil
}

// Remove stops observing a node; an unknown one is no error.
func (x *Execs) Remove(node string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if ns, ok := x.byID[node]; ok {
		_ = x.nodes.Delete(ns)
		delete(x.byID, node)
	}
}

// Events is closed by Close. Who does not read makes the kernel's buffer fill:
// loss, counted.
func (x *Execs) Events() <-chan ExecEvent { return x.events }

// Lost is how many events were lost so far; exact after Close, when it may be
// more than the ExecLost events told.
func (x *Execs) Lost() uint64 { return x.lost.Load() }

// Close detaches the programs and closes Events.
func (x *Execs) Close() error {
	x.cancel()
	x.done.Wait()
	x.lost.Store(max(x.lost.Load(), x.drops()))
	return x.release()
}

func (x *Execs) release() error {
	var errs []error
	for _, l := range x.links {
		errs = append(errs, l.Close())
	}
	for _, p := range x.progs {
		errs = append(errs, p.Close())
	}
	for _, m := range x.maps {
		errs = append(errs, m.Close())
	}
	if x.reader != nil {
		if err := x.reader.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	x.links, x.progs, x.maps = nil, nil, nil
	return errors.Join(errs...)
}

// drops reads the kernel's counters: failed outputs and programs not run
// because one was already running on that CPU.
func (x *Execs) drops() uint64 {
	var n uint64
	var per []uint64
	if x.lostM.Lookup(uint32(0), &per) == nil {
		for _, v := range per {
			n += v
		}
	}
	for _, p := range x.progs {
		if s, err := p.Stats(); err == nil {
			n += s.RecursionMisses
		}
	}
	return n
}

func (x *Execs) readLoop(ctx context.Context) {
	defer x.done.Done()
	defer close(x.events)
	var rec ringbuf.Record
	next := time.Now().Add(x.poll)
	for {
		x.reader.SetDeadline(next)
		err := x.reader.ReadInto(&rec)
		if now := time.Now(); !now.Before(next) {
			next = now.Add(x.poll)
			if n := x.drops(); n > x.lost.Load() {
				e := ExecEvent{Kind: ExecLost, BootNS: bootNow(), Lost: n - x.lost.Load()}
				x.lost.Store(n)
				if !x.send(ctx, e) {
					return
				}
			}
		}
		switch {
		case err == nil:
			for _, e := range x.decode(rec.RawSample) {
				if !x.send(ctx, e) {
					return
				}
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
		default:
			return
		}
	}
}

func (x *Execs) send(ctx context.Context, e ExecEvent) bool {
	select {
	case x.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// Now is the clock of the events.
func Now() int64 { return bootNow() }

// bootNow is CLOCK_BOOTTIME in ns.
func bootNow() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}
