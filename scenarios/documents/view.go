package documents

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/situlab/situlab/scenarios"
)

// view is a site as the templates see it.
type view struct {
	Site *scenarios.Site
	Options

	segments map[string]*scenarios.Segment
	people   map[string]*scenarios.Person
	net      *network
}

func newView(site *scenarios.Site, o Options) *view {
	v := &view{Site: site, Options: o,
		segments: map[string]*scenarios.Segment{}, people: map[string]*scenarios.Person{}}
	for i := range site.Segments {
		v.segments[site.Segments[i].ID] = &site.Segments[i]
	}
	for i := range site.People {
		v.people[site.People[i].ID] = &site.People[i]
	}
	v.net = newNetwork(site)
	return v
}

// functions are what the templates call; each returns Markdown.
func (v *view) functions() template.FuncMap {
	return template.FuncMap{
		"addressing": v.addressing, "addresses": v.addresses, "inventory": v.inventory, "workstations": v.workstations,
		"flows": v.flows, "services": v.services, "serviceSummary": v.serviceSummary, "windows": v.windows,
		"backups": v.backups, "logbook": v.logbook, "contacts": v.contacts, "people": v.peopleTable, "groups": v.groups,
		"outside": v.outside, "inside": v.inside, "plan": func() string { return "```\n" + v.net.text(v.Lang) + "```" },
		"backupLine": v.backupLine, "day": func() string { return v.day(v.Start) }, "clock": func() string { return v.clock(v.Start) },
		"admin": v.admin, "account": v.account, "holder": v.holder, "secretTitles": v.secretTitles, "nodeCount": v.nodeCount,
		"current": v.current, "factor": v.factor, "prices": v.prices, "de": scenarios.De,
	}
}

func (v *view) tr(fr, en string) string { return scenarios.Text{FR: fr, EN: en}.In(v.Lang) }

func (v *view) text(t scenarios.Text) string { return t.In(v.Lang) }

