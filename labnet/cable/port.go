package cable

import (
	"context"
	"fmt"
	"sort"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Port is one cable as it is now, for a map and for the journal.
type Port struct {
	Node      string `json:"node"`
	Interface string `json:"interface"`
	Segment   string `json:"segment"`
	MAC       string `json:"mac"`
	// Up is what the network was told: false is a port switched off.
	Up bool `json:"up"`
	// Carrier says that both ends have power; it is false also while the node
	// has not brought its interface up, or is gone.
	Carrier bool `json:"carrier"`
	// Present says that the kernel has the port.
	Present bool `json:"present"`
	// ToNode and FromNode are the impairments of each direction.
	ToNode   Impairment `json:"toNode,omitzero"`
	FromNode Impairment `json:"fromNode,omitzero"`
	// Relayed says that frames pass through the user-space relay.
	Relayed bool `json:"relayed,omitempty"`
	// Received and Sent are the port's counters in frames, as the node sees
	// them (what the node sent is Sent).
	Received uint64 `json:"received"`
	Sent     uint64 `json:"sent"`
}

// Ports lists all cables by node and interface.
func (s *Switch) Ports(ctx context.Context) ([]Port, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	links, err := s.links()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	ports := make([]Port, 0, len(s.ports))
	for k, r := range s.ports {
		p := Port{
			Node: r.Node, Interface: r.Interface, Segment: r.Segment, MAC: r.MAC, Up: !r.Down,
			ToNode: r.ToNode, FromNode: r.FromNode, Relayed: s.relays.via(k) != "",
		}
		if l := links[r.port()]; l != nil {
			p.Present = true
			// Not the operational state, which the kernel updates later.
			p.Carrier = l.Attrs().RawFlags&unix.IFF_LOWER_UP != 0
			if st := l.Attrs().Statistics; st != nil {
				p.Received, p.Sent = st.TxPackets, st.RxPackets
			}
		}
		ports = append(ports, p)
	}
	s.mu.Unlock()
	sort.Slice(ports, func(i, j int) bool {
		if ports[i].Node != ports[j].Node {
			return ports[i].Node < ports[j].Node
		}
		return ports[i].Interface < ports[j].Interface
	})
	return ports, nil
}

// SetLink switches the port of a cable on or off. Off is NO-CARRIER in the
// node, which cannot change it.
func (s *Switch) SetLink(ctx context.Context, node, ifname string, up bool) error {
	return s.change(ctx, node, ifname, "link", func(r *record, h *netlink.Handle, l netlink.Link) error {
		r.Down = !up
		if err := s.put(*r); err != nil {
			return err
		}
		if up {
			return h.LinkSetUp(l)
		}
		return h.LinkSetDown(l)
	})
}

// Move puts a cable's port on another segment; the node keeps its interface
// and its carrier, as when somebody moves a plug in the cabinet.
func (s *Switch) Move(ctx context.Context, node, ifname, segment string) error {
	bridge, err := s.bridge(segment)
	if err != nil {
		return fmt.Errorf("move %s of %s: %w", ifname, node, err)
	}
	return s.change(ctx, node, ifname, "move", func(r *record, h *netlink.Handle, l netlink.Link) error {
		r.Segment = segment
		if err := s.put(*r); err != nil {
			return err
		}
		if via := s.relays.via(r.key()); via != "" {
			if l, err = h.LinkByName(via); err != nil {
				return err
			}
		}
		return h.LinkSetMasterByIndex(l, bridge)
	})
}

// change lends the record, a handle and the link of an existing port.
func (s *Switch) change(ctx context.Context, node, ifname, what string, f func(*record, *netlink.Handle, netlink.Link) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k := key{node, ifname}
	defer s.keys.lock(k)()
	r, err := s.get(k)
	if err != nil {
		return err
	}
	err = s.sw.Do(func(h *netlink.Handle) error {
		l, err := h.LinkByName(r.port())
		if err != nil {
			return err
		}
		return f(&r, h, l)
	})
	if err != nil {
		return fmt.Errorf("%s %s of %s: %w", what, ifname, node, err)
	}
	return nil
}
