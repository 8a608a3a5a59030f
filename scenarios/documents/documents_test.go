package documents

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/situlab/situlab/scenarios"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// extra is what a scenario adds to the logbook.
var extra = []scenarios.Entry{{Ago: hours(30), Author: "prestataire", Text: both("Passage du prestataire.", "Contractor on site.")}}

func rendered(t *testing.T, site *scenarios.Site, id, lang string) string {
	t.Helper()
	md, err := Render(site, id, lang, start, extra)
	if err != nil {
		t.Fatal(err)
	}
	return md
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (go test -update rewrites it):\n%s", path, d)
	}
}

func TestGolden(t *testing.T) {
	site := fixture()
	for _, lang := range []string{"fr", "en"} {
		var all strings.Builder
		for _, d := range List(lang) {
			if strings.HasPrefix(d.ID, "notice-") {
				continue // their words are their own golden file
			}
			all.WriteString(Text(rendered(t, site, d.ID, lang), 80) + "\n\f\n")
		}
		golden(t, "dossier."+lang+".txt", all.String())
		golden(t, "plan."+lang+".svg", string(Plan(site, PlanOptions{Lang: lang})))
	}
	golden(t, "plan.highlight.svg", string(Plan(site, PlanOptions{Lang: "fr", Highlight: "pc-bur-02"})))
	golden(t, "services.fr.html", HTML(rendered(t, site, "services", "fr")))
}

