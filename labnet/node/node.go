package node

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// Spec describes one node before it exists.
type Spec struct {
	// Lab is the lab's name; with Name it identifies the node on the host.
	Lab string
	// Name is the node's name and its host name.
	Name string
	// Lowers are the read-only directories of the image, top layer first.
	Lowers []string
	// Disk is the host directory that holds the node's own writable layer; it
	// survives reboots and lies in the lab's fixed-size file system.
	Disk string
	// IDBase is the first host id of the node's own range of 65,536 ids.
	IDBase uint32
	// Memory is the limit in bytes, swap included; 0 means 96 MiB, enough for a
	// workstation (256 MiB for a server, 512 MiB for a database).
	Memory int64
	// PIDs is the limit of processes and threads; 0 means 1024.
	PIDs int64
	// CPUShares is the weight (cgroup v1 cpu.shares scale, 2 to 262144, 1024 =
	// normal); 0 leaves the kernel's default.
	CPUShares uint64
	// Sockets are the host's directories shown read-only in the node, each with
	// one listening unix socket in it: today only the desk's, on the
	// administration workstation. The runtime's own notify socket is not listed.
	Sockets []Socket
	// Volumes are the file systems that the node has beside its root. Their disks
	// are the lab's and survive what the node does: each life of the node finds
	// them mounted again.
	Volumes []Volume
}

// Volume is a file system of the host, shown in a node with its owners shifted to
// the node's ids: 0 on the disk is the node's root.
type Volume struct {
	// Dir is where it is mounted on the host.
	Dir string `json:"dir"`
	// Path is where it appears inside the node, absolute and clean. What a node
	// that has run before has in that place may keep it from appearing, as in life:
	// a file, or a link.
	Path string `json:"path"`
}

// Socket is a host directory holding one listening unix socket, shown in the
// node (design.md: exactly two sockets with a host peer are allowed).
type Socket struct {
	// HostDir is the mount point of a small tmpfs of its own (else the node's
	// mountinfo shows its path on the host). Every directory above it needs mode
	// x for others: the node's mapped root passes through them.
	HostDir string
	// Path is where the directory appears inside the node.
	Path string
}

// File is one file, directory or link written into a node's disk before its
// first boot or by a fault, from the host, never through a program of the node.
type File struct {
	// Path is absolute inside the node.
	Path string
	// Mode holds type and permission bits as in os.FileMode (os.ModeDir,
	// os.ModeSymlink or a regular file; os.ModeSetuid and so on are kept).
	Mode os.FileMode
	// User and Group are names of the node's own /etc/passwd and /etc/group, or
	// decimal ids; empty means root.
	User, Group string
	// Content is the file's bytes, or a link's target.
	Content []byte
	// ModTime is the time shown by the node; zero means now.
	ModTime time.Time
}

// Ground is what a lab gives its runtime to work on.
type Ground struct {
	// State is a directory of the runtime's own, absolute, kept until the lab is
	// removed.
	State string
	// IDs are the first ids of the ranges that the lab's nodes will have.
	IDs []uint32
	// Memory (bytes) and PIDs bound what all nodes use together, beside what each
	// may use; 0 is no bound.
	Memory, PIDs int64
}

// Runtime makes nodes.
type Runtime interface {
	// Create makes the node's namespaces, cgroups and root file system; nothing
	// runs in it yet. An existing Disk is kept (that is a reboot or a restart).
	Create(ctx context.Context, s Spec) (Node, error)
	// Adopt finds a node that an earlier process of the controller started.
	Adopt(ctx context.Context, s Spec) (Node, error)
	// Close releases what the runtime holds on the host (not the nodes).
	Close() error
}

// Reason says how a node's PID 1 ended.
type Reason string

// The reasons: a reboot and a poweroff are told apart by PID 1's wait status
// (SIGHUP and SIGINT, see reboot(2) on PID namespaces).
const (
	Rebooted   Reason = "reboot"
	PoweredOff Reason = "poweroff"
	Killed     Reason = "killed"
	Unknown    Reason = "unknown" // adopted nodes: the wait status went to another parent
)

// Left is the reason of a PID 1 that ended by itself with an exit status.
func Left(status int) Reason { return Reason(fmt.Sprintf("exit status %d", status)) }

// Command is a program to run inside a node.
type Command struct {
	Args []string
	Env  []string // KEY=value, in addition to the runtime's minimal environment
	Dir  string   // default "/"
	User string   // a name of the node's /etc/passwd; empty means root
	// Terminal asks for a pseudo-terminal; Rows and Cols are its first size.
	Terminal   bool
	Rows, Cols uint16
	Stdin      io.Reader
	Stdout     io.Writer
	Stderr     io.Writer // not with Terminal
}

// Node is one machine. Its methods may be called from several goroutines.
type Node interface {
	Name() string
	// PID is the host pid of the node's PID 1; 0 when it does not exist.
	PID() int
	// NetNS is the path of the node's network namespace (/proc/PID/ns/net).
	NetNS() string
	// Start starts PID 1. The cables should be in place before.
	Start(ctx context.Context) error
	// Ready is closed when systemd reports that the boot is complete.
	Ready() <-chan struct{}
	// Exited is closed when PID 1 has ended; Reason then tells why.
	Exited() <-chan struct{}
	// Reason is valid once Exited is closed.
	Reason() Reason
	// Exec runs a command in the node's namespaces and cgroup, under its
	// seccomp profile, and returns its exit status.
	Exec(ctx context.Context, c Command) (int, error)
	// Shutdown asks systemd to power off and waits; after the grace period it
	// kills. Kill ends everything at once.
	Shutdown(ctx context.Context, grace time.Duration) error
	Kill(ctx context.Context) error
	// Freeze and Thaw stop and continue all processes (a paused session).
	Freeze(ctx context.Context) error
	Thaw(ctx context.Context) error
	// SetShares changes the weight at the processors (Spec.CPUShares) of a node
	// that is created; os.ErrProcessDone if it is removed.
	SetShares(shares uint64) error
	// Remove deletes the ended node's namespaces, mounts and cgroups; its Disk
	// stays for the next Create. Removing twice is no error.
	Remove(ctx context.Context) error
	// Open opens a regular file of the node's tree for reading from the host,
	// immune to links, devices and races (threats.md D3); it works whether the
	// node runs or not, as long as it is created.
	Open(path string) (*os.File, error)
	// Write puts files into the node's disk, running or not, with owner and
	// time; parents that are missing are made (root, 0755). What lies on a volume
	// is written there.
	Write(files []File) error
	// Delete removes files (not directories with content) from the disk.
	Delete(paths []string) error
	// Layer is the host directory of the node's writable layer (an overlay's
	// upper directory), to be read only, and without following links. What is on a
	// volume is not in it.
	Layer() string
	// Volumes are the file systems that it has beside its root, with their places.
	Volumes() []Volume
	// Root is the host's view of the node's root file system, without what is
	// mounted over it (volumes too): for marks of fanotify(7) and for [os.OpenRoot] while
	// the node is stopped, never for opening files of a running node by path.
	Root() string
	// CGroup is the path of the node's cgroup relative to a hierarchy's root.
	CGroup() string
}
