package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/labtest"
	"github.com/situlab/situlab/scenarios"
)

// instant is CLOCK_MONOTONIC in seconds: the clock that systemd's own
// timestamps are of, the same in every node.
func instant() float64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // cannot be: the clock always exists
	}
	return float64(t.Sec) + float64(t.Nsec)/1e9
}

// observer watches one lab from outside.
type observer struct {
	lab  string
	site *scenarios.Site
	saw  func(what string)

	mu    sync.Mutex
	inits map[string]int // node -> host pid of its PID 1
}

func newObserver(lab string, site *scenarios.Site) *observer {
	return &observer{lab: lab, site: site, inits: map[string]int{}, saw: func(string) {}}
}

func (o *observer) pid(node string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.inits[node]
}

func (o *observer) pids() []int {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []int
	for _, n := range o.site.Nodes {
		if p := o.inits[n.Name]; p != 0 {
			out = append(out, p)
		}
	}
	return out
}

// look is how often the processes of starting nodes are looked at: a few reads
// of /proc and /sys per node.
const look = 20 * time.Millisecond

// waitInits waits until every node has a PID 1 that is not in old, and every
// PID 1 has left the runtime's hands; it returns both moments.
func (o *observer) waitInits(ctx context.Context, old map[int]bool, started func(node string)) (created, allStarted float64, err error) {
	waiting := map[string]bool{}
	for _, n := range o.site.Nodes {
		waiting[n.Name] = true
	}
	unstarted := map[string]int{}
	for {
		dir := labtest.Accounting(o.lab)
		for name := range waiting {
			if pid := labtest.FindInit(dir, name); pid != 0 && !old[pid] {
				o.mu.Lock()
				o.inits[name] = pid
				o.mu.Unlock()
				delete(waiting, name)
				unstarted[name] = pid
			}
		}
		if len(waiting) == 0 && created == 0 {
			created = instant()
		}
		for name, pid := range unstarted {
			comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			// The runtime's own process waits under its own name until the node
			// is started and it executes the node's init.
			if err == nil && !bytes.HasPrefix(comm, []byte("runc")) {
				delete(unstarted, name)
				if started != nil {
					started(name)
				}
			}
		}
		if len(waiting) == 0 && len(unstarted) == 0 {
			return created, instant(), nil
		}
		if err := pause(ctx, look); err != nil {
			return 0, 0, fmt.Errorf("%d nodes without PID 1, %d not started: %w", len(waiting), len(unstarted), err)
		}
	}
}

// kinds of namespaces that a node must have for itself.
var namespaceKinds = []string{"user", "mnt", "pid", "uts", "ipc", "net", "cgroup"}

// checkNamespaces finds nodes that share a namespace with the host or another.
func (o *observer) checkNamespaces(s *sample) {
	for _, kind := range namespaceKinds {
		owner := map[string]string{}
		if at, err := os.Readlink("/proc/self/ns/" + kind); err == nil {
			owner[at] = "the host"
		}
		for _, n := range o.site.Nodes {
			at, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", o.pid(n.Name), kind))
			if err != nil {
				s.finding("%s: %v", n.Name, err)
			} else if other, ok := owner[at]; ok {
				s.finding("%s shares its %s namespace with %s", n.Name, kind, other)
			}
			owner[at] = n.Name
		}
	}
}

// mappedRoot is the host's uid of a node's root.
func mappedRoot(pid int) (uint32, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(text))
	if len(f) < 3 || f[0] != "0" {
		return 0, fmt.Errorf("process %d: unexpected id map %q", pid, text)
	}
	v, err := strconv.ParseUint(f[1], 10, 32)
	if err == nil && v == 0 {
		err = fmt.Errorf("process %d: the host's root is mapped", pid)
	}
	return uint32(v), err
}

