package scenarios_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/scenarios"
)

func lostConnectivity(t *testing.T) (*scenarios.Scenario, *scenarios.Site) {
	t.Helper()
	scn, err := scenarios.LoadScenario("lost-connectivity")
	if err != nil {
		t.Fatal(err)
	}
	site, err := scenarios.LoadSiteOf(scn)
	if err != nil {
		t.Fatal(err)
	}
	return scn, site
}

// fileOf is a file of a node before its first boot.
func fileOf(t *testing.T, site *scenarios.Site, node, path string) scenarios.TreeFile {
	t.Helper()
	tree, err := scenarios.Tree(site, node)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tree {
		if f.Path == path {
			return f
		}
	}
	t.Fatalf("%s has no %s", node, path)
	return scenarios.TreeFile{}
}

// edited is a text after a fault of kind config-line.
func edited(t *testing.T, text string, f scenarios.Fault) string {
	t.Helper()
	match := regexp.MustCompile(f.Params["match"])
	var out []string
	for _, l := range strings.Split(text, "\n") {
		with := match.ReplaceAllString(l, f.Params["with"])
		switch {
		case !match.MatchString(l):
			out = append(out, l)
		case f.Params["how"] == "before":
			out = append(out, with, l)
		case f.Params["how"] == "after":
			out = append(out, l, with)
		default:
			out = append(out, with)
		}
	}
	return strings.Join(out, "\n")
}

// causeOf reads the cause in a router's configuration as somebody would who knows
// how the other end is set: what its vault's key, its line and its area are.
func causeOf(conf, iface, network, key string) string {
	_, block, _ := strings.Cut(conf, "\ninterface "+iface+"\n")
	block, _, _ = strings.Cut(block, "\nexit")
	declared := regexp.MustCompile(`(?m)^ network ` + regexp.QuoteMeta(network) + ` area (\S+)$`).FindStringSubmatch(conf)
	switch {
	case strings.Contains(block, "\n ip ospf passive"):
		return "ospf_passive_interface"
	case !strings.Contains(block, " md5 "+key+"\n"):
		return "ospf_key_mismatch"
	case declared == nil:
		return "ospf_network_statement"
	case declared[1] != "0":
		return "ospf_area_mismatch"
	case strings.Contains(conf, " deny "):
		return "route_filter"
	}
	return ""
}

