// Package jury reads and makes the decisions of assessors.
//
// What comes in: the verdict (proposals) and the assessors' journals of a bundle,
// as evidence.Verify has read them. What goes out: each assessor's sheet, what
// a new decision must look like, how far two assessors agree, and where the
// capacities stand. What must never happen: a proposal that a decision hides; an
// agreement that is claimed and not computed; a word on admissibility.
package jury
