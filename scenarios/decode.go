package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Limits of what a file may hold, so that a hostile one is refused at once.
const (
	// MaxFileBytes is the size of the largest YAML file read.
	MaxFileBytes = 4 << 20
	// MaxNodes is the largest number of nodes of a site.
	MaxNodes  = 1000
	maxDepth  = 24
	maxErrors = 200
)

// decoder walks one YAML document into Go values, keeping the place of each
// value by its path ("nodes[3].role") so that later checks can point at it.
type decoder struct {
	file   string
	places map[string]Position
	errs   ErrorList
	// text reads a Markdown text by its stem; nil where texts are only inline.
	text func(stem string) (Text, error)
}

func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	if len(d.errs) >= maxErrors {
		return
	}
	e := inputErrorf(d.file, format, args...)
	if n != nil {
		e.Line, e.Column = n.Line, n.Column
	}
	d.errs = append(d.errs, e)
}

// failAt reports a mistake at a path, or at the nearest written parent of it.
func (d *decoder) failAt(path, format string, args ...any) {
	if len(d.errs) >= maxErrors {
		return
	}
	e := inputErrorf(d.file, format, args...)
	if p := nearest(d.places, path); p.File != "" {
		e.Position = p
	}
	d.errs = append(d.errs, e)
}

// nearest is the place of a path, or of its nearest written parent.
func nearest(places map[string]Position, path string) Position {
	for {
		if p, ok := places[path]; ok {
			return p
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return Position{}
		}
		path = path[:i]
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// decode reads data into out (a pointer to a struct). All mistakes are in
// d.errs; out holds whatever could be read.
func (d *decoder) decode(data []byte, out any) {
	d.places = map[string]Position{}
	switch {
	case len(data) > MaxFileBytes:
		d.fail(nil, "the file has %d bytes; a file holds at most %d (a site has at most %d nodes)", len(data), MaxFileBytes, MaxNodes)
		return
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		d.fail(&yaml.Node{Line: 1, Column: 1}, "the file begins with a byte order mark; save it as plain UTF-8")
		return
	case !utf8.Valid(data):
		line, col := badUTF8(data)
		d.fail(&yaml.Node{Line: line, Column: col}, "the file is not UTF-8 here; save it as UTF-8")
		return
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			d.fail(nil, "the file is empty")
			return
		}
		d.syntax(err)
		return
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case err == nil:
		n := &second
		if len(n.Content) > 0 {
			n = n.Content[0]
		}
		d.fail(n, "a second document begins here; a file holds one (remove the ---)")
	case !errors.Is(err, io.EOF):
		d.syntax(err)
	}
	if len(doc.Content) == 0 {
		d.fail(nil, "the file is empty")
		return
	}
	root := doc.Content[0]
	if !d.sane(root, 0) {
		return
	}
	d.value(root, reflect.ValueOf(out).Elem(), "", true)
}

func badUTF8(data []byte) (line, col int) {
	line, col = 1, 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			return line, col
		}
		if r == '\n' {
			line, col = line+1, 0
		}
		col++
		data = data[n:]
	}
	return line, col
}

func (d *decoder) syntax(err error) {
	n := &yaml.Node{}
	msg := err.Error()
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		msg = m[2]
		if m[1] != "" {
			n.Line, _ = strconv.Atoi(m[1])
			n.Column = 1
		}
	}
	d.fail(n, "this is not YAML, here or on the next lines: %s", msg)
}

// sane refuses what a file of ours never needs and an attacker does: aliases
// (bombs, cycles) and endless nesting.
func (d *decoder) sane(n *yaml.Node, depth int) bool {
	if depth > maxDepth {
		d.fail(n, "nested more than %d levels deep", maxDepth)
		return false
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.fail(n, "anchors and aliases (& and *) are not used here; write the value out")
		return false
	}
	ok := true
	for _, c := range n.Content {
		if !d.sane(c, depth+1) {
			ok = false
			if depth > 2 { // one message per branch is enough
				return false
			}
		}
	}
	return ok
}

var (
	typeText     = reflect.TypeFor[Text]()
	typeDuration = reflect.TypeFor[Duration]()
	typeAddr     = reflect.TypeFor[netip.Addr]()
	typePrefix   = reflect.TypeFor[netip.Prefix]()
)

// what names the kind of value that a type wants, for messages.
func what(t reflect.Type) string {
	switch {
	case t == typeText:
		return "a text with fr: and en:"
	case t == typeDuration:
		return "a duration such as 15m"
	case t == typeAddr:
		return "an IPv4 address"
	case t == typePrefix:
		return "a network such as 10.20.10.0/24"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	default:
		return "fields (name: value)"
	}
}

func got(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "fields"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	v := n.Value
	if len(v) > 40 {
		v = v[:40] + "..."
	}
	return strconv.Quote(v)
}

// value reads n into v. required says that an empty text is a mistake.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, required bool) {
	d.places[path] = Position{File: d.file, Line: n.Line, Column: n.Column}
	t := v.Type()
	if n.Tag != "" && !strings.HasPrefix(n.Tag, "!!") {
		d.fail(n, "%stags such as %s are not used here", at(path), n.Tag)
		return
	}
	switch {
	case t == typeText:
		d.textValue(n, v, path)
		return
	case t == typeDuration, t == typeAddr, t == typePrefix:
		d.special(n, v, path)
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		d.value(n, v.Elem(), path, required)
	case reflect.Struct:
		d.structValue(n, v, path)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.wrong(n, t, path)
			return
		}
		if t.Elem() == reflect.TypeFor[Node]() && len(n.Content) > MaxNodes {
			d.fail(n, "%s: %d nodes; a site has at most %d", path, len(n.Content), MaxNodes)
			return
		}
		out := reflect.MakeSlice(t, len(n.Content), len(n.Content))
		for i, c := range n.Content {
			d.value(c, out.Index(i), fmt.Sprintf("%s[%d]", path, i), true)
		}
		v.Set(out)
	case reflect.Map:
		d.mapValue(n, v, path)
	default:
		d.scalar(n, v, path, required)
	}
}

