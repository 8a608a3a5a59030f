package scenarios

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"
)

// textFunctions shape texts, numbers and lists. Their argument order lets a
// value be piped in last.
var textFunctions = template.FuncMap{
	"ascii": ascii,
	"de":    De,
	"upper": strings.ToUpper,
	"lower": strings.ToLower,
	"title": func(s string) string {
		r, n := utf8.DecodeRuneInString(s)
		if n == 0 {
			return s
		}
		return string(unicode.ToUpper(r)) + s[n:]
	},
	"trim":      strings.TrimSpace,
	"replace":   func(old, with, s string) string { return strings.ReplaceAll(s, old, with) },
	"join":      func(sep string, l []string) string { return strings.Join(l, sep) },
	"split":     func(sep, s string) []string { return strings.Split(s, sep) },
	"contains":  func(sub, s string) bool { return strings.Contains(s, sub) },
	"hasPrefix": func(p, s string) bool { return strings.HasPrefix(s, p) },
	"hasSuffix": func(p, s string) bool { return strings.HasSuffix(s, p) },
	"indent": func(n int, s string) string {
		pad := strings.Repeat(" ", max(0, min(n, 64)))
		return pad + strings.ReplaceAll(s, "\n", "\n"+pad)
	},
	"b64":   func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"quote": strconv.Quote,
	"add":   func(a, b int) int { return a + b },
	"sub":   func(a, b int) int { return a - b },
	"mul":   func(a, b int) int { return a * b },
	"seq": func(from, to int) ([]int, error) {
		if to-from > 10_000 {
			return nil, fmt.Errorf("seq %d %d is too long", from, to)
		}
		var out []int
		for i := from; i <= to; i++ {
			out = append(out, i)
		}
		return out, nil
	},
	"list": func(v ...string) []string { return v },
	"default": func(d, v string) string {
		if v == "" {
			return d
		}
		return v
	},
	"sort":  func(l []string) []string { return slices.Sorted(slices.Values(l)) },
	"first": func(l any) (any, error) { return elementOf(l, true) },
	"last":  func(l any) (any, error) { return elementOf(l, false) },
}

func elementOf(l any, first bool) (any, error) {
	v := reflect.ValueOf(l)
	if v.Kind() != reflect.Slice || v.Len() == 0 {
		return nil, fmt.Errorf("the list is empty")
	}
	if first {
		return v.Index(0).Interface(), nil
	}
	return v.Index(v.Len() - 1).Interface(), nil
}

// De writes the French preposition before a name: "de Tilly", "d’AVELINE".
func De(name string) string {
	r, _ := utf8.DecodeRuneInString(ascii(name))
	if strings.ContainsRune("aeiouyAEIOUY", r) {
		return "d’" + name
	}
	return "de " + name
}
