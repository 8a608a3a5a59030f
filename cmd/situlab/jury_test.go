package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/situlab/situlab/cmd/internal/sitting"
	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/evidence"
)

// bench is a bundle before the jury, with a home of its own.
type bench struct {
	t          *testing.T
	home, path string
	head       string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, home: t.TempDir(), path: filepath.Join(t.TempDir(), "b.situlab")}
	t.Setenv("SITULAB_HOME", b.home)
	b.head, _ = makeBundle(t, b.path, "s1", "3.1-i", "3.1-ii", "3.1-iii", "3.2a", "3.3-i")
	return b
}

// do runs jury SUB BUNDLE ARGS in English and wants an exit code.
func (b *bench) do(want int, sub string, args ...string) (out string) {
	b.t.Helper()
	code, out, m := call(b.t, append([]string{"--lang", "en", "jury", sub, b.path}, args...)...)
	if code != want {
		b.t.Fatalf("jury %s %v: code %d, want %d: %s%s", sub, args, code, want, out, m)
	}
	return out + m
}

func (b *bench) verify() *evidence.Verification {
	b.t.Helper()
	v, err := evidence.VerifyFile(b.path, evidence.Witness{})
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// sits lets two assessors decide; both are open then.
func (b *bench) sits() {
	b.t.Helper()
	b.do(0, "decide", "3.1-i", "acquis", "--as", "Anne Martin", "--function", "évaluatrice")
	b.do(0, "decide", "3.1-ii", "non_acquis", "--as", "Anne Martin", "--motive", "rien ne le montre")
	b.do(0, "decide", "3.1-ii", "acquis", "--as", "Anne Martin", "--motive", "montré pendant l'entretien")
	b.do(0, "decide", "3.2a", "non_acquis", "--as", "Anne Martin", "--motive", "aucun test relevé")
	b.do(0, "opinion", "--as", "Anne Martin", "--capacity", "3", "--favourable", "--by", "le tuteur", "--text", "autonome sur les incidents")
	b.do(0, "interview", "--as", "Anne Martin", "--capacity", "3", "--text", "explique sa démarche")
	b.do(0, "decide", "3", "non_acquis", "--as", "Anne Martin", "--motive", "trop peu de matière")
	b.do(0, "decide", "3.1-i", "acquis", "--as", "Bruno")
	b.do(0, "decide", "3.1-ii", "non_acquis", "--as", "Bruno", "--motive", "pas montré du tout")
	b.do(0, "decide", "3.2a", "non_acquis", "--as", "Bruno", "--motive", "aucun test relevé")
	b.do(0, "decide", "3.1", "non_acquis", "--as", "Bruno", "--motive", "point 3.1-ii non tenu")
}

func TestJuryRefusals(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"decide", "3.1-i", "acquis"}, "--as: the name of the assessor is missing"},
		{[]string{"decide", "3.1-i", "acquis", "--as", " "}, "name of the assessor is missing"},
		{[]string{"decide", "3.1-i", "acquis", "--as", "A\x1b[2J"}, "one line"},
		{[]string{"decide", "3.1-i", "perhaps", "--as", "A"}, "a decision is acquis or non_acquis"},
		{[]string{"decide", "3.1-i", "non_acquis", "--as", "A"}, "needs a motive of at least 3 words"},
		{[]string{"decide", "2.1", "acquis", "--as", "A"}, "the session is not about it"},
		{[]string{"decide", "3.9", "acquis", "--as", "A"}, "no sub-point"},
		{[]string{"decide", "3.1-i", "--as", "A"}, "accepts 3 arg(s)"},
		{[]string{"opinion", "--as", "A", "--capacity", "3", "--by", "x", "--text", "y"}, "one of --favourable and --unfavourable"},
		{[]string{"opinion", "--as", "A", "--capacity", "9", "--favourable", "--by", "x", "--text", "y"}, "no capacity"},
		{[]string{"interview", "--as", "A", "--capacity", "3"}, "needs a text"},
		{[]string{"close", "--as", "A"}, "nothing to close"},
		{[]string{"agreement"}, "needs two assessors"},
	} {
		if out := b.do(2, c.args[0], c.args[1:]...); !strings.Contains(out, c.want) {
			t.Errorf("%v: no %q in %s", c.args, c.want, out)
		}
	}
	if v := b.verify(); len(v.Jury) != 0 {
		t.Error("a refusal left a journal")
	}
	if code, _, m := call(t, "jury", filepath.Join(b.home, "nothing")); code != 2 {
		t.Error(code, m)
	}
	if code, out, _ := call(t, "jury"); code != 0 || !strings.Contains(out, "jury decide") && !strings.Contains(out, "decide") {
		t.Error(code, out)
	}
}

