package oci_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/situlab/situlab/labnet/node"
)

// BenchmarkCompany makes and removes 61 nodes with 4 workers; nothing boots in
// them.
func BenchmarkCompany(b *testing.B) {
	const size, workers = 61, 4
	low := lowers(b)
	rt := newRuntime(stateDir(b))(b)
	disks := b.TempDir()
	var up, down time.Duration
	for i := 0; b.Loop(); i++ {
		nodes := make([]node.Node, size)
		each := func(f func(j int) error) time.Duration {
			began := time.Now()
			var g errgroup.Group
			g.SetLimit(workers)
			for j := range size {
				g.Go(func() error { return f(j) })
			}
			if err := g.Wait(); err != nil {
				b.Fatal(err)
			}
			return time.Since(began)
		}
		up += each(func(j int) (err error) {
			nodes[j], err = rt.Create(context.Background(), node.Spec{
				Lab: "qzbench", Name: fmt.Sprintf("n%d", j), Lowers: low,
				Disk:   filepath.Join(disks, fmt.Sprintf("%d-%d", i, j)),
				IDBase: testIDs + uint32(200+j)*65536,
			})
			return err
		})
		down += each(func(j int) error { return nodes[j].Remove(context.Background()) })
	}
	b.ReportMetric(up.Seconds()/float64(b.N), "s/created")
	b.ReportMetric(down.Seconds()/float64(b.N), "s/removed")
	if err := rt.Close(); err != nil {
		b.Error(err)
	}
}
