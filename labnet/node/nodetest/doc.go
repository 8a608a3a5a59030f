// Package nodetest is the suite that every runtime of nodes passes.
//
// In: a function that makes the runtime, and the directories of an image with
// systemd. Out: a test result. The verdict comes from the host's side wherever
// the host can see; a program of the node is believed only about what the
// candidate would be shown.
//
// What must never happen: a check that would also pass on a node that does not
// run.
package nodetest
