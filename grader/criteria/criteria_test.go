package criteria

import (
	"regexp"
	"strings"
	"testing"

	"github.com/situlab/situlab/grader/evidence"
)

func checkText(t *testing.T, what string, x evidence.Text) {
	t.Helper()
	if x.FR == "" || x.EN == "" || x.FR != strings.TrimSpace(x.FR) || strings.Contains(x.FR, "'") || strings.Contains(x.EN, "'") {
		t.Errorf("%s: text %+v is empty, padded or uses a straight apostrophe", what, x)
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

func TestCapacities(t *testing.T) {
	want := map[string]string{
		"2": "2.1-i 2.1-ii 2.1-iii 2.2a 2.2b-i 2.2b-ii 2.2b-iii 2.2c 2.2d 2.2e 2.2f 2.3-i 2.3-ii",
		"3": "3.1-i 3.1-ii 3.1-iii 3.1-iv 3.1-v 3.2a 3.2b 3.2c 3.2d 3.2e 3.2f-i 3.2f-ii 3.2f-iii 3.2g 3.3-i 3.3-ii 3.3-iii",
		"4": "4.1-i 4.1-ii 4.2a 4.2b 4.2c-i 4.2c-ii 4.2d 4.3-i 4.3-ii",
	}
	for _, c := range Capacities() {
		var ids []string
		checkText(t, c.ID, c.Label)
		for _, cr := range c.Criteria {
			checkText(t, cr.ID, cr.Label)
			if !strings.HasPrefix(cr.ID, c.ID+".") || cr.Ref == "" {
				t.Errorf("criterion %s under capacity %s, ref %q", cr.ID, c.ID, cr.Ref)
			}
			for _, p := range cr.Points {
				checkText(t, p.ID, p.Label)
				if !strings.HasPrefix(p.ID, cr.ID) {
					t.Errorf("point %s under criterion %s", p.ID, cr.ID)
				}
				if _, ok := PointByID(p.ID); !ok {
					t.Errorf("point %s not found", p.ID)
				}
				ids = append(ids, p.ID)
			}
		}
		if got := strings.Join(ids, " "); got != want[c.ID] {
			t.Errorf("capacity %s has %s", c.ID, got)
		}
		delete(want, c.ID)
	}
	if len(want) > 0 {
		t.Errorf("missing capacities %v", want)
	}
	if _, ok := PointByID("9.9"); ok {
		t.Error("found a point that is not there")
	}
}

// TestWording: the names of the capacities are the référentiel's own.
func TestWording(t *testing.T) {
	want := map[string]string{
		"2": "Maintenir en conditions opérationnelles des systèmes informatiques",
		"3": "Rétablir le service d’un système d’information suite à un incident ou dysfonctionnement",
		"4": "Piloter une action sur un système d’information en tenant compte des disponibilités matérielles et exigences de service",
	}
	for _, c := range Capacities() {
		if c.Label.FR != want[c.ID] {
			t.Errorf("capacity %s: %q", c.ID, c.Label.FR)
		}
	}
}
