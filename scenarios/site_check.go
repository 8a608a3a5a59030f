package scenarios

import (
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	idPattern    = regexp.MustCompile(`^[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*$`)
	ifacePattern = regexp.MustCompile(`^[a-z][a-z0-9]{0,14}$`)
	actions      = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
)

// Words that some fields are limited to.
var (
	classes     = []string{string(Router), string(Server), string(Workstation), string(Admin), string(Operator)}
	towns       = []string{"main", "remote", "outside"}
	windowKinds = []string{"production", "maintenance", "freeze"}
	// flowWords stand for every user segment, what lies outside, and everybody.
	flowWords  = []string{"users", "internet", "any"}
	flowProtos = []string{"tcp", "udp", "icmp", "ospf", "any"}
	probeKinds = []string{"icmp", "dns", "dhcp", "http", "ldap", "smb", "smtp", "imap", "sql", "ntp"}
)

// siteChecker checks what the types cannot say.
type siteChecker struct {
	*decoder
	site  *Site
	segs  map[string]*Segment
	names map[string]map[string]bool // kind -> ids
}

func checkSite(d *decoder, site *Site) {
	c := &siteChecker{decoder: d, site: site, segs: map[string]*Segment{}, names: map[string]map[string]bool{}}
	c.id("id", site.ID)
	c.collect()
	c.segments()
	c.nodeList()
	c.peopleAndGroups()
	c.servicesAndProbes()
	c.canaries()
	c.rest()
	c.draws()
	c.literals()
}

func (c *siteChecker) id(path, id string) {
	if id != "" && (!idPattern.MatchString(id) || len(id) > 40) {
		c.failAt(path, "%s: %q must be small letters, digits and single dashes, at most 40", path, id)
	}
}

func (c *siteChecker) word(path, v string, of []string) {
	if v != "" && !slices.Contains(of, v) {
		c.failAt(path, "%s: %q is not one of %s%s", path, v, strings.Join(of, ", "), nearName(v, of))
	}
}

// collect registers every id, so that references may point forwards.
func (c *siteChecker) collect() {
	add := func(kind, path, id string) {
		c.id(path, id)
		if id == "" {
			return
		}
		if c.names[kind] == nil {
			c.names[kind] = map[string]bool{}
		}
		if c.names[kind][id] {
			c.failAt(path, "%s: there are two %ss called %q", path, kind, id)
		}
		c.names[kind][id] = true
	}
	s := c.site
	if _, err := time.LoadLocation(s.Company.Timezone); err != nil {
		c.failAt("company.timezone", "company.timezone: %q is no time zone (IANA names, as Europe/Paris)", s.Company.Timezone)
	}
	for i := range s.Segments {
		add("segment", fmt.Sprintf("segments[%d].id", i), s.Segments[i].ID)
		c.segs[s.Segments[i].ID] = &s.Segments[i]
	}
	for i := range s.Nodes {
		add("node", fmt.Sprintf("nodes[%d].name", i), s.Nodes[i].Name)
	}
	for i := range s.Groups {
		add("group", fmt.Sprintf("groups[%d].id", i), s.Groups[i].ID)
	}
	logins := map[string]bool{}
	for i, p := range s.People {
		add("person", fmt.Sprintf("people[%d].id", i), p.ID)
		if p.Login != "" && logins[p.Login] {
			c.failAt(fmt.Sprintf("people[%d].login", i), "people[%d].login: two people have the login %q", i, p.Login)
		}
		logins[p.Login] = true
	}
	for i := range s.Services {
		add("service", fmt.Sprintf("services[%d].id", i), s.Services[i].ID)
	}
	for i := range s.Probes {
		add("probe", fmt.Sprintf("probes[%d].id", i), s.Probes[i].ID)
	}
	for i := range s.Canaries {
		add("canary", fmt.Sprintf("canaries[%d].id", i), s.Canaries[i].ID)
	}
	for i := range s.Secrets {
		add("secret", fmt.Sprintf("secrets[%d].id", i), s.Secrets[i].ID)
	}
	for i := range s.Windows {
		add("window", fmt.Sprintf("windows[%d].id", i), s.Windows[i].ID)
	}
	for i := range s.Devices {
		p := fmt.Sprintf("devices[%d].name", i)
		if add("device", p, s.Devices[i].Name); c.names["node"][s.Devices[i].Name] {
			c.failAt(p, "%s: there is a node called %q", p, s.Devices[i].Name)
		}
	}
	for i := range s.Contacts {
		add("contact", fmt.Sprintf("contacts[%d].id", i), s.Contacts[i].ID)
	}
}

