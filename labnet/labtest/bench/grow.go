package main

import (
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/situlab/situlab/scenarios"
)

// siteSize is the number of nodes of a site.
func siteSize(ref string) (int, error) {
	s, err := scenarios.LoadSite(ref)
	if err != nil {
		return 0, err
	}
	return len(s.Nodes), nil
}

// grow writes a site into a folder, with workstations added to its segments in
// turn until it has n nodes: everything else stays the same company. Ranges of
// leases that become too small are widened up to the gateway.
func grow(ref, dir string, n int) error {
	site, err := scenarios.LoadSite(ref)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := copySite(site.Files, dir); err != nil {
		return err
	}
	text, err := fs.ReadFile(site.Files, "site.yaml")
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return err
	}
	nodes, segments := field(doc.Content[0], "nodes"), field(doc.Content[0], "segments")
	if nodes == nil || segments == nil {
		return fmt.Errorf("site %s has no nodes or no segments", ref)
	}
	if err := addWorkstations(nodes, n); err != nil {
		return err
	}
	if err := widenLeases(nodes, segments); err != nil {
		return err
	}
	out, err := yaml.Marshal(&doc)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "site.yaml"), out, 0o644)
}

func copySite(from fs.FS, dir string) error {
	return fs.WalkDir(from, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(p, ".go") {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(p))
		if e.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := fs.ReadFile(from, p)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
}

// field is the value of a key of a mapping.
func field(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

func value(m *yaml.Node, key string) string {
	if v := field(m, key); v != nil {
		return v.Value
	}
	return ""
}

// segmentOf is the segment of a workstation with a lease; empty for others.
func segmentOf(node *yaml.Node) string {
	ifaces := field(node, "interfaces")
	if value(node, "class") != string(scenarios.Workstation) || ifaces == nil || len(ifaces.Content) == 0 || value(ifaces.Content[0], "dhcp") != "true" {
		return ""
	}
	return value(ifaces.Content[0], "segment")
}

func addWorkstations(nodes *yaml.Node, n int) error {
	var order []string
	last := map[string]*yaml.Node{} // of each segment: the model of the next
	for _, node := range nodes.Content {
		if seg := segmentOf(node); seg != "" {
			if last[seg] == nil {
				order = append(order, seg)
			}
			last[seg] = node
		}
	}
	if len(order) == 0 {
		return fmt.Errorf("the site has no workstation to take as a model")
	}
	for i := 0; len(nodes.Content) < n; i++ {
		seg := order[i%len(order)]
		next, err := clone(last[seg])
		if err != nil {
			return err
		}
		name, err := nextName(value(last[seg], "name"))
		if err != nil {
			return err
		}
		field(next, "name").Value = name
		nodes.Content = append(nodes.Content, next)
		last[seg] = next
	}
	return nil
}

func clone(n *yaml.Node) (*yaml.Node, error) {
	text, err := yaml.Marshal(n)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	return doc.Content[0], nil
}

// nextName counts on: pc-bur-09 -> pc-bur-10.
func nextName(name string) (string, error) {
	i := strings.LastIndexByte(name, '-')
	n, err := strconv.Atoi(name[i+1:])
	if err != nil {
		return "", fmt.Errorf("the workstation's name %q does not end in a number", name)
	}
	return fmt.Sprintf("%s%0*d", name[:i+1], len(name)-i-1, n+1), nil
}

// spareLeases stay free in each range: reservations begin one above its first.
const spareLeases = 2

func widenLeases(nodes, segments *yaml.Node) error {
	posts := map[string]int{}
	for _, node := range nodes.Content {
		posts[segmentOf(node)]++
	}
	for _, s := range segments.Content {
		lastField := field(s, "dhcpLast")
		if lastField == nil {
			continue
		}
		first, err1 := netip.ParseAddr(value(s, "dhcpFirst"))
		last, err2 := netip.ParseAddr(lastField.Value)
		gateway, err3 := netip.ParseAddr(value(s, "gateway"))
		if err1 != nil || err2 != nil || err3 != nil {
			return fmt.Errorf("segment %s: addresses of the leases cannot be read", value(s, "id"))
		}
		need := first
		for range posts[value(s, "id")] + spareLeases - 1 {
			need = need.Next()
		}
		if last.Less(need) {
			last = need
		}
		if !last.Less(gateway) && first.Less(gateway) {
			return fmt.Errorf("segment %s has no room for %d leases", value(s, "id"), posts[value(s, "id")])
		}
		lastField.Value = last.String()
	}
	return nil
}
