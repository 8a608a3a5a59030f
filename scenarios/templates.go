package scenarios

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// environment is what the functions of a template look into.
type environment struct {
	site *Site
	node *Node // nil in a site's own texts
}

// data is the dot of a template.
type data struct {
	Site *Site
	Node *Node
	Item any
	Pick map[string]string
}

// maxOutput bounds what one template may write.
const maxOutput = 8 << 20

type boundedBuffer struct{ bytes.Buffer }

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxOutput {
		return 0, fmt.Errorf("the template writes more than %d bytes", maxOutput)
	}
	return b.Buffer.Write(p)
}

// run executes one template. A missing key is an error, never "<no value>".
//
// Parsing is done once per text and site: 61 nodes share most of their files.
// Only the function var looks at the node; a template that uses it is cloned and
// given that one anew.
func (e *environment) run(name, text string, dot data) (string, error) {
	parsed, err := once(e.site.memo, "template\x00"+name+"\x00"+text, func() (*template.Template, error) {
		fns, err := once(e.site.memo, "functions", func() (template.FuncMap, error) { return e.functions(), nil })
		if err != nil {
			return nil, err
		}
		return template.New(name).Option("missingkey=error").Funcs(fns).Parse(text)
	})
	if err != nil {
		return "", cleanTemplateError(err)
	}
	t := parsed
	if usesVar.MatchString(text) {
		if t, err = parsed.Clone(); err != nil {
			return "", err
		}
		t.Funcs(template.FuncMap{"var": e.variable})
	}
	var out boundedBuffer
	if err := t.Execute(&out, dot); err != nil {
		return "", cleanTemplateError(err)
	}
	return out.String(), nil
}

var usesVar = regexp.MustCompile(`\bvar\b`)

// templateError is a mistake in a template, in the words of who writes one.
type templateError struct {
	line, column int // inside the text; column 0: the line as a whole
	msg          string
}

func (e *templateError) Error() string {
	if e.line <= 1 {
		return e.msg
	}
	return fmt.Sprintf("line %d of the text: %s", e.line, e.msg)
}

var (
	templatePrefix = regexp.MustCompile(`(?s)^template: .*?:(\d+)(?::(\d+))?: (?:executing ".*?" at )?(.*)$`)
	noEntry        = regexp.MustCompile(`^<(.*)>: map has no entry for key "(.*)"$`)
	noField        = regexp.MustCompile(`^<(.*)>: can't evaluate field (\w+) in type \*?(?:scenarios\.)?(.*)$`)
	called         = regexp.MustCompile(`(?s)^<(.*)>: error calling \w+: (.*)$`)
	noFunction     = regexp.MustCompile(`^function "(.*)" not defined$`)
)

// cleanTemplateError keeps the place inside the template and what is wrong.
func cleanTemplateError(err error) error {
	m := templatePrefix.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	e := &templateError{msg: m[3]}
	e.line, _ = strconv.Atoi(m[1])
	e.column, _ = strconv.Atoi(m[2])
	if e.column > 0 {
		e.column++ // text/template counts from 0
	}
	if x := noEntry.FindStringSubmatch(e.msg); x != nil && strings.HasPrefix(x[1], ".Pick.") {
		e.msg = fmt.Sprintf("{{%s}}: no pick of the scenario or the variant is called %q", x[1], x[2])
	} else if x != nil {
		e.msg = fmt.Sprintf("{{%s}}: there is no %q here", x[1], x[2])
	} else if x := noField.FindStringSubmatch(e.msg); x != nil && strings.HasPrefix(x[3], "interface") {
		e.msg = fmt.Sprintf("{{%s}}: there is no %q here", x[1], x[2])
	} else if x != nil {
		e.msg = fmt.Sprintf("{{%s}}: %s has no %q%s", x[1], x[3], x[2], nearName(x[2], fieldNames(x[3])))
	} else if x := called.FindStringSubmatch(e.msg); x != nil {
		e.msg = fmt.Sprintf("{{%s}}: %s", x[1], x[2])
	} else if x := noFunction.FindStringSubmatch(e.msg); x != nil {
		e.msg = fmt.Sprintf("there is no function %q for templates%s", x[1], nearName(x[1], slices.Collect(maps.Keys((&environment{site: &Site{}}).functions()))))
	} else if e.msg == "unclosed action" {
		e.msg = "a {{ is not closed with }}"
	} else {
		e.msg = "the template cannot be read: " + e.msg
	}
	return e
}

