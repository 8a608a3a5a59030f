package cable

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/cable/plugin"
)

// ifbName is the device through which a node's own frames are shaped: a qdisc
// works on what a device sends, and the port receives them.
func ifbName(r *record) string { return "i" + r.port()[1:] }

// tapName is the device that stands on the bridge for a relayed port.
func tapName(r *record) string { return "t" + r.port()[1:] }

// rootHandle is the handle 1: of a port's only qdisc.
var rootHandle = netlink.MakeHandle(1, 0)

// shape puts what a device sends under a rate limit or netem. Loss by itself is
// nftables' business (setLoss).
func shape(h *netlink.Handle, l netlink.Link, i Impairment, d Direction) error {
	attrs := netlink.QdiscAttrs{LinkIndex: l.Attrs().Index, Handle: rootHandle, Parent: netlink.HANDLE_ROOT}
	switch {
	case i.emulated(d):
		if err := h.QdiscReplace(netem(attrs, i)); err != nil {
			return fmt.Errorf("netem on %s: %w", l.Attrs().Name, err)
		}
	case i.RateBits != 0:
		if err := h.QdiscReplace(tbf(attrs, i.RateBits)); err != nil {
			return unsupported("tbf", "load the module sch_tbf", fmt.Errorf("tbf on %s: %w", l.Attrs().Name, err))
		}
	}
	return nil
}

// tbf is a token bucket, tc-tbf(8): a bucket of 10 ms but at least two full
// frames, and a queue of 100 ms behind it.
func tbf(attrs netlink.QdiscAttrs, bits uint64) *netlink.Tbf {
	rate := max(bits/8, 1) // bytes per second
	burst := uint32(min(max(rate/100, 3100), 1<<24))
	queue := uint32(min(max(rate/10, 15000), 1<<26))
	return &netlink.Tbf{
		QdiscAttrs: attrs, Rate: rate,
		Buffer: netlink.Xmittime(rate, burst),
		Limit:  burst + queue,
	}
}

func netem(attrs netlink.QdiscAttrs, i Impairment) *netlink.Netem {
	return netlink.NewNetem(attrs, netlink.NetemQdiscAttrs{
		Latency:     uint32(i.Delay / time.Microsecond),
		Jitter:      uint32(i.Jitter / time.Microsecond),
		ReorderProb: float32(i.ReorderPercent),
		Duplicate:   float32(i.DuplicatePercent),
		Loss:        float32(i.LossPercent),
		Rate64:      i.RateBits / 8,
		Limit:       10_000,
	})
}

// redirect sends what a port receives through an ifb device, which puts it
// back: tc-mirred(8). It returns the device.
func redirect(h *netlink.Handle, port netlink.Link, name string) (netlink.Link, error) {
	la := netlink.NewLinkAttrs()
	la.Name = name
	la.Flags = net.FlagUp
	if err := h.LinkAdd(&netlink.Ifb{LinkAttrs: la}); err != nil {
		return nil, unsupported("ifb", "load the module ifb", fmt.Errorf("make %s: %w", name, err))
	}
	ifb, err := h.LinkByName(name)
	if err != nil {
		return nil, err
	}
	ingress := &netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: port.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_INGRESS,
	}}
	if err := h.QdiscAdd(ingress); err != nil {
		return nil, unsupported("ingress qdisc", "load the module sch_ingress", fmt.Errorf("on %s: %w", port.Attrs().Name, err))
	}
	all := &netlink.U32{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: port.Attrs().Index, Parent: netlink.MakeHandle(0xffff, 0), Priority: 1, Protocol: unix.ETH_P_ALL,
		},
		Actions: []netlink.Action{netlink.NewMirredAction(ifb.Attrs().Index)},
	}
	if err := h.FilterAdd(all); err != nil {
		return nil, unsupported("u32 filter with mirred", "load the modules cls_u32 and act_mirred", fmt.Errorf("on %s: %w", port.Attrs().Name, err))
	}
	return ifb, nil
}

// unshape removes the qdiscs that shape and redirect made.
func unshape(h *netlink.Handle, l netlink.Link) error {
	qs, err := plugin.Dump(func() ([]netlink.Qdisc, error) { return h.QdiscList(l) })
	if err != nil {
		return fmt.Errorf("qdiscs of %s: %w", l.Attrs().Name, err)
	}
	for _, q := range qs {
		a := q.Attrs()
		if a.Handle != rootHandle && a.Parent != netlink.HANDLE_INGRESS {
			continue
		}
		if err := h.QdiscDel(q); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("qdisc of %s: %w", l.Attrs().Name, err)
		}
	}
	return nil
}

// unsupported makes the kernel's "no such thing" answers typed; others stay.
func unsupported(feature, hint string, err error) error {
	for _, e := range []error{unix.ENOENT, unix.EOPNOTSUPP, unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.ENODEV, unix.ENXIO} {
		if errors.Is(err, e) {
			return &UnsupportedError{Feature: feature, Hint: hint, Err: err}
		}
	}
	return err
}
