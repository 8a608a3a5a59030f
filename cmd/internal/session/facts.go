package session

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/scenarios"
)

// commitment is SHA-256(salt "|" value) in hex.
func commitment(salt, value string) string {
	sum := sha256.Sum256([]byte(salt + "|" + value))
	return hex.EncodeToString(sum[:])
}

// probeID names one service asked from one segment.
func probeID(probe, segment string) string { return probe + "@" + segment }

func text(t scenarios.Text) evidence.Text { return evidence.Text{FR: t.FR, EN: t.EN} }

// plain is a text without the marks of Markdown, for where it is shown as it is.
func plain(t scenarios.Text) evidence.Text {
	marks := strings.NewReplacer("**", "", "`", "")
	return evidence.Text{FR: marks.Replace(t.FR), EN: marks.Replace(t.EN)}
}

// buildFacts gathers what the grader needs to know of a variant. It is sealed
// before the candidate enters and shown after the end.
func buildFacts(v *scenarios.Variant, faults []injected) evidence.Facts {
	scn, site := v.Scenario, v.Site
	f := evidence.Facts{
		Seed: v.Seed, Title: text(scn.Title), Points: scn.Points, Main: scn.Difficulty >= 2,
		Elements: elements(site),
		Tickets:  []evidence.TicketFact{{ID: v.Ticket.ID, Author: v.Ticket.Author}},
		Thresholds: evidence.Thresholds{
			PermanenceSeconds: time.Duration(scn.Thresholds.StableGreen).Seconds(),
			PermanenceSamples: scn.Thresholds.StableSamples,
			NoticeSeconds:     time.Duration(scn.Thresholds.FirstNotice).Seconds(),
		},
		Map: mapData(site),
	}
	for _, n := range site.Nodes {
		if n.Perimeter {
			f.Perimeter = append(f.Perimeter, n.Name)
		}
	}
	for _, g := range site.Groups {
		f.Groups = append(f.Groups, evidence.Group{ID: g.ID, Label: text(g.Title), Includes: includes(site, g)})
	}
	var hit []string
	if v.Spec == nil {
		f.Truth.NoFault = true
		f.Points = scn.HealthyPoints
		f.Solution.Cause = plain(scn.Healthy.Explanation)
		f.Solution.Steps = steps(scn.Healthy.Steps)
		hit = remoteSegments(site)
	} else {
		hit = v.Spec.Hit
		f.Truth.Element, f.Truth.Cause, f.Truth.AlsoCauses = v.Spec.Element, v.Spec.Cause, v.Spec.AlsoCauses
		f.HitSegments, f.HitGroups = v.Spec.Hit, v.Spec.Groups
		f.HitProbes = hitProbes(v)
		f.Solution.Cause = plain(v.Spec.Solution)
		for _, sy := range v.Spec.Symptoms {
			f.Solution.Chain = append(f.Solution.Chain, plain(sy))
		}
		f.Solution.Steps = steps(v.Spec.Steps)
		if len(f.Solution.Steps) == 0 { // then at least what was broken
			for _, x := range faults {
				if !x.decoy {
					f.Solution.Steps = append(f.Solution.Steps, evidence.SolutionStep{Node: x.spec.Node, Why: evidence.Text{FR: x.fault.Artefact(), EN: x.fault.Artefact()}})
				}
			}
		}
	}
	f.ControlProbes = controlProbes(v)
	f.RelatedNodes, f.Targets = chain(site, hit, asking(v))
	label(&f, v)
	return f
}

func steps(from []scenarios.Step) []evidence.SolutionStep {
	out := make([]evidence.SolutionStep, len(from))
	for i, s := range from {
		out[i] = evidence.SolutionStep{Node: s.Node, Command: s.Command, Why: text(s.Why)}
	}
	return out
}

// hitProbes are the probes that the fault makes red.
func hitProbes(v *scenarios.Variant) []string {
	var out []string
	for _, p := range v.Site.Probes {
		if !slices.Contains(v.Spec.Red, p.ID) {
			continue
		}
		for _, seg := range v.Spec.Hit {
			if asked(v.Site, p, seg) {
				out = append(out, probeID(p.ID, seg))
			}
		}
	}
	return out
}

