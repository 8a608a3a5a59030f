package grader_test

import (
	"strings"
	"testing"

	"github.com/situlab/situlab/grader/internal/synth"
)

// TestOnlyDeclaredCapacities: a verdict has the capacities that the situation
// declares, whatever else the référentiel holds.
func TestOnlyDeclaredCapacities(t *testing.T) {
	for points, want := range map[string]string{
		"3.1-i 3.1-ii":  "3",
		"3.1-i 2.2c":    "2 3",
		"4.2a":          "4",
		"":              "",
		"3.1-i 9.9-iii": "3",
	} {
		f := synth.Facts(false)
		f.Points = strings.Fields(points)
		s := synth.New(f, 1)
		s.Finish()
		var got []string
		v := grade(t, s)
		for _, c := range v.Capacities {
			got = append(got, c.ID)
			for _, cr := range c.Criteria {
				for _, p := range cr.Points {
					if declared := strings.Contains(" "+points+" ", " "+p.ID+" "); declared == (p.Reason == "not_declared") {
						t.Errorf("%q: %s is %s, %s", points, p.ID, p.Outcome, p.Reason)
					}
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: capacities %v, want %q", points, got, want)
		}
		if v.Admissible != nil {
			t.Errorf("%q: admissible %v", points, *v.Admissible)
		}
	}
}
