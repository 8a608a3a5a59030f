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
// What must never happen: a verdict on an environment that was not proven, a
// declaration acknowledged before it is on disk, the answer shown to the
// candidate, something left on the host.
package session