// TestJuryIndependence: two decide on the same file; neither sees the other's
// decisions before closing, and what was replaced stays.
func TestJuryIndependence(t *testing.T) {
	b := newBench(t)
	before := b.verify()
	if err := os.Chmod(b.path, 0o640); err != nil {
		t.Fatal(err)
	}
	b.sits()
	for name, c := range map[string]struct {
		args     []string
		see, not []string
	}{
		"anne":  {[]string{"--as", "Anne Martin"}, []string{"l'entretien", "rien ne le montre", ", replaced)", "le tuteur", "not shown before yours are closed: 1"}, []string{"pas montré du tout", "point 3.1-ii"}},
		"bruno": {[]string{"--as", "Bruno"}, []string{"pas montré du tout"}, []string{"l'entretien", "le tuteur", "explique"}},
		"none":  {nil, []string{"Decisions not shown: 2", "proposed achieved"}, []string{"pas montré", "l'entretien", "tuteur"}},
		"other": {[]string{"--as", "Claire"}, []string{"not shown before yours are closed: 2"}, []string{"pas montré", "l'entretien", "tuteur"}},
		"all":   {[]string{"--all"}, []string{"pas montré du tout", "l'entretien", "tuteur"}, []string{"not shown"}},
	} {
		out := b.do(0, "show", c.args...)
		for _, w := range c.see {
			if !strings.Contains(out, w) {
				t.Errorf("%s: no %q in %s", name, w, out)
			}
		}
		for _, w := range c.not {
			if strings.Contains(out, w) {
				t.Errorf("%s: %q in %s", name, w, out)
			}
		}
	}
	_, text, _ := call(t, "--json", "jury", "show", b.path, "--as", "Bruno")
	if strings.Contains(text, "entretien\"") || strings.Contains(text, "autonome sur") || !strings.Contains(text, `"admissible": null`) {
		t.Errorf("the JSON shows what the text does not: %s", text)
	}
	if out := b.do(2, "decide", "3.1-i", "acquis", "--as", "Anne Martin", "--function", "jurée"); !strings.Contains(out, "does not change") {
		t.Error(out)
	}
	if out := b.do(2, "agreement"); !strings.Contains(out, "has not closed yet") {
		t.Error(out)
	}
	b.do(0, "close", "--as", "Bruno")
	if out := b.do(0, "show", "--as", "Bruno"); !strings.Contains(out, "l'entretien") || !strings.Contains(out, "pas montré") {
		t.Errorf("closed, and the others are hidden: %s", out)
	}
	if out := b.do(0, "show", "--as", "Anne Martin"); strings.Contains(out, "pas montré") {
		t.Errorf("another's close shows: %s", out)
	}
	b.do(0, "close", "--as", "Anne Martin")
	if out := b.do(2, "decide", "3.1-i", "acquis", "--as", "Bruno"); !strings.Contains(out, "has closed") {
		t.Error(out)
	}
	if out := b.do(2, "decide", "3.1-i", "acquis", "--as", "anne martin"); !strings.Contains(out, "too like") {
		t.Error(out)
	}
	// The session's own evidence is as it was, and so is the file's mode.
	after := b.verify()
	if !after.OK() || after.Head != before.Head {
		t.Errorf("%+v", after.Damage)
	}
	for name, data := range before.Archive() {
		if !bytes.Equal(after.Archive()[name], data) {
			t.Errorf("%s has changed", name)
		}
	}
	if st, err := os.Stat(b.path); err != nil || st.Mode().Perm() != 0o640 {
		t.Error(st.Mode(), err)
	}
	_, text, _ = call(t, "--json", "jury", "agreement", b.path)
	var r struct {
		Agreements []struct {
			N                int
			Kappa, Low, High *float64
			Disagreements    []struct{ Point string }
			Both             int `json:"acquis_acquis"`
			AcquisNon        int `json:"acquis_non_acquis"`
			Neither          int `json:"non_acquis_non_acquis"`
			DecidedByOne     []string
		}
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil || len(r.Agreements) != 1 {
		t.Fatal(err, text)
	}
	if g := r.Agreements[0]; g.N != 3 || g.Both != 1 || g.AcquisNon != 1 || g.Neither != 1 || len(g.Disagreements) != 1 || g.Disagreements[0].Point != "3.1-ii" || g.Kappa == nil || *g.Kappa < 0.39 || *g.Kappa > 0.41 {
		t.Errorf("%s", text)
	}
}

// TestJuryKeys: the key is here, for its owner only, until the close; without it
// nothing is added, and an older copy of the bundle is not gone on with.
func TestJuryKeys(t *testing.T) {
	b := newBench(t)
	b.do(0, "decide", "3.1-i", "acquis", "--as", "Anne Martin")
	key := filepath.Join(sitting.Dir(b.home, b.head), "anne-martin.key")
	st, err := os.Stat(key)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatal(st, err)
	}
	older, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	b.do(0, "decide", "3.2a", "acquis", "--as", "Anne Martin", "--motive", "expliqué à l'oral")
	newer, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.path, older, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := b.do(1, "decide", "3.2a", "acquis", "--as", "Anne Martin", "--motive", "un autre motif encore"); !strings.Contains(out, "rolled back") {
		t.Error(out)
	}
	if err := os.WriteFile(b.path, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"decide", "3.1-i", "acquis"}, {"close"}} {
		if out := b.do(2, args[0], append(args[1:], "--as", "Anne Martin")...); !strings.Contains(out, "is not on this host") {
			t.Error(out)
		}
	}
	if err := os.WriteFile(key, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	out := b.do(0, "close", "--as", "Anne Martin")
	if _, err := os.Stat(key); !os.IsNotExist(err) {
		t.Error("the key outlives the close:", err)
	}
	if left, _ := filepath.Glob(filepath.Join(sitting.Dir(b.home, b.head), ".journal-*")); len(left) > 0 {
		t.Error("left behind:", left)
	}
	// The head on the minutes proves the decisions, and misses them when they go.
	head := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(out)
	if code, text, m := call(t, "--lang", "en", "verify", b.path, "--head", head); code != 0 || !strings.Contains(text, "closed, end witnessed") {
		t.Error(code, text, m)
	}
	without := b.verify().Archive()
	for name := range without {
		if strings.HasPrefix(name, evidence.JuryDir) {
			delete(without, name)
		}
	}
	if err := evidence.WriteBundle(b.path, without); err != nil {
		t.Fatal(err)
	}
	if code, text, _ := call(t, "--lang", "en", "verify", b.path, "--head", head); code != 1 || !strings.Contains(text, "is not in this journal") {
		t.Error(code, text)
	}
	// This host remembers, too.
	if text := b.do(1, "show"); !strings.Contains(text, "the witnessed decisions") {
		t.Error(text)
	}
}

