package session

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/probe"
)

// admissionTimeout bounds the wait for the symptom (or for health, on the
// twin) after the morning's start.
const admissionTimeout = 2 * time.Minute

// yesterday is what the first start left in the nodes and what the candidate
// must not read: the morning's start is the only one they know. Directories are
// emptied, of logs every file is.
var yesterday = remains{
	logs: []string{
		"var/log/syslog", "var/log/messages", "var/log/auth.log", "var/log/daemon.log", "var/log/kern.log", "var/log/cron.log",
		"var/log/mail.log", "var/log/user.log", "var/log/debug", "var/log/wtmp", "var/log/btmp", "var/log/lastlog",
		"var/log/nginx", "var/log/samba", "var/log/postgresql", "var/log/vulcain", "root/.history_frr",
	},
	leases: []string{"var/lib/kea/kea-leases4.csv"},
	dirs:   []string{"var/log/journal", "var/log/frr", "var/log/machines", "var/tmp/frr", "var/lib/prometheus/metrics2", "var/lib/prometheus/alertmanager"},
}

// breakIt injects the provisioned faults and the decoys while nothing runs,
// starts the whole company cold ("this morning's start"), and admits the fault
// only when everybody can see it.
func (s *Session) breakIt(ctx context.Context) error {
	begin := time.Now()
	s.ui.Step("%s", s.ui.T("démarrage du matin de toute l'entreprise", "the company's morning start"))
	var mu sync.Mutex
	err := s.lab.ColdStart(ctx, func(name string, n node.Node) error {
		for _, f := range s.faults {
			if f.spec.Node != name {
				continue
			}
			if err := f.fault.Inject(n, s.begun); err != nil {
				return fmt.Errorf("inject: %w", err)
			}
			if !f.decoy {
				mu.Lock()
				s.putNode(name, &evidence.FaultInjected{Fault: f.spec.Kind, Kind: "provisioned", Element: s.facts.Truth.Element, Cause: s.facts.Truth.Cause, Artefact: f.fault.Artefact()})
				mu.Unlock()
			}
		}
		if err := s.plantCanaries(name, n); err != nil {
			return err
		}
		if err := forget(n, yesterday); err != nil {
			return err
		}
		return backdate(n, s.begun)
	})
	if err == nil {
		err = s.lab.WaitRunning(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return &EnvironmentError{"lab_failed", err.Error()}
	}
	s.put(&evidence.LabColdStart{Nodes: len(s.variant.Site.Nodes), Seconds: time.Since(begin).Seconds()})
	return s.admit(ctx)
}

// admit waits until the declared probes are red and everything else is green.
func (s *Session) admit(ctx context.Context) error {
	deadline := time.Now().Add(admissionTimeout)
	for _, f := range s.faults {
		ok, err := f.fault.Present(s.lab.Node(f.spec.Node))
		if err != nil || !ok {
			return s.reject(f.spec.Kind, fmt.Sprintf("the artefact is not there: %v", err))
		}
	}
	runner := provision.Runner(s.lab, 0)
	for {
		results, err := runner.RunOnce(ctx)
		if err != nil {
			return err
		}
		wrong := s.judgeAdmission(results)
		if wrong == "" {
			s.recordSamples(results, evidence.PhaseAdmission)
			a := &evidence.FaultAdmitted{ControlProbes: s.facts.ControlProbes}
			if s.variant.Spec != nil {
				a.Fault, a.HitGroups, a.HitSegments, a.HitProbes = s.facts.Truth.Cause, s.facts.HitGroups, s.facts.HitSegments, s.facts.HitProbes
				s.ui.Step("%s", s.ui.T("panne admise : symptôme vu des postes touchés, témoin vert", "fault admitted: symptom seen from the posts hit, control green"))
			} else {
				s.ui.Step("%s", s.ui.T("situation admise : tout est vert", "situation admitted: everything is green"))
			}
			s.put(a)
			return nil
		}
		if time.Now().After(deadline) {
			s.recordSamples(results, evidence.PhaseAdmission)
			return s.reject(s.facts.Truth.Cause, wrong)
		}
	}
}

func (s *Session) reject(fault, detail string) error {
	s.put(&evidence.FaultRejected{Fault: fault, Detail: detail})
	return &EnvironmentError{"fault_not_admitted", detail}
}

// judgeAdmission says what is not as declared, empty when all is.
func (s *Session) judgeAdmission(results []probe.Result) string {
	for _, r := range results {
		id := probeID(r.Probe, r.Segment)
		hit := slices.Contains(s.facts.HitProbes, id)
		switch {
		case hit && r.OK:
			return fmt.Sprintf("%s is green, the scenario says red", id)
		case !hit && !r.OK:
			return fmt.Sprintf("%s is red (%s %s: %s), the scenario says green", id, r.Stage, r.Code, r.Detail)
		}
	}
	return ""
}
