package session

import (
	"slices"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/scenarios"
	"github.com/situlab/situlab/scenarios/documents"
)

// asking are the services that the ticket is about: those that some variant of
// the scenario takes away. They are the same for every variant and the twin.
func asking(v *scenarios.Variant) []scenarios.Service {
	var out []scenarios.Service
	for _, s := range v.Site.Services {
		if slices.ContainsFunc(v.Scenario.Variants, func(x scenarios.VariantSpec) bool {
			return slices.ContainsFunc(v.Site.Probes, func(p scenarios.Probe) bool {
				return p.Service == s.ID && slices.Contains(x.Red, p.ID)
			})
		}) {
			out = append(out, s)
		}
	}
	return out
}

// chain says where a test looks at the chain between the users hit and their
// services: on the machines of the users' side, and on what routes between them
// and the machines that give the services. related are those of the latter that
// a repair or a workaround may go through.
func chain(site *scenarios.Site, hit []string, services []scenarios.Service) (related []string, t evidence.TestTargets) {
	inside := cutOff(site, hit)
	between := joining(site, inside, services)
	for _, s := range site.Segments {
		if slices.Contains(inside, s.ID) {
			t.Nets = append(t.Nets, s.Net.String())
		}
	}
	for _, n := range site.Nodes {
		// A router may stand in both worlds: what it has on the users' side and on
		// the carriers' lines counts.
		within, line, elsewhere := 0, 0, 0
		for _, i := range n.Interfaces {
			switch {
			case slices.Contains(inside, i.Segment):
				within++
			case carries(site, i.Segment):
				line++
			default:
				elsewhere++
			}
		}
		onPath := slices.Contains(between, n.Name)
		if within > 0 || onPath {
			t.Nodes = append(t.Nodes, n.Name)
		}
		if within > 0 && elsewhere == 0 {
			t.Inside = append(t.Inside, n.Name)
		}
		if onPath && n.Perimeter && within+line > 0 {
			related = append(related, n.Name)
		}
		// Only what lies across the break, seen from elsewhere: the machines of the
		// users' side, and the carriers'.
		if within > 0 && elsewhere == 0 || onPath && n.Class == scenarios.Operator && line > 1 {
			t.Hosts = append(t.Hosts, n.Name, n.Name+"."+site.Company.Domain)
			for _, i := range n.Interfaces {
				if i.Address.IsValid() {
					t.Hosts = append(t.Hosts, i.Address.String())
				}
			}
		}
	}
	// Several services at once are not lost on their servers.
	if !together(services) {
		t.Places = []string{evidence.PlacePost, evidence.PlacePath}
	}
	return related, t
}

// together says whether one machine gives all the services.
func together(services []scenarios.Service) bool {
	for _, s := range services {
		if !slices.ContainsFunc(s.Nodes, func(n string) bool { return slices.Contains(services[0].Nodes, n) }) {
			return false
		}
	}
	return true
}

// cutOff are the networks of the users' side: those hit, and the others of the
// same place when that is not where the candidate sits.
func cutOff(site *scenarios.Site, hit []string) []string {
	town := func(id string) string {
		for _, s := range site.Segments {
			if s.ID == id {
				return s.Town
			}
		}
		return ""
	}
	home := ""
	if a := site.AdminNode(); a != nil && len(a.Interfaces) > 0 {
		home = town(a.Interfaces[0].Segment)
	}
	var out []string
	for _, s := range site.Segments {
		near := s.Town != home && slices.ContainsFunc(hit, func(h string) bool { return !carries(site, h) && town(h) == s.Town })
		if !carries(site, s.ID) && (near || slices.Contains(hit, s.ID)) {
			out = append(out, s.ID)
		}
	}
	return out
}

// carries says whether a network is a carrier's line.
func carries(site *scenarios.Site, segment string) bool {
	return slices.ContainsFunc(site.Segments, func(s scenarios.Segment) bool { return s.ID == segment && s.RateBits > 0 })
}

// joining lists what routes on the shortest ways from some networks to the machines
// of services, and those of these machines that route themselves.
func joining(site *scenarios.Site, from []string, services []scenarios.Service) []string {
	// Distances of networks from the start, over the machines that join them.
	dist := map[string]int{}
	for _, s := range from {
		dist[s] = 0
	}
	for step, grown := 1, true; grown; step++ {
		grown = false
		for _, n := range site.Nodes {
			if !slices.ContainsFunc(n.Interfaces, func(i scenarios.Interface) bool { d, ok := dist[i.Segment]; return ok && d == step-1 }) {
				continue
			}
			for _, i := range n.Interfaces {
				if _, known := dist[i.Segment]; !known {
					dist[i.Segment], grown = step, true
				}
			}
		}
	}
	on := map[string]bool{}
	var back func(segment string)
	seen := map[string]bool{}
	back = func(segment string) {
		d, known := dist[segment]
		if !known || d == 0 || seen[segment] {
			return
		}
		seen[segment] = true
		for _, n := range site.Nodes {
			joins := slices.ContainsFunc(n.Interfaces, func(i scenarios.Interface) bool { return i.Segment == segment })
			for _, i := range n.Interfaces {
				if before, ok := dist[i.Segment]; joins && ok && before == d-1 {
					on[n.Name] = true
					back(i.Segment)
				}
			}
		}
	}
	for _, s := range services {
		for _, name := range s.Nodes {
			n, err := site.NodeNamed(name)
			if err != nil {
				continue
			}
			for _, i := range n.Interfaces {
				back(i.Segment)
			}
			if n.Class == scenarios.Router {
				on[n.Name] = true
			}
		}
	}
	var out []string
	for _, n := range site.Nodes {
		if on[n.Name] {
			out = append(out, n.Name)
		}
	}
	return out
}

// label gives the facts the words that people read instead of ids.
func label(f *evidence.Facts, v *scenarios.Variant) {
	site := v.Site
	l := evidence.Labels{Segments: map[string]evidence.Text{}, Services: map[string]evidence.Text{}, Canaries: map[string]evidence.Text{},
		Persons: map[string]string{}, Contacts: map[string]evidence.Text{}, Documents: map[string]evidence.Text{}, Secrets: map[string]evidence.Text{}}
	for _, s := range site.Segments {
		l.Segments[s.ID] = text(s.Title)
	}
	for _, s := range site.Services {
		l.Services[s.ID] = text(s.Title)
	}
	for _, p := range site.Probes {
		if t, ok := l.Services[p.Service]; ok {
			l.Services[p.ID] = t
		}
	}
	for _, c := range site.Canaries {
		l.Canaries[c.ID] = text(c.Title)
	}
	for _, p := range site.People {
		name := p.FirstName + " " + p.LastName
		l.Persons[p.ID], l.Persons[p.Login] = name, name
		for i := range f.Tickets {
			if f.Tickets[i].Author == p.ID {
				f.Tickets[i].Login = p.Login
			}
		}
	}
	for _, c := range site.Contacts {
		l.Contacts[c.ID] = text(c.Title)
	}
	english := documents.List("en")
	for i, d := range documents.List("fr") {
		l.Documents[d.ID] = evidence.Text{FR: d.Title, EN: english[i].Title}
	}
	for _, s := range site.Secrets {
		l.Secrets[s.ID] = text(s.Title)
	}
	f.Labels = l
}