// TestJuryMerge: two hosts, a copy each.
func TestJuryMerge(t *testing.T) {
	b := newBench(t)
	copied, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	other := &bench{t: t, home: t.TempDir(), path: filepath.Join(t.TempDir(), "copy.situlab"), head: b.head}
	if err := os.WriteFile(other.path, copied, 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(0, "decide", "3.1-i", "acquis", "--as", "Anne Martin")
	t.Setenv("SITULAB_HOME", other.home)
	other.do(0, "decide", "3.1-i", "acquis", "--as", "Bruno")
	t.Setenv("SITULAB_HOME", b.home)
	if out := b.do(0, "merge", other.path); !strings.Contains(out, "decisions added: Bruno") {
		t.Error(out)
	}
	if out := b.do(0, "merge", other.path); !strings.Contains(out, "nothing new") {
		t.Error(out)
	}
	if out := b.do(2, "decide", "3.1-i", "acquis", "--as", "Bruno"); !strings.Contains(out, "is not on this host") {
		t.Error(out)
	}
	t.Setenv("SITULAB_HOME", other.home)
	other.do(0, "close", "--as", "Bruno")
	t.Setenv("SITULAB_HOME", b.home)
	b.do(0, "merge", other.path)
	if v := b.verify(); !v.OK() || len(v.Jury) != 2 || v.Jury[0].Closed || !v.Jury[1].Closed {
		t.Errorf("%+v", v.Damage)
	}
	// The same name on both, and another session.
	third := &bench{t: t, home: t.TempDir(), path: filepath.Join(t.TempDir(), "third.situlab")}
	if err := os.WriteFile(third.path, copied, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SITULAB_HOME", third.home)
	third.do(0, "decide", "3.1-i", "acquis", "--as", "Bruno")
	if out := third.do(2, "merge", other.path); !strings.Contains(out, "do not follow each other") {
		t.Error(out)
	}
	makeBundle(t, third.path, "s1")
	t.Setenv("SITULAB_HOME", other.home)
	if out := other.do(2, "merge", third.path); !strings.Contains(out, "not of one session") {
		t.Error(out)
	}
}

// TestJuryReport: the report shows decisions once all are closed.
func TestJuryReport(t *testing.T) {
	b := newBench(t)
	b.sits()
	page := filepath.Join(b.home, "r.html")
	report := func() (html, messages string) {
		t.Helper()
		code, _, m := call(t, "--lang", "fr", "report", b.path, "-o", page)
		data, err := os.ReadFile(page)
		if code != 0 || err != nil {
			t.Fatal(code, m, err)
		}
		return string(data), m
	}
	b.do(0, "close", "--as", "Bruno")
	if html, m := report(); strings.Contains(html, "pas montré du tout") || !strings.Contains(m, "Anne Martin n'a pas clos les siennes") {
		t.Error(m)
	}
	b.do(0, "close", "--as", "Anne Martin")
	html, _ := report()
	for _, want := range []string{"pas montré du tout", "autonome sur les incidents", "explique sa démarche", "Anne Martin, évaluatrice"} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q", want)
		}
	}
	// The report inside the bundle is the session's, made before anybody decided.
	if code, out, _ := call(t, "verify", b.path); code != 0 {
		t.Error(out)
	}
}

