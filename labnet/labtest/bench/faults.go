package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// kinds are the measurements that make up each section.
func kinds(section string, scales []int) []string {
	var out []string
	switch section {
	case "scale":
		for _, n := range scales[1:] {
			out = append(out, key("scale", n))
		}
	case "peers":
		for _, tool := range []string{"mininet", "compose"} {
			for _, n := range scales {
				out = append(out, key(tool, n))
			}
		}
	default:
		out = append(out, key(section, scales[0]))
	}
	return out
}

// faults lists what is not as it must be in the sections: kinds that could not
// be measured n times, figures that are over, findings.
func faults(k *book, chosen []string, scales []int, n int) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	measured := map[string]bool{} // sections
	for _, section := range chosen {
		measured[section] = true
		for _, id := range kinds(section, scales) {
			good := 0
			for _, s := range k.Samples[id] {
				if s.Error == "" {
					good++
				}
			}
			if good == 0 {
				measured[section] = false
			}
			if good < n {
				add("%s: measured %d times, %d expected", id, good, n)
			}
		}
	}
	for _, g := range goals {
		if !measured[g.section] {
			continue
		}
		m, most, ok := g.median(k, scales[0])
		switch {
		case ok && most > 0 && m > most:
			add("%s: %s %s, at most %s", strings.TrimSpace(g.title), number(m), g.unit, number(most))
		case !ok && most > 0:
			add("%s: not measured", strings.TrimSpace(g.title))
		}
	}
	if measured["scale"] {
		for _, f := range scaledFigures {
			for _, size := range scales[1:] {
				if p, ok := perNode(k, scales, size, f.figure); ok && p.over() {
					add("%s at %d nodes: ×%.2f per node, at most ×%.1f", f.title, size, p.ratio, flat)
				}
			}
		}
	}
	for _, section := range chosen {
		for _, id := range kinds(section, scales) {
			seen := seenIn(k.Samples[id])
			for _, f := range slices.Sorted(maps.Keys(seen)) {
				add("%s: %s (%d of %d)", id, f, seen[f], len(k.Samples[id]))
			}
		}
	}
	return out
}

// seenIn counts findings and failures.
func seenIn(samples []*sample) map[string]int {
	seen := map[string]int{}
	for _, s := range samples {
		for _, f := range s.Findings {
			seen[f]++
		}
		if s.Error != "" {
			seen["failed: "+s.Error]++
		}
	}
	return seen
}
