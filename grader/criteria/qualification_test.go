package criteria

import (
	"fmt"
	"strings"
	"testing"
)

// TestQualification holds the data against the référentiel's part IV.
func TestQualification(t *testing.T) {
	q := TheQualification()
	var uses []string
	for _, m := range q.Modalities {
		uses = append(uses, m.ID+" "+string(m.Use))
	}
	if got := strings.Join(uses, ", "); got != "a preferred, b preferred, c exceptional, d always" {
		t.Errorf("modalities: %s", got)
	}
	played := q.Played()
	if got := strings.Join(ids(played.Forms, func(f Form) string { return f.ID }), " "); played.ID != "c" || got != "observation restitution" {
		t.Errorf("played: modality %s with forms %q", played.ID, got)
	}
	if got := strings.Join(ids(q.Bases, func(b Basis) string { return b.ID }), " "); got != "assessments opinion interview" {
		t.Errorf("bases: %s", got)
	}
	if _, ok := q.Modality("e"); ok {
		t.Error("found a modality that is not there")
	}
	for _, c := range Capacities() {
		if got := strings.Join(c.Modalities.OneOf, " ou ") + " et " + strings.Join(c.Modalities.And, " et "); got != "a ou b ou c et d" {
			t.Errorf("capacity %s is assessed by %s", c.ID, got)
		}
	}
}

// decided reads "1+ 2- 3+ao": capacity 3 is acquired, on assessments and
// opinion; without letters, on all three bases.
func decided(s string) (out []Decision) {
	letters := map[rune]string{'a': "assessments", 'o': "opinion", 'i': "interview", 'x': "rumour"}
	for _, w := range strings.Fields(s) {
		d := Decision{Capacity: w[:1], Acquired: w[1] == '+'}
		on := w[2:]
		if on == "" {
			on = "aoi"
		}
		for _, l := range on {
			d.Bases = append(d.Bases, letters[l])
		}
		out = append(out, d)
	}
	return out
}

func TestStanding(t *testing.T) {
	for _, c := range []struct{ decisions, want string }{
		{"", "met ? undecided [1 2 3 4 5 6] not acquired [] without []"},
		{"3+", "met ? undecided [1 2 4 5 6] not acquired [] without []"},
		{"2+ 3+ 4+", "met ? undecided [1 5 6] not acquired [] without []"},
		{"1+ 2+ 3+ 4+ 5+", "met ? undecided [6] not acquired [] without []"},
		{"1+ 2+ 3- 4+ 5+", "met ? undecided [6] not acquired [3] without []"},
		{"1+ 2+ 3+ 4+ 5+ 6+", "met yes undecided [] not acquired [] without []"},
		{"6+ 5+ 4+ 3+ 2+ 1+", "met yes undecided [] not acquired [] without []"},
		{"1+ 2+ 3+ 4+ 5+ 6-", "met no undecided [] not acquired [6] without []"},
		{"6- 2- 1+ 3+ 4+ 5+", "met no undecided [] not acquired [2 6] without []"},
		{"6+ai 3+o", "met ? undecided [1 2 4 5] not acquired [] without [{3 assessments} {3 interview} {6 opinion}]"},
		{"1+ai 2+ 3+ 4+ 5+ 6+", "met yes undecided [] not acquired [] without [{1 opinion}]"},
		{"7+", `error decision on capacity "7": the référentiel has none of that name`},
		{"3+ 2+ 3+", "error decision on capacity 3: there are two"},
		{"3+ 3-", "error decision on capacity 3: there are two"},
		{"3+ax", `error decision on capacity 3: no basis "rumour"`},
	} {
		s, err := TheQualification().Standing(decided(c.decisions))
		met := "?"
		if s.Met != nil {
			met = map[bool]string{true: "yes", false: "no"}[*s.Met]
		}
		got := fmt.Sprintf("met %s undecided %v not acquired %v without %v", met, s.Undecided, s.NotAcquired, s.Without)
		if err != nil {
			got = "error " + err.Error()
		}
		if got != c.want {
			t.Errorf("%q: %s\nwant %s", c.decisions, got, c.want)
		}
	}
}

// TestNoShortcut: a rule that asks for fewer than all capacities, for none or for
// more than were decided is not met.
func TestNoShortcut(t *testing.T) {
	for _, c := range []struct{ list, decided string }{
		{"", ""},
		{"2 3 4", "2+ 3+ 4+"},
		{"1 2 3 4 5 6 7", "1+ 2+ 3+ 4+ 5+ 6+"},
	} {
		q := TheQualification()
		q.Admission.Capacities = strings.Fields(c.list)
		if s, err := q.Standing(decided(c.decided)); err != nil || s.Met != nil {
			t.Errorf("with %q: %+v, %v", c.list, s, err)
		}
	}
}

// TestStandingIsPure: the caller's decisions and the qualification are as
// before, and no answer shares memory with another.
func TestStandingIsPure(t *testing.T) {
	in := decided("6+ 3-ao 1+ 2+ 4+ 5+")
	before := fmt.Sprintf("%v %v", in, TheQualification())
	a, _ := TheQualification().Standing(in)
	b, _ := TheQualification().Standing(in)
	if a.Met == b.Met {
		t.Error("two answers share their memory")
	}
	*a.Met, a.NotAcquired[0] = true, "x"
	if *b.Met || b.NotAcquired[0] != "3" || fmt.Sprintf("%v %v", in, TheQualification()) != before {
		t.Error("an answer changed something else")
	}
}

func TestMistakesInQualification(t *testing.T) {
	for _, m := range []mistake{
		{`"5", "6"]`, `"5"]`, "not every capacity"},
		{`["1", "2"`, `["2", "1"`, "not every capacity"},
		{"use: exceptional", "use: always", "capacity 1: modality c is always"},
		{"use: always", "use: preferred", "capacity 1: modality d is preferred"},
		{"use: always", "use: sometimes", `"sometimes" is none of`},
		{"    use: always\n", "", "modality d: no use"},
		{"    played: true\n", "", "0 modalities are played, not one"},
		{"use: preferred", "use: preferred\n    played: true", "2 modalities are played, not one"},
		{"use: preferred", "use: preferred\n    played: true", "modality a is played, yet has no form"},
		{"- id: b\n", "- id: a\n", "modality a stands twice"},
		{"- id: b\n", "- id: e\n", `capacity 1: no modality "b"`},
		{"- id: restitution", "- id: observation", "modality c: form observation stands twice"},
		{`"IV.2, B, c, forme 1"`, `"IV.2, B, c, forme 3"`, "is no paragraph of the référentiel"},
		{`"IV.2, B, c, forme 1"`, `"IV.2, B, d, forme 1"`, "is not within"},
		{"- id: interview", "- id: opinion", "basis opinion stands twice"},
		{`"IV.2, A, tiret 1"`, `"III"`, "basis assessments: ref"},
		{`  ref: "III"`, `  ref: "III"` + "\n  quorum: 2", "field quorum not found"},
		{"kind: CQPM\n", "", "no kind"},
	} {
		var q Qualification
		err := decode(m.in(t, qualificationYAML), &q)
		if err == nil {
			err = q.validate(Capacities())
		}
		m.check(t, err)
	}
}
