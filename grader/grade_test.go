package grader_test

import (
	"bytes"
	"encoding/json"
	"sort"
	"strings"
	"testing"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/internal/synth"
)

// want maps points to "outcome reason"; points left out are not compared.
type want map[string]string

const sansObjet = "sans_objet not_declared"

// common holds for every session on a variant.
var common = want{"3.1-v": sansObjet, "3.2c": sansObjet, "3.2e": sansObjet, "3.2f-i": sansObjet, "3.2f-ii": sansObjet,
	"3.2f-iii": sansObjet, "3.2g": sansObjet, "3.3-i": "acquis data_intact"}

var twin = want{"3.1-ii": "sans_objet no_fault_here", "3.2b": "sans_objet no_fault_here", "3.2d": "sans_objet no_fault_here"}

var expected = map[string]struct {
	points   want
	capacity string
	exit     int
	flags    string
}{
	"reference": {want{"3.1-i": "acquis identified", "3.1-ii": "acquis restored_permanent", "3.1-iii": "jury logbook_facts",
		"3.1-iv": "jury report_facts", "3.2a": "acquis discriminating_test", "3.2b": "acquis element_identified",
		"3.2d": "jury isolation_facts", "3.3-ii": "acquis users_informed", "3.3-iii": "jury quality_no_interruption"}, "jury", 0, ""},
	"reference-vtysh": {want{"3.1-i": "acquis identified", "3.1-ii": "acquis restored_permanent",
		"3.2a": "acquis discriminating_test", "3.2b": "acquis element_identified", "3.3-ii": "acquis users_informed"}, "jury", 0, ""},
	"alternative": {want{"3.1-i": "acquis identified", "3.1-ii": "acquis restored_permanent",
		"3.2a": "acquis discriminating_test", "3.2b": "acquis element_identified", "3.3-ii": "acquis users_informed"}, "jury", 0, ""},
	"do-nothing": {want{"3.1-i": "non_acquis no_diagnosis", "3.1-ii": "non_acquis not_restored", "3.1-iii": "jury logbook_empty",
		"3.1-iv": "jury report_missing", "3.2a": "jury no_test_no_change", "3.2b": "jury no_element_named",
		"3.2d": "jury nothing_isolated", "3.3-ii": "non_acquis no_notice"}, "non_acquis", 1, ""},
	"restart-all": {want{"3.1-i": "non_acquis no_diagnosis", "3.1-ii": "non_acquis not_restored", "3.2a": "non_acquis blind_changes",
		"3.2b": "non_acquis many_wrong_replacements"}, "non_acquis", 1, "changes_outside_element"},
	"reboot-all": {want{"3.1-i": "non_acquis no_diagnosis", "3.1-ii": "non_acquis not_restored", "3.2a": "non_acquis blind_changes",
		"3.2b": "non_acquis many_wrong_replacements", "3.3-iii": "jury quality_facts"}, "non_acquis", 1, "changes_outside_element"},
	"runtime-only": {want{"3.1-i": "acquis identified", "3.1-ii": "non_acquis lost_at_cold_start", "3.2a": "acquis discriminating_test",
		"3.3-ii": "acquis users_informed"}, "jury", 1, ""},
	"disk-only": {want{"3.1-i": "acquis identified", "3.1-ii": "non_acquis not_applied", "3.2a": "acquis discriminating_test",
		"3.3-ii": "jury end_told_not_restored"}, "jury", 1, "restored_declared_while_red"},
	"repair-healthy": {want{"3.1-i": "non_acquis wrong_element", "3.1-ii": "non_acquis not_restored",
		"3.2a": "jury no_discriminating_test", "3.2b": "jury element_mismatch", "3.2d": "jury isolation_elsewhere",
		"3.3-ii": "jury end_not_told"}, "non_acquis", 1, "changes_outside_element"},
	"twin-reference": {want{"3.1-i": "acquis false_alarm_confirmed", "3.2a": "acquis tested_without_change",
		"3.3-ii": "acquis author_answered"}, "jury", 0, ""},
	"twin-do-nothing": {want{"3.1-i": "non_acquis no_diagnosis", "3.2a": "jury no_test_no_change",
		"3.3-ii": "jury author_not_answered"}, "jury", 1, ""},
	"twin-repairs":       {want{"3.1-i": "jury false_alarm_but_changed", "3.2a": "jury changed_without_fault"}, "jury", 0, "changes_without_fault"},
	"twin-names-a-fault": {want{"3.1-i": "non_acquis false_alarm_missed", "3.2a": "acquis tested_without_change"}, "jury", 1, ""},
}

