package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// ZeroHash is the prev of the first record.
var ZeroHash = strings.Repeat("0", 64)

// MaxLine bounds the JSON of one record in bytes.
const MaxLine = 4 << 20

// Record is one record of the journal. Field order is the order on disk.
type Record struct {
	Seq     uint64          `json:"seq"`
	BootNS  int64           `json:"boot_ns"`
	Wall    time.Time       `json:"wall"`
	Lab     string          `json:"lab"`
	Session string          `json:"session"`
	Source  string          `json:"source"`
	Type    Type            `json:"type"`
	Node    string          `json:"node,omitempty"`
	Actor   string          `json:"actor,omitempty"`
	Data    json.RawMessage `json:"data"`
	Prev    string          `json:"prev"`
	Hash    string          `json:"hash"`

	payload Payload
}

// Payload returns the decoded data of a record that came from this package's
// reader or writer. Callers must not change it.
func (r *Record) Payload() Payload { return r.payload }

// As returns the payload of r if it is a *T.
func As[T any](r *Record) (*T, bool) {
	p, ok := any(r.payload).(*T)
	return p, ok
}

// marshal is the canonical JSON encoding used everywhere in this package.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// encode fills r.Hash and returns the JSON.
func encode(r *Record) ([]byte, error) {
	r.Hash = ""
	line, err := marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record %d (%s): %w", r.Seq, r.Type, err)
	}
	const tail = `,"hash":""}`
	body, ok := bytes.CutSuffix(line, []byte(tail))
	if !ok {
		return nil, fmt.Errorf("encode record %d (%s): unexpected layout", r.Seq, r.Type)
	}
	sum := sha256.Sum256(body)
	r.Hash = hex.EncodeToString(sum[:])
	out := make([]byte, 0, len(body)+80)
	out = append(out, body...)
	out = append(out, `,"hash":"`...)
	out = append(out, r.Hash...)
	out = append(out, "\"}"...)
	if len(out) > MaxLine {
		return nil, fmt.Errorf("record %d (%s) has %d bytes, at most %d are allowed", r.Seq, r.Type, len(out), MaxLine)
	}
	return out, nil
}

// Chain makes the lines of a journal in memory. Seq and Prev are those of the
// last record; a new chain starts with Seq 0 and Prev ZeroHash.
type Chain struct {
	Lab     string
	Session string
	Seq     uint64
	Prev    string
}

// Add makes the next record and its line in a segment, newline included. The entry must
// carry its times. On an error the chain is unchanged.
func (c *Chain) Add(e Entry) (*Record, []byte, error) {
	data, err := marshal(e.Payload)
	if err != nil {
		return nil, nil, fmt.Errorf("encode %s: %w", e.Payload.RecordType(), err)
	}
	rec := &Record{Seq: c.Seq + 1, BootNS: e.BootNS, Wall: e.Wall.UTC().Round(0), Lab: c.Lab,
		Session: c.Session, Source: e.Source, Type: e.Payload.RecordType(), Node: e.Node,
		Actor: e.Actor, Data: data, Prev: c.Prev, payload: e.Payload}
	json, err := encode(rec)
	if err != nil {
		return nil, nil, err
	}
	c.Seq, c.Prev = rec.Seq, rec.Hash
	return rec, frame(json), nil
}

// strictDecode decodes exactly one JSON value into v, unknown fields refused.
func strictDecode(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("something follows the JSON object")
	}
	return nil
}

// decodeLine reads the JSON of one record. It does not know the chain;
// the caller checks seq and prev.
func decodeLine(line []byte) (*Record, error) {
	var r Record
	if err := strictDecode(line, &r); err != nil {
		return nil, err
	}
	mk, ok := registry[r.Type]
	if !ok {
		return nil, fmt.Errorf("unknown record type %q", r.Type)
	}
	p := mk()
	if err := strictDecode(r.Data, p); err != nil {
		return nil, fmt.Errorf("data of %s: %w", r.Type, err)
	}
	data, err := marshal(p)
	if err != nil {
		return nil, fmt.Errorf("data of %s: %w", r.Type, err)
	}
	if !bytes.Equal(data, r.Data) {
		return nil, fmt.Errorf("data of %s is not in canonical form", r.Type)
	}
	r.payload = p
	hash := r.Hash
	again, err := encode(&r)
	if err != nil {
		return nil, err
	}
	if r.Hash != hash {
		return nil, fmt.Errorf("hash is %s, computed %s", short(hash), short(r.Hash))
	}
	if !bytes.Equal(again, line) {
		return nil, fmt.Errorf("line is not in canonical form")
	}
	return &r, nil
}

func short(h string) string {
	if len(h) > 12 {
		return h[:12] + "..."
	}
	return h
}

// Head formats the hash of a journal's last record as verdicts print it.
func Head(records []*Record) string {
	if len(records) == 0 {
		return "sha256:" + ZeroHash
	}
	return "sha256:" + records[len(records)-1].Hash
}
