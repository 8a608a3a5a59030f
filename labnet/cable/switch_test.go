package cable

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/cable/plugin"
)

// reaches sends a datagram from one namespace to an address of another until
// one arrives or the time is over.
func reaches(t *testing.T, from, to, addr string, within time.Duration) bool {
	t.Helper()
	srv := listen(t, to, addr+":7")
	defer srv.Close()
	cli := dial(t, from, addr+":7")
	defer cli.Close()
	deadline := time.Now().Add(within)
	buf := make([]byte, 16)
	for time.Now().Before(deadline) {
		if _, err := cli.Write([]byte("ping")); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		srv.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := srv.Read(buf); err == nil {
			return true
		}
	}
	return false
}

func TestTwoSwitchesSideBySide(t *testing.T) {
	// The same plan twice: same nodes, segments and addresses.
	var ends [2][2]string
	for i := range ends {
		s := newSwitch(t, "lan", "a-segment-with-a-long-name")
		ends[i][0] = attach(t, s, "pc1", "lan", "10.0.0.1/24")
		ends[i][1] = attach(t, s, "pc2", "lan", "10.0.0.2/24")
		attach(t, s, "pc3", "a-segment-with-a-long-name", "10.0.0.2/24")
	}
	for i := range ends {
		if !reaches(t, ends[i][0], ends[i][1], "10.0.0.2", 2*time.Second) {
			t.Errorf("lab %d: pc1 does not reach pc2", i)
		}
		if reaches(t, ends[i][0], ends[1-i][1], "10.0.0.2", 200*time.Millisecond) {
			t.Errorf("lab %d: pc1 reaches the other lab's pc2", i)
		}
	}
	a, b := linkIn(t, ends[0][0], "eth0").Attrs(), linkIn(t, ends[1][0], "eth0").Attrs()
	if a.HardwareAddr.String() != b.HardwareAddr.String() || a.HardwareAddr.String() != MAC("pc1", "eth0").String() {
		t.Errorf("addresses differ between labs: %s, %s", a.HardwareAddr, b.HardwareAddr)
	}
}

func TestSwitchIsMute(t *testing.T) {
	s := newSwitch(t, "lan")
	attach(t, s, "pc1", "lan", "10.0.0.1/24")
	within(t, s.NetNS(), func() error {
		addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			t.Errorf("the switch has address %s on link %d", a.IPNet, a.LinkIndex)
		}
		for file, want := range map[string]string{
			"ipv4/ip_forward": "0", "ipv6/conf/all/disable_ipv6": "1", "ipv6/conf/s-lan/disable_ipv6": "1",
			"bridge/bridge-nf-call-iptables": "0", "bridge/bridge-nf-call-ip6tables": "0",
		} {
			got, err := os.ReadFile("/proc/sys/net/" + file)
			if err == nil && strings.TrimSpace(string(got)) != want {
				t.Errorf("sysctl %s is %s", file, got)
			} else if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Error(err)
			}
		}
		routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
		if err != nil || len(routes) != 0 {
			t.Errorf("the switch has routes: %v, %v", routes, err)
		}
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for _, l := range links {
			if br, ok := l.(*netlink.Bridge); ok && (br.MulticastSnooping == nil || *br.MulticastSnooping) {
				t.Error("the bridge snoops on multicast")
			}
			switch l.Type() {
			case "veth", "bridge", "device":
			default:
				t.Errorf("unexpected %s %s", l.Type(), l.Attrs().Name)
			}
		}
		return nil
	})
}

