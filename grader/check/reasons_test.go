package check_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/internal/synth"
)

// session builds a session on the variant and plays f before the finish.
func session(f func(*synth.Session)) *synth.Session {
	s := synth.New(synth.Facts(false), 1)
	s.Wait(60)
	f(s)
	s.Wait(20)
	s.Finish()
	return s
}

func twin(f func(*synth.Session)) *synth.Session {
	s := synth.New(synth.Facts(true), 1)
	s.Wait(60)
	f(s)
	s.Wait(20)
	s.Finish()
	return s
}

var settled = evidence.ExamColdStart{Nodes: 61, Restarted: 61, Settled: true}

// allGreen are three rounds in which the posts of the session see everything.
var allGreen = map[string][]bool{"erp@bur2 pc-bur2": {true, true, true}, "files@bur2 pc-bur2": {true, true, true},
	"dns@ate2 pc-ate2": {true, true, true}}

// cold is a session whose candidate changed rt-til1 and left everything green;
// then the cold start, and samples: "probe post" -> green or not. Without
// rounds everything that was hit is red.
func cold(rec evidence.ExamColdStart, rounds, more map[string][]bool) *synth.Session {
	s := synth.New(synth.Facts(false), 1)
	s.Wait(30)
	s.Exec("rt-til1", "systemctl", "restart", "frr")
	s.RepairRunning()
	s.Wait(30)
	s.FinishBare()
	s.Watch()
	s.Cold(rec)
	if rounds == nil {
		s.Wait(60)
	}
	for _, samples := range []map[string][]bool{rounds, more} {
		for key, oks := range samples {
			probe, post, _ := strings.Cut(key, " ")
			for _, ok := range oks {
				s.Sample(probe, post, ok)
			}
		}
	}
	s.Canaries()
	s.Reveal()
	return s
}

// unfinished is a session that nobody brought to its end.
func unfinished(f func(*synth.Session)) *synth.Session {
	s := synth.New(synth.Facts(false), 1)
	s.Wait(60)
	f(s)
	s.Say(&evidence.SessionFinish{Reason: evidence.FinishInterrupted})
	s.Reveal()
	return s
}

func diagnose(s *synth.Session, element, cause string) {
	s.Say(&evidence.Diagnosis{Element: element, Cause: cause})
}

func notice(s *synth.Session, groups ...string) {
	s.Say(&evidence.Notice{Groups: groups, Text: "x"})
}

const (
	element = "rt-til1/ospf"
	cause   = "ospf_passive_interface"
)