// at begins a message about what stands at a path, the file itself having none.
func at(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}

func (d *decoder) wrong(n *yaml.Node, t reflect.Type, path string) {
	d.fail(n, "%swants %s, not %s", at(path), what(t), got(n))
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string, required bool) {
	t := v.Type()
	if n.Kind != yaml.ScalarNode {
		d.wrong(n, t, path)
		return
	}
	switch t.Kind() {
	case reflect.String:
		switch n.Tag {
		case "!!str":
		case "!!null":
			d.wrong(n, t, path)
			return
		default:
			// 010 or yes would silently change its meaning.
			d.fail(n, "%s: wants a text, not %s; put it in quotes", path, got(n))
			return
		}
		if required && strings.TrimSpace(n.Value) == "" {
			d.fail(n, "%s: must not be empty", path)
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		if n.Tag != "!!bool" {
			d.wrong(n, t, path)
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int:
		i, err := strconv.ParseInt(n.Value, 10, 32)
		if n.Tag != "!!int" || err != nil {
			d.wrong(n, t, path)
			return
		}
		v.SetInt(i)
	case reflect.Uint64:
		u, err := strconv.ParseUint(n.Value, 10, 63)
		if n.Tag != "!!int" || err != nil {
			d.wrong(n, t, path)
			return
		}
		v.SetUint(u)
	case reflect.Float64:
		f, err := strconv.ParseFloat(n.Value, 64)
		if n.Tag != "!!int" && n.Tag != "!!float" || err != nil || f != f || f > 1e12 || f < -1e12 {
			d.wrong(n, t, path)
			return
		}
		v.SetFloat(f)
	default:
		panic("scenarios: no rule to read a " + t.String())
	}
}

func (d *decoder) special(n *yaml.Node, v reflect.Value, path string) {
	t := v.Type()
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.wrong(n, t, path)
		return
	}
	switch t {
	case typeDuration:
		dur, err := ParseDuration(n.Value)
		if err != nil {
			d.fail(n, "%s: %v", path, err)
			return
		}
		v.Set(reflect.ValueOf(dur))
	case typeAddr:
		a, err := netip.ParseAddr(n.Value)
		if err != nil || !a.Is4() {
			d.wrong(n, t, path)
			return
		}
		v.Set(reflect.ValueOf(a))
	case typePrefix:
		p, err := netip.ParsePrefix(n.Value)
		if err != nil || !p.Addr().Is4() {
			d.wrong(n, t, path)
			return
		}
		if p != p.Masked() {
			d.fail(n, "%s: %s has bits set after the prefix; write %s", path, p, p.Masked())
		}
		v.Set(reflect.ValueOf(p.Masked()))
	}
}

// textValue reads {fr, en} or {file: STEM}, the stem of two Markdown files.
func (d *decoder) textValue(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, typeText, path)
		return
	}
	if d.text != nil && len(n.Content) == 2 && n.Content[0].Value == "file" {
		stem := n.Content[1]
		t, err := d.text(stem.Value)
		if err != nil {
			d.fail(stem, "%s: %v", path, err)
			return
		}
		v.Set(reflect.ValueOf(t))
		return
	}
	d.structValue(n, v, path)
}

func (d *decoder) mapValue(n *yaml.Node, v reflect.Value, path string) {
	t := v.Type()
	if n.Kind != yaml.MappingNode {
		d.wrong(n, t, path)
		return
	}
	out := reflect.MakeMap(t)
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			d.fail(k, "%s: a key must be a plain word", path)
			continue
		}
		if line, dup := first[k.Value]; dup {
			d.fail(k, "%s%q is written twice (first on line %d)", at(path), k.Value, line)
			continue
		}
		first[k.Value] = k.Line
		e := reflect.New(t.Elem()).Elem()
		d.value(c, e, path+"."+k.Value, false)
		out.SetMapIndex(reflect.ValueOf(k.Value).Convert(t.Key()), e)
	}
	v.Set(out)
}

// field is one key of a mapping.
type field struct {
	name     string
	index    int
	required bool
}

func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("yaml")
		name, opts, _ := strings.Cut(tag, ",")
		if name == "" || name == "-" {
			continue
		}
		out = append(out, field{name, i, !strings.Contains(opts, "omitempty")})
	}
	return out
}

func (d *decoder) structValue(n *yaml.Node, v reflect.Value, path string) {
	t := v.Type()
	if n.Kind != yaml.MappingNode {
		d.wrong(n, t, path)
		return
	}
	fields := fieldsOf(t)
	byName := map[string]field{}
	var names []string
	for _, f := range fields {
		byName[f.name] = f
		names = append(names, f.name)
	}
	first := map[string]int{}
	prefix := path
	if prefix != "" {
		prefix += "."
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		if line, dup := first[k.Value]; dup {
			d.fail(k, "%s%s is written twice (first on line %d)", prefix, k.Value, line)
			continue
		}
		first[k.Value] = k.Line
		f, ok := byName[k.Value]
		if !ok {
			d.fail(k, "%sthere is no field %q%s", at(path), k.Value, Suggest(k.Value, names))
			continue
		}
		d.value(c, v.Field(f.index), prefix+f.name, f.required)
	}
	for _, f := range fields {
		if _, ok := first[f.name]; f.required && !ok {
			d.fail(n, "%sthe field %q is missing", at(path), f.name)
		}
	}
}
