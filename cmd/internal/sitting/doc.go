// Package sitting adds an assessor's decisions to a bundle.
//
// What comes in: a verified bundle, a name, records. What goes out: the same
// bundle with these records in the assessor's own journal, signed, put in the
// place of the old file in one step. What must never happen: a bundle that is
// half written; a decision that was acknowledged and is lost; a key that leaves
// this host or outlives the close.
//
// Between sittings the journal lies in the bundle, and its private key with the
// last checkpoint under HOME/jury/EVIDENCE/ (EVIDENCE: the beginning of the
// session's head):
//
//	SLUG.key         mode 0600; destroyed when the assessor closes
//	SLUG.checkpoint  what this host knows of the journal: an older copy of the
//	                 bundle, or one that decisions were taken out of, is noticed
package sitting
