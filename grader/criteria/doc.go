// Package criteria is the référentiel as data: the six capacities of the CQPM
// "Administrateur(trice) / Gestionnaire de systèmes et réseaux informatiques",
// with the criteria and sub-points of those that situlab observes (2, 3, 4); and
// the two closed lists of the diagnosis form, causes and element classes.
//
// What comes in: the embedded YAML files. What goes out: values that nobody
// changes. What must never happen: a cause list that depends on the scenario,
// since the list itself would then betray the answer.
//
// The wording is our own and short; Ref points to the paragraph of the
// référentiel that decides.
package criteria
