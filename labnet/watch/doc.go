// Package watch observes the nodes of a lab from outside: which programs are
// executed, and by whom, down to children that execute nothing (three raw
// tracepoints), which files change (fanotify on each node's overlay), what is
// typed inside interactive programs (cut from the screen of a recorded terminal,
// see package term), and whether the host itself is healthy enough for the
// measurement to mean anything.
//
// In comes the host pid of each node's PID 1. Out come events, in channels, in
// the order of their source. Nothing runs inside a node and nothing that a node
// owns is trusted: names, arguments and screens are hostile data, given on as
// they are.
//
// What must never happen: an event lost in silence. Each source counts what it
// had to drop and says so by an event of its own (ExecLost, FileLost). Nor may
// work be given to the candidate that is a daemon's own: [Joiner] says where a
// program comes from only when it can show it (audit session, parents, the two
// ends of an ssh connection), and [Origin.Detached] otherwise.
package watch
