package cable

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/situlab/situlab/labnet/cable/plugin"
)

// Direction says which frames of a cable are impaired.
type Direction int

// The directions, seen from the node.
const (
	Both Direction = iota
	ToNode
	FromNode
)

// Impairment is what a bad line does to frames. The zero value is a good line.
type Impairment struct {
	// RateBits limits the rate, in bits per second of Ethernet frames.
	RateBits uint64 `json:"rateBits,omitempty"`
	// LossPercent of the frames are lost, at random.
	LossPercent float64 `json:"lossPercent,omitempty"`
	// Delay is added to each frame, give or take Jitter (uniform; at most
	// Delay). Frames keep their order.
	Delay  time.Duration `json:"delay,omitempty"`
	Jitter time.Duration `json:"jitter,omitempty"`
	// ReorderPercent of the frames overtake the delayed ones; it needs Delay.
	ReorderPercent float64 `json:"reorderPercent,omitempty"`
	// DuplicatePercent of the frames arrive twice.
	DuplicatePercent float64 `json:"duplicatePercent,omitempty"`
}

// IsZero reports a good line.
func (i Impairment) IsZero() bool { return i == Impairment{} }

// timed reports what neither tbf nor nftables can do.
func (i Impairment) timed() bool {
	return i.Delay != 0 || i.Jitter != 0 || i.ReorderPercent != 0 || i.DuplicatePercent != 0
}

// emulated reports what needs netem or the relay in a direction. A node's own
// frames, once shaped through an ifb, pass no hook of nftables any more (the
// kernel marks what mirred redirects), so rate and loss together need it too.
func (i Impairment) emulated(d Direction) bool {
	return i.timed() || d == FromNode && i.RateBits != 0 && i.LossPercent != 0
}

func (r *record) emulated() bool {
	return r.ToNode.emulated(ToNode) || r.FromNode.emulated(FromNode)
}

// Bounds of impairments: below 8 kbit/s a full frame takes longer than the
// relay's queue, above a minute of delay nothing is tested any more.
const (
	minRate  = 8_000
	maxDelay = time.Minute
)

func (i Impairment) check() error {
	for _, p := range []struct {
		what string
		v    float64
	}{{"loss", i.LossPercent}, {"reordering", i.ReorderPercent}, {"duplication", i.DuplicatePercent}} {
		if math.IsNaN(p.v) || p.v < 0 || p.v > 100 {
			return &InputError{p.what, fmt.Sprint(p.v), "want a percentage, 0 to 100"}
		}
	}
	switch {
	case i.RateBits != 0 && i.RateBits < minRate:
		return &InputError{"rate", fmt.Sprint(i.RateBits), fmt.Sprintf("want at least %d bit/s", minRate)}
	case i.Delay < 0 || i.Delay > maxDelay:
		return &InputError{"delay", i.Delay.String(), "want 0 to " + maxDelay.String()}
	case i.Jitter < 0 || i.Jitter > i.Delay:
		return &InputError{"jitter", i.Jitter.String(), "want 0 to the delay (" + i.Delay.String() + ")"}
	case i.ReorderPercent > 0 && i.Delay == 0:
		return &InputError{"reordering", fmt.Sprint(i.ReorderPercent), "needs a delay: nothing can be overtaken without"}
	}
	return nil
}

// Impair makes a cable a bad line in one direction or both, in place of what it
// was told before for that direction. Everything happens at the switch's end.
// Delay, jitter, reordering and duplication use netem where the kernel has it,
// else the user-space relay, which needs this process to stay alive.
func (s *Switch) Impair(ctx context.Context, node, ifname string, i Impairment, d Direction) error {
	if err := i.check(); err != nil {
		return fmt.Errorf("impair %s of %s: %w", ifname, node, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	defer s.keys.lock(key{node, ifname})()
	old, err := s.get(key{node, ifname})
	if err != nil {
		return err
	}
	r := old
	if d != FromNode {
		r.ToNode = i
	}
	if d != ToNode {
		r.FromNode = i
	}
	if err := s.put(r); err != nil {
		return err
	}
	if err = s.heal(&old); err == nil {
		err = s.impair(&r)
	}
	if err != nil {
		err = fmt.Errorf("impair %s of %s: %w", ifname, node, err)
		return errors.Join(err, s.heal(&r), s.put(old), s.impair(&old))
	}
	return nil
}

// Clear makes a cable a good line again, both directions.
func (s *Switch) Clear(ctx context.Context, node, ifname string) error {
	return s.Impair(ctx, node, ifname, Impairment{}, Both)
}

// impair applies the impairments of a record to a healed port.
func (s *Switch) impair(r *record) error {
	if r.ToNode.IsZero() && r.FromNode.IsZero() {
		return nil
	}
	if r.emulated() {
		err := HasNetem()
		if errors.Is(err, ErrNotSupported) {
			return s.startRelay(r)
		}
		if err != nil {
			return err
		}
	}
	err := s.sw.Do(func(h *netlink.Handle) error {
		port, err := h.LinkByName(r.port())
		if err != nil {
			return err
		}
		if err := shape(h, port, r.ToNode, ToNode); err != nil {
			return err
		}
		if r.FromNode.RateBits == 0 && !r.FromNode.timed() {
			return nil
		}
		ifb, err := redirect(h, port, ifbName(r))
		if err != nil {
			return err
		}
		return shape(h, ifb, r.FromNode, FromNode)
	})
	if err != nil {
		return err
	}
	return s.setLoss(r)
}

// heal removes all that impair made for a record, also when the port is gone.
func (s *Switch) heal(r *record) error {
	if r.ToNode.IsZero() && r.FromNode.IsZero() {
		return nil
	}
	if err := s.stopRelay(r); err != nil {
		return err
	}
	err := s.sw.Do(func(h *netlink.Handle) error {
		if port, err := h.LinkByName(r.port()); err == nil {
			if err := unshape(h, port); err != nil {
				return err
			}
		} else if !plugin.IsNotFound(err) {
			return err
		}
		ifb, err := h.LinkByName(ifbName(r))
		if err == nil {
			err = h.LinkDel(ifb)
		}
		if err != nil && !plugin.IsNotFound(err) {
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("heal %s: %w", r.key(), err)
	}
	return s.clearLoss(r)
}

// resume starts the relays that died with an earlier process.
func (s *Switch) resume(ctx context.Context) error {
	s.mu.Lock()
	var dead []key
	for k, r := range s.ports {
		if r.emulated() {
			dead = append(dead, k)
		}
	}
	s.mu.Unlock()
	for _, k := range dead {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := func() error {
			defer s.keys.lock(k)()
			r, err := s.get(k)
			if err != nil {
				return err
			}
			err = errors.Join(s.heal(&r), s.impair(&r))
			if plugin.IsNotFound(err) {
				return nil // the node is gone; its port comes back with Reattach
			}
			return err
		}(); err != nil {
			return err
		}
	}
	return nil
}
