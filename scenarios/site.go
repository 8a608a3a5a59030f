package scenarios

import (
	"io/fs"
	"net/netip"
	"time"
	_ "time/tzdata" // the host may have none
)

// APIVersion is the version that every file names.
const APIVersion = "situlab/v1"

// Text is a text shown to people, French first.
type Text struct {
	FR string `yaml:"fr" json:"fr"`
	EN string `yaml:"en" json:"en"`
}

// In returns the text in a language ("fr" or "en").
func (t Text) In(lang string) string {
	if lang == "en" {
		return t.EN
	}
	return t.FR
}

// Site is a company's information system.
//
// A file holds the values of seed zero; [Expand] moves what Draw names.
type Site struct {
	APIVersion string `yaml:"apiVersion" json:"apiVersion"`
	Kind       string `yaml:"kind" json:"kind"`
	ID         string `yaml:"id" json:"id"`
	Title      Text   `yaml:"title" json:"title"`
	// Company holds what documents and templates say of the company.
	Company Company `yaml:"company" json:"company"`
	// Draw says what the seed moves.
	Draw     Pools     `yaml:"draw" json:"draw"`
	Segments []Segment `yaml:"segments" json:"segments"`
	Nodes    []Node    `yaml:"nodes" json:"nodes"`
	// Groups are the groups of users that notices are sent to.
	Groups   []Group   `yaml:"groups" json:"groups"`
	People   []Person  `yaml:"people" json:"people"`
	Services []Service `yaml:"services" json:"services"`
	Probes   []Probe   `yaml:"probes" json:"probes"`
	// Canaries are data that must be there, unchanged, after a session.
	Canaries []Canary `yaml:"canaries,omitempty" json:"canaries,omitempty"`
	Flows    []Flow   `yaml:"flows" json:"flows"`
	// Devices are machines that have an address of the plan and are no node.
	Devices []Device `yaml:"devices,omitempty" json:"devices,omitempty"`
	// Prices are the lines of the price list.
	Prices []Price `yaml:"prices,omitempty" json:"prices,omitempty"`
	// Notes are paragraphs of the company at the end of its documents.
	Notes    []Note    `yaml:"notes,omitempty" json:"notes,omitempty"`
	Backups  []Backup  `yaml:"backups" json:"backups"`
	Secrets  []Secret  `yaml:"secrets" json:"secrets"`
	Windows  []Window  `yaml:"windows" json:"windows"`
	Logbook  []Entry   `yaml:"logbook" json:"logbook"`
	Contacts []Contact `yaml:"contacts" json:"contacts"`
	// Vars are free values for the templates of the site's files.
	Vars map[string]string `yaml:"vars" json:"vars"`

	// Seed is what [Expand] drew from; zero means as written.
	Seed uint64 `yaml:"-" json:"seed,omitempty"`
	// Files is the site's folder, which [Tree] reads.
	Files fs.FS  `yaml:"-" json:"-"`
	over  folder // the folder of the scenario drawn, whose trees lie over Files
	memo  *memo
	source
}

// Company names the company.
type Company struct {
	Name         string `yaml:"name" json:"name"`
	Activity     Text   `yaml:"activity" json:"activity"`
	Domain       string `yaml:"domain" json:"domain"`             // internal DNS domain
	PublicDomain string `yaml:"publicDomain" json:"publicDomain"` // what customers see
	Employees    int    `yaml:"employees" json:"employees"`
	MainTown     string `yaml:"mainTown" json:"mainTown"`
	RemoteTown   string `yaml:"remoteTown" json:"remoteTown"`
	// Timezone is the IANA name of the clock that all machines show; empty means
	// UTC.
	Timezone string `yaml:"timezone,omitempty" json:"timezone,omitempty"`
}

// Location is the company's time zone; the name was checked when the site was
// loaded.
func (c Company) Location() *time.Location {
	if l, err := time.LoadLocation(c.Timezone); err == nil {
		return l
	}
	return time.UTC
}

// Pools lists what a seed draws from; an empty pool moves nothing.
type Pools struct {
	// SecondOctets replace the second octet of the private addresses.
	SecondOctets []int `yaml:"secondOctets" json:"secondOctets"`
	// ThirdOctetShift values are added to the third octets of user segments.
	ThirdOctetShift []int    `yaml:"thirdOctetShift" json:"thirdOctetShift"`
	MainTowns       []string `yaml:"mainTowns" json:"mainTowns"`
	RemoteTowns     []string `yaml:"remoteTowns" json:"remoteTowns"`
	FirstNames      []string `yaml:"firstNames" json:"firstNames"`
	LastNames       []string `yaml:"lastNames" json:"lastNames"`
}

