// Package aveline_test checks what the files of the reference company promise
// each other: the lab's daemons would only tell at boot.
package aveline_test

import (
	"encoding/json"
	"io/fs"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/situlab/situlab/scenarios"
)

// trees are the files of every node for one seed, by node and path.
func trees(t *testing.T, seed uint64) (*scenarios.Site, map[string]map[string]string) {
	t.Helper()
	site, err := scenarios.LoadSite("aveline")
	if err != nil {
		t.Fatal(err)
	}
	if site, err = scenarios.Expand(site, seed); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for _, n := range site.Nodes {
		tree, err := scenarios.Tree(site, n.Name)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, n.Name, err)
		}
		files := map[string]string{}
		for _, f := range tree {
			if f.Mode.Type() != fs.ModeDir {
				files[f.Path] = string(f.Content)
			}
		}
		all[n.Name] = files
	}
	return site, all
}

var seeds = []uint64{0, 7}

func TestSixtyOneNodes(t *testing.T) {
	site, _ := trees(t, 0)
	count := map[scenarios.Class]int{}
	inside := 0
	for _, n := range site.Nodes {
		count[n.Class]++
		if n.Perimeter {
			inside++
		}
	}
	if len(site.Nodes) != 61 || inside != 58 || count[scenarios.Workstation] != 38 || count[scenarios.Router] != 3 ||
		count[scenarios.Server]+count[scenarios.Admin] != 17 || count[scenarios.Operator] != 3 {
		t.Errorf("%d nodes, %d in the perimeter, %v", len(site.Nodes), inside, count)
	}
}

// The backup line is switched by hand: no route may wait behind another one,
// and none may lead through the backup carrier.
func TestNoFloatingStaticRoute(t *testing.T) {
	distance := regexp.MustCompile(`(?m)^ip route \S+ (?:\S+ )*\d+$`)
	for _, seed := range seeds {
		site, all := trees(t, seed)
		for _, router := range []string{"rt-brv1", "rt-til1", "op-mpls"} {
			conf := all[router]["/etc/frr/frr.conf"]
			if !strings.Contains(conf, "router ospf\n") {
				t.Fatalf("%s: no OSPF in frr.conf", router)
			}
			if m := distance.FindString(conf); m != "" {
				t.Errorf("seed %d: %s: route with a distance: %s", seed, router, m)
			}
			backup, err := site.NodeNamed("op-secours")
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range backup.Interfaces {
				if strings.Contains(conf, i.Address.String()+"\n") {
					t.Errorf("seed %d: %s: frr.conf names the backup carrier's %s", seed, router, i.Address)
				}
			}
		}
	}
}

// Both ends of a line with the carrier must have the vault's key.
func TestRoutingKeysAreInTheVault(t *testing.T) {
	for _, seed := range seeds {
		site, all := trees(t, seed)
		for secret, router := range map[string]string{"ospf-wan1": "rt-brv1", "ospf-wan2": "rt-til1"} {
			for _, s := range site.Secrets {
				if s.ID != secret {
					continue
				}
				if len(s.Value) == 0 || len(s.Value) > 16 {
					t.Errorf("seed %d: %s: %d characters, OSPF takes 1 to 16", seed, secret, len(s.Value))
				}
				line := " ip ospf message-digest-key 1 md5 " + s.Value + "\n"
				for _, n := range []string{router, "op-mpls"} {
					if !strings.Contains(all[n]["/etc/frr/frr.conf"], line) {
						t.Errorf("seed %d: %s does not have the key %s", seed, n, secret)
					}
				}
			}
		}
	}
}

