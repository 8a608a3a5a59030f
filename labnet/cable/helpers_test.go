package cable

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/situlab/situlab/labnet/cable/internal/netns"
)

// Tests make real namespaces: they need root.

var labs atomic.Int32

// newSwitch makes a switch for one test with the segments named.
func newSwitch(t testing.TB, segments ...string) *Switch {
	t.Helper()
	needRoot(t)
	cfg := Config{Lab: fmt.Sprintf("cabletest%d-%d", os.Getpid(), labs.Add(1)), StateDir: tempDir(t)}
	s, err := NewSwitch(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, id := range segments {
		if err := s.AddSegment(context.Background(), id); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// tempDir is a folder whose pins TestMain looks for at the end. It lies on the
// tmpfs that real labs use.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/run", "cabletest-")
	if err != nil {
		t.Fatal(err)
	}
	pins.Store(dir, true)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes network namespaces: run it as root")
	}
}

// newNode makes a pinned network namespace, as a node would have one.
func newNode(t testing.TB) string {
	t.Helper()
	needRoot(t)
	path := filepath.Join(tempDir(t), "node")
	if err := netns.Create(context.Background(), path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Remove(path); err != nil {
			t.Error(err)
		}
	})
	return path
}

// attach makes a node with one raised interface and an address.
func attach(t testing.TB, s *Switch, node, segment, addr string) string {
	t.Helper()
	ns := newNode(t)
	if err := s.Attach(context.Background(), Attachment{Node: node, Interface: "eth0", Segment: segment, NetNS: ns, Raise: true}); err != nil {
		t.Fatal(err)
	}
	if addr != "" {
		setAddr(t, ns, "eth0", addr)
	}
	return ns
}

func setAddr(t testing.TB, ns, ifname, addr string) {
	t.Helper()
	within(t, ns, func() error {
		l, err := netlink.LinkByName(ifname)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(addr)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(l, a); err != nil {
			return err
		}
		return netlink.LinkSetUp(l)
	})
}

func within(t testing.TB, ns string, f func() error) {
	t.Helper()
	if err := InNetNS(ns, f); err != nil {
		t.Fatal(err)
	}
}

// linkIn is a link of a namespace.
func linkIn(t testing.TB, ns, name string) netlink.Link {
	t.Helper()
	var l netlink.Link
	within(t, ns, func() (err error) {
		l, err = netlink.LinkByName(name)
		return err
	})
	return l
}

// listen opens a UDP socket in a namespace.
func listen(t testing.TB, ns, addr string) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	within(t, ns, func() error {
		a, err := net.ResolveUDPAddr("udp4", addr)
		if err != nil {
			return err
		}
		c, err = net.ListenUDP("udp4", a)
		return err
	})
	t.Cleanup(func() { c.Close() })
	return c
}

// dial opens a connected UDP socket in a namespace.
func dial(t testing.TB, ns, addr string) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	within(t, ns, func() error {
		a, err := net.ResolveUDPAddr("udp4", addr)
		if err != nil {
			return err
		}
		c, err = net.DialUDP("udp4", nil, a)
		return err
	})
	t.Cleanup(func() { c.Close() })
	return c
}
