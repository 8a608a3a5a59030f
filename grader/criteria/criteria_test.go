package criteria

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// wanted are the sub-points that the grading rules know, by capacity. Those
// that situlab does not observe have none.
var wanted = map[string]string{
	"1": "",
	"2": "2.1-i 2.1-ii 2.1-iii 2.2a 2.2b-i 2.2b-ii 2.2b-iii 2.2c 2.2d 2.2e 2.2f 2.3-i 2.3-ii",
	"3": "3.1-i 3.1-ii 3.1-iii 3.1-iv 3.1-v 3.2a 3.2b 3.2c 3.2d 3.2e 3.2f-i 3.2f-ii 3.2f-iii 3.2g 3.3-i 3.3-ii 3.3-iii",
	"4": "4.1-i 4.1-ii 4.2a 4.2b 4.2c-i 4.2c-ii 4.2d 4.3-i 4.3-ii",
	"5": "",
	"6": "",
}

func TestCapacities(t *testing.T) {
	if len(Capacities()) != len(wanted) {
		t.Errorf("%d capacities, want %d", len(Capacities()), len(wanted))
	}
	for _, c := range Capacities() {
		got := strings.Join(ids(c.Points(), func(p Point) string { return p.ID }), " ")
		if want, ok := wanted[c.ID]; !ok || got != want {
			t.Errorf("capacity %s has %q, want %q", c.ID, got, want)
		}
		if c.Observed != (got != "") {
			t.Errorf("capacity %s: observed %v with points %q", c.ID, c.Observed, got)
		}
		if back, ok := CapacityByID(c.ID); !ok || back.Label != c.Label {
			t.Errorf("CapacityByID(%s) = %v, %v", c.ID, back.Label, ok)
		}
		for _, cr := range c.Criteria {
			if back, ok := CriterionByID(cr.ID); !ok || back.Label != cr.Label {
				t.Errorf("CriterionByID(%s) = %v, %v", cr.ID, back.Label, ok)
			}
			for _, p := range cr.Points {
				if back, ok := PointByID(p.ID); !ok || back.Label != p.Label {
					t.Errorf("PointByID(%s) = %v, %v", p.ID, back.Label, ok)
				}
			}
		}
	}
	if _, ok := PointByID("9.9"); ok {
		t.Error("found a point that is not there")
	}
	if _, ok := CriterionByID("2.4"); ok {
		t.Error("found a criterion that is not there")
	}
	if _, ok := CapacityByID("7"); ok {
		t.Error("found a capacity that is not there")
	}
}

// TestModes: the grading rules leave nothing to the jury on four points and
// everything on the three open slots; on all others both speak.
func TestModes(t *testing.T) {
	auto := []string{"2.2b-iii", "3.2f-ii", "3.2f-iii", "4.3-i"}
	open := []string{"2.2f", "3.2g", "4.2d"}
	for _, c := range Capacities() {
		for _, p := range c.Points() {
			want := Both
			switch {
			case slices.Contains(auto, p.ID):
				want = Auto
			case slices.Contains(open, p.ID):
				want = Jury
			}
			if p.Mode != want || p.Open != (want == Jury) {
				t.Errorf("point %s: mode %s, open %v; want mode %s", p.ID, p.Mode, p.Open, want)
			}
		}
	}
}

// TestMechanisms: what the grading rules name by its number measures the point.
func TestMechanisms(t *testing.T) {
	named := map[string]string{"2.1-ii": "M1", "2.2a": "M2", "2.2b-i": "M3 M5", "3.1-i": "M6 M7", "3.1-ii": "M3", "3.1-iii": "M2",
		"3.1-v": "M1", "3.2a": "M7", "3.2c": "M3", "3.2e": "M3", "3.2f-i": "M8", "3.2f-iii": "M1 M2", "3.3-i": "M5", "3.3-ii": "M9",
		"4.1-ii": "M10", "4.2a": "M9", "4.2b": "M4"}
	for id, want := range named {
		p, _ := PointByID(id)
		for m := range strings.FieldsSeq(want) {
			if !slices.Contains(p.Mechanisms, m) {
				t.Errorf("point %s is measured by %v, want %s among them", id, p.Mechanisms, m)
			}
		}
	}
	if n := len(Mechanisms()); n != 10 {
		t.Errorf("%d mechanisms", n)
	}
}

// box is what a criterion of the référentiel is made of: sentences, and bullets
// after "(par exemple)", the empty one at the end of the list included.
type box struct{ sentences, examples int }

var boxes = map[string]box{
	"2.1": {2, 0}, "2.2": {1, 6}, "2.3": {1, 0},
	"3.1": {2, 0}, "3.2": {1, 7}, "3.3": {1, 0},
	"4.1": {2, 0}, "4.2": {1, 4}, "4.3": {1, 0},
}

