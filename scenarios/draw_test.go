package scenarios

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
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

// eachLibrary loads every scenario of the library with its site.
func eachLibrary(t *testing.T, f func(t *testing.T, scn *Scenario, site *Site)) {
	for _, id := range Library() {
		t.Run(id, func(t *testing.T) {
			scn, err := LoadScenario(id)
			if err != nil {
				t.Fatal(err)
			}
			site, err := LoadSiteOf(scn)
			if err != nil {
				t.Fatal(err)
			}
			f(t, scn, site)
		})
	}
}

// TestDefaultSeedsTakeEveryValue: the seeds that are played when none is named
// try every value of every pick.
func TestDefaultSeedsTakeEveryValue(t *testing.T) {
	eachLibrary(t, func(t *testing.T, scn *Scenario, site *Site) {
		for _, spec := range scn.Variants {
			seen := map[string]bool{}
			for _, s := range DefaultSeeds {
				seed, err := strconv.ParseUint(s, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				v, err := Draw(scn, site, seed, spec.ID)
				if err != nil {
					t.Fatal(err)
				}
				for name, value := range v.Picks {
					seen[name+"="+value] = true
				}
			}
			for _, p := range slices.Concat(scn.Picks, spec.Picks) {
				for _, value := range p.From {
					if !seen[p.Name+"="+value] {
						t.Errorf("%s: no default seed (%v) draws %s=%s; name more of them", spec.ID, DefaultSeeds, p.Name, value)
					}
				}
			}
		}
	})
}

// TestDrawIsFair: seeds taken at random give every combination of picks, none
// much more often than another.
func TestDrawIsFair(t *testing.T) {
	picks := []Pick{{Name: "a", From: []string{"0", "1"}}, {Name: "b", From: []string{"0", "1", "2"}}, {Name: "c", From: []string{"0", "1"}}}
	count := map[string]int{}
	const n = 12_000
	for i := range uint64(n) {
		into := map[string]string{}
		drawPicks(draw(i, "any seed").Uint64(), picks, into)
		count[into["a"]+into["b"]+into["c"]]++
	}
	if len(count) != 12 {
		t.Errorf("%d combinations of 12", len(count))
	}
	for c, k := range count {
		if k < n/12*8/10 || k > n/12*12/10 {
			t.Errorf("%s: %d times of %d", c, k, n)
		}
	}
}

// TestTwinIsNotBetrayed: what the candidate reads before looking (ticket,
// logbook, title, brief, hints) is the same on every variant and the twin.
func TestTwinIsNotBetrayed(t *testing.T) {
	eachLibrary(t, func(t *testing.T, scn *Scenario, site *Site) {
		reads := func(v *Variant) string {
			return fmt.Sprintf("%+v %+v %+v %+v %+v", v.Ticket, v.Logbook, v.Scenario.Title, v.Scenario.BriefText, v.Scenario.Hints)
		}
		for _, seed := range []uint64{1, 2, 9} {
			twin, err := Draw(scn, site, seed, Healthy)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range scn.Variants {
				v, err := Draw(scn, site, seed, spec.ID)
				if err != nil {
					t.Fatal(err)
				}
				if reads(v) != reads(twin) {
					t.Errorf("seed %d: %s reads otherwise than the twin", seed, spec.ID)
				}
			}
		}
	})
}

// TestEverybodyAnswers: the ticket's author and every contact that is somebody of
// the company have an answer to any question, on every variant and the twin,
// before and after the repair; and no word of a list is hidden by another.
func TestEverybodyAnswers(t *testing.T) {
	eachLibrary(t, func(t *testing.T, scn *Scenario, site *Site) {
		who := []string{"user"}
		for _, c := range site.Contacts {
			if c.Person != "" {
				who = append(who, c.ID)
			}
		}
		for _, w := range who {
			for _, id := range append([]string{Healthy}, variantIDs(scn)...) {
				for _, red := range yesNo {
					if id == Healthy && red == "yes" {
						continue // nothing is red on the twin
					}
					if !slices.ContainsFunc(scn.Dialogue, func(a Answer) bool {
						return a.Who == w && len(a.Words) == 0 && (a.Red == "" || a.Red == red) && (len(a.Variants) == 0 || slices.Contains(a.Variants, id))
					}) {
						t.Errorf("%s has nothing to say on %s, red %s", w, id, red)
					}
				}
			}
		}
		for i, a := range scn.Dialogue {
			for _, x := range a.Words {
				for _, y := range a.Words {
					if x != y && strings.HasPrefix(y, x) {
						t.Errorf("dialogue[%d]: %q counts every %q already", i, x, y)
					}
				}
			}
		}
	})
}

func variantIDs(scn *Scenario) []string {
	var ids []string
	for _, v := range scn.Variants {
		ids = append(ids, v.ID)
	}
	return ids
}

// TestScreenFrench reads every text of the library and of its sites as printed:
// typographic apostrophes, the words of the trade, nobody's gender taken for
// granted where names are drawn.
func TestScreenFrench(t *testing.T) {
	faults := regexp.MustCompile(`\pL'\pL|\bde [AEIOUYÉÈÊ]\pL+|(?i)n(?:œ|oe)ud|(?i)\baires?\b|élément en cause|Désolée?\b|Chef d’`)
	check := func(path, s string) {
		t.Helper()
		if strings.HasSuffix(path, ".en") || strings.Contains(path, "params") {
			return
		}
		for _, m := range faults.FindAllStringIndex(s, -1) {
			t.Errorf("%s: …%s…", path, s[max(0, m[0]-25):min(len(s), m[1]+25)])
		}
	}
	eachLibrary(t, func(t *testing.T, scn *Scenario, site *Site) {
		for _, id := range append([]string{Healthy}, variantIDs(scn)...) {
			v, err := Draw(scn, site, 2, id)
			if err != nil {
				t.Fatal(err)
			}
			own := fmt.Sprintf("variants[%d].", slices.Index(variantIDs(scn), id))
			eachTemplate(v.Scenario, func(path, s string) string {
				if strings.HasSuffix(path, ".fr") && (!strings.HasPrefix(path, "variants[") || strings.HasPrefix(path, own)) {
					check(path, s)
				}
				return s
			})
			eachTemplate(v.Site, func(path, s string) string {
				if strings.HasSuffix(path, ".fr") {
					check(path, s)
				}
				return s
			})
		}
	})
}
