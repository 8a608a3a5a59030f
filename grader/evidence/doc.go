// Package evidence holds what a session leaves behind: the journal, its closed
// list of record types, and the bundle, the one file that carries a session.
//
// What comes in: typed payloads from the recorders (the session appends them).
// What goes out: append-only segments of records with signed checkpoints, and a
// deterministic archive that the grader and the report read and that anybody
// can verify offline. What must never happen: a record that was acknowledged as
// durable and is lost; two byte sequences that mean the same record; a damaged
// record that is read as if it were sound; a change after the signature that
// Verify does not name.
//
// # The journal
//
// A journal is a directory:
//
//	000001.seg ...  segments, at most 64 MiB each, numbered without a gap
//	checkpoints     signed notes, each followed by an empty line
//	cut-1 ...       what recoveries have cut off, as it was
//	acked           for recovery only: how many records were acknowledged
//
// A segment is a text file with one record per line (so that cut -c19- and jq
// work on it):
//
//	LLLLLLLL CCCCCCCC {JSON}\n
//
// L is the length of the JSON in bytes, C its CRC-32C (Castagnoli), both as
// eight lower-case hexadecimal digits. The first record of a segment follows
// the last one of the segment before; a record is never split. The JSON is one
// object; its fields stand in this order and no other is allowed:
//
//	seq      1, 2, 3 ... without a gap, through all segments
//	boot_ns  CLOCK_BOOTTIME of the event in nanoseconds
//	wall     the wall clock of the event, RFC 3339, UTC, nanoseconds
//	lab      the lab's name
//	session  the session's id
//	source   the recorder that wrote it ("watch.exec", "desk", "controller")
//	type     one of the types of types.go
//	node     the node concerned, left out when there is none
//	actor    who acted ("candidate", "system", "user:..."), left out if nobody
//	data     the payload, a JSON object of the type's Go struct
//	prev     the hash of the record before, for the first one 64 zeros
//	hash     SHA-256 in lower-case hex over the JSON from its first "{" up to,
//	         not including, the text `,"hash":`
//
// Since prev is covered by hash, the last hash (the head, written
// "sha256:<hex>") commits to the whole journal.
//
// The encoding is canonical: compact, fields in the order of the Go structs,
// map keys sorted, strings as encoding/json writes them without HTML escaping.
// A reader decodes each line strictly (unknown fields, unknown types and
// missing objects are errors), encodes the result again and refuses the line
// if the bytes differ. So each record has exactly one spelling.
//
// # A worked example
//
// One record, folded here over several lines:
//
//	00000144 6c1e11c9 {"seq":1,"boot_ns":5000000000,
//	"wall":"2026-03-02T08:00:00Z","lab":"demo","session":"s1",
//	"source":"controller","type":"clock.paused",
//	"data":{"reason":"pause","automatic":false},
//	"prev":"0000000000000000000000000000000000000000000000000000000000000000",
//	"hash":"<64 hex digits>"}
//
// TestWorkedExample holds the real hash of this line.
//
// # Checkpoints
//
// The records are the leaves of a Merkle tree (RFC 6962): the hash of a leaf is
// SHA-256 over a zero byte and the record's JSON. A checkpoint signs the tree
// over the first N records, in the form of C2SP tlog-checkpoint and signed-note
// with one extension line, the hash of record N:
//
//	situlab/LAB/SESSION
//	N
//	<root, base64>
//	head sha256:<hex>
//
//	— situlab/LAB/SESSION <Ed25519 signature, base64>
//
// The key is made for the session and never leaves the controller's memory,
// but for Options.KeyFile, which a resume needs; after the last record it is
// destroyed. The verifier key stands in the first record (journal_key). A
// checkpoint is made after the first record, every 1,000 records or 5 s, and
// after clock.paused, session.finish and the last one; always after its records
// are on disk. From a checkpoint kept elsewhere and a proof (Verification.Prove,
// C2SP tlog-proof with the record as extra data) one record can be shown to be
// authentic without any other.
//
// # Durability
//
// Append returns when the record is written and has its sequence number; with
// Entry.Durable it returns after fdatasync. Writes of all goroutines share one
// fdatasync (group commit, at most CommitEvery). What has failed is never tried
// again, since the kernel may have dropped the dirty pages: every Append waits
// (or fails, without Options.Failed), and Mend ends the segment after its last
// record that is on disk and begins a new one with the lines that waited in
// memory, and a recorder.stalled record.
//
// Continue goes on after a crash. It cuts what is not whole at the end of the
// last segment (and of the checkpoints), keeps the bytes in a file cut-N and
// writes a recorder.recovery record. It refuses everything that a crash cannot
// do, with a DamageError that names segment, offset and record: damage in an
// earlier segment, a missing segment, a broken chain, and damage or absence of
// a record that was acknowledged, as far as checkpoints and the file acked know
// (acked is exact after a kill, and may be old after a power cut). What is
// found is written anew, so that it is on disk whatever the cache has claimed.
//
// # The bundle
//
// bundle.situlab is a gzip-compressed tar with fixed metadata (no times, no
// owners, names sorted), hence identical bytes for identical content. See
// bundle.go for the names inside. Each file beside the journal is sealed by a
// session.files record, but for verdict and report, which are made from the
// evidence and can be made again.
//
// # The journals of those who decide
//
// The session's journal is ended and signed when somebody decides on what it
// shows; nothing is added to it. Each assessor has a journal of their own in the
// bundle, in the folder jury/SLUG/ (JurySlug of the name), of the same segments
// and checkpoints. Its records bear the session's lab, and as session
// SESSION/jury/SLUG. The first one is decision.start with the assessor's name,
// the head of the session's journal and the key that signs this one; decision.*
// and recorder.* records follow; after decision.end there is nothing more. A
// journal without decision.end is open, which is no damage; all its records are
// signed. A later decision on the same thing takes the earlier one's place in the
// reading, and both stay. decision.start and decision.end name the heads of the
// other assessors' journals that were in the bundle then: one that is taken away
// afterwards is missed. One that is taken away whole before anybody else has
// begun is missed only by who kept its head or a checkpoint.
//
// # Verification
//
// Verify needs the files and nothing else. It checks each record, the chain,
// each signature and the tree under it, that the last record is session.end and
// is signed, the sealed facts and files, what recoveries have cut, and the same for each assessor's journal; every
// deviation is a Damage with a code, a place and a sentence in both languages.
// Who holds the bundle and writes everything anew, with another key in the first
// record, is consistent: only what left the machine in time (a head, a
// checkpoint) shows it. Without such a witness, End is false. testdata/verify.py
// is a second verifier, written from this text.
package evidence
