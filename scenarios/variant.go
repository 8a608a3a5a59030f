package scenarios

import (
	"os"
	"time"
)

// Variant is one concrete drawing of a scenario by its seed.
type Variant struct {
	Scenario *Scenario
	Site     *Site // expanded: every name and address concrete
	Seed     uint64
	// ID is the variant's id, or Healthy.
	ID string
	// Spec is nil for the healthy twin; its templates are filled.
	Spec *VariantSpec
	// Picks are the values drawn.
	Picks map[string]string
	// Faults are the faults to inject (decoys first). A fault without an age
	// has that of the decoy on the same file.
	Faults []Fault
	Ticket Ticket
	// Logbook is that of the site with the scenario's own lines, oldest first;
	// Site.Logbook is the same.
	Logbook []Entry
}

// FaultyNode is the name of the node that is broken, empty for the twin.
func (v *Variant) FaultyNode() string {
	if v.Spec == nil {
		return ""
	}
	return v.Spec.Element
}

// Points are the sub-points that this variant declares.
func (v *Variant) Points() []string {
	if v.Spec == nil {
		return v.Scenario.HealthyPoints
	}
	return v.Scenario.Points
}

// Healthy is the id of the healthy twin.
const Healthy = "healthy"

// TreeFile is one file of a node before its first boot.
type TreeFile struct {
	Path        string // absolute
	Mode        os.FileMode
	User, Group string
	Content     []byte // or a link's target
	// Age is how long before the start of the session it was last changed.
	Age time.Duration
}
