package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/vishvananda/netlink"

	"github.com/situlab/situlab/scenarios"
)

// vault is the accounts of the tests.
func vault(id string) (string, string, bool) {
	switch id {
	case "good":
		return "uid=mdurand,dc=test", "letmein", true
	case "bad":
		return "uid=mdurand,dc=test", "wrong", true
	case "imap":
		return "username", "password", true
	}
	return "", "", false
}

// one is a check and how it must end; stage "" means green.
type one struct {
	name, kind, target string
	port               int
	params             map[string]string
	stage              Stage
	code               string
}

type pm = map[string]string

func (g *ground) check(o one) Result {
	g.t.Helper()
	p := scenarios.Probe{ID: o.name, Service: "s", Kind: o.kind, Target: o.target, Port: o.port, Params: o.params}
	return Check(context.Background(), p, g.post, vault)
}

func (g *ground) all(t *testing.T, list []one) {
	for _, o := range list {
		t.Run(o.name, func(t *testing.T) {
			r := g.check(o)
			if r.OK != (o.stage == "") || r.Stage != o.stage || r.Code != o.code {
				t.Errorf("got ok=%v %s/%s (%s), want %s/%s; measured %v", r.OK, r.Stage, r.Code, r.Detail, o.stage, o.code, r.Measured)
			}
			if r.Probe != o.name || r.Post != "pc-1" || r.Segment != "bur" || r.Kind != o.kind || r.At.IsZero() || r.Latency <= 0 {
				t.Errorf("incomplete sample: %+v", r)
			}
			if !r.OK && r.Detail == "" {
				t.Error("red without a word why")
			}
		})
	}
}

