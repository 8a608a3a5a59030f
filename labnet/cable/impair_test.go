package cable

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"
)

// pair is two nodes on one segment; frames from a to b are what is measured.
type pair struct {
	s    *Switch
	a, b string
}

func newPair(t *testing.T) pair {
	t.Helper()
	s := newSwitch(t, "lan")
	p := pair{s, attach(t, s, "pc1", "lan", "10.0.0.1/24"), attach(t, s, "pc2", "lan", "10.0.0.2/24")}
	if !reaches(t, p.a, p.b, "10.0.0.2", 2*time.Second) {
		t.Fatal("no path before the impairment")
	}
	return p
}

func (p pair) impair(t *testing.T, node string, i Impairment, d Direction) {
	t.Helper()
	if err := p.s.Impair(context.Background(), node, "eth0", i, d); err != nil {
		t.Fatal(err)
	}
	if err := p.s.Check(context.Background(), node, "eth0"); err != nil {
		t.Fatalf("check of an impaired port: %v", err)
	}
}

// clear heals both ends and proves that the path is good again.
func (p pair) clear(t *testing.T) {
	t.Helper()
	for _, n := range []string{"pc1", "pc2"} {
		if err := p.s.Clear(context.Background(), n, "eth0"); err != nil {
			t.Fatal(err)
		}
		if err := p.s.Check(context.Background(), n, "eth0"); err != nil {
			t.Fatal(err)
		}
	}
	if !reaches(t, p.a, p.b, "10.0.0.2", 2*time.Second) {
		t.Fatal("no path after healing")
	}
	if sent, got := p.count(t, 300); got < sent {
		t.Fatalf("after healing %d of %d frames arrived", got, sent)
	}
	links, err := p.s.links()
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range links {
		if l.Type() == "ifb" || l.Type() == "tuntap" {
			t.Errorf("healing left %s %s", l.Type(), name)
		}
	}
}

// count sends n datagrams a to b and counts the frames that reach b's
// interface: no socket buffer can lose any on the way.
func (p pair) count(t *testing.T, n int) (sent, received int) {
	t.Helper()
	defer listen(t, p.b, "10.0.0.2:9").Close() // nobody reads: no answer by ICMP either
	c := dial(t, p.a, "10.0.0.2:9")
	defer c.Close()
	rx := func() uint64 { return linkIn(t, p.b, "eth0").Attrs().Statistics.RxPackets }
	before := rx()
	for i := range n {
		if _, err := c.Write(make([]byte, 32)); err != nil {
			t.Fatal(err)
		}
		if i%64 == 63 {
			time.Sleep(time.Millisecond) // pace: the relay's socket buffer is finite
		}
	}
	last := uint64(0)
	for quiet := 0; quiet < 4; {
		time.Sleep(30 * time.Millisecond)
		if now := rx(); now == last {
			quiet++
		} else {
			last, quiet = now, 0
		}
	}
	return n, int(last - before)
}

func between(t *testing.T, what string, got, low, high float64) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s: %.3f, want %.3f to %.3f", what, got, low, high)
	} else {
		t.Logf("%s: %.3f", what, got)
	}
}

func TestLoss(t *testing.T) {
	p := newPair(t)
	const n = 4000
	for _, c := range []struct {
		name, node string
		d          Direction
		i          Impairment
	}{
		{"from node", "pc1", FromNode, Impairment{LossPercent: 20}},
		{"to node", "pc2", ToNode, Impairment{LossPercent: 20}},
		{"from node, with a rate", "pc1", FromNode, Impairment{LossPercent: 20, RateBits: 1_000_000_000}},
		{"from node, relayed", "pc1", FromNode, Impairment{LossPercent: 20, Delay: time.Millisecond}},
		{"to node, relayed", "pc2", ToNode, Impairment{LossPercent: 20, Delay: time.Millisecond}},
	} {
		p.impair(t, c.node, c.i, c.d)
		sent, got := p.count(t, n)
		// Five standard deviations of 4000 draws are 3.2 %.
		between(t, c.name+": fraction lost", 1-float64(got)/float64(sent), 0.165, 0.235)
		p.clear(t)
	}
	// The other direction is untouched.
	p.impair(t, "pc2", Impairment{LossPercent: 100}, FromNode)
	p.s.Clear(context.Background(), "pc1", "eth0")
	if err := p.s.Impair(context.Background(), "pc2", "eth0", Impairment{}, FromNode); err != nil {
		t.Fatal(err)
	}
	p.clear(t)
}

