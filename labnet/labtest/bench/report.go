package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// goal is a figure with the most that it may be and what it aims at.
type goal struct {
	section, figure, title, unit string
	most, aim                    float64 // 0: none
}

var goals = []goal{
	{"up", "wired_s", "wired: all nodes, segments and cables exist, carrier at both ends", "s", 2.0, 1.2},
	{"up", "started_s", "started: every init has been started", "s", 3.5, 2.2},
	{"up", "shell_s", "first shell on the administration workstation", "s", 4, 2.5},
	{"up", "running_s", "running: systemd says so on all nodes", "s", 12, 9},
	{"up", "leases_s", "leases: every workstation has its address", "s", 0, 0},
	{"up", "ready_s", "ready: running, leases, every probe green", "s", 15, 11},
	{"up", "said_ready_s", "(lab up returns)", "s", 0, 0},
	{"up", "down_s", "teardown", "s", 1.5, 0},
	{"up", "reboot_workstation_s", "reboot of a workstation", "s", 2, 0},
	{"up", "reboot_server_s", "reboot of a server", "s", 2, 0},
	{"up", "reboot_router_s", "reboot of a router", "s", 2, 0},
	{"up", "reboot_typed_s", "reboot of a server, typed inside", "s", 2, 0},
	{"up", "reset_s", "lab reset until ready (at most: ready)", "s", 0, 0},
	{"up", "memory_mb", "memory of the ready lab (MemAvailable)", "MB", 1000, 700},
	{"up", "controller_rss_mb", "controller, resident", "MB", 150, 0},
	{"up", "controller_pss_mb", "controller, proportional", "MB", 0, 0},
	{"idle", "idle_pct", "nobody types: lab and controller", "% of a core", 15, 0},
	{"idle", "idle_lab_pct", "  the nodes", "% of a core", 0, 0},
	{"idle", "idle_controller_pct", "  the controller", "% of a core", 0, 0},
	{"idle", "idle_machine_pct", "  (whole machine)", "% of a core", 0, 0},
	{"session", "idle_pct", "session, nobody types: lab and controller", "% of a core", 15, 0},
	{"session", "idle_lab_pct", "  the nodes", "% of a core", 0, 0},
	{"session", "idle_controller_pct", "  the controller", "% of a core", 0, 0},
	{"session", "controller_rss_mb", "session's controller and terminals, resident", "MB", 150, 0},
	{"session", "controller_pss_mb", "session's controller and terminals, proportional", "MB", 0, 0},
}

// median is the figure at the site's own size and the most that it may be now;
// ok is false if it was not measured.
func (g goal) median(k *book, nodes int) (m, most float64, ok bool) {
	m, ok = median(k.values(key(g.section, nodes), g.figure))
	most = g.most
	if g.figure == "reset_s" {
		most, _ = median(k.values(key("up", nodes), "ready_s")) // no slower than that
	}
	return m, most, ok
}

// flat is how much a figure per node may grow with the number of nodes.
const flat = 1.3

// noisyLoad is the run queue per core, and noisySteal the percentage, above
// which a measurement says little.
const (
	noisyLoad  = 0.5
	noisySteal = 2.0
)

// report writes the book as Markdown.
func report(k *book, scales []int) string {
	var b strings.Builder
	h := k.Host
	fmt.Fprintf(&b, "# Figures of situlab\n\n%s; %s, kernel %s, %d cores (%s), %.0f MB, cgroup %s, disk %s, %s; %s; measured in %.0f s.\n",
		h.Situlab, h.System, h.Kernel, h.CPUs, h.CPU, h.MemoryMB, h.CGroup, h.Disk, h.Runc, h.Taken.Format("2006-01-02"), k.Seconds)
	b.WriteString("Judged from outside: namespaces, carrier and addresses by the kernel, services by each node's own systemd and by probes from the workstations' namespaces. MB are 10^6 bytes.\n")
	if noisy, all := noise(k); noisy > 0 {
		fmt.Fprintf(&b, "\n**%d of %d measurements were made on a host that was not quiet** (load above %.1f per core before, steal above %.0f %%, or other labs): their figures mean little.\n", noisy, all, noisyLoad, noisySteal)
	}
	goalsTable(&b, k, scales[0])
	scaleTable(&b, k, scales)
	peersTable(&b, k, scales)
	findings(&b, k)
	if len(k.Notes) > 0 {
		b.WriteString("\n## Remarks\n\n")
		for _, n := range k.Notes {
			fmt.Fprintf(&b, "- %s\n", n)
		}
	}
	unitsTable(&b, k)
	return b.String()
}

func noise(k *book) (noisy, all int) {
	for _, list := range k.Samples {
		for i, s := range list {
			all++
			// After the first of a kind the load is the bench's own.
			if i == 0 && s.Load > noisyLoad*float64(k.Host.CPUs) || s.Steal > noisySteal || s.Others > 0 {
				noisy++
			}
		}
	}
	return noisy, all
}

func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func limit(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.4g", v)
}

func raw(values []float64) string {
	var out []string
	for _, v := range values {
		out = append(out, number(v))
	}
	return strings.Join(out, " ")
}

func verdict(v, most, aim float64) string {
	switch {
	case most == 0:
		return ""
	case v > most:
		return "**over**"
	case aim > 0 && v <= aim:
		return "aim reached"
	}
	return "ok"
}

