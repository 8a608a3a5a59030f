package jury

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/internal/synth"
)

func verdict(t *testing.T) *grader.Verdict {
	t.Helper()
	v, err := grader.Grade(synth.RuntimeOnly(1).Records)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestDecide: what needs a motive, and what is no decision at all.
func TestDecide(t *testing.T) {
	v := verdict(t)
	for _, c := range []struct {
		id, outcome, motive string
		want                string // of the error
	}{
		{"3.1-i", Acquired, "", ""},                       // as proposed
		{"3.1-ii", NotAcquired, "", ""},                   // as proposed
		{"3.1-ii", Acquired, "", "needs a motive"},        // an override
		{"3.1-ii", Acquired, " vu ", "needs a motive"},    // no motive that others can follow
		{"3.1-ii", Acquired, "sauvé en entretien", ""},    //
		{"3.1-iii", Acquired, "", "needs a motive"},       // left to the jury
		{"3.2c", Acquired, "", "needs a motive"},          // sans_objet
		{"3.2g", Acquired, "", "needs a motive"},          // the open slot
		{"3", NotAcquired, "", "needs a motive"},          // proposed: jury
		{"1", Acquired, "", "needs a motive"},             // no proposal at all
		{"1", Acquired, "dossier présenté en mai", ""},    //
		{"4.1", Acquired, "vu en entretien", "not about"}, //
		{"9", Acquired, "", "no sub-point"},               //
		{"3.1-i", "jury", "", "a decision is"},            //
		{"3.1", "", "", "a decision is"},                  //
	} {
		p, err := Decide(v, nil, c.id, c.outcome, c.motive)
		if c.want == "" && (err != nil || p == nil) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %s %q: %v, want %q", c.id, c.outcome, c.motive, err, c.want)
		}
	}
	p, err := Decide(v, nil, "3.1-ii", Acquired, "  sauvé en entretien ")
	d, ok := p.(*evidence.PointDecision)
	if err != nil || !ok || d.Proposal.Outcome != "non_acquis" || d.Proposal.Reason != "lost_at_cold_start" || d.Motive != "sauvé en entretien" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := Opine("7", "tuteur", true, "x"); err == nil {
		t.Error("an opinion on capacity 7")
	}
	if _, err := Opine("3", "", true, "x"); err == nil {
		t.Error("an opinion of nobody")
	}
	if _, err := Note("3", " "); err == nil {
		t.Error("an empty interview")
	}
}

// TestBases: a decision rests on what was there when it was taken, and the
// words are the référentiel's.
func TestBases(t *testing.T) {
	var ids []string
	for _, b := range criteria.TheQualification().Bases {
		ids = append(ids, b.ID)
	}
	if !slices.Equal(ids, []string{BaseAssessments, BaseOpinion, BaseInterview}) {
		t.Fatal(ids)
	}
	v := verdict(t)
	s := &Sheet{Opinions: []Opinion{{CompanyOpinion: evidence.CompanyOpinion{Capacity: "3"}}}, Interviews: []Interview{{Interview: evidence.Interview{Capacity: "1"}}}}
	for id, want := range map[string][]string{"1": {BaseInterview}, "2": {}, "3": {BaseAssessments, BaseOpinion}} {
		if got := bases(v, s, id); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
}

// TestStanding: all six decided is still no word on admissibility.
func TestStanding(t *testing.T) {
	s := &Sheet{Assessor: "A"}
	for _, c := range criteria.Capacities() {
		s.decide(Decision{On: c.ID, Outcome: NotAcquired})
		s.decide(Decision{On: c.ID, Outcome: Acquired, Bases: []string{BaseAssessments, BaseInterview}})
	}
	st, err := Stand(s)
	if err != nil || len(st.Acquired) != 6 || len(st.Undecided) != 0 || len(st.NotAcquired) != 0 || len(st.Without) != 6 || st.Without[0].Basis != BaseOpinion {
		t.Errorf("%+v, %v", st, err)
	}
	b, err := json.Marshal(st)
	if err != nil || strings.Contains(strings.ToLower(string(b)), "admissible") || strings.Contains(string(b), "met") {
		t.Errorf("%s, %v", b, err)
	}
	if got := s.On("3"); len(got) != 2 || !got[0].Replaced || got[1].Replaced {
		t.Errorf("%+v", got)
	}
}

// TestAgree: only what both have decided counts, and only what holds.
func TestAgree(t *testing.T) {
	a, b := &Sheet{Assessor: "A"}, &Sheet{Assessor: "B"}
	a.decide(Decision{On: "3.1-i", Outcome: NotAcquired})
	for i, id := range []string{"3.1-i", "3.1-ii", "3.1-iii", "3.2a"} {
		a.decide(Decision{On: id, Outcome: Acquired})
		if i > 0 {
			b.decide(Decision{On: id, Outcome: map[bool]string{true: Acquired, false: NotAcquired}[i > 1]})
		}
	}
	b.decide(Decision{On: "3", Outcome: NotAcquired}) // no sub-point
	g := Agree(a, b)
	if g.N != 3 || g.Both != 2 || g.OnlyA != 1 || len(g.Disagreements) != 1 || g.Disagreements[0].Point != "3.1-ii" || !slices.Equal(g.Alone, []string{"3.1-i"}) || *g.Kappa != 0 {
		t.Errorf("%+v", g)
	}
	if g := Agree(a, &Sheet{}); g.Undefined != NoCommonPoint || g.Kappa != nil {
		t.Errorf("%+v", g)
	}
}
