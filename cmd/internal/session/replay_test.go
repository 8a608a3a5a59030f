package session

import (
	"testing"
	"time"

	"github.com/situlab/situlab/grader/evidence"
)

// What a call had sealed before the controller died is found again, once; what
// only looks like it is not.
func TestSealedBefore(t *testing.T) {
	chain := evidence.Chain{Lab: "l", Session: "s", Prev: evidence.ZeroHash}
	p := &past{}
	put := func(at time.Duration, v evidence.Payload) uint64 {
		r, _, err := chain.Add(evidence.Entry{Source: "desk", Actor: "candidate", BootNS: int64(time.Hour + at), Payload: v})
		if err != nil {
			t.Fatal(err)
		}
		p.desk = append(p.desk, r)
		return r.Seq
	}
	put(-2*time.Minute, &evidence.LogEntry{ID: 1, Text: "long ago"})
	entry := put(-time.Second, &evidence.LogEntry{ID: 2, Text: "rt1 redémarré"})
	notice := put(-time.Second, &evidence.Notice{Groups: []string{"bureaux"}, Until: time.Unix(100, 0), Text: "x"})
	diagnosis := put(-time.Second, &evidence.Diagnosis{Element: "rt1", Cause: "a", TextSeq: 3})
	p.forgetOld(int64(time.Hour))
	for _, c := range []struct {
		what string
		said evidence.Payload
		seq  uint64
	}{
		{"too old", &evidence.LogEntry{ID: 3, Text: "long ago"}, 0},
		{"another text", &evidence.LogEntry{ID: 3, Text: "rt2 redémarré"}, 0},
		{"another kind", &evidence.LogCorrection{ID: 3, Corrects: 2, Text: "rt1 redémarré"}, 0},
		{"the entry", &evidence.LogEntry{ID: 3, Text: "rt1 redémarré"}, entry},
		{"the entry, said twice in life", &evidence.LogEntry{ID: 3, Text: "rt1 redémarré"}, 0},
		{"other groups", &evidence.Notice{Groups: []string{"atelier"}, Text: "x"}, 0},
		{"the notice", &evidence.Notice{Groups: []string{"bureaux"}, Until: time.Unix(160, 0), Text: "x"}, notice},
		{"the diagnosis", &evidence.Diagnosis{Element: "rt1", Cause: "a", TextSeq: 9}, diagnosis},
		{"another cause", &evidence.Diagnosis{Element: "rt1", Cause: "b"}, 0},
	} {
		if seq, was := p.saidBefore(c.said); seq != c.seq || was != (c.seq != 0) {
			t.Errorf("%s: %d, %v, want %d", c.what, seq, was, c.seq)
		}
	}
}
