package check

import "github.com/situlab/situlab/grader/evidence"

// Codes and FlagCodes list what the tests must reach.
func Codes() map[Reason]Outcome {
	out := map[Reason]Outcome{}
	for c, r := range reasons {
		out[c] = r.outcome
	}
	return out
}

// FlagCodes lists all flags.
func FlagCodes() []Reason {
	var out []Reason
	for c := range flagReasons {
		out = append(out, c)
	}
	return out
}

// Texts gives the templates of a code.
func Texts() map[Reason][2]evidence.Text {
	out := map[Reason][2]evidence.Text{}
	for c, r := range reasons {
		out[c] = [2]evidence.Text{r.sentence, r.question}
	}
	for c, r := range flagReasons {
		out[c] = [2]evidence.Text{r.sentence, r.question}
	}
	return out
}

// Classify exposes the sorting of commands.
func Classify(argv []string, cwd string) (test, change string) {
	c := classify(argv, cwd)
	return c.test, c.change
}

// VtyshLine and PsqlLine expose the sorting of typed lines.
func VtyshLine(l string) (test, change string) { c := vtyshLine(l); return c.test, c.change }

// PsqlLine see VtyshLine.
func PsqlLine(l string) (test, change string) { c := psqlLine(l); return c.test, c.change }

// Kinds lists the kinds of tests.
func Kinds() map[string][]string {
	out := map[string][]string{}
	for k, v := range testKinds {
		out[k] = v.families
	}
	return out
}

// FamilyPlaces, NarrowFamilies and Possible expose what tests show.
func FamilyPlaces() map[string][]string { return familyPlaces }

// NarrowFamilies lists the families of files and daemons.
func NarrowFamilies() map[string][]string {
	out := map[string][]string{}
	for k, v := range daemons {
		out["daemon "+k] = v
	}
	for _, f := range configFiles {
		out["file "+f.prefix] = f.families
	}
	return out
}

// Possible see View.possible.
func (v *View) Possible(families, at []string) (shown, hidden bool) { return v.possible(families, at) }
