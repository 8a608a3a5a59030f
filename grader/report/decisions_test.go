package report

import (
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/internal/synth"
	"github.com/situlab/situlab/grader/jury"
)

// TestDecisions: what the assessors decided stands beside what was proposed, and
// a page without decisions keeps the place to write them.
func TestDecisions(t *testing.T) {
	in := input(t, synth.RuntimeOnly(1), "")
	blank := write(t, in)
	if strings.Contains(blank, `overview decisions`) || strings.Count(blank, `<div class="decide">`) != len(in.Verdict.Capacities[0].Criteria) {
		t.Error("a page without decisions")
	}
	at := time.Date(2026, 3, 3, 9, 5, 0, 0, time.UTC)
	proposal := evidence.Proposal{Outcome: "non_acquis", Reason: "lost_at_cold_start"}
	in.Jury = []*jury.Sheet{{Assessor: "Anne <b>Martin", Function: "évaluatrice",
		Decisions: []jury.Decision{
			{On: "3.1-ii", Outcome: jury.NotAcquired, Proposal: proposal, At: at, Replaced: true},
			{On: "3.1-ii", Outcome: jury.Acquired, Motive: "sauvé </table> en entretien", Proposal: proposal, Override: true, At: at},
			{On: "3.1", Outcome: jury.Acquired, Proposal: evidence.Proposal{Outcome: "non_acquis"}, Motive: "par le point 3.1-ii", At: at},
			{On: "3.2c", Outcome: jury.Acquired, Proposal: evidence.Proposal{Outcome: "sans_objet"}, Motive: "vu hors sujet", At: at},
			{On: "3", Outcome: jury.NotAcquired, Proposal: evidence.Proposal{Outcome: "jury"}, Bases: []string{"assessments", "interview"}, At: at},
		},
		Opinions:   []jury.Opinion{{CompanyOpinion: evidence.CompanyOpinion{Capacity: "3", By: "le tuteur", Favourable: true, Text: "autonome"}, At: at}},
		Interviews: []jury.Interview{{Interview: evidence.Interview{Capacity: "3", Text: "explique tout"}, At: at}}}}
	html := write(t, in)
	if strings.Contains(html, "<b>Martin") || strings.Contains(html, "sauvé </table>") {
		t.Error("an assessor's words are read as HTML")
	}
	for lang, want := range map[string][]string{
		"fr": {"Anne <b>Martin, évaluatrice", "proposé non acquis", "remplacée", "sauvé </table> en entretien", "vu hors sujet", "3 mars 2026, 09:05 (UTC)",
			"Avis favorable de l’entreprise (le tuteur)", "autonome", "Entretien avec le candidat", "Différentes évaluations"},
		"en": {"proposed not achieved", "replaced", "3 March 2026, 09:05 (UTC)", "Favourable opinion of the company (le tuteur)", "Interview with the candidate"},
	} {
		text := visible(html, lang)
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q", lang, w)
			}
		}
	}
	// The proposal of the point itself is still there, as it was.
	for _, w := range []string{`id="p3.1-ii" data-reason="lost_at_cold_start"`, `<article class="point non_acquis" id="p3.1-ii"`} {
		if !strings.Contains(html, w) {
			t.Errorf("no %s", w)
		}
	}
	if n := strings.Count(html, `<div class="decide">`); n != len(in.Verdict.Capacities[0].Criteria)-2 {
		t.Errorf("%d places to decide by hand", n)
	}
}
