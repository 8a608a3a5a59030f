package ui

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// spoken are the functions whose texts people read when their input or their
// host is at fault, with the argument that holds the text; host.Errorf's hint is
// its first.
var spoken = map[string][]int{
	"inputErrorf": {0, 1}, "failAt": {1}, "failf": {0}, "Errorf": {0, 1}, "Refusef": {0}, "badInput": {1},
}

// spokenPackages are where such errors are made.
var spokenPackages = []string{"../../../scenarios", "../../../cmd/situlab", "../../../labnet/fault", "../../../labnet/host",
	"../../../cmd/internal", "../../../images", "../../../labnet/node/oci", "../../../grader/jury"}

// spokenFields are the fields of errors that hold such a text.
var spokenFields = map[string]bool{"What": true, "Hint": true, "Do": true, "Problem": true}

var (
	anyVerb = regexp.MustCompile(`%[#+]?\d*\.?\d*[svdqgwxTc]`)
	// hint follows a name without a space; it is often empty.
	hint = regexp.MustCompile(`(%[qs])%[sv]$`)
	// field is a name of YAML or a flag before the text itself.
	field = regexp.MustCompile(`^(%s|--?\w+|\w+)(\.\w+)*: `)
	// command is what to type, in any language.
	command = regexp.MustCompile(`^(sudo|situlab|apt|apt-get|mount|modprobe) [\w-]`)
	word    = regexp.MustCompile(`\pL{2,}`)
)

// example fills a format with words that no language translates.
func example(format string) string {
	n := 0
	format = hint.ReplaceAllString(format, "$1")
	return anyVerb.ReplaceAllStringFunc(format, func(v string) string {
		n++
		switch v[len(v)-1] {
		case 'q':
			return `"X` + strconv.Itoa(n) + `"`
		case 'd':
			return strconv.Itoa(40 + n)
		}
		return "X" + strconv.Itoa(n)
	})
}

// enumerated are texts whose French depends on what stands in them; the table has
// them once for each.
var enumerated = []string{"%s has no %s", "%s: no %s %q%s", "no %s %q in the site%s", "%s.like: no candidate %q above%s"}

// Every text of an error that a user's input or host can cause is in the French
// table.
func TestEveryErrorIsInFrench(t *testing.T) {
	texts := map[string]string{} // text -> where
	for _, dir := range spokenPackages {
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, p, nil, 0)
			if err != nil {
				return err
			}
			found := func(e ast.Expr) {
				if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
					if s, err := strconv.Unquote(l.Value); err == nil && strings.ContainsAny(s, " ") {
						texts[s] = set.Position(l.Pos()).String()
					}
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if f, ok := n.(*ast.KeyValueExpr); ok {
					if k, ok := f.Key.(*ast.Ident); ok && spokenFields[k.Name] {
						found(f.Value)
					}
					return true
				}
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				name := ""
				switch f := call.Fun.(type) {
				case *ast.Ident:
					name = f.Name
				case *ast.SelectorExpr:
					name = f.Sel.Name
					if x, ok := f.X.(*ast.Ident); name == "Errorf" && (!ok || x.Name != "host") {
						return true // fmt's are parts of other errors
					}
				}
				for _, i := range spoken[name] {
					if i >= len(call.Args) {
						continue
					}
					found(call.Args[i])
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(texts) < 100 {
		t.Fatalf("only %d texts found: the functions have other names now", len(texts))
	}
	for s, where := range texts {
		if !word.MatchString(anyVerb.ReplaceAllString(field.ReplaceAllString(s, ""), "")) {
			continue // nothing but other errors in it
		}
		if slices.Contains(enumerated, s) || command.MatchString(s) {
			continue
		}
		if english := example(s); French(english) == english {
			t.Errorf("%s: %q has no French", where, s)
		}
	}
}
