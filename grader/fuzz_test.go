package grader_test

import (
	"bytes"
	"testing"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/internal/synth"
)

// FuzzGrade drops, doubles and swaps records of a session: the grader must
// neither panic nor depend on anything but its input.
func FuzzGrade(f *testing.F) {
	base := synth.RepairTheHealthy(1).Records
	f.Add([]byte{1, 2, 3})
	f.Add(bytes.Repeat([]byte{7}, 300))
	f.Fuzz(func(t *testing.T, script []byte) {
		records := append([]*evidence.Record(nil), base...)
		for i := 0; i+1 < len(script) && i < 400; i += 2 {
			at := (int(script[i])*7 + i) % len(records)
			switch script[i+1] % 3 {
			case 0:
				records = append(records[:at:at], records[at+1:]...)
			case 1:
				records = append(records, records[at])
			case 2:
				other := int(script[i+1]) % len(records)
				records[at], records[other] = records[other], records[at]
			}
			if len(records) == 0 {
				return
			}
		}
		a, err := grader.Grade(records)
		if err != nil {
			return
		}
		b, err := grader.Grade(records)
		if err != nil {
			t.Fatal(err)
		}
		x, _ := a.JSON()
		y, _ := b.JSON()
		if !bytes.Equal(x, y) {
			t.Fatal("two gradings differ")
		}
	})
}

// TestAbsenceIsNotFailure: a session whose measurements are missing altogether
// gets no non_acquis for what they would have shown.
func TestAbsenceIsNotFailure(t *testing.T) {
	drop := func(unwanted ...evidence.Type) []*evidence.Record {
		var out []*evidence.Record
		for _, r := range synth.Reference(1).Records {
			keep := true
			for _, u := range unwanted {
				keep = keep && r.Type != u
			}
			if keep {
				out = append(out, r)
			}
		}
		return out
	}
	for _, c := range []struct {
		drop  evidence.Type
		point string
		want  check.Reason
	}{
		{evidence.TypeProbeSample, "3.1-ii", check.PermanenceNotObserved},
		{evidence.TypeExamColdStart, "3.1-ii", check.ColdStartNotObserved},
		{evidence.TypeExamCanary, "3.3-i", check.CanariesNotRead},
		{evidence.TypeExecStart, "3.2a", check.NoTestNoChange},
	} {
		v, err := grader.Grade(drop(c.drop))
		if err != nil {
			t.Fatal(err)
		}
		if p, _ := v.Point(c.point); p.Reason != c.want || p.Outcome == check.NotAcquired {
			t.Errorf("without %s: %s is %s %s, want %s", c.drop, c.point, p.Outcome, p.Reason, c.want)
		}
	}
}
