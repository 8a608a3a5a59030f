package labnet

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/situlab/situlab/scenarios"
)

// A DISCOVER that nobody hears costs a workstation seconds, doubling. So the
// switch ports of posts with leases stay down until the way to the DHCP server
// is open: the relay and the server listen and the routes between them exist.
// The posts ask as soon as they see a carrier (measured: leases after 11.8 s
// instead of 14.5).

// leaseTimeout releases the posts whatever is broken: a post without a DHCP
// server must behave as in life.
const leaseTimeout = 20 * time.Second

// leaseMargin releases them when everything that could open the way has booted
// and has had time to exchange its routes: a site that is cut off gets no better
// by waiting.
const leaseMargin = 3 * time.Second

// leasePoll is how often the way is looked at; it costs two reads of /proc.
const leasePoll = 50 * time.Millisecond

// holdPosts takes the ports of posts with leases down before they start; a port
// that has no power anyway stays as it is.
func (l *Lab) holdPosts(ctx context.Context, ms []*machine) error {
	ports, err := l.sw.Ports(ctx)
	if err != nil {
		return err
	}
	down := map[[2]string]bool{}
	for _, p := range ports {
		down[[2]string{p.Node, p.Interface}] = !p.Up
	}
	held := map[string][]string{}
	for _, m := range ms {
		m.held = nil
		if m.site.Class != scenarios.Workstation {
			continue
		}
		for _, i := range m.site.Interfaces {
			if i.DHCP && !down[[2]string{m.site.Name, i.Name}] {
				m.held = append(m.held, i.Name)
				held[m.site.Name] = m.held
			}
		}
	}
	if err := l.lock.note(func(i *Info) { i.Held = held }); err != nil {
		return err
	}
	for _, m := range ms {
		for _, name := range m.held {
			if err := l.sw.SetLink(ctx, m.site.Name, name, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// release is what is still done in the background when a company has been
// started: held ports are raised, then all nodes get their ordinary shares.
type release struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

// startRelease begins it.
func (l *Lab) startRelease(ms []*machine, begin time.Time) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &release{cancel: cancel, done: make(chan struct{})}
	l.mu.Lock()
	l.release = r
	l.mu.Unlock()
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		defer close(r.done)
		l.releasePosts(ctx, ms, begin)
		_ = l.lock.note(func(i *Info) { i.Held = nil }) // else an adoption raises what is up
		r.err = level(ctx, ms)
	}()
}

// endRelease raises what is still held, so that no port stays without power for
// a reason of ours, and waits for the end of the rest.
func (l *Lab) endRelease() {
	if r := l.lastRelease(); r != nil {
		r.cancel()
		<-r.done
	}
}

func (l *Lab) lastRelease() *release {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.release
}

// releasePosts raises the ports segment by segment as their way opens, and all
// that are left when it is told to end.
func (l *Lab) releasePosts(ctx context.Context, ms []*machine, begin time.Time) {
	held := map[string][]*machine{}
	for _, m := range ms {
		if len(m.held) > 0 {
			seg := m.site.Interfaces[0].Segment
			held[seg] = append(held[seg], m)
		}
	}
	tick := time.NewTicker(leasePoll)
	defer tick.Stop()
	var settled time.Time // since when everything but the posts has booted
	for len(held) > 0 {
		if settled.IsZero() && l.infrastructureUp(ms) {
			settled = time.Now()
		}
		late := time.Since(begin) > leaseTimeout || ctx.Err() != nil || !settled.IsZero() && time.Since(settled) > leaseMargin
		for seg, posts := range held {
			if !late && !l.leasePathOpen(seg) {
				continue
			}
			for _, m := range posts {
				for _, name := range m.held {
					// A post that is gone meanwhile has no port to raise.
					_ = l.sw.SetLink(context.WithoutCancel(ctx), m.site.Name, name, true)
				}
			}
			delete(held, seg)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// infrastructureUp says that every node but the workstations has booted or is
// off.
func (l *Lab) infrastructureUp(ms []*machine) bool {
	for _, m := range ms {
		if m.site.Class != scenarios.Workstation && l.NodeState(m.site.Name) == Starting {
			return false
		}
	}
	return true
}

// leasePathOpen says whether a DISCOVER of the segment would be answered.
func (l *Lab) leasePathOpen(seg string) bool {
	var gw, srv *machine
	var srvAddr netip.Addr
	s := l.segment(seg)
	if s == nil {
		return true
	}
	for _, m := range l.nodes {
		for _, i := range m.site.Interfaces {
			if i.Segment == seg && i.Address == s.Gateway {
				gw = m
			}
		}
		if m.site.Role == "dhcp" && len(m.site.Interfaces) > 0 {
			srv, srvAddr = m, m.site.Interfaces[0].Address
		}
	}
	if gw == nil || srv == nil {
		return true
	}
	if !listensUDP(gw.pid(), 67) || !listensUDP(srv.pid(), 67) || !l.reaches(gw, srvAddr) {
		return false
	}
	// The way back, seen from the router of the server's own segment.
	if ss := l.segment(srv.site.Interfaces[0].Segment); ss != nil {
		for _, m := range l.nodes {
			for _, i := range m.site.Interfaces {
				if i.Segment == ss.ID && i.Address == ss.Gateway {
					return l.reaches(m, s.Gateway)
				}
			}
		}
	}
	return true
}

func (l *Lab) segment(id string) *scenarios.Segment {
	for i := range l.cfg.Site.Segments {
		if l.cfg.Site.Segments[i].ID == id {
			return &l.cfg.Site.Segments[i]
		}
	}
	return nil
}

func (m *machine) pid() int {
	n, _ := m.now()
	if n == nil {
		return 0
	}
	return n.PID()
}

// listensUDP reads a node's UDP sockets from outside.
func listensUDP(pid, port int) bool {
	f, err := os.Open(fmt.Sprintf("/proc/%d/net/udp", pid))
	if err != nil {
		return false
	}
	defer f.Close()
	want := fmt.Sprintf(":%04X", port)
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if w := strings.Fields(sc.Text()); len(w) > 1 && strings.HasSuffix(w[1], want) {
			return true
		}
	}
	return false
}

// maxHops bounds a way through the site's routers.
const maxHops = 16

// reaches follows the routes from machine to machine: true when they lead to the
// network of a. A default route counts for nothing: it says that the way is not
// known yet.
func (l *Lab) reaches(from *machine, a netip.Addr) bool {
	for range maxHops {
		via, ok := nextHop(from.pid(), a)
		if !ok {
			return false
		}
		if via.IsUnspecified() {
			return true
		}
		if from = l.holder(via); from == nil {
			return false
		}
	}
	return false
}

// holder is the machine with a fixed address.
func (l *Lab) holder(a netip.Addr) *machine {
	for _, m := range l.nodes {
		for _, i := range m.site.Interfaces {
			if i.Address == a {
				return m
			}
		}
	}
	return nil
}

// nextHop is the gateway of the most specific of a node's routes to an address,
// 0.0.0.0 where that is on its own network; not ok without a route, or where it
// says "unreachable".
func nextHop(pid int, a netip.Addr) (via netip.Addr, ok bool) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/net/route", pid))
	if err != nil {
		return via, false
	}
	defer f.Close()
	return routeTo(f, a)
}

// routeTo is nextHop on the text of a /proc/net/route.
func routeTo(table io.Reader, a netip.Addr) (via netip.Addr, ok bool) {
	const up, reject = 0x1, 0x200 // RTF_UP, RTF_REJECT of route(8)
	best := uint32(0)
	a4 := a.As4()
	for sc := bufio.NewScanner(table); sc.Scan(); {
		w := strings.Fields(sc.Text())
		if len(w) < 8 {
			continue
		}
		dst, ok1 := routeAddr(w[1])
		gw, ok2 := routeAddr(w[2])
		mask, ok3 := routeAddr(w[7])
		flags, err := strconv.ParseUint(w[3], 16, 32)
		if !ok1 || !ok2 || !ok3 || err != nil || flags&up == 0 {
			continue
		}
		m4, d4 := mask.As4(), dst.As4()
		bits := binary.BigEndian.Uint32(m4[:])
		if bits > best && binary.BigEndian.Uint32(a4[:])&bits == binary.BigEndian.Uint32(d4[:]) {
			best, via, ok = bits, gw, flags&reject == 0
		}
	}
	return via, ok
}

// routeAddr parses the little-endian hexadecimal of /proc/net/route.
func routeAddr(s string) (netip.Addr, bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 4 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]}), true
}
