package plugin

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/cable/internal/netns"
)

// Plugin answers CNI requests. The zero value opens the switch anew for each
// request, as the executable must; [Plugin.Use] lets it keep one open.
type Plugin struct {
	mu   sync.RWMutex
	open map[string]*Switch
}

// Use makes the plugin work through an open switch until [Plugin.Forget].
func (p *Plugin) Use(s *Switch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		p.open = map[string]*Switch{}
	}
	p.open[s.path] = s
}

// Forget undoes [Plugin.Use]; the caller closes the switch.
func (p *Plugin) Forget(s *Switch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, s.path)
}

// with runs f on a netlink handle in the switch namespace at path.
func (p *Plugin) with(path string, f func(*netlink.Handle) error) error {
	return p.withSwitch(path, func(s *Switch) error { return s.Do(f) })
}

func (p *Plugin) withSwitch(path string, f func(*Switch) error) error {
	p.mu.RLock()
	s := p.open[path]
	p.mu.RUnlock()
	if s == nil {
		var err error
		if s, err = OpenSwitch(path); err != nil {
			return err
		}
		defer s.Close()
	}
	return f(s)
}

// switchError gives an error of opening the switch its code.
func switchError(path string, err error) error {
	var coded *types.Error
	if errors.As(err, &coded) {
		return coded
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, netns.ErrNotNetNS) {
		return types.NewError(types.ErrPluginNotAvailable, "no switch at "+path, err.Error())
	}
	return types.NewError(types.ErrInternal, "switch "+path, err.Error())
}

// container opens the container's namespace and refuses the host's.
func container(path string) (*os.File, error) {
	f, err := netns.Open(path)
	if err != nil {
		return nil, types.NewError(types.ErrInvalidNetNS, "container's network namespace", err.Error())
	}
	own, err := netns.IsOwn(f)
	if err != nil || own {
		f.Close()
		return nil, types.NewError(types.ErrInvalidNetNS, path+" is the host's own network namespace", "nothing of a lab is ever put there")
	}
	return f, nil
}

// Add makes the cable and returns the bridge, the port and the container's
// interface. It leaves nothing behind when it fails.
func (p *Plugin) Add(args *skel.CmdArgs) (types.Result, error) {
	c, err := ParseConfig(args.StdinData)
	if err != nil {
		return nil, err
	}
	if c.segment() == "" {
		return nil, bad(`no "segment"`)
	}
	ns, err := container(args.Netns)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	var bridge netlink.Link
	port := newVeth(c, args, ns)
	err = p.with(c.Switch, func(h *netlink.Handle) error {
		bridge, err = h.LinkByName(BridgeName(c.segment()))
		if err != nil {
			return types.NewError(ErrUnknownSegment, fmt.Sprintf("no segment %q in switch %s", c.segment(), c.Switch), err.Error())
		}
		port.MasterIndex = bridge.Attrs().Index
		if err := h.LinkAdd(port); err != nil {
			return addError(h, port, args, err)
		}
		mark := Mark{Network: c.Name, Container: args.ContainerID, IfName: args.IfName}
		if err := h.LinkSetAlias(port, mark.String()); err != nil {
			return errors.Join(types.NewError(types.ErrIOFailure, "mark port "+port.Name, err.Error()), h.LinkDel(port))
		}
		if len(c.ips) > 0 || c.RuntimeConfig.Port.Raise {
			if err := configure(ns, args.IfName, c); err != nil {
				return errors.Join(types.NewError(types.ErrIOFailure, "configure "+args.IfName, err.Error()), h.LinkDel(port))
			}
		}
		return nil
	})
	if err != nil {
		return nil, switchError(c.Switch, err)
	}
	r := &types100.Result{
		CNIVersion: types100.ImplementedSpecVersion,
		Interfaces: []*types100.Interface{
			{Name: bridge.Attrs().Name, Mac: bridge.Attrs().HardwareAddr.String(), Sandbox: c.Switch},
			{Name: port.Name, Mac: port.HardwareAddr.String(), Sandbox: c.Switch},
			{Name: args.IfName, Mac: port.PeerHardwareAddr.String(), Sandbox: args.Netns, Mtu: c.MTU},
		},
	}
	for _, ip := range c.ips {
		r.IPs = append(r.IPs, &types100.IPConfig{
			Interface: types100.Int(2),
			Address:   net.IPNet{IP: ip.Addr().AsSlice(), Mask: net.CIDRMask(ip.Bits(), ip.Addr().BitLen())},
		})
	}
	return r.GetAsVersion(c.CNIVersion)
}

