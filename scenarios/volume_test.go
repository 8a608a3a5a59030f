package scenarios

import (
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
)

// withVolumes is the small site with volumes on its ERP server.
func withVolumes(t *testing.T, volumes string) (*Site, []byte) {
	t.Helper()
	files := smallFS(t)
	f := files["site/site.yaml"]
	const at = "    role: erp\n"
	text := strings.Replace(string(f.Data), at, at+"    volumes:\n"+volumes, 1)
	if text == string(f.Data) {
		t.Fatal("the small site has no ERP server")
	}
	f.Data = []byte(text)
	sub, err := fs.Sub(files, "site")
	if err != nil {
		t.Fatal(err)
	}
	site, err := LoadSiteFS(sub, "small")
	if err != nil {
		t.Fatal(err)
	}
	return site, f.Data
}

func TestVolumes(t *testing.T) {
	site, raw := withVolumes(t, `
      - {name: data, mount: /srv/data, sizeMB: 16}
      - {name: base, mount: /var/lib/postgresql, sizeMB: 4096, inodes: 64, reservedPercent: 0, owner: "postgres:ssl-cert", mode: "2750"}
      - {name: temp, mount: /tmp, sizeMB: 64, mode: "1777"}
`)
	site, err := Expand(site, 7)
	if err != nil {
		t.Fatal(err)
	}
	n, err := site.NodeNamed("erp1")
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Volumes) != 3 {
		t.Fatalf("%+v", n.Volumes)
	}
	var reserved []int
	var roots []TreeFile
	for _, v := range n.Volumes {
		reserved = append(reserved, v.Reserved())
		if f, ok := v.Root(); ok {
			roots = append(roots, f)
		}
	}
	if !reflect.DeepEqual(reserved, []int{5, 0, 5}) {
		t.Errorf("reserved: %v", reserved)
	}
	want := []TreeFile{
		{Path: "/var/lib/postgresql", Mode: os.ModeDir | os.ModeSetgid | 0o750, User: "postgres", Group: "ssl-cert"},
		{Path: "/tmp", Mode: os.ModeDir | os.ModeSticky | 0o777},
	}
	if !reflect.DeepEqual(roots, want) {
		t.Errorf("roots: %+v", roots)
	}
	if b := n.Volumes[1]; b.SizeMB != 4096 || b.Inodes != 64 || b.Name != "base" {
		t.Errorf("%+v", b)
	}
	if err := validate(t, "Site", raw); err != nil {
		t.Errorf("the schema refuses what is right: %v", err)
	}
}

// TestVolumeSchema: an editor that has the schema finds what it can.
func TestVolumeSchema(t *testing.T) {
	_, raw := withVolumes(t, "      - {name: data, mount: /srv/data, sizeMB: 16, reservedPercent: 0, inodes: 64}\n")
	if err := validate(t, "Site", raw); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{"sizeMB: 16", "sizeMB: 15"}, {"sizeMB: 16", "sizeMB: 4097"}, {"sizeMB: 16", "sizeGB: 16"}, {"sizeMB: 16,", ""},
		{"reservedPercent: 0", "reservedPercent: 51"}, {"reservedPercent: 0", "reservedPercent: -1"},
		{"inodes: 64", "inodes: 63"}, {"mount: /srv/data,", ""}, {"name: data,", ""},
	} {
		bad := strings.Replace(string(raw), c[0], c[1], 1)
		if bad == string(raw) {
			t.Fatalf("%q is not there", c[0])
		}
		if err := validate(t, "Site", []byte(bad)); err == nil {
			t.Errorf("the schema takes %q", c[1])
		}
	}
	text, err := Schema("Site")
	if err != nil || !strings.Contains(string(text), "Volume is a data disk of a node") {
		t.Errorf("the schema does not describe volumes (%v)", err)
	}
}