// waitCables waits until every segment is there and every cable has been seen
// with carrier. A cable counts once it was seen: situlab takes workstations'
// ports down again until the DHCP server can answer. A veth's carrier is that of
// both its ends.
func (o *observer) waitCables(ctx context.Context) (float64, error) {
	pin := filepath.Join(host.LabState(o.lab), "switch", "netns")
	var at netns.NsHandle
	for {
		var err error
		if at, err = openNetNS(pin); err == nil {
			break
		}
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return 0, fmt.Errorf("no switch namespace: %w", err)
		}
	}
	defer at.Close()
	cables := 0
	for _, n := range o.site.Nodes {
		cables += len(n.Interfaces)
	}
	updates, done := make(chan netlink.LinkUpdate, 4096), make(chan struct{})
	defer close(done)
	err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{
		Namespace: &at, ListExisting: true, ReceiveBufferSize: 4 << 20, ErrorCallback: func(error) {},
	})
	if err != nil {
		return 0, err
	}
	segments, carrier := map[string]bool{}, map[string]bool{}
	for len(segments) < len(o.site.Segments) || len(carrier) < cables {
		select {
		case u, ok := <-updates:
			if !ok {
				return 0, errors.New("the switch namespace is gone")
			}
			a := u.Attrs()
			switch u.Type() {
			case "bridge":
				segments[a.Name] = true
			case "veth":
				if a.RawFlags&unix.IFF_LOWER_UP != 0 && a.MasterIndex != 0 {
					carrier[a.Name] = true
				}
			}
		case <-ctx.Done():
			return 0, fmt.Errorf("%d of %d segments, %d of %d cables with carrier: %w", len(segments), len(o.site.Segments), len(carrier), cables, ctx.Err())
		}
	}
	return instant(), nil
}

