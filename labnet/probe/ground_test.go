package probe

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/cable"
)

// ground is a workstation and a server in namespaces of their own, joined by a
// cable: 192.0.2.10 (the post) and 192.0.2.1, .2, .3 (the server). Nothing
// listens anywhere, 192.0.2.9 does not exist, and 198.51.100.0/24 is rejected.
type ground struct {
	t       *testing.T
	post    Post
	server  string // path of the server's namespace
	files   string
	postNS  netns.NsHandle
	postLnk netlink.Link
}

var segment = netip.MustParsePrefix("192.0.2.0/24")

// newNS makes an unnamed network namespace, alive while its descriptor is open.
func newNS(t *testing.T) netns.NsHandle {
	t.Helper()
	type made struct {
		h   netns.NsHandle
		err error
	}
	done := make(chan made)
	go func() {
		// The goroutine ends locked, so the thread that moved away is destroyed.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- made{err: err}
			return
		}
		h, err := netns.GetFromPath("/proc/thread-self/ns/net")
		done <- made{h, err}
	}()
	m := <-done
	if m.err != nil {
		t.Fatal(m.err)
	}
	t.Cleanup(func() { m.h.Close() })
	return m.h
}

func nsPath(h netns.NsHandle) string { return "/proc/self/fd/" + strconv.Itoa(int(h)) }

func newGround(t *testing.T) *ground {
	t.Helper()
	a, b := newNS(t), newNS(t)
	at := func(h netns.NsHandle) *netlink.Handle {
		nl, err := netlink.NewHandleAt(h)
		must(t, err)
		t.Cleanup(nl.Close)
		return nl
	}
	pc, srv := at(a), at(b)
	must(t, pc.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(b)}))
	up := func(nl *netlink.Handle, name string, addrs ...string) netlink.Link {
		link, err := nl.LinkByName(name)
		must(t, err)
		must(t, nl.LinkSetUp(link))
		for _, s := range addrs {
			addr, err := netlink.ParseAddr(s)
			must(t, err)
			must(t, nl.AddrAdd(link, addr))
		}
		return link
	}
	up(pc, "lo")
	up(srv, "lo")
	link := up(pc, "eth0", "192.0.2.10/24")
	up(srv, "eth0", "192.0.2.1/24", "192.0.2.2/24", "192.0.2.3/24")
	running(t, a)
	running(t, b)
	_, reject, _ := net.ParseCIDR("198.51.100.0/24")
	must(t, pc.RouteAdd(&netlink.Route{Dst: reject, Type: unix.RTN_PROHIBIT}))

	g := &ground{t: t, server: nsPath(b), files: t.TempDir(), postNS: a, postLnk: link}
	g.post = Post{Name: "pc-1", Segment: "bur", NetNS: nsPath(a), Net: segment, Open: func(path string) (*os.File, error) {
		return os.Open(filepath.Join(g.files, path))
	}}
	g.write("/etc/resolv.conf", "nameserver 192.0.2.1\nsearch test.internal\n")
	return g
}

// running waits until the card carries: the kernel tells so a little after both
// ends are up, and drops what is sent before.
func running(t *testing.T, ns netns.NsHandle) {
	t.Helper()
	updates, done := make(chan netlink.LinkUpdate), make(chan struct{})
	must(t, netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{Namespace: &ns, ListExisting: true}))
	limit := time.After(10 * time.Second)
	for {
		select {
		case u := <-updates:
			if a := u.Attrs(); a.Name != "eth0" || a.OperState != netlink.OperUp {
				continue
			}
		case <-limit:
			t.Fatal("eth0 never carried")
		}
		close(done)
		go func() { // the subscription ends at its next message or never
			for range updates {
			}
		}()
		return
	}
}

// write writes a file of the post's tree.
func (g *ground) write(path, content string) {
	g.t.Helper()
	full := filepath.Join(g.files, path)
	must(g.t, os.MkdirAll(filepath.Dir(full), 0o755))
	must(g.t, os.WriteFile(full, []byte(content), 0o644))
}

func (g *ground) remove(path string) {
	g.t.Helper()
	if err := os.Remove(filepath.Join(g.files, path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.t.Fatal(err)
	}
}

// listen listens on TCP in the server's namespace.
func (g *ground) listen(addr string) net.Listener {
	g.t.Helper()
	var l net.Listener
	must(g.t, cable.InNetNS(g.server, func() (err error) {
		l, err = net.Listen("tcp4", addr)
		return err
	}))
	g.t.Cleanup(func() { l.Close() })
	return l
}

// listenUDP listens on UDP in the server's namespace.
func (g *ground) listenUDP(addr string) net.PacketConn {
	g.t.Helper()
	var c net.PacketConn
	must(g.t, cable.InNetNS(g.server, func() (err error) {
		c, err = net.ListenPacket("udp4", addr)
		return err
	}))
	g.t.Cleanup(func() { c.Close() })
	return c
}

// serve gives every connection of l to one function.
func serve(l net.Listener, one func(net.Conn)) {
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				one(conn)
			}()
		}
	}()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