// ref checks that an id exists.
func (c *siteChecker) ref(kind, path, id string) bool {
	if id == "" || c.names[kind][id] {
		return id != ""
	}
	c.failAt(path, "%s: no %s %q%s", path, kind, id, Suggest(id, slices.Collect(maps.Keys(c.names[kind]))))
	return false
}

func (c *siteChecker) refs(kind, path string, ids []string) {
	for i, id := range ids {
		p := fmt.Sprintf("%s[%d]", path, i)
		if c.ref(kind, p, id) && slices.Contains(ids[:i], id) {
			c.failAt(p, "%s: %q is listed twice", p, id)
		}
	}
}

func (c *siteChecker) segments() {
	segs := c.site.Segments
	for i, s := range segs {
		p := fmt.Sprintf("segments[%d]", i)
		c.word(p+".town", s.Town, towns)
		if !s.Net.IsValid() {
			continue
		}
		if s.Net.Bits() < 8 || s.Net.Bits() > 31 {
			c.failAt(p+".net", "%s.net: %s; a segment is a /8 to a /31", p, s.Net)
		}
		for j := range i {
			if segs[j].Net.IsValid() && s.Net.Overlaps(segs[j].Net) {
				c.failAt(p+".net", "%s.net: %s overlaps %s of segment %q", p, s.Net, segs[j].Net, segs[j].ID)
			}
		}
		in := func(field string, a netip.Addr) {
			if a.IsValid() && !usable(s.Net, a) {
				c.failAt(p+"."+field, "%s.%s: %s is no address of %s", p, field, a, s.Net)
			}
		}
		in("gateway", s.Gateway)
		in("dhcpFirst", s.DHCPFirst)
		in("dhcpLast", s.DHCPLast)
		switch {
		case s.DHCPFirst.IsValid() != s.DHCPLast.IsValid():
			c.failAt(p, "%s: dhcpFirst and dhcpLast go together", p)
		case s.DHCPFirst.IsValid() && s.DHCPLast.Less(s.DHCPFirst):
			c.failAt(p+".dhcpLast", "%s.dhcpLast: %s comes before dhcpFirst %s", p, s.DHCPLast, s.DHCPFirst)
		case s.DHCPFirst.IsValid() && !s.Gateway.IsValid():
			c.failAt(p, "%s: a segment with leases needs a gateway", p)
		}
	}
}

// usable says whether a host of the network may have the address.
func usable(p netip.Prefix, a netip.Addr) bool {
	return p.Contains(a) && (p.Bits() >= 31 || a != p.Masked().Addr() && a != lastOf(p))
}

func (c *siteChecker) nodeList() {
	owner := map[netip.Addr]string{}
	admins, wrongClass := 0, false
	for i, n := range c.site.Nodes {
		p := fmt.Sprintf("nodes[%d]", i)
		// The admin node may be the one whose class is misspelt.
		wrongClass = wrongClass || !slices.Contains(classes, string(n.Class))
		c.word(p+".class", string(n.Class), classes)
		c.id(p+".role", n.Role)
		c.ref("group", p+".group", n.Group)
		c.ref("person", p+".user", n.User)
		if n.Class == Admin {
			if admins++; admins == 2 {
				c.failAt(p+".class", "%s.class: a second admin node; a site has exactly one", p)
			}
		}
		if n.Class == Operator && n.Perimeter {
			c.failAt(p+".perimeter", "%s.perimeter: a node of the operator is outside the perimeter", p)
		}
		if n.MemoryMB < 0 || n.MemoryMB > 65536 {
			c.failAt(p+".memoryMB", "%s.memoryMB: %d; 0 to 65536", p, n.MemoryMB)
		}
		c.volumes(p, n)
		if len(n.Interfaces) == 0 && n.Name != "" {
			c.failAt(p+".interfaces", "%s.interfaces: node %s has none", p, n.Name)
		}
		ifaces := map[string]bool{}
		for j, f := range n.Interfaces {
			q := fmt.Sprintf("%s.interfaces[%d]", p, j)
			if f.Name != "" && (!ifacePattern.MatchString(f.Name) || f.Name == "lo") {
				c.failAt(q+".name", "%s.name: %q; small letters and digits, at most 15, not lo", q, f.Name)
			}
			if ifaces[f.Name] {
				c.failAt(q+".name", "%s.name: node %s has two interfaces called %q", q, n.Name, f.Name)
			}
			ifaces[f.Name] = true
			if c.ref("segment", q+".segment", f.Segment) {
				c.address(q, n, f, owner)
			}
		}
	}
	for i, x := range c.site.Devices {
		p := fmt.Sprintf("devices[%d]", i)
		if c.ref("segment", p+".segment", x.Segment) {
			c.address(p, Node{Name: x.Name}, Interface{Segment: x.Segment, Address: x.Address}, owner)
		}
	}
	if admins == 0 && len(c.site.Nodes) > 0 && !wrongClass {
		c.failAt("nodes", "nodes: no node of class admin; the candidate needs exactly one")
	}
}

