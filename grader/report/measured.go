package report

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/situlab/situlab/grader/evidence"
)

// measuredLabels are the words for the keys of Point.Measured. A key without
// words is shown as it is.
var measuredLabels = map[string]evidence.Text{
	"answers":                      tx("réponses", "answers"),
	"allowed_seconds":              tx("délai demandé (s)", "delay asked for (s)"),
	"canaries":                     tx("données témoins", "canary data"),
	"cause":                        tx("cause désignée", "cause named"),
	"changes":                      tx("modifications", "changes"),
	"changes_elsewhere":            tx("modifications ailleurs", "changes elsewhere"),
	"changes_on_element":           tx("modifications sur l’élément", "changes on the component"),
	"cold_start":                   tx("redémarrage complet effectué", "complete restart done"),
	"corrections":                  tx("corrections", "corrections"),
	"diagnoses":                    tx("diagnostics déposés", "diagnoses handed in"),
	"discriminating_before_change": tx("tests qui départagent avant la première modification", "discriminating tests before the first change"),
	"discriminating_tests":         tx("tests qui départagent", "discriminating tests"),
	"element":                      tx("élément désigné", "component named"),
	"end_not_told":                 tx("fin non annoncée à", "end not told to"),
	"entries":                      tx("entrées", "entries"),
	"environment":                  tx("environnement", "environment"),
	"first_notice_seconds":         tx("premier avis (s)", "first notice (s)"),
	"flows_measured":               tx("flux mesurés", "flows measured"),
	"flows_widened":                tx("flux ouverts", "flows opened"),
	"green_seconds":                tx("disponibilité continue (s)", "continuously available (s)"),
	"groups_told":                  tx("groupes prévenus", "groups told"),
	"headings":                     tx("rubriques reconnues", "headings recognised"),
	"hit_groups":                   tx("groupes touchés", "groups affected"),
	"hit_probes":                   tx("services mesurés", "services measured"),
	"interrupted":                  tx("services interrompus", "services interrupted"),
	"interventions":                tx("interventions constatées", "interventions observed"),
	"longest_seconds":              tx("plus longue interruption (s)", "longest interruption (s)"),
	"lost":                         tx("perdues", "lost"),
	"matched":                      tx("interventions consignées", "interventions recorded"),
	"needed_seconds":               tx("durée demandée (s)", "time asked for (s)"),
	"no_fault":                     tx("« aucune panne »", "“no fault”"),
	"notices":                      tx("avis envoyés", "notices sent"),
	"others_lost":                  tx("autres services perdus", "other services lost"),
	"out_of_perimeter":             tx("machines hors périmètre", "machines out of scope"),
	"red_after_cold_start":         tx("en échec après redémarrage", "failing after the restart"),
	"red_after_finish":             tx("retombés après la fin", "failed again after the end"),
	"red_at_finish":                tx("en échec à la fin", "failing at the end"),
	"relevant_tests":               tx("tests pertinents différents", "different relevant tests"),
	"reports":                      tx("rapports remis", "reports handed in"),
	"restarts":                     tx("redémarrages", "restarts"),
	"samples":                      tx("mesures par service", "measurements per service"),
	"tests":                        tx("tests", "tests"),
	"unread":                       tx("non relues", "not read back"),
	"without_entry":                tx("interventions non consignées", "interventions not recorded"),
	"without_notice":               tx("groupes sans avis", "groups without notice"),
	"words":                        tx("mots", "words"),
	"wrong_machines":               tx("machines saines modifiées", "sound machines changed"),
}

// measurements sorts measured values into labelled pairs. The verdict may come
// from Grade (Go types) or from JSON; both print alike.
func measurements(m map[string]any) []Pair {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	out := make([]Pair, 0, len(keys))
	for _, k := range keys {
		value := printed(m[k])
		if value.FR == "" {
			continue
		}
		label, ok := measuredLabels[k]
		if !ok {
			label = same(k)
		}
		out = append(out, Pair{Label: label, Value: value})
	}
	return out
}

func printed(v any) evidence.Text {
	switch v := v.(type) {
	case string:
		return same(v)
	case bool:
		if v {
			return tx("oui", "yes")
		}
		return tx("non", "no")
	case int:
		return same(strconv.Itoa(v))
	case uint64:
		return same(strconv.FormatUint(v, 10))
	case float64:
		n := strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
		return tx(strings.Replace(n, ".", ",", 1), n)
	case []string:
		return same(strings.Join(v, ", "))
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = fmt.Sprint(v[i])
		}
		return same(strings.Join(parts, ", "))
	}
	return same(fmt.Sprint(v))
}
