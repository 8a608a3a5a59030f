package provision

import (
	"encoding/json"
	"fmt"

	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/scenarios"
)

// Inspection is what is known of the nodes of a running lab.
type Inspection struct {
	Lab   string     `json:"lab"`
	Site  string     `json:"site"`
	Nodes []NodeInfo `json:"nodes"`
}

// NodeInfo is one node.
type NodeInfo struct {
	Name     string   `json:"name"`
	Class    string   `json:"class"`
	State    string   `json:"state"`
	PID      int      `json:"pid"`
	Networks []string `json:"networks"` // interface=segment[/address]
}

// Inspect looks at the nodes of a lab.
func Inspect(lab *labnet.Lab) Inspection {
	site := lab.Site()
	out := Inspection{Lab: lab.Name(), Site: site.ID}
	for _, n := range site.Nodes {
		info := NodeInfo{Name: n.Name, Class: string(n.Class), State: string(lab.NodeState(n.Name))}
		if m := lab.Node(n.Name); m != nil {
			info.PID = m.PID()
		}
		for _, i := range n.Interfaces {
			net := i.Name + "=" + i.Segment
			if i.Address.IsValid() {
				net += "/" + i.Address.String()
			}
			info.Networks = append(info.Networks, net)
		}
		out.Nodes = append(out.Nodes, info)
	}
	return out
}

// Plan is the network of a running lab, as its site says.
type Plan struct {
	Lab string
	// Site is the expanded site as JSON.
	Site []byte
}

// PlanOf gives the plan of a lab.
func PlanOf(lab *labnet.Lab) (Plan, error) {
	b, err := json.Marshal(lab.Site())
	return Plan{lab.Name(), b}, err
}

// Graph is a plan for programs.
type Graph struct {
	Lab         string            `json:"lab"`
	Site        string            `json:"site"`
	Nodes       []GraphNode       `json:"nodes"`
	Segments    []GraphSegment    `json:"segments"`
	Attachments []GraphAttachment `json:"attachments"`
}

// GraphNode is a machine.
type GraphNode struct {
	Name  string `json:"name"`
	Class string `json:"class"`
	Role  string `json:"role"`
	Title string `json:"title"`
}

// GraphSegment is a network.
type GraphSegment struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Net   string `json:"net"`
}

// GraphAttachment is a cable from a node to a segment.
type GraphAttachment struct {
	Node      string `json:"node"`
	Interface string `json:"interface"`
	Segment   string `json:"segment"`
	Address   string `json:"address,omitempty"` // empty: by DHCP, or none
	DHCP      bool   `json:"dhcp"`
}

// Expanded is the site of a plan.
func (p Plan) Expanded() (*scenarios.Site, error) {
	var s scenarios.Site
	if err := json.Unmarshal(p.Site, &s); err != nil {
		return nil, fmt.Errorf("read the site of lab %s: %w", p.Lab, err)
	}
	return &s, nil
}

// Graph is the plan for programs, with the titles of one language.
func (p Plan) Graph(lang string) (Graph, error) {
	s, err := p.Expanded()
	if err != nil {
		return Graph{}, err
	}
	g := Graph{Lab: p.Lab, Site: s.ID, Nodes: []GraphNode{}, Segments: []GraphSegment{}, Attachments: []GraphAttachment{}}
	for _, x := range s.Segments {
		g.Segments = append(g.Segments, GraphSegment{x.ID, x.Title.In(lang), x.Net.String()})
	}
	for _, n := range s.Nodes {
		g.Nodes = append(g.Nodes, GraphNode{n.Name, string(n.Class), n.Role, n.Title.In(lang)})
		for _, i := range n.Interfaces {
			a := GraphAttachment{Node: n.Name, Interface: i.Name, Segment: i.Segment, DHCP: i.DHCP}
			if i.Address.IsValid() {
				a.Address = i.Address.String()
			}
			g.Attachments = append(g.Attachments, a)
		}
	}
	return g, nil
}
