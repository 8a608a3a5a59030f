package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/situlab/situlab/scenarios"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got, ok := median(c.in); !ok || got != c.want {
			t.Errorf("median of %v: %v", c.in, got)
		}
	}
	if _, ok := median(nil); ok {
		t.Error("a median of nothing")
	}
	k := &book{Samples: map[string][]*sample{"up/3": {
		{Figures: map[string]float64{"x": 1}}, {Figures: map[string]float64{"x": 50}, Error: "failed"}, {Figures: map[string]float64{"y": 1}}, {Figures: map[string]float64{"x": 2}},
	}}}
	if got := k.values("up/3", "x"); !slices.Equal(got, []float64{1, 2}) {
		t.Errorf("values %v", got)
	}
}

// TestRepeat goes on with a book that was left half full.
func TestRepeat(t *testing.T) {
	dir := t.TempDir()
	b := &bench{out: dir, n: 3, book: &book{Kind: bookKind, file: filepath.Join(dir, "bench.json"),
		Samples: map[string][]*sample{"x": {{Figures: map[string]float64{"v": 1}}, {Error: "failed"}}}}}
	calls := 0
	err := b.repeat(context.Background(), "x", func(_ context.Context, s *sample) error {
		calls++
		s.Figures["v"] = 5
		return nil
	})
	if m, _ := median(b.book.values("x", "v")); err != nil || calls != 2 || m != 5 {
		t.Errorf("%d calls, median %v, %v", calls, m, err)
	}
	if _, err := os.Stat(b.book.file); err != nil {
		t.Error(err)
	}
}

func TestParse(t *testing.T) {
	m := kilobytes("MemTotal:       24683520 kB\nHugePages_Total:       0\nRss:                  12 kB\n")
	if m["MemTotal"] != 24683520<<10 || m["Rss"] != 12<<10 || len(m) != 2 {
		t.Errorf("kilobytes: %v", m)
	}
	a, err := parseCPU("cpu  100 0 50 800 10 0 0 40 0 0")
	if err != nil {
		t.Fatal(err)
	}
	if got := a.stealPercent(); got != 4 {
		t.Errorf("steal %v", got)
	}
	if libs := libraries("\tlinux-vdso.so.1 (0x00)\n\tlibc.so.6 => /lib/libc.so.6 (0x01)\n\t/lib64/ld.so.2 (0x02)\n"); !slices.Equal(libs, []string{"/lib/libc.so.6", "/lib64/ld.so.2"}) {
		t.Errorf("libraries %v", libs)
	}
}

// TestGrow makes larger sites that load, with everything else unchanged.
func TestGrow(t *testing.T) {
	own, err := scenarios.LoadSite("aveline")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{120, 240, 500} {
		dir := filepath.Join(t.TempDir(), "site")
		if err := grow("aveline", dir, n); err != nil {
			t.Fatal(err)
		}
		site, err := scenarios.LoadSite(dir)
		if err != nil {
			t.Fatal(err)
		}
		if site, err = scenarios.Expand(site, 0); err != nil {
			t.Fatal(err)
		}
		if len(site.Nodes) != n || len(site.Segments) != len(own.Segments) || len(site.Probes) != len(own.Probes) {
			t.Errorf("%d nodes: %d nodes, %d segments, %d probes", n, len(site.Nodes), len(site.Segments), len(site.Probes))
		}
		if _, err := scenarios.Tree(site, site.Nodes[n-1].Name); err != nil {
			t.Error(err)
		}
	}
}

func TestDBus(t *testing.T) {
	if got, want := unitPath("postgresql@15-main.service"), managerPath+"/unit/postgresql_4015_2dmain_2eservice"; got != want {
		t.Errorf("path %s, want %s", got, want)
	}
	call := encodeCall(7, managerPath, propsInterface, "Get", []string{managerInterface, "SystemState"})
	kind, sig, body, err := readMessage(bytes.NewReader(call))
	if err != nil || kind != 1 || sig != "ss" {
		t.Fatalf("kind %d, signature %q, %v", kind, sig, err)
	}
	v, err := (&decoder{b: body}).all(sig)
	if err != nil || v[0] != managerInterface || v[1] != "SystemState" {
		t.Errorf("body %v, %v", v, err)
	}
	// a(st) with two elements, then a variant.
	var inner []byte
	inner = binary.LittleEndian.AppendUint64(pad(putString(inner, "ab"), 8), 5)
	inner = binary.LittleEndian.AppendUint64(pad(putString(inner, "c"), 8), 6)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(inner)))
	b = append(pad(b, 8), inner...)
	b = append(b, 1, 'u', 0)
	b = binary.LittleEndian.AppendUint32(pad(b, 4), 9)
	v, err = (&decoder{b: b}).all("a(st)v")
	if err != nil || len(v) != 2 || len(v[0].([]any)) != 2 || v[0].([]any)[1].([]any)[1] != uint64(6) || v[1] != uint32(9) {
		t.Errorf("%v, %v", v, err)
	}
	for i := range b {
		if _, err := (&decoder{b: b[:i]}).all("a(st)v"); err == nil {
			t.Errorf("cut at %d is no error", i)
		}
	}
}

