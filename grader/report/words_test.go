package report

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/internal/synth"
)

// visible is the text of a page in one language.
func visible(html, lang string) string {
	other := map[string]string{"fr": "en", "en": "fr"}[lang]
	for _, tag := range []string{"span", "tspan", "g"} {
		html = regexp.MustCompile(`(?s)<`+tag+` lang="`+other+`">.*?</`+tag+`>`).ReplaceAllString(html, " ")
	}
	for _, tag := range []string{"style", "script", "head"} {
		html = regexp.MustCompile(`(?s)<`+tag+`[ >].*?</`+tag+`>`).ReplaceAllString(html, " ")
	}
	html = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(html, "\n")
	return strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(html)
}

// eventful is a session with something of everything that a page can show.
func eventful() *synth.Session {
	s := synth.New(synth.Facts(false), 1)
	s.Wait(60)
	s.Exec("rt-til1", "ip", "route")
	s.Say(&evidence.DocShown{Doc: "plan-reseau"})
	s.Say(&evidence.SecretRead{Secret: "ospf-wan1"})
	s.Say(&evidence.HintShown{Level: 2})
	s.Say(&evidence.Request{To: "user:plemoine", Text: "Est-ce mieux ?"})
	s.Say(&evidence.Request{To: "technician", Text: "Peux-tu regarder ?"})
	s.Say(&evidence.Notice{Groups: []string{"tilly-bureaux"}, Text: "x"})
	s.Say(&evidence.Diagnosis{Element: "erp1", Cause: "unit_stopped"})
	s.Exec("op-mpls", "reboot")
	s.Add("lab", "op-mpls", "candidate", &evidence.LabNode{Event: evidence.NodeRebooted, Origin: "candidate"})
	s.Green["erp@bur"] = false
	s.Wait(90)
	s.Green["erp@bur"] = true
	s.Health(true, false)
	s.Wait(70)
	s.Health(false, true)
	s.Add("c", "", "", &evidence.RecorderState{Recorder: "net"})
	s.Add("c", "", "", &evidence.RecorderLoss{Recorder: "file", Lost: 3})
	s.Add("w", "rt-til1", "candidate", &evidence.TermUncut{Terminal: "t1", Program: "vtysh"})
	s.Add("file", "rt-til1", "candidate", &evidence.FileChange{Path: "/etc/hosts", Op: evidence.FileModified, Origin: evidence.OriginCandidate})
	s.Wait(20)
	s.FinishBare()
	s.Watch()
	s.Cold(evidence.ExamColdStart{Nodes: 61, Restarted: 60, Failed: []string{"dns2"}, Settled: true})
	s.Wait(60)
	s.Add("c", "fic1", "", &evidence.ExamCanary{Name: "plan-0"})
	s.Add("c", "fic1", "", &evidence.ExamCanary{Name: "plan-1", Unread: true})
	s.Add("c", "", "", &evidence.ExamFlow{From: "ext1", To: "fic1:445", Now: true})
	s.Add("file", "fic1", "system", &evidence.FileChange{Path: "/etc/samba/smb.conf", Op: evidence.FileCreated, Origin: evidence.OriginUnknown})
	s.Reveal()
	return s
}

