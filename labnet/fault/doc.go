// Package fault breaks things on purpose: one kind per file, one table.
//
// A fault has a life: parsed from a scenario ([Parse]: parameters are checked,
// nothing is touched), injected, present or not, healed. A provisioned fault
// writes an artefact with a back-dated time into a node's disk; it works on the
// disk alone and asks nothing of a program of the node.
//
// What must never happen: an artefact that betrays its time or its author, a
// heal that leaves something else than what was before.
package fault
