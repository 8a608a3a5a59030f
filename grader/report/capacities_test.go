package report

import (
	"strings"
	"testing"

	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/internal/synth"
)

// TestWordsOfTheReferentiel: what the page says of the certificate, of the
// modality and of each capacity comes from the data, in both languages, and each
// capacity says its own measure of enough.
func TestWordsOfTheReferentiel(t *testing.T) {
	f := synth.Facts(false)
	f.Points = []string{"2.2a", "3.1-i"}
	s := synth.New(f, 1)
	s.Finish()
	html := write(t, input(t, s, ""))
	fr, en := visible(html, "fr"), visible(html, "en")
	q := criteria.TheQualification()
	want := func(fre, eng string) {
		t.Helper()
		if !strings.Contains(fr, fre) || !strings.Contains(en, eng) {
			t.Errorf("the page lacks %q or %q", fre, eng)
		}
	}
	want(q.Kind, q.Kind)
	want(q.Played().Short.FR, q.Played().Short.EN)
	want(q.Admission.Who.FR, q.Admission.Who.EN)
	want("II, capacité 2, critère 2", "II, capability 2, criterion 2")
	for _, c := range criteria.Capacities() {
		shown := c.ID == "2" || c.ID == "3"
		if got := strings.Contains(fr, c.Label.FR); got != shown {
			t.Errorf("capacity %s: shown %v", c.ID, got)
		}
		if c.Observed && strings.Count(fr, c.Enough.FR) != map[bool]int{true: 1}[shown] {
			t.Errorf("capacity %s: its measure of enough stands %d times", c.ID, strings.Count(fr, c.Enough.FR))
		}
	}
	// The rule is the jury’s to apply.
	if strings.Contains(fr, "admissible") || strings.Contains(en, "admissible") {
		t.Error("the page says admissible")
	}
}