func grade(t *testing.T, s *synth.Session) *grader.Verdict {
	t.Helper()
	// Through the bytes, as a bundle would.
	records, err := evidence.Read(bytes.NewReader(s.Journal()))
	if err != nil {
		t.Fatal(err)
	}
	v, err := grader.Grade(records)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestScriptedCandidates(t *testing.T) {
	if len(expected) != len(synth.Candidates) {
		t.Fatalf("%d candidates, %d expectations", len(synth.Candidates), len(expected))
	}
	for name, play := range synth.Candidates {
		for _, factor := range []float64{1, 0.1, 1.5} {
			e, ok := expected[name]
			if !ok {
				t.Fatalf("no expectation for %s", name)
			}
			v := grade(t, play(factor))
			all := []want{e.points, common}
			if strings.HasPrefix(name, "twin") {
				all = append(all, twin)
			}
			for _, w := range all {
				for id, x := range w {
					p, ok := v.Point(id)
					if got := string(p.Outcome) + " " + string(p.Reason); !ok || got != x {
						t.Errorf("%s ×%v: %s is %q, want %q (%s; %v)", name, factor, id, got, x, p.Sentence.FR, p.Measured)
					}
				}
			}
			if len(v.Capacities) != 1 || v.Capacities[0].ID != "3" || string(v.Capacities[0].Outcome) != e.capacity {
				t.Errorf("%s: capacities %+v, want 3 %s", name, v.Capacities[0].Outcome, e.capacity)
			}
			if v.ExitCode() != e.exit || v.Environment != "valid" || v.Admissible != nil || v.Candidate != "candidat-07" {
				t.Errorf("%s: exit %d, environment %s, admissible %v, candidate %q", name, v.ExitCode(), v.Environment, v.Admissible, v.Candidate)
			}
			var flags []string
			for _, f := range v.Flags {
				if f.Code != "not_opposable" && f.Code != "scaled_time" {
					flags = append(flags, string(f.Code))
				}
			}
			sort.Strings(flags)
			if strings.Join(flags, " ") != e.flags {
				t.Errorf("%s: flags %v, want %q", name, flags, e.flags)
			}
			for _, c := range v.Capacities {
				for _, cr := range c.Criteria {
					for _, p := range cr.Points {
						if (p.Outcome == "jury") != (p.Question != nil) {
							t.Errorf("%s %s: outcome %s, question %v", name, p.ID, p.Outcome, p.Question)
						}
						if p.Outcome != "sans_objet" && len(p.Evidence) == 0 {
							t.Errorf("%s %s (%s): no evidence", name, p.ID, p.Reason)
						}
					}
				}
			}
		}
	}
}

// TestBlindToNames: other names of candidate and variant, re-hashed, give the
// same capacities and flags, byte for byte.
func TestBlindToNames(t *testing.T) {
	for name, play := range synth.Candidates {
		s := play(1)
		chain := evidence.Chain{Lab: "demo", Session: "20260302-0700", Prev: evidence.ZeroHash}
		var renamed []*evidence.Record
		for _, r := range s.Records {
			p := r.Payload()
			if _, ok := evidence.As[evidence.SessionIdentity](r); ok {
				p = &evidence.SessionIdentity{Candidate: "quelqu’un d’autre", Variant: "healthy"}
			}
			n, _, err := chain.Add(evidence.Entry{Source: r.Source, Node: r.Node, Actor: r.Actor, BootNS: r.BootNS, Wall: r.Wall, Payload: p})
			if err != nil {
				t.Fatal(err)
			}
			renamed = append(renamed, n)
		}
		a := grade(t, s)
		b, err := grader.Grade(renamed)
		if err != nil {
			t.Fatal(err)
		}
		if a.Candidate == b.Candidate || a.JournalHead == b.JournalHead {
			t.Errorf("%s: the names were not changed", name)
		}
		for _, part := range []func(*grader.Verdict) any{
			func(v *grader.Verdict) any { return v.Capacities }, func(v *grader.Verdict) any { return v.Flags }} {
			x, _ := json.Marshal(part(a))
			y, _ := json.Marshal(part(b))
			if !bytes.Equal(x, y) {
				t.Errorf("%s: the names changed the verdict:\n%s\n%s", name, x, y)
			}
		}
	}
}

func TestVerdictJSON(t *testing.T) {
	v := grade(t, synth.Reference(1))
	a, err := v.JSON()
	if err != nil {
		t.Fatal(err)
	}
	b, _ := grade(t, synth.Reference(1)).JSON()
	if !bytes.Equal(a, b) {
		t.Error("two gradings of the same evidence differ")
	}
	back, err := grader.ReadVerdict(a)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := back.JSON()
	if !bytes.Equal(a, again) {
		t.Error("reading and writing changes the verdict")
	}
	for _, s := range []string{`"admissible": null`, `"environment": "valid"`, `"journalHead": "sha256:`, `"apiVersion": "situlab/v1"`} {
		if !strings.Contains(string(a), s) {
			t.Errorf("verdict lacks %s", s)
		}
	}
	if strings.Contains(string(a), "null") && strings.Count(string(a), "null") != 1 {
		t.Errorf("null where a list was meant:\n%s", a)
	}
	for _, bad := range []string{"", "{}", `{"apiVersion":"situlab/v1","kind":"Verdict","x":1}`} {
		if _, err := grader.ReadVerdict([]byte(bad)); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestUngradable(t *testing.T) {
	s := synth.Reference(1)
	if _, err := grader.Grade(nil); err == nil {
		t.Error("graded nothing")
	}
	if _, err := grader.Grade(s.Records[:20]); err == nil || !strings.Contains(err.Error(), "session.facts") {
		t.Errorf("without facts: %v", err)
	}
	forged := synth.New(synth.Facts(false), 1)
	forged.Facts.Truth.Cause = "route_filter"
	forged.Finish()
	if _, err := grader.Grade(forged.Records); err == nil || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("facts changed after the seal: %v", err)
	}
}

func TestInvalidEnvironment(t *testing.T) {
	s := synth.New(synth.Facts(false), 1)
	s.Wait(60)
	s.Add("controller", "", "controller", &evidence.SessionInvalid{Reason: "fault_vanished", Detail: "x"})
	s.FinishBare()
	s.Reveal()
	v := grade(t, s)
	if v.Environment != "invalid" || v.ExitCode() != 4 {
		t.Errorf("environment %s, exit %d", v.Environment, v.ExitCode())
	}
	for _, cr := range v.Capacities[0].Criteria {
		for _, p := range cr.Points {
			if p.Outcome == "non_acquis" || p.Outcome == "acquis" {
				t.Errorf("%s is %s in an invalid environment", p.ID, p.Outcome)
			}
		}
	}
}

// TestInterrupted: nothing is held against a candidate who could not finish, and
// the code says so, not that a point is missing.
func TestInterrupted(t *testing.T) {
	for name, end := range map[string]func(*synth.Session){
		"interrupted":  func(s *synth.Session) { s.Say(&evidence.SessionFinish{Reason: evidence.FinishInterrupted}) },
		"never closed": func(*synth.Session) {},
	} {
		s := synth.New(synth.Facts(false), 1)
		for range 4 {
			s.Exec("rt-til1", "systemctl", "restart", "frr")
			s.Wait(30)
		}
		end(s)
		s.Reveal()
		v := grade(t, s)
		if v.ExitCode() != 130 || !v.Interrupted() || v.Environment != grader.EnvironmentValid {
			t.Errorf("%s: exit %d, interrupted %v, environment %s", name, v.ExitCode(), v.Interrupted(), v.Environment)
		}
		for _, cr := range v.Capacities[0].Criteria {
			for _, p := range cr.Points {
				if p.Outcome == "non_acquis" {
					t.Errorf("%s: %s is non_acquis: %s", name, p.ID, p.Sentence.FR)
				}
			}
		}
	}
	// A lab that failed before anybody entered is not an interruption.
	s := synth.New(synth.Facts(false), 1)
	s.Add("controller", "", "controller", &evidence.SessionInvalid{Reason: "lab_not_ready"})
	s.Reveal()
	if v := grade(t, s); v.ExitCode() != 4 || v.Interrupted() {
		t.Errorf("invalid: exit %d, interrupted %v", v.ExitCode(), v.Interrupted())
	}
	if v := grade(t, synth.DoNothing(1)); v.ExitCode() != 1 || v.Interrupted() {
		t.Errorf("finished: exit %d, interrupted %v", v.ExitCode(), v.Interrupted())
	}
}