// written says that a value stands in the file, were it one that could not be read.
func (c *siteChecker) written(path string) bool {
	_, ok := c.places[path]
	return ok
}

func (c *siteChecker) address(q string, n Node, f Interface, owner map[netip.Addr]string) {
	seg := c.segs[f.Segment]
	switch {
	case f.DHCP && f.Address.IsValid():
		c.failAt(q, "%s: either an address or dhcp, not both", q)
	case f.DHCP && !seg.DHCPFirst.IsValid():
		c.failAt(q+".dhcp", "%s.dhcp: segment %s leases no addresses; give it dhcpFirst and dhcpLast, or an address here", q, seg.ID)
	case !f.DHCP && !f.Address.IsValid() && !c.written(q+".address"):
		c.failAt(q, "%s: an address is missing (or dhcp: true)", q)
	}
	if !f.Address.IsValid() || !seg.Net.IsValid() {
		return
	}
	switch {
	case !seg.Net.Contains(f.Address):
		c.failAt(q+".address", "%s.address: %s is outside segment %s (%s)", q, f.Address, seg.ID, seg.Net)
	case !usable(seg.Net, f.Address):
		c.failAt(q+".address", "%s.address: %s is the network or the broadcast address of segment %s (%s)", q, f.Address, seg.ID, seg.Net)
	}
	if seg.DHCPFirst.IsValid() && !f.Address.Less(seg.DHCPFirst) && !seg.DHCPLast.Less(f.Address) {
		c.failAt(q+".address", "%s.address: %s lies among the leases of segment %s (%s to %s)", q, f.Address, seg.ID, seg.DHCPFirst, seg.DHCPLast)
	}
	if other, taken := owner[f.Address]; taken {
		c.failAt(q+".address", "%s.address: %s is already that of node %s", q, f.Address, other)
	}
	owner[f.Address] = n.Name
}

func (c *siteChecker) peopleAndGroups() {
	for i, g := range c.site.Groups {
		c.refs("segment", fmt.Sprintf("groups[%d].segments", i), g.Segments)
	}
	for i, p := range c.site.People {
		c.ref("group", fmt.Sprintf("people[%d].group", i), p.Group)
		if p.Email != "" && strings.Count(p.Email, "@") != 1 {
			c.failAt(fmt.Sprintf("people[%d].email", i), "people[%d].email: %q is no mail address", i, p.Email)
		}
	}
}

func (c *siteChecker) servicesAndProbes() {
	deps := map[string][]string{}
	at := map[string]string{}
	for i, s := range c.site.Services {
		p := fmt.Sprintf("services[%d]", i)
		c.refs("node", p+".nodes", s.Nodes)
		c.refs("group", p+".users", s.Users)
		for j, d := range s.DependsOn {
			q := fmt.Sprintf("%s.dependsOn[%d]", p, j)
			if !c.names["node"][d] && c.ref("service", q, d) {
				deps[s.ID] = append(deps[s.ID], d)
				at[s.ID+"\x00"+d] = q
			}
		}
		if s.Priority < 1 || s.Priority > 5 {
			c.failAt(p+".priority", "%s.priority: %d; 1 is the highest, 5 the lowest", p, s.Priority)
		}
		if s.Availability <= 0 || s.Availability > 100 {
			c.failAt(p+".availability", "%s.availability: %v; a percentage above 0, up to 100", p, s.Availability)
		}
		if s.RTO < 0 || s.RPO < 0 {
			c.failAt(p, "%s: rto and rpo cannot be negative", p)
		}
	}
	c.cycles(deps, at)
	for i, pr := range c.site.Probes {
		p := fmt.Sprintf("probes[%d]", i)
		c.ref("service", p+".service", pr.Service)
		c.word(p+".kind", pr.Kind, probeKinds)
		c.refs("segment", p+".segments", pr.Segments)
		if pr.Port < 0 || pr.Port > 65535 {
			c.failAt(p+".port", "%s.port: %d; 1 to 65535", p, pr.Port)
		}
		if t := pr.Target; idPattern.MatchString(t) && pr.Kind != "dhcp" && t != "gateway" {
			c.ref("node", p+".target", t)
		}
	}
}

