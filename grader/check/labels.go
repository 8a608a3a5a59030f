package check

import (
	"strings"

	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/evidence"
)

// Labels: the words that people read instead of ids. An id without words stands
// for itself.

func named(m map[string]evidence.Text, id string) evidence.Text {
	if t := m[id]; t != (evidence.Text{}) {
		return t
	}
	return tx(id, id)
}

// ElementLabel names an element: a machine by its name with its role behind,
// anything else by its label.
func (v *View) ElementLabel(id string) evidence.Text {
	e, ok := v.element(id)
	switch {
	case !ok || e.Label == (evidence.Text{}):
		return tx(id, id)
	case e.Node == id && !strings.Contains(e.Label.FR, id):
		return tx(id+" ("+e.Label.FR+")", id+" ("+e.Label.EN+")")
	}
	return e.Label
}

// CauseLabel names a cause of the diagnosis form.
func CauseLabel(id string) evidence.Text {
	if c, ok := criteria.CauseByID(id); ok {
		return c.Label
	}
	return tx(id, id)
}

// NodeLabel is the role of a machine, empty when it is not told.
func (v *View) NodeLabel(id string) evidence.Text {
	e, _ := v.element(id)
	return e.Label
}

// SegmentLabel names a network.
func (v *View) SegmentLabel(id string) evidence.Text { return named(v.Facts.Labels.Segments, id) }

// ServiceLabel names a service, by its id or that of a probe of it.
func (v *View) ServiceLabel(id string) evidence.Text {
	service, _, _ := strings.Cut(id, "@")
	return named(v.Facts.Labels.Services, service)
}

// CanaryLabel names a canary datum.
func (v *View) CanaryLabel(id string) evidence.Text { return named(v.Facts.Labels.Canaries, id) }

// DocumentLabel names a document of the candidate's file.
func (v *View) DocumentLabel(id string) evidence.Text { return named(v.Facts.Labels.Documents, id) }

// SecretLabel names an entry of the vault.
func (v *View) SecretLabel(id string) evidence.Text { return named(v.Facts.Labels.Secrets, id) }

// PersonLabel names whoever a message is from or to: a person (id, login or
// "user:LOGIN"), or a contact of the service desk.
func (v *View) PersonLabel(id string) evidence.Text {
	if t := v.Facts.Labels.Contacts[id]; t != (evidence.Text{}) {
		return t
	}
	id = strings.TrimPrefix(id, "user:")
	if n := v.Facts.Labels.Persons[id]; n != "" {
		return tx(n, n)
	}
	return tx(id, id)
}

// GroupLabel names a group of users.
func (v *View) GroupLabel(id string) evidence.Text {
	for _, g := range v.Facts.Groups {
		if g.ID == id && g.Label != (evidence.Text{}) {
			return g.Label
		}
	}
	return tx(id, id)
}

// labels puts words for a list of ids.
func labels(ids []string, word func(string) evidence.Text) []evidence.Text {
	out := make([]evidence.Text, len(ids))
	for i, id := range ids {
		out[i] = word(id)
	}
	return out
}

// ProbeLabels puts failing or returning probes into words: their services, and
// the networks that they are seen from, those with the same services together.
func (v *View) ProbeLabels(probes []string) evidence.Text {
	type seen struct{ services, segments []string }
	var bySegment []seen
	at := map[string]int{}
	for _, p := range probes {
		_, segment, _ := strings.Cut(p, "@")
		i, ok := at[segment]
		if !ok {
			i = len(bySegment)
			at[segment] = i
			bySegment = append(bySegment, seen{segments: []string{segment}})
		}
		// Several probes of one service count once.
		id := strings.TrimSuffix(p, "@"+segment)
		same := false
		for _, s := range bySegment[i].services {
			same = same || v.ServiceLabel(s) == v.ServiceLabel(id)
		}
		if !same {
			bySegment[i].services = append(bySegment[i].services, id)
		}
	}
	var groups []seen
	for _, s := range bySegment {
		found := false
		for i := range groups {
			if strings.Join(groups[i].services, " ") == strings.Join(s.services, " ") {
				groups[i].segments, found = append(groups[i].segments, s.segments...), true
			}
		}
		if !found {
			groups = append(groups, s)
		}
	}
	var fr, en []string
	for _, g := range groups {
		services := labels(g.services, v.ServiceLabel)
		f, e := show(services, "fr"), show(services, "en")
		if g.segments[0] != "" {
			segments := labels(g.segments, func(id string) evidence.Text {
				l := v.SegmentLabel(id)
				if l.FR == id {
					return l
				}
				return tx("« "+l.FR+" »", "“"+l.EN+"”")
			})
			f, e = f+" depuis "+show(segments, "fr"), e+" from "+show(segments, "en")
		}
		fr, en = append(fr, f), append(en, e)
	}
	return tx(spaced.Replace(strings.Join(fr, " ; ")), strings.Join(en, "; "))
}

// RecorderLabel names what a recorder records.
func RecorderLabel(recorder string) evidence.Text {
	switch recorder {
	case "exec":
		return tx("commandes exécutées", "commands run")
	case "terminal":
		return tx("terminaux", "terminals")
	case "file":
		return tx("fichiers modifiés", "changed files")
	case "net":
		return tx("état du réseau des machines", "network state of the machines")
	case "probe":
		return tx("mesures des services", "measurements of the services")
	case "desk":
		return tx("guichet (messages, diagnostic, cahier)", "service desk (messages, diagnosis, logbook)")
	}
	return tx(recorder, recorder)
}

// InvalidText says why an environment was not valid.
func InvalidText(reason string) evidence.Text {
	switch reason {
	case "lab_not_ready":
		return tx("le laboratoire n’a pas atteint son état normal", "the lab did not reach its normal state")
	case "lab_failed":
		return tx("le laboratoire a failli", "the lab failed")
	case "fault_not_admitted":
		return tx("la panne n’a pas pris", "the fault did not take")
	case "fault_vanished":
		return tx("la panne a disparu d’elle-même", "the fault vanished by itself")
	case "host_starved":
		return tx("la machine hôte a manqué de ressources", "the host ran short of resources")
	case "recorder_failed":
		return tx("un enregistreur ou le journal a failli", "a recorder or the journal failed")
	case "canary_not_set":
		return tx("les données témoins n’ont pas pu être mises en place", "the canary data could not be put in place")
	}
	return tx("cause : "+reason, "cause: "+reason)
}
