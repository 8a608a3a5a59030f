package scenarios

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// memo holds what is dear to compute and the same for all nodes of one
// expanded site (parsed templates, password hashes). Several goroutines may use
// it.
type memo struct{ m sync.Map }

type memoEntry struct {
	once sync.Once
	v    any
	err  error
}

func newMemo() *memo { return &memo{} }

// once computes a value once per key.
func once[T any](m *memo, key string, fn func() (T, error)) (T, error) {
	got, _ := m.m.LoadOrStore(key, &memoEntry{})
	e := got.(*memoEntry)
	e.once.Do(func() { e.v, e.err = fn() })
	v, _ := e.v.(T)
	return v, e.err
}

// derive returns 32 bytes that depend on the seed and a name only.
func derive(seed uint64, name string) [32]byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], seed)
	return sha256.Sum256(append(append([]byte("situlab/v1\x00"), b[:]...), name...))
}

// draw returns a source of random numbers that depends on the seed and a name
// only, so that what one thing draws never moves another.
func draw(seed uint64, name string) *rand.Rand {
	h := derive(seed, name)
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:16])))
}

// Expand makes a site concrete: it moves what site.Draw names by the seed,
// draws the secrets that have no value and runs the templates of the texts.
// Seed 0 keeps names and addresses as written. The site given stays as it is;
// the same seed always gives the same site.
func Expand(site *Site, seed uint64) (*Site, error) { return expand(site, seed, nil) }

// expand is Expand; with d, mistakes of templates are put at their place there.
func expand(site *Site, seed uint64, d *decoder) (*Site, error) {
	out := clone(*site)
	out.Seed = seed
	out.memo = newMemo()
	if seed != 0 {
		moveAddresses(&out)
		moveTowns(&out)
		movePeople(&out)
	}
	for i := range out.Secrets {
		if s := &out.Secrets[i]; s.Value == "" {
			s.Value = password(seed, "secret/"+s.ID)
		}
	}
	var errs ErrorList
	env := &environment{site: &out}
	// Templates read the values as they were before any template ran, so that
	// their order can never matter.
	frozen := clone(out)
	frozen.memo = newMemo() // its functions see the frozen values
	env.site = &frozen
	eachTemplate(&out, func(path, s string) string {
		if !strings.Contains(s, "{{") {
			return s
		}
		got, err := env.run(path, s, data{Site: &frozen})
		switch {
		case err != nil && d != nil:
			d.failAt(path, "%s: %v", path, err)
		case err != nil:
			errs = append(errs, inputErrorf(site.file(siteFile), "%s: %v", path, err))
		case strings.Contains(got, "{{") && d != nil:
			d.failAt(path, "%s: the template reads another template; it may read names, addresses, people, towns and secrets only", path)
		}
		return got
	})
	if err := errs.err(); err != nil {
		return nil, err
	}
	return &out, nil
}

// companyOctet is the second octet of the company's 10/8 networks: that of its
// first segment in 10/8. ok is false when it has none.
func companyOctet(site *Site) (byte, bool) {
	for _, s := range site.Segments {
		if a := s.Net.Addr(); a.Is4() && a.As4()[0] == 10 {
			return a.As4()[1], true
		}
	}
	return 0, false
}

func moveAddresses(site *Site) {
	base, ok := companyOctet(site)
	if !ok {
		return
	}
	rng := draw(site.Seed, "addresses")
	second := base
	if n := len(site.Draw.SecondOctets); n > 0 {
		second = byte(site.Draw.SecondOctets[rng.IntN(n)])
	}
	shift := 0
	if n := len(site.Draw.ThirdOctetShift); n > 0 {
		shift = site.Draw.ThirdOctetShift[rng.IntN(n)]
	}
	move := addressMove(site, base, second, shift)
	eachAddress(site, move, func(p netip.Prefix) netip.Prefix {
		return netip.PrefixFrom(move(p.Addr()), p.Bits())
	})
}

// addressMove returns where an address goes when the second octet becomes
// second and the third octets of segments with leases are shifted.
func addressMove(site *Site, base, second byte, shift int) func(netip.Addr) netip.Addr {
	var users []netip.Prefix
	for _, s := range site.Segments {
		if s.DHCPFirst.IsValid() {
			users = append(users, s.Net)
		}
	}
	return func(a netip.Addr) netip.Addr {
		if !a.Is4() {
			return a
		}
		b := a.As4()
		if b[0] != 10 || b[1] != base {
			return a
		}
		if slices.ContainsFunc(users, func(p netip.Prefix) bool { return p.Contains(a) }) {
			b[2] = byte(int(b[2]) + shift)
		}
		b[1] = second
		return netip.AddrFrom4(b)
	}
}

func moveTowns(site *Site) {
	rng := draw(site.Seed, "towns")
	if n := len(site.Draw.MainTowns); n > 0 {
		site.Company.MainTown = site.Draw.MainTowns[rng.IntN(n)]
	}
	pool := slices.DeleteFunc(slices.Clone(site.Draw.RemoteTowns), func(t string) bool { return t == site.Company.MainTown })
	if n := len(pool); n > 0 {
		site.Company.RemoteTown = pool[rng.IntN(n)]
	}
}

// loginStyles are the ways to build a login or an address's local part from a
// first and a last name, both without accents and in small letters.
var loginStyles = []func(first, last string) string{
	func(f, l string) string { return f[:1] + "." + l },
	func(f, l string) string { return f + "." + l },
	func(f, l string) string { return f[:1] + l },
	func(f, l string) string { return f + l[:1] },
	func(_, l string) string { return l },
	func(f, _ string) string { return f },
	func(_, l string) string { return "adm-" + l },
	func(f, l string) string { return "adm-" + f[:1] + l },
	func(f, l string) string { return "adm-" + f[:1] + "." + l },
	func(f, l string) string { return "ext-" + l },
	func(f, l string) string { return "ext-" + f[:1] + l },
}

