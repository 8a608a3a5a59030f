package aveline_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/situlab/situlab/scenarios"
)

// packet is the first one of a conversation.
type packet struct {
	src, dst netip.Addr
	proto    string
	port     string
}

// verdict of a list of rules: what it says, or nothing.
type verdict int

const (
	silent verdict = iota
	allowed
	refused
)

// --- The matrix ---------------------------------------------------------------

// matrix reads the flow matrix: the first line that fits decides.
type matrix struct {
	site   *scenarios.Site
	inside netip.Prefix // the company's networks
}

func (m matrix) is(end string, a netip.Addr) bool {
	if p, err := netip.ParsePrefix(end); err == nil {
		return p.Contains(a)
	}
	if end == "any" {
		return true
	}
	for _, g := range m.site.Groups {
		if g.ID == end && end == "tous" {
			return slices.ContainsFunc(g.Segments, func(s string) bool { return m.in(s, a) })
		}
	}
	for _, n := range m.site.Nodes {
		if n.Name == end {
			return slices.ContainsFunc(n.Interfaces, func(i scenarios.Interface) bool { return i.Address == a })
		}
	}
	return m.in(end, a)
}

func (m matrix) in(seg string, a netip.Addr) bool {
	if seg == "inet" { // whatever is not the company's
		return !m.inside.Contains(a)
	}
	for _, s := range m.site.Segments {
		if s.ID == seg {
			return s.Net.Contains(a)
		}
	}
	return false
}

func (m matrix) says(p packet) verdict {
	for _, f := range m.site.Flows {
		ports := strings.Split(strings.ReplaceAll(f.Ports, " ", ""), ",")
		if !m.is(f.From, p.src) || !m.is(f.To, p.dst) || f.Proto != "any" && f.Proto != p.proto || f.Ports != "" && !slices.Contains(ports, p.port) {
			continue
		}
		if f.Allow {
			return allowed
		}
		return refused
	}
	return silent
}

// --- The filters ----------------------------------------------------------------

// filter is as much of nft as the company's files use; a word that it does not
// know fails the test.
type filter struct {
	t      *testing.T
	name   string
	chains map[string][]string
	policy map[string]string
	dnat   map[string]string // "80" -> address
	vars   map[string]string
}

var (
	tokens = regexp.MustCompile(`\{[^}]*\}|"[^"]*"|\S+`)
	define = regexp.MustCompile(`(?m)^define (\w+) = (.*)$`)
	chain  = regexp.MustCompile(`(?s)chain (\w+) \{\n(.*?)\n\t\}`)
	nat    = regexp.MustCompile(`tcp dport (\d+) dnat to (\S+)`)
)

func newFilter(t *testing.T, name, text string) *filter {
	f := &filter{t: t, name: name, chains: map[string][]string{}, policy: map[string]string{}, dnat: map[string]string{}, vars: map[string]string{}}
	for _, d := range define.FindAllStringSubmatch(text, -1) {
		f.vars["$"+d[1]] = d[2]
	}
	for _, c := range chain.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(c[2]) {
			line, _, _ = strings.Cut(line, "#")
			switch line = strings.TrimSpace(line); {
			case strings.HasPrefix(line, "type "):
				f.policy[c[1]] = strings.TrimSuffix(line[strings.LastIndex(line, " ")+1:], ";")
			case line != "":
				f.chains[c[1]] = append(f.chains[c[1]], line)
			}
		}
	}
	for _, n := range nat.FindAllStringSubmatch(text, -1) {
		f.dnat[n[1]] = n[2]
	}
	return f
}

// one says whether a value is what a rule names, or one of its set.
func (f *filter) one(named, value string) bool {
	if v, ok := f.vars[named]; ok {
		named = v
	}
	for _, x := range strings.Split(strings.Trim(named, "{} "), ",") {
		x = strings.Trim(strings.TrimSpace(x), `"`)
		if v, ok := f.vars[x]; ok {
			x = v
		}
		if x == value {
			return true
		}
		p, err := netip.ParsePrefix(x)
		if a, aerr := netip.ParseAddr(value); err == nil && aerr == nil && p.Contains(a) {
			return true
		}
	}
	return false
}

// says runs a chain over a packet that is no answer to another.
func (f *filter) says(chain, iif, oif string, p packet) verdict {
	values := map[string]string{"iifname": iif, "oifname": oif, "ip saddr": p.src.String(), "ip daddr": p.dst.String()}
	if p.proto == "icmp" {
		values["icmp type"] = "echo-request"
	} else {
		values[p.proto+" dport"] = p.port
	}
rules:
	for _, rule := range f.chains[chain] {
		words := tokens.FindAllString(rule, -1)
		for i := 0; i < len(words); i++ {
			key := words[i]
			switch key {
			case "counter":
				continue
			case "accept":
				return allowed
			case "drop":
				return refused
			case "ct":
				switch rest := strings.Join(words[i+1:i+3], " "); rest {
				case "state established,related":
					continue rules
				case "status dnat":
					if f.dnat[p.port] != p.dst.String() || p.proto != "tcp" {
						continue rules
					}
				default:
					f.t.Fatalf("%s: %q is not known here", f.name, rest)
				}
				i += 2
				continue
			case "ip", "tcp", "udp", "icmp":
				i++
				key += " " + words[i]
			case "iifname", "oifname":
			default:
				f.t.Fatalf("%s: %q of %q is not known here", f.name, key, rule)
			}
			i++
			want := true
			if words[i] == "!=" {
				want = false
				i++
			}
			value, has := values[key]
			if !has || f.one(words[i], value) != want {
				continue rules
			}
		}
	}
	if f.policy[chain] == "accept" {
		return allowed
	}
	return refused
}

