package scenarios

import (
	"embed"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"strings"
	"sync"

	"github.com/invopop/jsonschema"
)

// The sources of this package are embedded for their doc comments: the schema
// and its descriptions can then never differ from the types.
//
//go:embed site.go volume.go scenario.go expect.go signs.go tree.go
var sources embed.FS

// schemaOf maps the kind of a file to its type.
var schemaOf = map[string]any{
	"Site":     &Site{},
	"Scenario": &Scenario{},
	"Expect":   &Expect{},
	"Signs":    &Signs{},
	"Tree":     &TreeSpec{},
}

// SchemaKinds are the kinds that [Schema] knows, in the order of use.
func SchemaKinds() []string { return []string{"Scenario", "Site", "Tree", "Expect", "Signs"} }

// Schema returns the JSON Schema (draft 2020-12) of a kind of file, for editors:
// generated from the Go types with their doc comments.
func Schema(kind string) ([]byte, error) {
	v, ok := schemaOf[kind]
	if !ok {
		return nil, inputErrorf("", "no schema of %q; there are %s%s", kind, strings.Join(SchemaKinds(), ", "), Suggest(kind, SchemaKinds()))
	}
	comments, err := docComments()
	if err != nil {
		return nil, err
	}
	r := &jsonschema.Reflector{
		FieldNameTag: "yaml",
		LookupComment: func(t reflect.Type, field string) string {
			if field == "" {
				return comments[t.Name()]
			}
			return comments[t.Name()+"."+field]
		},
		Mapper: schemaMapper(comments),
	}
	s := r.Reflect(v)
	s.Title = "situlab " + kind
	if kind == "Site" || kind == "Scenario" || kind == "Expect" || kind == "Signs" {
		headerSchema(s, kind)
	}
	return json.MarshalIndent(s, "", "  ")
}

// headerSchema fixes the first two fields of a file to their only values.
func headerSchema(s *jsonschema.Schema, kind string) {
	def, ok := s.Definitions[kind]
	if !ok {
		return
	}
	for name, only := range map[string]string{"apiVersion": APIVersion, "kind": kind} {
		if p, ok := def.Properties.Get(name); ok {
			p.Const = only
		}
	}
}

const durationPatternJSON = `^-?([0-9]+(\.[0-9]+)?(d|h|ms|m|s))+$`

// schemaMapper writes the types that files spell as one word, and the two ways
// to write a text.
func schemaMapper(comments map[string]string) func(reflect.Type) *jsonschema.Schema {
	return func(t reflect.Type) *jsonschema.Schema {
		switch t {
		case typeDuration:
			return &jsonschema.Schema{Type: "string", Pattern: durationPatternJSON, Description: comments["Duration"]}
		case typeAddr:
			return &jsonschema.Schema{Type: "string", Format: "ipv4"}
		case typePrefix:
			return &jsonschema.Schema{Type: "string", Pattern: `^[0-9]+(\.[0-9]+){3}/[0-9]+$`}
		case reflect.TypeFor[Class]():
			var enum []any
			for _, c := range classes {
				enum = append(enum, c)
			}
			return &jsonschema.Schema{Type: "string", Enum: enum, Description: comments["Class"]}
		case typeText:
			both := jsonschema.NewProperties()
			both.Set("fr", &jsonschema.Schema{Type: "string"})
			both.Set("en", &jsonschema.Schema{Type: "string"})
			stem := jsonschema.NewProperties()
			stem.Set("file", &jsonschema.Schema{Type: "string", Description: "stem of STEM.fr.md and STEM.en.md (scenarios only)"})
			return &jsonschema.Schema{Description: comments["Text"], OneOf: []*jsonschema.Schema{
				{Type: "object", Properties: both, Required: []string{"fr", "en"}, AdditionalProperties: jsonschema.FalseSchema},
				{Type: "object", Properties: stem, Required: []string{"file"}, AdditionalProperties: jsonschema.FalseSchema},
			}}
		}
		return nil
	}
}

// docComments reads the doc comments of the types and of their fields: keys are
// "Type" and "Type.Field".
var docComments = sync.OnceValues(func() (map[string]string, error) {
	out := map[string]string{}
	files, err := fs.Glob(sources, "*.go")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		src, err := fs.ReadFile(sources, name)
		if err != nil {
			return nil, err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range f.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				typeComments(g, out)
			}
		}
	}
	return out, nil
})

func typeComments(g *ast.GenDecl, out map[string]string) {
	for _, spec := range g.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		out[t.Name.Name] = oneLine(g.Doc.Text() + t.Doc.Text())
		st, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range st.Fields.List {
			for _, n := range f.Names {
				out[t.Name.Name+"."+n.Name] = oneLine(f.Doc.Text() + f.Comment.Text())
			}
		}
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