// sites are the fixture and the real company, drawn by two seeds.
func sites(t *testing.T) map[string]*scenarios.Site {
	t.Helper()
	all := map[string]*scenarios.Site{"petite": fixture()}
	aveline, err := scenarios.LoadSite("aveline")
	if err != nil {
		t.Fatal(err)
	}
	for name, seed := range map[string]uint64{"aveline": 0, "aveline drawn": 7} {
		if all[name], err = scenarios.Expand(aveline, seed); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func each(t *testing.T, f func(t *testing.T, site *scenarios.Site, id, lang, md string)) {
	for name, site := range sites(t) {
		for _, lang := range []string{"fr", "en"} {
			for _, d := range List(lang) {
				t.Run(name+"/"+d.ID+"."+lang, func(t *testing.T) { f(t, site, d.ID, lang, rendered(t, site, d.ID, lang)) })
			}
		}
	}
}

func TestSameBytesTwice(t *testing.T) {
	each(t, func(t *testing.T, site *scenarios.Site, id, lang, md string) {
		for range 5 {
			if rendered(t, site, id, lang) != md {
				t.Fatal("two renderings differ")
			}
		}
	})
	for _, site := range sites(t) {
		first := Plan(site, PlanOptions{Lang: "fr"})
		for range 5 {
			if !bytes.Equal(first, Plan(site, PlanOptions{Lang: "fr"})) {
				t.Fatal("two plans differ")
			}
		}
	}
}

func TestFitsTheTerminal(t *testing.T) {
	each(t, func(t *testing.T, _ *scenarios.Site, _, _, md string) {
		code := false
		for n, line := range strings.Split(Text(md, 80), "\n") {
			if utf8.RuneCountInString(line) > 80 {
				t.Errorf("line %d has %d columns: %s", n+1, utf8.RuneCountInString(line), line)
			}
			if strings.ContainsAny(line, "\x1b\t\r") || strings.HasSuffix(line, " ") {
				t.Errorf("line %d: %q", n+1, line)
			}
			code = code || strings.Contains(line, "```")
		}
		if code {
			t.Error("a fence is left")
		}
	})
}

func TestNoSecretAndNoHole(t *testing.T) {
	each(t, func(t *testing.T, site *scenarios.Site, _, _, md string) {
		for _, s := range site.Secrets {
			if s.Value != "" && strings.Contains(md, s.Value) {
				t.Errorf("the value of secret %s is in the document", s.ID)
			}
		}
		for _, hole := range []string{"{{", "<no value>", "%!", "invalid IP", "invalid Prefix", "| |"} {
			if strings.Contains(md, hole) {
				t.Errorf("%q in the document", hole)
			}
		}
		if !strings.HasPrefix(md, "# ") || len(md) < 300 {
			t.Errorf("a document of %d bytes", len(md))
		}
	})
}

var (
	spaced   = regexp.MustCompile(`[^|] [;:!?»]|« |[^ \n]'|\d (h|min|%|€)\b`)
	codeSpan = regexp.MustCompile("`[^`\n]*`")
	base     = regexp.MustCompile(`\bBASE\b`)
	anyCode  = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
)

func TestFrenchTypography(t *testing.T) {
	each(t, func(t *testing.T, _ *scenarios.Site, _, lang, md string) {
		if lang != "fr" {
			return
		}
		text := anyCode.ReplaceAllString(md, "`x`")
		text = strings.ReplaceAll(text, " :|", "")
		for _, m := range spaced.FindAllStringIndex(text, -1) {
			t.Errorf("typography: …%s…", text[max(0, m[0]-20):min(len(text), m[1]+20)])
		}
	})
}

// TestSameFacts compares the commands, addresses and names set as code in both
// languages of a notice: what one says, the other must say.
func TestSameFacts(t *testing.T) {
	placeholders := strings.NewReplacer("ADRESSE", "ADDRESS", "NOM", "NAME", "CARTE", "CARD", "SERVEUR", "SERVER", "COMPTE", "ACCOUNT",
		"FICHIER", "FILE", "CHAINE", "CHAIN", "PAQUET", "PACKAGE", "PARTAGE", "SHARE", "GROUPE", "GROUP", "DOSSIER", "FOLDER", "DEPOT", "REPO",
		"INSTANTANE", "SNAPSHOT", "COPIE", "COPY", "NUMERO", "NUMBER", "AAAAMMJJ", "YYYYMMDD", "DOMAINE", "DOMAIN", "IDENTIFIANT", "IDENTIFIER", "TEXTE", "TEXT", "QUI", "WHO",
		"chemin", "path", "sauvegarde.ldif", "backup.ldif", "essai", "trial", "reglage = valeur", "setting = value")
	facts := func(md string) []string {
		md = base.ReplaceAllString(strings.ReplaceAll(md, "```", ""), "DATABASE")
		list := codeSpan.FindAllString(placeholders.Replace(md), -1)
		slices.Sort(list)
		return list
	}
	site := fixture()
	for _, d := range List("fr") {
		fr, en := facts(rendered(t, site, d.ID, "fr")), facts(rendered(t, site, d.ID, "en"))
		if diff := cmp.Diff(fr, en); diff != "" {
			t.Errorf("%s: French (-) and English (+) do not name the same things:\n%s", d.ID, diff)
		}
	}
}

func TestEverythingIsThere(t *testing.T) {
	for name, site := range sites(t) {
		for _, lang := range []string{"fr", "en"} {
			has := func(id string, words ...string) {
				t.Helper()
				md := rendered(t, site, id, lang)
				for _, w := range words {
					if !strings.Contains(md, w) {
						t.Errorf("%s: %s.%s does not name %q", name, id, lang, w)
					}
				}
			}
			svg := string(Plan(site, PlanOptions{Lang: lang}))
			plan := rendered(t, site, "plan", lang)
			for i := range site.Nodes {
				n := &site.Nodes[i]
				has("inventaire", n.Name)
				for _, f := range n.Interfaces {
					if f.Address.IsValid() {
						has("adressage", f.Address.String())
					}
				}
				if n.Class != scenarios.Workstation {
					if !strings.Contains(svg, ">"+n.Name+"<") || !strings.Contains(plan, n.Name) {
						t.Errorf("%s: %s is not on the plan", name, n.Name)
					}
				} else if !inRuns(svg, n.Name) || !inRuns(plan, n.Name) {
					t.Errorf("%s: workstation %s is not on the plan", name, n.Name)
				}
			}
			for _, s := range site.Segments {
				has("adressage", s.Net.String(), strings.ToUpper(s.ID))
				if !strings.Contains(svg, s.Net.String()) || !strings.Contains(plan, s.Net.String()) {
					t.Errorf("%s: network %s is not on the plan", name, s.ID)
				}
			}
			for _, s := range site.Services {
				has("services", "`"+s.ID+"`", s.Title.In(lang))
			}
			for _, c := range site.Contacts {
				has("contacts", "`"+c.ID+"`")
			}
			for _, p := range site.People {
				has("contacts", p.LastName, p.Login)
			}
			for _, s := range site.Secrets {
				has("securite", "`"+s.ID+"`")
			}
			if n := strings.Count(rendered(t, site, "flux", lang), "\n| "); n != len(site.Flows)+1 {
				t.Errorf("%s: %d lines of flows for %d", name, n, len(site.Flows))
			}
		}
	}
}

// inRuns says that a text names a workstation, alone or inside a run.
func inRuns(text, name string) bool {
	if strings.Contains(text, name) {
		return true
	}
	for _, m := range regexp.MustCompile(`([\w-]+?)(\d+)`+nbsp+`…`+nbsp+`([\w-]+?)(\d+)`).FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(name, m[1]) && m[2] <= name[len(m[1]):] && name[len(m[1]):] <= m[4] {
			return true
		}
	}
	return false
}

func TestLogbookDates(t *testing.T) {
	md := rendered(t, fixture(), "cahier", "fr")
	if strings.Contains(md, "trop vieux") {
		t.Error("an entry older than the 30 days")
	}
	first, second := strings.Index(md, "19/11 09"), strings.Index(md, "23/11 03")
	if first < 0 || second < first {
		t.Errorf("entries missing or out of order:\n%s", md)
	}
	if !strings.Contains(md, "prestataire") {
		t.Error("the scenario's entry is missing")
	}
	later, err := Render(fixture(), "cahier", "fr", start.Add(24*time.Hour), nil)
	if err != nil || !strings.Contains(later, "20/11 09") {
		t.Errorf("dates do not follow the start (%v):\n%s", err, later)
	}
}

func TestBackupLine(t *testing.T) {
	md := rendered(t, fixture(), "pr-04", "fr")
	for _, w := range []string{"\nip route 10.1.150.0/24 10.1.255.10\n", "\nip route 10.1.10.0/24 10.1.255.13\nip route 10.1.30.0/24 10.1.255.13\n", "\nno ip route 10.1.150.0/24 10.1.255.10\n", "512" + nbsp + "kbit/s", "`op-2`"} {
		if !strings.Contains(md, w) {
			t.Errorf("%q is missing:\n%s", w, md)
		}
	}
	one := fixture()
	one.Nodes = slices.DeleteFunc(one.Nodes, func(n scenarios.Node) bool { return n.Name == "op-2" })
	if md := rendered(t, one, "pr-04", "en"); strings.Contains(md, "ip route") {
		t.Error("a switch-over without a second line")
	}
}

func TestUnknown(t *testing.T) {
	if _, err := Render(fixture(), "solution", "fr", start, nil); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	names, err := texts.ReadDir("text")
	if err != nil || len(names) != 2*len(entries) {
		t.Errorf("%d templates for %d documents (%v)", len(names), len(entries), err)
	}
}

func TestPlanIsWellFormed(t *testing.T) {
	for name, site := range sites(t) {
		site.Company.Name += ` <&"`
		for _, o := range []PlanOptions{{Lang: "fr"}, {Lang: "en", Highlight: site.Nodes[len(site.Nodes)-1].Name}} {
			svg := Plan(site, o)
			d := xml.NewDecoder(bytes.NewReader(svg))
			for {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("<script")) {
				t.Errorf("%s: not a number, or a script", name)
			}
			if o.Highlight != "" && !bytes.Contains(svg, []byte(`fill="#fff">`)) {
				t.Errorf("%s: nothing is highlighted", name)
			}
		}
	}
}

// TestPlanDoesNotOverlap measures the drawing: no card or bar covers another,
// no line crosses a card.
func TestPlanDoesNotOverlap(t *testing.T) {
	for name, site := range sites(t) {
		d := newNetwork(site).layout("fr")
		var boxes []box
		for _, c := range d.cards {
			boxes = append(boxes, c.box)
		}
		for _, b := range d.bars {
			boxes = append(boxes, b.box)
		}
		for i, a := range boxes {
			if a.x < 0 || a.y < 0 || a.right() > d.w || a.bottom() > d.h {
				t.Errorf("%s: box %d leaves the picture", name, i)
			}
			for _, b := range boxes[:i] {
				if a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom() {
					t.Errorf("%s: %+v covers %+v", name, a, b)
				}
			}
		}
		for _, w := range d.wires {
			for _, b := range boxes {
				if w.y > b.y && w.y < b.bottom() && min(w.x1, w.x2) < b.right()-1 && max(w.x1, w.x2) > b.x+1 {
					t.Errorf("%s: line %s at %v crosses %+v", name, w.label, w.y, b)
				}
			}
		}
	}
}