// cases reach every reason code: point, code, and a session that gives it.
var cases = []struct {
	name  string
	point string
	want  check.Reason
	play  func() *synth.Session
}{
	{"declared nowhere", "3.2c", check.NotDeclared, func() *synth.Session { return synth.Reference(1) }},
	{"other capacity", "2.2a", check.NotDeclared, func() *synth.Session { return synth.Reference(1) }},
	{"declared without a rule", "3.2c", check.NotImplemented, func() *synth.Session {
		f := synth.Facts(false)
		f.Points = append(f.Points, "3.2c")
		s := synth.New(f, 1)
		s.Finish()
		return s
	}},
	{"twin", "3.2b", check.NoFaultHere, func() *synth.Session { return synth.TwinReference(1) }},
	{"invalid", "3.1-ii", check.EnvironmentInvalid, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Add("c", "", "", &evidence.SessionInvalid{Reason: "host_starved"})
		})
	}},
	{"recorder off", "3.2a", check.NotObserved, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Add("c", "", "", &evidence.RecorderState{Recorder: "exec", On: false})
		})
	}},
	{"probes off", "3.1-ii", check.NotObserved, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Add("c", "", "", &evidence.RecorderState{Recorder: "probe", On: false})
		})
	}},
	{"twin, recorder off", "3.1-i", check.NotObserved, func() *synth.Session {
		return twin(func(s *synth.Session) {
			s.Add("c", "", "", &evidence.RecorderState{Recorder: "terminal", On: false})
			s.Say(&evidence.Diagnosis{NoFault: true})
		})
	}},
	{"blind, but events lost", "3.2a", check.ObservedPartly, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Add("c", "", "", &evidence.RecorderLoss{Recorder: "exec", Lost: 3})
			for _, n := range []string{"dns2", "erp1", "fic1"} {
				s.Exec(n, "reboot")
			}
		})
	}},
	{"twin, events lost", "3.1-i", check.ObservedPartly, func() *synth.Session {
		return twin(func(s *synth.Session) {
			s.Add("c", "", "", &evidence.RecorderLoss{Recorder: "file", Lost: 3})
			s.Exec("adm1", "ping", "dns2")
			s.Exec("adm1", "traceroute", "dns2")
			s.Exec("rt-til1", "ip", "route")
			s.Say(&evidence.Diagnosis{NoFault: true})
		})
	}},

	{"desk off", "3.1-i", check.NotObserved, func() *synth.Session {
		return session(func(s *synth.Session) { s.Add("c", "", "", &evidence.RecorderState{Recorder: "desk"}) })
	}},
	{"desk off, nobody told", "3.3-ii", check.NotObserved, func() *synth.Session {
		return session(func(s *synth.Session) { s.Add("c", "", "", &evidence.RecorderState{Recorder: "desk"}) })
	}},
	{"messages lost", "3.1-i", check.NotObserved, func() *synth.Session {
		return session(func(s *synth.Session) { s.Add("c", "", "", &evidence.RecorderLoss{Recorder: "desk", Lost: 1}) })
	}},
	{"messages lost, nobody told", "3.3-ii", check.NotObserved, func() *synth.Session {
		return session(func(s *synth.Session) { s.Add("c", "", "", &evidence.RecorderLoss{Recorder: "desk", Lost: 1}) })
	}},

	{"interrupted before a diagnosis", "3.1-i", check.SessionInterrupted, func() *synth.Session {
		return unfinished(func(*synth.Session) {})
	}},
	{"interrupted after a wrong one", "3.1-i", check.SessionInterrupted, func() *synth.Session {
		return unfinished(func(s *synth.Session) { diagnose(s, "erp1", cause) })
	}},
	{"interrupted after a right one", "3.1-i", check.Identified, func() *synth.Session {
		return unfinished(func(s *synth.Session) { diagnose(s, element, cause) })
	}},
	{"interrupted before the repair", "3.1-ii", check.SessionInterrupted, func() *synth.Session {
		return unfinished(func(*synth.Session) {})
	}},
	{"interrupted after blind changes", "3.2a", check.SessionInterrupted, func() *synth.Session {
		return unfinished(func(s *synth.Session) {
			for range 3 {
				s.Exec("rt-til1", "systemctl", "restart", "frr")
			}
		})
	}},
	{"never finished", "3.3-ii", check.SessionInterrupted, func() *synth.Session {
		s := synth.New(synth.Facts(false), 1)
		s.Wait(60)
		s.Reveal()
		return s
	}},

	{"right", "3.1-i", check.Identified, func() *synth.Session { return synth.Reference(1) }},
	{"last answer counts", "3.1-i", check.Identified, func() *synth.Session {
		return session(func(s *synth.Session) { diagnose(s, "erp1", "unit_stopped"); diagnose(s, element, cause) })
	}},
	{"wrong at last", "3.1-i", check.WrongElement, func() *synth.Session {
		return session(func(s *synth.Session) { diagnose(s, element, cause); diagnose(s, "erp1", cause) })
	}},
	{"accepted elsewhere", "3.1-i", check.Identified, func() *synth.Session {
		f := synth.Facts(false)
		f.Truth.AlsoElements, f.Truth.AlsoCauses = []string{"rt-brv1"}, []string{"route_filter"}
		s := synth.New(f, 1)
		diagnose(s, "rt-brv1", "route_filter")
		s.Finish()
		return s
	}},
	{"element only", "3.1-i", check.ElementOnly, func() *synth.Session {
		return session(func(s *synth.Session) { diagnose(s, element, "route_filter") })
	}},
	{"parent", "3.1-i", check.ParentElement, func() *synth.Session {
		return session(func(s *synth.Session) { diagnose(s, "rt-til1", cause) })
	}},
	{"denied", "3.1-i", check.FaultDenied, func() *synth.Session {
		return session(func(s *synth.Session) { s.Say(&evidence.Diagnosis{NoFault: true}) })
	}},
	{"none", "3.1-i", check.NoDiagnosis, func() *synth.Session { return synth.DoNothing(1) }},
	{"none on the twin", "3.1-i", check.NoDiagnosis, func() *synth.Session { return synth.TwinDoNothing(1) }},
	{"after the finish", "3.1-i", check.NoDiagnosis, func() *synth.Session {
		s := synth.New(synth.Facts(false), 1)
		s.FinishBare()
		s.Silence(1)
		diagnose(s, element, cause)
		s.Reveal()
		return s
	}},
	{"scatter", "3.1-i", check.TooManyElements, func() *synth.Session {
		return session(func(s *synth.Session) {
			for _, e := range []string{"erp1", "dns2", "rt-brv1", element} {
				diagnose(s, e, cause)
			}
		})
	}},
	{"wavering", "3.1-i", check.ManyRevisions, func() *synth.Session {
		return session(func(s *synth.Session) {
			for _, c := range []string{"route_filter", "ospf_key_mismatch", "link_down", cause} {
				diagnose(s, element, c)
			}
		})
	}},
	{"told", "3.1-i", check.AfterReveal, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Say(&evidence.HintShown{Level: 3, Reveals: true})
			s.Wait(5)
			diagnose(s, element, cause)
		})
	}},
	{"twin right", "3.1-i", check.FalseAlarmConfirmed, func() *synth.Session { return synth.TwinReference(1) }},
	{"twin, the same test three times", "3.1-i", check.FalseAlarmUntested, func() *synth.Session {
		return twin(func(s *synth.Session) {
			for range 3 {
				s.Exec("adm1", "ping", "dns2")
			}
			s.Say(&evidence.Diagnosis{NoFault: true})
		})
	}},
	{"twin, tests elsewhere", "3.1-i", check.FalseAlarmUntested, func() *synth.Session {
		return twin(func(s *synth.Session) {
			s.Exec("adm1", "ping", "mail1")
			s.Exec("mail1", "ip", "route")
			s.Exec("mail1", "ip", "addr")
			s.Say(&evidence.Diagnosis{NoFault: true})
		})
	}},
	{"twin, tests after the answer", "3.1-i", check.FalseAlarmUntested, func() *synth.Session {
		return twin(func(s *synth.Session) {
			s.Say(&evidence.Diagnosis{NoFault: true})
			s.Wait(5)
			s.Exec("adm1", "ping", "dns2")
			s.Exec("adm1", "traceroute", "dns2")
			s.Exec("rt-til1", "ip", "route")
		})
	}},
	{"twin, told", "3.1-i", check.FalseAlarmRevealed, func() *synth.Session {
		return twin(func(s *synth.Session) {
			s.Exec("adm1", "ping", "dns2")
			s.Exec("adm1", "traceroute", "dns2")
			s.Exec("rt-til1", "ip", "route")
			s.Say(&evidence.HintShown{Level: 3, Reveals: true})
			s.Wait(5)
			s.Say(&evidence.Diagnosis{NoFault: true})
		})
	}},
	{"twin, told afterwards", "3.1-i", check.FalseAlarmConfirmed, func() *synth.Session {
		return twin(func(s *synth.Session) {
			s.Exec("adm1", "ping", "dns2")
			s.Exec("adm1", "traceroute", "dns2")
			s.Exec("rt-til1", "ip", "route")
			s.Say(&evidence.Diagnosis{NoFault: true})
			s.Wait(5)
			s.Say(&evidence.HintShown{Level: 3, Reveals: true})
		})
	}},
	{"twin changed", "3.1-i", check.FalseAlarmButChanged, func() *synth.Session { return synth.TwinRepairs(1) }},
	{"twin accused", "3.1-i", check.FalseAlarmMissed, func() *synth.Session { return synth.TwinNamesAFault(1) }},

	{"repaired", "3.1-ii", check.RestoredPermanent, func() *synth.Session { return synth.Reference(1) }},
	{"nothing done", "3.1-ii", check.NotRestored, func() *synth.Session { return synth.DoNothing(1) }},
	{"saved only", "3.1-ii", check.NotApplied, func() *synth.Session { return synth.DiskOnly(1) }},
	{"running only", "3.1-ii", check.LostAtColdStart, func() *synth.Session { return synth.RuntimeOnly(1) }},
	{"relapse", "3.1-ii", check.RelapseAfterFinish, func() *synth.Session {
		s := synth.New(synth.Facts(false), 1)
		s.RepairRunning()
		s.Wait(60)
		s.FinishBare()
		s.Phase(evidence.PhasePermanence)
		s.Wait(60)
		s.Break()
		s.Wait(60)
		s.Reveal()
		return s
	}},
	{"others lost", "3.1-ii", check.CollateralAtColdStart, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.RepairRunning()
			s.RepairSaved()
			s.Permanent["files@be"] = false
		})
	}},
	{"not waited for", "3.1-ii", check.PermanenceNotObserved, func() *synth.Session {
		s := synth.New(synth.Facts(false), 1)
		s.RepairRunning()
		s.Wait(60)
		s.FinishBare()
		s.Reveal()
		return s
	}},
	{"time without samples", "3.1-ii", check.PermanenceNotObserved, func() *synth.Session {
		s := synth.New(synth.Facts(false), 1)
		s.RepairRunning()
		s.Wait(30)
		s.Silence(900)
		s.Wait(30)
		s.FinishBare()
		s.Reveal()
		return s
	}},
	{"no cold start", "3.1-ii", check.ColdStartNotObserved, func() *synth.Session {
		s := synth.New(synth.Facts(false), 1)
		s.RepairRunning()
		s.Wait(700)
		s.FinishBare()
		s.Reveal()
		return s
	}},
	{"red while the host starved", "3.1-ii", check.RestoredPermanent, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.RepairRunning()
			s.RepairSaved()
			s.Wait(30)
			s.Health(true, true)
			s.Green["erp@bur2"] = false
			s.Wait(30)
			s.Green["erp@bur2"] = true
			s.Health(false, true)
		})
	}},
	{"red while the control service is red", "3.1-ii", check.NotRestored, func() *synth.Session {
		return session(func(s *synth.Session) { s.Health(false, false) })
	}},
	{"red after the finish, the host starved before", "3.1-ii", check.NotRestored, func() *synth.Session {
		return session(func(s *synth.Session) { s.Health(true, true) })
	}},
	{"machine that did not come back, untouched", "3.1-ii", check.ColdStartNotObserved, func() *synth.Session {
		return cold(evidence.ExamColdStart{Nodes: 61, Restarted: 60, Settled: true, Failed: []string{"rt-brv1"}}, nil, nil)
	}},
	{"machine that did not come back, by the candidate's work", "3.1-ii", check.LostAtColdStart, func() *synth.Session {
		return cold(evidence.ExamColdStart{Nodes: 61, Restarted: 60, Settled: true, Failed: []string{"rt-til1"}}, nil, nil)
	}},
	{"machine missing without a name", "3.1-ii", check.ColdStartNotObserved, func() *synth.Session {
		return cold(evidence.ExamColdStart{Nodes: 61, Restarted: 60, Settled: true}, nil, nil)
	}},
	{"company that did not settle", "3.1-ii", check.ColdStartNotObserved, func() *synth.Session {
		return cold(evidence.ExamColdStart{Nodes: 61, Restarted: 61}, nil, nil)
	}},
	{"others lost with a machine that did not come back", "3.1-ii", check.ColdStartNotObserved, func() *synth.Session {
		return cold(evidence.ExamColdStart{Nodes: 61, Restarted: 60, Settled: true, Failed: []string{"fic1"}}, allGreen,
			map[string][]bool{"files@be pc-be-01": {false}})
	}},
	{"green on every post", "3.1-ii", check.RestoredPermanent, func() *synth.Session {
		return cold(settled, allGreen, map[string][]bool{"erp@bur2 pc-bur2-01": {true}, "erp@bur2 pc-bur2-02": {false, true, true, true}})
	}},
	{"red on one post of many", "3.1-ii", check.LostAtColdStart, func() *synth.Session {
		return cold(settled, allGreen, map[string][]bool{"erp@bur2 pc-bur2-01": {true}, "erp@bur2 pc-bur2-02": {false}})
	}},
	{"now red, now green on one post", "3.1-ii", check.ColdStartNotObserved, func() *synth.Session {
		return cold(settled, allGreen, map[string][]bool{"erp@bur2 pc-bur2-02": {false, true}})
	}},

	{"log", "3.1-iii", check.LogbookFacts, func() *synth.Session { return synth.Reference(1) }},
	{"no log", "3.1-iii", check.LogbookEmpty, func() *synth.Session { return synth.DoNothing(1) }},
	{"report", "3.1-iv", check.ReportFacts, func() *synth.Session { return synth.Reference(1) }},
	{"empty report", "3.1-iv", check.ReportFacts, func() *synth.Session {
		return session(func(s *synth.Session) { s.Say(&evidence.Document{Kind: "report"}) })
	}},
	{"no report", "3.1-iv", check.ReportMissing, func() *synth.Session { return synth.DoNothing(1) }},

	{"test first", "3.2a", check.DiscriminatingTest, func() *synth.Session { return synth.Reference(1) }},
	{"test, no change", "3.2a", check.DiscriminatingTest, func() *synth.Session {
		return session(func(s *synth.Session) { s.Exec("adm1", "ping", "dns2") })
	}},
	{"three blind changes", "3.2a", check.BlindChanges, func() *synth.Session {
		return session(func(s *synth.Session) {
			for _, n := range []string{"rt-til1", "rt-til1", "rt-til1"} {
				s.Exec(n, "systemctl", "restart", "frr")
			}
		})
	}},
	{"one blind change", "3.2a", check.FewBlindChanges, func() *synth.Session {
		return session(func(s *synth.Session) { s.Exec("rt-til1", "reboot") })
	}},
	{"one blind change in many lines", "3.2a", check.FewBlindChanges, func() *synth.Session {
		return session(func(s *synth.Session) {
			for _, l := range []string{"conf t", "router ospf", "no passive-interface wan0", "area 0 authentication", "end", "wr"} {
				s.Type("rt-til1", "vtysh", l)
			}
		})
	}},
	{"change first", "3.2a", check.ChangeBeforeTest, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Exec("rt-til1", "systemctl", "restart", "frr")
			s.Wait(5)
			s.Exec("adm1", "ping", "dns2")
		})
	}},
	{"wrong target", "3.2a", check.NoDiscriminatingTest, func() *synth.Session {
		return session(func(s *synth.Session) { s.Exec("adm1", "ping", "mail1") })
	}},
	{"nothing at all", "3.2a", check.NoTestNoChange, func() *synth.Session { return synth.DoNothing(1) }},
	{"lines not cut", "3.2a", check.LinesUncut, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Add("w", "rt-til1", "candidate", &evidence.TermUncut{Terminal: "t1", Program: "vtysh"})
		})
	}},
	{"lines not cut before the test", "3.2a", check.LinesUncut, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Add("w", "rt-til1", "candidate", &evidence.TermUncut{Terminal: "t1", Program: "vtysh"})
			s.Wait(5)
			s.Exec("adm1", "ping", "dns2")
		})
	}},
	{"lines not cut after the test", "3.2a", check.DiscriminatingTest, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Exec("adm1", "ping", "dns2")
			s.Wait(5)
			s.Add("w", "rt-til1", "candidate", &evidence.TermUncut{Terminal: "t1", Program: "vtysh"})
		})
	}},
	{"test after a hint", "3.2a", check.TestsAfterReveal, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Say(&evidence.HintShown{Level: 3, Reveals: true})
			s.Wait(5)
			s.Exec("adm1", "ping", "dns2")
		})
	}},
	{"twin tested", "3.2a", check.TwinTestedUnchanged, func() *synth.Session { return synth.TwinReference(1) }},
	{"twin changed", "3.2a", check.TwinChanged, func() *synth.Session { return synth.TwinRepairs(1) }},
	{"twin changed blindly", "3.2a", check.BlindChanges, func() *synth.Session {
		return twin(func(s *synth.Session) {
			for _, n := range []string{"rt-til1", "erp1", "dns2"} {
				s.Exec(n, "reboot")
			}
		})
	}},

	{"element", "3.2b", check.ElementIdentified, func() *synth.Session { return synth.Reference(1) }},
	{"parent", "3.2b", check.ElementParent, func() *synth.Session {
		return session(func(s *synth.Session) { diagnose(s, "rt-til1", cause) })
	}},
	{"other", "3.2b", check.ElementMismatch, func() *synth.Session { return synth.RepairTheHealthy(1) }},
	{"none", "3.2b", check.NoElementNamed, func() *synth.Session { return synth.DoNothing(1) }},
	{"three sound machines", "3.2b", check.ManyWrongReplacements, func() *synth.Session { return synth.RestartEverything(1) }},
	{"one sound machine is tolerated", "3.2b", check.ElementIdentified, func() *synth.Session {
		return session(func(s *synth.Session) { s.Exec("erp1", "reboot"); diagnose(s, element, cause) })
	}},
	{"two sound machines", "3.2b", check.SomeWrongReplacements, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Exec("erp1", "reboot")
			s.Exec("dns2", "reboot")
			diagnose(s, element, cause)
		})
	}},
	{"out of the perimeter", "3.2b", check.OutOfPerimeter, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Exec("op-mpls", "ip", "link", "set", "eth0", "down")
			diagnose(s, element, cause)
		})
	}},
	{"on it", "3.2d", check.IsolationFacts, func() *synth.Session { return synth.Reference(1) }},
	{"elsewhere", "3.2d", check.IsolationElsewhere, func() *synth.Session { return synth.RepairTheHealthy(1) }},
	{"nowhere", "3.2d", check.NothingIsolated, func() *synth.Session { return synth.DoNothing(1) }},

	{"intact", "3.3-i", check.DataIntact, func() *synth.Session { return synth.Reference(1) }},
	{"lost", "3.3-i", check.DataLost, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Add("c", "fic1", "", &evidence.ExamCanary{Name: "plan-9", OK: false})
		})
	}},
	{"opened", "3.3-i", check.RightsWidened, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Add("c", "", "", &evidence.ExamFlow{From: "ext1", To: "fic1:445", Now: true})
		})
	}},
	{"unread", "3.3-i", check.CanariesUnread, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Add("c", "bdd1", "", &evidence.ExamCanary{Name: "base", Unread: true})
		})
	}},
	{"lost beats unread", "3.3-i", check.DataLost, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Add("c", "bdd1", "", &evidence.ExamCanary{Name: "base", Unread: true})
			s.Add("c", "fic1", "", &evidence.ExamCanary{Name: "plan-9"})
		})
	}},
	{"not read", "3.3-i", check.CanariesNotRead, func() *synth.Session {
		s := synth.New(synth.Facts(false), 1)
		s.FinishBare()
		s.Reveal()
		return s
	}},

	{"told", "3.3-ii", check.UsersInformed, func() *synth.Session { return synth.Reference(1) }},
	{"told through a larger group", "3.3-ii", check.NoticeTooBroad, func() *synth.Session {
		return session(func(s *synth.Session) {
			notice(s, "tous")
			s.RepairRunning()
			s.Wait(30)
			notice(s, "tous")
		})
	}},
	{"late", "3.3-ii", check.NoticeLate, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Wait(1000)
			notice(s, "tilly-bureaux", "tilly-atelier")
		})
	}},
	{"late only by a pause", "3.3-ii", check.EndNotTold, func() *synth.Session {
		return session(func(s *synth.Session) {
			s.Add("c", "", "", &evidence.ClockPaused{Reason: "pause"})
			s.Silence(1000)
			s.Add("c", "", "", &evidence.ClockResumed{})
			notice(s, "tilly-bureaux", "tilly-atelier")
		})
	}},
	{"end not told", "3.3-ii", check.EndNotTold, func() *synth.Session {
		return session(func(s *synth.Session) {
			notice(s, "tilly-bureaux", "tilly-atelier")
			s.RepairRunning()
		})
	}},
	{"second notice too early", "3.3-ii", check.EndNotTold, func() *synth.Session {
		return session(func(s *synth.Session) {
			notice(s, "tilly-bureaux", "tilly-atelier")
			notice(s, "tilly-bureaux", "tilly-atelier")
			s.Wait(300)
			s.RepairRunning()
			s.Wait(30)
		})
	}},
	{"end told while down, declared before", "3.3-ii", check.EndNotTold, func() *synth.Session {
		return session(func(s *synth.Session) {
			notice(s, "tilly-bureaux", "tilly-atelier")
			s.Say(&evidence.Restored{Definitive: true})
			s.Wait(30)
			notice(s, "tilly-bureaux", "tilly-atelier")
			s.Wait(300)
			s.RepairRunning()
			s.Wait(30)
		})
	}},
	{"end told wrongly", "3.3-ii", check.EndToldNotRestored, func() *synth.Session { return synth.DiskOnly(1) }},
	{"one group forgotten", "3.3-ii", check.GroupNotTold, func() *synth.Session {
		return session(func(s *synth.Session) { notice(s, "tilly-bureaux") })
	}},
	{"nobody told", "3.3-ii", check.NoNotice, func() *synth.Session { return synth.DoNothing(1) }},
	{"others told", "3.3-ii", check.NoNotice, func() *synth.Session {
		return session(func(s *synth.Session) { notice(s, "compta") })
	}},
	{"author answered", "3.3-ii", check.AuthorAnswered, func() *synth.Session { return synth.TwinReference(1) }},
	{"author written to by login", "3.3-ii", check.AuthorAnswered, func() *synth.Session {
		return twin(func(s *synth.Session) {
			s.Say(&evidence.Request{To: "user:plemoine", Text: "La liaison est bonne, pouvez-vous réessayer ?"})
		})
	}},
	{"author written to by id", "3.3-ii", check.AuthorAnswered, func() *synth.Session {
		return twin(func(s *synth.Session) {
			s.Say(&evidence.Request{To: "user:tib-2", Text: "La liaison est bonne, pouvez-vous réessayer ?"})
		})
	}},
	{"somebody else written to", "3.3-ii", check.AuthorNotAnswered, func() *synth.Session {
		return twin(func(s *synth.Session) {
			s.Say(&evidence.Request{To: "user:hfabre", Text: "La liaison est bonne, pouvez-vous réessayer ?"})
		})
	}},
	{"author closed with words", "3.3-ii", check.AuthorAnswered, func() *synth.Session {
		return twin(func(s *synth.Session) {
			s.Say(&evidence.TicketClose{Ticket: "T1", Text: "Tout répond depuis votre poste."})
		})
	}},
	{"author given a word", "3.3-ii", check.AuthorNotAnswered, func() *synth.Session {
		return twin(func(s *synth.Session) { s.Say(&evidence.TicketReply{Ticket: "T1", Text: "  Tout répond.       "}) })
	}},
	{"author closed without a word", "3.3-ii", check.AuthorNotAnswered, func() *synth.Session {
		return twin(func(s *synth.Session) { s.Say(&evidence.TicketClose{Ticket: "T1"}) })
	}},
	{"interrupted", "3.3-iii", check.QualityFacts, func() *synth.Session { return synth.RebootEverything(1) }},
	{"undisturbed", "3.3-iii", check.QualityNoInterruption, func() *synth.Session { return synth.Reference(1) }},
}

