// Package scenarios holds what people write: sites (a company's information
// system) and scenarios (a situation on a site), as YAML with plain files and
// Markdown beside it.
//
// In: a folder of the embedded library or of the disk. Out: checked values of
// the types [Site] and [Scenario]; with a seed, a [Variant]: the same site with
// every name and address concrete, the files of every node before its first
// boot, and the fault to break it with.
//
// The Go types are the schema: strict decoding, JSON Schema and the reference
// in the README come from them. Every mistake is reported with file:line:column,
// all of them at once ([ErrorList]).
//
// What must never happen: two expansions of one seed that differ, a scenario
// that runs code on the host, a file outside the scenario's folder read.
//
// This package imports no other package of situlab.
package scenarios
