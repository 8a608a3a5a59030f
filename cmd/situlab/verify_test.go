package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/report"
)

// call runs the real command line and gives its exit code and outputs.
func call(t *testing.T, args ...string) (code int, out, messages string) {
	t.Helper()
	read := func(std **os.File) func() string {
		f, err := os.CreateTemp(t.TempDir(), "out")
		if err != nil {
			t.Fatal(err)
		}
		was := *std
		*std = f
		return func() string {
			*std = was
			b, err := os.ReadFile(f.Name())
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			return string(b)
		}
	}
	outText, errText := read(&os.Stdout), read(&os.Stderr)
	code = run(args)
	return code, outText(), errText()
}

// makeBundle writes a small session as a real one does; it is about points, or
// about 3.1-i.
func makeBundle(t *testing.T, path, session string, points ...string) (head string, files map[string][]byte) {
	t.Helper()
	j, err := evidence.Create(filepath.Join(t.TempDir(), "journal"), evidence.Options{Lab: "demo", Session: session})
	if err != nil {
		t.Fatal(err)
	}
	put := func(p evidence.Payload) {
		if _, err := j.Append(t.Context(), evidence.Entry{Source: "controller", Payload: p, Durable: true}); err != nil {
			t.Fatal(err)
		}
	}
	sum := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return hex.EncodeToString(h[:])
	}
	if points == nil {
		points = []string{"3.1-i"}
	}
	facts := evidence.Facts{Seed: 7, Title: evidence.Text{FR: "t", EN: "t"}, Truth: evidence.Truth{Element: "rt1", Cause: "c"}, Points: points}
	seal, err := facts.Commitment("salt")
	if err != nil {
		t.Fatal(err)
	}
	put(&evidence.SessionStart{Scenario: "s", Site: "x", Mode: "training", TimeFactor: 1, Lang: "fr", Tool: toolVersion(), SeedCommitment: sum("salt|7"), JournalKey: j.Key()})
	put(&evidence.SessionSeal{Commitment: seal})
	put(&evidence.SessionEnter{Terminal: "t1"})
	put(&evidence.Diagnosis{Element: "rt1", Cause: "c"})
	put(&evidence.SessionFinish{Reason: evidence.FinishCandidate})
	put(&evidence.SessionFacts{Salt: "salt", Facts: facts})
	put(&evidence.SessionFiles{SHA256: map[string]string{"terminals/t1.cast": sum("{}\n")}})
	put(&evidence.SessionEnd{})
	if files, err = j.Files(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, head = j.Head()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	files["terminals/t1.cast"] = []byte("{}\n")
	b := evidence.Verify(files, evidence.Witness{}).Bundle()
	v, err := grader.Grade(b.Records)
	if err != nil {
		t.Fatal(err)
	}
	if files[evidence.VerdictName], err = v.JSON(); err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := report.Write(&page, report.Input{Bundle: b, Verdict: v, Lang: "fr"}); err != nil {
		t.Fatal(err)
	}
	files[evidence.ReportName] = page.Bytes()
	if err := evidence.WriteBundle(path, files); err != nil {
		t.Fatal(err)
	}
	return head, files
}