// fieldNames are those of a type that templates reach, for a hint.
func fieldNames(name string) []string {
	for _, v := range []any{Site{}, Company{}, Segment{}, Node{}, Interface{}, Group{}, Person{}, Service{}, Probe{}, Secret{}, data{}} {
		t := reflect.TypeOf(v)
		if t.Name() != name {
			continue
		}
		var out []string
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				out = append(out, t.Field(i).Name)
			}
		}
		return out
	}
	return nil
}

// functions are those of the templates of sites and scenarios; the package
// comment of the library lists them.
func (e *environment) functions() template.FuncMap {
	fns := template.FuncMap{
		// People and things.
		"node":    e.site.node,
		"segment": e.site.segment,
		"person": func(id string) (*Person, error) {
			return find(e.site.People, "person", id, func(p *Person) string { return p.ID })
		},
		"group": func(id string) (*Group, error) {
			return find(e.site.Groups, "group", id, func(p *Group) string { return p.ID })
		},
		"service": func(id string) (*Service, error) {
			return find(e.site.Services, "service", id, func(p *Service) string { return p.ID })
		},
		"probe": func(id string) (*Probe, error) {
			return find(e.site.Probes, "probe", id, func(p *Probe) string { return p.ID })
		},
		"userOf": e.userOf,
		"people": e.people,
		"var":    e.variable,
		// Nodes and segments, in the order of the file.
		"nodes":        func() []*Node { return e.nodes(func(*Node) bool { return true }) },
		"nodesByRole":  func(r string) []*Node { return e.nodes(func(n *Node) bool { return n.Role == r }) },
		"nodesByClass": func(c string) []*Node { return e.nodes(func(n *Node) bool { return string(n.Class) == c }) },
		"perimeter":    func() []*Node { return e.nodes(func(n *Node) bool { return n.Perimeter }) },
		"workstations": func() []*Node { return e.nodes(func(n *Node) bool { return n.Class == Workstation }) },
		"nodesIn":      e.nodesIn,
		"segments":     func() []*Segment { return e.segments(func(*Segment) bool { return true }) },
		"userSegments": func() []*Segment { return e.segments(func(s *Segment) bool { return s.DHCPFirst.IsValid() }) },
		"segmentsOf":   func(t string) []*Segment { return e.segments(func(s *Segment) bool { return s.Town == t }) },
		"fqdn":         e.fqdn,
		// Secrets and keys.
		"secret":     e.secret,
		"secretUser": func(id string) (string, error) { s, err := e.secretEntry(id); return s.User, err },
		"password":   func(name string) string { return password(e.site.Seed, "file/"+name) },
		"token":      e.token,
		"uuid":       e.uuid,
		"machineID":  func(node string) (string, error) { return e.token("machine-id/"+node, 32) },
		"draw": func(name string, low, high int) (int, error) {
			if high < low {
				return 0, fmt.Errorf("draw %q: nothing between %d and %d", name, low, high)
			}
			return low + draw(e.site.Seed, "draw/"+name).IntN(high-low+1), nil
		},
	}
	for _, more := range []template.FuncMap{e.addressFunctions(), e.keyFunctions(), textFunctions} {
		for k, v := range more {
			if _, dup := fns[k]; dup {
				panic("scenarios: two template functions are called " + k)
			}
			fns[k] = v
		}
	}
	return fns
}

func find[T any](list []T, kind, id string, key func(*T) string) (*T, error) {
	var names []string
	for i := range list {
		if key(&list[i]) == id {
			return &list[i], nil
		}
		names = append(names, key(&list[i]))
	}
	return nil, fmt.Errorf("no %s %q%s", kind, id, Suggest(id, names))
}

func (e *environment) nodes(keep func(*Node) bool) []*Node {
	var out []*Node
	for i := range e.site.Nodes {
		if keep(&e.site.Nodes[i]) {
			out = append(out, &e.site.Nodes[i])
		}
	}
	return out
}

func (e *environment) nodesIn(seg string) ([]*Node, error) {
	if _, err := e.site.segment(seg); err != nil {
		return nil, err
	}
	return e.nodes(func(n *Node) bool {
		return slices.ContainsFunc(n.Interfaces, func(i Interface) bool { return i.Segment == seg })
	}), nil
}

