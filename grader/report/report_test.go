package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/internal/synth"
)

var update = flag.Bool("update", false, "write the golden files")

// input makes a bundle of a synthetic session, as it would be read back.
func input(t testing.TB, s *synth.Session, cast string) Input {
	t.Helper()
	files := map[string][]byte{evidence.JournalDir + evidence.SegmentName(1): s.Journal()}
	if cast != "" {
		files[evidence.TerminalDir+"t1.cast"] = []byte(cast)
	}
	var b bytes.Buffer
	if err := evidence.EncodeBundle(&b, files); err != nil {
		t.Fatal(err)
	}
	bundle, err := evidence.ReadBundle(&b)
	if err != nil {
		t.Fatal(err)
	}
	v, err := grader.Grade(bundle.Records)
	if err != nil {
		t.Fatal(err)
	}
	return Input{Bundle: bundle, Verdict: v, Lang: "fr"}
}

func write(t testing.TB, in Input) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const header = `{"version": 2, "width": 80, "height": 24, "timestamp": 1772434800}`

// cast is a recording with colours, a bar that overwrites itself and hostile
// bytes.
func cast() string {
	event := func(at float64, kind, text string) string {
		l, _ := json.Marshal([]any{at, kind, text})
		return string(l)
	}
	return strings.Join([]string{header,
		event(1, "o", "adm-durand@adm1:~$ "), event(61, "o", "situ ticket list\r\n\x1b[1mT1\x1b[0m  p.lemoine  Plus rien à Tilly\r\nadm-durand@adm1:~$ "),
		event(91, "o", "ping -c 3 dns2\r\n\x1b[31mFrom 10.20.20.254 icmp_seq=1 Destination Net Unreachable\x1b[0m\r\nadm-durand@adm1:~$ "),
		event(121, "o", "situ console rt-til1 -- vtysh -c 'show ip ospf neighbor'\r\n\r\nNeighbor ID     Pri State\r\n\r\nadm-durand@adm1:~$ "),
		event(130, "o", "10 %\r50 %\r100 %\r\n</script><script>alert(1)</script>\x1b]0;titre\x07\r\n"),
		event(131, "r", "100x30"), event(132, "i", "secret")}, "\n") + "\n"
}

func TestGolden(t *testing.T) {
	for name, in := range map[string]Input{
		"reference":      input(t, synth.Reference(0.2), cast()),
		"do-nothing":     input(t, synth.DoNothing(0.2), ""),
		"twin-reference": input(t, synth.TwinReference(0.2), ""),
	} {
		if name == "reference" {
			in.Solution = true
		}
		got := write(t, in)
		if again := write(t, in); again != got {
			t.Errorf("%s: two runs differ", name)
		}
		file := filepath.Join("testdata", name+".html")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != got {
			t.Errorf("%s: the page changed; look at it, then run go test -update", name)
		}
	}
}

