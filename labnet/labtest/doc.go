// Package labtest looks at a host and its labs from outside, for the programs
// that judge situlab: bench, green and hostdiff.
//
// In: names of labs and sites. Out: what the kernel says of processes, control
// groups and nodes. It must never ask situlab, nor read what a lab's controller
// has written: only the names of places are common knowledge.
package labtest
