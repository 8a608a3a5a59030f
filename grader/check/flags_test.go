package check_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/internal/synth"
)

func view(t *testing.T, s *synth.Session) *check.View {
	t.Helper()
	v, err := check.NewView(s.Records)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func flagOf(v *check.View, code check.Reason) *check.Flag {
	for _, f := range check.Flags(v) {
		if f.Code == code {
			return &f
		}
	}
	return nil
}

// TestDecisiveRecordsAreCited: finish, permanence, cold start and each red
// sample stand in the evidence of 3.1-ii, however many there are; green ones are
// a few.
func TestDecisiveRecordsAreCited(t *testing.T) {
	for name, s := range map[string]*synth.Session{
		"red at finish": synth.DoNothing(1), "lost": synth.RuntimeOnly(1), "green": synth.Reference(1),
		"many posts": func() *synth.Session {
			rounds := map[string][]bool{}
			for i := range 30 {
				rounds["erp@bur2 pc-"+strings.Repeat("i", i+1)] = []bool{false, false, false}
			}
			return cold(settled, allGreen, rounds)
		}(),
	} {
		v := view(t, s)
		f := check.Point(v, "3.1-ii")
		reds, greens := 0, 0
		want := map[evidence.Type]bool{evidence.TypeSessionFinish: true, evidence.TypeExamPermanence: true, evidence.TypeExamColdStart: true}
		for _, r := range s.Records {
			cited := slices.Contains(f.Evidence, r.Seq)
			if want[r.Type] && !cited {
				t.Errorf("%s: %s is not cited", name, r.Type)
			}
			p, ok := evidence.As[evidence.ProbeSample](r)
			switch {
			case !ok:
			case p.OK && cited:
				greens++
			case cited:
				reds++
			}
		}
		if !slices.IsSorted(f.Evidence) {
			t.Errorf("%s: %v is not in order", name, f.Evidence)
		}
		want2 := map[string]int{"red at finish": 3, "lost": 9, "green": 0, "many posts": 90}[name]
		if name == "red at finish" { // and what the cold start showed
			want2 += 9
		}
		if reds != want2 || greens > 8 || name == "green" && greens == 0 {
			t.Errorf("%s: %d red and %d green samples are cited, want %d red", name, reds, greens, want2)
		}
	}
}

// TestOutsideTheElement: every change off the faulty element is laid before the
// jury; a related machine is no wrong replacement all the same.
func TestOutsideTheElement(t *testing.T) {
	s := session(func(s *synth.Session) {
		s.Exec("rt-til1", "systemctl", "restart", "frr")
		for range 3 {
			s.Wait(130)
			s.Exec("rt-brv1", "systemctl", "restart", "frr")
		}
		diagnose(s, element, cause)
	})
	v := view(t, s)
	f := flagOf(v, check.ChangesOutsideElement)
	if f == nil || f.Measured["changes"] != 3 || !slices.Equal(f.Measured["nodes"].([]string), []string{"rt-brv1"}) {
		t.Errorf("flag %+v", f)
	}
	if p := check.Point(v, "3.2b"); p.Reason != check.ElementIdentified {
		t.Errorf("3.2b: %s", p.Reason)
	}
	// A network that is faulty lies on the machines that it joins.
	facts := synth.Facts(false)
	facts.Truth.Element = "net:wan2"
	facts.Elements = append(facts.Elements, evidence.Element{ID: "net:wan2", Class: "link"})
	s = synth.New(facts, 1)
	s.Exec("rt-til1", "ip", "link", "set", "wan0", "up")
	s.Finish()
	if f := flagOf(view(t, s), check.ChangesOutsideElement); f != nil {
		t.Errorf("a change at the end of the faulty line: %s", f.Sentence.FR)
	}
}

// TestUnexplainedFiles: what the closing account alone saw is told, where it may
// matter.
func TestUnexplainedFiles(t *testing.T) {
	found := func(s *synth.Session, node, path string) {
		s.Add("file", node, "system", &evidence.FileChange{Path: path, Op: evidence.FileModified, Origin: evidence.OriginUnknown})
	}
	s := synth.New(synth.Facts(false), 1)
	s.FinishBare()
	s.Silence(5) // the account is closed after the finish
	found(s, "fic1", "/etc/samba/smb.conf")
	found(s, "adm1", "/home/adm-x/notes")
	found(s, "op-mpls", "/etc/frr/frr.conf")
	found(s, "dns2", "/run/x")
	s.Reveal()
	f := flagOf(view(t, s), check.UnexplainedFiles)
	if f == nil || f.Blocking || !slices.Equal(f.Measured["files"].([]string), []string{"fic1:/etc/samba/smb.conf"}) ||
		!strings.Contains(f.Sentence.FR, "fic1:/etc/samba/smb.conf") {
		t.Errorf("flag %+v", f)
	}
}

// TestControlIsNotTheHost: a red control service says nothing about the host.
func TestControlIsNotTheHost(t *testing.T) {
	s := session(func(s *synth.Session) {
		s.Health(false, false)
		s.Wait(90)
		s.Health(false, true)
	})
	v := view(t, s)
	if flagOf(v, check.HostOutOfBand) != nil || flagOf(v, check.ControlRed) == nil {
		t.Error("the control service's failure is told as the host's")
	}
	s = session(func(s *synth.Session) {
		s.Health(true, true)
		s.Wait(90)
		s.Health(false, true)
	})
	v = view(t, s)
	if flagOf(v, check.HostOutOfBand) == nil || flagOf(v, check.ControlRed) != nil {
		t.Error("the host's trouble is told as the control service's")
	}
	// Without a record that ends it, the span ends with the finish.
	s = session(func(s *synth.Session) { s.Health(true, true) })
	if f := flagOf(view(t, s), check.HostOutOfBand); f != nil {
		t.Errorf("20 s before the finish became %v", f.Measured)
	}
}