// canaries checks that each is either a file or a query.
func (c *siteChecker) canaries() {
	for i, x := range c.site.Canaries {
		p := fmt.Sprintf("canaries[%d]", i)
		file, query := x.Node != "" || x.Path != "", x.Probe != "" || x.Query != ""
		switch {
		case file == query, file && (x.Node == "" || x.Path == ""), query && (x.Probe == "" || x.Query == ""):
			c.failAt(p, "%s: either node and path (a file), or probe and query", p)
		case file && !strings.HasPrefix(x.Path, "/"):
			c.failAt(p+".path", "%s.path: %q must begin with /", p, x.Path)
		}
		c.ref("node", p+".node", x.Node)
		if c.ref("probe", p+".probe", x.Probe) {
			for _, pr := range c.site.Probes {
				if pr.ID == x.Probe && pr.Kind != "sql" {
					c.failAt(p+".probe", "%s.probe: %q is of kind %s; a query needs one of kind sql", p, x.Probe, pr.Kind)
				}
			}
		}
	}
}

// cycles reports each circle of dependsOn once.
func (c *siteChecker) cycles(deps map[string][]string, at map[string]string) {
	state := map[string]int{} // 1 on the way, 2 done
	var way []string
	var visit func(id string)
	visit = func(id string) {
		state[id] = 1
		way = append(way, id)
		for _, d := range deps[id] {
			switch state[d] {
			case 0:
				visit(d)
			case 1:
				circle := append(slices.Clone(way[slices.Index(way, d):]), d)
				c.failAt(at[id+"\x00"+d], "%s: services depend on each other in a circle: %s; take one of these dependsOn away", at[id+"\x00"+d], strings.Join(circle, " -> "))
			}
		}
		way = way[:len(way)-1]
		state[id] = 2
	}
	for _, s := range c.site.Services {
		if state[s.ID] == 0 {
			visit(s.ID)
		}
	}
}

func (c *siteChecker) rest() {
	s := c.site
	for i, f := range s.Flows {
		p := fmt.Sprintf("flows[%d]", i)
		c.word(p+".proto", f.Proto, flowProtos)
		c.flowEnd(p+".from", f.From)
		c.flowEnd(p+".to", f.To)
	}
	for i, b := range s.Backups {
		c.ref("node", fmt.Sprintf("backups[%d].node", i), b.Node)
	}
	for i, w := range s.Windows {
		p := fmt.Sprintf("windows[%d]", i)
		c.word(p+".kind", w.Kind, windowKinds)
		if w.End <= w.Start {
			c.failAt(p+".end", "%s.end: the window ends before it begins", p)
		}
	}
	checkEntries(c, "logbook", s.Logbook)
	for i, t := range s.Contacts {
		c.ref("person", fmt.Sprintf("contacts[%d].person", i), t.Person)
	}
	if s.Files != nil {
		c.folders()
	}
}

func checkEntries(c *siteChecker, path string, entries []Entry) {
	for i, e := range entries {
		p := fmt.Sprintf("%s[%d]", path, i)
		c.ref("person", p+".author", e.Author)
		c.ref("node", p+".node", e.Node)
		if e.Ago < 0 {
			c.failAt(p+".ago", "%s.ago: a line of the logbook lies in the past; write it without a minus", p)
		}
	}
}

func (c *siteChecker) flowEnd(path, end string) {
	if end == "" || slices.Contains(flowWords, end) || strings.Contains(end, "{{") {
		return
	}
	if _, err := netip.ParseAddr(end); err == nil {
		return
	}
	if _, err := netip.ParsePrefix(end); err == nil {
		return
	}
	var all []string
	for _, kind := range []string{"segment", "node", "group"} {
		if c.names[kind][end] {
			return
		}
		all = slices.AppendSeq(all, maps.Keys(c.names[kind]))
	}
	c.failAt(path, "%s: no segment, node or group %q%s", path, end, Suggest(end, all))
}

