// Package check holds the rules of the sub-points: evidence in, findings out.
//
// What comes in: the records of a session and its facts (package evidence).
// What goes out: one Finding per declared point, and flags. Nothing here reads
// a clock, a file or the network, and nothing sees the names of the candidate
// or of the variant: NewView drops session.identity records before any rule
// runs.
//
// What must never happen: a point is non_acquis because something could not
// be observed. Rules that conclude from an absence look at View.Lossy first.
//
// # How a rule reads time
//
// All times are the records' boot_ns. Paused spans do not count (View.Active).
// Every threshold is multiplied by the session's time factor.
//
// # How commands are read
//
// A command is an exec that descends from a recorded terminal, or a line typed
// inside an interactive program. Wrappers (ssh, sudo, sh, timeout ...) are not
// commands; what they execute is recorded on its own. commands.go and
// tables.go sort commands into tests and changes. A test is relevant when it
// looks at the broken chain (Facts.Targets) and discriminating when it is
// relevant and would show some families of causes and not others.
//
// Changes of one program on one node that follow each other without a test in
// between (the lines of one vtysh configuration, a file edited and saved) are
// one change.
package check
