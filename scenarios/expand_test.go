package scenarios

import (
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/go-crypt/crypt"
	"golang.org/x/crypto/ssh"
)

// TestLibraryExpands expands every embedded site with many seeds: always sound,
// always twice the same, node by node.
func TestLibraryExpands(t *testing.T) {
	for _, id := range Sites() {
		site, err := LoadSite(id)
		if err != nil {
			t.Fatal(err)
		}
		octets, towns, names := map[byte]bool{}, map[string]bool{}, map[string]bool{}
		for seed := range uint64(40) {
			x := soundExpansion(t, site, seed)
			octets[x.Segments[0].Net.Addr().As4()[1]] = true
			towns[x.Company.RemoteTown] = true
			names[x.People[0].LastName] = true
		}
		if len(octets) < 5 || len(towns) < 3 || len(names) < 10 {
			t.Errorf("%s: 40 seeds give %d address plans, %d towns, %d names", id, len(octets), len(towns), len(names))
		}
	}
}

// TestTreesTwice: two expansions of a seed give every node the same files; two
// seeds do not.
func TestTreesTwice(t *testing.T) {
	for _, id := range Sites() {
		site, err := LoadSite(id)
		if err != nil {
			t.Fatal(err)
		}
		sum := func(seed uint64) map[string]string {
			x, err := Expand(site, seed)
			if err != nil {
				t.Fatal(err)
			}
			out := map[string]string{}
			for _, n := range x.Nodes {
				tree, err := Tree(x, n.Name)
				if err != nil {
					t.Fatal(err)
				}
				if len(tree) == 0 {
					t.Errorf("%s: node %s has no file", id, n.Name)
				}
				for _, f := range tree {
					if f.Mode.IsRegular() && strings.Contains(string(f.Content), "<no value>") {
						t.Errorf("%s:%s: a value is missing", n.Name, f.Path)
					}
					if f.Age <= 0 {
						t.Errorf("%s:%s: of age %v", n.Name, f.Path, f.Age)
					}
				}
				out[n.Name] = Digest(tree)
			}
			return out
		}
		a, b, c := sum(7), sum(7), sum(8)
		for n := range a {
			if a[n] != b[n] {
				t.Errorf("%s: two expansions of seed 7 differ on %s", id, n)
			}
			if a[n] == c[n] {
				t.Errorf("%s: seeds 7 and 8 give %s the same files", id, n)
			}
		}
	}
}

func smallSite(t *testing.T, seed uint64) *Site {
	t.Helper()
	site, err := LoadSite("./testdata/site-small")
	if err != nil {
		t.Fatal(err)
	}
	x, err := Expand(site, seed)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestMoved: what moves moves together, what does not stays.
func TestMoved(t *testing.T) {
	for seed := uint64(1); seed < 30; seed++ {
		x := smallSite(t, seed)
		o, _ := companyOctet(x)
		erp, err := x.NodeNamed("erp1")
		if err != nil {
			t.Fatal(err)
		}
		want := netip.AddrFrom4([4]byte{10, o, 10, 35})
		if erp.Interfaces[0].Address != want || x.Probes[1].Target != want.String() {
			t.Errorf("seed %d: erp1 is %v, its probe asks %s", seed, erp.Interfaces[0].Address, x.Probes[1].Target)
		}
		p := x.PersonByID("chef-atelier")
		first, last := loginName(p.FirstName), loginName(p.LastName)
		if p.Login != first[:1]+"."+last || p.Email != first+"."+last+"@petite.internal" {
			t.Errorf("seed %d: %s %s has login %s and address %s", seed, p.FirstName, p.LastName, p.Login, p.Email)
		}
		if a := x.PersonByID("moi"); a.Login != "adm-"+loginName(a.LastName) {
			t.Errorf("seed %d: the administrator's login is %s", seed, a.Login)
		}
		if !strings.Contains(x.Logbook[0].Text.FR, x.Company.RemoteTown) {
			t.Errorf("seed %d: the logbook speaks of another town", seed)
		}
		if x.Secrets[1].Value != "Fixe-2026" || len(x.Secrets[0].Value) != 14 {
			t.Errorf("seed %d: secrets %q and %q", seed, x.Secrets[0].Value, x.Secrets[1].Value)
		}
	}
}

// TestMaterial: keys, certificates and hashes are what other programs read.
func TestMaterial(t *testing.T) {
	x := smallSite(t, 4)
	e := &environment{site: x}
	run := func(text string) string {
		t.Helper()
		out, err := e.run("test", text, data{Site: x})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	key, err := ssh.ParseRawPrivateKey([]byte(run(`{{sshHostKey "erp1"}}`)))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(run(`{{sshHostPub "erp1"}}`)))
	if err != nil || string(pub.Marshal()) != string(signer.PublicKey().Marshal()) {
		t.Errorf("the public half is another key's: %v", err)
	}
	if lines := strings.Count(run("{{knownHosts}}"), "\n"); lines != len(x.Nodes) {
		t.Errorf("%d known hosts for %d nodes", lines, len(x.Nodes))
	}

	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(run("{{caCert}}"))) {
		t.Fatal("the authority's certificate is none")
	}
	block, _ := pem.Decode([]byte(run(`{{cert "erp1" "erp.petite.internal"}}`)))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"erp1.petite.internal", "erp.petite.internal", x.Probes[1].Target} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	shadow := run(`{{crypt "erp-app"}}`)
	if ok, err := crypt.CheckPassword("Fixe-2026", shadow); err != nil || !ok {
		t.Errorf("%s does not open with the password: %v", shadow, err)
	}
	// Known answers: the NT hash of "password" (MS-NLMP 4.2.2.1.1 uses it too).
	if got := run(`{{nthashText "password"}}`); got != "8846F7EAEE8FB117AD06BDD830B7586C" {
		t.Errorf("NT hash %s", got)
	}
}

// TestTreeLays: later trees win, metadata as written.
func TestTreeLays(t *testing.T) {
	x := smallSite(t, 4)
	tree, err := Tree(x, "pc-ate-01")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]TreeFile{}
	for _, f := range tree {
		got[f.Path] = f
	}
	if f := got["/etc/shadow"]; f.Mode != 0o640 || f.Group != "shadow" || f.Age.Hours() != 72 {
		t.Errorf("shadow: %+v", f)
	}
	if f := got["/etc/systemd/system/foo.service"]; f.Mode&os.ModeSymlink == 0 || string(f.Content) != "/dev/null" {
		t.Errorf("the mask: %+v", f)
	}
	if f := got["/etc/hostname"]; string(f.Content) != "pc-ate-01\n" || f.Age.Hours() < 20*24 || f.Age.Hours() > 300*24 {
		t.Errorf("hostname: %q, %v", f.Content, f.Age)
	}
	homes := 0
	for p, f := range got {
		if strings.HasPrefix(p, "/home/") && f.Mode == os.ModeDir|0o700 && p == "/home/"+f.User {
			homes++
		}
	}
	if homes != len(x.People) {
		t.Errorf("%d homes for %d people", homes, len(x.People))
	}
	if _, err := Tree(x, "erp2"); err == nil || !strings.Contains(err.Error(), `did you mean "erp1"?`) {
		t.Errorf("an unknown node: %v", err)
	}
}
