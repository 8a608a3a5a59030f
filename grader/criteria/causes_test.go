package criteria

import (
	"regexp"
	"testing"

	"github.com/situlab/situlab/grader/evidence"
)

func checkText(t *testing.T, what string, x evidence.Text) {
	t.Helper()
	var p problems
	p.text(what, x)
	for _, err := range p {
		t.Error(err)
	}
}

func TestCauses(t *testing.T) {
	if n := len(Causes()); n < 40 {
		t.Fatalf("only %d causes", n)
	}
	families, used := map[string]bool{}, map[string]bool{}
	for _, f := range Families() {
		families[f.ID] = true
		checkText(t, f.ID, f.Label)
	}
	id := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen, labels := map[string]bool{}, map[string]bool{}
	for _, c := range Causes() {
		if !id.MatchString(c.ID) || seen[c.ID] || labels[c.Label.FR] {
			t.Errorf("cause %q: bad or double id or label", c.ID)
		}
		seen[c.ID], labels[c.Label.FR], used[c.Family] = true, true, true
		if !families[c.Family] {
			t.Errorf("cause %s: no family %q", c.ID, c.Family)
		}
		checkText(t, c.ID, c.Label)
		if got, ok := CauseByID(c.ID); !ok || got != c {
			t.Errorf("CauseByID(%s) = %v, %v", c.ID, got, ok)
		}
	}
	if len(used) != len(families) {
		t.Errorf("%d families, %d used", len(families), len(used))
	}
	for _, c := range Classes() {
		checkText(t, c.ID, c.Label)
		if _, ok := ClassByID(c.ID); !ok {
			t.Errorf("class %s not found", c.ID)
		}
	}
	if _, ok := CauseByID("none"); ok {
		t.Error("found a cause that is not there")
	}
	// A blind answer: one element of at least 61, one cause of the list.
	if p := 1.0 / 61 / float64(len(Causes())); p >= 0.02 {
		t.Errorf("a blind answer is right in %.1f %%", 100*p)
	}
}
