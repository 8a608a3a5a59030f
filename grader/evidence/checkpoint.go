package evidence

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is the head of the tree over the first Size records, in the form
// of C2SP tlog-checkpoint with one extension line for the chain's head.
type Checkpoint struct {
	// Origin names the log: "situlab/LAB/SESSION", also the key's name.
	Origin string
	Size   uint64
	Root   tlog.Hash
	// Head is the hash of record Size.
	Head string
}

// Origin is the name of a session's log.
func Origin(lab, session string) string { return "situlab/" + lab + "/" + session }

func (c *Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\nhead sha256:%s\n", c.Origin, c.Size, c.Root, c.Head)
}

// checkpointLines is how many lines a signed checkpoint has: four of text, an
// empty one, the signature.
const checkpointLines = 6

// parseCheckpoint reads a signed checkpoint strictly and checks its signature.
// With v nil the signature is not checked.
func parseCheckpoint(msg []byte, v note.Verifier) (*Checkpoint, error) {
	lines := strings.Split(string(msg), "\n")
	if len(lines) != checkpointLines+1 || lines[4] != "" || lines[6] != "" {
		return nil, errors.New("it does not have the lines of a signed checkpoint")
	}
	size, err := strconv.ParseUint(lines[1], 10, 62)
	if err != nil {
		return nil, fmt.Errorf("its size is %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return nil, fmt.Errorf("its root is %q", lines[2])
	}
	c := &Checkpoint{Origin: lines[0], Size: size, Root: root, Head: strings.TrimPrefix(lines[3], "head sha256:")}
	if !isHash(c.Head) || !bytes.HasPrefix(msg, []byte(c.text())) {
		return nil, errors.New("it is not in canonical form")
	}
	if v == nil {
		return c, nil
	}
	n, err := note.Open(msg, note.VerifierList(v))
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unknown):
		return nil, errOtherKey
	case err != nil:
		return nil, fmt.Errorf("its signature is wrong: %w", err)
	case len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 || c.Origin != v.Name():
		return nil, errOtherKey
	}
	// One spelling: base64 has unused bits.
	raw, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64)
	if err != nil || lines[5] != fmt.Sprintf("\u2014 %s %s", n.Sigs[0].Name, base64.StdEncoding.EncodeToString(raw)) {
		return nil, errors.New("its signature is not in canonical form")
	}
	return c, nil
}

var errOtherKey = errors.New("it is signed with another key than that of the session's first record")

func isHash(s string) bool {
	return len(s) == len(ZeroHash) && strings.Trim(s, "0123456789abcdef") == ""
}

// splitCheckpoints cuts the file of checkpoints into signed notes, each
// followed by an empty line. rest is what follows the last whole one.
func splitCheckpoints(data []byte) (notes [][]byte, rest []byte) {
	for len(data) > 0 {
		end, at := 0, 0
		for range checkpointLines + 1 {
			i := bytes.IndexByte(data[at:], '\n')
			if i < 0 {
				return notes, data
			}
			end, at = at, at+i+1
		}
		if at != end+1 { // the line after the signature is not empty
			return notes, data
		}
		notes, data = append(notes, data[:end]), data[at:]
	}
	return notes, nil
}

// tree is the frontier of the tree of RFC 6962 over a growing log: the roots of
// the full subtrees, the largest first.
type tree struct {
	size  uint64
	peaks []tlog.Hash
}

// add adds a leaf.
func (t *tree) add(leaf tlog.Hash) {
	for range bits.TrailingZeros64(t.size + 1) {
		leaf = tlog.NodeHash(t.peaks[len(t.peaks)-1], leaf)
		t.peaks = t.peaks[:len(t.peaks)-1]
	}
	t.peaks = append(t.peaks, leaf)
	t.size++
}

// root is the tree's hash.
func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := t.peaks[len(t.peaks)-1]
	for _, p := range slices.Backward(t.peaks[:len(t.peaks)-1]) {
		h = tlog.NodeHash(p, h)
	}
	return h
}

func (t *tree) clone() tree { return tree{t.size, slices.Clone(t.peaks)} }

// verifierOf is the verifier key of a signer made from skey.
func verifierOf(signer note.Signer, skey string) (string, error) {
	// PRIVATE+KEY+name+hash+base64 of the algorithm and the seed.
	parts := strings.SplitN(skey, "+", 5)
	seed, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return "", errors.New("the session's key is damaged")
	}
	public, ok := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", errors.New("the session's key is damaged")
	}
	return note.NewEd25519VerifierKey(signer.Name(), public)
}