// TestJuryCrash: a run that died before it had written anything is no obstacle.
func TestJuryCrash(t *testing.T) {
	b := newBench(t)
	dir := sitting.Dir(b.home, b.head)
	if err := os.MkdirAll(filepath.Join(dir, ".journal-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bruno.key"), []byte("stale\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(0, "decide", "3.1-i", "acquis", "--as", "Bruno")
	key := filepath.Join(dir, "bruno.key")
	kept, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	b.do(0, "close", "--as", "Bruno")
	// Killed after the bundle was written and before the key was destroyed.
	if err := os.WriteFile(key, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(2, "close", "--as", "Bruno")
	if names, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(names) != 1 || filepath.Base(names[0]) != "bruno.checkpoint" {
		t.Error(names, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

// TestJuryDamaged: a bundle that does not verify is refused, and not touched.
func TestJuryDamaged(t *testing.T) {
	b := newBench(t)
	b.sits()
	files := b.verify().Archive()
	one := evidence.JuryDir + "bruno/" + evidence.SegmentName(1)
	files[one] = bytes.Replace(files[one], []byte("pas montré"), []byte("bien montré"), 1)
	if err := evidence.WriteBundle(b.path, files); err != nil {
		t.Fatal(err)
	}
	was, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"show"}, {"agreement"}, {"close", "--as", "Bruno"}, {"decide", "3.1-i", "acquis", "--as", "Anne Martin"}} {
		if out := b.do(1, args[0], args[1:]...); !strings.Contains(out, "decisions by Bruno: record 3") {
			t.Error(args, out)
		}
	}
	if code, out, _ := call(t, "--lang", "fr", "verify", b.path); code != 1 || !strings.Contains(out, "décisions prises par Bruno : l'enregistrement 3") {
		t.Error(code, out)
	}
	if is, err := os.ReadFile(b.path); err != nil || !bytes.Equal(is, was) {
		t.Error("touched", err)
	}
}

// TestJuryGolden: what people read, in both languages.
func TestJuryGolden(t *testing.T) {
	b := newBench(t)
	b.sits()
	masks := strings.NewReplacer(b.path, "BUNDLE", b.home, "HOME")
	hash, when := regexp.MustCompile(`[0-9a-f]{64}`), regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d UTC`)
	for _, lang := range []string{"fr", "en"} {
		var got strings.Builder
		play := func(args ...string) {
			code, out, m := call(t, append([]string{"--lang", lang}, args...)...)
			got.WriteString(masks.Replace(strings.Join(append([]string{"$ situlab"}, args...), " ")) + "\n")
			text := when.ReplaceAllString(hash.ReplaceAllString(masks.Replace(out+m), "HASH"), "TIME")
			text = regexp.MustCompile(`s1\+\S+`).ReplaceAllString(text, "KEY")
			got.WriteString(text)
			if code != 0 {
				got.WriteString("[" + string(rune('0'+code)) + "]\n")
			}
		}
		play("jury", b.path, "--as", "Bruno")
		play("jury", "decide", b.path, "3.1-iii", "acquis", "--as", "Bruno")
		play("jury", "agreement", b.path)
		play("jury", "agreement", b.path, "--all")
		if lang == "en" {
			play("jury", "close", b.path, "--as", "Bruno")
			play("jury", "close", b.path, "--as", "Anne Martin")
		}
		play("jury", "show", b.path, "--all")
		play("verify", b.path)
		name := filepath.Join("testdata", "jury."+lang+".golden")
		if *update {
			if err := os.WriteFile(name, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got.String()); d != "" {
			t.Errorf("%s (-update writes it anew):\n%s", name, d)
		}
	}
}

// TestJuryWalk: at a terminal, criterion by criterion.
func TestJuryWalk(t *testing.T) {
	b := newBench(t)
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	screen := make(chan string)
	go func() {
		var seen bytes.Buffer
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			seen.Write(buf[:n])
			if err != nil {
				break
			}
		}
		screen <- seen.String()
	}()
	// 3.1-i as proposed; 3.1-ii first without a motive, then with one; 3.1-iii
	// skipped; 3.2a a slip of the finger, then no; then the end of the input.
	if _, err := master.WriteString("a\n\nn\nnon\nn\nrien ne le montre\n\nx\nn\naucun test relevé\n\x04"); err != nil {
		t.Fatal(err)
	}
	in, out := os.Stdin, os.Stdout
	os.Stdin, os.Stdout = tty, tty
	code := run([]string{"--lang", "fr", "jury", b.path, "--as", "Bruno"})
	os.Stdin, os.Stdout = in, out
	tty.Close()
	text := <-screen
	if code != 0 {
		t.Fatal(code, text)
	}
	for _, want := range []string{"a = acquis, n = non acquis, Entrée = passer", "motif :", "il lui faut un motif", "critère 3.1 : noté et signé (décisions : 2", "critère 3.2 : noté et signé (décisions : 1"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	got := b.do(0, "show", "--as", "Bruno")
	for _, want := range []string{"decision, Bruno: achieved (", "rien ne le montre", "aucun test relevé"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}

// TestJuryInvalid: a session that does not count says so, and texts of a bundle
// cannot move the cursor.
func TestJuryInvalid(t *testing.T) {
	var out bytes.Buffer
	u := ui.New(false, "fr")
	u.Out = &out
	(&app{ui: u}).printJury(&juryView{Environment: grader.EnvironmentInvalid, Assessors: []juryAssessor{{Assessor: "A\x1b[2J", Shown: true, SameVerdict: true}}}, "A")
	if text := out.String(); !strings.Contains(text, "environnement invalide : cette épreuve ne compte pas") || strings.Contains(text, "\x1b[2J") {
		t.Errorf("%q", text)
	}
}

// TestJuryFails: what cannot be written is told, and nothing is half done.
func TestJuryFails(t *testing.T) {
	b := newBench(t)
	if err := os.WriteFile(filepath.Join(b.home, "jury"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := b.do(3, "decide", "3.1-i", "acquis", "--as", "Bruno"); !strings.Contains(out, "the jury's keys") {
		t.Error(out)
	}
	err := filepath.WalkDir(filepath.Dir(b.path), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && p != b.path {
			t.Errorf("left behind: %s", p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
