package check_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/internal/synth"
)

func TestClassify(t *testing.T) {
	for line, want := range map[string]string{
		"ping -c 3 dns2":                    "test reachability",
		"traceroute 10.1.2.3":               "test path",
		"ip route":                          "test route_table",
		"ip -br a":                          "test address_state",
		"ip r get 10.1.2.3":                 "test route_table",
		"ip route add default via 10.1.2.3": "change runtime",
		"ip a d 10.1.2.3/24 dev eth0":       "change runtime",
		"ip link set eth0 up":               "change runtime",
		"ip neigh flush all":                "change runtime",
		"ip link show":                      "test link_state",
		"systemctl status frr":              "test service_state",
		"systemctl":                         "test service_state",
		"systemctl --failed":                "test service_state",
		"systemctl -q is-active frr":        "test service_state",
		"systemctl restart frr":             "change service",
		"systemctl --now enable frr":        "change service",
		"systemctl reboot":                  "change reboot",
		"/sbin/reboot":                      "change reboot",
		"vtysh":                             "",
		"vtysh -c show_ip_ospf_neighbor":    "test routing_protocol",
		"vtysh -c sh_run":                   "test routing_config",
		"vtysh -c conf_t -c router_ospf -c no_passive-interface_wan0": "change configuration",
		"vtysh -c write": "change save",
		"vtysh -c show_ip_route -c clear_ip_ospf": "test routing_protocol change service",
		"vtysh -b":                                             "change configuration",
		"nft list ruleset":                                     "test firewall_rules",
		"nft -f /etc/nftables.conf":                            "change runtime",
		"nft -c -f /etc/nftables.conf":                         "test config_check",
		"nft flush ruleset":                                    "change runtime",
		"iptables -nvL":                                        "test firewall_rules",
		"iptables -A INPUT -j ACCEPT":                          "change runtime",
		"sysctl net.ipv4.ip_forward":                           "test kernel_setting",
		"sysctl -w net.ipv4.ip_forward=1":                      "change runtime",
		"journalctl -u frr":                                    "test log_read",
		"cat /etc/frr/frr.conf":                                "test config_read",
		"tail -f /var/log/syslog":                              "test log_read",
		"ls -l":                                                "",
		"cp /etc/frr/frr.conf /etc/frr/frr.conf.bak":           "",
		"cp /home/a/frr.conf /etc/frr/frr.conf":                "change file",
		"cp /etc/frr/frr.conf /tmp/x":                          "",
		"cp -a /etc/frr/frr.conf /etc/frr/frr.conf.2026-03-02": "",
		"tee /etc/hosts":                                       "change file",
		"sed -i s/a/b/ /etc/frr/frr.conf":                      "change file",
		"sed -n 1p /etc/frr/frr.conf":                          "test config_read",
		"rm /tmp/x":                                            "",
		"rm -rf /etc/frr":                                      "change file",
		"apt-get install mtr":                                  "change package",
		"apt list":                                             "test service_state",
		"ssh rt-til1 sudo reboot":                              "",
		"sudo systemctl restart frr":                           "",
		"bash -c reboot":                                       "",
		"situ ticket list":                                     "",
		"psql -c select_1":                                     "test database_query",
		"psql -c delete_from_x":                                "change data",
		"restic snapshots":                                     "test backup_check",
		"restic forget":                                        "change data",
		"rndc reload":                                          "change service",
		"rndc status":                                          "test service_state",
		"named-checkzone a b":                                  "test config_check",
		"nginx -t":                                             "test config_check",
		"netstat -rn":                                          "test route_table",
		"ss -ltnp":                                             "test sockets",
		"mount":                                                "test disk_usage",
		"mount /srv":                                           "change runtime",
		"kill 12":                                              "change kill",
		"uptime":                                               "",
		"networkctl reload":                                    "change runtime",
		"resolvectl query erp1":                                "test dns_query",
		"getent hosts erp1":                                    "test dns_query",
		"crontab -l":                                           "test config_read",
		"openssl s_client -connect ann1:636":                   "test tls_inspection",
		"openssl rand 5":                                       "",
		"dd if=/dev/zero of=/srv/x":                            "change file",
		"nano /etc/frr/frr.conf":                               "",
		"chronyc makestep":                                     "change runtime",
		"ethtool eth0":                                         "test link_state",
		"route -n":                                             "test route_table",
		"ifconfig eth0 down":                                   "change runtime",
	} {
		argv := strings.Fields(line)
		for i := range argv {
			argv[i] = strings.ReplaceAll(argv[i], "_", " ")
			if strings.HasPrefix(argv[i], "s client") {
				argv[i] = "s_client"
			}
			if argv[0] == "sysctl" {
				argv[i] = strings.ReplaceAll(argv[i], " ", "_")
			}
		}
		test, change := check.Classify(argv, "/root")
		var got []string
		if test != "" {
			got = append(got, "test "+test)
		}
		if change != "" {
			got = append(got, "change "+change)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %q", line, got, want)
		}
	}
}

