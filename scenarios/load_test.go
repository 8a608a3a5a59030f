package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// TestHostileFiles: what no editor writes and an attacker does. Each is refused
// at once, with one message that says why.
func TestHostileFiles(t *testing.T) {
	sound := smallFS(t)["site/site.yaml"].Data
	var million bytes.Buffer
	head, _, _ := strings.Cut(string(sound), "\nnodes:")
	million.WriteString(head + "\nnodes:\n")
	for million.Len() < MaxFileBytes-10 {
		million.WriteString("- {}\n")
	}
	huge := append(bytes.Clone(million.Bytes()), bytes.Repeat([]byte("- {}\n"), 700_000)...)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"bom":       {append([]byte("\xef\xbb\xbf"), sound...), "byte order mark"},
		"not utf-8": {bytes.Replace(sound, []byte("société"), []byte("soci\xe9t\xe9"), 1), "site.yaml:4:25: the file is not UTF-8 here"},
		"nul":       {append(bytes.Clone(sound), 0), "not YAML"},
		"deep":      {[]byte(strings.Repeat("[", 9000) + strings.Repeat("]", 9000)), "nested more than"},
		"deeper":    {[]byte(strings.Repeat("[", 200_000)), "not YAML"},
		"many":      {million.Bytes(), "a site has at most 1000"},
		"million":   {huge, "a file holds at most"},
		"scalar":    {[]byte("just words"), "wants fields"},
		"nothing":   {nil, "the file is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := LoadSiteFS(fstest.MapFS{"site.yaml": {Data: c.data}}, "hostile")
			if err == nil || !strings.Contains(err.Error(), c.want) || !IsInput(err) {
				t.Errorf("got %.300v, want %q", err, c.want)
			}
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("refused after %v", d)
			}
		})
	}
}

// TestFolderOfDisk: a folder is read like the library, and nothing outside it.
func TestFolderOfDisk(t *testing.T) {
	dir := t.TempDir()
	for name, f := range smallFS(t) {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	scn, err := LoadScenario(dir)
	if err != nil {
		t.Fatal(err)
	}
	site, err := LoadSiteOf(scn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Draw(scn, site, 3, ""); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"leave.fr.md": "/etc/passwd", "inside": "brief.fr.md", "up": "../.."} {
		link := filepath.Join(dir, name)
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		_, err := LoadScenario(dir)
		if want := name + ": only plain files and folders are read here, not a symbolic link"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a link to %s: %v", target, err)
		}
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReferences: what is no id and no folder gets one clear message.
func TestReferences(t *testing.T) {
	for ref, want := range map[string]string{
		"lost-conectivity": `did you mean "lost-connectivity"?`,
		"./nowhere":        "is no folder",
		"./testdata":       "has no scenario.yaml",
	} {
		_, err := LoadScenario(ref)
		var in *InputError
		if !errors.As(err, &in) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", ref, err, want)
		}
	}
	if _, err := LoadSite("testdata"); err == nil || !strings.Contains(err.Error(), "for the folder write ./testdata") {
		t.Errorf("a folder without a slash: %v", err)
	}
}

// FuzzLoadSite: no input makes the loader crash, hang or return a site and a
// mistake at once; every mistake is one of input.
func FuzzLoadSite(f *testing.F) {
	f.Add(smallFS(f)["site/site.yaml"].Data)
	seeds, err := filepath.Glob("testdata/broken/site-*.txt")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, s := range seeds {
		raw, err := os.ReadFile(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		site, err := LoadSiteFS(fstest.MapFS{"site.yaml": {Data: raw}}, "fuzz")
		if (site == nil) == (err == nil) {
			t.Fatalf("site %v, error %v", site != nil, err)
		}
		if err != nil && !IsInput(err) {
			t.Fatalf("%T is no error of input: %v", err, err)
		}
	})
}

// FuzzLoadScenario is the same for scenarios, against the small site (loaded
// once: reading it again would be most of the work).
func FuzzLoadScenario(f *testing.F) {
	files := smallFS(f)
	f.Add(files["scenario.yaml"].Data)
	raw, err := fs.ReadFile(embedded, "library/lost-connectivity/scenario.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	sub, err := fs.Sub(files, "site")
	if err != nil {
		f.Fatal(err)
	}
	site, err := LoadSiteFS(sub, "small")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		scn := &Scenario{Files: files}
		d := &decoder{file: scenarioFile, text: func(stem string) (Text, error) { return readText(&folder{files, ""}, stem) }}
		d.decode(raw, scn)
		checkScenario(d, scn, site)
		if d.errs.err() != nil {
			return
		}
		// What was accepted can be drawn, whatever the seed.
		for seed := range uint64(3) {
			if _, err := Draw(scn, site, seed, ""); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzExpand: every seed gives a sound site, twice the same.
func FuzzExpand(f *testing.F) {
	sub, err := fs.Sub(smallFS(f), "site")
	if err != nil {
		f.Fatal(err)
	}
	site, err := LoadSiteFS(sub, "small")
	if err != nil {
		f.Fatal(err)
	}
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		soundExpansion(t, site, seed)
	})
}

// soundExpansion checks an expanded site as if somebody had written it.
func soundExpansion(t *testing.T, site *Site, seed uint64) *Site {
	t.Helper()
	x, err := Expand(site, seed)
	if err != nil {
		t.Fatal(err)
	}
	y, err := Expand(site, seed)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprintf("%+v", printable(x)), fmt.Sprintf("%+v", printable(y)); a != b {
		t.Fatalf("two expansions of seed %d differ", seed)
	}
	check := clone(*x)
	check.Draw = Pools{}
	d := &decoder{file: "expanded"}
	checkSite(d, &check)
	if err := d.errs.err(); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	return x
}

func printable(s *Site) Site {
	out := clone(*s)
	out.Files, out.over, out.memo = nil, folder{}, nil
	return out
}
