package check

import (
	"strings"
	"testing"

	"github.com/situlab/situlab/grader/evidence"
)

// A sample that fails alone does not count; two of them within the window, a
// neighbour that fails too, or a failure from the beginning do. The last one waits
// for the next.
func TestRedSamples(t *testing.T) {
	const window = 10
	for _, c := range []struct{ samples, red, why string }{
		{"++++++", "......", "all green"},
		{"--++++", "rr....", "the fault, then green"},
		{"++-+++", "......", "one fails alone"},
		{"++--++", "..rr..", "two in a row"},
		{"++-+-+", "..r.r.", "a service that comes and goes"},
		{"++-++++++++++-+", "...............", "two far from each other"},
		{"++-+++++++++-+", "..r.........r.", "two at the edge of the window"},
		{"++++-", ".....?", "the next one decides"},
		{"+++--", "...rr", "down at the end"},
		{"-", "r", "never green"},
		{"-+-+", "r...", "alone after the fault"},
	} {
		samples := make([]Sample, len(c.samples))
		for i := range samples {
			samples[i].ProbeSample = &evidence.ProbeSample{OK: c.samples[i] == '+'}
		}
		red, pending := redSamples(samples, window)
		var got strings.Builder
		for _, r := range red {
			got.WriteByte(map[bool]byte{true: 'r', false: '.'}[r])
		}
		if pending {
			got.WriteByte('?')
		}
		if got.String() != c.red {
			t.Errorf("%s (%s): got %s, want %s", c.samples, c.why, got.String(), c.red)
		}
	}
}

func TestTransient(t *testing.T) {
	for name, want := range map[string]bool{"/var/log": true, "/var/log/wtmp": true, "/var/logs": false, "/run": true,
		"/etc/frr/frr.conf": false, "/etc/.pwd.lock": true, "/var/lib/ldap/societe/lock.mdb": true, "/var/lib/ldap/societe/data.mdb": false, "/var": false, "/": false} {
		if transient(name) != want {
			t.Errorf("transient(%s) is %v", name, !want)
		}
	}
}
