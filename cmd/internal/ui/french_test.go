package ui

import (
	"strings"
	"testing"
)

// TestTable: a French phrase uses what the English one has, each thing once.
func TestTable(t *testing.T) {
	for en, fr := range french {
		if got, want := len(ordinal.FindAllString(fr, -1)), len(verb.FindAllString(en, -1)); got != want {
			t.Errorf("%q has %d things, %q has %d", en, want, fr, got)
		}
		if strings.Contains(ordinal.ReplaceAllString(fr, ""), "%") {
			t.Errorf("%q: only %%s is written in French", fr)
		}
	}
}

func TestFrench(t *testing.T) {
	for en, want := range map[string]string{
		`x/site.yaml:3:4: nodes[0].role: no node "a" in site small; did you mean "b"?`: `x/site.yaml:3:4: nodes[0].role: le site small n'a pas de nœud "a" ; vouliez-vous écrire "b" ?`,
		"create /a: mkdir /a: permission denied (run as root)":                         "impossible de créer /a : création de /a : accès refusé (à lancer en root)",
		"what nobody has put into French: 12":                                          "what nobody has put into French: 12",
		"":                                                                             "",
	} {
		if got := French(en); got != want {
			t.Errorf("%s\n got %s\nwant %s", en, got, want)
		}
	}
	// No text takes long, whatever is in it.
	French(strings.Repeat("a: b; (", 2000))
}
