package cable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sort"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/situlab/situlab/labnet/cable/plugin"
)

// Attachment is a cable to be: from a node's interface to a segment.
type Attachment struct {
	// Node is the node's name, Interface the name that it will see (eth0).
	Node, Interface string
	// Segment is where the other end goes.
	Segment string
	// MAC is the node's address; nil means [MAC] of the two names.
	MAC net.HardwareAddr
	// NetNS is the path of the node's network namespace (node.Node.NetNS).
	NetNS string
	// Down makes the switch's end without power: NO-CARRIER in the node.
	Down bool
	// Raise also sets the node's end up before its system boots, so that both
	// ends have carrier. Without it the node's own configuration does that.
	Raise bool
	// ToNode and FromNode are impairments from the start on: a carrier's line
	// that is as slow as its contract.
	ToNode, FromNode Impairment
}

// MAC is the address that a node's interface gets unless the site says
// another: locally administered, derived from the two names alone, so that the
// same site has the same addresses in every lab.
func MAC(node, ifname string) net.HardwareAddr { return plugin.MAC(node, ifname) }

func networkName(lab string) string { return "situlab-" + lab }

// networkList is the lab's CNI configuration: one network, whose segments come
// as a capability argument.
func networkList(cfg Config, pin string) (*libcni.NetworkConfigList, error) {
	p := map[string]any{
		"type":   plugin.Type,
		"switch": pin,
		"capabilities": map[string]bool{
			"mac": true, "port": true,
		},
	}
	if cfg.MTU != 0 {
		p["mtu"] = cfg.MTU
	}
	data, err := json.Marshal(map[string]any{
		"cniVersion": "1.1.0",
		"name":       networkName(cfg.Lab),
		"plugins":    []any{p},
	})
	if err != nil {
		return nil, fmt.Errorf("CNI configuration of lab %s: %w", cfg.Lab, err)
	}
	list, err := libcni.NetworkConfFromBytes(data)
	if err != nil {
		return nil, fmt.Errorf("CNI configuration of lab %s: %w", cfg.Lab, err)
	}
	return list, nil
}

// runtimeConf is the CNI request for a record.
func (r *record) runtimeConf(via string) *libcni.RuntimeConf {
	return &libcni.RuntimeConf{
		ContainerID: r.Node,
		IfName:      r.Interface,
		NetNS:       r.NetNS,
		CapabilityArgs: map[string]any{
			"mac":  r.MAC,
			"port": plugin.Port{Segment: r.Segment, Down: r.Down, Raise: r.Raise, Via: via},
		},
	}
}

// Attach makes a cable. If the switch still has this port (a node's earlier
// life), it is replaced, impairments included: use [Switch.Reattach] to keep
// what the network was told about it.
func (s *Switch) Attach(ctx context.Context, a Attachment) error {
	if !validName.MatchString(a.Node) {
		return &InputError{"node", a.Node, "want 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first"}
	}
	if _, err := s.bridge(a.Segment); err != nil {
		return fmt.Errorf("attach %s of %s: %w", a.Interface, a.Node, err)
	}
	for _, i := range []Impairment{a.ToNode, a.FromNode} {
		if err := i.check(); err != nil {
			return fmt.Errorf("attach %s of %s: %w", a.Interface, a.Node, err)
		}
	}
	if a.MAC == nil {
		a.MAC = MAC(a.Node, a.Interface)
	}
	defer s.keys.lock(key{a.Node, a.Interface})()
	return s.add(ctx, record{
		Node: a.Node, Interface: a.Interface, Segment: a.Segment,
		MAC: a.MAC.String(), NetNS: a.NetNS, Down: a.Down, Raise: a.Raise,
		ToNode: a.ToNode, FromNode: a.FromNode,
	})
}

// Reattach gives a node that was created anew (a reboot) its cable back, as the
// network last knew it: same segment, link state and impairments.
func (s *Switch) Reattach(ctx context.Context, node, ifname, netnsPath string) error {
	k := key{node, ifname}
	defer s.keys.lock(k)()
	r, err := s.get(k)
	if err != nil {
		return err
	}
	r.NetNS = netnsPath
	return s.add(ctx, r)
}

// ReattachNode is [Switch.Reattach] for all cables of a node.
func (s *Switch) ReattachNode(ctx context.Context, node, netnsPath string) error {
	for _, k := range s.keysOf(node) {
		if err := s.Reattach(ctx, k.node, k.ifname, netnsPath); err != nil {
			return err
		}
	}
	return nil
}

// add makes the cable of a record; the key is locked.
func (s *Switch) add(ctx context.Context, r record) error {
	k := r.key()
	old, err := s.get(k)
	known := err == nil
	if known {
		// The old namespace dies late: its end must not hold the name.
		if err := s.del(ctx, old); err != nil {
			return err
		}
	}
	if err := s.put(r); err != nil {
		return err
	}
	_, err = s.cni.AddNetworkList(ctx, s.list, r.runtimeConf(""))
	if code(err) == plugin.ErrPortExists {
		// A port without a record: left by a process that was killed.
		if err = s.cni.DelNetworkList(ctx, s.list, r.runtimeConf("")); err == nil {
			_, err = s.cni.AddNetworkList(ctx, s.list, r.runtimeConf(""))
		}
	}
	if err == nil {
		if err = s.impair(&r); err == nil {
			return nil
		}
	}
	// Also a failed ADD may have left its port (its cached result is written
	// last).
	err = errors.Join(err, s.del(context.WithoutCancel(ctx), r))
	err = fmt.Errorf("attach %s of %s to %s: %w", r.Interface, r.Node, r.Segment, err)
	if known {
		// The port is gone, what it should be stays known: a node that reboots
		// twice is attached by the second.
		return errors.Join(err, s.put(old))
	}
	return errors.Join(err, s.drop(k))
}