// TestWordsNotIDs: a page shows words in its language, never the ids and the
// English of the machine.
func TestWordsNotIDs(t *testing.T) {
	ids := []string{"erp@bur2", "dns@ate2", "erp@bur", "bur2", "ate2", "tib-2", "plemoine", "plan-reseau", "ospf-wan1", "plan-0", "plan-1",
		"tilly-bureaux", "ospf_passive_interface", "unit_stopped", "(outside)", "carriers", "technician", "controller", "recorder", "steal", "rebooted",
		"modified", "created", "exec", "true", "false"}
	sessions := map[string]*synth.Session{"eventful": eventful()}
	for _, name := range []string{"reference", "do-nothing", "reboot-all", "repair-healthy", "twin-reference"} {
		sessions[name] = synth.Candidates[name](1)
	}
	for name, s := range sessions {
		in := input(t, s, "")
		html := write(t, in)
		ids := slices.Clone(ids)
		for _, f := range in.Verdict.Flags {
			ids = append(ids, string(f.Code))
		}
		for _, cr := range in.Verdict.Capacities[0].Criteria {
			for _, p := range cr.Points {
				ids = append(ids, string(p.Reason))
			}
		}
		for _, lang := range []string{"fr", "en"} {
			text := visible(html, lang)
			for _, id := range ids {
				if lang == "en" && slices.Contains([]string{"technician", "carriers", "created", "modified", "true", "false", "rebooted", "identified"}, id) {
					continue // English words as well
				}
				if m := regexp.MustCompile(`(?m)^.*(^|[^\pL\pN_.@/-])` + regexp.QuoteMeta(id) + `($|[^\pL\pN_.@/-]).*$`).FindString(text); m != "" {
					t.Errorf("%s: the %s page shows %q: %s", name, lang, id, strings.TrimSpace(m))
				}
			}
			// Whatever is not the candidate's own text is in the page's language.
			for key, x := range texts {
				foreign, own := x.EN, x.FR
				if lang == "en" {
					foreign, own = x.FR, x.EN
				}
				if len([]rune(foreign)) > 12 && !strings.Contains(own, foreign) && strings.Contains(text, spaced.Replace(foreign)) {
					t.Errorf("%s: the %s page shows %s: %q", name, lang, key, foreign)
				}
			}
		}
		if strings.Contains(html, "n° ") {
			t.Errorf("%s: a number may be torn from its sign", name)
		}
	}
}

// TestMeasuredHaveWords: every measurement has words.
func TestMeasuredHaveWords(t *testing.T) {
	for name, play := range synth.Candidates {
		in := input(t, play(1), "")
		for _, c := range in.Verdict.Capacities {
			for _, cr := range c.Criteria {
				for _, p := range cr.Points {
					for k := range p.Measured {
						if _, ok := measuredLabels[k]; !ok {
							t.Errorf("%s %s: no words for %s", name, p.ID, k)
						}
					}
				}
			}
		}
	}
	// Flows that nobody measured are not told as none.
	v := &check.View{}
	if l := measurements(v, map[string]any{"flows_measured": 0.0, "canaries": 2.0}); len(l) != 1 {
		t.Errorf("%+v", l)
	}
}

