package documents

import (
	"net/netip"
	"time"

	"github.com/situlab/situlab/scenarios"
)

// start is a session's start for the tests: a Tuesday morning.
var start = time.Date(2026, 11, 24, 9, 40, 0, 0, time.UTC)

func both(fr, en string) scenarios.Text { return scenarios.Text{FR: fr, EN: en} }

func hours(h float64) scenarios.Duration { return scenarios.Duration(h * float64(time.Hour)) }

// fixture is a company small enough to be read in the golden files: two sites,
// two lines between them, one firewall.
func fixture() *scenarios.Site {
	p, a := netip.MustParsePrefix, netip.MustParseAddr
	on := func(name, segment, address string) scenarios.Interface {
		f := scenarios.Interface{Name: name, Segment: segment}
		if address == "" {
			f.DHCP = true
		} else {
			f.Address = a(address)
		}
		return f
	}
	post := func(name, segment, user string) scenarios.Node {
		return scenarios.Node{Name: name, Title: both("Poste", "Workstation"), Class: scenarios.Workstation, Perimeter: true, User: user,
			Interfaces: []scenarios.Interface{on("eth0", segment, "")}}
	}
	return &scenarios.Site{
		ID: "petite", Title: both("Petite", "Small"),
		Company: scenarios.Company{Name: "PETITE SARL", Activity: both("tournage", "turning"), Domain: "petite.internal",
			PublicDomain: "petite.example", Employees: 7, MainTown: "Bréval", RemoteTown: "Tilly"},
		Segments: []scenarios.Segment{
			{ID: "srv", Title: both("Serveurs", "Servers"), Net: p("10.1.10.0/24"), Gateway: a("10.1.10.254"), Town: "main", X: 2, Y: 2},
			{ID: "bur", Title: both("Bureaux", "Offices"), Net: p("10.1.30.0/24"), Gateway: a("10.1.30.254"), DHCPFirst: a("10.1.30.100"), DHCPLast: a("10.1.30.199"), Town: "main", X: 0, Y: 2},
			{ID: "wan1", Title: both("Lien principal", "Main line"), Net: p("10.1.255.0/30"), Town: "main", RateBits: 20_000_000, X: 4, Y: 2},
			{ID: "wan2", Title: both("Lien principal, bout distant", "Main line, far end"), Net: p("10.1.255.4/30"), Town: "remote", RateBits: 20_000_000, X: 6, Y: 2},
			{ID: "wan3", Title: both("Secours", "Backup"), Net: p("10.1.255.8/30"), Town: "main", RateBits: 512_000, X: 4, Y: 3},
			{ID: "wan4", Title: both("Secours, bout distant", "Backup, far end"), Net: p("10.1.255.12/30"), Town: "remote", RateBits: 512_000, X: 6, Y: 3},
			{ID: "ate", Title: both("Atelier", "Workshop"), Net: p("10.1.150.0/24"), Gateway: a("10.1.150.254"), DHCPFirst: a("10.1.150.100"), DHCPLast: a("10.1.150.120"), Town: "remote", X: 9, Y: 2},
		},
		Nodes: []scenarios.Node{
			{Name: "adm1", Title: both("Poste d’administration", "Administration workstation"), Class: scenarios.Admin, Perimeter: true, User: "moi", Interfaces: []scenarios.Interface{on("eth0", "srv", "10.1.10.10")}},
			{Name: "rt-1", Title: both("Routeur", "Router"), Class: scenarios.Router, Perimeter: true, Interfaces: []scenarios.Interface{
				on("eth0", "srv", "10.1.10.254"), on("eth1", "bur", "10.1.30.254"), on("eth2", "wan1", "10.1.255.1"), on("eth3", "wan3", "10.1.255.9")}},
			{Name: "rt-2", Title: both("Routeur distant", "Remote router"), Class: scenarios.Router, Perimeter: true, Interfaces: []scenarios.Interface{
				on("eth0", "ate", "10.1.150.254"), on("eth1", "wan2", "10.1.255.6"), on("eth2", "wan4", "10.1.255.14")}},
			{Name: "op-1", Title: both("Opérateur", "Carrier"), Class: scenarios.Operator, Interfaces: []scenarios.Interface{
				on("eth0", "wan1", "10.1.255.2"), on("eth1", "wan2", "10.1.255.5")}},
			{Name: "op-2", Title: both("Opérateur de secours", "Backup carrier"), Class: scenarios.Operator, Interfaces: []scenarios.Interface{
				on("eth0", "wan3", "10.1.255.10"), on("eth1", "wan4", "10.1.255.13")}},
			{Name: "erp1", Title: both("ERP", "ERP"), Class: scenarios.Server, Perimeter: true, Interfaces: []scenarios.Interface{on("eth0", "srv", "10.1.10.35")}},
			post("pc-bur-01", "bur", "compta"), post("pc-bur-02", "bur", ""), post("pc-bur-03", "bur", ""), post("pc-ate-01", "ate", "chef"),
		},
		Groups: []scenarios.Group{{ID: "bureaux", Title: both("Bureaux", "Offices"), Segments: []string{"bur"}},
			{ID: "atelier", Title: both("Atelier", "Workshop"), Segments: []string{"ate"}}},
		People: []scenarios.Person{
			{ID: "moi", FirstName: "Luc", LastName: "Garnier", Job: both("Administration", "Administration"), Login: "adm-garnier", Email: "l.garnier@petite.example", Phone: "201"},
			{ID: "compta", FirstName: "Anne", LastName: "Lemoine", Job: both("Comptabilité", "Accounting"), Group: "bureaux", Login: "alemoine", Email: "a.lemoine@petite.example"},
			{ID: "chef", FirstName: "Hervé", LastName: "Péron", Job: both("Chef d’atelier", "Foreman"), Group: "atelier", Login: "hperon", Email: "h.peron@petite.example", Phone: "205"},
		},
		Services: []scenarios.Service{
			{ID: "erp", Title: both("Vulcain", "Vulcain"), Priority: 2, Nodes: []string{"erp1"}, DependsOn: []string{"reseau"}, Availability: 99.5,
				Hours: both("05 h – 21 h", "05:00–21:00"), RTO: hours(2), RPO: hours(0.25), Users: []string{"bureaux", "atelier"}, Cost: both("1 900 €/h", "€1,900 per hour")},
			{ID: "reseau", Title: both("Réseau", "Network"), Priority: 1, Nodes: []string{"rt-1", "rt-2"}, Availability: 99,
				Hours: both("toujours", "always"), RTO: hours(1.5), RPO: hours(72), Users: []string{"bureaux"}},
		},
		Probes: []scenarios.Probe{{ID: "erp", Service: "erp", Kind: "http", Target: "erp1", Port: 8080}, {ID: "lien", Service: "reseau", Kind: "icmp", Target: "10.1.10.35"}},
		Flows: []scenarios.Flow{
			{From: "atelier", To: "erp1", Proto: "tcp", Ports: "8080", Allow: true, Reason: both("ERP", "ERP")},
			{From: "any", To: "srv", Proto: "any", Reason: both("tout le reste", "all the rest")},
		},
		Backups: []scenarios.Backup{{Data: both("Base", "Database"), Node: "erp1", How: both("copie | rsync", "copy | rsync"), When: both("20 h 45", "20:45"),
			Kept: both("14 jours", "14 days"), Protection: both("coffre", "vault")}},
		Secrets: []scenarios.Secret{{ID: "ospf", Title: both("Clé OSPF", "OSPF key"), Value: "tres-secret-1"},
			{ID: "erp-app", Title: both("Compte de l’ERP", "ERP account"), User: "svc-erp", Value: "tres-secret-2"}},
		Windows: []scenarios.Window{
			{ID: "soir", Title: both("Fenêtre du soir", "Evening window"), Kind: "maintenance", Start: hours(12), End: hours(13)},
			{ID: "prod", Title: both("Production", "Production"), Kind: "production", Start: hours(-4), End: hours(11), Scope: both("tout", "all")},
			{ID: "gel", Title: both("Clôture", "Closing"), Kind: "freeze", Start: hours(168), End: hours(192)},
		},
		Logbook: []scenarios.Entry{
			{Ago: hours(24 * 40), Author: "moi", Text: both("trop vieux", "too old")},
			{Ago: hours(24 * 5), Author: "moi", Node: "rt-2", Text: both("Relevé : « rien à signaler » ; 38 % de charge.", "Checked: nothing to report, 38% load.")},
			{Ago: hours(9), Author: "prestataire", Text: both("Passage du prestataire.", "Contractor at work.")},
		},
		Devices: []scenarios.Device{{Name: "imp-1", Title: both("Imprimante", "Printer"), Segment: "bur", Address: a("10.1.30.50")}},
		Prices: []scenarios.Price{{Item: both("Astreinte", "On call"), Price: both("140 € de l’heure", "€140 an hour")},
			{Item: both("Stockage", "Storage"), Price: both("240 € par an", "€240 a year"), Approval: both("responsable", "manager")}},
		Notes: []scenarios.Note{{Document: "flux", Text: both("Le pare-feu refuse le reste.", "The firewall refuses the rest.")}},
		Contacts: []scenarios.Contact{{ID: "technician", Title: both("Technicien", "Technician"), Person: "moi", Reach: both("guichet, 3 à 5 min", "service desk, 3 to 5 min")},
			{ID: "operator", Title: both("Opérateur", "Carrier"), Reach: both("guichet", "service desk")}},
	}
}