// code is the CNI code of an error, 0 without one.
func code(err error) uint {
	var e *types.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// del removes the kernel's part of a cable; the key is locked.
func (s *Switch) del(ctx context.Context, r record) error {
	if err := s.heal(&r); err != nil {
		return err
	}
	if err := s.cni.DelNetworkList(ctx, s.list, r.runtimeConf("")); err != nil {
		return fmt.Errorf("detach %s of %s: %w", r.Interface, r.Node, err)
	}
	return nil
}

// Detach removes a cable; one that is not there is no error.
func (s *Switch) Detach(ctx context.Context, node, ifname string) error {
	k := key{node, ifname}
	defer s.keys.lock(k)()
	r, err := s.get(k)
	if errors.Is(err, ErrNoPort) {
		r = record{Node: node, Interface: ifname}
	}
	if err := s.del(ctx, r); err != nil {
		return err
	}
	return s.drop(k)
}

// DetachNode removes all cables of a node.
func (s *Switch) DetachNode(ctx context.Context, node string) error {
	for _, k := range s.keysOf(node) {
		if err := s.Detach(ctx, k.node, k.ifname); err != nil {
			return err
		}
	}
	return nil
}

// Unplug removes the cables of nodes that are about to be created anew, at the
// price of one, and remembers what they were: [Switch.Reattach] makes them
// again. Without it each reattachment first deletes the old cable, which costs
// 20 ms.
func (s *Switch) Unplug(ctx context.Context, nodes ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	off := map[key]bool{}
	for _, n := range nodes {
		for _, k := range s.keysOf(n) {
			off[k] = true
			if err := s.unimpair(k); err != nil {
				return err
			}
		}
	}
	if _, err := s.sw.DeletePorts(func(m plugin.Mark) bool {
		return m.Network == s.list.Name && off[key{m.Container, m.IfName}]
	}); err != nil {
		return fmt.Errorf("unplug %d nodes: %w", len(nodes), err)
	}
	return nil
}

// unimpair removes the kernel's part of a cable's impairments.
func (s *Switch) unimpair(k key) error {
	defer s.keys.lock(k)()
	r, err := s.get(k)
	if errors.Is(err, ErrNoPort) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.heal(&r)
}

// keysOf lists the cables of a node by interface.
func (s *Switch) keysOf(node string) []key {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ks []key
	for k := range s.ports {
		if k.node == node {
			ks = append(ks, k)
		}
	}
	sort.Slice(ks, func(i, j int) bool { return ks[i].ifname < ks[j].ifname })
	return ks
}

// Check compares a cable with what the network was told: CNI's CHECK. The
// error is a *types.Error with one of package plugin's codes, or [ErrNoPort].
func (s *Switch) Check(ctx context.Context, node, ifname string) error {
	k := key{node, ifname}
	defer s.keys.lock(k)()
	r, err := s.get(k)
	if err != nil {
		return err
	}
	if err := s.cni.CheckNetworkList(ctx, s.list, r.runtimeConf(s.relays.via(k))); err != nil {
		return fmt.Errorf("check %s of %s: %w", ifname, node, err)
	}
	return nil
}

// Status is CNI's STATUS: nil when the switch can take attachments.
func (s *Switch) Status(ctx context.Context) error {
	if err := s.cni.GetStatusNetworkList(ctx, s.list); err != nil {
		return fmt.Errorf("switch of lab %s: %w", s.cfg.Lab, err)
	}
	return nil
}

// GC removes every cable of this lab that is not named in valid (only Node and
// Interface count), also those of which only the kernel knows.
func (s *Switch) GC(ctx context.Context, valid []Attachment) error {
	keep := map[key]bool{}
	args := &libcni.GCArgs{ValidAttachments: []types.GCAttachment{}}
	for _, a := range valid {
		keep[key{a.Node, a.Interface}] = true
		args.ValidAttachments = append(args.ValidAttachments, types.GCAttachment{ContainerID: a.Node, IfName: a.Interface})
	}
	s.mu.Lock()
	var strays []record
	for k, r := range s.ports {
		if !keep[k] {
			strays = append(strays, *r)
		}
	}
	s.mu.Unlock()
	for _, r := range strays {
		if err := s.unimpair(r.key()); err != nil {
			return err
		}
	}
	// All ports in one request first: libcni then deletes one by one, which
	// costs nothing for a port that is gone.
	if _, err := s.sw.DeletePorts(func(m plugin.Mark) bool {
		return m.Network == s.list.Name && !keep[key{m.Container, m.IfName}]
	}); err != nil {
		return fmt.Errorf("clean the switch of lab %s: %w", s.cfg.Lab, err)
	}
	if err := s.cni.GCNetworkList(ctx, s.list, args); err != nil {
		return fmt.Errorf("clean the switch of lab %s: %w", s.cfg.Lab, err)
	}
	var errs []error
	for _, r := range strays {
		errs = append(errs, s.drop(r.key()))
	}
	return errors.Join(errs...)
}
