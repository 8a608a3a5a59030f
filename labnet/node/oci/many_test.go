package oci

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/situlab/situlab/labnet/node"
)

func cpu() time.Duration {
	var a, b syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &a)
	syscall.Getrusage(syscall.RUSAGE_CHILDREN, &b)
	tv := func(t syscall.Timeval) time.Duration { return time.Duration(t.Nano()) }
	return tv(a.Utime) + tv(a.Stime) + tv(b.Utime) + tv(b.Stime)
}

func TestMany(t *testing.T) {
	N := 61
	if s := os.Getenv("N"); s != "" {
		fmt.Sscan(s, &N)
	}
	W := 4
	if s := os.Getenv("W"); s != "" {
		fmt.Sscan(s, &W)
	}
	state := "/run/situlab-oci-many"
	disk := t.TempDir()
	rt, err := New(Config{State: state})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	t0, c0 := time.Now(), cpu()
	nodes := make([]node.Node, N)
	g := errgroup.Group{}
	g.SetLimit(W)
	for i := range N {
		g.Go(func() error {
			var err error
			nodes[i], err = rt.Create(ctx, node.Spec{Lab: "many", Name: fmt.Sprintf("n%d", i), Lowers: []string{"/tmp/situlab/minroot"}, Disk: fmt.Sprintf("%s/n%d", disk, i), IDBase: uint32(3000+i) * 65536})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Log("created", time.Since(t0), cpu()-c0)
	if os.Getenv("BOOT") != "" {
		t0 = time.Now()
		for _, n := range nodes {
			if err := n.Start(ctx); err != nil {
				t.Fatal(err)
			}
		}
		t.Log("started", time.Since(t0))
		for _, n := range nodes {
			select {
			case <-n.Ready():
			case <-time.After(30 * time.Second):
				t.Error("not ready", n.Name())
			}
		}
		t.Log("ready", time.Since(t0))
	}
	t0, c0 = time.Now(), cpu()
	g = errgroup.Group{}
	g.SetLimit(W)
	for _, n := range nodes {
		g.Go(func() error { return n.Remove(ctx) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Log("removed", time.Since(t0), cpu()-c0)
	if err := rt.Close(); err != nil {
		t.Error(err)
	}
}
