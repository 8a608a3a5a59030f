package fault

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/scenarios"
)

// dir is a disk that is a plain directory.
type dir string

func (d dir) Open(path string) (*os.File, error) { return os.Open(filepath.Join(string(d), path)) }
func (d dir) Write(files []node.File) error {
	for _, f := range files {
		p := filepath.Join(string(d), f.Path)
		if err := os.WriteFile(p, f.Content, f.Mode.Perm()); err != nil {
			return err
		}
		if err := os.Chtimes(p, f.ModTime, f.ModTime); err != nil {
			return err
		}
	}
	return nil
}

const conf = "router ospf\n network 10.0.0.0/30 area 0\n network 10.1.0.0/24 area 0\n!\n"

// TestTable walks every kind: inject, present, heal, healed again.
func TestTable(t *testing.T) {
	examples := map[string][]struct {
		params map[string]string
		want   string
	}{
		"config-line": {
			{map[string]string{"file": "/f", "match": "^ network 10.1.*$", "with": " network 10.2.0.0/24 area 0"}, strings.Replace(conf, "10.1", "10.2", 1)},
			{map[string]string{"file": "/f", "match": "^ network 10.1.*$"}, strings.Replace(conf, " network 10.1.0.0/24 area 0\n", "", 1)},
			{map[string]string{"file": "/f", "match": "^router ospf$", "how": "after", "with": " passive-interface eth0\n log"}, strings.Replace(conf, "ospf\n", "ospf\n passive-interface eth0\n log\n", 1)},
			{map[string]string{"file": "/f", "match": "^router ospf$", "how": "before", "with": "! $0"}, "! router ospf\n" + conf},
		},
		"touch": {{map[string]string{"file": "/f"}, conf}},
	}
	start := time.Now().Truncate(time.Second)
	for _, kind := range Kinds() {
		if len(examples[kind]) == 0 {
			t.Errorf("kind %s has no example here", kind)
		}
		for _, ex := range examples[kind] {
			d := dir(t.TempDir())
			file := filepath.Join(string(d), "f")
			if err := os.WriteFile(file, []byte(conf), 0o640); err != nil {
				t.Fatal(err)
			}
			f, err := Parse(scenarios.Fault{Kind: kind, Node: "n", Ago: scenarios.Duration(48 * time.Hour), Params: ex.params})
			if err != nil {
				t.Fatal(err)
			}
			if ok, _ := f.Present(d); ok {
				t.Errorf("%s: present before it was injected", kind)
			}
			if err := f.Inject(d, start); err != nil {
				t.Fatal(err)
			}
			got, _ := os.ReadFile(file)
			st, _ := os.Stat(file)
			if string(got) != ex.want || !st.ModTime().Equal(start.Add(-48*time.Hour)) || st.Mode().Perm() != 0o640 {
				t.Errorf("%s %v: got %q, %v, %v", kind, ex.params, got, st.ModTime(), st.Mode())
			}
			if ok, err := f.Present(d); !ok || err != nil {
				t.Errorf("%s: not present: %v", kind, err)
			}
			for range 2 {
				if err := f.Heal(d); err != nil {
					t.Fatal(err)
				}
			}
			if got, _ := os.ReadFile(file); string(got) != conf {
				t.Errorf("%s: healed to %q", kind, got)
			}
		}
	}
}

// TestParams: every mistake is named, all at once.
func TestParams(t *testing.T) {
	_, err := Parse(scenarios.Fault{Kind: "config-line", Node: "n", Params: map[string]string{"file": "f", "match": "(", "how": "x", "colour": "red"}})
	var pe *ParamError
	if !errors.As(err, &pe) || len(pe.Problems) != 5 {
		t.Fatalf("want five problems, got %v", err)
	}
	if _, err := Parse(scenarios.Fault{Kind: "nope"}); err == nil {
		t.Error("an unknown kind is accepted")
	}
}

// TestAmbiguous: a fault that could hit two lines, or none, is refused.
func TestAmbiguous(t *testing.T) {
	d := dir(t.TempDir())
	if err := os.WriteFile(filepath.Join(string(d), "f"), []byte(conf), 0o640); err != nil {
		t.Fatal(err)
	}
	for _, match := range []string{"network", "absent"} {
		f, err := Parse(scenarios.Fault{Kind: "config-line", Ago: 1, Params: map[string]string{"file": "/f", "match": match}})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Inject(d, time.Now()); err == nil {
			t.Errorf("match %q was injected", match)
		}
	}
}