// TestRefs: each reference leads to a place that the référentiel has, and no
// place that asks for something is left out.
func TestRefs(t *testing.T) {
	shape := regexp.MustCompile(`^II, capacité (\d), critère (\d), (phrase|exemple) (\d)$`)
	cited := map[string]bool{}
	seen := 0
	for _, c := range Capacities() {
		for _, cr := range c.Criteria {
			seen++
			b, ok := boxes[cr.ID]
			if !ok {
				t.Errorf("the référentiel has no criterion %s", cr.ID)
			}
			for _, p := range cr.Points {
				m := shape.FindStringSubmatch(string(p.Ref))
				if m == nil {
					t.Errorf("point %s: ref %q", p.ID, p.Ref)
					continue
				}
				n, _ := strconv.Atoi(m[4])
				limit := b.sentences
				if m[3] == "exemple" {
					limit = b.examples
				}
				if m[1]+"."+m[2] != cr.ID || n < 1 || n > limit {
					t.Errorf("point %s: the référentiel has no %q", p.ID, p.Ref)
				}
				// The letter of a point is the number of its example.
				if letter := strings.TrimPrefix(p.ID, cr.ID)[0]; (letter != '-') != (m[3] == "exemple") || letter != '-' && int(letter-'a'+1) != n {
					t.Errorf("point %s: ref %q", p.ID, p.Ref)
				}
				if p.Open && n != b.examples {
					t.Errorf("point %s is open, yet %q is not the end of the list", p.ID, p.Ref)
				}
				cited[fmt.Sprintf("%s %s %d", cr.ID, m[3], n)] = true
			}
		}
	}
	if seen != len(boxes) {
		t.Errorf("%d criteria, the référentiel has %d", seen, len(boxes))
	}
	for id, b := range boxes {
		for n := 1; n <= b.examples; n++ {
			if !cited[fmt.Sprintf("%s exemple %d", id, n)] {
				t.Errorf("criterion %s: no point for example %d", id, n)
			}
		}
		// The one sentence of a criterion with examples only introduces them.
		for n := 1; n <= b.sentences && b.examples == 0; n++ {
			if !cited[fmt.Sprintf("%s phrase %d", id, n)] {
				t.Errorf("criterion %s: no point for sentence %d", id, n)
			}
		}
	}
}

func TestRefText(t *testing.T) {
	for in, en := range map[Ref]string{
		"II, capacité 3, critère 2, exemple 4": "II, capability 3, criterion 2, example 4",
		"IV.2, B, c, forme 2":                  "IV.2, B, c, form 2",
		"III":                                  "III",
	} {
		if got := in.Text(); got.FR != string(in) || got.EN != en {
			t.Errorf("%s: %+v, want %q", in, got, en)
		}
	}
	for _, bad := range []string{"", "II", "II, capacité 7", "II, capacité 3, point 1", "V", "IV.2, B, e", "ii, capacité 3", "II, capacité 3 "} {
		var r Ref
		if err := r.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("accepted %q as a reference", bad)
		}
	}
}

// TestWording: the names of the capacities are the référentiel's own.
func TestWording(t *testing.T) {
	want := map[string]string{
		"1": "Traduire des besoins utilisateur en spécifications fonctionnelles et techniques",
		"2": "Maintenir en conditions opérationnelles des systèmes informatiques",
		"3": "Rétablir le service d’un système d’information suite à un incident ou dysfonctionnement",
		"4": "Piloter une action sur un système d’information en tenant compte des disponibilités matérielles et exigences de service",
		"5": "Assurer un appui technique aux utilisateurs",
		"6": "Rendre compte à sa hiérarchie de l’état des systèmes informatiques, événements et actions réalisées",
	}
	for _, c := range Capacities() {
		if c.Label.FR != want[c.ID] {
			t.Errorf("capacity %s: %q", c.ID, c.Label.FR)
		}
	}
}

func TestDeclared(t *testing.T) {
	for _, c := range []struct{ points, want string }{
		{"", ""},
		{"3.1-i", "3"},
		{"3.3-iii 3.1-i 3.2d", "3"},
		{"4.2a 2.2c", "2 4"},
		{"3.2", ""}, // a criterion is no point
		{"9.9 3.1-i", "3"},
	} {
		got := strings.Join(ids(Declared(strings.Fields(c.points)), capacityID), " ")
		if got != c.want {
			t.Errorf("%q declares capacities %q, want %q", c.points, got, c.want)
		}
	}
	all := strings.Fields(wanted["2"] + " 9.9 3.2 " + wanted["3"])
	if got := strings.Join(Undeclarable(all), " "); got != "2.2f 9.9 3.2 3.2g" {
		t.Errorf("undeclarable: %q", got)
	}
}
