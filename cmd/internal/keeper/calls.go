package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/situlab/situlab/cmd/internal/control"
	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/fault"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/scenarios"
)

// calls are the control methods of a keeper (net/rpc wants its own shape).
type calls keeper

// ResetArgs says in which language the steps of a reset are told.
type ResetArgs struct{ Lang string }

// NodeArgs names a node.
type NodeArgs struct{ Node string }

// Said tells what the keeper has said since; see [control.Talk].
func (c *calls) Said(a *control.After, out *control.Said) error { return c.talk.Said(a, out) }

// Down takes the lab down; the answer comes when it is gone.
func (c *calls) Down(_ *control.None, _ *control.None) error {
	c.once.Do(func() { close(c.down) })
	err := <-c.downErr
	c.downErr <- err // for another caller
	return err
}

// Reset gives the lab pristine disks and waits until it is ready.
func (c *calls) Reset(a *ResetArgs, _ *control.None) error {
	if !c.work.TryLock() {
		return control.Refusef("lab %q is being reset or taken down already", c.lab.Name())
	}
	defer c.work.Unlock()
	c.ui.Lang = a.Lang // nothing else speaks while work is held
	ctx, cancel := context.WithTimeout(c.life, provision.ReadyTimeout)
	defer cancel()
	if err := c.lab.Reset(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	c.faults = map[string]injected{}
	c.mu.Unlock()
	if err := provision.WaitRunning(ctx, c.lab, c.ui); err != nil {
		return err
	}
	_, err := provision.WaitGreen(c.life, c.lab, c.ui)
	return err
}

// rebootTimeout bounds the wait for a rebooted node.
const rebootTimeout = time.Minute

// Reboot reboots a node, or starts one that is off.
func (c *calls) Reboot(a *NodeArgs, _ *control.None) error {
	ctx, cancel := context.WithTimeout(context.Background(), rebootTimeout)
	defer cancel()
	err := c.lab.Reboot(ctx, a.Node)
	if errors.Is(err, labnet.ErrNoNode) {
		return c.noNode(a.Node)
	}
	return err
}

func (c *calls) noNode(name string) error {
	return control.Refusef("lab %q has no node %q; nodes: situlab lab inspect %s", c.lab.Name(), name, c.lab.Name())
}

// node finds a node that a fault can be written into.
func (c *calls) node(name string) (node.Node, error) {
	if n := c.lab.Node(name); n != nil {
		return n, nil
	}
	if !slices.ContainsFunc(c.site.Nodes, func(n scenarios.Node) bool { return n.Name == name }) {
		return nil, c.noNode(name)
	}
	return nil, control.Refusef("node %q of lab %q is off; start it: situlab lab reboot %s %s", name, c.lab.Name(), c.lab.Name(), name)
}

// Inspect lists the nodes with their states.
func (c *calls) Inspect(_ *control.None, out *provision.Inspection) error {
	*out = provision.Inspect(c.lab)
	return nil
}

// Plan gives the network as the site says.
func (c *calls) Plan(_ *control.None, out *provision.Plan) (err error) {
	*out, err = provision.PlanOf(c.lab)
	return err
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
	n, err := c.node(f.Node)
	if err != nil {
		return err
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
func (c *calls) Heal(id *string, out *FaultInfo) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	x, ok := c.faults[*id]
	if !ok {
		return control.Refusef("lab %q has no fault %q; faults: situlab fault list %s", c.lab.Name(), *id, c.lab.Name())
	}
	n, err := c.node(x.spec.Node)
	if err != nil {
		return err
	}
	if err := x.fault.Heal(n); err != nil {
		return err
	}
	delete(c.faults, *id)
	*out = FaultInfo{ID: *id, Kind: x.spec.Kind, Node: x.spec.Node, Artefact: x.fault.Artefact()}
	return nil
}
