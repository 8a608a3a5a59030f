package scenarios

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// TestSchemaAcceptsLibrary validates every embedded file with an independent
// validator, and sees that a misspelt field is refused.
func TestSchemaAcceptsLibrary(t *testing.T) {
	seen := map[string]int{}
	err := fs.WalkDir(embedded, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		kind := map[string]string{"site.yaml": "Site", "scenario.yaml": "Scenario", "tree.yaml": "Tree", "expect.yaml": "Expect", "signs.yaml": "Signs"}[path.Base(p)]
		if kind == "" || strings.Contains(p, "/files/") {
			return nil
		}
		seen[kind]++
		raw, err := fs.ReadFile(embedded, p)
		if err != nil {
			return err
		}
		if err := validate(t, kind, raw); err != nil {
			t.Errorf("%s: %v", p, err)
		}
		if err := validate(t, kind, append(raw, "\nmisspelt: 1\n"...)); err == nil {
			t.Errorf("%s: a field that does not exist is accepted", p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range SchemaKinds() {
		if seen[kind] == 0 {
			t.Errorf("no file of kind %s was validated", kind)
		}
	}
}

func validate(t *testing.T, kind string, raw []byte) error {
	t.Helper()
	text, err := Schema(kind)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("situlab.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("situlab.json")
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	inst, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(inst)
}

// TestSchemaDescribes sees that the descriptions are the doc comments.
func TestSchemaDescribes(t *testing.T) {
	for kind, words := range map[string]string{
		"Site":     "Site is a company's information system",
		"Scenario": "Title must not name a cause.",
		"Tree":     "Mode is octal, in quotes",
		"Expect":   "Reason is the grader's reason code",
		"Signs":    "Pattern is a regular expression (RE2)",
	} {
		got, err := Schema(kind)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(got), words) {
			t.Errorf("the schema of %s does not say %q", kind, words)
		}
	}
	if _, err := Schema("Scenrio"); err == nil || !strings.Contains(err.Error(), `did you mean "Scenario"?`) {
		t.Errorf("an unknown kind: %v", err)
	}
}
