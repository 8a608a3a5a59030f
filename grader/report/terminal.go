package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
)

// Bounds of what one terminal puts into the page, in bytes of output.
const (
	maxReplay     = 4 << 20
	maxTranscript = 200 << 10
)

// Terminal is a recorded terminal on the page.
type Terminal struct {
	ID   string
	Cols int
	Rows int
	// Replay is the player's data; nil when there is no recording.
	Replay *Replay
	// Transcript is the output as plain text; Cut says that it goes on.
	Transcript string
	Cut        bool
}

// Replay is the player's data. Times are seconds since the terminal opened.
type Replay struct {
	Cols   int     `json:"cols"`
	Rows   int     `json:"rows"`
	Events [][]any `json:"events"` // [time, "o", text] or [time, "r", "COLSxROWS"]
	Marks  []Cue   `json:"marks"`
}

// Cue is a command's place in the replay.
type Cue struct {
	T   float64 `json:"t"`
	Seq uint64  `json:"seq"`
}

// buildTerminals joins the term.open records with the recordings.
func buildTerminals(b *evidence.Bundle, v *check.View) []Terminal {
	var out []Terminal
	for _, r := range v.Records(evidence.TypeTermOpen) {
		o, _ := evidence.As[evidence.TermOpen](r)
		t := Terminal{ID: o.Terminal, Cols: o.Cols, Rows: o.Rows}
		if cast, ok := b.Files[evidence.TerminalDir+o.Terminal+".cast"]; ok {
			if replay, err := readCast(cast); err == nil {
				for _, c := range v.Commands {
					if c.Terminal == o.Terminal && !c.Nested && c.BootNS >= r.BootNS {
						replay.Marks = append(replay.Marks, Cue{T: float64((c.BootNS-r.BootNS)/1e6) / 1e3, Seq: c.Seq})
					}
				}
				t.Replay = replay
				t.Transcript, t.Cut = transcript(replay)
			}
		}
		out = append(out, t)
	}
	return out
}

// readCast reads an asciicast v2 recording
// (https://docs.asciinema.org/manual/asciicast/v2/). Input events, if any, are
// dropped; a line cut at the end by a crash ends the recording.
func readCast(data []byte) (*Replay, error) {
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(make([]byte, 64<<10), 4<<20)
	if !sc.Scan() {
		return nil, fmt.Errorf("recording is empty")
	}
	var head struct {
		Version int `json:"version"`
		Width   int `json:"width"`
		Height  int `json:"height"`
	}
	if err := json.Unmarshal(sc.Bytes(), &head); err != nil || head.Version != 2 {
		return nil, fmt.Errorf("recording is not asciicast version 2")
	}
	r := &Replay{Cols: bound(head.Width, 80, 500), Rows: bound(head.Height, 24, 200), Events: [][]any{}, Marks: []Cue{}}
	size := 0
	for sc.Scan() {
		var e []any
		if json.Unmarshal(sc.Bytes(), &e) != nil || len(e) != 3 {
			break
		}
		at, ok1 := e[0].(float64)
		kind, ok2 := e[1].(string)
		text, ok3 := e[2].(string)
		if !ok1 || !ok2 || !ok3 || at < 0 {
			break
		}
		if kind != "o" && kind != "r" {
			continue
		}
		if size += len(text); size > maxReplay {
			break
		}
		r.Events = append(r.Events, []any{at, kind, text})
	}
	return r, nil
}

func bound(n, def, most int) int {
	if n < 1 {
		return def
	}
	return min(n, most)
}

// transcript is the output without escapes: what a reader of the printed page
// needs, not a screen.
func transcript(r *Replay) (string, bool) {
	var b strings.Builder
	for _, e := range r.Events {
		if e[1] == "o" {
			b.WriteString(e[2].(string))
		}
		if b.Len() > 2*maxTranscript {
			break
		}
	}
	text := plain(b.String())
	if len(text) > maxTranscript {
		return strings.ToValidUTF8(text[:maxTranscript], ""), true
	}
	return text, false
}

// plain removes escape sequences (ECMA-48) and carries out backspace and
// carriage return within a line.
func plain(s string) string {
	var out strings.Builder
	line, col := []rune{}, 0
	rs := []rune(s)
	for i := 0; i < len(rs); i++ {
		switch r := rs[i]; {
		case r == 0x1b:
			i = skipEscape(rs, i)
		case r == '\n':
			out.WriteString(strings.TrimRight(string(line), " "))
			out.WriteByte('\n')
			line, col = line[:0], 0
		case r == '\r':
			col = 0
		case r == '\b':
			col = max(0, col-1)
		case r == '\t':
			for n := 8 - col%8; n > 0; n-- {
				line, col = put(line, col, ' ')
			}
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0:
		default:
			line, col = put(line, col, r)
		}
	}
	out.WriteString(strings.TrimRight(string(line), " "))
	return out.String()
}

func put(line []rune, col int, r rune) ([]rune, int) {
	if col < len(line) {
		line[col] = r
	} else {
		line = append(line, r)
	}
	return line, col + 1
}

// skipEscape returns the index of the last rune of the sequence at i.
func skipEscape(rs []rune, i int) int {
	if i+1 >= len(rs) {
		return i
	}
	i++
	switch rs[i] {
	case '[': // CSI ... final byte
		for i++; i < len(rs) && (rs[i] < 0x40 || rs[i] > 0x7e); i++ {
		}
	case ']', 'P', '_', '^', 'X': // a string up to BEL or ST
		for i++; i < len(rs); i++ {
			if rs[i] == 0x07 {
				return i
			}
			if rs[i] == 0x1b && i+1 < len(rs) && rs[i+1] == '\\' {
				return i + 1
			}
		}
	case '(', ')', '#', ' ', '%':
		i++
	}
	return min(i, len(rs)-1)
}