func TestReport(t *testing.T) {
	k := &book{Host: hostFacts{CPUs: 2}, Samples: map[string][]*sample{
		"up/61":      {{Figures: map[string]float64{"wired_s": 1, "ready_s": 20, "reset_s": 10, "memory_mb": 600}}},
		"scale/120":  {{Figures: map[string]float64{"wired_s": 4, "memory_mb": 1200}}},
		"mininet/61": {{Figures: map[string]float64{"up_s": 5, "down_s": 3}}},
	}}
	text := report(k, []int{61, 120})
	for _, want := range []string{"aim reached", "| **over** |", "×2.03 **over**", "| lab reset until ready (at most: ready) | s | 10.00 | 20 |", "5.00 / 3.00", "None:"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}

// TestFaults names each thing that is not as it must be, and nothing else.
func TestFaults(t *testing.T) {
	good := func() *book {
		up := map[string]float64{}
		for _, g := range goals {
			if g.section == "up" {
				up[g.figure] = g.most
			}
		}
		up["reset_s"] = up["ready_s"]
		large := map[string]float64{}
		for _, f := range scaledFigures {
			large[f.figure] = 1.2 * 2 * up[f.figure] // for twice as many nodes
		}
		return &book{Samples: map[string][]*sample{"up/61": {{Figures: up}}, "scale/122": {{Figures: large}}, "mininet/61": {{}}, "mininet/122": {{}}, "compose/61": {{}}, "compose/122": {{}}}}
	}
	all := []string{"up", "scale", "peers"}
	for _, c := range []struct {
		name   string
		spoil  func(*book)
		chosen []string
		want   []string
	}{
		{"all is well", func(*book) {}, all, nil},
		{"a goal is over", func(k *book) { k.Samples["up/61"][0].Figures["wired_s"] = 2.5 }, []string{"up"}, []string{"wired: all nodes, segments and cables exist, carrier at both ends: 2.50 s, at most 2.00"}},
		{"a reset slower than ready", func(k *book) { k.Samples["up/61"][0].Figures["reset_s"] = 15.5 }, all, []string{"lab reset until ready (at most: ready): 15.50 s, at most 15.00"}},
		{"a figure that was not had", func(k *book) { delete(k.Samples["up/61"][0].Figures, "memory_mb") }, []string{"up"}, []string{"memory of the ready lab (MemAvailable): not measured"}},
		{"not flat", func(k *book) { k.Samples["scale/122"][0].Figures["memory_mb"] = 2 * 1.4 * 1000 }, all, []string{"memory, MB at 122 nodes: ×1.40 per node, at most ×1.3"}},
		{"a finding", func(k *book) { k.Samples["up/61"][0].finding("x has failed") }, all, []string{"up/61: x has failed (1 of 1)"}},
		{"a failure", func(k *book) { k.Samples["up/61"] = append(k.Samples["up/61"], &sample{Error: "no"}) }, all, []string{"up/61: failed: no (1 of 2)"}},
		{"a tool that is not there", func(k *book) { delete(k.Samples, "compose/122") }, all, []string{"compose/122: measured 0 times, 1 expected"}},
		{"a tool that was not asked for", func(k *book) { delete(k.Samples, "compose/122") }, []string{"up", "scale"}, nil},
		{"nothing", func(k *book) { k.Samples = nil }, []string{"up"}, []string{"up/61: measured 0 times, 1 expected"}},
	} {
		k := good()
		c.spoil(k)
		if got := faults(k, c.chosen, []int{61, 122}, 1); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	k := good()
	if got := faults(k, []string{"up"}, []int{61, 122}, 2); !slices.Equal(got, []string{"up/61: measured 1 times, 2 expected"}) {
		t.Errorf("too seldom: %q", got)
	}
}