func TestVerifyCommand(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "b.situlab")
	head, files := makeBundle(t, path, "s1")
	checkpoint := filepath.Join(dir, "checkpoint")
	if err := os.WriteFile(checkpoint, evidence.LastCheckpoint(files), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := func(name string, change func(map[string][]byte)) string {
		out := map[string][]byte{}
		for n, data := range files {
			out[n] = bytes.Clone(data)
		}
		change(out)
		p := filepath.Join(dir, name)
		f, err := os.Create(p)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := evidence.EncodeBundle(f, out); err != nil {
			t.Fatal(err)
		}
		return p
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	half, text := filepath.Join(dir, "half"), filepath.Join(dir, "text")
	for p, b := range map[string][]byte{half: raw[:len(raw)/2], text: []byte("hello")} {
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(dir, "other.situlab")
	otherHead, _ := makeBundle(t, other, "s1")
	for name, c := range map[string]struct {
		args []string
		code int
		want []string // in the output, or the messages
	}{
		"french":     {[]string{"--lang", "fr", "verify", path}, 0, []string{"intact", "8 enregistrements", "fin non attestée", head}},
		"english":    {[]string{"--lang", "en", "verify", path}, 0, []string{"intact", "end not witnessed"}},
		"head":       {[]string{"--lang", "fr", "verify", path, "--head", head}, 0, []string{"fin attestée"}},
		"checkpoint": {[]string{"--lang", "en", "verify", path, "--checkpoint", checkpoint}, 0, []string{"end witnessed"}},
		"wrong head": {[]string{"--lang", "en", "verify", path, "--head", otherHead}, 1, []string{"rewritten or cut short"}},
		"swapped":    {[]string{"--lang", "fr", "verify", other, "--checkpoint", checkpoint}, 1, []string{"c'est un autre journal"}},
		"no witness": {[]string{"verify", path, "--checkpoint", filepath.Join(dir, "none")}, 2, nil},
		"flipped": {[]string{"--lang", "en", "verify", changed("flipped", func(f map[string][]byte) { f["journal/000001.seg"][1000] ^= 1 })}, 1,
			[]string{"record 2 (000001.seg, byte ", "checksum"}},
		"verdict": {[]string{"--lang", "en", "verify", changed("verdict", func(f map[string][]byte) {
			f["verdict.json"] = bytes.Replace(f["verdict.json"], []byte(`"valid"`), []byte(`"invalid"`), 1)
		})}, 1, []string{"verdict.json is not what the same tool makes"}},
		"report":    {[]string{"--lang", "en", "verify", changed("report", func(f map[string][]byte) { f["report.html"] = append(f["report.html"], ' ') })}, 1, []string{"report.html"}},
		"recording": {[]string{"--lang", "en", "verify", changed("cast", func(f map[string][]byte) { f["terminals/t1.cast"][0] = '[' })}, 1, []string{"terminals/t1.cast is not the one that was sealed"}},
		"cut":       {[]string{"--lang", "fr", "verify", half}, 1, []string{"le dossier lui-même est abîmé"}},
		"no bundle": {[]string{"--lang", "fr", "verify", text}, 2, []string{"ce n'est pas un dossier de preuve"}},
		"nothing":   {[]string{"--lang", "fr", "verify", filepath.Join(dir, "nothing")}, 2, []string{"n'existe pas"}},
		"proof":     {[]string{"verify", path, "--record", "4"}, 0, []string{"c2sp.org/tlog-proof@v1\n", "index 3\n"}},
		"no proof":  {[]string{"--lang", "fr", "verify", path, "--record", "9"}, 2, []string{"pas d'enregistrement 9"}},
	} {
		code, out, messages := call(t, c.args...)
		for _, w := range c.want {
			if !strings.Contains(out+messages, w) {
				t.Errorf("%s: no %q in %s%s", name, w, out, messages)
			}
		}
		if code != c.code {
			t.Errorf("%s: code %d, want %d: %s%s", name, code, c.code, out, messages)
		}
	}
	_, out, _ := call(t, "--json", "verify", path)
	var v evidence.Verification
	dec := json.NewDecoder(strings.NewReader(out))
	if err := dec.Decode(&v); err != nil || v.Head != head || !v.OK() || v.End {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Error("more than one document")
	}
}

func TestBundleCommands(t *testing.T) {
	home := t.TempDir()
	t.Setenv("SITULAB_HOME", home)
	path := filepath.Join(t.TempDir(), "b.situlab")
	head, _ := makeBundle(t, path, "20260302-0700")
	dir := filepath.Join(home, "sessions", "20260302-0700")
	for range 2 { // twice is no difference
		if code, out, m := call(t, "--lang", "fr", "bundle", "import", path); code != 0 || !strings.Contains(out, head) {
			t.Fatal(code, out, m)
		}
	}
	for _, name := range []string{"bundle.situlab", "verdict.json", "report.html"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	out := filepath.Join(t.TempDir(), "out.situlab")
	for _, from := range []string{"20260302-0700", dir} {
		if code, _, m := call(t, "bundle", "export", from, "-o", out); code != 0 {
			t.Fatal(code, m)
		}
	}
	if code, text, _ := call(t, "--lang", "en", "verify", out, "--head", head); code != 0 || !strings.Contains(text, "end witnessed") {
		t.Error(code, text)
	}
	// Another session of the same name, a damaged one, one that is not there.
	makeBundle(t, path, "20260302-0700")
	if code, _, m := call(t, "--lang", "fr", "bundle", "import", path); code != 2 || !strings.Contains(m, "est déjà ici") {
		t.Error(code, m)
	}
	if code, _, m := call(t, "--lang", "fr", "bundle", "export", "nope"); code != 2 || !strings.Contains(m, "n'a pas de dossier") {
		t.Error(code, m)
	}
	_, files := makeBundle(t, path, "..evil")
	if code, _, m := call(t, "bundle", "import", path); code != 2 {
		t.Error(code, m)
	}
	files["terminals/t1.cast"] = nil
	if err := evidence.WriteBundle(path, files); err != nil {
		t.Fatal(err)
	}
	if code, _, m := call(t, "--lang", "en", "bundle", "import", path); code != 1 || !strings.Contains(m, "terminals/t1.cast") {
		t.Error(code, m)
	}
	if left, _ := filepath.Glob(filepath.Join(home, "sessions", ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