func TestTypedLines(t *testing.T) {
	for line, want := range map[string][2]string{
		"show ip ospf neighbor":     {"routing_protocol", ""},
		"do sh ip route":            {"routing_protocol", ""},
		"sh run":                    {"routing_config", ""},
		"write terminal":            {"routing_config", ""},
		"show interface brief":      {"link_state", ""},
		"show ip ospf interface":    {"routing_protocol", ""},
		"conf t":                    {"", ""},
		"router ospf":               {"", ""},
		"interface wan0":            {"", ""},
		"no passive-interface wan0": {"", "configuration"},
		"no router ospf":            {"", "configuration"},
		"wr mem":                    {"", "save"},
		"clear ip ospf process":     {"", "service"},
		"exit":                      {"", ""},
		"show ?":                    {"", ""},
		"":                          {"", ""},
		"ping 10.1.2.3":             {"reachability", ""},
	} {
		if test, change := check.VtyshLine(line); test != want[0] || change != want[1] {
			t.Errorf("vtysh %q: %q %q, want %v", line, test, change, want)
		}
	}
	for line, want := range map[string][2]string{
		"select 1;": {"database_query", ""}, `\d orders`: {"database_query", ""}, `\q`: {"", ""},
		"UPDATE x SET y=1;": {"", "data"}, "select pg_drop_replication_slot('x');": {"", ""},
		"": {"", ""},
	} {
		if strings.Contains(line, "slot") {
			want = [2]string{"", "data"}
		}
		if test, change := check.PsqlLine(line); test != want[0] || change != want[1] {
			t.Errorf("psql %q: %q %q, want %v", line, test, change, want)
		}
	}
}

// TestKindsSeparate: every kind of test tells two causes apart and names only
// families that exist.
func TestKindsSeparate(t *testing.T) {
	var known []string
	for _, f := range criteria.Families() {
		known = append(known, f.ID)
	}
	for kind, families := range check.Kinds() {
		if !check.Separates(families) {
			t.Errorf("%s separates nothing", kind)
		}
		for _, f := range families {
			if !slices.Contains(known, f) {
				t.Errorf("%s: no family %s", kind, f)
			}
		}
	}
	if check.Separates(known) || check.Separates(nil) {
		t.Error("a test that shows all or nothing separates causes")
	}
}

// TestTargets: what an argument must look like to point at the broken chain.
func TestTargets(t *testing.T) {
	for arg, relevant := range map[string]bool{
		"dns2": true, "DNS2.": true, "dns2.aveline.internal": true, "erp1": true, "erp1.aveline.internal": true,
		"http://erp1.aveline.internal:8080/x": true, "@dns2": true, "10.20.110.11": true, "10.20.255.2": true,
		"adm-x@dns2": true, "//dns2/plans": true, "dns2:389": true, "10.20.255.3": false, "erp": false, "mail1": false,
		"-c": false, "": false, "3": false, "10.20.10.11": false,
	} {
		s := synth.New(synth.Facts(false), 1)
		s.Exec("adm1", "curl", arg)
		s.Finish()
		v, err := check.NewView(s.Records)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Commands[0].Relevant; got != relevant {
			t.Errorf("%q: relevant %v", arg, got)
		}
	}
}

// TestNestedChanges: what a changing command executes in its turn is not a
// second change; neither is a file it leaves behind.
func TestNestedChanges(t *testing.T) {
	s := synth.New(synth.Facts(false), 1)
	run := func(id uint64, pid, ppid int, argv ...string) {
		s.Add("w", "ann1", "candidate", &evidence.ExecStart{ID: id, PID: pid, PPID: ppid, Argv: argv, Terminal: "t1"})
	}
	run(1, 10, 1, "sudo", "update-ca-certificates")
	run(2, 11, 10, "update-ca-certificates")
	run(3, 12, 11, "ln", "-s", "a", "/etc/ssl/certs/b")
	run(4, 13, 12, "rm", "/etc/ssl/certs/c")
	s.Add("w", "ann1", "candidate", &evidence.FileChange{Path: "/etc/ssl/certs/b", Op: "created", Origin: "candidate"})
	run(5, 11, 10, "rm", "/etc/motd") // pid reused by something else
	s.Add("w", "ann1", "system", &evidence.FileChange{Path: "/etc/x", Op: "created", Origin: "system"})
	s.Finish()
	v, err := check.NewView(s.Records)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range v.Changes {
		got = append(got, c.Text)
	}
	if want := []string{"update-ca-certificates", "rm /etc/motd"}; !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
}

func FuzzClassify(f *testing.F) {
	f.Add("vtysh\x00-c\x00show ip route", "/etc")
	f.Add("cp\x00a\x00b", "")
	f.Add("ip\x00r\x00a", "/")
	f.Fuzz(func(t *testing.T, argv, cwd string) {
		test, change := check.Classify(strings.Split(argv, "\x00"), cwd)
		if _, ok := check.Kinds()[test]; test != "" && !ok {
			t.Fatalf("unknown kind of test %q", test)
		}
		_ = change
		check.VtyshLine(argv)
		check.PsqlLine(argv)
	})
}
