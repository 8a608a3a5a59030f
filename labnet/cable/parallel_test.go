package cable

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"
)

// TestInParallel does everything at once, also to the same cables: at the end
// each is what it was last told to be.
func TestInParallel(t *testing.T) {
	s := newSwitch(t, "a", "b")
	ctx := context.Background()
	const nodes = 10
	paths := make([]string, nodes)
	for i := range paths {
		paths[i] = newNode(t)
	}
	node := func(i int) string { return fmt.Sprintf("pc%d", i) }
	var g errgroup.Group
	g.SetLimit(8)
	for i := range nodes {
		for k := range 2 {
			g.Go(func() error {
				return s.Attach(ctx, Attachment{Node: node(i), Interface: fmt.Sprintf("eth%d", k), Segment: "a", NetNS: paths[i], Raise: true})
			})
		}
		g.Go(func() error { return s.AddSegment(ctx, "c") })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	var h errgroup.Group
	for i := range nodes {
		h.Go(func() error { return s.Move(ctx, node(i), "eth0", "b") })
		h.Go(func() error { return s.SetLink(ctx, node(i), "eth0", i%2 == 0) })
		h.Go(func() error { return s.Impair(ctx, node(i), "eth1", Impairment{LossPercent: 1}, ToNode) })
		h.Go(func() error { return s.Reattach(ctx, node(i), "eth1", paths[i]) })
		h.Go(func() error { _, err := s.Ports(ctx); return err })
		h.Go(func() error { _, err := State(ctx, paths[i]); return err })
	}
	if err := h.Wait(); err != nil {
		t.Fatal(err)
	}
	ports, err := s.Ports(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(ports) != 2*nodes {
		t.Fatalf("%d ports", len(ports))
	}
	for _, p := range ports {
		if err := s.Check(ctx, p.Node, p.Interface); err != nil {
			t.Error(err)
		}
		if p.Interface == "eth0" && p.Segment != "b" || p.Interface == "eth1" && p.ToNode.LossPercent != 1 {
			t.Errorf("%+v", p)
		}
	}
}
