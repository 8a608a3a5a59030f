package scenarios

import (
	"fmt"
	"slices"
	"strings"
)

// Draw makes one concrete variant of a scenario. site is as loaded; it is
// expanded with the seed here. Without variantID the seed draws one of the
// variants or the healthy twin, each as likely as any other; with it the seed
// draws all the rest.
func Draw(scn *Scenario, site *Site, seed uint64, variantID string) (*Variant, error) {
	index, err := variantIndex(scn, seed, variantID)
	if err != nil {
		return nil, err
	}
	expanded, err := Expand(site, seed)
	if err != nil {
		return nil, err
	}
	picks := map[string]string{}
	all := scn.Picks
	if index >= 0 {
		all = slices.Concat(all, scn.Variants[index].Picks)
	}
	drawPicks(seed, all, picks)
	v, errs := fill(scn, expanded, index, picks)
	if len(errs) > 0 {
		var list ErrorList
		for _, e := range errs {
			list = append(list, inputErrorf(scn.file(scenarioFile), "%s: %v", e.path, e.err))
		}
		return nil, list.err()
	}
	v.Seed = seed
	return v, nil
}

// variantIndex is the place of a variant, -1 for the healthy twin.
func variantIndex(scn *Scenario, seed uint64, id string) (int, error) {
	switch {
	case id == Healthy:
		return -1, nil
	case id == "":
		return draw(seed, "variant").IntN(len(scn.Variants)+1) - 1, nil
	}
	ids := []string{Healthy}
	for i, v := range scn.Variants {
		if v.ID == id {
			return i, nil
		}
		ids = append(ids, v.ID)
	}
	return 0, inputErrorf("", "scenario %s has no variant %q; it has %s%s", scn.ID, id, strings.Join(ids, ", "), nearName(id, ids))
}

// DefaultSeeds are what tests play when no seed is named: two seeds that
// together take every value of every pick with at most two.
var DefaultSeeds = []string{"1", "2"}

// drawPicks draws one value of each pick. Seeds that follow each other walk
// through the combinations instead of drawing blindly, so that few seeds see
// every value: seed-1 is written with one digit per pick, and every digit but the
// first is moved by the first one. So seeds 1 and 2 (3 and 4, ...) differ in
// every pick of two values, and a seed taken at random still gives every
// combination the same chance. What is shared by all variants comes first: its
// values do not depend on the variant.
func drawPicks(seed uint64, picks []Pick, into map[string]string) {
	rest, first := seed-1, uint64(0)
	for i, p := range picks {
		n := uint64(len(p.From))
		digit := rest % n
		rest /= n
		if i == 0 {
			first = digit
		} else {
			digit = (digit + first) % n
		}
		into[p.Name] = p.From[digit]
	}
}

// fillError is a template that could not be filled.
type fillError struct {
	path string
	err  error
}

// fill runs the templates of a scenario over an expanded site and the picks
// drawn. The variants other than the one at index stay as written.
func fill(scn *Scenario, site *Site, index int, picks map[string]string) (*Variant, []fillError) {
	out := clone(*scn)
	frozen := clone(*site)
	frozen.memo = site.memo
	env := &environment{site: &frozen}
	dot := data{Site: &frozen, Pick: picks}
	mine := fmt.Sprintf("variants[%d].", index)
	var errs []fillError
	eachTemplate(&out, func(path, s string) string {
		if !strings.Contains(s, "{{") || strings.HasPrefix(path, "variants[") && !strings.HasPrefix(path, mine) {
			return s
		}
		got, err := env.run(path, s, dot)
		if err != nil {
			errs = append(errs, fillError{path, err})
		}
		return got
	})
	v := &Variant{Scenario: &out, Site: site, ID: Healthy, Picks: picks, Ticket: out.Ticket}
	v.Logbook = append(slices.Clone(site.Logbook), out.Logbook...)
	v.Faults = slices.Clone(out.Decoys)
	if index < 0 {
		v.Logbook = append(v.Logbook, out.Healthy.Logbook...)
	} else {
		v.Spec = &out.Variants[index]
		v.ID = v.Spec.ID
		for i := range v.Spec.Faults {
			inheritAge(&v.Spec.Faults[i], out.Decoys)
		}
		v.Faults = append(v.Faults, v.Spec.Faults...)
	}
	slices.SortStableFunc(v.Logbook, func(a, b Entry) int { return int(b.Ago/1e9) - int(a.Ago/1e9) })
	own := *site
	own.Logbook = v.Logbook
	own.over = folder{scn.Files, scn.folder}
	v.Site = &own
	return v, errs
}

// inheritAge gives a fault without an age that of the decoy on the same file.
func inheritAge(f *Fault, decoys []Fault) {
	for _, d := range decoys {
		if f.Ago == 0 && d.Node == f.Node && d.Params["file"] == f.Params["file"] {
			f.Ago = d.Ago
		}
	}
}