// --- Both -----------------------------------------------------------------------

// TestFlowsAreTheFilters asks the matrix and the filters about every pair of
// places, protocol and port that one of them names: the firewall lets through
// exactly what the matrix allows, the routers stop exactly what it forbids.
func TestFlowsAreTheFilters(t *testing.T) {
	for _, seed := range seeds[1:] { // addresses as drawn; a seed asks 600,000 questions
		site, all := trees(t, seed)
		m := matrix{site: site}
		m.inside = netip.PrefixFrom(site.Segments[0].Net.Addr(), 16).Masked()
		outside := netip.MustParseAddr("198.51.100.77")
		places := []netip.Addr{outside}
		for _, s := range site.Segments {
			if s.ID != "inet" {
				places = append(places, s.Net.Addr().Next(), lastHost(s.Net))
			}
		}
		for _, n := range site.Nodes {
			for _, i := range n.Interfaces {
				if i.Address.IsValid() && m.inside.Contains(i.Address) {
					places = append(places, i.Address)
				}
			}
		}
		ports := []string{"22", "21", "3389", "9999"}
		for _, f := range site.Flows {
			for _, p := range strings.Split(strings.ReplaceAll(f.Ports, " ", ""), ",") {
				if p != "" && !slices.Contains(ports, p) {
					ports = append(ports, p)
				}
			}
		}
		fw := newFilter(t, "fw-brv1", all["fw-brv1"]["/etc/nftables.conf"])
		var routers []*filter
		for _, r := range []string{"rt-brv1", "rt-til1"} {
			routers = append(routers, newFilter(t, r, all[r]["/etc/nftables.conf"]))
		}
		side := func(a netip.Addr) string {
			switch {
			case m.in("inet", a):
				return fw.vars["$internet"]
			case m.in("dmz", a):
				return fw.vars["$dmz"]
			}
			return fw.vars["$interne"]
		}
		firewall, _ := site.NodeNamed("fw-brv1")
		own := func(a netip.Addr) bool {
			return slices.ContainsFunc(firewall.Interfaces, func(i scenarios.Interface) bool { return i.Address == a })
		}
		asked, passed := 0, 0
		for _, src := range places {
			for _, dst := range places {
				for _, proto := range []string{"tcp", "udp", "icmp"} {
					for _, port := range ports {
						p := packet{src, dst, proto, port}
						if proto == "icmp" {
							p.port = ""
						}
						want := m.says(p)
						switch {
						case own(src) || src == dst:
						case own(dst):
							asked++
							if got := fw.says("entree", side(src), "", p); got != decided(want) {
								t.Errorf("seed %d: %s: the matrix says %v, the firewall itself %v", seed, p, want, got)
							}
						case side(src) != side(dst):
							asked++
							got := fw.says("passage", side(src), side(dst), p)
							if got == allowed {
								passed++
							}
							if got != decided(want) {
								t.Errorf("seed %d: %s: the matrix says %v, the firewall %v", seed, p, want, got)
							}
						case side(src) == fw.vars["$interne"] && !slices.ContainsFunc(site.Segments, func(s scenarios.Segment) bool { return s.Net.Contains(src) && s.Net.Contains(dst) }):
							for _, rt := range routers {
								if got := rt.says("passage", "", "", p); (got == refused) != (want == refused) {
									t.Errorf("seed %d: %s: the matrix says %v, %s %v", seed, p, want, rt.name, got)
								}
							}
						}
						if t.Failed() && asked > 5000 {
							return
						}
						if proto == "icmp" {
							break
						}
					}
				}
			}
		}
		if asked < 10_000 || passed < 100 {
			t.Errorf("seed %d: %d questions, %d let through", seed, asked, passed)
		}
		for port, to := range fw.dnat {
			if m.says(packet{outside, netip.MustParseAddr(to), "tcp", port}) != allowed {
				t.Errorf("seed %d: port %s is redirected to %s, which the matrix does not allow", seed, port, to)
			}
		}
	}
}

// decided: what the matrix does not name the firewall refuses.
func decided(v verdict) verdict {
	if v == allowed {
		return allowed
	}
	return refused
}

func (p packet) String() string { return fmt.Sprintf("%s -> %s %s/%s", p.src, p.dst, p.proto, p.port) }

// lastHost is an address of a network that no node has.
func lastHost(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	a[3] += byte(1<<(32-p.Bits()) - 3)
	return netip.AddrFrom4(a)
}
