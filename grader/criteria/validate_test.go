package criteria

import (
	"strings"
	"testing"
)

// mistake is a copy of a data file in which old stands as new.
type mistake struct{ old, new, want string }

// broken makes one mistake in a data file. Its first occurrence must be there:
// a table that no longer fits the file must not pass.
func (m mistake) in(t *testing.T, data []byte) []byte {
	t.Helper()
	if !strings.Contains(string(data), m.old) {
		t.Fatalf("the file has no %q", m.old)
	}
	return []byte(strings.Replace(string(data), m.old, m.new, 1))
}

func (m mistake) check(t *testing.T, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), m.want) {
		t.Errorf("%q as %q: error %v, want %q", m.old, m.new, err, m.want)
	}
}

func TestMistakesInCriteria(t *testing.T) {
	for _, m := range []mistake{
		{"observed: true", "observed: false", "capacity 2 is not observed, yet has criteria"},
		{"observed: false", "observed: true", "capacity 1 is observed, yet has no criterion"},
		{"observed: true", "seen: true", "field seen not found"},
		{"mode: both", "mode: tool", `"tool" is none of`},
		{"            mode: both\n", "", "point 2.1-i: no mode"},
		{"            open: true\n            mode: jury", "            open: true\n            mode: both", "2.2f is open: only the jury speaks on it"},
		{"mechanisms: [M1]", "mechanisms: [M11]", `point 2.1-i: no mechanism "M11"`},
		{"mechanisms: [M1]", "mechanisms: [M1, M1]", "mechanism M1 stands twice"},
		{"mechanisms: [M4]", "mechanisms: []\n            open: true", "4.2b is open"},
		{"{id: M2,", "{id: M3,", `mechanism "M3" stands in place 2`},
		{"mechanisms: [M10]", "mechanisms: []", "mechanism M10 measures no point"},
		{"- id: 3.1-ii\n", "- id: 3.1-i\n", "point 3.1-i stands twice"},
		{"- id: 3.1-ii\n", "- id: 3.2h\n", "no id of a point of criterion 3.1"},
		{"- id: 3.1-ii\n", "- id: 3.1-2\n", "no id of a point of criterion 3.1"},
		{`- id: "3.2"`, `- id: "3.4"`, `criterion "3.4" stands in place 2 of capacity 3`},
		{`- id: "5"`, `- id: "7"`, "capacity 7 stands in place 5"},
		{"critère 1, phrase 1", "critère 2, phrase 1", `ref "II, capacité 2, critère 2, phrase 1" is not within`},
		{"critère 1, phrase 1", "critère 1, alinéa 1", "is no paragraph of the référentiel"},
		{`ref: "II, capacité 4"`, `ref: "III"`, `capacity 4: ref "III"`},
		{"L’état des équipements", "L'état des équipements", "straight apostrophe"},
		{`en: "Equipment status is checked"`, `en: ""`, "point 2.2a: no en text"},
		{`fr: "L’état des équipements est vérifié", `, "", "point 2.2a: no fr text"},
		{`acquise\u00a0: il`, `acquise : il`, "a space that breaks"},
		{"est exploitable\"", "est exploitable \"", "padded"},
		{"one_of: [a, b, c]", "one_of: []", "capacity 1: no modality"},
		{"capacities:", "---\ncapacities:", "more than one document"},
		{`ref: "II, capacité 1"`, "ref: \"II, capacité 1\"\n    ref: \"II, capacité 1\"", "already defined"},
	} {
		var f capacityFile
		err := decode(m.in(t, criteriaYAML), &f)
		if err == nil {
			err = f.validate()
		}
		m.check(t, err)
	}
}

// TestAllMistakesAtOnce: one run shows all of them.
func TestAllMistakesAtOnce(t *testing.T) {
	data := mistake{old: `en: "Equipment status is checked"`, new: `en: ""`}.in(t, criteriaYAML)
	data = mistake{old: "mechanisms: [M10]", new: "mechanisms: []"}.in(t, data)
	var f capacityFile
	if err := decode(data, &f); err != nil {
		t.Fatal(err)
	}
	err := f.validate()
	mistake{want: "2.2a"}.check(t, err)
	mistake{want: "M10"}.check(t, err)
}
