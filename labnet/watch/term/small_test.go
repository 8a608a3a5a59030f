package term

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

func sum(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

func TestUnfinishedRunes(t *testing.T) {
	for in, want := range map[string]int{"": 0, "a": 0, "é": 0, "\xc3": 1, "a\xe2\x82": 2, "\xf0\x9f\x98": 3, "\xf0\x9f\x98\x80": 0, "\xff": 0, "\x80\x80\x80": 0} {
		if got := unfinished([]byte(in)); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
}

func TestKeysAreCounted(t *testing.T) {
	for _, c := range []struct {
		in           string
		keys, enters int
		cancel       bool
	}{
		{"ls\r", 3, 1, false},
		{"é", 1, 0, false},
		{"\x1b[A\x1b[1;5C", 2, 0, false},
		{"\x1bOA", 1, 0, false},
		{"\x1b[24;80R", 0, 0, false},                      // cursor position
		{"\x1b[?62;22c\x1b[>1;4000;29c", 0, 0, false},     // device attributes
		{"\x1bP1$r0m\x1b\\", 0, 0, false},                 // DECRQSS
		{"\x1b]11;rgb:0000/0000/0000\x07", 0, 0, false},   // colour
		{"\x1b]52;c;c2VjcmV0DQ==\x1b\\ok\r", 3, 1, false}, // clipboard
		{"\x1b[200~a\nb\x1b[201~\r", 4, 1, false},         // a paste, then Enter
		{"abc\x03", 4, 0, true},
	} {
		for _, split := range []bool{false, true} {
			var k keyCounter
			var n typed
			if split {
				for i := range len(c.in) {
					m := k.count([]byte{c.in[i]})
					n.keys, n.enters, n.cancel = n.keys+m.keys, n.enters+m.enters, n.cancel || m.cancel
				}
			} else {
				n = k.count([]byte(c.in))
			}
			if n.keys != c.keys || n.enters != c.enters || n.cancel != c.cancel {
				t.Errorf("%q split %v: %+v", c.in, split, n)
			}
		}
	}
}

func TestScreenCutsLines(t *testing.T) {
	for _, c := range []struct {
		name, out string
		enters    int
		want      string
	}{
		{"plain", "rt1# show ip route\r\nO 10.0.0.0/8\r\nrt1# ", 1, "rt1# show ip route"},
		{"not typed but strong", "rt1# show ver\r\n", 0, "rt1# show ver"},
		{"weak and not typed", "# ls\r\n", 0, ""},
		{"weak and typed", "# ls\r\n", 1, "# ls"},
		{"backspaces", "rt1# shox\b \bw ver\r\n", 1, "rt1# show ver"},
		{"cursor moved and inserted", "rt1# sw ip\x1b[4D\x1b[2@ho\x1b[4C\r\n", 1, "rt1# show ip"},
		{"history recalled", "rt1# foo\x1b[3D\x1b[Kconfigure\r\n", 1, "rt1# configure"},
		{"wrapped", "rt1# " + strings.Repeat("abcdefghij", 9) + "\r\n", 1, "rt1# " + strings.Repeat("abcdefghij", 9)},
		{"redrawn by cursor addresses", "\x1b[?1049h\x1b[3;1Hrt1# show bgp\x1b[4;1Houtput", 1, "rt1# show bgp"},
		{"colours", "\x1b[32mcand@adm1\x1b[0m:\x1b[34m~\x1b[0m$ \x1b[?2004hssh rt1\x1b[?2004l\r\n", 1, "cand@adm1:~$ ssh rt1"},
		{"weak in the output of what was typed", "calc: 2+2\r\n# the result\r\n> 4\r\n", 1, ""},
		{"output that is no prompt", "total 0\r\nC>* 10.0.0.0/8\r\n", 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScreen(80, 24)
			defer s.close()
			if c.enters > 0 {
				s.typed(c.enters)
			}
			var got []string
			for _, l := range s.write([]byte(c.out)) {
				got = append(got, l.text)
			}
			if strings.Join(got, "|") != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestBucket(t *testing.T) {
	now := time.Unix(0, 0)
	var slept time.Duration
	b := bucket{left: 10 << 20, tokens: burst, last: now, now: func() time.Time { return now }, sleep: func(d time.Duration) { slept += d; now = now.Add(d) }}
	for range 4 << 20 / 32768 {
		b.take(32768)
	}
	if slept != 0 {
		t.Errorf("slept %v within the burst", slept)
	}
	for range 1 << 20 / 32768 {
		b.take(32768)
	}
	if slept < 3900*time.Millisecond || slept > 4100*time.Millisecond {
		t.Errorf("1 MiB beyond the burst took %v, want 4 s", slept)
	}
	slept, b.left = 0, 0
	b.take(8 << 10)
	b.take(8 << 10)
	if slept < 900*time.Millisecond || slept > 2100*time.Millisecond {
		t.Errorf("16 KiB beyond the budget took %v", slept)
	}
}