func (e *environment) segments(keep func(*Segment) bool) []*Segment {
	var out []*Segment
	for i := range e.site.Segments {
		if keep(&e.site.Segments[i]) {
			out = append(out, &e.site.Segments[i])
		}
	}
	return out
}

func (e *environment) people(group ...string) []*Person {
	var out []*Person
	for i := range e.site.People {
		if len(group) == 0 || slices.Contains(group, e.site.People[i].Group) {
			out = append(out, &e.site.People[i])
		}
	}
	return out
}

func (e *environment) userOf(name string) (*Person, error) {
	n, err := e.site.node(name)
	if err != nil {
		return nil, err
	}
	if n.User == "" {
		return nil, fmt.Errorf("node %s has no user", name)
	}
	return find(e.site.People, "person", n.User, func(p *Person) string { return p.ID })
}

// variable returns a value of the node, else of the site.
func (e *environment) variable(name string) (string, error) {
	if e.node != nil {
		if v, ok := e.node.Vars[name]; ok {
			return v, nil
		}
	}
	if v, ok := e.site.Vars[name]; ok {
		return v, nil
	}
	var names []string
	for k := range e.site.Vars {
		names = append(names, k)
	}
	return "", fmt.Errorf("no variable %q%s", name, Suggest(name, names))
}

func (e *environment) fqdn(name string) (string, error) {
	if _, err := e.site.node(name); err != nil {
		return "", err
	}
	return name + "." + e.site.Company.Domain, nil
}

func (e *environment) secretEntry(id string) (Secret, error) {
	s, err := find(e.site.Secrets, "secret", id, func(s *Secret) string { return s.ID })
	if err != nil {
		return Secret{}, err
	}
	return *s, nil
}

func (e *environment) secret(id string) (string, error) {
	s, err := e.secretEntry(id)
	return s.Value, err
}

func (e *environment) token(name string, n int) (string, error) {
	if n < 1 || n > 64 {
		return "", fmt.Errorf("token %q: 1 to 64 digits, not %d", name, n)
	}
	return fmt.Sprintf("%x", derive(e.site.Seed, "token/"+name))[:n], nil
}

