package scenarios

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

var update = flag.Bool("update", false, "write the golden messages anew")

// smallFS holds the small scenario with the small site in its folder.
func smallFS(t testing.TB) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	for dir, to := range map[string]string{"testdata/scenario-small": "", "testdata/site-small": "site/"} {
		err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			raw, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(dir, p)
			out[to+filepath.ToSlash(rel)] = &fstest.MapFile{Data: raw}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// loadSmall loads what a broken case is about.
func loadSmall(files fstest.MapFS, kind string) error {
	sub, err := fs.Sub(files, "site")
	if err != nil {
		return err
	}
	switch kind {
	case "site":
		_, err = LoadSiteFS(sub, "small")
	case "tree":
		var site *Site
		if site, err = LoadSiteFS(sub, "small"); err == nil {
			if site, err = Expand(site, 5); err == nil {
				_, err = Tree(site, "rt-brv1")
			}
		}
	default:
		_, err = LoadScenarioFS(files, "small-cut")
	}
	return err
}

// brokenCase is a file of testdata/broken: edits of the small files, and the
// messages that come out.
type brokenCase struct {
	about, kind string
	edits       [][3]string // file, old, new
	want        string
}

func parseBroken(t *testing.T, text string) brokenCase {
	t.Helper()
	head, rest, ok := strings.Cut(text, "\n=== ")
	if !ok {
		t.Fatal("no === line")
	}
	about, kind, _ := strings.Cut(strings.TrimPrefix(head, "# "), "\n")
	c := brokenCase{about: about, kind: strings.TrimSpace(kind)}
	for part := range strings.SplitSeq(rest, "\n=== ") {
		name, body, _ := strings.Cut(part, "\n")
		if name == "errors" {
			c.want = strings.TrimSpace(body)
			continue
		}
		before, after, ok := strings.Cut(body, "\n--- becomes\n")
		if !ok {
			t.Fatalf("%s: no '--- becomes'", name)
		}
		c.edits = append(c.edits, [3]string{name, before, strings.TrimSuffix(after, "\n")})
	}
	return c
}

// TestBroken reads every broken file and compares all its messages.
func TestBroken(t *testing.T) {
	names, err := filepath.Glob("testdata/broken/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 40 {
		t.Fatalf("only %d broken files", len(names))
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			c := parseBroken(t, string(raw))
			files := smallFS(t)
			for _, e := range c.edits {
				f, ok := files[e[0]]
				if !ok {
					f = &fstest.MapFile{}
					files[e[0]] = f
				}
				if e[1] == "" {
					f.Data = []byte(e[2])
					continue
				}
				if n := strings.Count(string(f.Data), e[1]); n != 1 {
					t.Fatalf("%q stands %d times in %s", e[1], n, e[0])
				}
				f.Data = []byte(strings.Replace(string(f.Data), e[1], e[2], 1))
			}
			got := loadSmall(files, c.kind)
			if got == nil {
				t.Fatalf("accepted: %s", c.about)
			}
			if !IsInput(got) {
				t.Errorf("not an error of input: %T", got)
			}
			if *update {
				head, _, _ := strings.Cut(string(raw), "\n=== errors")
				if err := os.WriteFile(name, []byte(head+"\n=== errors\n"+got.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.Error() != c.want {
				t.Errorf("%s\n got:\n%s\nwant:\n%s", c.about, got, c.want)
			}
		})
	}
}

// TestSmallIsSound: the files that the broken ones are made from have no mistake.
func TestSmallIsSound(t *testing.T) {
	for _, kind := range []string{"site", "tree", "scenario"} {
		if err := loadSmall(smallFS(t), kind); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
