package evidence

import (
	"crypto/sha256"
	"encoding/hex"
)

// Facts is what a variant knows about itself and the grader needs: sealed at
// the start, revealed at the end. All durations are unscaled seconds; the
// grader multiplies them by SessionStart.TimeFactor.
type Facts struct {
	Seed  uint64 `json:"seed"`
	Title Text   `json:"title"`
	// Points are the ids of the declared sub-points ("3.1-i", ...); all others
	// are sans_objet.
	Points []string `json:"points"`
	// Main says whether this is a main incident (enough-material rule).
	Main  bool  `json:"main"`
	Truth Truth `json:"truth"`
	// Elements are all lines of the diagnosis form.
	Elements []Element `json:"elements"`
	// Perimeter are the nodes that the candidate may change.
	Perimeter []string `json:"perimeter"`
	// RelatedNodes are nodes where a change is a legitimate part of some
	// repair or workaround; the truth's own node need not be repeated.
	RelatedNodes []string `json:"related_nodes,omitempty"`
	// Groups are all groups of users that a notice can be sent to.
	Groups []Group `json:"groups"`
	// HitGroups and HitSegments are those that suffer from the fault.
	HitGroups   []string `json:"hit_groups,omitempty"`
	HitSegments []string `json:"hit_segments,omitempty"`
	// HitProbes are the ids (ProbeSample.Probe) red because of the fault: the
	// hit population of criterion 3.1-ii. ControlProbes stay green.
	HitProbes     []string `json:"hit_probes,omitempty"`
	ControlProbes []string `json:"control_probes,omitempty"`
	// Tickets are the tickets of the situation; the first is the one that the
	// twin's rule on answering is about.
	Tickets    []TicketFact `json:"tickets"`
	Thresholds Thresholds   `json:"thresholds"`
	// Targets says where a test must point to be relevant.
	Targets  TestTargets `json:"targets"`
	Map      MapData     `json:"map"`
	Solution Solution    `json:"solution"`
	// Labels are the words that people read instead of ids.
	Labels Labels `json:"labels,omitzero"`
}

// Labels are words for ids, by id. What has none is shown by its id.
type Labels struct {
	Segments map[string]Text `json:"segments,omitempty"`
	// Services are by service and by probe ("erp" of "erp@bur2").
	Services map[string]Text `json:"services,omitempty"`
	Canaries map[string]Text `json:"canaries,omitempty"`
	// Persons are full names, by id and by login.
	Persons map[string]string `json:"persons,omitempty"`
	// Contacts are those of the service desk ("technician").
	Contacts  map[string]Text `json:"contacts,omitempty"`
	Documents map[string]Text `json:"documents,omitempty"`
	Secrets   map[string]Text `json:"secrets,omitempty"`
}

// Truth is the answer of the diagnosis form.
type Truth struct {
	// NoFault is true on the healthy twin; Element and Cause are then empty.
	NoFault bool   `json:"no_fault"`
	Element string `json:"element,omitempty"`
	Cause   string `json:"cause,omitempty"`
	// AlsoElements and AlsoCauses are other lines of the form that say the
	// same thing truly (the other end of one link).
	AlsoElements []string `json:"also_elements,omitempty"`
	AlsoCauses   []string `json:"also_causes,omitempty"`
}

// Element is one line of the closed diagnosis form.
type Element struct {
	ID string `json:"id"`
	// Class is one of the element classes of grader/criteria ("router", ...).
	Class string `json:"class"`
	// Node is the node it lives on, empty for a link or a segment.
	Node string `json:"node,omitempty"`
	// Parent is the element that contains it (a service's node).
	Parent string `json:"parent,omitempty"`
	Label  Text   `json:"label"`
}

// Group is a group of users. Includes lists the groups contained in it.
type Group struct {
	ID       string   `json:"id"`
	Label    Text     `json:"label"`
	Includes []string `json:"includes,omitempty"`
}

// TicketFact names a ticket and its author: a person's id, and the login by
// which a request can be sent to them.
type TicketFact struct {
	ID     string `json:"id"`
	Author string `json:"author"`
	Login  string `json:"login,omitempty"`
}

// Thresholds are unscaled; zero means the default of the criterion (10 min,
// 40 samples, 15 min).
type Thresholds struct {
	PermanenceSeconds float64 `json:"permanence_seconds,omitempty"`
	PermanenceSamples int     `json:"permanence_samples,omitempty"`
	NoticeSeconds     float64 `json:"notice_seconds,omitempty"`
	TwinTests         int     `json:"twin_tests,omitempty"`
}

// Places on the chain between users and their services.
const (
	PlacePost   = "post"   // the users' own machines and network
	PlacePath   = "path"   // what carries and routes in between
	PlaceServer = "server" // the machines that give the services
)

// TestTargets says where tests look at the chain between the users hit and
// their services. A test of a node's own state looks there when it is run on
// one of Nodes. A test through the network does when it is aimed at one of
// Hosts (names or addresses) or into one of Nets, which only the chain reaches,
// or when it is made from one of Inside, the machines on the users' side: from
// there all that lies elsewhere is reached over the chain.
type TestTargets struct {
	Nodes  []string `json:"nodes"`
	Hosts  []string `json:"hosts"`
	Nets   []string `json:"nets,omitempty"`
	Inside []string `json:"inside,omitempty"`
	// Places are where the symptom lets a cause lie; empty means anywhere.
	Places []string `json:"places,omitempty"`
}

// Solution is shown by report --solution only.
type Solution struct {
	Cause Text           `json:"cause"`
	Chain []Text         `json:"chain,omitempty"`
	Steps []SolutionStep `json:"steps,omitempty"`
}

// SolutionStep is one step of the reference.
type SolutionStep struct {
	Node    string `json:"node,omitempty"`
	Command string `json:"command,omitempty"`
	Why     Text   `json:"why"`
}

// MapData is the network picture as data; the report lays it out. Sites give
// the words for MapSegment.Site and MapNode.Site.
type MapData struct {
	Sites    []MapSite    `json:"sites,omitempty"`
	Nodes    []MapNode    `json:"nodes,omitempty"`
	Segments []MapSegment `json:"segments,omitempty"`
	Links    []MapLink    `json:"links,omitempty"`
}

// MapSite is a panel of the picture: a place, or the carriers' networks.
type MapSite struct {
	ID    string `json:"id"`
	Label Text   `json:"label"`
}

// MapNode is a node. Kind is router, firewall, server, workstation, operator.
type MapNode struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Site    string `json:"site,omitempty"`
	Label   string `json:"label,omitempty"`
	Address string `json:"address,omitempty"`
}

// MapSegment is an L2 network. X and Y, abstract, order the segments of a site
// and the sites (by the mean X of their segments).
type MapSegment struct {
	ID    string  `json:"id"`
	Label string  `json:"label,omitempty"`
	CIDR  string  `json:"cidr,omitempty"`
	Site  string  `json:"site,omitempty"`
	X     float64 `json:"x,omitempty"`
	Y     float64 `json:"y,omitempty"`
}

// MapLink attaches a node to a segment.
type MapLink struct {
	Node    string `json:"node"`
	Segment string `json:"segment"`
}

// Commitment is SHA-256(salt "|" canonical JSON of f) in hex. It is written
// in SessionSeal before the candidate enters.
func (f Facts) Commitment(salt string) (string, error) {
	data, err := marshal(f)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write([]byte(salt))
	h.Write([]byte("|"))
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil)), nil
}