func TestEveryReason(t *testing.T) {
	reached := map[check.Reason]bool{}
	outcomes := check.Codes()
	for _, c := range cases {
		v, err := check.NewView(c.play().Records)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		f := check.Point(v, c.point)
		if f.Reason != c.want || f.Outcome != outcomes[c.want] {
			t.Errorf("%s: %s is %s %s, want %s (%s; %v)", c.name, c.point, f.Outcome, f.Reason, c.want, f.Sentence.FR, f.Measured)
		}
		reached[f.Reason] = true
		for _, s := range []string{f.Sentence.FR, f.Sentence.EN} {
			if s == "" || strings.ContainsAny(s, "{}|") || !strings.HasSuffix(s, ".") {
				t.Errorf("%s: sentence %q", c.name, s)
			}
		}
	}
	for code := range outcomes {
		if !reached[code] {
			t.Errorf("no test reaches the reason %s", code)
		}
	}
}

func TestEveryFlag(t *testing.T) {
	plays := map[check.Reason]func() *synth.Session{
		check.ChangesOutsideElement: func() *synth.Session { return synth.RepairTheHealthy(1) },
		check.ChangesOutOfPerimeter: func() *synth.Session {
			return session(func(s *synth.Session) { s.Exec("op-mpls", "reboot") })
		},
		check.CanaryDataLost: func() *synth.Session {
			return session(func(s *synth.Session) { s.Add("c", "", "", &evidence.ExamCanary{Name: "x"}) })
		},
		check.FlowMatrixWidened: func() *synth.Session {
			return session(func(s *synth.Session) { s.Add("c", "", "", &evidence.ExamFlow{From: "a", To: "b", Now: true}) })
		},
		check.HintUsed: func() *synth.Session {
			return session(func(s *synth.Session) { s.Say(&evidence.HintShown{Level: 1}) })
		},
		check.HostOutOfBand: func() *synth.Session {
			return session(func(s *synth.Session) {
				s.Health(true, true)
				s.Wait(61)
				s.Health(false, true)
			})
		},
		check.ControlRed: func() *synth.Session {
			return session(func(s *synth.Session) {
				s.Health(false, false)
				s.Wait(61)
				s.Health(false, true)
			})
		},
		check.ChangesWithoutFault: func() *synth.Session { return synth.TwinRepairs(1) },
		check.UnexplainedFiles: func() *synth.Session {
			return session(func(s *synth.Session) {
				s.Add("file", "fic1", "system", &evidence.FileChange{Path: "/etc/samba/smb.conf", Op: "modified", Origin: evidence.OriginUnknown})
			})
		},
		check.RecorderLossFlag: func() *synth.Session {
			return session(func(s *synth.Session) { s.Add("c", "", "", &evidence.RecorderLoss{Recorder: "net", Lost: 1}) })
		},
		check.RecorderOffFlag: func() *synth.Session {
			return session(func(s *synth.Session) { s.Add("c", "", "", &evidence.RecorderState{Recorder: "net"}); s.Wait(1) })
		},
		check.UnattributedWork: func() *synth.Session {
			return session(func(s *synth.Session) {
				s.Add("w", "rt-til1", "", &evidence.ExecStart{ID: 1, PID: 5, Argv: []string{"reboot"}, Detached: true})
			})
		},
		check.RepairBeforeDiagnosis: func() *synth.Session {
			return session(func(s *synth.Session) { s.Exec("rt-til1", "reboot"); s.Wait(1); diagnose(s, element, cause) })
		},
		check.NotOpposable: func() *synth.Session { return synth.Reference(0.1) },
		check.ScaledTime:   func() *synth.Session { return synth.Reference(1.5) },
		check.InterruptedSession: func() *synth.Session {
			s := synth.New(synth.Facts(false), 1)
			s.Say(&evidence.SessionFinish{Reason: evidence.FinishInterrupted})
			s.Reveal()
			return s
		},
		check.ResumedSession: func() *synth.Session {
			return session(func(s *synth.Session) {
				s.Add("c", "", "", &evidence.SessionResumed{LastNS: 1e9, DiedNS: 1.1e9, HaltedNS: 1.2e9, ResumeNS: 9e9, Unseen: []string{"adm1 12 sleep"}})
			})
		},
		check.UnsupportedDeclaration: func() *synth.Session { return synth.DiskOnly(1) },
	}
	for _, code := range check.FlagCodes() {
		play, ok := plays[code]
		if !ok {
			t.Errorf("no test reaches the flag %s", code)
			continue
		}
		v, err := check.NewView(play().Records)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range check.Flags(v) {
			found = found || f.Code == code
			if strings.ContainsAny(f.Sentence.FR+f.Sentence.EN, "{}|") {
				t.Errorf("flag %s: sentence %q", f.Code, f.Sentence.FR)
			}
		}
		if !found {
			t.Errorf("flag %s is not raised", code)
		}
	}
	v, _ := check.NewView(synth.Reference(1).Records)
	if f := check.Flags(v); len(f) > 0 {
		t.Errorf("the reference gets the flag %s", f[0].Code)
	}
}

// TestTexts holds house rules for what a jury reads.
func TestTexts(t *testing.T) {
	outcomes := check.Codes()
	code := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	for c, tt := range check.Texts() {
		if !code.MatchString(string(c)) {
			t.Errorf("code %q", c)
		}
		if o, ok := outcomes[c]; ok && (o == check.Jury) != (tt[1].FR != "") {
			t.Errorf("%s: outcome %s, question %q", c, o, tt[1].FR)
		}
		for i, x := range tt {
			if (x.FR == "") != (x.EN == "") || i == 0 && x.FR == "" {
				t.Errorf("%s: one language is missing", c)
			}
			if strings.ContainsAny(x.FR+x.EN, "'\"") {
				t.Errorf("%s: straight quotes in %q", c, x.FR+x.EN)
			}
			if i == 1 && x.FR != "" && !strings.Contains(x.FR, " ?") {
				t.Errorf("%s: the French question lacks its space: %q", c, x.FR)
			}
		}
	}
}
