package evidence

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// proofHeader begins a proof (C2SP tlog-proof).
const proofHeader = "c2sp.org/tlog-proof@v1"

// Prove shows that record seq is in the journal without showing any other: the
// record (as "extra"), its path to the root, and a checkpoint, the first one
// that covers it. v must come from Verify.
func (v *Verification) Prove(seq uint64) (string, error) {
	if seq < 1 || seq > v.Records {
		return "", fmt.Errorf("no record %d; the journal has %d", seq, v.Records)
	}
	verifier, err := note.NewVerifier(v.Key)
	if err != nil {
		return "", fmt.Errorf("the session's key: %w", err)
	}
	notes, _ := splitCheckpoints(v.journal[CheckpointsName])
	for _, msg := range notes {
		c, err := parseCheckpoint(msg, verifier)
		if err != nil || c.Size < seq || c.Size > v.Records || rootAt(v.scan, c.Size) != c.Root {
			continue
		}
		path, err := v.path(seq-1, c.Size)
		if err != nil {
			return "", err
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofHeader, base64.StdEncoding.EncodeToString(v.scan.lines[seq-1].json), seq-1)
		for _, h := range path {
			fmt.Fprintf(&b, "%s\n", h)
		}
		fmt.Fprintf(&b, "\n%s", msg)
		return b.String(), nil
	}
	return "", fmt.Errorf("no sound checkpoint covers record %d", seq)
}

// path is the inclusion proof of leaf i in the tree over n records.
func (v *Verification) path(i, n uint64) (tlog.RecordProof, error) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for k, a := range at {
			out[k] = stored[a]
		}
		return out, nil
	})
	for k := range n {
		h, err := tlog.StoredHashes(int64(k), v.scan.lines[k].json, reader)
		if err != nil {
			return nil, err
		}
		stored = append(stored, h...)
	}
	return tlog.ProveRecord(int64(n), int64(i), reader)
}

// CheckProof checks a proof against the session's verifier key, which must come
// from elsewhere, and returns the record.
func CheckProof(proof, key string) (*Record, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("the key: %w", err)
	}
	head, signed, ok := strings.Cut(proof, "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) < 3 || lines[0] != proofHeader {
		return nil, errors.New("not a proof (" + proofHeader + ")")
	}
	extra, ok1 := strings.CutPrefix(lines[1], "extra ")
	index, ok2 := strings.CutPrefix(lines[2], "index ")
	if !ok1 || !ok2 {
		return nil, errors.New("the proof has no record")
	}
	json, err := base64.StdEncoding.Strict().DecodeString(extra)
	if err != nil {
		return nil, fmt.Errorf("the proof's record: %w", err)
	}
	i, err := strconv.ParseUint(index, 10, 62)
	if err != nil {
		return nil, fmt.Errorf("the proof's index: %w", err)
	}
	var path tlog.RecordProof
	for _, l := range lines[3:] {
		h, err := tlog.ParseHash(l)
		if err != nil || h.String() != l { // base64 has unused bits
			return nil, fmt.Errorf("the proof's path: bad hash %q", l)
		}
		path = append(path, h)
	}
	c, err := parseCheckpoint([]byte(signed), verifier)
	if err != nil {
		return nil, fmt.Errorf("the proof's checkpoint: %w", err)
	}
	if i >= c.Size {
		return nil, errors.New("the proof's checkpoint does not cover its record")
	}
	if err := tlog.CheckRecord(path, int64(c.Size), c.Root, int64(i), tlog.RecordHash(json)); err != nil {
		return nil, fmt.Errorf("the record is not in the signed tree: %w", err)
	}
	r, err := decodeLine(json)
	if err == nil && r.Seq != i+1 {
		err = fmt.Errorf("its sequence number is %d", r.Seq)
	}
	if err != nil {
		return nil, fmt.Errorf("the proof's record: %w", err)
	}
	return r, nil
}
