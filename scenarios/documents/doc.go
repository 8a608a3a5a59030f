// Package documents makes the candidate's documents from a site: plan,
// addressing, inventory, flows, service levels, calendar, policies, contacts,
// logbook, procedures and product notes.
//
// In: an expanded [scenarios.Site] (that of a variant holds the scenario's lines
// of the logbook) and [Options]: language, start of the session, time factor.
// Out: Markdown ([Render]), and from it a text for a terminal ([Text]) or HTML
// ([HTML]); the plan's picture ([Plan], SVG); or all files at once ([Dossier]).
//
// Everything that names a machine, an address, a person or a level of service
// comes from the site, so that documents and lab can never disagree. The words
// around it are the templates of the folder text, one file per document and
// language. Product notes are general: they say how to look and how to repair,
// never what is broken.
//
// What must never happen: a secret's value in a document, a document that
// differs between two renderings of the same site and start, a fact in one
// language that the other lacks.
package documents
