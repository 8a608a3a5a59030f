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
// commands; what they execute is recorded on its own. classify.go, programs.go
// and tables.go sort commands into tests and changes.
//
// A test looks somewhere. It is relevant when that is on the chain between the
// users hit and their services (Facts.Targets) and it shows causes that can lie
// there and give the symptom; it discriminates when another possible cause of
// the common list would give another result (View.judge).
//
// Changes of one program on one node that follow each other without a test in
// between (the lines of one vtysh configuration, a file edited and saved) are
// one change. What no program's name tells, the kernel's network state does
// (netstate.go), and the files (changes.go).
package check
