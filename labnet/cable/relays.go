package cable

import (
	"errors"
	"fmt"
	"sync"

	"github.com/vishvananda/netlink"

	"github.com/situlab/situlab/labnet/cable/plugin"
	"github.com/situlab/situlab/labnet/cable/relay"
)

// relays are the running relays of a switch, by cable.
type relays struct {
	mu  sync.Mutex
	run map[key]running
}

type running struct {
	*relay.Relay
	tap string
}

// via is the TAP on the bridge for a relayed cable, "" for others.
func (rs *relays) via(k key) string {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.run[k].tap
}

func (rs *relays) put(k key, r running) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.run == nil {
		rs.run = map[key]running{}
	}
	rs.run[k] = r
}

func (rs *relays) take(k key) (running, bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r, ok := rs.run[k]
	delete(rs.run, k)
	return r, ok
}

// stopAll ends all relays: their cables are dead until they are adopted.
func (rs *relays) stopAll() error {
	rs.mu.Lock()
	all := rs.run
	rs.run = nil
	rs.mu.Unlock()
	var errs []error
	for _, r := range all {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

func line(i Impairment) relay.Line {
	return relay.Line{
		RateBits: i.RateBits, Delay: i.Delay, Jitter: i.Jitter,
		Loss: i.LossPercent / 100, Reorder: i.ReorderPercent / 100, Duplicate: i.DuplicatePercent / 100,
	}
}

// startRelay takes the port off its bridge and puts the relay's TAP there.
func (s *Switch) startRelay(r *record) error {
	bridge, err := s.bridge(r.Segment)
	if err != nil {
		return err
	}
	return s.sw.Do(func(h *netlink.Handle) error {
		port, err := h.LinkByName(r.port())
		if err != nil {
			return err
		}
		// Off first: with both on the bridge every frame would arrive twice.
		if err := h.LinkSetNoMaster(port); err != nil {
			return fmt.Errorf("relay: take %s off its segment: %w", r.port(), err)
		}
		rl, err := relay.Open(s.sw.File(), port.Attrs().Index, tapName(r), line(r.ToNode), line(r.FromNode))
		if err != nil {
			err = unsupported("tun", "load the module tun and provide /dev/net/tun", err)
			return errors.Join(err, h.LinkSetMasterByIndex(port, bridge))
		}
		tap, err := h.LinkByName(tapName(r))
		if err == nil {
			if err = h.LinkSetMTU(tap, port.Attrs().MTU); err == nil {
				if err = h.LinkSetMasterByIndex(tap, bridge); err == nil {
					err = h.LinkSetUp(tap)
				}
			}
		}
		if err != nil {
			err = fmt.Errorf("relay: put %s on its segment: %w", tapName(r), err)
			return errors.Join(err, rl.Close(), h.LinkSetMasterByIndex(port, bridge))
		}
		s.relays.put(r.key(), running{rl, tapName(r)})
		return nil
	})
}

// stopRelay puts a relayed port back on its bridge, also after a relay that
// died with its process.
func (s *Switch) stopRelay(r *record) error {
	if !r.emulated() {
		return nil
	}
	if rl, ok := s.relays.take(r.key()); ok {
		if err := rl.Close(); err != nil {
			return fmt.Errorf("relay of %s: %w", r.key(), err)
		}
	}
	bridge, err := s.bridge(r.Segment)
	if err != nil {
		return err
	}
	return s.sw.Do(func(h *netlink.Handle) error {
		port, err := h.LinkByName(r.port())
		if plugin.IsNotFound(err) {
			return nil
		}
		if err == nil && port.Attrs().MasterIndex != bridge {
			err = h.LinkSetMasterByIndex(port, bridge)
		}
		if err != nil {
			return fmt.Errorf("relay of %s: back to %s: %w", r.key(), r.Segment, err)
		}
		return nil
	})
}
