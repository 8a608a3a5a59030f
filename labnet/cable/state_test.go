package cable

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vishvananda/netlink"
)

// run runs a program of the host in a namespace.
func run(t testing.TB, ns, stdin string, args ...string) {
	t.Helper()
	within(t, ns, func() error {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", args, out)
		}
		return err
	})
}

const ruleset = `
table inet filter {
	set trusted { type ipv4_addr; flags interval; elements = { 10.0.0.0/24, 192.0.2.7 } }
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		iifname "lo" accept
		ip saddr 10.0.0.0/24 tcp dport 22 counter accept
		ip saddr @trusted udp dport { 53, 67 } accept
	}
	chain forward { type filter hook forward priority 0; policy accept; jump inner; }
	chain inner { ip daddr 10.9.8.7 drop; }
}
table ip nat {
	chain pre { type nat hook prerouting priority -100; iifname "eth0" tcp dport 80 dnat to 10.0.0.5:8080; }
	chain post { type nat hook postrouting priority 100; oifname "eth0" masquerade; }
}`

// forward sets a node's forwarding.
func forward(t testing.TB, ns, value string) {
	t.Helper()
	within(t, ns, func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte(value), 0) })
}

// router is a node with an address, routes, rules and a ruleset.
func router(t testing.TB) string {
	t.Helper()
	s := newSwitch(t, "lan")
	ns := attach(t, s, "rt1", "lan", "10.0.0.1/24")
	run(t, ns, "", "ip", "link", "set", "lo", "up")
	run(t, ns, "", "ip", "route", "add", "10.20.0.0/16", "via", "10.0.0.254", "metric", "20", "proto", "ospf")
	run(t, ns, "", "ip", "route", "add", "default", "via", "10.0.0.254")
	run(t, ns, "", "ip", "route", "add", "blackhole", "10.99.0.0/16", "table", "100")
	run(t, ns, "", "ip", "rule", "add", "from", "10.0.0.0/24", "table", "100", "priority", "500")
	forward(t, ns, "1")
	run(t, ns, ruleset, "nft", "-f", "-")
	return ns
}

func TestState(t *testing.T) {
	ns := router(t)
	s, err := State(context.Background(), ns)
	if err != nil {
		t.Fatal(err)
	}
	lines := s.Lines()
	for _, want := range []string{
		"address eth0 10.0.0.1/24",
		"link eth0 veth mac " + MAC("rt1", "eth0").String() + " mtu 1500 up true carrier true",
		"route 10.0.0.0/24 dev eth0 proto kernel src 10.0.0.1",
		"route 10.20.0.0/16 via 10.0.0.254 dev eth0 proto ospf metric 20",
		"route default via 10.0.0.254 dev eth0 proto boot",
		"route blackhole 10.99.0.0/16 proto boot table 100",
		"rule ip 00500: from 10.0.0.0/24 lookup 100",
		"sysctl net.ipv4.ip_forward = 1",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q", want)
		}
	}
	if s.NFT.Tables != 2 || s.NFT.Rules != 8 || s.NFT.Error != "" {
		t.Errorf("nft: %d tables, %d rules, error %q", s.NFT.Tables, s.NFT.Rules, s.NFT.Error)
	}
	for _, want := range []string{
		"chain inet filter input type filter hook input priority 0 policy drop",
		"rule inet filter input: ct state established,related accept",
		`rule inet filter input: iifname "lo" accept`,
		"l4proto tcp dport 22 counter accept",
		"ip saddr @trusted",
		"rule inet filter forward: jump inner",
		"ip daddr 10.9.8.7 drop",
		"dnat to 10.0.0.5:8080",
		`rule ip nat post: oifname "eth0" masquerade`,
		"set inet filter trusted type ipv4_addr { ",
	} {
		if !slices.ContainsFunc(s.NFT.Text, func(l string) bool { return strings.Contains(l, want) }) {
			t.Errorf("nft: no line with %q", want)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(lines, "\n"))
	}
	again, err := State(context.Background(), ns)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s, again) || s.Digest() != again.Digest() {
		t.Error("two readings of an unchanged node differ")
	}
	var back NetState
	data, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(data, &back)
	}
	if err != nil || !reflect.DeepEqual(s, back) {
		t.Errorf("not the same after JSON (%v)", err)
	}
}

func TestStateSeesEachChange(t *testing.T) {
	ns := router(t)
	for _, c := range []struct{ do, gone, now string }{
		{"ip route del 10.20.0.0/16", "route 10.20.0.0/16 via", ""},
		{"ip addr add 10.0.0.77/24 dev eth0", "", "address eth0 10.0.0.77/24"},
		{"ip link set eth0 mtu 1400", "mtu 1500", "mtu 1400"},
		{"ip rule del priority 500", "rule ip 00500", ""},
		{"forward 0", "ip_forward = 1", "ip_forward = 0"},
		{"nft add rule inet filter inner ip daddr 10.1.1.1 drop", "", "ip daddr 10.1.1.1 drop"},
		{"nft insert rule inet filter input tcp dport 25 drop", "", "dport 25 drop"},
		{"nft add element inet filter trusted { 203.0.113.9 }", "", "203.0.113.9"},
		{"nft insert rule inet filter inner ip daddr 10.9.8.7 accept", "", "ip daddr 10.9.8.7 accept"},
		{"nft flush ruleset", "masquerade", ""},
		{"ip link set eth0 down", "up true", "up false"},
	} {
		before, err := State(context.Background(), ns)
		if err != nil {
			t.Fatal(err)
		}
		if value, ok := strings.CutPrefix(c.do, "forward "); ok {
			forward(t, ns, value)
		} else {
			run(t, ns, "", strings.Fields(c.do)...)
		}
		after, err := State(context.Background(), ns)
		if err != nil {
			t.Fatal(err)
		}
		d := Diff(before, after)
		has := func(lines []string, what string) bool {
			return what == "" || slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, what) })
		}
		if d.IsZero() || !has(d.Gone, c.gone) || !has(d.New, c.now) {
			t.Errorf("%s: %+v", c.do, d)
		}
		if c.do[:3] == "nft" && c.now != "" && len(d.New) > 2 {
			t.Errorf("%s: too much differs: %+v", c.do, d)
		}
	}
}

func TestStateOfAHostileNode(t *testing.T) {
	ns := newNode(t)
	within(t, ns, func() error {
		la := netlink.NewLinkAttrs()
		la.Name = "a\x1b[31m\xff"
		return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: la})
	})
	run(t, ns, "", "ip", "link", "set", "lo", "up")
	var batch strings.Builder
	for i := range 2 * maxEntries {
		fmt.Fprintf(&batch, "route add 10.%d.%d.0/24 dev lo\n", i/256, i%256)
	}
	run(t, ns, batch.String(), "ip", "-batch", "-")
	s, err := State(context.Background(), ns)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Truncated || len(s.Routes) != maxEntries {
		t.Errorf("%d routes, truncated %v", len(s.Routes), s.Truncated)
	}
	for _, l := range s.Lines() {
		if strings.ContainsFunc(l, func(r rune) bool { return r < ' ' }) || !utf8.ValidString(l) {
			t.Errorf("line %q", l)
		}
	}
}

func BenchmarkState(b *testing.B) {
	ns := router(b)
	for b.Loop() {
		if _, err := State(context.Background(), ns); err != nil {
			b.Fatal(err)
		}
	}
}