func goalsTable(b *strings.Builder, k *book, nodes int) {
	fmt.Fprintf(b, "\n## %d nodes\n\n| figure | unit | median | at most | aim | | raw |\n|---|---|---:|---:|---:|---|---|\n", nodes)
	for _, g := range goals {
		m, most, ok := g.median(k, nodes)
		if !ok {
			continue
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", g.title, g.unit, number(m), limit(most), limit(g.aim), verdict(m, most, g.aim), raw(k.values(key(g.section, nodes), g.figure)))
	}
}

// scaled is the key of situlab's own measurements at a number of nodes.
func scaled(scales []int, n int) string {
	if n == scales[0] {
		return key("up", n)
	}
	return key("scale", n)
}

// scaledFigures must stay flat per node.
var scaledFigures = []struct{ figure, title string }{
	{"wired_s", "wired, s"}, {"started_s", "started, s"}, {"shell_s", "first shell, s"}, {"running_s", "running, s"}, {"leases_s", "leases, s"}, {"ready_s", "ready, s"}, {"down_s", "teardown, s"},
	{"memory_mb", "memory, MB"}, {"controller_rss_mb", "controller, MB"},
}

// share is a figure at a number of nodes: as it is, per node, and how many times
// that of the site's own size.
type share struct{ median, per, ratio float64 }

func (s share) over() bool { return s.ratio > flat }

func perNode(k *book, scales []int, n int, figure string) (share, bool) {
	base, ok := median(k.values(scaled(scales, scales[0]), figure))
	m, mok := median(k.values(scaled(scales, n), figure))
	if !ok || !mok {
		return share{}, false
	}
	per := m / float64(n)
	return share{m, per, per / (base / float64(scales[0]))}, true
}

func scaleTable(b *strings.Builder, k *book, scales []int) {
	fmt.Fprintf(b, "\n## The same site with more workstations\n\nMedian (per node; times the figure per node of %d nodes, at most %.1f).\n\n| figure |", scales[0], flat)
	for _, n := range scales {
		fmt.Fprintf(b, " %d nodes |", n)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(scales)) + "\n")
	for _, f := range scaledFigures {
		if _, ok := perNode(k, scales, scales[0], f.figure); !ok {
			continue
		}
		fmt.Fprintf(b, "| %s |", f.title)
		for _, n := range scales {
			p, ok := perNode(k, scales, n, f.figure)
			if !ok {
				b.WriteString(" – |")
				continue
			}
			mark := ""
			if p.over() {
				mark = " **over**"
			}
			fmt.Fprintf(b, " %s (%.3g; ×%.2f%s) |", number(p.median), p.per, p.ratio, mark)
		}
		b.WriteString("\n")
	}
}

func peersTable(b *strings.Builder, k *book, scales []int) {
	b.WriteString("\n## Beside other tools\n\nUp / down in seconds, memory in MB; medians. The others' nodes sleep (one process, no init); situlab's are whole systems: *started* is the moment to compare, *running* comes on top.\n\n| tool |")
	for _, n := range scales {
		fmt.Fprintf(b, " %d nodes |", n)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(scales)) + "\n")
	rows := []struct {
		title, up string
		key       func(int) string
	}{
		{"situlab, started", "started_s", func(n int) string { return scaled(scales, n) }},
		{"situlab, running", "running_s", func(n int) string { return scaled(scales, n) }},
		{"Docker Compose, sleeping", "up_s", func(n int) string { return key("compose", n) }},
		{"Mininet, sleeping (network namespaces only)", "up_s", func(n int) string { return key("mininet", n) }},
	}
	for _, r := range rows {
		fmt.Fprintf(b, "| %s |", r.title)
		for _, n := range scales {
			up, ok := median(k.values(r.key(n), r.up))
			if !ok {
				b.WriteString(" – |")
				continue
			}
			down, _ := median(k.values(r.key(n), "down_s"))
			mem, _ := median(k.values(r.key(n), "memory_mb"))
			fmt.Fprintf(b, " %s / %s, %.0f MB |", number(up), number(down), mem)
		}
		b.WriteString("\n")
	}
	b.WriteString("\nNot measured in this run, from an earlier one on 2 cores: containerlab 8.4 / 3.6 for 60 sleeping nodes and 28.9 until 60 systemd nodes run.\n")
}

func findings(b *strings.Builder, k *book) {
	b.WriteString("\n## Findings\n\n")
	any := len(k.Samples) == 0
	for _, id := range slices.Sorted(maps.Keys(k.Samples)) {
		seen := seenIn(k.Samples[id])
		for _, f := range slices.Sorted(maps.Keys(seen)) {
			any = true
			fmt.Fprintf(b, "- %s: %s (%d of %d)\n", id, f, seen[f], len(k.Samples[id]))
		}
	}
	if !any {
		b.WriteString("None: no failed unit, no unit masked without a reason, no service of a role missing or started late, nothing left after a teardown.\n")
	}
}

func unitsTable(b *strings.Builder, k *book) {
	if len(k.Units) == 0 {
		return
	}
	b.WriteString("\n## Services that were looked for on every node\n\n| role | units | nodes |\n|---|---|---|\n")
	for _, u := range k.Units {
		on := "all"
		if len(u.On) > 0 {
			on = strings.Join(u.On, " ")
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", u.Role, strings.Join(u.Units, " "), on)
	}
	b.WriteString("\n## Masked units\n\n| reason | units | roles |\n|---|---|---|\n")
	type group struct{ reason, roles string }
	units := map[group][]string{}
	var order []group
	for _, m := range k.Masked {
		g := group{m.Reason, strings.Join(m.Roles, " ")}
		if units[g] == nil {
			order = append(order, g)
		}
		units[g] = append(units[g], m.Unit)
	}
	for _, g := range order {
		reason := g.reason
		if reason == "" {
			reason = "**none**"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", reason, strings.Join(units[g], " "), g.roles)
	}
}
