// Package synth writes the evidence of invented sessions, for tests. A session
// takes place on a small copy of the reference company; time is simulated.
//
// What comes in: what a scripted candidate does and when. What goes out:
// records as a real session would leave them, probes included. What must never
// happen: a use outside tests.
package synth

import (
	"bytes"
	"fmt"
	"time"

	"github.com/situlab/situlab/grader/evidence"
)

// Epoch is the wall clock of boot_ns 0.
var Epoch = time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)

// Probes of the small company: service@segment. The first three suffer from
// the fault.
var Probes = []string{"erp@bur2", "files@bur2", "dns@ate2", "erp@bur", "files@be", "mail@bur"}

// Session writes one session.
type Session struct {
	Facts  evidence.Facts
	Factor float64
	// Green says whether a probe is green now; steps of a session change it.
	Green map[string]bool
	// Permanent says what a probe will be after a cold start.
	Permanent map[string]bool
	Records   []*evidence.Record

	chain evidence.Chain
	now   int64
	next  int64 // of the next probe round
	pid   int
	phase string
	buf   bytes.Buffer
}

// Facts of the situation "a site loses its routes".
func Facts(twin bool) evidence.Facts {
	f := evidence.Facts{
		Seed: 42, Main: true,
		Title:  evidence.Text{FR: "Tilly coupé de Bréval", EN: "Tilly cut off from Bréval"},
		Points: []string{"3.1-i", "3.1-ii", "3.1-iii", "3.1-iv", "3.2a", "3.2b", "3.2d", "3.3-i", "3.3-ii", "3.3-iii"},
		Truth:  evidence.Truth{Element: "rt-til1/ospf", Cause: "ospf_passive_interface"},
		Elements: []evidence.Element{
			{ID: "rt-til1", Class: "router", Node: "rt-til1", Label: text("le routeur rt-til1", "router rt-til1")},
			{ID: "rt-til1/ospf", Class: "service", Node: "rt-til1", Parent: "rt-til1", Label: text("le routage OSPF de rt-til1", "OSPF on rt-til1")},
			{ID: "rt-brv1", Class: "router", Node: "rt-brv1", Label: text("le routeur rt-brv1", "router rt-brv1")},
			{ID: "dns2", Class: "server", Node: "dns2", Label: text("le serveur dns2", "server dns2")},
			{ID: "erp1", Class: "server", Node: "erp1", Label: text("le serveur erp1", "server erp1")},
			{ID: "fw-brv1", Class: "firewall", Node: "fw-brv1", Label: text("le pare-feu fw-brv1", "firewall fw-brv1")},
		},
		Perimeter: []string{"adm1", "rt-til1", "rt-brv1", "fw-brv1", "dns1", "dns2", "erp1", "fic1", "mail1", "dhcp1", "ann1",
			"bdd1", "web1", "log1", "sup1", "sauv1", "sauv2", "depot1", "ext1", "relais1"},
		RelatedNodes: []string{"rt-brv1"},
		Groups: []evidence.Group{
			{ID: "tilly-bureaux", Label: text("les bureaux de Tilly", "the Tilly offices")},
			{ID: "tilly-atelier", Label: text("l’atelier de Tilly", "the Tilly workshop")},
			{ID: "breval", Label: text("Bréval", "Bréval")},
			{ID: "be", Label: text("le bureau d’études", "the design office")},
			{ID: "compta", Label: text("la comptabilité", "accounting")},
			{ID: "tous", Label: text("tout le monde", "everybody"), Includes: []string{"tilly-bureaux", "tilly-atelier", "breval", "be", "compta"}},
		},
		HitGroups: []string{"tilly-bureaux", "tilly-atelier"}, HitSegments: []string{"bur2", "ate2"},
		HitProbes: append([]string(nil), Probes[:3]...), ControlProbes: []string{"mail@bur"},
		Tickets: []evidence.TicketFact{{ID: "T1", Author: "tib-2", Login: "plemoine"}},
		Targets: evidence.TestTargets{Nodes: []string{"rt-til1", "rt-brv1", "op-mpls", "dns2", "pc-tib-01"},
			Hosts:  []string{"rt-til1", "dns2.aveline.internal", "pc-tib-01", "op-mpls", "10.20.255.2"},
			Nets:   []string{"10.20.110.0/24", "10.20.130.0/24"},
			Inside: []string{"rt-til1", "dns2", "pc-tib-01"}, Places: []string{evidence.PlacePost, evidence.PlacePath}},
		Map: companyMap(),
		Labels: evidence.Labels{
			Segments: map[string]evidence.Text{"bur2": text("Bureaux de Tilly", "Tilly offices"), "ate2": text("Atelier de Tilly", "Tilly workshop"),
				"bur": text("Bureaux de Bréval", "Bréval offices"), "be": text("Bureau d’études", "Design office"),
				"wan1": text("Lien opérateur, côté Bréval", "Carrier line, Bréval side"), "srv": text("Serveurs de Bréval", "Bréval servers")},
			Services: map[string]evidence.Text{"erp": text("ERP Vulcain", "Vulcain ERP"), "files": text("Fichiers et plans", "Files and drawings"),
				"dns": text("Noms et adresses", "Names and addresses"), "mail": text("Messagerie", "Mail")},
			Canaries:  map[string]evidence.Text{"plan-0": text("Plan AM-1163", "Drawing AM-1163"), "plan-1": text("Plan AM-1164", "Drawing AM-1164")},
			Persons:   map[string]string{"tib-2": "Paul Lemoine", "plemoine": "Paul Lemoine"},
			Contacts:  map[string]evidence.Text{"technician": text("Technicien de proximité", "On-site technician")},
			Documents: map[string]evidence.Text{"plan-reseau": text("Plan du réseau", "Network plan")},
			Secrets:   map[string]evidence.Text{"ospf-wan1": text("Clé OSPF du lien", "OSPF key of the line")},
		},
		Solution: evidence.Solution{
			Cause: text("L’interface WAN de rt-til1 est déclarée passive dans OSPF : plus de voisin, plus de routes.", "The WAN interface of rt-til1 is passive in OSPF: no neighbour, no routes."),
			Chain: []evidence.Text{
				text("rt-til1 n’annonce plus rien à l’opérateur.", "rt-til1 announces nothing to the carrier."),
				text("Bréval n’a plus de route vers Tilly.", "Bréval has no route to Tilly."),
				text("À Tilly, l’ERP, les plans et Internet sont inaccessibles.", "In Tilly the ERP, the drawings and the Internet cannot be reached."),
			},
			Steps: []evidence.SolutionStep{
				{Node: "rt-til1", Command: "vtysh -c 'show ip ospf neighbor'", Why: text("aucun voisin", "no neighbour")},
				{Node: "rt-til1", Command: "vtysh -c 'configure terminal' -c 'router ospf' -c 'no passive-interface wan0'", Why: text("lever la restriction", "lift the restriction")},
				{Node: "rt-til1", Command: "vtysh -c 'write memory'", Why: text("rendre la correction permanente", "make the repair permanent")},
			},
		},
	}
	if twin {
		f.Truth = evidence.Truth{NoFault: true}
		f.HitGroups, f.HitSegments, f.HitProbes = nil, nil, nil
		f.RelatedNodes = nil
	}
	return f
}