// restyle writes for a new name what written was for the old one; a written
// value of no known style stays.
func restyle(written, oldFirst, oldLast, first, last string) string {
	of, ol := loginName(oldFirst), loginName(oldLast)
	nf, nl := loginName(first), loginName(last)
	if of == "" || ol == "" || nf == "" || nl == "" {
		return written
	}
	for _, style := range loginStyles {
		if style(of, ol) == written {
			return style(nf, nl)
		}
	}
	return written
}

// loginName folds a name to the letters of a login.
func loginName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return -1
	}, strings.ToLower(ascii(s)))
}

func movePeople(site *Site) {
	if len(site.Draw.FirstNames) == 0 || len(site.Draw.LastNames) == 0 {
		return
	}
	rng := draw(site.Seed, "people")
	firsts, lasts := slices.Clone(site.Draw.FirstNames), slices.Clone(site.Draw.LastNames)
	rng.Shuffle(len(firsts), func(i, j int) { firsts[i], firsts[j] = firsts[j], firsts[i] })
	rng.Shuffle(len(lasts), func(i, j int) { lasts[i], lasts[j] = lasts[j], lasts[i] })
	taken := map[string]bool{}
	phones := map[string]bool{}
	for i := range site.People {
		p := &site.People[i]
		old := *p
		// Two people may draw names that give one login; the next pair is tried
		// then. When every pair is taken the written name stays.
		for try := 0; try < len(firsts)*len(lasts); try++ {
			first, last := firsts[(i+try/len(lasts))%len(firsts)], lasts[(i+try)%len(lasts)]
			login := restyle(old.Login, old.FirstName, old.LastName, first, last)
			local, domain, at := strings.Cut(old.Email, "@")
			mail := restyle(local, old.FirstName, old.LastName, first, last)
			if taken["login "+login] && login != old.Login || taken["mail "+mail+domain] && mail != local || taken["name "+first+last] {
				continue
			}
			p.FirstName, p.LastName, p.Login = first, last, login
			if at {
				p.Email = mail + "@" + domain
			}
			break
		}
		taken["login "+p.Login], taken["name "+p.FirstName+p.LastName] = true, true
		local, domain, _ := strings.Cut(p.Email, "@")
		taken["mail "+local+domain] = true
		for try := 0; p.Phone != "" && (try == 0 || phones[p.Phone]) && try < 1000; try++ {
			p.Phone = movePhone(old.Phone, rng)
		}
		phones[p.Phone] = true
	}
}

// movePhone draws the last four digits of a number anew (two for a short one):
// the range before them is one reserved for fiction.
func movePhone(phone string, rng *rand.Rand) string {
	b := []byte(phone)
	var digits []int
	for i, c := range b {
		if c >= '0' && c <= '9' {
			digits = append(digits, i)
		}
	}
	n := 4
	if len(digits) < 8 {
		n = 2
	}
	for _, i := range digits[max(0, len(digits)-n):] {
		b[i] = byte('0' + rng.IntN(10))
	}
	return string(b)
}

// password draws one that people can type: three groups of four, without
// letters that look alike. With its dashes it has 14 characters: an OSPF key
// holds 16 (RFC 2328 D.3).
func password(seed uint64, name string) string {
	const letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	rng := draw(seed, "password/"+name)
	groups := make([]string, 3)
	for i := range groups {
		g := make([]byte, 4)
		for j := range g {
			g[j] = letters[rng.IntN(len(letters))]
		}
		groups[i] = string(g)
	}
	return strings.Join(groups, "-")
}

func (s *Site) node(name string) (*Node, error) {
	for i := range s.Nodes {
		if s.Nodes[i].Name == name {
			return &s.Nodes[i], nil
		}
	}
	var names []string
	for _, n := range s.Nodes {
		names = append(names, n.Name)
	}
	return nil, fmt.Errorf("no node %q in site %s%s", name, s.ID, Suggest(name, names))
}

func (s *Site) segment(id string) (*Segment, error) {
	for i := range s.Segments {
		if s.Segments[i].ID == id {
			return &s.Segments[i], nil
		}
	}
	var names []string
	for _, n := range s.Segments {
		names = append(names, n.ID)
	}
	return nil, fmt.Errorf("no segment %q in site %s%s", id, s.ID, Suggest(id, names))
}

// NodeNamed returns a node of the site, or an error with the nearest name.
func (s *Site) NodeNamed(name string) (*Node, error) {
	n, err := s.node(name)
	if err != nil {
		return nil, inputErrorf("", "%v", err)
	}
	return n, nil
}

// SegmentNamed returns a segment of the site, or an error with the nearest id.
func (s *Site) SegmentNamed(id string) (*Segment, error) {
	g, err := s.segment(id)
	if err != nil {
		return nil, inputErrorf("", "%v", err)
	}
	return g, nil
}

// AdminNode returns the candidate's node.
func (s *Site) AdminNode() *Node {
	for i := range s.Nodes {
		if s.Nodes[i].Class == Admin {
			return &s.Nodes[i]
		}
	}
	return nil
}

// PersonByID returns somebody of the site, nil when there is nobody of that id.
func (s *Site) PersonByID(id string) *Person {
	for i := range s.People {
		if s.People[i].ID == id {
			return &s.People[i]
		}
	}
	return nil
}
