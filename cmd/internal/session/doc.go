// Package session plays one candidate on one variant: it is the one room that
// knows both the lab and the grader.
//
// scenario + seed -> lab, proven green -> fault, cold start, admitted ->
// candidate (observed) -> finish -> examinations -> facts revealed -> verdict,
// report, one bundle.
//
// In: [Options]. Out: a [Result] with the paths of bundle, verdict and report.
// Everything that happens goes through the journal first; what the candidate is
// told afterwards is only what the journal holds.
//
// A session outlives its controller. What a next one needs lies in its folder
// (kept.go), a guard stops the machines meanwhile (guard.go), and Resume goes on
// from what the journal tells (replay.go), with the same machines and terminals.
//
// What must never happen: a verdict on an environment that was not proven, a
// declaration acknowledged before it is on disk, the answer shown to the
// candidate, something left on the host.
package session