func text(fr, en string) evidence.Text { return evidence.Text{FR: fr, EN: en} }

func companyMap() evidence.MapData {
	var m evidence.MapData
	node := func(id, kind, site string, segments ...string) {
		m.Nodes = append(m.Nodes, evidence.MapNode{ID: id, Kind: kind, Site: site})
		for _, s := range segments {
			m.Links = append(m.Links, evidence.MapLink{Node: id, Segment: s})
		}
	}
	m.Sites = []evidence.MapSite{{ID: "Bréval", Label: text("Bréval", "Bréval")}, {ID: "Tilly", Label: text("Tilly", "Tilly")},
		{ID: "carriers", Label: text("Opérateurs et Internet", "Carriers and Internet")}}
	for i, x := range []struct{ id, cidr, site string }{
		{"srv", "10.20.10.0/24", "Bréval"}, {"adm", "10.20.20.0/24", "Bréval"}, {"bur", "10.20.30.0/24", "Bréval"},
		{"be", "10.20.40.0/24", "Bréval"}, {"ate", "10.20.50.0/24", "Bréval"}, {"dmz", "10.20.60.0/24", "Bréval"},
		{"interco", "10.20.70.0/29", "Bréval"}, {"wan1", "10.20.255.0/30", "carriers"},
		{"wan2", "10.20.255.4/30", "carriers"}, {"sec1", "10.20.255.8/30", "carriers"},
		{"sec2", "10.20.255.12/30", "carriers"}, {"inet", "203.0.113.0/29", "carriers"},
		{"srv2", "10.20.110.0/24", "Tilly"}, {"bur2", "10.20.130.0/24", "Tilly"}, {"ate2", "10.20.150.0/24", "Tilly"},
	} {
		m.Segments = append(m.Segments, evidence.MapSegment{ID: x.id, Label: x.id, CIDR: x.cidr, Site: x.site, X: float64(i)})
	}
	node("rt-brv1", "router", "Bréval", "interco", "srv", "adm", "bur", "be", "ate", "wan1", "sec1")
	node("fw-brv1", "firewall", "Bréval", "interco", "dmz", "inet")
	node("op-mpls", "operator", "carriers", "wan1", "wan2")
	node("op-secours", "operator", "carriers", "sec1", "sec2")
	node("op-inet", "operator", "carriers", "inet")
	node("rt-til1", "router", "Tilly", "wan2", "sec2", "srv2", "bur2", "ate2")
	for _, x := range [][]string{{"srv", "dns1", "dhcp1", "ann1", "fic1", "bdd1", "erp1", "web1", "mail1", "log1"},
		{"adm", "adm1", "sup1", "sauv1", "depot1"}, {"dmz", "ext1", "relais1"}, {"srv2", "dns2", "sauv2"}} {
		for _, n := range x[1:] {
			node(n, "server", "", x[0])
		}
	}
	for _, x := range []struct {
		segment string
		posts   int
	}{{"bur", 12}, {"be", 8}, {"ate", 9}, {"bur2", 3}, {"ate2", 6}} {
		for i := range x.posts {
			node(fmt.Sprintf("pc-%s-%02d", x.segment, i+1), "workstation", "", x.segment)
		}
	}
	return m
}

