package keeper

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/situlab/situlab/cmd/internal/control"
	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/fault"
	"github.com/situlab/situlab/scenarios"
)

// calls are the control methods of a keeper (net/rpc wants its own shape).
type calls keeper

// NodeArgs names a node.
type NodeArgs struct{ Node string }

// Down asks a keeper to take its lab down and waits until it is gone.
func Down(lab string) error {
	return control.Call(lab, "Down", &control.None{}, &control.None{})
}

// Down takes the lab down; the answer comes when it is gone.
func (c *calls) Down(_ *control.None, _ *control.None) error {
	c.once.Do(func() { close(c.down) })
	err := <-c.downErr
	c.downErr <- err // for another caller
	return err
}

// Reset gives the lab pristine disks and waits until it is ready.
func (c *calls) Reset(_ *control.None, _ *control.None) error {
	ctx := context.Background()
	if err := c.lab.Reset(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	c.faults = map[string]injected{}
	c.mu.Unlock()
	if err := c.lab.WaitRunning(ctx); err != nil {
		return err
	}
	_, err := provision.WaitGreen(ctx, c.lab, c.ui)
	return err
}

// rebootTimeout bounds the wait for a rebooted node.
const rebootTimeout = time.Minute

// Reboot reboots a node, or starts one that is off.
func (c *calls) Reboot(a *NodeArgs, _ *control.None) error {
	ctx, cancel := context.WithTimeout(context.Background(), rebootTimeout)
	defer cancel()
	return c.lab.Reboot(ctx, a.Node)
}

// Inspection is what is known of the nodes.
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

// Inspect lists the nodes with their states.
func (c *calls) Inspect(_ *control.None, out *Inspection) error {
	out.Lab, out.Site = c.lab.Name(), c.site.ID
	for _, n := range c.site.Nodes {
		info := NodeInfo{Name: n.Name, Class: string(n.Class), State: string(c.lab.NodeState(n.Name))}
		if m := c.lab.Node(n.Name); m != nil {
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
	return nil
}

// FaultInfo is an injected fault.
type FaultInfo struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Node     string `json:"node"`
	Artefact string `json:"artefact"`
	Present  bool   `json:"present"`
}

// Inject breaks something in the running lab and reboots nothing.
func (c *calls) Inject(f *scenarios.Fault, out *FaultInfo) error {
	x, err := fault.Parse(*f)
	if err != nil {
		return err
	}
	n := c.lab.Node(f.Node)
	if n == nil {
		return fmt.Errorf("%w: %s", labnet.ErrNoNode, f.Node)
	}
	if err := x.Inject(n, time.Now()); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	id := fmt.Sprintf("f%d", c.next)
	c.faults[id] = injected{*f, x}
	*out = FaultInfo{ID: id, Kind: f.Kind, Node: f.Node, Artefact: x.Artefact(), Present: true}
	return nil
}

// Faults lists what was injected and not healed.
func (c *calls) Faults(_ *control.None, out *[]FaultInfo) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, x := range c.faults {
		info := FaultInfo{ID: id, Kind: x.spec.Kind, Node: x.spec.Node, Artefact: x.fault.Artefact()}
		if n := c.lab.Node(x.spec.Node); n != nil {
			info.Present, _ = x.fault.Present(n)
		}
		*out = append(*out, info)
	}
	sort.Slice(*out, func(i, j int) bool { return (*out)[i].ID < (*out)[j].ID })
	return nil
}

// Heal takes a fault back.
func (c *calls) Heal(id *string, _ *control.None) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	x, ok := c.faults[*id]
	if !ok {
		return fmt.Errorf("no fault %q; faults: situlab fault list LAB", *id)
	}
	n := c.lab.Node(x.spec.Node)
	if n == nil {
		return fmt.Errorf("node %s is off", x.spec.Node)
	}
	if err := x.fault.Heal(n); err != nil {
		return err
	}
	delete(c.faults, *id)
	return nil
}
