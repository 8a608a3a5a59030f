package plugin

import (
	"fmt"
	"net"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/vishvananda/netlink"
)

// Check compares the cable with what ADD made: both ends, their peering, the
// address, the segment and the state asked for. Code [ErrChanged] tells what
// differs.
func (p *Plugin) Check(args *skel.CmdArgs) error {
	c, err := ParseConfig(args.StdinData)
	if err != nil {
		return err
	}
	if c.prev == nil {
		return types.NewError(types.ErrInvalidNetworkConfig, "CHECK needs the previous result", "was ADD ever done?")
	}
	ns, err := container(args.Netns)
	if err != nil {
		return err
	}
	defer ns.Close()
	inner, err := HandleAt(ns)
	if err != nil {
		return types.NewError(types.ErrInvalidNetNS, "container's network namespace", err.Error())
	}
	defer inner.Close()
	err = p.with(c.Switch, func(h *netlink.Handle) error { return check(h, inner, c, args) })
	if err != nil {
		return switchError(c.Switch, err)
	}
	return nil
}

func changed(format string, args ...any) error {
	return types.NewError(ErrChanged, "attachment is not as it was made", fmt.Sprintf(format, args...))
}

func check(h, inner *netlink.Handle, c *Config, args *skel.CmdArgs) error {
	name := PortName(args.ContainerID, args.IfName)
	port, err := h.LinkByName(name)
	if IsNotFound(err) {
		return types.NewError(types.ErrUnknownContainer, fmt.Sprintf("%s of %s is not attached", args.IfName, args.ContainerID), "no port "+name)
	}
	if err != nil {
		return types.NewError(types.ErrIOFailure, "port "+name, err.Error())
	}
	pa := port.Attrs()
	if up := pa.Flags&net.FlagUp != 0; up == c.RuntimeConfig.Port.Down {
		return changed("port %s: up is %v", name, up)
	}
	onBridge := pa
	if via := c.RuntimeConfig.Port.Via; via != "" {
		l, err := h.LinkByName(via)
		if err != nil {
			return changed("relay device %s: %v", via, err)
		}
		onBridge = l.Attrs()
	}
	if seg := c.segment(); seg != "" {
		bridge, err := h.LinkByName(BridgeName(seg))
		if err != nil {
			return types.NewError(ErrUnknownSegment, fmt.Sprintf("no segment %q in switch %s", seg, c.Switch), err.Error())
		}
		if onBridge.MasterIndex != bridge.Attrs().Index {
			return changed("port %s is not on segment %s", name, seg)
		}
	}
	peer, err := inner.LinkByName(args.IfName)
	if err != nil {
		return changed("no %s in the container: %v", args.IfName, err)
	}
	// The index of the other end is what each end calls its parent.
	if peer.Type() != "veth" || peer.Attrs().Index != pa.ParentIndex || peer.Attrs().ParentIndex != pa.Index {
		return changed("%s in the container is not the end of port %s", args.IfName, name)
	}
	for _, i := range c.prev.Interfaces {
		if i.Name == args.IfName && i.Sandbox == args.Netns && i.Mac != peer.Attrs().HardwareAddr.String() {
			return changed("%s has address %s, not %s", args.IfName, peer.Attrs().HardwareAddr, i.Mac)
		}
	}
	return checkAddrs(inner, peer, c)
}

func checkAddrs(inner *netlink.Handle, peer netlink.Link, c *Config) error {
	if len(c.prev.IPs) == 0 {
		return nil
	}
	addrs, err := Dump(func() ([]netlink.Addr, error) { return inner.AddrList(peer, netlink.FAMILY_ALL) })
	if err != nil {
		return types.NewError(types.ErrIOFailure, "addresses of "+peer.Attrs().Name, err.Error())
	}
	have := map[string]bool{}
	for _, a := range addrs {
		have[a.IPNet.String()] = true
	}
	for _, ip := range c.prev.IPs {
		if !have[ip.Address.String()] {
			return changed("%s lacks address %s", peer.Attrs().Name, ip.Address.String())
		}
	}
	return nil
}