func TestLossOfEverythingIsOneWay(t *testing.T) {
	p := newPair(t)
	p.impair(t, "pc2", Impairment{LossPercent: 100}, FromNode)
	// pc2's answers are lost, so pc1 must know the address already (it does,
	// from newPair); what pc1 sends arrives.
	if _, got := p.count(t, 200); got < 200 {
		t.Errorf("to the node: %d of 200 arrived", got)
	}
	if reaches(t, p.b, p.a, "10.0.0.1", 200*time.Millisecond) {
		t.Error("from the node: something arrived")
	}
	p.clear(t)
}

// rate sends for a while and returns the bits per second that b's socket saw.
func (p pair) rate(t *testing.T, offered float64) float64 {
	t.Helper()
	srv := listen(t, p.b, "10.0.0.2:10")
	defer srv.Close()
	cli := dial(t, p.a, "10.0.0.2:10")
	defer cli.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		frame := make([]byte, 1400)
		start, sent := time.Now(), 0.0
		for time.Since(start) < 700*time.Millisecond {
			// A full socket buffer makes Write wait: no frame is offered faster
			// than the line takes it, and the inner loop must end.
			for k := 0; k < 64 && sent < time.Since(start).Seconds()*offered; k++ {
				cli.Write(frame)
				sent += 1442 * 8
			}
			time.Sleep(time.Millisecond)
		}
	}()
	buf := make([]byte, 2048)
	var first, last time.Time
	bits := 0.0
	for {
		srv.SetReadDeadline(time.Now().Add(400 * time.Millisecond))
		n, err := srv.Read(buf)
		if err != nil {
			break
		}
		last = time.Now()
		if first.IsZero() {
			first = last
			continue
		}
		bits += float64(n+42) * 8
	}
	<-done
	if bits == 0 {
		t.Fatal("nothing arrived")
	}
	return bits / last.Sub(first).Seconds()
}

func TestRate(t *testing.T) {
	p := newPair(t)
	const limit = 10_000_000
	for _, c := range []struct {
		name, node string
		d          Direction
		i          Impairment
	}{
		{"to node", "pc2", ToNode, Impairment{RateBits: limit}},
		{"from node", "pc1", FromNode, Impairment{RateBits: limit}},
		{"from node, relayed", "pc1", FromNode, Impairment{RateBits: limit, Delay: time.Millisecond}},
	} {
		p.impair(t, c.node, c.i, c.d)
		between(t, c.name+": share of the rate", p.rate(t, 3*limit)/limit, 0.75, 1.2)
		p.clear(t)
	}
}

// echo answers datagrams in b until the socket is closed.
func (p pair) echo(t *testing.T) *net.UDPConn {
	t.Helper()
	srv := listen(t, p.b, "10.0.0.2:11")
	go func() {
		buf := make([]byte, 64)
		for {
			n, from, err := srv.ReadFromUDP(buf)
			if err != nil {
				return
			}
			srv.WriteToUDP(buf[:n], from)
		}
	}()
	return dial(t, p.a, "10.0.0.2:11")
}

func TestDelay(t *testing.T) {
	p := newPair(t)
	p.impair(t, "pc2", Impairment{Delay: 40 * time.Millisecond}, Both)
	c := p.echo(t)
	best := time.Hour
	buf := make([]byte, 64)
	for i := range 10 {
		t0 := time.Now()
		c.Write(binary.BigEndian.AppendUint32(nil, uint32(i)))
		c.SetReadDeadline(t0.Add(2 * time.Second))
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
		if rtt := time.Since(t0); rtt < best {
			best = rtt
		}
	}
	// The best of ten: a busy machine only adds.
	between(t, "round trip, ms", float64(best.Microseconds())/1000, 79.5, 110)
	p.clear(t)
}

func TestDuplicatesAndReordering(t *testing.T) {
	p := newPair(t)
	p.impair(t, "pc2", Impairment{Delay: 20 * time.Millisecond, DuplicatePercent: 50}, ToNode)
	sent, got := p.count(t, 1000)
	between(t, "frames arrived per frame sent", float64(got)/float64(sent), 1.4, 1.6)
	p.clear(t)

	p.impair(t, "pc2", Impairment{Delay: 20 * time.Millisecond, ReorderPercent: 25}, ToNode)
	srv := listen(t, p.b, "10.0.0.2:12")
	cli := dial(t, p.a, "10.0.0.2:12")
	const n = 200
	go func() {
		for i := range n {
			cli.Write(binary.BigEndian.AppendUint32(nil, uint32(i)))
			time.Sleep(time.Millisecond)
		}
	}()
	buf := make([]byte, 64)
	early, seen, highest := 0, 0, uint32(0)
	for seen < n {
		srv.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := srv.Read(buf); err != nil {
			t.Fatalf("%d of %d arrived: %v", seen, n, err)
		}
		seen++
		if v := binary.BigEndian.Uint32(buf); v < highest {
			early++
		} else {
			highest = v
		}
	}
	between(t, "frames overtaken", float64(early)/n, 0.3, 0.95)
	p.clear(t)
}