// folders checks that the trees beside site.yaml are of nodes and roles that
// exist, so that a misspelt folder is not silently ignored.
func (c *siteChecker) folders() {
	roles := map[string]bool{"common": true}
	for _, n := range c.site.Nodes {
		roles[n.Role] = true
	}
	for dir, known := range map[string]map[string]bool{"roles": roles, "nodes": c.names["node"]} {
		entries, err := fs.ReadDir(c.site.Files, dir)
		if err != nil {
			continue // no such folder
		}
		for _, e := range entries {
			if e.IsDir() && !known[e.Name()] {
				f := inputErrorf(strings.TrimSuffix(c.file, siteFile)+dir+"/"+e.Name(), "no %s %q in the site%s",
					strings.TrimSuffix(dir, "s"), e.Name(), Suggest(e.Name(), slices.Collect(maps.Keys(known))))
				c.errs = append(c.errs, f)
			}
		}
	}
}

// draws checks that every drawing keeps the addressing plan sound.
func (c *siteChecker) draws() {
	d := c.site.Draw
	base, ok := companyOctet(c.site)
	for i, o := range d.SecondOctets {
		p := fmt.Sprintf("draw.secondOctets[%d]", i)
		if o < 0 || o > 255 {
			c.failAt(p, "%s: %d is no octet", p, o)
		}
	}
	if !ok {
		return
	}
	for i, shift := range d.ThirdOctetShift {
		if shift == 0 {
			continue // as written: checked with the segments
		}
		p := fmt.Sprintf("draw.thirdOctetShift[%d]", i)
		var moved []netip.Prefix
		move := addressMove(c.site, base, base, shift)
		for _, s := range c.site.Segments {
			if !s.Net.IsValid() {
				continue
			}
			if s.DHCPFirst.IsValid() {
				if o := int(s.Net.Addr().As4()[2]) + shift; o < 0 || o > 255 {
					c.failAt(p, "%s: %d moves segment %s out of its range", p, shift, s.ID)
					continue
				}
			}
			n := netip.PrefixFrom(move(s.Net.Addr()), s.Net.Bits())
			if n != n.Masked() || slices.ContainsFunc(moved, n.Overlaps) {
				c.failAt(p, "%s: %d moves segment %s (%s) onto another", p, shift, s.ID, s.Net)
			}
			moved = append(moved, n)
		}
	}
	for i, a := range c.site.Draw.MainTowns {
		if a == c.site.Company.RemoteTown && len(d.RemoteTowns) == 0 {
			p := fmt.Sprintf("draw.mainTowns[%d]", i)
			c.failAt(p, "%s: %q is the remote town", p, a)
		}
	}
}

// literals reports values written out in texts that the seed would move: the
// text would then tell another story than the lab.
func (c *siteChecker) literals() {
	type moving struct {
		re   *regexp.Regexp
		what string
	}
	var list []moving
	d := c.site.Draw
	word := func(s, what string) {
		if len([]rune(s)) >= 4 {
			list = append(list, moving{regexp.MustCompile(`(?:^|[^\pL\pN])` + regexp.QuoteMeta(s) + `(?:$|[^\pL\pN])`), what})
		}
	}
	if base, ok := companyOctet(c.site); ok && len(d.SecondOctets)+len(d.ThirdOctetShift) > 0 {
		list = append(list, moving{regexp.MustCompile(fmt.Sprintf(`(?:^|[^0-9.])10\.%d\.[0-9]+`, base)), `the address %q moves with the seed; write for instance {{addr "NODE"}} or {{net "SEGMENT"}}`})
	}
	if len(d.MainTowns) > 0 {
		word(c.site.Company.MainTown, `the town %q moves with the seed; write {{.Site.Company.MainTown}}`)
	}
	if len(d.RemoteTowns) > 0 {
		word(c.site.Company.RemoteTown, `the town %q moves with the seed; write {{.Site.Company.RemoteTown}}`)
	}
	if len(d.FirstNames) > 0 && len(d.LastNames) > 0 {
		for _, p := range c.site.People {
			word(p.LastName, `the name %q moves with the seed; write {{(person "`+p.ID+`").LastName}}`)
			if strings.ContainsAny(p.Login, ".-") {
				word(p.Login, `the login %q moves with the seed; write {{(person "`+p.ID+`").Login}}`)
			}
		}
	}
	eachTemplate(c.site, func(path, s string) string {
		plain := actions.ReplaceAllString(s, " ")
		for _, m := range list {
			if hit := m.re.FindString(plain); hit != "" {
				c.failAt(path, "%s: "+m.what, path, strings.Trim(hit, " \n\t.,;:()'\"’/"))
			}
		}
		return s
	})
}
