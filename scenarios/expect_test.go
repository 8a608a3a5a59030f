package scenarios

import (
	"slices"
	"strings"
	"testing"
)

func TestExpectOfLibrary(t *testing.T) {
	if len(Library()) == 0 {
		t.Fatal("the library is empty")
	}
	for _, id := range Library() {
		scn, err := LoadScenario(id)
		if err != nil {
			t.Fatal(err)
		}
		e, err := LoadExpect(scn)
		if err != nil {
			t.Fatal(err)
		}
		var listed []string
		for _, c := range e.Candidates {
			listed = append(listed, c.Name)
			script, err := Candidate(scn, c.Name)
			if err != nil {
				t.Error(err)
			}
			if strings.Contains(string(script), "\nsource ") {
				t.Errorf("%s: a source line is left", c.Name)
			}
		}
		for _, name := range Candidates(scn) {
			if !slices.Contains(listed, name) {
				t.Errorf("%s: candidate %s is not in expect.yaml", id, name)
			}
		}
		// What a scenario is for: these never restore, whatever the variant.
		for _, v := range scn.Variants {
			for _, name := range []string{"do-nothing", "restart-everything", "reboot-everything", "runtime-only", "disk-only"} {
				points, played := e.For(name, v.ID)
				if !played || points["3.1-ii"].Outcome == "acquis" {
					t.Errorf("%s on %s: played %v, 3.1-ii %v", name, v.ID, played, points["3.1-ii"])
				}
			}
			for _, name := range []string{"reference", "alternative"} {
				if points, _ := e.For(name, v.ID); !points["3.1-ii"].Matches("acquis", "restored_permanent") {
					t.Errorf("%s on %s: 3.1-ii %v", name, v.ID, points["3.1-ii"])
				}
			}
		}
	}
}
