package session

import (
	"testing"
	"time"

	"github.com/situlab/situlab/grader/evidence"
)

func TestVanishing(t *testing.T) {
	hit := []string{"erp@a", "dns@a"}
	var v vanishing
	all := func(ok bool) (gone bool) {
		gone = v.sampled(hit, "erp@a", ok)
		return v.sampled(hit, "dns@a", ok) || gone
	}
	for range vanishAfter - 1 {
		if all(true) {
			t.Fatal("vanished too early")
		}
	}
	v.sampled(hit, "dns@a", false) // a relapse starts the count again
	for range vanishAfter {
		v.sampled(hit, "web@b", true) // nobody asked about it
		v.sampled(hit, "erp@a", true)
	}
	if v.sampled(hit, "dns@a", true) {
		t.Fatal("one green sample after a red one is enough")
	}
	v.sampled(hit, "dns@a", true)
	if !v.sampled(hit, "dns@a", true) {
		t.Fatal("all green, and not vanished")
	}
}

// A red control service is the environment's failure, unless the candidate has
// been where it can be broken.
func TestHealthOfControl(t *testing.T) {
	red := func(h *health) {
		for range controlFailed {
			h.control(&evidence.ProbeSample{Control: true})
		}
	}
	var f footprint
	f.touch("elsewhere")
	h := &health{path: []string{"web1", "rt1"}}
	red(h)
	if s := h.sample(time.Now(), &f); !s.OutOfBand || s.ControlOK {
		t.Errorf("a control service red by itself: %+v", s)
	}
	f.touch("web1")
	if s := h.sample(time.Now(), &f); s.OutOfBand || s.ControlOK {
		t.Errorf("a control service that the candidate may have broken: %+v", s)
	}
	h.forget()
	if s := h.sample(time.Now(), &f); !s.ControlOK {
		t.Errorf("after a pause: %+v", s)
	}
}