func (e *environment) uuid(name string) string {
	h := derive(e.site.Seed, "uuid/"+name)
	h[6], h[8] = h[6]&0x0f|0x40, h[8]&0x3f|0x80 // RFC 9562 5.4
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// addressFunctions speak of the addressing plan.
func (e *environment) addressFunctions() template.FuncMap {
	net := func(fn func(s *Segment) any) func(string) (any, error) {
		return func(id string) (any, error) {
			s, err := e.site.segment(id)
			if err != nil {
				return nil, err
			}
			return fn(s), nil
		}
	}
	return template.FuncMap{
		"addr": func(n string, seg ...string) (string, error) {
			i, err := e.port(n, true, seg)
			return i.Address.String(), err
		},
		"iface":     func(n, seg string) (string, error) { i, err := e.port(n, false, []string{seg}); return i.Name, err },
		"cidr":      e.cidr,
		"segof":     func(n string) (string, error) { i, err := e.port(n, false, nil); return i.Segment, err },
		"net":       net(func(s *Segment) any { return s.Net.String() }),
		"network":   net(func(s *Segment) any { return s.Net.Addr().String() }),
		"bits":      net(func(s *Segment) any { return s.Net.Bits() }),
		"mask":      net(func(s *Segment) any { return maskOf(s.Net, false).String() }),
		"wildcard":  net(func(s *Segment) any { return maskOf(s.Net, true).String() }),
		"broadcast": net(func(s *Segment) any { return lastOf(s.Net).String() }),
		"gateway":   e.segmentAddr(func(s *Segment) netip.Addr { return s.Gateway }, "gateway"),
		"dhcpFirst": e.segmentAddr(func(s *Segment) netip.Addr { return s.DHCPFirst }, "lease"),
		"dhcpLast":  e.segmentAddr(func(s *Segment) netip.Addr { return s.DHCPLast }, "lease"),
		"host":      e.host,
		"octet2":    func() int { o, _ := companyOctet(e.site); return int(o) },
		"summary":   func() string { o, _ := companyOctet(e.site); return fmt.Sprintf("10.%d.0.0/16", o) },
		"revzone16": func() string { o, _ := companyOctet(e.site); return fmt.Sprintf("%d.10.in-addr.arpa", o) },
		"revzone":   e.revzone,
		"ptr":       func(a string) (string, error) { l, err := ptrLabel(a, 4); return l + ".in-addr.arpa", err },
		"ptrlabel":  ptrLabel,
	}
}

// port returns the node's attachment to a segment, or its first one.
func (e *environment) port(name string, withAddress bool, seg []string) (Interface, error) {
	n, err := e.site.node(name)
	if err != nil {
		return Interface{}, err
	}
	if len(seg) > 0 {
		if _, err := e.site.segment(seg[0]); err != nil {
			return Interface{}, err
		}
	}
	for _, i := range n.Interfaces {
		if (len(seg) == 0 || i.Segment == seg[0]) && (!withAddress || i.Address.IsValid()) {
			return i, nil
		}
	}
	if len(seg) > 0 {
		return Interface{}, fmt.Errorf("node %s has no address in segment %s", name, seg[0])
	}
	return Interface{}, fmt.Errorf("node %s has no fixed address", name)
}

func (e *environment) cidr(name string, seg ...string) (string, error) {
	i, err := e.port(name, true, seg)
	if err != nil {
		return "", err
	}
	s, err := e.site.segment(i.Segment)
	if err != nil {
		return "", err
	}
	return netip.PrefixFrom(i.Address, s.Net.Bits()).String(), nil
}

func (e *environment) segmentAddr(get func(*Segment) netip.Addr, kind string) func(string) (string, error) {
	return func(id string) (string, error) {
		s, err := e.site.segment(id)
		if err != nil {
			return "", err
		}
		if a := get(s); a.IsValid() {
			return a.String(), nil
		}
		return "", fmt.Errorf("segment %s has no %s", id, kind)
	}
}

func (e *environment) host(id string, n int) (string, error) {
	s, err := e.site.segment(id)
	if err != nil {
		return "", err
	}
	a := s.Net.Addr().As4()
	v := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	v += uint32(n)
	out := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	if n < 0 || !s.Net.Contains(out) {
		return "", fmt.Errorf("segment %s (%s) has no address number %d", id, s.Net, n)
	}
	return out.String(), nil
}

// revzone names the reverse zone of a segment or an address by whole octets,
// three at most.
func (e *environment) revzone(of string) (string, error) {
	octets := 3
	a, err := netip.ParseAddr(of)
	if err != nil {
		s, err := e.site.segment(of)
		if err != nil {
			return "", err
		}
		a, octets = s.Net.Addr(), min(3, max(1, s.Net.Bits()/8))
	}
	b := a.As4()
	labels := []string{}
	for i := octets - 1; i >= 0; i-- {
		labels = append(labels, fmt.Sprint(b[i]))
	}
	return strings.Join(labels, ".") + ".in-addr.arpa", nil
}

// ptrLabel writes the last n octets of an address, reversed.
func ptrLabel(addr string, n int) (string, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil || !a.Is4() || n < 1 || n > 4 {
		return "", fmt.Errorf("no reverse name for %q with %d octets", addr, n)
	}
	b := a.As4()
	var labels []string
	for i := 3; i > 3-n; i-- {
		labels = append(labels, fmt.Sprint(b[i]))
	}
	return strings.Join(labels, "."), nil
}

func maskOf(p netip.Prefix, inverted bool) netip.Addr {
	m := ^uint32(0) << (32 - p.Bits())
	if p.Bits() == 0 {
		m = 0
	}
	if inverted {
		m = ^m
	}
	return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)})
}

func lastOf(p netip.Prefix) netip.Addr {
	a, w := p.Masked().Addr().As4(), maskOf(p, true).As4()
	for i := range a {
		a[i] |= w[i]
	}
	return netip.AddrFrom4(a)
}

// ascii takes the accents away and writes ligatures and typographic signs with
// plain letters.
func ascii(s string) string {
	s = strings.NewReplacer("œ", "oe", "Œ", "OE", "æ", "ae", "Æ", "AE", "ß", "ss", "’", "'", "\u00a0", " ", "\u202f", " ").Replace(s)
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || r > unicode.MaxASCII {
			return -1
		}
		return r
	}, norm.NFD.String(s))
}
