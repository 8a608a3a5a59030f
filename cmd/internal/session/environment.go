package session

import (
	"slices"
	"sync"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/scenarios"
)

// footprint is where the candidate has been: what goes red or green there may be
// the candidate's doing; anywhere else it is the environment's.
type footprint struct {
	mu    sync.Mutex
	nodes map[string]bool
}

// touch notes that a program or a typed line of the candidate has reached a node.
func (f *footprint) touch(node string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nodes == nil {
		f.nodes = map[string]bool{}
	}
	f.nodes[node] = true
}

// any says whether the candidate has been on one of the nodes.
func (f *footprint) any(nodes []string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(nodes, func(n string) bool { return f.nodes[n] })
}

// others says whether the candidate has left the given node.
func (f *footprint) others(node string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := range f.nodes {
		if n != node {
			return true
		}
	}
	return false
}

// controlPath lists the nodes on which a candidate can break the control
// service: those that serve it, the name servers and what routes.
func controlPath(v *scenarios.Variant) []string {
	var service string
	for _, p := range v.Site.Probes {
		if p.ID == v.Scenario.Control {
			service = p.Service
		}
	}
	var out []string
	for _, s := range v.Site.Services {
		if s.ID == service {
			out = append(out, s.Nodes...)
		}
	}
	for _, n := range v.Site.Nodes {
		if n.Class == scenarios.Router || n.Role == "dns" {
			out = append(out, n.Name)
		}
	}
	return out
}

// vanishAfter is how many green samples in a row of every hit probe show that a
// fault has gone by itself, while the candidate has been nowhere.
const vanishAfter = 3

// vanishing counts them.
type vanishing struct {
	mu    sync.Mutex
	green map[string]int
}

// sampled takes a sample of the session into account and says whether the fault
// has vanished: every one of the hit probes has been green long enough.
func (v *vanishing) sampled(hit []string, probe string, ok bool) bool {
	if !slices.Contains(hit, probe) {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.green == nil {
		v.green = map[string]int{}
	}
	if v.green[probe]++; !ok {
		v.green[probe] = 0
	}
	for _, p := range hit {
		if v.green[p] < vanishAfter {
			return false
		}
	}
	return true
}

// watchVanishing ends a session whose fault has gone without the candidate.
func (s *Session) watchVanishing(p *evidence.ProbeSample) {
	if s.variant.Spec == nil || p.Phase != evidence.PhaseSession || s.off("exec") {
		return // without the programs nobody knows where the candidate has been
	}
	if !s.vanishing.sampled(s.facts.HitProbes, p.Probe, p.OK) || s.footprint.others(s.admin) || s.isOver() {
		return
	}
	const detail = "every probe that the fault made red is green, and the candidate has left the administration workstation nowhere"
	s.put(&evidence.FaultVanished{Fault: s.facts.Truth.Cause, Detail: detail})
	s.invalidate("fault_vanished", detail)
}

// invalidate ends the candidate's work because the environment, not the
// candidate, has failed. The first reason counts.
func (s *Session) invalidate(reason, detail string) {
	s.mu.Lock()
	if s.failure == nil {
		s.failure = &EnvironmentError{reason, detail}
	}
	s.mu.Unlock()
	s.end(evidence.FinishInvalid)
}