// TestTruthIsWhatTheFileSays: for every drawing the sealed truth is the cause
// that the broken file shows, and one of the closed list.
func TestTruthIsWhatTheFileSays(t *testing.T) {
	scn, site := lostConnectivity(t)
	list, err := os.ReadFile("../grader/criteria/causes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	causes := map[string]bool{}
	for seed := uint64(1); seed <= 8; seed++ { // every combination of three picks
		for _, spec := range scn.Variants {
			v, err := scenarios.Draw(scn, site, seed, spec.ID)
			if err != nil {
				t.Fatal(err)
			}
			router := v.Spec.Element
			conf := string(fileOf(t, v.Site, router, "/etc/frr/frr.conf").Content)
			for _, f := range v.Spec.Faults {
				if f.Node != router || f.Params["file"] != "/etc/frr/frr.conf" {
					t.Fatalf("seed %d, %s: a fault elsewhere: %+v", seed, v.ID, f)
				}
				after := edited(t, conf, f)
				if after == conf {
					t.Errorf("seed %d, %s: nothing matches %q", seed, v.ID, f.Params["match"])
				}
				conf = after
			}
			line := map[string]string{"rt-brv1": "wan1", "rt-til1": "wan2"}[router]
			node, err := v.Site.NodeNamed(router)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(node.Interfaces, func(i scenarios.Interface) bool { return i.Segment == line })
			seg, err := v.Site.SegmentNamed(line)
			if err != nil {
				t.Fatal(err)
			}
			key := ""
			for _, s := range v.Site.Secrets {
				if s.ID == "ospf-"+line {
					key = s.Value
				}
			}
			if got := causeOf(conf, node.Interfaces[i].Name, seg.Net.String(), key); got != v.Spec.Cause {
				t.Errorf("seed %d, %s on %s (%v): the file shows %q, the truth is %q", seed, v.ID, router, v.Picks, got, v.Spec.Cause)
			}
			for _, c := range append(slices.Clone(v.Spec.AlsoCauses), v.Spec.Cause) {
				causes[c] = true
				if !strings.Contains(string(list), "- {id: "+c+",") {
					t.Errorf("%s: the form has no cause %q", v.ID, c)
				}
			}
		}
	}
	if len(causes) != 5 {
		t.Errorf("the drawings show %v only", causes)
	}
}

// hunks counts the places at which two texts differ.
func hunks(a, b string) int {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	// The longest common subsequence, from the ends: lines in it are no change.
	long := make([][]int, len(x)+1)
	for i := range long {
		long[i] = make([]int, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if long[i][j] = max(long[i+1][j], long[i][j+1]); x[i] == y[j] {
				long[i][j] = long[i+1][j+1] + 1
			}
		}
	}
	n, inside := 0, false
	for i, j := 0, 0; i < len(x) || j < len(y); {
		same := i < len(x) && j < len(y) && x[i] == y[j]
		switch {
		case same:
			i, j = i+1, j+1
		case j == len(y) || i < len(x) && long[i+1][j] >= long[i][j+1]:
			i++
		default:
			j++
		}
		if !same && !inside {
			n++
		}
		inside = !same
	}
	return n
}

// TestTheCleanUpIsReal: last evening's copies differ from the three machines in
// many harmless places, so that a comparison shows the slip among others, and
// innocent machines differ as much.
func TestTheCleanUpIsReal(t *testing.T) {
	scn, site := lostConnectivity(t)
	files := map[string]string{"rt-til1": "/etc/frr/frr.conf", "rt-brv1": "/etc/frr/frr.conf", "fw-brv1": "/etc/nftables.conf"}
	var last time.Duration = 1 << 62
	for _, d := range scn.Decoys {
		if files[d.Node] != d.Params["file"] {
			t.Errorf("a touch of %s:%s, of which no copy is compared", d.Node, d.Params["file"])
		}
		last = min(last, time.Duration(d.Ago))
	}
	told := false
	for _, e := range scn.Logbook {
		if strings.Contains(e.Text.FR, "prestataire") {
			told = true
			if time.Duration(e.Ago) > last {
				t.Errorf("the logbook tells of the clean-up %v ago, the last file was touched %v ago", time.Duration(e.Ago), last)
			}
		}
	}
	if !told || len(scn.Decoys) != len(files) {
		t.Errorf("told: %v, %d machines touched", told, len(scn.Decoys))
	}
	for _, seed := range []uint64{1, 2} {
		v, err := scenarios.Draw(scn, site, seed, scenarios.Healthy)
		if err != nil {
			t.Fatal(err)
		}
		for node, file := range files {
			live := fileOf(t, v.Site, node, file)
			for _, keeper := range []string{"sauv1", "sauv2"} {
				kept := fileOf(t, v.Site, keeper, "/srv/sauvegarde/config/"+node+file)
				if n := hunks(string(kept.Content), string(live.Content)); n < 4 {
					t.Errorf("%s: the copy on %s differs in %d places only", node, keeper, n)
				}
				if kept.Mode.Perm() != 0o600 || kept.User != "2002" || kept.Age < 24*time.Hour {
					t.Errorf("%s on %s: %v %s, %v old", kept.Path, keeper, kept.Mode, kept.User, kept.Age)
				}
			}
		}
		// A router's copy is a sound configuration: nothing in it shows a cause.
		for router, line := range map[string]string{"rt-brv1": "wan1", "rt-til1": "wan2"} {
			kept := string(fileOf(t, v.Site, "sauv1", "/srv/sauvegarde/config/"+router+"/etc/frr/frr.conf").Content)
			node, _ := v.Site.NodeNamed(router)
			seg, _ := v.Site.SegmentNamed(line)
			for _, s := range v.Site.Secrets {
				for _, i := range node.Interfaces {
					if s.ID == "ospf-"+line && i.Segment == line && causeOf(kept, i.Name, seg.Net.String(), s.Value) != "" {
						t.Errorf("the copy of %s is broken itself", router)
					}
				}
			}
		}
	}
}