func TestLinkDownIsNoCarrier(t *testing.T) {
	s := newSwitch(t, "lan")
	ctx := context.Background()
	ns := attach(t, s, "pc1", "lan", "")
	for _, up := range []bool{false, true, false} {
		if err := s.SetLink(ctx, "pc1", "eth0", up); err != nil {
			t.Fatal(err)
		}
		a := linkIn(t, ns, "eth0").Attrs()
		if carrier := a.RawFlags&unix.IFF_LOWER_UP != 0; carrier != up {
			t.Errorf("port up %v: the node sees carrier %v", up, carrier)
		}
		if a.Flags&net.FlagUp == 0 {
			t.Errorf("port up %v: the node's interface was set down", up)
		}
		ports, err := s.Ports(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(ports) != 1 || ports[0].Up != up || ports[0].Carrier != up || !ports[0].Present {
			t.Errorf("port up %v: Ports says %+v", up, ports)
		}
		if err := s.Check(ctx, "pc1", "eth0"); err != nil {
			t.Errorf("port up %v: %v", up, err)
		}
	}
	if err := s.SetLink(ctx, "pc1", "eth9", true); !errors.Is(err, ErrNoPort) {
		t.Errorf("unknown port: %v", err)
	}
}

func TestCableCarriesSoon(t *testing.T) {
	s := newSwitch(t, "lan")
	a := attach(t, s, "pc1", "lan", "10.0.0.1/24")
	t0 := time.Now()
	b := attach(t, s, "pc2", "lan", "10.0.0.2/24")
	if !reaches(t, a, b, "10.0.0.2", 5*time.Second) {
		t.Fatal("no path")
	}
	t.Logf("%v from attachment to the first frame", time.Since(t0))
}

func TestMoveChangesBroadcastDomain(t *testing.T) {
	s := newSwitch(t, "lan", "dmz")
	ctx := context.Background()
	a := attach(t, s, "pc1", "lan", "10.0.0.1/24")
	b := attach(t, s, "pc2", "lan", "10.0.0.2/24")
	if !reaches(t, a, b, "10.0.0.2", 2*time.Second) {
		t.Fatal("no path on one segment")
	}
	if err := s.Move(ctx, "pc2", "eth0", "dmz"); err != nil {
		t.Fatal(err)
	}
	if reaches(t, a, b, "10.0.0.2", 200*time.Millisecond) {
		t.Error("still reached after the move")
	}
	if err := s.Check(ctx, "pc2", "eth0"); err != nil {
		t.Error(err)
	}
	if err := s.Move(ctx, "pc1", "eth0", "dmz"); err != nil {
		t.Fatal(err)
	}
	if !reaches(t, a, b, "10.0.0.2", 2*time.Second) {
		t.Error("not reached on the new segment")
	}
	var in *InputError
	if err := s.Move(ctx, "pc1", "eth0", "nowhere"); !errors.As(err, &in) {
		t.Errorf("unknown segment: %v", err)
	}
}

func TestReattachAfterReboot(t *testing.T) {
	s := newSwitch(t, "lan", "dmz")
	ctx := context.Background()
	attach(t, s, "pc1", "lan", "")
	if err := s.Move(ctx, "pc1", "eth0", "dmz"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetLink(ctx, "pc1", "eth0", false); err != nil {
		t.Fatal(err)
	}
	// The old namespace is still there, as after a quick reboot.
	fresh := newNode(t)
	if err := s.ReattachNode(ctx, "pc1", fresh); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(ctx, "pc1", "eth0"); err != nil {
		t.Error(err)
	}
	if a := linkIn(t, fresh, "eth0").Attrs(); a.RawFlags&unix.IFF_LOWER_UP != 0 {
		t.Error("the port came back with power")
	}
	ports, err := s.Ports(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if ports[0].Segment != "dmz" || ports[0].Up {
		t.Errorf("the reboot changed the port: %+v", ports[0])
	}
}

func TestUnplugAndReattachMany(t *testing.T) {
	s := newSwitch(t, "lan")
	ctx := context.Background()
	const n = 12
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("pc%d", i))
		attach(t, s, names[i], "lan", "")
	}
	if err := s.Impair(ctx, "pc0", "eth0", Impairment{Delay: time.Millisecond}, Both); err != nil {
		t.Fatal(err)
	}
	if err := s.Unplug(ctx, names[:n-1]...); err != nil {
		t.Fatal(err)
	}
	links, err := s.links()
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range links {
		if l.Type() != "bridge" && name != "lo" && name != plugin.PortName(names[n-1], "eth0") {
			t.Errorf("%s %s is still plugged", l.Type(), name)
		}
	}
	for _, name := range names[:n-1] {
		if err := s.ReattachNode(ctx, name, newNode(t)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		if err := s.Check(ctx, name, "eth0"); err != nil {
			t.Error(err)
		}
	}
	ports, err := s.Ports(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(ports) != n || ports[0].ToNode.Delay != time.Millisecond || !ports[0].Present {
		t.Errorf("after the reboot: %+v", ports)
	}
}

func TestFailedAttachLeavesNothing(t *testing.T) {
	s := newSwitch(t, "lan")
	ctx := context.Background()
	// libcni cannot write its result where a file stands.
	if err := os.WriteFile(s.dir+"/"+cniName, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ns := newNode(t)
	if err := s.Attach(ctx, Attachment{Node: "pc1", Interface: "eth0", Segment: "lan", NetNS: ns}); err == nil {
		t.Fatal("attached without a cached result")
	}
	links, err := s.links()
	if err != nil {
		t.Fatal(err)
	}
	if links[plugin.PortName("pc1", "eth0")] != nil {
		t.Error("the port was left")
	}
	if ports, err := s.Ports(ctx); err != nil || len(ports) != 0 {
		t.Errorf("the record was left: %+v, %v", ports, err)
	}
	if err := os.Remove(s.dir + "/" + cniName); err != nil {
		t.Fatal(err)
	}
	if err := s.Attach(ctx, Attachment{Node: "pc1", Interface: "eth0", Segment: "lan", NetNS: ns}); err != nil {
		t.Errorf("the second try: %v", err)
	}
}

func TestAdoptAndSweep(t *testing.T) {
	s := newSwitch(t, "lan", "dmz")
	ctx := context.Background()
	attach(t, s, "pc1", "lan", "")
	if err := s.SetLink(ctx, "pc1", "eth0", false); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(); err != nil {
		t.Fatal(err)
	}
	o, err := OpenSwitch(ctx, s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Segments(); len(got) != 2 {
		t.Errorf("segments after adoption: %v", got)
	}
	if err := o.Check(ctx, "pc1", "eth0"); err != nil {
		t.Error(err)
	}
	if err := o.Attach(ctx, Attachment{Node: "pc2", Interface: "eth0", Segment: "dmz", NetNS: newNode(t)}); err != nil {
		t.Error(err)
	}
	if err := o.Release(); err != nil {
		t.Fatal(err)
	}
	other := s.cfg.StateDir + "/other"
	if err := os.WriteFile(other, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Sweep(ctx, s.cfg.StateDir); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("the sweep touched a file of somebody else")
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the sweep left %s: %v", s.dir, err)
	}
	if _, err := OpenSwitch(ctx, s.cfg); err == nil {
		t.Error("a swept switch was adopted")
	}
}

func TestGC(t *testing.T) {
	s := newSwitch(t, "lan")
	ctx := context.Background()
	for i := range 6 {
		attach(t, s, fmt.Sprintf("pc%d", i), "lan", "")
	}
	// One that only the kernel knows.
	if err := s.drop(key{"pc5", "eth0"}); err != nil {
		t.Fatal(err)
	}
	keep := []Attachment{{Node: "pc0", Interface: "eth0"}, {Node: "pc1", Interface: "eth0"}}
	if err := s.GC(ctx, keep); err != nil {
		t.Fatal(err)
	}
	links, err := s.links()
	if err != nil {
		t.Fatal(err)
	}
	veths := 0
	for _, l := range links {
		if l.Type() == "veth" {
			veths++
		}
	}
	if veths != 2 {
		t.Errorf("%d ports left, want 2", veths)
	}
	ports, err := s.Ports(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(ports) != 2 || ports[0].Node != "pc0" || ports[1].Node != "pc1" {
		t.Errorf("ports left: %+v", ports)
	}
}

func TestRefusals(t *testing.T) {
	s := newSwitch(t, "lan")
	ctx := context.Background()
	var in *InputError
	if err := Sweep(ctx, "relative"); !errors.As(err, &in) {
		t.Errorf("sweep of a relative path: %v", err)
	}
	for _, id := range []string{"", "a/b", "a b", "-x", string(make([]byte, 100))} {
		if err := s.AddSegment(ctx, id); !errors.As(err, &in) {
			t.Errorf("segment %q: %v", id, err)
		}
	}
	if err := s.Attach(ctx, Attachment{Node: "pc1", Interface: "eth0", Segment: "lan", NetNS: "/proc/self/ns/net"}); err == nil {
		t.Error("a cable was put into the host's own namespace")
	}
	if err := s.Attach(ctx, Attachment{Node: "../x", Interface: "eth0", Segment: "lan", NetNS: newNode(t)}); !errors.As(err, &in) {
		t.Errorf("bad node name: %v", err)
	}
	if _, err := NewSwitch(ctx, s.cfg); !errors.Is(err, os.ErrExist) {
		t.Errorf("second switch in one place: %v", err)
	}
	if err := s.Check(ctx, "pc1", "eth0"); !errors.Is(err, ErrNoPort) {
		t.Errorf("check without port: %v", err)
	}
	if err := s.Detach(ctx, "pc1", "eth0"); err != nil {
		t.Errorf("detach without port: %v", err)
	}
}

func BenchmarkAttach(b *testing.B) {
	for _, nodes := range []int{61, 120, 240} {
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := newSwitch(b, "a", "b", "c", "d", "e", "f")
				segs := s.Segments()
				paths := make([]string, nodes)
				for i := range paths {
					paths[i] = newNode(b)
				}
				cpu := cpuTime(b)
				b.StartTimer()
				var g errgroup.Group
				g.SetLimit(4)
				for i, p := range paths {
					for k := range 2 {
						g.Go(func() error {
							return s.Attach(context.Background(), Attachment{
								Node: fmt.Sprintf("pc%d", i), Interface: fmt.Sprintf("eth%d", k),
								Segment: segs[(i+k)%len(segs)], NetNS: p, Raise: true,
							})
						})
					}
				}
				if err := g.Wait(); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(2*nodes), "cpu-us/cable")
				t0 := time.Now()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(time.Since(t0).Microseconds())/1000, "ms-close")
				b.StartTimer()
			}
		})
	}
}

// cpuTime is what this process has used: on a busy machine it says more than
// the clock.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
