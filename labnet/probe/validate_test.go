package probe

import (
	"strings"
	"testing"

	"github.com/situlab/situlab/scenarios"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		probe scenarios.Probe
		want  []string // parts of the message; none means valid
	}{
		{scenarios.Probe{ID: "p", Kind: "icmp", Target: "rt-1"}, nil},
		{scenarios.Probe{ID: "p", Kind: "icmp", Target: "10.1.2.3", Params: pm{"timeout": "900ms", "count": "2"}}, nil},
		{scenarios.Probe{ID: "p", Kind: "dhcp"}, nil},
		{scenarios.Probe{ID: "p", Kind: "smb", Target: "fic1", Params: pm{"share": "Plans", "secret": "s", "write": "yes"}}, nil},
		{scenarios.Probe{ID: "p", Kind: "ping", Target: "a"}, []string{`unknown kind "ping"`, "dhcp, dns, http"}},
		{scenarios.Probe{ID: "p", Kind: "icmp"}, []string{"no target"}},
		{scenarios.Probe{Kind: "icmp", Target: "a"}, []string{"no id"}},
		{scenarios.Probe{ID: "p", Kind: "icmp", Target: "a b"}, []string{`"a b" is not a domain name`}},
		{scenarios.Probe{ID: "p", Kind: "icmp", Target: "a", Port: 80}, []string{"this kind has none"}},
		{scenarios.Probe{ID: "p", Kind: "http", Target: "a", Port: 70000}, []string{"port 70000"}},
		{scenarios.Probe{ID: "p", Kind: "http", Target: "a", Params: pm{"path": "x", "status": "9", "pth": "/", "expect": ""}},
			[]string{`must start with "/"`, "from 100 to 599", `unknown parameter "pth"; parameters are expect`, `"expect" is empty`}},
		{scenarios.Probe{ID: "p", Kind: "dns", Params: pm{"type": "ANY"}}, []string{"none of A, AAAA", `"name" is missing`}},
		{scenarios.Probe{ID: "p", Kind: "smb", Target: "a"}, []string{`"secret" is missing`, `"share" is missing`}},
		{scenarios.Probe{ID: "p", Kind: "smtp", Target: "a", Params: pm{"from": "x", "to": "B <b@c>"}}, []string{`"x" is not a mail address`, `"B <b@c>" is not a mail address`}},
		{scenarios.Probe{ID: "p", Kind: "ldap", Target: "a", Params: pm{"user": "cn=x", "filter": "(("}}, []string{`"user" without "secret"`, "filter"}},
		{scenarios.Probe{ID: "p", Kind: "ntp", Target: "a", Params: pm{"timeout": "1m"}}, []string{"50ms to 10s"}},
	} {
		err := Validate(c.probe)
		if (err == nil) != (len(c.want) == 0) {
			t.Errorf("%+v: %v", c.probe, err)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%+v: %q does not say %q", c.probe, err, w)
			}
		}
	}
}

func TestEveryKindIsBounded(t *testing.T) {
	for name, k := range kinds {
		if k.timeout <= 0 || k.timeout > maxTimeout || k.run == nil {
			t.Errorf("%s: timeout %v", name, k.timeout)
		}
		if _, ok := k.params["timeout"]; ok {
			t.Errorf("%s has a timeout of its own", name)
		}
	}
}
