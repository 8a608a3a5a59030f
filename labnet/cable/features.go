package cable

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/situlab/situlab/labnet/cable/internal/netns"
	"github.com/situlab/situlab/labnet/cable/plugin"
	"github.com/situlab/situlab/labnet/cable/relay"
)

// Feature is an ability of the kernel that the network may use.
type Feature struct {
	// Name is short and stable, What is a sentence for doctor.
	Name, What string
	// Required says that no lab works without it.
	Required bool
	// Has tries the thing in a namespace of its own: nil, an
	// [*UnsupportedError], or any other error: could not tell.
	Has func() error
}

// Features are all abilities that this package asks for.
func Features() []Feature {
	return []Feature{
		{"switch", "network namespaces, bridges and veth pairs: segments and cables", true, HasSwitch},
		{"tbf", "token bucket filter: rate limit towards a node", false, HasTBF},
		{"ifb", "intermediate functional block with u32 and mirred: rate limit from a node", false, HasIFB},
		{"loss", "nftables netdev ingress and egress hooks with numgen: loss", false, HasLoss},
		{"netem", "network emulator: delay, jitter, reordering, duplication (else the relay)", false, HasNetem},
		{"relay", "TUN/TAP and packet sockets: the user-space relay for delay and jitter", false, HasRelay},
	}
}

// probed remembers what a probe found; "could not tell" is asked again.
type probed struct {
	mu   sync.Mutex
	done bool
	err  error
}

func (p *probed) ask(try func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return p.err
	}
	err := try()
	if err == nil || errors.Is(err, ErrNotSupported) {
		p.done, p.err = true, err
	}
	return err
}

var probeSwitch, probeTBF, probeIFB, probeLoss, probeNetem, probeRelay probed

// HasSwitch tries a bridge with a veth port in a new namespace.
func HasSwitch() error {
	return probeSwitch.ask(func() error {
		return scratch(func(h *netlink.Handle, port netlink.Link, _ *os.File) error {
			la := netlink.NewLinkAttrs()
			la.Name = "s-probe"
			br := &netlink.Bridge{LinkAttrs: la}
			if err := h.LinkAdd(br); err != nil {
				return unsupported("bridge", "load the module bridge", err)
			}
			return h.LinkSetMaster(port, br)
		})
	})
}

// HasTBF tries a token bucket filter.
func HasTBF() error {
	return probeTBF.ask(func() error {
		return scratch(func(h *netlink.Handle, port netlink.Link, _ *os.File) error {
			return shape(h, port, Impairment{RateBits: 1_000_000}, ToNode)
		})
	})
}

// HasIFB tries the redirection of what a port receives.
func HasIFB() error {
	return probeIFB.ask(func() error {
		return scratch(func(h *netlink.Handle, port netlink.Link, _ *os.File) error {
			_, err := redirect(h, port, "iprobe")
			return err
		})
	})
}

// HasNetem tries the network emulator. The kernel answers ENOENT exactly when
// the qdisc is not there.
func HasNetem() error {
	return probeNetem.ask(func() error {
		return scratch(func(h *netlink.Handle, port netlink.Link, _ *os.File) error {
			err := shape(h, port, Impairment{Delay: time.Millisecond}, ToNode)
			return unsupported("netem", "load the module sch_netem (without it situlab uses its relay)", err)
		})
	})
}

// HasLoss tries the rules that lose frames, in both directions.
func HasLoss() error {
	return probeLoss.ask(func() error {
		return scratch(func(_ *netlink.Handle, port netlink.Link, _ *os.File) error {
			// This function runs on the thread in the scratch namespace.
			c, err := nftables.New(nftables.AsLasting())
			if err != nil {
				return unsupported("nftables", "load the module nf_tables", err)
			}
			t := c.AddTable(&nftables.Table{Family: nftables.TableFamilyNetdev, Name: "probe"})
			addLoss(c, t, "to", nftables.ChainHookEgress, port.Attrs().Name, 50)
			addLoss(c, t, "from", nftables.ChainHookIngress, port.Attrs().Name, 50)
			err = errors.Join(c.Flush(), c.CloseLasting())
			return unsupported("nftables netdev hooks with numgen", "Linux 5.16 or newer with NFT_NUMGEN and NETFILTER_EGRESS", err)
		})
	})
}

// HasRelay tries the devices and sockets of the user-space relay.
func HasRelay() error {
	return probeRelay.ask(func() error {
		return scratch(func(_ *netlink.Handle, port netlink.Link, ns *os.File) error {
			r, err := relay.Open(ns, port.Attrs().Index, "tprobe", relay.Line{}, relay.Line{})
			if err != nil {
				return unsupported("tun", "load the module tun; a container: --device /dev/net/tun", err)
			}
			return r.Close()
		})
	})
}

// scratch lends a port in a new namespace, on a thread that stands there.
func scratch(f func(h *netlink.Handle, port netlink.Link, ns *os.File) error) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("cannot tell what the kernel's network can do: %w: run as root", os.ErrPermission)
	}
	return netns.Scratch(func(ns *os.File) error {
		h, err := plugin.HandleAt(ns)
		if err != nil {
			return err
		}
		defer h.Close()
		la := netlink.NewLinkAttrs()
		la.Name = "pprobe"
		la.Flags = net.FlagUp
		v := netlink.NewVeth(la)
		v.PeerName = "peer"
		if err := h.LinkAdd(v); err != nil {
			return unsupported("veth", "load the module veth", err)
		}
		l, err := h.LinkByName(la.Name)
		if err != nil {
			return err
		}
		return f(h, l, ns)
	})
}
