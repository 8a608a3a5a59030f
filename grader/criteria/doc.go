// Package criteria is the référentiel as data: the CQPM "Administrateur(trice)
// / Gestionnaire de systèmes et réseaux informatiques", its six capacities
// with the criteria and sub-points of those that situlab observes (2, 3, 4),
// its modalities of assessment and its admission rule; and the two closed lists
// of the diagnosis form, causes and element classes.
//
// What comes in: the embedded YAML files. What goes out: values that nobody
// changes. What must never happen: a cause list that depends on the scenario,
// since the list itself would then betray the answer; an admission rule that is
// met while a capacity has no decision, since the tool sees three of six.
//
// The wording is our own and short; Ref points to the paragraph of the
// référentiel that decides. Files are read strictly (decode.go) and checked as a
// whole (validate.go).
package criteria
