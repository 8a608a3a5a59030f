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

func rendered(t *testing.T, site *scenarios.Site, id, lang string) string {
	t.Helper()
	md, err := Render(site, id, Options{Lang: lang, Start: start})
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
		"plan.fr.svg", "plan.en.svg", "chemin", "path", "sauvegarde.ldif", "backup.ldif", "essai", "trial", "reglage = valeur", "setting = value")
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
			for _, x := range site.Devices {
				has("adressage", x.Name, x.Address.String())
			}
			for _, p := range site.Prices {
				item := p.Item.In(lang)
				if lang == "fr" {
					item = typography(item)
				}
				has("tarifs", item)
			}
			for _, n := range site.Notes {
				if _, err := Render(site, n.Document, Options{Lang: lang, Start: start}); err != nil {
					t.Errorf("%s: a note of a document that does not exist: %v", name, err)
				}
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
	first, second := strings.Index(md, "19/11 11"), strings.Index(md, "24/11 00"+nbsp+"h"+nbsp+"40")
	if first < 0 || second < first {
		t.Errorf("entries missing or out of order:\n%s", md)
	}
	later, err := Render(fixture(), "cahier", Options{Start: start.Add(24 * time.Hour)})
	if err != nil || !strings.Contains(later, "20/11 ") {
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
	if _, err := Render(fixture(), "solution", Options{Start: start}); !errors.Is(err, ErrUnknown) {
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
				if _, err := d.Token(); errors.Is(err, io.EOF) {
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

// variants are the real company in every variant of a scenario and its twin.
func variants(t *testing.T, seed uint64) map[string]*scenarios.Variant {
	t.Helper()
	all := map[string]*scenarios.Variant{}
	for _, id := range scenarios.Library() {
		scn, err := scenarios.LoadScenario(id)
		if err != nil {
			t.Fatal(err)
		}
		site, err := scenarios.LoadSiteOf(scn)
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{scenarios.Healthy}
		for _, v := range scn.Variants {
			ids = append(ids, v.ID)
		}
		for _, v := range ids {
			if all[id+"/"+v], err = scenarios.Draw(scn, site, seed, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// TestDossier: all documents and pictures in both languages, the scenario's
// lines of the logbook among them, none of them twice; and the same file on all
// variants and the twin of a seed.
func TestDossier(t *testing.T) {
	all := variants(t, 3)
	for name, v := range all {
		files, err := Dossier(v.Site, Options{Start: start})
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != 2*(len(entries)+1) || !bytes.Contains(files["plan.fr.svg"], []byte("<svg")) {
			t.Errorf("%s: %d files", name, len(files))
		}
		for _, lang := range []string{"fr", "en"} {
			log := string(files["cahier."+lang+".md"])
			for _, e := range append(slices.Clone(v.Scenario.Logbook), v.Scenario.Healthy.Logbook...) {
				if text := []rune(e.Text.In(lang)); !strings.Contains(log, string(text[:20])) {
					t.Errorf("%s: the line %q of the scenario is not in the logbook", name, string(text[:20]))
				}
			}
			seen := map[string]bool{}
			for row := range strings.Lines(log) {
				if strings.HasPrefix(row, "| ") && seen[row] {
					t.Errorf("%s: twice in the logbook (%s): %s", name, lang, row)
				}
				seen[row] = true
			}
		}
		id, _, _ := strings.Cut(name, "/")
		twin, err := Dossier(all[id+"/"+scenarios.Healthy].Site, Options{Start: start})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(twin, files); d != "" {
			t.Errorf("%s: its documents tell it from the healthy twin:\n%s", name, d)
		}
	}
}

// TestWorkingHours: what is older than a day was written by people at work,
// whatever the day and hour of the session; order and length of the list stay.
func TestWorkingHours(t *testing.T) {
	site := variants(t, 1)["lost-connectivity/healthy"].Site
	for day := range 14 {
		for _, hour := range []int{0, 7, 9, 14, 23} {
			begin := time.Date(2026, 11, 20+day, hour, 25, 0, 0, time.UTC)
			var before time.Time
			for _, e := range site.Logbook {
				ago := time.Duration(e.Ago)
				if ago < 24*time.Hour {
					continue
				}
				at := worked(begin.Add(-ago))
				minute := at.Hour()*60 + at.Minute()
				if d := at.Weekday(); d == time.Saturday || d == time.Sunday || minute < workBegins || minute > workEnds {
					t.Errorf("start %v: an entry of %v", begin, at)
				}
				if at.Before(before) || !at.Before(begin) {
					t.Errorf("start %v: %v comes after %v", begin, before, at)
				}
				before = at
			}
			md, err := Render(site, "cahier", Options{Start: begin})
			if err != nil || strings.Count(md, "\n| ") != len(site.Logbook)+1 {
				t.Errorf("start %v: %d lines for %d entries (%v)", begin, strings.Count(md, "\n| "), len(site.Logbook), err)
			}
		}
	}
}

// TestCalendar: hours follow the time factor, the current windows and their
// scope are named.
func TestCalendar(t *testing.T) {
	render := func(o Options) string {
		t.Helper()
		md, err := Render(fixture(), "calendrier", o)
		if err != nil {
			t.Fatal(err)
		}
		return md
	}
	md := render(Options{Lang: "en", Start: start})
	for _, w := range []string{"24 Nov 05:40 | 24 Nov 20:40", "24 Nov 21:40 | 24 Nov 22:40", "It is 09:40; now:", "**Production** – production; scope: all; until 24 Nov 20:40"} {
		if !strings.Contains(md, w) {
			t.Errorf("%q is missing:\n%s", w, md)
		}
	}
	md = render(Options{Lang: "en", Start: start, Now: start.Add(75 * time.Minute), Factor: 0.1})
	for _, w := range []string{"24 Nov 09:16 | 24 Nov 10:46", "24 Nov 10:52 | 24 Nov 10:58", "It is 10:55; now:", "**Evening window**", "multiplied, like all its durations, by 0.1"} {
		if !strings.Contains(md, w) {
			t.Errorf("%q is missing:\n%s", w, md)
		}
	}
	if md = render(Options{Start: start, Now: start.Add(11*time.Hour + 30*time.Minute)}); !strings.Contains(md, "aucune fenêtre n’est en cours") {
		t.Errorf("between two windows:\n%s", md)
	}
	slots := Calendar(fixture(), Options{Lang: "fr", Start: start})
	if len(slots) != 3 || slots[0].Title != "Production" || !slots[0].Current || slots[1].Current || slots[2].Kind != "GEL" {
		t.Errorf("%+v", slots)
	}
}

// TestEnglishSigns: no French spacing in an English text.
func TestEnglishSigns(t *testing.T) {
	each(t, func(t *testing.T, _ *scenarios.Site, _, lang, md string) {
		if lang == "fr" {
			return
		}
		text := strings.ReplaceAll(anyCode.ReplaceAllString(md, "`x`"), " :|", "")
		for _, m := range regexp.MustCompile(`[^|] [;:!?»]|«|[a-z]'[a-z]`).FindAllStringIndex(text, -1) {
			t.Errorf("…%s…", text[max(0, m[0]-20):min(len(text), m[1]+20)])
		}
	})
}
