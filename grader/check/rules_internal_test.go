package check

import (
	"testing"

	"github.com/situlab/situlab/grader/criteria"
)

// TestRulesAreOfTheList: no rule and no table of this package speaks of a point
// that the référentiel does not have, and none decides an open one, which is
// the jury's.
func TestRulesAreOfTheList(t *testing.T) {
	speaks := append(append([]string(nil), onlyWithFault...), fromAbsence...)
	for id := range rules {
		speaks = append(speaks, id)
	}
	for id := range needs {
		speaks = append(speaks, id)
	}
	if len(speaks) < len(rules)+len(needs) || len(rules) == 0 {
		t.Fatalf("%d points in all", len(speaks))
	}
	for _, id := range speaks {
		if p, ok := criteria.PointByID(id); !ok || p.Open {
			t.Errorf("point %q: in the list %v, open %v", id, ok, p.Open)
		}
	}
}