// TestAnchors: each link of the page leads to exactly one place.
func TestAnchors(t *testing.T) {
	for name, play := range synth.Candidates {
		html := write(t, input(t, play(1), ""))
		ids := map[string]int{}
		for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(html, -1) {
			ids[m[1]]++
			if ids[m[1]] > 1 {
				t.Errorf("%s: id %s twice", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(` href="#([^"]+)"`).FindAllStringSubmatch(html, -1) {
			if ids[m[1]] != 1 {
				t.Errorf("%s: link to #%s leads nowhere", name, m[1])
			}
		}
	}
}

// TestSelfContained: nothing is loaded from anywhere, and the one script is
// the one that the policy names.
func TestSelfContained(t *testing.T) {
	html := write(t, input(t, synth.Reference(1), cast()))
	for _, bad := range []string{"http://", "https://", "src=", "@import", "url(http", "javascript:", "ZgotmplZ", "<no value>"} {
		if strings.Contains(strings.ReplaceAll(html, "http://erp1", ""), bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if !strings.Contains(html, "script-src &#39;sha256-") || strings.Count(html, "<script>") != 1 {
		t.Error("policy or script missing")
	}
}

// TestHostile: what people and machines write stays text.
func TestHostile(t *testing.T) {
	const evil = `</script><img src=x onerror=alert(1)>"'` + "\u2028" + `{{.}}`
	s := synth.New(synth.Facts(false), 1)
	s.Wait(10)
	s.Exec("rt-til1", "ping", evil)
	s.Type(evil, "vtysh", evil)
	s.Say(&evidence.Notice{Groups: []string{evil}, Text: evil, Services: []string{evil}})
	s.Say(&evidence.LogEntry{NodeRef: evil, Text: evil})
	s.Say(&evidence.Diagnosis{Element: evil, Cause: evil})
	s.Say(&evidence.Document{Kind: "report", Name: evil, Text: evil})
	s.Finish()
	line, _ := json.Marshal([]any{1, "o", evil})
	html := write(t, input(t, s, header+"\n"+string(line)+"\n"))
	if strings.Contains(html, "<img") || strings.Count(html, "</script>") != 2 {
		t.Error("hostile text became markup")
	}
	if !strings.Contains(html, "alert(1)") {
		t.Error("hostile text is not shown at all")
	}
}

func TestLanguages(t *testing.T) {
	in := input(t, synth.Reference(1), "")
	fr := write(t, in)
	in.Lang = "en"
	en := write(t, in)
	if !strings.Contains(fr, `id="lang-fr" class="lang" checked`) || !strings.Contains(en, `id="lang-en" class="lang" checked`) {
		t.Error("the language asked for is not the one shown first")
	}
	for _, s := range []string{"proposé acquis", "proposed achieved", "Déroulement", "Timeline", "à trancher par le jury"} {
		if !strings.Contains(fr, s) || !strings.Contains(en, s) {
			t.Errorf("%q is missing in one of the pages", s)
		}
	}
	for _, x := range texts {
		if x.FR == "" || x.EN == "" || strings.Contains(x.FR, "'") {
			t.Errorf("text %+v", x)
		}
	}
}

func TestSolutionOnlyOnRequest(t *testing.T) {
	in := input(t, synth.Reference(1), "")
	const step = "Démarche de référence"
	if strings.Contains(write(t, in), step) {
		t.Error("the solution is shown unasked")
	}
	in.Solution = true
	if html := write(t, in); !strings.Contains(html, step) || !strings.Contains(html, "aucun voisin") {
		t.Error("the solution is missing")
	}
}

// TestVerdictFromFile: a verdict read back from JSON gives the same page.
func TestVerdictFromFile(t *testing.T) {
	in := input(t, synth.RepairTheHealthy(1), "")
	a := write(t, in)
	data, err := in.Verdict.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if in.Verdict, err = grader.ReadVerdict(data); err != nil {
		t.Fatal(err)
	}
	if b := write(t, in); a != b {
		t.Error("the page depends on how the verdict came")
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nb":                 "a\nb",
		"10 %\r100 %\n":          "100 %\n",
		"abc\b\bX":               "aXc",
		"\x1b[1;31mred\x1b[0m":   "red",
		"\x1b]0;title\x07text":   "text",
		"\x1b]0;title\x1b\\text": "text",
		"\x1bPq...\x1b\\x":       "x",
		"\x1b(Bx":                "x",
		"a\tb":                   "a       b",
		"\x1b[":                  "",
		"\x1b":                   "",
		"tail  \n":               "tail\n",
		"é\x1b[Kà":               "éà",
		"bell\x07":               "bell",
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestReadCast(t *testing.T) {
	r, err := readCast([]byte(cast()))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range r.Events {
		if e[1] == "i" {
			t.Error("input is kept")
		}
	}
	if len(r.Events) != 6 || r.Cols != 80 {
		t.Errorf("%d events, %d columns", len(r.Events), r.Cols)
	}
	// A torn tail ends the recording; what came before stays.
	r, err = readCast([]byte(cast() + `[140, "o", "x`))
	if err != nil || len(r.Events) != 6 {
		t.Errorf("torn: %d events, %v", len(r.Events), err)
	}
	for _, bad := range []string{"", "{}", `{"version":3}`, "[1,2]"} {
		if _, err := readCast([]byte(bad)); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestWriteNeedsInput(t *testing.T) {
	if err := Write(&bytes.Buffer{}, Input{}); err == nil {
		t.Error("wrote a report about nothing")
	}
}

func TestLasting(t *testing.T) {
	for n, want := range map[float64]string{59: "59 s", 60: "1 min", 61: "1 min 01 s", 754: "13 min", 3700: "1 h 01 min"} {
		if got := strings.ReplaceAll(lasting(n), "\u00a0", " "); got != want {
			t.Errorf("lasting(%v) = %q, want %q", n, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("\x1b[1mx\x1b[0m\r\n")
	f.Add("\x1b]0;a")
	f.Fuzz(func(t *testing.T, s string) {
		if out := plain(s); strings.ContainsAny(out, "\x1b\x07\r\b") {
			t.Fatalf("plain(%q) = %q keeps control characters", s, out)
		}
	})
}

func FuzzReadCast(f *testing.F) {
	f.Add(cast())
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := readCast([]byte(s)); err == nil {
			transcript(r)
			if _, err := json.Marshal(r); err != nil {
				t.Fatal(err)
			}
		}
	})
}