func TestICMP(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.all(t, []one{
		{"answered", "icmp", "192.0.2.1", 0, pm{"count": "3"}, "", ""},
		{"absent", "icmp", "192.0.2.9", 0, pm{"timeout": "300ms"}, StageConnect, "timeout"},
		{"no route", "icmp", "203.0.113.1", 0, nil, StageConnect, "no_route"},
		{"prohibited", "icmp", "198.51.100.1", 0, nil, StageConnect, "prohibited"},
		{"no name", "icmp", "nobody.test.internal", 0, pm{"timeout": "400ms"}, StageResolve, "refused"},
	})
	if r := g.check(one{"rtt", "icmp", "192.0.2.1", 0, nil, "", ""}); r.Measured["rtt"] == "" || r.Nonce == "" {
		t.Errorf("no round trip or nonce: %+v", r)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.dnsServer("192.0.2.1", zone)
	serve(g.listen("192.0.2.2:80"), func(c net.Conn) { c.Close() })
	g.all(t, []one{
		{"search list", "icmp", "www", 0, nil, "", ""},
		{"whole name", "icmp", "www.test.internal", 0, nil, "", ""},
		{"alias", "icmp", "alias", 0, nil, "", ""},
		{"over TCP", "icmp", "big", 0, nil, "", ""},
		{"unknown", "icmp", "nobody", 0, nil, StageResolve, "nxdomain"},
		{"broken", "icmp", "broken.test.internal", 0, nil, StageResolve, "servfail"},
		{"record", "dns", "", 0, pm{"name": "www.test.internal", "expect": "192.0.2.2"}, "", ""},
		{"mx", "dns", "192.0.2.1", 0, pm{"name": "test.internal", "type": "MX", "expect": "mail.test.internal."}, "", ""},
		{"wrong record", "dns", "", 0, pm{"name": "www.test.internal", "expect": "192.0.2.77"}, StageContent, "wrong_answer"},
		{"no record", "dns", "", 0, pm{"name": "www.test.internal", "type": "TXT"}, StageContent, "no_record"},
		{"no such name", "dns", "192.0.2.1", 0, pm{"name": "zz.test.internal"}, StageProtocol, "nxdomain"},
		{"server absent", "dns", "192.0.2.3", 0, pm{"name": "www.test.internal"}, StageConnect, "refused"},
	})
	t.Run("hosts first", func(t *testing.T) {
		g.write("/etc/hosts", "127.0.0.1 localhost\n192.0.2.3 elsewhere www # here\n")
		defer g.remove("/etc/hosts")
		r := g.check(one{"h", "icmp", "www", 0, nil, "", ""})
		if !r.OK || r.Measured["address"] != "192.0.2.3" || r.Measured["resolver"] != "hosts" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("second server", func(t *testing.T) {
		g.write("/etc/resolv.conf", "nameserver 192.0.2.9\nnameserver 192.0.2.1\nsearch test.internal\n")
		r := g.check(one{"s", "icmp", "www", 0, nil, "", ""})
		if !r.OK || r.Measured["resolver"] != "192.0.2.1" || r.Measured["resolverTries"] != "2" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("all silent", func(t *testing.T) {
		g.write("/etc/resolv.conf", "nameserver 192.0.2.9\n")
		r := g.check(one{"s", "icmp", "www", 0, pm{"timeout": "500ms"}, "", ""})
		if r.OK || r.Stage != StageResolve || r.Code != "no_answer" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("no resolv.conf", func(t *testing.T) {
		g.remove("/etc/resolv.conf")
		r := g.check(one{"s", "icmp", "www", 0, nil, "", ""})
		if r.OK || r.Stage != StageResolve || r.Code != "refused" {
			t.Errorf("%+v", r)
		}
	})
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.dnsServer("192.0.2.1", zone)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Vulcain %s %s", r.Host, r.URL.Query().Get("q"))
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "database", http.StatusBadGateway) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	mux.HandleFunc("/cached", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "Vulcain of yesterday") })
	go http.Serve(g.listen("192.0.2.2:80"), mux)
	serve(g.listen("192.0.2.3:80"), func(c net.Conn) { io.Copy(io.Discard, c) })
	serve(g.listen("192.0.2.3:81"), func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n") })
	g.all(t, []one{
		{"page", "http", "www", 0, pm{"expect": "Vulcain www"}, "", ""},
		{"nonce", "http", "www", 0, pm{"expect": "Vulcain", "nonce": "q", "path": "/x?a=b"}, "", ""},
		{"host", "http", "192.0.2.2", 0, pm{"expect": "extranet.test", "host": "extranet.test"}, "", ""},
		{"redirection", "http", "www", 0, pm{"path": "/away", "status": "302"}, "", ""},
		{"status", "http", "www", 0, pm{"path": "/broken"}, StageProtocol, "status_502"},
		{"text", "http", "www", 0, pm{"expect": "Titan"}, StageContent, "missing_text"},
		{"stale", "http", "www", 0, pm{"path": "/cached", "nonce": "q"}, StageContent, "stale"},
		{"refused", "http", "www", 8080, nil, StageConnect, "refused"},
		{"silent", "http", "192.0.2.3", 0, pm{"timeout": "300ms"}, StageProtocol, "timeout"},
		{"not http", "http", "192.0.2.3", 81, nil, StageProtocol, "error"},
		{"no host", "http", "192.0.2.9", 0, pm{"timeout": "300ms"}, StageConnect, "timeout"},
		{"no name", "http", "nobody", 0, nil, StageResolve, "nxdomain"},
		{"no authorities", "http", "www", 0, pm{"scheme": "https"}, StagePost, "no_authorities"},
	})
}

func TestLDAP(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.ldapServer("192.0.2.1:389", "uid=mdurand,dc=test", "letmein")
	serve(g.listen("192.0.2.2:389"), func(c net.Conn) { io.Copy(io.Discard, c) })
	serve(g.listen("192.0.2.3:389"), func(c net.Conn) { c.Write([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}) })
	g.all(t, []one{
		{"anonymous", "ldap", "192.0.2.1", 0, nil, "", ""},
		{"bind and find", "ldap", "192.0.2.1", 0, pm{"secret": "good", "base": "dc=test", "expect": "Durand"}, "", ""},
		{"refused", "ldap", "192.0.2.1", 0, pm{"secret": "bad"}, StageAuth, "ldap_49"},
		{"nobody there", "ldap", "192.0.2.1", 0, pm{"base": "dc=else"}, StageContent, "no_entry"},
		{"other entry", "ldap", "192.0.2.1", 0, pm{"base": "dc=test", "expect": "Lefebvre"}, StageContent, "wrong_entry"},
		{"silent", "ldap", "192.0.2.2", 0, pm{"timeout": "300ms"}, StageProtocol, "timeout"},
		{"down", "ldap", "192.0.2.1", 390, nil, StageConnect, "refused"},
		{"secret unknown", "ldap", "192.0.2.1", 0, pm{"secret": "none"}, StagePost, "invalid"},
	})
	if r := g.check(one{"huge", "ldap", "192.0.2.3", 0, nil, "", ""}); r.OK || r.Stage != StageProtocol {
		t.Errorf("a message of 2 GiB: %+v", r)
	}
}

func TestMail(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	mails := make(chan string, 4)
	g.smtpServer("192.0.2.1:25", mails)
	g.imapServer("192.0.2.1:143", "username", "password")
	serve(g.listen("192.0.2.2:25"), func(c net.Conn) { io.WriteString(c, "554 no service\r\n") })
	serve(g.listen("192.0.2.2:143"), func(c net.Conn) { io.WriteString(c, "* BYE {99999999999}\r\n") })
	who := pm{"from": "a@test.internal", "to": "b@test.internal"}
	g.all(t, []one{
		{"recipient", "smtp", "192.0.2.1", 0, who, "", ""},
		{"unknown recipient", "smtp", "192.0.2.1", 0, pm{"from": "a@test.internal", "to": "no@test.internal"}, StageContent, "smtp_550"},
		{"closed", "smtp", "192.0.2.2", 0, who, StageContent, "smtp_554"},
		{"down", "smtp", "192.0.2.3", 0, who, StageConnect, "refused"},
		{"mailbox", "imap", "192.0.2.1", 0, pm{"secret": "imap"}, "", ""},
		{"password", "imap", "192.0.2.1", 0, pm{"secret": "bad"}, StageAuth, "refused_login"},
		{"no mailbox", "imap", "192.0.2.1", 0, pm{"secret": "imap", "mailbox": "Archives"}, StageContent, "no_mailbox"},
		{"absurd literal", "imap", "192.0.2.2", 0, pm{"secret": "imap"}, StageProtocol, "error"},
		{"down too", "imap", "192.0.2.3", 0, pm{"secret": "imap"}, StageConnect, "refused"},
	})
	r := g.check(one{"sent", "smtp", "192.0.2.1", 0, pm{"from": who["from"], "to": who["to"], "send": "yes"}, "", ""})
	if !r.OK || r.Nonce == "" {
		t.Fatalf("%+v", r)
	}
	if m := <-mails; !strings.Contains(m, "Subject: "+r.Nonce+"\n") {
		t.Errorf("no nonce in the mail:\n%s", m)
	}
}

func TestSQL(t *testing.T) {
	t.Setenv("PGUSER", "host-user")
	t.Setenv("PGHOST", "/var/run/postgresql")
	g := newGround(t)
	g.sqlServer("192.0.2.1:5432", "uid=mdurand,dc=test", "letmein")
	serve(g.listen("192.0.2.2:5432"), func(c net.Conn) { io.Copy(io.Discard, c) })
	g.all(t, []one{
		{"echo", "sql", "192.0.2.1", 0, pm{"database": "erp", "secret": "good"}, "", ""},
		{"value", "sql", "192.0.2.1", 0, pm{"database": "erp", "secret": "good", "query": "SELECT 42", "expect": "42"}, "", ""},
		{"other value", "sql", "192.0.2.1", 0, pm{"database": "erp", "secret": "good", "query": "SELECT 42", "expect": "43"}, StageContent, "wrong_value"},
		{"no table", "sql", "192.0.2.1", 0, pm{"database": "erp", "secret": "good", "query": "SELECT a FROM missing"}, StageContent, "sql_42P01"},
		{"password", "sql", "192.0.2.1", 0, pm{"database": "erp", "secret": "bad"}, StageAuth, "sql_28P01"},
		{"down", "sql", "192.0.2.3", 0, pm{"database": "erp", "secret": "good"}, StageConnect, "refused"},
		{"silent", "sql", "192.0.2.2", 0, pm{"database": "erp", "secret": "good", "timeout": "300ms"}, StageProtocol, "timeout"},
	})
}

func TestSMBRed(t *testing.T) {
	t.Parallel()
	// Green needs a real Samba: the company's own test has one.
	g := newGround(t)
	serve(g.listen("192.0.2.1:445"), func(c net.Conn) { io.Copy(io.Discard, c) })
	serve(g.listen("192.0.2.2:445"), func(c net.Conn) { io.WriteString(c, "220 not a file server\r\n") })
	ask := pm{"share": "plans", "secret": "good", "timeout": "300ms"}
	g.all(t, []one{
		{"silent", "smb", "192.0.2.1", 0, ask, StageProtocol, "timeout"},
		{"down", "smb", "192.0.2.3", 0, ask, StageConnect, "refused"},
	})
	if r := g.check(one{"not smb", "smb", "192.0.2.2", 0, ask, "", ""}); r.OK || r.Stage != StageProtocol {
		t.Errorf("%+v", r)
	}
}

func TestNTP(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.ntpServer("192.0.2.1:123", 3, 0)
	g.ntpServer("192.0.2.2:123", 3, 8*time.Second)
	g.ntpServer("192.0.2.3:123", 16, 0)
	g.all(t, []one{
		{"synchronised", "ntp", "192.0.2.1", 0, nil, "", ""},
		{"too far down", "ntp", "192.0.2.1", 0, pm{"maxStratum": "2"}, StageContent, "stratum"},
		{"off", "ntp", "192.0.2.2", 0, nil, StageContent, "offset"},
		{"tolerated", "ntp", "192.0.2.2", 0, pm{"maxOffset": "10s"}, "", ""},
		{"alone", "ntp", "192.0.2.3", 0, nil, StageProtocol, "not_synchronised"},
		{"no server", "ntp", "192.0.2.1", 124, nil, StageConnect, "refused"},
	})
}

func TestDHCP(t *testing.T) {
	t.Parallel()
	ask := func(target string) one { return one{"d", "dhcp", target, 0, pm{"timeout": "600ms"}, "", ""} }
	want := func(t *testing.T, r Result, stage Stage, code string) {
		t.Helper()
		if r.OK != (stage == "") || r.Stage != stage || r.Code != code {
			t.Errorf("got %+v, want %s/%s", r, stage, code)
		}
	}
	t.Run("no server", func(t *testing.T) {
		g := newGround(t)
		want(t, g.check(ask("")), StageConnect, "no_offer")
	})
	t.Run("served", func(t *testing.T) {
		g := newGround(t)
		asked := make(chan *dhcpv4.DHCPv4, 16)
		g.dhcpServer("192.0.2.10", asked)
		nl, err := netlink.NewHandleAt(g.postNS)
		must(t, err)
		defer nl.Close()
		eth0, err := nl.LinkByName("eth0")
		must(t, err)
		g.write(fmt.Sprintf("/run/systemd/netif/leases/%d", eth0.Attrs().Index), "ADDRESS=192.0.2.10\nCLIENTID=ff00c0ffee\n")
		r := g.check(ask("192.0.2.1"))
		want(t, r, "", "")
		if id := fmt.Sprintf("%x", (<-asked).Options.Get(dhcpv4.OptionClientIdentifier)); id != "ff00c0ffee" {
			t.Errorf("the server was asked by client %s", id)
		}
		if r.Measured["server"] != "192.0.2.1" || r.Measured["offered"] != "192.0.2.10" || r.Measured["address"] != "192.0.2.10/24" {
			t.Errorf("measured %v", r.Measured)
		}
		want(t, g.check(ask("192.0.2.2")), StageContent, "wrong_server")
		addr, err := netlink.ParseAddr("192.0.2.10/24")
		must(t, err)
		must(t, nl.AddrDel(g.postLnk, addr))
		want(t, g.check(ask("")), StageContent, "no_lease")
		auto, err := netlink.ParseAddr("169.254.3.4/16")
		must(t, err)
		must(t, nl.AddrAdd(g.postLnk, auto))
		want(t, g.check(ask("")), StageContent, "wrong_subnet")
		for len(asked) > 0 {
			if m := (<-asked).MessageType(); m != dhcpv4.MessageTypeDiscover {
				t.Errorf("the check sent a %s", m)
			}
		}
		must(t, nl.LinkSetDown(g.postLnk))
		want(t, g.check(ask("")), StageConnect, "no_carrier")
	})
	t.Run("other subnet", func(t *testing.T) {
		g := newGround(t)
		g.dhcpServer("10.9.9.9", make(chan *dhcpv4.DHCPv4, 16))
		want(t, g.check(ask("")), StageContent, "wrong_offer")
	})
}

func TestPostGone(t *testing.T) {
	post := Post{Name: "pc-1", NetNS: "/proc/999999999/ns/net", Open: os.Open}
	for _, p := range []scenarios.Probe{{ID: "a", Kind: "icmp", Target: "192.0.2.1"}, {ID: "b", Kind: "dhcp"},
		{ID: "c", Kind: "http", Target: "192.0.2.1"}} {
		if r := Check(context.Background(), p, post, nil); r.Stage != StagePost || r.Code != "gone" {
			t.Errorf("%s: %+v", p.Kind, r)
		}
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	ctx, cancel := context.WithCancel(context.Background())
	serve(g.listen("192.0.2.1:80"), func(c net.Conn) { cancel(); io.Copy(io.Discard, c) })
	r := Check(ctx, scenarios.Probe{ID: "p", Kind: "http", Target: "192.0.2.1"}, g.post, nil)
	if !r.Interrupted() {
		t.Errorf("a check that we cut short: %+v", r)
	}
}
