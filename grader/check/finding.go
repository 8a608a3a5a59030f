package check

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/situlab/situlab/grader/evidence"
)

// Outcome is a proposal for a point, a criterion or a capacity.
type Outcome string

// The five words of the verdict.
const (
	Acquired     Outcome = "acquis"
	NotAcquired  Outcome = "non_acquis"
	Jury         Outcome = "jury"
	NotConcerned Outcome = "sans_objet"
	Insufficient Outcome = "preuve_insuffisante"
)

// Label is what people read for an outcome.
func (o Outcome) Label() evidence.Text {
	switch o {
	case Acquired:
		return tx("proposé acquis", "proposed achieved")
	case NotAcquired:
		return tx("proposé non acquis", "proposed not achieved")
	case Jury:
		return tx("à trancher par le jury", "for the jury to decide")
	case Insufficient:
		return tx("preuve insuffisante", "insufficient evidence")
	}
	return tx("sans objet", "not applicable")
}

// Finding is the result of one rule.
type Finding struct {
	Point    string
	Outcome  Outcome
	Reason   Reason
	Sentence evidence.Text
	// Measured holds what the sentence rests on; values are numbers, strings,
	// booleans and lists of strings.
	Measured map[string]any
	// Evidence are sequence numbers in the journal, ascending.
	Evidence []uint64
	// Question is for the jury; nil when there is nothing to ask.
	Question *evidence.Text
}

// Flag is a fact laid before the jury beside the points.
type Flag struct {
	Code     Reason
	Sentence evidence.Text
	Measured map[string]any
	Evidence []uint64
	Question *evidence.Text
	// Blocking caps the capacity at jury.
	Blocking bool
}

// args fill the {names} of a sentence. Values: string, int, float64 (one
// decimal), seconds, evidence.Text, []string.
type args map[string]any

// seconds is a span printed as "12 min 30 s".
type seconds float64

// finding builds a Finding from its reason. m goes into Measured as it is.
func finding(point string, code Reason, a args, m map[string]any, ev []uint64) Finding {
	r, ok := reasons[code]
	if !ok {
		panic("check: unknown reason " + string(code))
	}
	f := Finding{Point: point, Outcome: r.outcome, Reason: code, Sentence: fillText(r.sentence, a),
		Measured: m, Evidence: tidy(ev)}
	if r.question != (evidence.Text{}) {
		q := fillText(r.question, a)
		f.Question = &q
	}
	return f
}

// flag builds a Flag from its code.
func flag(code Reason, a args, m map[string]any, ev []uint64) Flag {
	r, ok := flagReasons[code]
	if !ok {
		panic("check: unknown flag " + string(code))
	}
	f := Flag{Code: code, Sentence: fillText(r.sentence, a), Measured: m, Evidence: tidy(ev), Blocking: r.blocking}
	if r.question != (evidence.Text{}) {
		q := fillText(r.question, a)
		f.Question = &q
	}
	return f
}

// citing adds what decides a finding: it is never shortened.
func (f Finding) citing(decisive []uint64) Finding {
	f.Evidence = sorted(append(f.Evidence, decisive...))
	return f
}

// few are the first and last of records that all say the same.
func few(ev []uint64) []uint64 {
	ev = sorted(ev)
	if n := len(ev); n > 2*fewEach {
		ev = append(ev[:fewEach:fewEach], ev[n-fewEach:]...)
	}
	return ev
}

const fewEach = 2

// maxEvidence bounds a list of records of which none decides alone; the first
// and last are kept.
const maxEvidence = 40

// tidy sorts, removes doubles and shortens a list of sequence numbers.
func tidy(ev []uint64) []uint64 {
	out := sorted(ev)
	if len(out) > maxEvidence {
		out = append(out[:maxEvidence/2:maxEvidence/2], out[len(out)-maxEvidence/2:]...)
	}
	return out
}

// sorted sorts a list of sequence numbers and removes doubles and zeros.
func sorted(ev []uint64) []uint64 {
	out := []uint64{}
	s := append([]uint64(nil), ev...)
	sort.Slice(s, func(i, j int) bool { return s[i] < s[j] })
	for i, n := range s {
		if n != 0 && (i == 0 || n != s[i-1]) {
			out = append(out, n)
		}
	}
	return out
}

func fillText(t evidence.Text, a args) evidence.Text {
	return evidence.Text{FR: fill(spaced.Replace(t.FR), a, "fr"), EN: fill(t.EN, a, "en")}
}

// spaced puts the no-break spaces of French typography.
var spaced = strings.NewReplacer(" :", "\u00a0:", " ;", "\u00a0;", " ?", "\u00a0?", "« ", "«\u00a0", " »", "\u00a0»")

// fill replaces {name}. "{n|singular|plural}" chooses by the number n: French
// takes the singular below 2, English for exactly 1. "{n|none|one|many}" has
// words for zero too; # stands for the number.
func fill(s string, a args, lang string) string {
	var b strings.Builder
	for {
		open := strings.IndexByte(s, '{')
		if open < 0 {
			b.WriteString(s)
			return b.String()
		}
		end := strings.IndexByte(s[open:], '}')
		if end < 0 {
			panic("check: unclosed brace in a sentence")
		}
		b.WriteString(s[:open])
		parts := strings.Split(s[open+1:open+end], "|")
		v, ok := a[parts[0]]
		if !ok {
			panic("check: sentence needs {" + parts[0] + "}")
		}
		n, _ := v.(int)
		switch {
		case len(parts) == 4:
			b.WriteString(strings.ReplaceAll(parts[1+min(n, 2)], "#", strconv.Itoa(n)))
		case len(parts) == 3 && (n == 1 || lang == "fr" && n == 0):
			b.WriteString(parts[1])
		case len(parts) == 3:
			b.WriteString(parts[2])
		default:
			b.WriteString(show(v, lang))
		}
		s = s[open+end+1:]
	}
}

func show(v any, lang string) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case float64:
		n := strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
		if lang == "fr" {
			n = strings.Replace(n, ".", ",", 1)
		}
		return n
	case seconds:
		return span(float64(v))
	case evidence.Text:
		return v.In(lang)
	case []string:
		return list(v, lang)
	case []evidence.Text:
		names := make([]string, len(v))
		for i, t := range v {
			names[i] = t.In(lang)
		}
		return list(names, lang)
	}
	panic(fmt.Sprintf("check: cannot print a %T in a sentence", v))
}

// list joins names as one says them: "a, b et c". More than seven are cut.
func list(names []string, lang string) string {
	and, more := " and ", "%d others"
	if lang == "fr" {
		and, more = " et ", "%d autres"
	}
	if len(names) > 7 {
		rest := len(names) - 6
		names = append(append([]string(nil), names[:6]...), fmt.Sprintf(more, rest))
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + and + names[len(names)-1]
}

// span prints seconds as a person reads them, alike in both languages.
func span(s float64) string {
	n := int(math.Round(s))
	if n < 0 {
		n = 0
	}
	h, m := n/3600, n/60%60
	nb := "\u00a0"
	switch {
	case h > 0:
		return fmt.Sprintf("%d%sh%s%02d%smin", h, nb, nb, m, nb)
	case m > 0 && n%60 > 0:
		return fmt.Sprintf("%d%smin%s%d%ss", m, nb, nb, n%60, nb)
	case m > 0:
		return fmt.Sprintf("%d%smin", m, nb)
	}
	return fmt.Sprintf("%d%ss", n, nb)
}