// TestBackupsAreThere: what the backup policy and the lists of sauv1 name is what
// sauv1 and sauv2 hold, equal to what runs; every timer of the policy exists.
func TestBackupsAreThere(t *testing.T) {
	for _, seed := range seeds {
		site, all := trees(t, seed)
		held := 0
		for _, job := range []string{"config", "fichiers"} {
			list := strings.Fields(all["sauv1"]["/etc/sauvegarde/"+job+".liste"])
			if len(list) == 0 {
				t.Errorf("seed %d: the list %s is empty", seed, job)
			}
			for _, item := range list {
				node, path, _ := strings.Cut(item, ":")
				found := false
				for file, live := range all[node] {
					if file != path && !strings.HasPrefix(file, path+"/") {
						continue
					}
					found = true
					for _, keeper := range []string{"sauv1", "sauv2"} {
						held++
						if kept, ok := all[keeper]["/srv/sauvegarde/"+job+"/"+node+file]; !ok || kept != live {
							t.Errorf("seed %d: %s does not hold %s:%s as it is", seed, keeper, node, file)
						}
					}
				}
				if !found {
					t.Errorf("seed %d: %s has no %s", seed, node, path)
				}
			}
		}
		for _, keeper := range []string{"sauv1", "sauv2"} {
			for file := range all[keeper] {
				if strings.HasPrefix(file, "/srv/sauvegarde/") {
					held--
				}
			}
		}
		if held != 0 {
			t.Errorf("seed %d: %d copies that no list names", seed, -held)
		}
		// Every line of the policy is a timer with these hours.
		timers := map[string]string{"08, 12, 16 et 20 h": "sauv1:sauvegarde-fichiers OnCalendar=*-*-* 08,12,16,20:00", "20 h 15": "sauv1:sauvegarde-config OnCalendar=*-*-* 20:15",
			"12 h 30 et 20 h 45": "bdd1:sauvegarde-base OnCalendar=*-*-* 12:30\nOnCalendar=*-*-* 20:45", "23 h 30": "sauv1:copie-hors-site OnCalendar=*-*-* 23:30"}
		for _, b := range site.Backups {
			where, hours, _ := strings.Cut(timers[b.When.FR], " ")
			node, unit, _ := strings.Cut(where, ":")
			if !strings.Contains(all[node]["/etc/systemd/system/"+unit+".timer"], hours) || hours == "" {
				t.Errorf("no timer does %q at %q", b.Data.FR, b.When.FR)
			}
			if all[node]["/etc/systemd/system/timers.target.wants/"+unit+".timer"] != "../"+unit+".timer" {
				t.Errorf("%s: %s.timer does not start", node, unit)
			}
			delete(timers, b.When.FR)
		}
		if len(timers) > 0 {
			t.Errorf("timers that the policy does not name: %v", timers)
		}
	}
}

// kea is what the test reads of the DHCP server's configuration.
type kea struct {
	Dhcp4 struct {
		Subnet4 []struct {
			Subnet       netip.Prefix
			Reservations []struct {
				DUID     string
				Hostname string
				Address  netip.Addr `json:"ip-address"`
			}
		}
	}
}

// Every workstation asks with the identifier of its reservation, and the name
// servers give the address that it will get.
func TestNamesAndLeasesAgree(t *testing.T) {
	comment := regexp.MustCompile(`(?m)^\s*//.*$`)
	for _, seed := range seeds {
		site, all := trees(t, seed)
		var conf kea
		text := comment.ReplaceAllString(all["dhcp1"]["/etc/kea/kea-dhcp4.conf"], "")
		if err := json.Unmarshal([]byte(text), &conf); err != nil {
			t.Fatalf("seed %d: kea-dhcp4.conf: %v", seed, err)
		}
		names := zone(t, all["dns1"]["/etc/bind/zones/db.interne"], site.Company.Domain)
		reserved := 0
		for _, subnet := range conf.Dhcp4.Subnet4 {
			for _, r := range subnet.Reservations {
				reserved++
				if !subnet.Subnet.Contains(r.Address) {
					t.Errorf("seed %d: %s reserved outside %s", seed, r.Address, subnet.Subnet)
				}
				if got := names[r.Hostname+"."+site.Company.Domain+"."]; got != r.Address.String() {
					t.Errorf("seed %d: %s: name says %q, lease %s", seed, r.Hostname, got, r.Address)
				}
				raw := strings.TrimPrefix(r.DUID, "00:02:")
				if !strings.Contains(all[r.Hostname]["/etc/systemd/network/10-eth0.network"], "\nDUIDRawData="+raw+"\n") {
					t.Errorf("seed %d: %s does not ask with its reservation's identifier", seed, r.Hostname)
				}
			}
		}
		if reserved != 38 {
			t.Errorf("seed %d: %d reservations for 38 workstations", seed, reserved)
		}
		for _, z := range []string{"interne", "publique", "inverse"} {
			if all["dns1"]["/etc/bind/zones/db."+z] != all["dns2"]["/var/cache/bind/db."+z] {
				t.Errorf("seed %d: zone %s differs between dns1 and dns2", seed, z)
			}
		}
	}
}

// zone parses a zone file and returns its addresses by name.
func zone(t *testing.T, text, origin string) map[string]string {
	t.Helper()
	names := map[string]string{}
	p := dns.NewZoneParser(strings.NewReader(text), origin+".", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		if a, isA := rr.(*dns.A); isA {
			names[a.Hdr.Name] = a.A.String()
		}
	}
	if err := p.Err(); err != nil {
		t.Fatalf("zone %s: %v", origin, err)
	}
	return names
}

// The control probe must not touch what a scenario breaks: one segment of the
// main site, answered in the main site.
func TestControlProbeStaysInTheMainSite(t *testing.T) {
	site, _ := trees(t, 0)
	for _, p := range site.Probes {
		if p.ID == "temoin" {
			if len(p.Segments) != 1 || p.Segments[0] != "be" || !strings.HasPrefix(p.Target, "intranet.") {
				t.Errorf("%+v", p)
			}
			return
		}
	}
	t.Error("no control probe")
}