// Segment is an L2 network: one bridge of the lab.
type Segment struct {
	ID    string `yaml:"id" json:"id"`
	Title Text   `yaml:"title" json:"title"`
	// Net is its IPv4 prefix; Gateway the address that its posts route by.
	Net     netip.Prefix `yaml:"net" json:"net"`
	Gateway netip.Addr   `yaml:"gateway,omitempty" json:"gateway,omitzero"`
	// DHCP is the first and last address leased; zero means no leases.
	DHCPFirst netip.Addr `yaml:"dhcpFirst,omitempty" json:"dhcpFirst,omitzero"`
	DHCPLast  netip.Addr `yaml:"dhcpLast,omitempty" json:"dhcpLast,omitzero"`
	// Town is "main", "remote" or "outside".
	Town string `yaml:"town" json:"town"`
	// RateBits limits a carrier line, in bit/s; 0 means no limit.
	RateBits uint64 `yaml:"rateBits,omitempty" json:"rateBits,omitempty"`
	// X and Y place the segment on the plan (grid units).
	X int `yaml:"x" json:"x"`
	Y int `yaml:"y" json:"y"`
}

// Class says what kind of machine a node is; it decides boot order and delays.
type Class string

// The classes.
const (
	Router      Class = "router"
	Server      Class = "server"
	Workstation Class = "workstation"
	Admin       Class = "admin"    // the candidate's place; exactly one
	Operator    Class = "operator" // outside the perimeter
)

// Node is a machine of the site.
type Node struct {
	Name  string `yaml:"name" json:"name"`
	Title Text   `yaml:"title" json:"title"`
	Class Class  `yaml:"class" json:"class"`
	// Role names the image's layer and the folder roles/ROLE of the site.
	Role string `yaml:"role" json:"role"`
	// Perimeter says whether the candidate may change the node.
	Perimeter  bool        `yaml:"perimeter" json:"perimeter"`
	Interfaces []Interface `yaml:"interfaces" json:"interfaces"`
	// Rank orders the boot: lower first, equal together.
	Rank int `yaml:"rank" json:"rank"`
	// MemoryMB limits the node's memory in MiB; 0 means the class's default.
	MemoryMB int `yaml:"memoryMB,omitempty" json:"memoryMB,omitempty"`
	// Volumes are its data disks, beside the one of its root.
	Volumes []Volume `yaml:"volumes,omitempty" json:"volumes,omitempty"`
	// Group is the group of users who work on it (workstations).
	Group string `yaml:"group,omitempty" json:"group,omitempty"`
	// User is the person who works on it (workstations).
	User string            `yaml:"user,omitempty" json:"user,omitempty"`
	Vars map[string]string `yaml:"vars,omitempty" json:"vars,omitempty"`
}

// Interface is one attachment of a node to a segment.
type Interface struct {
	Name    string `yaml:"name" json:"name"`
	Segment string `yaml:"segment" json:"segment"`
	// Address is what the node's own configuration gives it; zero with DHCP.
	Address netip.Addr `yaml:"address,omitempty" json:"address,omitzero"`
	DHCP    bool       `yaml:"dhcp,omitempty" json:"dhcp,omitempty"`
}

// Group is a group of users.
type Group struct {
	ID       string   `yaml:"id" json:"id"`
	Title    Text     `yaml:"title" json:"title"`
	Segments []string `yaml:"segments" json:"segments"`
}

// Person is somebody of the company (or a partner).
type Person struct {
	ID        string `yaml:"id" json:"id"`
	FirstName string `yaml:"firstName" json:"firstName"`
	LastName  string `yaml:"lastName" json:"lastName"`
	Job       Text   `yaml:"job" json:"job"`
	Group     string `yaml:"group,omitempty" json:"group,omitempty"`
	// Login is the directory account.
	Login string `yaml:"login" json:"login"`
	Email string `yaml:"email" json:"email"`
	Phone string `yaml:"phone,omitempty" json:"phone,omitempty"`
}

// Service is what users ask for, with its service levels.
type Service struct {
	ID        string   `yaml:"id" json:"id"`
	Title     Text     `yaml:"title" json:"title"`
	Priority  int      `yaml:"priority" json:"priority"` // 1 is the highest
	Nodes     []string `yaml:"nodes" json:"nodes"`       // where it runs
	DependsOn []string `yaml:"dependsOn,omitempty" json:"dependsOn,omitempty"`
	// Availability is the target in percent of the hours named.
	Availability float64  `yaml:"availability" json:"availability"`
	Hours        Text     `yaml:"hours" json:"hours"`
	RTO          Duration `yaml:"rto" json:"rto"`
	RPO          Duration `yaml:"rpo" json:"rpo"`
	Users        []string `yaml:"users" json:"users"` // groups
	Cost         Text     `yaml:"cost,omitempty" json:"cost,omitzero"`
}

