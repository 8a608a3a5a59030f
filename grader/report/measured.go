package report

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
)

// measuredLabels are the words for the keys of Point.Measured. A key without
// words is shown as it is.
var measuredLabels = map[string]evidence.Text{
	"answers":                      tx("réponses", "answers"),
	"allowed_seconds":              tx("délai demandé", "delay asked for"),
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
	"first_notice_seconds":         tx("premier avis après", "first notice after"),
	"flows_measured":               tx("flux mesurés", "flows measured"),
	"flows_widened":                tx("flux ouverts", "flows opened"),
	"green_seconds":                tx("disponibilité continue", "continuously available"),
	"groups_told":                  tx("groupes prévenus", "groups told"),
	"headings":                     tx("rubriques reconnues", "headings recognised"),
	"hit_groups":                   tx("groupes touchés", "groups affected"),
	"hit_probes":                   tx("services suivis, réseau par réseau", "services followed, network by network"),
	"interrupted":                  tx("services interrompus", "services interrupted"),
	"interventions":                tx("interventions constatées", "interventions observed"),
	"longest_seconds":              tx("plus longue interruption", "longest interruption"),
	"not_back":                     tx("machines non revenues", "machines not back"),
	"lost":                         tx("perdues", "lost"),
	"matched":                      tx("interventions consignées", "interventions recorded"),
	"needed_seconds":               tx("durée demandée", "time asked for"),
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

// ofProbes, ofGroups and ofCanaries are keys whose values are ids of these.
var (
	ofProbes   = []string{"red_at_finish", "red_after_finish", "red_after_cold_start", "others_lost", "interrupted"}
	ofGroups   = []string{"hit_groups", "without_notice", "end_not_told"}
	ofCanaries = []string{"lost", "unread"}
)

// measurements sorts measured values into labelled pairs. The verdict may come
// from Grade (Go types) or from JSON; both print alike.
func measurements(v *check.View, m map[string]any) []Pair {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	out := make([]Pair, 0, len(keys))
	for _, k := range keys {
		value := valueOf(v, k, m[k])
		if value.FR == "" || k == "flows_measured" && value.FR == "0" {
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

// valueOf puts one measured value into words.
func valueOf(v *check.View, key string, value any) evidence.Text {
	ids := list(value)
	each := func(word func(string) evidence.Text) evidence.Text {
		var fr, en []string
		for _, id := range ids {
			t := word(id)
			fr, en = append(fr, t.FR), append(en, t.EN)
		}
		return tx(strings.Join(fr, ", "), strings.Join(en, ", "))
	}
	id, text := value.(string)
	n, number := value.(float64)
	switch {
	case contains(ofProbes, key) && ids != nil:
		return v.ProbeLabels(ids)
	case contains(ofGroups, key) && ids != nil:
		return each(v.GroupLabel)
	case contains(ofCanaries, key) && ids != nil:
		return each(v.CanaryLabel)
	case strings.HasSuffix(key, "_seconds") && number:
		return same(lasting(n))
	case key == "element" && text && id != "":
		return v.ElementLabel(id)
	case key == "cause" && text && id != "":
		return check.CauseLabel(id)
	case key == "environment" && text:
		return check.InvalidText(id)
	}
	return printed(value)
}

// list is a list of strings, nil when the value is none.
func list(v any) []string {
	switch v := v.(type) {
	case []string:
		return append([]string{}, v...)
	case []any:
		out := make([]string, len(v))
		for i := range v {
			out[i] = fmt.Sprint(v[i])
		}
		return out
	}
	return nil
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
		return tx(decimal(v, "fr"), decimal(v, "en"))
	}
	if l := list(v); l != nil {
		return same(strings.Join(l, ", "))
	}
	return same(fmt.Sprint(v))
}

// decimal prints a number with at most one decimal.
func decimal(f float64, lang string) string {
	n := strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64)
	if lang == "fr" {
		n = strings.Replace(n, ".", ",", 1)
	}
	return n
}
