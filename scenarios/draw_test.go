package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestDrawLibrary draws every variant of every scenario with many seeds.
func TestDrawLibrary(t *testing.T) {
	for _, id := range Library() {
		scn, err := LoadScenario(id)
		if err != nil {
			t.Fatal(err)
		}
		site, err := LoadSiteOf(scn)
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{Healthy}
		for _, v := range scn.Variants {
			ids = append(ids, v.ID)
		}
		drawn, places := map[string]bool{}, map[string]bool{}
		for seed := range uint64(40) {
			free, err := Draw(scn, site, seed, "")
			if err != nil {
				t.Fatal(err)
			}
			drawn[free.ID] = true
			for _, vid := range ids {
				v, err := Draw(scn, site, seed, vid)
				if err != nil {
					t.Fatal(err)
				}
				again, err := Draw(scn, site, seed, vid)
				if err != nil {
					t.Fatal(err)
				}
				if a, b := variantText(v), variantText(again); a != b {
					t.Fatalf("%s, seed %d, %s: two drawings differ", id, seed, vid)
				}
				if strings.Contains(variantText(v), "{{") {
					t.Errorf("%s, seed %d, %s: a template is left", id, seed, vid)
				}
				// The variant fixes the cause only; the seed draws the rest.
				if v.Ticket != free.Ticket {
					t.Errorf("%s, seed %d: the ticket tells %s from %s", id, seed, vid, free.ID)
				}
				places[v.FaultyNode()] = true
				checkVariant(t, v)
			}
		}
		if len(drawn) != len(ids) {
			t.Errorf("%s: 40 seeds draw %v only", id, drawn)
		}
		if len(places) < 3 { // two elements, and none for the twin
			t.Errorf("%s: 40 seeds break %v only", id, places)
		}
	}
}

// variantText is all that a variant says, the other variants' texts left out.
func variantText(v *Variant) string {
	scn := clone(*v.Scenario)
	scn.Files, scn.Variants, scn.Picks = nil, nil, nil
	spec := VariantSpec{}
	if v.Spec != nil {
		spec = *v.Spec
	}
	return fmt.Sprintf("%s %+v %+v %+v %+v %+v %+v %+v", v.ID, printable(v.Site), scn, spec, v.Picks, v.Faults, v.Ticket, v.Logbook)
}

func checkVariant(t *testing.T, v *Variant) {
	t.Helper()
	if !slices.IsSortedFunc(v.Logbook, func(a, b Entry) int { return int(b.Ago) - int(a.Ago) }) {
		t.Errorf("%s: the logbook is not in the order of time", v.ID)
	}
	times := map[string]Duration{}
	for _, f := range v.Faults {
		if f.Ago <= 0 {
			t.Errorf("%s: a fault without an age on %s", v.ID, f.Node)
		}
		// A faulty file is as old as the decoy on it: times tell nothing.
		key := f.Node + f.Params["file"]
		if old, ok := times[key]; ok && old != f.Ago {
			t.Errorf("%s: %s is %v old, its decoy %v", v.ID, key, f.Ago, old)
		}
		times[key] = f.Ago
	}
	if (v.Spec == nil) != (v.FaultyNode() == "") || (v.Spec == nil) != (v.ID == Healthy) {
		t.Errorf("%s: broken element %q", v.ID, v.FaultyNode())
	}
}

// TestDrawUnknownVariant names what there is.
func TestDrawUnknownVariant(t *testing.T) {
	scn, err := LoadScenario("lost-connectivity")
	if err != nil {
		t.Fatal(err)
	}
	site, err := LoadSiteOf(scn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Draw(scn, site, 1, "pasive"); err == nil || !IsInput(err) || !strings.Contains(err.Error(), `did you mean "passive"?`) {
		t.Errorf("got %v", err)
	}
}