// openNetNS opens a namespace after making sure that the path is one already:
// the pin is a plain file for a moment.
func openNetNS(path string) (netns.NsHandle, error) {
	h, err := netns.GetFromPath(path)
	if err != nil {
		return h, err
	}
	if kind, err := unix.IoctlRetInt(int(h), unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWNET {
		h.Close()
		return h, errors.New("not yet a network namespace")
	}
	return h, nil
}

// in gives a netlink handle in the network namespace of a node.
func (o *observer) in(node string, f func(*netlink.Handle) error) error {
	pid := o.pid(node)
	at, err := netns.GetFromPid(pid)
	if err != nil {
		return err
	}
	defer at.Close()
	h, err := netlink.NewHandleAt(at, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	return f(h)
}

// checkCables reads every interface in its node's own namespace.
func (o *observer) checkCables(s *sample) {
	for _, n := range o.site.Nodes {
		err := o.in(n.Name, func(h *netlink.Handle) error {
			for _, i := range n.Interfaces {
				l, err := h.LinkByName(i.Name)
				if err != nil {
					return fmt.Errorf("%s: %w", i.Name, err)
				}
				if l.Attrs().RawFlags&unix.IFF_LOWER_UP == 0 {
					return fmt.Errorf("%s has no carrier", i.Name)
				}
			}
			return nil
		})
		if err != nil {
			s.finding("%s: %v", n.Name, err)
		}
	}
}

// waitLeases waits until every workstation holds an address of its segment's
// leases.
func (o *observer) waitLeases(ctx context.Context) (float64, error) {
	type range_ struct{ first, last netip.Addr }
	leases := map[string]range_{}
	for _, s := range o.site.Segments {
		leases[s.ID] = range_{s.DHCPFirst, s.DHCPLast}
	}
	waiting := map[string]bool{}
	for _, n := range o.site.Nodes {
		for _, i := range n.Interfaces {
			if i.DHCP {
				waiting[n.Name] = true
			}
		}
	}
	for {
		for _, n := range o.site.Nodes {
			if !waiting[n.Name] {
				continue
			}
			held := 0
			for _, i := range n.Interfaces {
				r := leases[i.Segment]
				_ = o.in(n.Name, func(h *netlink.Handle) error {
					l, err := h.LinkByName(i.Name)
					if err != nil {
						return err
					}
					as, err := h.AddrList(l, netlink.FAMILY_V4)
					for _, a := range as {
						if ip, ok := netip.AddrFromSlice(a.IP.To4()); ok && !ip.Less(r.first) && !r.last.Less(ip) {
							held++
							break
						}
					}
					return err
				})
			}
			if held == len(n.Interfaces) {
				delete(waiting, n.Name)
			}
		}
		if len(waiting) == 0 {
			return instant(), nil
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return 0, fmt.Errorf("%d workstations without a lease: %w", len(waiting), err)
		}
	}
}

// boot is what a node's systemd says of its start.
type boot struct {
	state    string  // as "systemctl is-system-running" says
	failed   uint64  // units
	finished float64 // when it had started all that it was told to, [instant]
}

func askBoot(pid int) (b boot, err error) {
	m, err := dialManager(pid)
	if err != nil {
		return b, err
	}
	defer m.close()
	if b.state, err = m.text(managerPath, managerInterface, "SystemState"); err != nil {
		return b, err
	}
	if b.failed, err = m.number(managerPath, managerInterface, "NFailedUnits"); err != nil {
		return b, err
	}
	us, err := m.number(managerPath, managerInterface, "FinishTimestampMonotonic")
	b.finished = float64(us) / 1e6
	return b, err
}

// done says that the boot is over, well or not.
func (b boot) done() bool { return b.finished > 0 && (b.state == "running" || b.state == "degraded") }

// waitRunning waits until the systemd of every node says that it runs; the
// moment is the latest of systemd's own timestamps, so that it may be asked
// seldom and late. A degraded node is a finding.
func (o *observer) waitRunning(ctx context.Context, s *sample) (float64, error) {
	waiting := map[string]string{}
	for _, n := range o.site.Nodes {
		waiting[n.Name] = "not asked"
	}
	var last float64
	for {
		for _, n := range o.site.Nodes {
			if waiting[n.Name] == "" || ctx.Err() != nil {
				continue
			}
			b, err := askBoot(o.pid(n.Name))
			switch {
			case err != nil:
				waiting[n.Name] = err.Error()
			case !b.done():
				waiting[n.Name] = b.state
			default:
				delete(waiting, n.Name)
				last = max(last, b.finished)
				if b.state != "running" || b.failed > 0 {
					s.finding("%s: systemd says %s, %d failed units", n.Name, b.state, b.failed)
				}
			}
		}
		if len(waiting) == 0 {
			return last, nil
		}
		if err := pause(ctx, time.Second); err != nil {
			for name, why := range waiting {
				return 0, fmt.Errorf("%d nodes do not run yet, %s among them (%s): %w", len(waiting), name, why, err)
			}
		}
	}
}

// waitGreen makes the site's probes from the workstations' namespaces until
// each was green from every segment.
func (o *observer) waitGreen(ctx context.Context) (float64, int, error) {
	results, err := labtest.Prober(o.site, o.pid).WaitGreen(ctx, 0, nil)
	return instant(), len(results), err
}

// left says what is still there of a lab that was taken down.
func (o *observer) left() []string {
	var out []string
	for _, pid := range o.pids() {
		if labtest.IsInit(pid) {
			out = append(out, fmt.Sprintf("process %d", pid))
		}
	}
	out = append(out, labtest.CGroups(o.lab)...)
	for _, d := range []string{host.LabState(o.lab), host.LabDisks(o.lab)} {
		if _, err := os.Lstat(d); err == nil {
			out = append(out, d)
		}
	}
	if text, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, host.LabState(o.lab)+"/") || strings.Contains(line, host.LabDisks(o.lab)+"/") {
				out = append(out, "mount "+strings.Fields(line)[4])
			}
		}
	}
	return out
}

// controller is the process that holds the lab: the parent of its nodes.
func (o *observer) controller() (int, error) {
	pids := o.pids()
	if len(pids) == 0 {
		return 0, errors.New("the lab has no node")
	}
	p, err := labtest.ReadProcess(pids[0])
	if err == nil && p.Parent <= 1 {
		err = errors.New("nobody holds the lab's nodes")
	}
	return p.Parent, err
}