// TestEveryRecordHasWords: whatever a finding cites is told in both languages.
func TestEveryRecordHasWords(t *testing.T) {
	v := &check.View{}
	for _, p := range []evidence.Payload{
		&evidence.SessionStart{TimeFactor: 0.5}, &evidence.SessionSeal{}, &evidence.SessionFacts{}, &evidence.SessionEnter{},
		&evidence.SessionFinish{Reason: "candidate"}, &evidence.SessionInvalid{Reason: "lab_not_ready"},
		&evidence.SessionInvalid{Reason: "canary_not_set"}, &evidence.SessionInvalid{Reason: "recorder_failed"},
		&evidence.SessionInvalid{Reason: "host_starved"}, &evidence.SessionInvalid{Reason: "fault_vanished"}, &evidence.SessionFiles{}, &evidence.SessionEnd{},
		&evidence.LabUp{}, &evidence.LabReady{}, &evidence.LabNode{Event: "off", Origin: "candidate"}, &evidence.LabColdStart{}, &evidence.LabDown{},
		&evidence.FaultInjected{}, &evidence.FaultAdmitted{}, &evidence.FaultRejected{}, &evidence.FaultVanished{}, &evidence.FaultHealed{},
		&evidence.ProbeSample{Probe: "erp@x", Post: "p", Detail: "resolve no_answer: x"}, &evidence.ProbeSample{Probe: "erp@x", Post: "p", OK: true},
		&evidence.ProbeRound{}, &evidence.ExecExit{}, &evidence.TermOpen{}, &evidence.TermOutput{}, &evidence.TermInputLine{Line: "x"},
		&evidence.TermKeys{}, &evidence.TermUncut{}, &evidence.TermResize{}, &evidence.TermClose{},
		&evidence.FileChange{Op: "attr", Path: "/x", Origin: "unknown"}, &evidence.NetState{Added: []string{"a"}}, &evidence.NetState{},
		&evidence.ClockPaused{}, &evidence.ClockResumed{}, &evidence.ExamPermanence{}, &evidence.ExamColdStart{Failed: []string{"x"}},
		&evidence.ExamCanary{Name: "c", OK: true}, &evidence.ExamCanary{Name: "c"}, &evidence.ExamCanary{Name: "c", Unread: true},
		&evidence.ExamFlow{From: "a", To: "b"}, &evidence.ExamDone{}, &evidence.RecorderState{Recorder: "desk"}, &evidence.RecorderState{Recorder: "exec", On: true},
		&evidence.RecorderLoss{Recorder: "net"}, &evidence.HostHealth{}, &evidence.RecorderRecovery{}, &evidence.RecorderStalled{}, &evidence.SessionResumed{}, &evidence.SessionResumed{DiedNS: 1, HaltedNS: 5e6, Unseen: []string{"adm1 12 sleep"}}, &evidence.DecisionStart{Assessor: "A"},
		&evidence.PointDecision{Point: "3.1-i", Outcome: "acquis"}, &evidence.CriterionDecision{Criterion: "3.1", Outcome: "non_acquis"}, &evidence.CapacityDecision{Capacity: "3", Outcome: "acquis"},
		&evidence.CompanyOpinion{Capacity: "3", Favourable: true}, &evidence.CompanyOpinion{Capacity: "3"}, &evidence.Interview{Capacity: "3"}, &evidence.DecisionEnd{},
		&evidence.DocShown{Doc: "x"}, &evidence.SecretRead{Secret: "x"}, &evidence.HintShown{},
	} {
		chain := evidence.Chain{Lab: "l", Session: "s", Prev: evidence.ZeroHash}
		r, _, err := chain.Add(evidence.Entry{Source: "t", Payload: p})
		if err != nil {
			t.Fatal(err)
		}
		got := words(v, r)
		if got.FR == "" || got.EN == "" || got.FR == got.EN || strings.Contains(got.FR, "_") || strings.Contains(got.EN, "_") {
			t.Errorf("%s: %+v", r.Type, got)
		}
	}
}

// TestSamplesAreRows: the samples that a finding rests on are a few rows, not a
// page of lines.
func TestSamplesAreRows(t *testing.T) {
	html := write(t, input(t, synth.RuntimeOnly(1), ""))
	_, records, ok := strings.Cut(html, `<section id="records">`)
	if n := strings.Count(records, "<tr id="); !ok || n > 15 {
		t.Errorf("%d rows of records", n)
	}
	if !strings.Contains(records, "en échec") || !strings.Contains(records, "pas de réponse") || strings.Contains(records, "i/o timeout") {
		t.Error("a row of failing samples does not say in words what failed")
	}
}

// TestPaper: what is folded on the screen stands open on paper, without
// JavaScript and without the browser's help.
func TestPaper(t *testing.T) {
	html := write(t, input(t, synth.DoNothing(1), cast()))
	if strings.Contains(html, "<details") || strings.Count(html, `class="plain folded"`) != 1 || strings.Count(html, `<div class="folded"><pre`) != 1 {
		t.Error("interruptions or transcript are folded in a way that paper does not open")
	}
	_, print, ok := strings.Cut(css, "@media print{")
	if !ok || !strings.Contains(print, ".folded{display:block!important}") {
		t.Error("the style for paper does not open what is folded")
	}
	// The commands stand beside the player.
	a, b := strings.Index(html, `<div class="players">`), strings.Index(html, `<div class="commands">`)
	if a < 0 || b < a || !strings.Contains(html[a:b], `class="screen"`) {
		t.Error("the commands do not follow the player within the replay")
	}
}