// Probe is a service check made from workstations' own network namespaces.
type Probe struct {
	ID      string `yaml:"id" json:"id"`
	Service string `yaml:"service" json:"service"`
	// Kind is a kind of labnet/probe: icmp, dns, dhcp, http, ldap, smb, smtp,
	// imap, sql, ntp.
	Kind string `yaml:"kind" json:"kind"`
	// Target is a host name or an address, resolved as the workstation would.
	Target string `yaml:"target" json:"target" tmpl:"yes"`
	Port   int    `yaml:"port,omitempty" json:"port,omitempty"`
	// Params are kind-specific: path, name, share, user, secret, expect ...
	Params map[string]string `yaml:"params,omitempty" json:"params,omitempty"`
	// Segments are where it is asked from; empty means every segment that has
	// workstations.
	Segments []string `yaml:"segments,omitempty" json:"segments,omitempty"`
}

// Canary is data that a session must not lose (criterion 3.3-i): either a file
// that the controller writes with a word of its own before the candidate comes,
// or the answer of a query that must be the same afterwards.
type Canary struct {
	ID    string `yaml:"id" json:"id"`
	Title Text   `yaml:"title" json:"title"`
	// Node and Path place the file.
	Node string `yaml:"node,omitempty" json:"node,omitempty"`
	Path string `yaml:"path,omitempty" json:"path,omitempty" tmpl:"yes"`
	// Probe is a probe of kind sql whose access is used for Query, whose single
	// value (at most 100 characters: a digest) is compared.
	Probe string `yaml:"probe,omitempty" json:"probe,omitempty"`
	Query string `yaml:"query,omitempty" json:"query,omitempty"`
}

// Flow is a line of the flow matrix.
type Flow struct {
	// From and To are a segment, a node, a group, an address, "users" (every
	// user segment), "internet" or "any".
	From   string `yaml:"from" json:"from" tmpl:"yes"`
	To     string `yaml:"to" json:"to" tmpl:"yes"`
	Proto  string `yaml:"proto" json:"proto"` // tcp, udp, icmp, ospf, any
	Ports  string `yaml:"ports,omitempty" json:"ports,omitempty"`
	Allow  bool   `yaml:"allow" json:"allow"`
	Reason Text   `yaml:"reason" json:"reason"`
}

// Backup is a line of the backup policy.
type Backup struct {
	Data       Text   `yaml:"data" json:"data"`
	Node       string `yaml:"node" json:"node"`
	How        Text   `yaml:"how" json:"how"`
	When       Text   `yaml:"when" json:"when"`
	Kept       Text   `yaml:"kept" json:"kept"`
	Protection Text   `yaml:"protection" json:"protection"`
}

// Secret is an entry of the vault.
type Secret struct {
	ID    string `yaml:"id" json:"id"`
	Title Text   `yaml:"title" json:"title"`
	User  string `yaml:"user,omitempty" json:"user,omitempty" tmpl:"yes"`
	// Value is drawn by the seed when empty.
	Value string `yaml:"value,omitempty" json:"value,omitempty" tmpl:"yes"`
}

// Device is a printer or a machine tool: an address that the plan must keep
// free, nothing that the lab runs.
type Device struct {
	Name    string     `yaml:"name" json:"name"`
	Title   Text       `yaml:"title" json:"title"`
	Segment string     `yaml:"segment" json:"segment"`
	Address netip.Addr `yaml:"address" json:"address"`
}

// Price is a line of the price list.
type Price struct {
	Item  Text `yaml:"item" json:"item"`
	Price Text `yaml:"price" json:"price"`
	// Approval says who decides; empty means within the budget.
	Approval Text `yaml:"approval,omitempty" json:"approval,omitzero"`
}

// Note is what the company says of itself at the end of one document.
type Note struct {
	// Document is an id of the candidate's file: flux, calendrier ...
	Document string `yaml:"document" json:"document"`
	Text     Text   `yaml:"text" json:"text"`
}

// Window is a period of the calendar, relative to the session's start.
type Window struct {
	ID    string `yaml:"id" json:"id"`
	Title Text   `yaml:"title" json:"title"`
	// Kind is production, maintenance or freeze.
	Kind  string   `yaml:"kind" json:"kind"`
	Start Duration `yaml:"start" json:"start"`
	End   Duration `yaml:"end" json:"end"`
	Scope Text     `yaml:"scope,omitempty" json:"scope,omitzero"`
}

// Entry is a line of the company's logbook before the session.
type Entry struct {
	// Ago is how long before the session's start it was written.
	Ago    Duration `yaml:"ago" json:"ago"`
	Author string   `yaml:"author" json:"author"` // person id
	Node   string   `yaml:"node,omitempty" json:"node,omitempty"`
	Text   Text     `yaml:"text" json:"text"`
}

// Contact is whom to ask through the service desk.
type Contact struct {
	ID     string `yaml:"id" json:"id"` // technician, storage, manager, operator, vendor
	Title  Text   `yaml:"title" json:"title"`
	Person string `yaml:"person,omitempty" json:"person,omitempty"`
	Reach  Text   `yaml:"reach" json:"reach"`
}