// asked says whether a probe is made from a segment.
func asked(site *scenarios.Site, p scenarios.Probe, seg string) bool {
	if len(p.Segments) > 0 && !slices.Contains(p.Segments, seg) {
		return false
	}
	return slices.ContainsFunc(site.Nodes, func(n scenarios.Node) bool {
		return n.Class == scenarios.Workstation && len(n.Interfaces) > 0 && n.Interfaces[0].Segment == seg
	})
}

// controlProbes are the samples of the untouched service, from where nobody is
// hit.
func controlProbes(v *scenarios.Variant) []string {
	var out []string
	for _, p := range v.Site.Probes {
		if p.ID != v.Scenario.Control {
			continue
		}
		for _, s := range v.Site.Segments {
			if s.Town == "main" && asked(v.Site, p, s.ID) && (v.Spec == nil || !slices.Contains(v.Spec.Hit, s.ID)) {
				out = append(out, probeID(p.ID, s.ID))
			}
		}
	}
	return out
}

func remoteSegments(site *scenarios.Site) []string {
	var out []string
	for _, s := range site.Segments {
		if s.Town == "remote" {
			out = append(out, s.ID)
		}
	}
	return out
}

// includes lists the groups whose segments are all in another group's.
func includes(site *scenarios.Site, g scenarios.Group) []string {
	var out []string
	for _, o := range site.Groups {
		if o.ID == g.ID || len(o.Segments) == 0 || len(o.Segments) >= len(g.Segments) {
			continue
		}
		if !slices.ContainsFunc(o.Segments, func(s string) bool { return !slices.Contains(g.Segments, s) }) {
			out = append(out, o.ID)
		}
	}
	return out
}

// elements is the closed list of the diagnosis form: every node, every carrier
// line and network, every service of the site.
func elements(site *scenarios.Site) []evidence.Element {
	var out []evidence.Element
	for _, n := range site.Nodes {
		class := string(n.Class)
		if n.Class == scenarios.Admin {
			class = "server"
		}
		if n.Class == scenarios.Router && strings.HasPrefix(n.Name, "fw-") {
			class = "firewall"
		}
		out = append(out, evidence.Element{ID: n.Name, Class: class, Node: n.Name, Label: text(n.Title)})
	}
	for _, s := range site.Segments {
		class := "segment"
		if s.RateBits > 0 {
			class = "link"
		}
		out = append(out, evidence.Element{ID: "net:" + s.ID, Class: class, Label: text(s.Title)})
	}
	for _, s := range site.Services {
		e := evidence.Element{ID: "service:" + s.ID, Class: "service", Label: text(s.Title)}
		if len(s.Nodes) > 0 {
			e.Parent = s.Nodes[0]
		}
		out = append(out, e)
	}
	return out
}

// carriers is the panel of the picture for what belongs to neither site.
const carriers = "carriers"

// mapData is the network picture of the report.
func mapData(site *scenarios.Site) evidence.MapData {
	m := evidence.MapData{Sites: []evidence.MapSite{
		{ID: "main", Label: evidence.Text{FR: site.Company.MainTown, EN: site.Company.MainTown}},
		{ID: carriers, Label: evidence.Text{FR: "Opérateurs et Internet", EN: "Carriers and Internet"}},
		{ID: "remote", Label: evidence.Text{FR: site.Company.RemoteTown, EN: site.Company.RemoteTown}},
	}}
	panel := map[string]string{}
	for _, s := range site.Segments {
		panel[s.ID] = s.Town
		if s.RateBits > 0 || s.Town == "outside" {
			panel[s.ID] = carriers
		}
		m.Segments = append(m.Segments, evidence.MapSegment{ID: s.ID, Label: s.Title.FR, CIDR: s.Net.String(), Site: panel[s.ID], X: float64(s.X), Y: float64(s.Y)})
	}
	for _, n := range site.Nodes {
		mn := evidence.MapNode{ID: n.Name, Kind: string(n.Class), Label: n.Title.FR}
		if n.Class == scenarios.Admin {
			mn.Kind = "server"
		}
		for k, i := range n.Interfaces {
			if k == 0 {
				mn.Site = panel[i.Segment]
				if i.Address.IsValid() {
					mn.Address = i.Address.String()
				}
			}
			m.Links = append(m.Links, evidence.MapLink{Node: n.Name, Segment: i.Segment})
		}
		m.Nodes = append(m.Nodes, mn)
	}
	return m
}
