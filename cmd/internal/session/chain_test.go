package session

import (
	"slices"
	"strings"
	"testing"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/scenarios"
)

// draw is a variant of a scenario of the library, or of a folder.
func draw(t *testing.T, ref, variant string, seed uint64) *scenarios.Variant {
	t.Helper()
	scn, err := scenarios.LoadScenario(ref)
	if err != nil {
		t.Fatal(err)
	}
	site, err := scenarios.LoadSiteOf(scn)
	if err != nil {
		t.Fatal(err)
	}
	v, err := scenarios.Draw(scn, site, seed, variant)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// command is a test that a candidate makes on a node, and what it is worth.
type command struct {
	node, line string
	relevant   bool
}

// worth has the grader judge one command in the situation of a variant. In the
// line "_" stands for a space within an argument.
func worth(t *testing.T, v *scenarios.Variant, node, line string) check.Command {
	t.Helper()
	argv := strings.Fields(line)
	for i := range argv {
		if argv[0] == "vtysh" {
			argv[i] = strings.ReplaceAll(argv[i], "_", " ")
		}
	}
	chain := evidence.Chain{Lab: "t", Session: "t", Prev: evidence.ZeroHash}
	var records []*evidence.Record
	add := func(at int64, node string, p evidence.Payload) {
		r, _, err := chain.Add(evidence.Entry{Source: "test", Node: node, BootNS: at, Payload: p})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	add(1e9, "", &evidence.SessionStart{TimeFactor: 1})
	add(2e9, "", &evidence.SessionEnter{})
	add(3e9, node, &evidence.ExecStart{ID: 1, PID: 7, Argv: argv, Terminal: "t1"})
	add(4e9, "", &evidence.SessionFinish{Reason: evidence.FinishCandidate})
	add(5e9, "", &evidence.SessionFacts{Facts: buildFacts(v, nil)})
	view, err := check.NewView(records)
	if err != nil {
		t.Fatal(err)
	}
	return view.Commands[0]
}

// TestChain: what a test is worth on the real site, by where it is made and where
// it is aimed.
func TestChain(t *testing.T) {
	for _, variant := range []string{"passive", "key", "network", "filter", scenarios.Healthy} {
		for seed := range uint64(3) {
			v := draw(t, "lost-connectivity", variant, seed)
			addr := func(node, segment string) string {
				n, err := v.Site.NodeNamed(node)
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range n.Interfaces {
					if i.Segment == segment {
						return i.Address.String()
					}
				}
				t.Fatalf("%s is not on %s", node, segment)
				return ""
			}
			for _, c := range []command{
				// Across the break, from the main site.
				{"adm1", "ping -c 2 dns2", true},
				{"adm1", "ping -c 2 " + addr("dns2", "srv2"), true},
				{"adm1", "ping -c 2 rt-til1", true},
				{"adm1", "traceroute pc-tia-01", true},
				{"adm1", "nc -zv sauv2 22", true},
				{"adm1", "dig @dns2 erp.aveline.internal", true},
				{"adm1", "ping -c 2 " + addr("op-mpls", "wan1"), true},
				{"rt-brv1", "ping -c 2 " + addr("op-mpls", "wan1"), true},
				{"rt-brv1", "ping -c 2 " + addr("rt-til1", "wan2"), true},
				// From the users' side.
				{"rt-til1", "ping -c 2 erp1", true},
				{"rt-til1", "ping -c 2 " + addr("op-mpls", "wan2"), true},
				{"pc-tia-01", "curl -sS http://erp.aveline.internal:8080/", true},
				{"pc-tib-02", "ping " + addr("rt-til1", "bur2"), true},
				{"dns2", "dig erp1", true},
				{"pc-tia-01", "ping localhost", false},
				// Within the main site: the broken path is not on the way.
				{"adm1", "ping mail1", false},
				{"adm1", "ping -c 2 erp1", false},
				{"adm1", "curl -sS http://erp1:8080/", false},
				{"adm1", "ping rt-brv1", false},
				{"adm1", "ping " + addr("rt-brv1", "adm"), false},
				{"rt-brv1", "ping erp1", false},
				{"adm1", "dig dns2", false}, // asks dns1
				{"adm1", "getent hosts pc-tia-01", false},
				// The state of what routes, and of the users' machines.
				{"rt-brv1", "ip route", true},
				{"rt-til1", "vtysh -c show_ip_ospf_neighbor", true},
				{"rt-til1", "cat /etc/frr/frr.conf", true},
				{"rt-til1", "nft list ruleset", true},
				{"rt-til1", "systemctl status frr", true},
				{"rt-brv1", "journalctl -u frr", true},
				{"rt-brv1", "sysctl net.ipv4.ip_forward", true},
				{"rt-brv1", "tcpdump -ni eth6 proto ospf", true},
				{"pc-tia-01", "ip addr", true},
				{"dns2", "ip route", true},
				// What the symptom excludes there.
				{"rt-til1", "df -h", false},
				{"rt-til1", "lsof +L1", false},
				{"rt-til1", "chronyc tracking", false},
				{"rt-til1", "systemctl status ssh", false},
				{"rt-til1", "journalctl -u cron", false},
				{"rt-til1", "cat /etc/motd", false},
				{"rt-til1", "cat /var/log/dpkg.log", false},
				{"rt-til1", "sysctl vm.swappiness", false},
				{"dns2", "df -h", false},
				// Elsewhere.
				{"erp1", "systemctl status vulcain", false},
				{"mail1", "ip route", false},
				{"adm1", "ip route", false},
				{"fic1", "df -h", false},
			} {
				got := worth(t, v, c.node, c.line)
				if got.Test == "" || got.Relevant != c.relevant || got.Discriminating != c.relevant {
					t.Errorf("%s, seed %d: %s on %s is the test %q, relevant %v, discriminating %v, want %v",
						variant, seed, c.line, c.node, got.Test, got.Relevant, got.Discriminating, c.relevant)
				}
			}
		}
	}
}

// TestChainFacts holds what the sealed facts say of the real site.
func TestChainFacts(t *testing.T) {
	f := buildFacts(draw(t, "lost-connectivity", "passive", 7), nil)
	for what, c := range map[string]struct{ got, want []string }{
		"related": {f.RelatedNodes, []string{"rt-brv1", "rt-til1"}},
		"inside": {f.Targets.Inside, []string{"rt-til1", "dns2", "sauv2", "pc-tib-01", "pc-tib-02", "pc-tib-03", "pc-tia-01", "pc-tia-02",
			"pc-tia-03", "pc-tia-04", "pc-tia-05", "pc-tia-06"}},
		"nodes": {f.Targets.Nodes, []string{"rt-brv1", "rt-til1", "op-mpls", "fw-brv1", "dns2", "sauv2", "op-secours", "pc-tib-01", "pc-tib-02",
			"pc-tib-03", "pc-tia-01", "pc-tia-02", "pc-tia-03", "pc-tia-04", "pc-tia-05", "pc-tia-06"}},
		"places": {f.Targets.Places, []string{evidence.PlacePost, evidence.PlacePath}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", what, c.got, c.want)
		}
	}
	if len(f.Targets.Nets) != 3 {
		t.Errorf("nets %v, want those of srv2, bur2 and ate2", f.Targets.Nets)
	}
	// The twin is judged by the same chain.
	twin := buildFacts(draw(t, "lost-connectivity", scenarios.Healthy, 7), nil)
	if !slices.Equal(twin.Targets.Nodes, f.Targets.Nodes) || !slices.Equal(twin.Targets.Places, f.Targets.Places) ||
		!slices.Equal(twin.Targets.Hosts, f.Targets.Hosts) {
		t.Errorf("the twin's chain is another: %+v", twin.Targets)
	}
	// One router between two networks of one place.
	small := buildFacts(draw(t, "./testdata/small", "forwarding", 1), nil)
	if !slices.Equal(small.Targets.Nodes, []string{"rt1", "pc1"}) || !slices.Equal(small.Targets.Inside, []string{"pc1"}) ||
		!slices.Equal(small.RelatedNodes, []string{"rt1"}) || len(small.Targets.Places) != 0 {
		t.Errorf("small: %+v, related %v", small.Targets, small.RelatedNodes)
	}
	v := draw(t, "./testdata/small", "forwarding", 1)
	for _, c := range []command{{"adm1", "ping 10.77.30.10", true}, {"rt1", "ping 10.77.30.10", true},
		{"rt1", "sysctl net.ipv4.ip_forward", true}, {"adm1", "ping 10.77.20.254", false}} {
		if got := worth(t, v, c.node, c.line); got.Discriminating != c.relevant {
			t.Errorf("small: %s on %s discriminates: %v", c.line, c.node, got.Discriminating)
		}
	}
}

// TestLabels: nothing that a report shows needs an id.
func TestLabels(t *testing.T) {
	v := draw(t, "lost-connectivity", "filter", 4)
	f := buildFacts(v, nil)
	if len(f.Tickets) != 1 || f.Tickets[0].Login == "" || f.Tickets[0].Login == f.Tickets[0].Author ||
		f.Labels.Persons[f.Tickets[0].Login] == "" || f.Labels.Persons[f.Tickets[0].Author] != f.Labels.Persons[f.Tickets[0].Login] {
		t.Errorf("tickets %+v", f.Tickets)
	}
	for _, s := range v.Site.Segments {
		if l := f.Labels.Segments[s.ID]; l.FR == "" || l.EN == "" {
			t.Errorf("network %s: %+v", s.ID, l)
		}
	}
	for _, p := range f.HitProbes {
		id, _, _ := strings.Cut(p, "@")
		if l := f.Labels.Services[id]; l.FR == "" || l.EN == "" {
			t.Errorf("probe %s: %+v", p, l)
		}
	}
	for _, c := range v.Site.Canaries {
		if l := f.Labels.Canaries[c.ID]; l.FR == "" || l.EN == "" {
			t.Errorf("canary %s: %+v", c.ID, l)
		}
	}
	if f.Labels.Documents["plan"].FR == "" || f.Labels.Documents["plan"].FR == f.Labels.Documents["plan"].EN || f.Labels.Contacts["technician"].FR == "" {
		t.Errorf("documents %v, contacts %v", f.Labels.Documents, f.Labels.Contacts)
	}
	sites := map[string]bool{}
	for _, s := range f.Map.Sites {
		sites[s.ID] = true
		if strings.ContainsAny(s.Label.FR+s.Label.EN, "()") || s.Label.FR == "" {
			t.Errorf("site %+v", s)
		}
	}
	for _, n := range f.Map.Nodes {
		if !sites[n.Site] {
			t.Errorf("%s is drawn in %q", n.ID, n.Site)
		}
		if n.Kind == "operator" && n.Site != carriers {
			t.Errorf("%s of the carrier is drawn in %s", n.ID, n.Site)
		}
	}
}
