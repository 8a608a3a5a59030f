// Package grader turns the evidence of a session into a verdict.
//
// What comes in: the records of a journal (package evidence), and the
// référentiel (package criteria). What goes out: a Verdict, whose JSON is a
// fixed contract. Grade is a pure function: no clock, no file, no network, and
// the same records give the same bytes.
//
// What must never happen: a point is non_acquis because the environment failed
// or something was not recorded; a verdict that says "admitted" (the jury
// does); an outcome that depends on the name of a candidate or of a variant.
//
// # Outcomes
//
// A verdict has the capacities of which the situation declares a point, and
// no others. A point is decided by its rule (package check). A criterion
// leaves out its sans_objet points; with none left it is sans_objet, with a
// non_acquis one non_acquis, with all acquis acquis, else jury. A capacity is
// non_acquis only if two points of one of its criteria are; it is acquis only
// with enough material, which for capacity 3 is two incidents and a false
// alarm: a single session never has it, so the capacity is at best jury. A
// blocking flag caps it at jury as well.
package grader