// table writes a Markdown table.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| " + strings.ReplaceAll(strings.ReplaceAll(c, "|", "\\|"), "\n", " ") + " ")
		}
		b.WriteString("|\n")
	}
	line(head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, r := range rows {
		line(r)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (v *view) town(name string) string {
	switch name {
	case "main":
		return v.Site.Company.MainTown
	case "remote":
		return v.Site.Company.RemoteTown
	}
	return v.tr("extérieur", "outside")
}

// titled is a segment's title with its speed, where the title does not say it.
func titled(s *scenarios.Segment, lang string) string {
	title := s.Title.In(lang)
	if strings.Contains(title, "bit/s") {
		return title
	}
	return join(" · ", title, rate(s.RateBits))
}

// rate is a line's speed; empty when it has no limit.
func rate(bits uint64) string {
	switch {
	case bits == 0:
		return ""
	case bits%1_000_000 == 0:
		return fmt.Sprintf("%d%sMbit/s", bits/1_000_000, nbsp)
	}
	return fmt.Sprintf("%d%skbit/s", bits/1000, nbsp)
}

func (v *view) addressing() string {
	var rows [][]string
	for i := range v.Site.Segments {
		s := &v.Site.Segments[i]
		leases := "–"
		if s.DHCPFirst.IsValid() {
			leases = tail(s.DHCPFirst) + " – " + tail(s.DHCPLast)
		}
		gateway := "–"
		if s.Gateway.IsValid() {
			gateway = tail(s.Gateway)
		}
		rows = append(rows, []string{strings.ToUpper(s.ID), s.Net.String(), gateway, leases, v.town(s.Town),
			titled(s, v.Lang)})
	}
	return table([]string{v.tr("Réseau", "Network"), v.tr("Préfixe", "Prefix"), v.tr("Passerelle", "Gateway"), v.tr("Baux DHCP", "DHCP leases"),
		v.tr("Lieu", "Place"), v.tr("Usage", "Use")}, rows)
}

func (v *view) addresses() string {
	type row struct {
		addr  netip.Addr
		cells []string
	}
	var rows []row
	for i := range v.Site.Nodes {
		n := &v.Site.Nodes[i]
		for _, f := range n.Interfaces {
			if f.Address.IsValid() {
				rows = append(rows, row{f.Address, []string{f.Address.String(), n.Name, f.Name, strings.ToUpper(f.Segment), v.text(n.Title)}})
			}
		}
	}
	for _, x := range v.Site.Devices {
		rows = append(rows, row{x.Address, []string{x.Address.String(), x.Name, "–", strings.ToUpper(x.Segment), v.text(x.Title)}})
	}
	slices.SortStableFunc(rows, func(a, b row) int { return a.addr.Compare(b.addr) })
	cells := make([][]string, len(rows))
	for i, r := range rows {
		cells[i] = r.cells
	}
	return table([]string{v.tr("Adresse", "Address"), v.tr("Équipement", "Machine"), v.tr("Carte", "Card"), v.tr("Réseau", "Network"), v.tr("Rôle", "Role")}, cells)
}

func (v *view) class(c scenarios.Class) string {
	switch c {
	case scenarios.Router:
		return v.tr("routeur ou pare-feu", "router or firewall")
	case scenarios.Server:
		return v.tr("serveur", "server")
	case scenarios.Admin:
		return v.tr("poste d’administration (le vôtre)", "administration workstation (yours)")
	case scenarios.Operator:
		return v.tr("équipement d’opérateur", "carrier equipment")
	}
	return v.tr("poste de travail", "workstation")
}

func (v *view) inventory() string {
	var rows [][]string
	for i := range v.Site.Nodes {
		n := &v.Site.Nodes[i]
		if n.Class == scenarios.Workstation {
			continue
		}
		rows = append(rows, []string{n.Name, v.text(n.Title), v.class(n.Class), v.townOf(n), v.yes(n.Perimeter), v.servicesOn(n.Name)})
	}
	return table([]string{v.tr("Équipement", "Machine"), v.tr("Rôle", "Role"), v.tr("Nature", "Kind"), v.tr("Lieu", "Place"),
		v.tr("Périmètre", "Perimeter"), v.tr("Services", "Services")}, rows)
}

func (v *view) townOf(n *scenarios.Node) string {
	for _, f := range n.Interfaces {
		if s := v.segments[f.Segment]; s != nil && n.Class != scenarios.Operator {
			return v.town(s.Town)
		}
	}
	return v.town("")
}

func (v *view) yes(b bool) string {
	if b {
		return v.tr("oui", "yes")
	}
	return v.tr("non", "no")
}

func (v *view) servicesOn(node string) string {
	var list []string
	for _, s := range v.Site.Services {
		if slices.Contains(s.Nodes, node) {
			list = append(list, v.text(s.Title))
		}
	}
	return cmp.Or(strings.Join(list, ", "), "–")
}

func (v *view) workstations() string {
	var rows [][]string
	for i := range v.Site.Nodes {
		n := &v.Site.Nodes[i]
		if n.Class != scenarios.Workstation {
			continue
		}
		var segs []string
		for _, f := range n.Interfaces {
			segs = append(segs, strings.ToUpper(f.Segment))
		}
		user, job := "–", "–"
		if p := v.people[n.User]; p != nil {
			user, job = p.FirstName+" "+p.LastName, v.text(p.Job)
		}
		rows = append(rows, []string{n.Name, strings.Join(segs, ", "), user, job})
	}
	return table([]string{v.tr("Poste", "Workstation"), v.tr("Réseau", "Network"), v.tr("Utilisateur", "User"), v.tr("Fonction", "Job")}, rows)
}

func (v *view) end(name string) string {
	switch {
	case name == "any":
		return v.tr("tous", "any")
	case v.segments[name] != nil:
		return strings.ToUpper(name)
	}
	for _, g := range v.Site.Groups {
		if g.ID == name {
			return v.text(g.Title)
		}
	}
	return name
}

func (v *view) flows() string {
	var rows [][]string
	for _, f := range v.Site.Flows {
		verdict := v.tr("autorisé", "allowed")
		if !f.Allow {
			verdict = v.tr("INTERDIT", "FORBIDDEN")
		}
		proto := f.Proto
		if proto == "any" {
			proto = v.tr("tous", "any")
		}
		rows = append(rows, []string{v.end(f.From), v.end(f.To), join(" ", proto, f.Ports), verdict, v.text(f.Reason)})
	}
	return table([]string{v.tr("De", "From"), v.tr("Vers", "To"), v.tr("Protocole", "Protocol"), v.tr("Règle", "Rule"), v.tr("Raison", "Reason")}, rows)
}

// sorted are the services by priority.
func (v *view) sorted() []scenarios.Service {
	list := slices.Clone(v.Site.Services)
	slices.SortStableFunc(list, func(a, b scenarios.Service) int { return cmp.Compare(a.Priority, b.Priority) })
	return list
}

func (v *view) serviceTitle(id string) string {
	for _, s := range v.Site.Services {
		if s.ID == id {
			return v.text(s.Title)
		}
	}
	return id
}

func (v *view) serviceSummary() string {
	var rows [][]string
	for _, s := range v.sorted() {
		rows = append(rows, []string{fmt.Sprintf("P%d", s.Priority), v.text(s.Title), v.decimal(s.Availability) + nbsp + "%",
			v.span(time.Duration(s.RTO)), v.span(time.Duration(s.RPO))})
	}
	return table([]string{v.tr("Priorité", "Priority"), "Service", v.tr("Disponibilité", "Availability"), "RTO", "RPO"}, rows)
}

func (v *view) services() string {
	var b strings.Builder
	for _, s := range v.sorted() {
		fmt.Fprintf(&b, "## %s (P%d)\n\n", v.text(s.Title), s.Priority)
		item := func(label, value string) {
			if value != "" {
				fmt.Fprintf(&b, "- **%s** : %s\n", label, value)
			}
		}
		if v.Lang == "en" {
			item = func(label, value string) {
				if value != "" {
					fmt.Fprintf(&b, "- **%s**: %s\n", label, value)
				}
			}
		}
		var needs, users []string
		for _, d := range s.DependsOn {
			needs = append(needs, v.serviceTitle(d))
		}
		for _, u := range s.Users {
			users = append(users, v.end(v.groupOrName(u)))
		}
		item(v.tr("Identifiant", "Identifier"), "`"+s.ID+"`")
		item(v.tr("Machines", "Machines"), strings.Join(s.Nodes, ", "))
		item(v.tr("Dépend de", "Depends on"), strings.Join(needs, v.tr(" ; ", "; ")))
		item(v.tr("Disponibilité", "Availability"), v.decimal(s.Availability)+nbsp+"% – "+v.text(s.Hours))
		item(v.tr("Durée maximale d’interruption (RTO)", "Longest interruption (RTO)"), v.span(time.Duration(s.RTO)))
		item(v.tr("Perte de données maximale (RPO)", "Largest loss of data (RPO)"), v.span(time.Duration(s.RPO)))
		item(v.tr("Utilisateurs", "Users"), strings.Join(users, v.tr(" ; ", "; ")))
		item(v.tr("Coût d’un arrêt", "Cost of a stop"), v.text(s.Cost))
		item(v.tr("Vérifié par", "Checked by"), v.checks(s.ID))
		b.WriteString("\n")
	}
	return b.String()
}

// groupOrName keeps a group's id from being read as a segment's.
func (v *view) groupOrName(id string) string {
	for _, g := range v.Site.Groups {
		if g.ID == id {
			return v.text(g.Title)
		}
	}
	return id
}

// checks says how a user meets the service: protocol, target, port.
func (v *view) checks(service string) string {
	var list []string
	for _, p := range v.Site.Probes {
		if p.Service != service {
			continue
		}
		s := strings.ToUpper(p.Kind)
		if p.Target != "" {
			s += v.tr(" vers ", " to ") + p.Target
		}
		if p.Port != 0 {
			s += fmt.Sprintf(", port %d", p.Port)
		}
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return strings.Join(list, v.tr(" ; ", "; "))
}

// Slot is a window of the calendar at its hours of the day.
type Slot struct {
	From, Until time.Time
	// Kind, Title and Scope are words of the language asked for; Scope may be
	// empty.
	Kind, Title, Scope string
	Current            bool // o.Now lies in it
}

// Calendar lists the windows by their beginning.
func Calendar(site *scenarios.Site, o Options) []Slot {
	o = o.norm()
	kinds := map[string]scenarios.Text{"production": {FR: "production", EN: "production"},
		"maintenance": {FR: "fenêtre de maintenance", EN: "maintenance window"}, "freeze": {FR: "GEL", EN: "FREEZE"}}
	list := slices.Clone(site.Windows)
	slices.SortStableFunc(list, func(a, b scenarios.Window) int { return cmp.Compare(a.Start, b.Start) })
	slots := make([]Slot, len(list))
	for i, w := range list {
		from, until := o.at(w.Start), o.at(w.End)
		slots[i] = Slot{from, until, cmp.Or(kinds[w.Kind].In(o.Lang), w.Kind), w.Title.In(o.Lang), w.Scope.In(o.Lang),
			!o.Now.Before(from) && o.Now.Before(until)}
	}
	return slots
}

func (v *view) windows() string {
	var rows [][]string
	for _, s := range Calendar(v.Site, v.Options) {
		rows = append(rows, []string{v.short(s.From), v.short(s.Until), s.Kind, s.Title, cmp.Or(s.Scope, "–")})
	}
	return table([]string{v.tr("Début", "From"), v.tr("Fin", "Until"), v.tr("Nature", "Kind"), v.tr("Objet", "What"), v.tr("Portée", "Scope")}, rows)
}

// current says what is on now, with its scope.
func (v *view) current() string {
	var on []string
	for _, s := range Calendar(v.Site, v.Options) {
		if !s.Current {
			continue
		}
		line := "- **" + s.Title + "** – " + s.Kind
		if s.Scope != "" {
			line += v.tr(" ; portée : ", "; scope: ") + s.Scope
		}
		on = append(on, line+v.tr(" ; jusqu’au ", "; until ")+v.short(s.Until))
	}
	if len(on) == 0 {
		return v.tr("Il est ", "It is ") + v.clock(v.Now) + v.tr(" : aucune fenêtre n’est en cours.", ": no window is open.")
	}
	return v.tr("Il est ", "It is ") + v.clock(v.Now) + v.tr(" ; en cours :", "; now:") + "\n\n" + strings.Join(on, "\n")
}

// factor is the time factor when it is not 1.
func (v *view) factor() string {
	if v.Factor == 1 {
		return ""
	}
	return v.decimal(v.Factor)
}

func (v *view) prices() string {
	if len(v.Site.Prices) == 0 {
		return v.tr("Aucun tarif n’est convenu.", "No price is agreed.")
	}
	var rows [][]string
	for _, p := range v.Site.Prices {
		rows = append(rows, []string{v.text(p.Item), v.text(p.Price), cmp.Or(v.text(p.Approval), v.tr("dans le budget", "within the budget"))})
	}
	return table([]string{v.tr("Objet", "Item"), v.tr("Prix", "Price"), v.tr("Accord", "Approval")}, rows)
}

func (v *view) backups() string {
	var rows [][]string
	for _, s := range v.Site.Backups {
		rows = append(rows, []string{v.text(s.Data), s.Node, v.text(s.How), v.text(s.When), v.text(s.Kept), v.text(s.Protection)})
	}
	return table([]string{v.tr("Données", "Data"), v.tr("Machine", "Machine"), v.tr("Moyen", "How"), v.tr("Quand", "When"), v.tr("Conservation", "Kept"),
		v.tr("Protection", "Protection")}, rows)
}

// logbook is the last 30 days, oldest first.
func (v *view) logbook() string {
	type line struct {
		at    time.Time
		cells []string
	}
	var lines []line
	for _, e := range v.Site.Logbook {
		ago := time.Duration(e.Ago)
		if ago > 31*24*time.Hour {
			continue
		}
		at := v.Start.Add(-ago)
		if ago >= 24*time.Hour {
			at = worked(at)
		}
		author := e.Author
		if p := v.people[e.Author]; p != nil {
			author = initial(p.FirstName) + nbsp + p.LastName
		}
		lines = append(lines, line{at, []string{v.short(at), author, cmp.Or(e.Node, "–"), v.text(e.Text)}})
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	rows := make([][]string, len(lines))
	for i, l := range lines {
		rows[i] = l.cells
	}
	return table([]string{"Date", v.tr("Auteur", "Author"), v.tr("Machine", "Machine"), v.tr("Écriture", "Entry")}, rows)
}

// Working hours, in minutes of the day: 08:00 to 17:30.
const workBegins, workEnds = 8 * 60, 17*60 + 30

// worked moves a time into the working hours of a working day without changing
// the order of two times: a day is drawn together to its working hours, the
// weekend joins the Friday before it.
func worked(t time.Time) time.Time {
	year, month, day := t.Date()
	length, into := 24*60, t.Hour()*60+t.Minute()
	switch t.Weekday() {
	case time.Friday:
		length *= 3
	case time.Saturday:
		day, length, into = day-1, length*3, into+24*60
	case time.Sunday:
		day, length, into = day-2, length*3, into+2*24*60
	}
	return time.Date(year, month, day, 0, workBegins+into*(workEnds-workBegins)/length, 0, 0, t.Location())
}

func initial(name string) string {
	for _, r := range name {
		return string(r) + "."
	}
	return ""
}

func (v *view) contacts() string {
	var rows [][]string
	for _, c := range v.Site.Contacts {
		name, phone := "–", "–"
		if p := v.people[c.Person]; p != nil {
			name, phone = p.FirstName+" "+p.LastName, cmp.Or(p.Phone, "–")
		}
		rows = append(rows, []string{v.text(c.Title), name, phone, v.text(c.Reach), "`" + c.ID + "`"})
	}
	return table([]string{v.tr("Qui", "Who"), v.tr("Nom", "Name"), v.tr("Poste tél.", "Phone"), v.tr("Comment", "How"), v.tr("Identifiant", "Identifier")}, rows)
}

func (v *view) groups() string {
	var rows [][]string
	for _, g := range v.Site.Groups {
		var segs []string
		for _, s := range g.Segments {
			segs = append(segs, strings.ToUpper(s))
		}
		n := 0
		for _, p := range v.Site.People {
			if p.Group == g.ID {
				n++
			}
		}
		count := "–"
		if n > 0 {
			count = fmt.Sprint(n)
		}
		rows = append(rows, []string{"`" + g.ID + "`", v.text(g.Title), strings.Join(segs, ", "), count})
	}
	return table([]string{v.tr("Groupe", "Group"), v.tr("Nom", "Name"), v.tr("Réseaux", "Networks"), v.tr("Comptes", "Accounts")}, rows)
}

func (v *view) peopleTable() string {
	var rows [][]string
	for i := range v.Site.People {
		p := &v.Site.People[i]
		rows = append(rows, []string{p.LastName + " " + p.FirstName, v.text(p.Job), v.groupOrName(p.Group), cmp.Or(p.Phone, "–"), "`" + p.Login + "`"})
	}
	return table([]string{v.tr("Nom", "Name"), v.tr("Fonction", "Job"), v.tr("Groupe", "Group"), v.tr("Poste tél.", "Phone"), v.tr("Compte", "Account")}, rows)
}

// outside lists what the candidate may not change.
func (v *view) outside() string {
	var lines []string
	for i := range v.Site.Nodes {
		if n := &v.Site.Nodes[i]; !n.Perimeter {
			lines = append(lines, fmt.Sprintf("- `%s` – %s", n.Name, v.text(n.Title)))
		}
	}
	return cmp.Or(strings.Join(lines, "\n"), v.tr("- aucun équipement", "- no machine"))
}

// inside sums up what the candidate may change.
func (v *view) inside() string {
	count := map[scenarios.Class][]string{}
	for i := range v.Site.Nodes {
		if n := &v.Site.Nodes[i]; n.Perimeter {
			count[n.Class] = append(count[n.Class], n.Name)
		}
	}
	var lines []string
	for _, c := range []scenarios.Class{scenarios.Admin, scenarios.Router, scenarios.Server} {
		if names := count[c]; len(names) > 0 {
			lines = append(lines, fmt.Sprintf("- %s%s %s", v.class(c), v.tr(" :", ":"), strings.Join(names, ", ")))
		}
	}
	if names := count[scenarios.Workstation]; len(names) > 0 {
		lines = append(lines, fmt.Sprintf(v.tr("- %d postes de travail : %s", "- %d workstations: %s"), len(names), strings.Join(runs(names), ", ")))
	}
	return strings.Join(lines, "\n")
}

func (v *view) nodeCount() int { return len(v.Site.Nodes) }

// admin is the candidate's place.
func (v *view) admin() string {
	for i := range v.Site.Nodes {
		if v.Site.Nodes[i].Class == scenarios.Admin {
			return v.Site.Nodes[i].Name
		}
	}
	return "?"
}

// account is the login of the person who works on the administration
// workstation; empty when the site names nobody.
func (v *view) account() string {
	for i := range v.Site.Nodes {
		if n := &v.Site.Nodes[i]; n.Class == scenarios.Admin && v.people[n.User] != nil {
			return v.people[n.User].Login
		}
	}
	return ""
}

// holder is the name of the person who works on the administration workstation.
func (v *view) holder() string {
	for i := range v.Site.Nodes {
		if n := &v.Site.Nodes[i]; n.Class == scenarios.Admin && v.people[n.User] != nil {
			return v.people[n.User].FirstName + " " + v.people[n.User].LastName
		}
	}
	return ""
}

// secretTitles names what the vault holds, never a value.
func (v *view) secretTitles() string {
	var rows [][]string
	for _, s := range v.Site.Secrets {
		rows = append(rows, []string{"`" + s.ID + "`", v.text(s.Title), cmp.Or(s.User, "–")})
	}
	return table([]string{v.tr("Identifiant", "Identifier"), v.tr("Contenu", "Content"), v.tr("Compte", "Account")}, rows)
}

// tail is the last byte of an address, with its point.
func tail(a netip.Addr) string {
	if !a.Is4() {
		return a.String()
	}
	return fmt.Sprintf(".%d", a.As4()[3])
}

func join(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}