func TestRelaySurvivesRebootMoveAndAdoption(t *testing.T) {
	p := newPair(t)
	ctx := context.Background()
	if err := p.s.AddSegment(ctx, "dmz"); err != nil {
		t.Fatal(err)
	}
	p.impair(t, "pc1", Impairment{Delay: time.Millisecond}, Both)
	for _, n := range []string{"pc1", "pc2"} {
		if err := p.s.Move(ctx, n, "eth0", "dmz"); err != nil {
			t.Fatal(err)
		}
		if err := p.s.Check(ctx, n, "eth0"); err != nil {
			t.Fatal(err)
		}
	}
	if !reaches(t, p.a, p.b, "10.0.0.2", 2*time.Second) {
		t.Error("no path after the move")
	}
	fresh := newNode(t)
	if err := p.s.Reattach(ctx, "pc1", "eth0", fresh); err != nil {
		t.Fatal(err)
	}
	setAddr(t, fresh, "eth0", "10.0.0.1/24")
	if !reaches(t, fresh, p.b, "10.0.0.2", 2*time.Second) {
		t.Error("no path after the reboot")
	}
	if err := p.s.Release(); err != nil {
		t.Fatal(err)
	}
	// netem lies in the kernel and needs nobody.
	if HasNetem() != nil && reaches(t, fresh, p.b, "10.0.0.2", 100*time.Millisecond) {
		t.Error("the relay outlived its owner")
	}
	o, err := OpenSwitch(ctx, p.s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Release()
	if !reaches(t, fresh, p.b, "10.0.0.2", 2*time.Second) {
		t.Error("no path after the adoption")
	}
	if err := o.Check(ctx, "pc1", "eth0"); err != nil {
		t.Error(err)
	}
	ports, err := o.Ports(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if relayed := HasNetem() != nil; ports[0].Relayed != relayed || ports[0].ToNode.Delay != time.Millisecond || ports[0].Segment != "dmz" {
		t.Errorf("adopted port: %+v", ports[0])
	}
}

func TestAttachedImpaired(t *testing.T) {
	p := newPair(t)
	fresh := newNode(t)
	if err := p.s.Attach(context.Background(), Attachment{
		Node: "pc2", Interface: "eth0", Segment: "lan", NetNS: fresh, Raise: true,
		ToNode: Impairment{LossPercent: 100},
	}); err != nil {
		t.Fatal(err)
	}
	setAddr(t, fresh, "eth0", "10.0.0.2/24")
	p.b = fresh
	if reaches(t, p.a, p.b, "10.0.0.2", 200*time.Millisecond) {
		t.Error("a line that loses everything carried a frame")
	}
	p.clear(t)
}

func TestImpairmentBounds(t *testing.T) {
	s := newSwitch(t, "lan")
	attach(t, s, "pc1", "lan", "")
	for _, i := range []Impairment{
		{LossPercent: -1}, {LossPercent: 101}, {RateBits: 1}, {Delay: -1}, {Delay: time.Hour},
		{Delay: time.Second, Jitter: 2 * time.Second}, {ReorderPercent: 10}, {Delay: 1, DuplicatePercent: 200},
	} {
		var in *InputError
		if err := s.Impair(context.Background(), "pc1", "eth0", i, Both); !errors.As(err, &in) {
			t.Errorf("%+v: %v", i, err)
		}
		if err := s.Attach(context.Background(), Attachment{Node: "pc2", Interface: "eth0", Segment: "lan", FromNode: i}); !errors.As(err, &in) {
			t.Errorf("attach with %+v: %v", i, err)
		}
	}
}

func TestFeatures(t *testing.T) {
	needRoot(t)
	for _, f := range Features() {
		t0 := time.Now()
		err := f.Has()
		t.Logf("%s (%v): %v", f.Name, time.Since(t0).Round(time.Millisecond), err)
		if err != nil && !errors.Is(err, ErrNotSupported) {
			t.Errorf("%s: could not tell: %v", f.Name, err)
		}
		if f.Required && err != nil {
			t.Errorf("%s is required here: %v", f.Name, err)
		}
		if err != nil && f.Name == "relay" && errors.Is(HasNetem(), ErrNotSupported) {
			t.Errorf("neither netem nor relay: %v", err)
		}
	}
}