// New starts a session up to the candidate's entry. On the twin all probes are
// green.
func New(facts evidence.Facts, factor float64) *Session {
	s := &Session{Facts: facts, Factor: factor, Green: map[string]bool{}, Permanent: map[string]bool{},
		chain: evidence.Chain{Lab: "demo", Session: "20260302-0700", Prev: evidence.ZeroHash},
		now:   60e9, pid: 1000, phase: evidence.PhaseBaseline}
	for _, p := range Probes {
		s.Green[p], s.Permanent[p] = true, true
	}
	mode := "training"
	if factor >= 1 {
		mode = "exam"
	}
	s.Add("controller", "", "controller", &evidence.SessionStart{Scenario: "lost-connectivity", Site: "aveline", Mode: mode,
		SeedCommitment: "00", TimeFactor: factor, LimitSeconds: 3000 * factor, Deadline: Epoch.Add(time.Hour),
		Lang: "fr", Tool: "situlab test", Runtime: "native"})
	s.Add("controller", "", "controller", &evidence.SessionIdentity{Candidate: "candidat-07", Variant: "v1"})
	sum, err := facts.Commitment("salt")
	if err != nil {
		panic(err)
	}
	s.Add("controller", "", "controller", &evidence.SessionSeal{Commitment: sum})
	s.Round()
	if !facts.Truth.NoFault {
		s.Add("controller", "", "controller", &evidence.FaultInjected{Fault: "f1", Kind: "provisioned", Element: facts.Truth.Element, Cause: facts.Truth.Cause})
		s.Break()
	}
	s.now += 60e9
	s.phase = evidence.PhaseAdmission
	s.Round()
	s.Add("controller", "", "controller", &evidence.FaultAdmitted{Fault: "f1", HitGroups: facts.HitGroups, HitProbes: facts.HitProbes})
	s.Add("desk", "", "user:tib-2", &evidence.Ticket{ID: "T1", Author: "tib-2", Title: "Plus rien à Tilly", Text: "Depuis ce matin à Tilly plus de Vulcain ni de plans ni d’Internet."})
	s.Add("controller", "adm1", "candidate", &evidence.SessionEnter{Terminal: "t1"})
	s.Add("watch.term", "adm1", "candidate", &evidence.TermOpen{Terminal: "t1", Kind: evidence.TermShell, Cols: 80, Rows: 24})
	s.phase = evidence.PhaseSession
	s.next = s.now
	return s
}

// Break makes the hit probes red, for good.
func (s *Session) Break() { s.set(s.Green, false); s.set(s.Permanent, false) }

// RepairRunning and RepairSaved repair the running state and the saved one.
func (s *Session) RepairRunning() { s.set(s.Green, true) }

// RepairSaved makes the hit probes survive a cold start.
func (s *Session) RepairSaved() { s.set(s.Permanent, true) }

func (s *Session) set(m map[string]bool, v bool) {
	for _, p := range s.Facts.HitProbes {
		m[p] = v
	}
}

// Add appends a record at the current time and returns its number.
func (s *Session) Add(source, node, actor string, p evidence.Payload) uint64 {
	r, line, err := s.chain.Add(evidence.Entry{Source: source, Node: node, Actor: actor, BootNS: s.now,
		Wall: Epoch.Add(time.Duration(s.now)), Payload: p})
	if err != nil {
		panic(err)
	}
	s.Records = append(s.Records, r)
	s.buf.Write(line)
	return r.Seq
}

// Round samples every probe once.
func (s *Session) Round() {
	for _, p := range Probes {
		_, segment, _ := cut(p)
		s.Sample(p, "pc-"+segment, s.Green[p])
	}
}

