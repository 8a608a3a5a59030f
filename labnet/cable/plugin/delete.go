package plugin

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/cable/internal/netns"
)

// doomed is the link group of ports about to be deleted together.
const doomed = 0x5171dead

// DeletePorts deletes all marked ports that match, at the price of one: the
// kernel waits for readers (RCU, about 20 ms) once per request, and a request
// may name a group of links. It returns the marks of what it deleted.
func (s *Switch) DeletePorts(match func(Mark) bool) (gone []Mark, err error) {
	err = s.Do(func(h *netlink.Handle) error {
		gone, err = deletePorts(s.file, h, match)
		return err
	})
	return gone, err
}

func deletePorts(ns *os.File, h *netlink.Handle, match func(Mark) bool) ([]Mark, error) {
	links, err := Dump(h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list ports: %w", err)
	}
	var gone []Mark
	var last netlink.Link
	for _, l := range links {
		m, ok := ParseMark(l.Attrs().Alias)
		if !ok || l.Type() != "veth" || !match(m) {
			continue
		}
		if err := h.LinkSetGroup(l, doomed); err != nil {
			if IsNotFound(err) {
				continue
			}
			return nil, fmt.Errorf("port %s: %w", l.Attrs().Name, err)
		}
		gone, last = append(gone, m), l
	}
	switch len(gone) {
	case 0:
		return nil, nil
	case 1:
		if err := h.LinkDel(last); err != nil && !IsNotFound(err) {
			return nil, fmt.Errorf("port %s: %w", last.Attrs().Name, err)
		}
		return gone, nil
	}
	if err := deleteGroup(ns, doomed); err != nil && !errors.Is(err, unix.ENODEV) {
		return nil, fmt.Errorf("delete %d ports: %w", len(gone), err)
	}
	return gone, nil
}

// deleteGroup is RTM_DELLINK with IFLA_GROUP and no index (rtnetlink(7)); the
// library's handle has only the form for one link, and its socket is private.
func deleteGroup(ns *os.File, group uint32) error {
	return netns.DoFile(ns, func() error {
		req := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
		req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		req.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group)))
		_, err := req.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
}