func newVeth(c *Config, args *skel.CmdArgs, ns *os.File) *netlink.Veth {
	la := netlink.NewLinkAttrs()
	la.Name = PortName(args.ContainerID, args.IfName)
	la.HardwareAddr = portMAC(args.ContainerID, args.IfName)
	la.MTU = c.MTU
	if !c.RuntimeConfig.Port.Down {
		la.Flags |= net.FlagUp
	}
	v := netlink.NewVeth(la)
	v.PeerName = args.IfName
	v.PeerNamespace = netlink.NsFd(int(ns.Fd()))
	v.PeerMTU = uint32(c.MTU)
	// One queue per end: the default is one per possible CPU of the host, which
	// costs memory and sysfs entries, and shows the host's CPUs to the node.
	v.NumTxQueues, v.NumRxQueues = 1, 1
	v.PeerNumTxQueues, v.PeerNumRxQueues = 1, 1
	v.PeerHardwareAddr = c.mac
	if v.PeerHardwareAddr == nil {
		v.PeerHardwareAddr = MAC(args.ContainerID, args.IfName)
	}
	return v
}

// addError tells which of the two names was taken: the kernel says EEXIST for
// both.
func addError(h *netlink.Handle, port *netlink.Veth, args *skel.CmdArgs, err error) error {
	if errors.Is(err, unix.EEXIST) {
		if _, lerr := h.LinkByName(port.Name); lerr == nil {
			return types.NewError(ErrPortExists, fmt.Sprintf("%s of %s is already attached", args.IfName, args.ContainerID), "delete it first")
		}
		return types.NewError(ErrInterfaceExists, fmt.Sprintf("%s already has an interface %s", args.ContainerID, args.IfName), err.Error())
	}
	return types.NewError(types.ErrIOFailure, fmt.Sprintf("make the cable of %s %s", args.ContainerID, args.IfName), err.Error())
}

// configure raises the container's end and gives it the addresses asked for.
func configure(ns *os.File, ifname string, c *Config) error {
	h, err := HandleAt(ns)
	if err != nil {
		return err
	}
	defer h.Close()
	l, err := h.LinkByName(ifname)
	if err != nil {
		return err
	}
	if err := h.LinkSetUp(l); err != nil {
		return fmt.Errorf("set %s up: %w", ifname, err)
	}
	for _, ip := range c.ips {
		a := &netlink.Addr{IPNet: &net.IPNet{IP: ip.Addr().AsSlice(), Mask: net.CIDRMask(ip.Bits(), ip.Addr().BitLen())}}
		if ip.Addr().Is6() {
			// The address is the plan's: no wait for duplicate detection.
			a.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrAdd(l, a); err != nil {
			return fmt.Errorf("address %s: %w", ip, err)
		}
	}
	return nil
}

// Del removes the cable. A cable, container or switch that is gone already is
// no error, and the container's namespace is not needed.
func (p *Plugin) Del(args *skel.CmdArgs) error {
	c, err := ParseConfig(args.StdinData)
	if err != nil {
		return err
	}
	err = p.with(c.Switch, func(h *netlink.Handle) error {
		name := PortName(args.ContainerID, args.IfName)
		l, err := h.LinkByName(name)
		if err == nil {
			err = h.LinkDel(l)
		}
		if err != nil && !IsNotFound(err) {
			return types.NewError(types.ErrIOFailure, "delete port "+name, err.Error())
		}
		return nil
	})
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, netns.ErrNotNetNS) {
		return nil
	}
	if err != nil {
		return switchError(c.Switch, err)
	}
	return nil
}

// GC removes the ports of the request's network that are not in its list of
// valid attachments.
func (p *Plugin) GC(args *skel.CmdArgs) error {
	c, err := ParseConfig(args.StdinData)
	if err != nil {
		return err
	}
	valid := map[types.GCAttachment]bool{}
	for _, a := range c.ValidAttachments {
		valid[a] = true
	}
	err = p.withSwitch(c.Switch, func(s *Switch) error {
		_, err := s.DeletePorts(func(m Mark) bool {
			return m.Network == c.Name && !valid[types.GCAttachment{ContainerID: m.Container, IfName: m.IfName}]
		})
		return err
	})
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, netns.ErrNotNetNS) {
		return nil
	}
	if err != nil {
		return switchError(c.Switch, err)
	}
	return nil
}

// Status says whether an ADD could work: 50 (not available) without a switch.
func (p *Plugin) Status(args *skel.CmdArgs) error {
	c, err := ParseConfig(args.StdinData)
	if err != nil {
		return err
	}
	err = p.with(c.Switch, func(h *netlink.Handle) error {
		if c.Segment == "" {
			return nil
		}
		if _, err := h.LinkByName(BridgeName(c.Segment)); err != nil {
			return types.NewError(types.ErrPluginNotAvailable, fmt.Sprintf("no segment %q in switch %s", c.Segment, c.Switch), err.Error())
		}
		return nil
	})
	if err != nil {
		return switchError(c.Switch, err)
	}
	return nil
}