// Sample is one measurement of a probe from a post.
func (s *Session) Sample(p, post string, ok bool) uint64 {
	service, segment, _ := cut(p)
	d := ""
	if !ok {
		d = "connect no_answer: dial tcp: i/o timeout"
	}
	return s.Add("probe", post, "", &evidence.ProbeSample{Probe: p, Service: service, Segment: segment,
		Group: segment, Post: post, Phase: s.phase, Control: p == "mail@bur", OK: ok, LatencyMS: 2, Detail: d})
}

// Health is a sample of the host: starved or not, its control service green or
// not.
func (s *Session) Health(starved, control bool) uint64 {
	h := &evidence.HostHealth{LoadPercent: 30, MemAvailableMB: 4000, ControlOK: control, OutOfBand: starved || !control}
	if starved {
		h.StealPercent = 60
	}
	return s.Add("health", "", "controller", h)
}

func cut(p string) (service, segment string, ok bool) {
	for i := range p {
		if p[i] == '@' {
			return p[:i], p[i+1:], true
		}
	}
	return p, "", false
}

// Wait lets unscaled seconds pass, with a probe round each 15 s (scaled).
func (s *Session) Wait(sec float64) {
	end := s.now + int64(sec*s.Factor*1e9)
	for s.next <= end {
		s.now = s.next
		s.Round()
		s.next += int64(15 * s.Factor * 1e9)
	}
	s.now = end
}

// Silence lets unscaled seconds pass without probes.
func (s *Session) Silence(sec float64) { s.now += int64(sec * s.Factor * 1e9); s.next = s.now }

// Exec is a program run in the candidate's terminal.
func (s *Session) Exec(node string, argv ...string) uint64 {
	s.pid++
	via := "ssh"
	if node == "adm1" {
		via = ""
	}
	seq := s.Add("watch.exec", node, "candidate", &evidence.ExecStart{ID: uint64(s.pid), PID: s.pid, PPID: 1,
		Argv: argv, UID: 0, Terminal: "t1", Via: via})
	s.now += 1e6
	s.Add("watch.exec", node, "candidate", &evidence.ExecExit{ID: uint64(s.pid), Code: 0, StartNS: s.now - 1e6, EndNS: s.now})
	return seq
}

// Type is a line typed inside a program.
func (s *Session) Type(node, program, line string) uint64 {
	return s.Add("watch.term", node, "candidate", &evidence.TermInputLine{Terminal: "t1", Program: program, Line: line})
}

// Say appends a message of the candidate.
func (s *Session) Say(p evidence.Payload) uint64 { return s.Add("desk", "adm1", "candidate", p) }

// Finish ends the candidate's part and plays the examinations.
func (s *Session) Finish() {
	s.FinishBare()
	s.Watch()
	s.Cold(evidence.ExamColdStart{Nodes: 61, Restarted: 61, Seconds: 12, Settled: true})
	s.Wait(60)
	s.Canaries()
	s.Reveal()
}

// Watch waits for the permanence window.
func (s *Session) Watch() {
	s.Phase(evidence.PhasePermanence)
	s.Wait(630)
	s.Add("controller", "", "controller", &evidence.ExamPermanence{WaitedSeconds: 630 * s.Factor, Complete: true})
}

// Cold starts the whole company cold; what was not permanent is lost. The
// samples after it are those of the rounds to come.
func (s *Session) Cold(rec evidence.ExamColdStart) {
	for _, p := range Probes {
		s.Green[p] = s.Permanent[p]
	}
	s.Silence(60)
	s.Add("controller", "", "controller", &rec)
	s.phase = evidence.PhaseColdStart
}

// Canaries reads the canary data and one flow.
func (s *Session) Canaries() {
	for i := range 4 {
		s.Add("controller", "fic1", "controller", &evidence.ExamCanary{Name: fmt.Sprintf("plan-%d", i), Where: "fic1", OK: true})
	}
	s.Add("controller", "", "controller", &evidence.ExamFlow{From: "ext1", To: "erp1:5432", Before: false, Now: false})
}

// FinishBare ends the candidate's part only.
func (s *Session) FinishBare() {
	s.Say(&evidence.SessionFinish{Reason: evidence.FinishCandidate})
}

// Reveal writes the facts and closes the journal.
func (s *Session) Reveal() {
	s.Add("controller", "", "controller", &evidence.ExamDone{Seconds: 800})
	s.Add("controller", "", "controller", &evidence.SessionFacts{Salt: "salt", Facts: s.Facts})
	s.Add("controller", "", "controller", &evidence.SessionEnd{})
}

// Journal returns the journal's only segment.
func (s *Session) Journal() []byte { return s.buf.Bytes() }

// Phase sets the phase of the coming samples.
func (s *Session) Phase(p string) { s.phase = p; s.next = s.now + 1e9 }
