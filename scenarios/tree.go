package scenarios

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TreeSpec is tree.yaml: what a folder of files cannot say of itself.
type TreeSpec struct {
	// Defaults hold for every file of the tree.
	Defaults TreeMeta `yaml:"defaults,omitempty" json:"defaults,omitzero"`
	// Rules apply in their order; a later one overrides field by field.
	Rules []TreeRule `yaml:"rules,omitempty" json:"rules,omitempty"`
	// Add lists what is not a plain file: links, folders, one file per item.
	Add []TreeAdd `yaml:"add,omitempty" json:"add,omitempty"`
	// Remove takes away paths that an earlier tree placed.
	Remove []string `yaml:"remove,omitempty" json:"remove,omitempty"`

	places map[string]Position
}

// TreeMeta is the metadata of files.
type TreeMeta struct {
	// Mode is octal, in quotes: "0640".
	Mode string `yaml:"mode,omitempty" json:"mode,omitempty"`
	// User and Group are names of the node, or numbers.
	User  string `yaml:"user,omitempty" json:"user,omitempty"`
	Group string `yaml:"group,omitempty" json:"group,omitempty"`
	// Age is how long before the session's start the file was last changed:
	// "3d", or a range "30d..400d" that the seed draws from.
	Age string `yaml:"age,omitempty" json:"age,omitempty"`
}

// TreeRule gives metadata to the paths that match.
type TreeRule struct {
	// Match is a path without its first slash; * stays within a name, ** goes
	// to any depth, a slash at the end means a folder.
	Match string `yaml:"match" json:"match"`
	Mode  string `yaml:"mode,omitempty" json:"mode,omitempty"`
	User  string `yaml:"user,omitempty" json:"user,omitempty"`
	Group string `yaml:"group,omitempty" json:"group,omitempty"`
	Age   string `yaml:"age,omitempty" json:"age,omitempty"`
	// Template false takes the bytes as they are.
	Template *bool `yaml:"template,omitempty" json:"template,omitempty"`
	// When leaves the file out if it gives nothing or "false".
	When string `yaml:"when,omitempty" json:"when,omitempty"`
}

// TreeAdd is one entry, or one for each item of a list.
type TreeAdd struct {
	Path string `yaml:"path" json:"path"`
	// One of Link, Dir, From, CopyOf and Content says what it is.
	Link string `yaml:"link,omitempty" json:"link,omitempty"`
	Dir  bool   `yaml:"dir,omitempty" json:"dir,omitempty"`
	// From is a file of the folder templates/.
	From    string `yaml:"from,omitempty" json:"from,omitempty"`
	Content string `yaml:"content,omitempty" json:"content,omitempty"`
	// CopyOf lists what a backup has brought from other nodes, NODE:PATH with
	// spaces between: each file stands under Path/NODE with its content and age
	// (a folder brings all that the site puts into it). Copies are not copied.
	CopyOf string `yaml:"copyOf,omitempty" json:"copyOf,omitempty"`
	// Each is people, nodes, workstations, perimeter, segments, groups,
	// services, secrets or probes: one entry for each, as .Item.
	Each  string `yaml:"each,omitempty" json:"each,omitempty"`
	When  string `yaml:"when,omitempty" json:"when,omitempty"`
	Mode  string `yaml:"mode,omitempty" json:"mode,omitempty"`
	User  string `yaml:"user,omitempty" json:"user,omitempty"`
	Group string `yaml:"group,omitempty" json:"group,omitempty"`
	Age   string `yaml:"age,omitempty" json:"age,omitempty"`
}

// defaultAge makes a machine look lived in.
const defaultAge = "30d..400d"

// treeBuilder lays the trees of one node over each other.
type treeBuilder struct {
	site  *Site
	node  *Node
	env   *environment
	files map[string]TreeFile
	from  map[string]string // which file of the site a path came from
	in    folder            // which trees are being laid: the site's or the scenario's
	plain bool              // leaves copies of other nodes' files out
	here  Position          // of the entry of a tree.yaml that is being laid
	errs  ErrorList
}

// Tree returns a node's files before its first boot, sorted by path. The site
// must come from [Expand]; the same site always gives the same tree.
func Tree(site *Site, node string) ([]TreeFile, error) { return tree(site, node, false) }

func tree(site *Site, node string, plain bool) ([]TreeFile, error) {
	n, err := site.NodeNamed(node)
	if err != nil {
		return nil, err
	}
	if site.memo == nil || site.Files == nil {
		return nil, inputErrorf("", "site %s has no files; load and expand it first", site.ID)
	}
	b := &treeBuilder{site: site, node: n, env: &environment{site: site, node: n}, files: map[string]TreeFile{}, from: map[string]string{}, plain: plain}
	for _, l := range []struct {
		in  folder
		dir string
	}{
		{folder{site.Files, site.folder}, "roles/common"},
		{folder{site.Files, site.folder}, "roles/" + n.Role},
		{folder{site.Files, site.folder}, "nodes/" + n.Name},
		{site.over, "roles/" + n.Role},
		{site.over, "nodes/" + n.Name},
	} {
		if l.in.FS == nil {
			continue
		}
		if _, err := fs.Stat(l.in, l.dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := b.lay(l.in, l.dir); err != nil {
			return nil, err
		}
	}
	b.in = folder{site.Files, site.folder}
	b.parents()
	if err := b.errs.err(); err != nil {
		return nil, err
	}
	out := make([]TreeFile, 0, len(b.files))
	for _, f := range b.files {
		out = append(out, f)
	}
	slices.SortFunc(out, func(x, y TreeFile) int { return strings.Compare(x.Path, y.Path) })
	return out, nil
}

func (b *treeBuilder) fail(file, format string, args ...any) {
	b.errs = append(b.errs, inputErrorf(b.in.file(file), format, args...))
}

// failAt reports a mistake in a line of a tree.yaml.
func (b *treeBuilder) failAt(spec TreeSpec, file, path, format string, args ...any) {
	e := inputErrorf(b.in.file(file), format, args...)
	if p := nearest(spec.places, path); p.File != "" {
		e.Position = p
	}
	b.errs = append(b.errs, e)
}

// loadTreeSpec reads dir/tree.yaml, or nothing.
func loadTreeSpec(fsys fs.FS, name, dir string) (TreeSpec, error) {
	var spec TreeSpec
	file := path.Join(dir, "tree.yaml")
	raw, err := readLimited(fsys, file, MaxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return spec, nil
	}
	if err != nil {
		return spec, inputErrorf(path.Join(name, file), "cannot be read: %v", err)
	}
	d := &decoder{file: path.Join(name, file)}
	d.decode(raw, &spec)
	spec.places = d.places
	meta := func(p, mode, age string) {
		if _, err := parseMode(mode); mode != "" && err != nil {
			d.failAt(p+".mode", "%s.mode: %v", p, err)
		}
		if _, _, err := parseAge(age); age != "" && err != nil {
			d.failAt(p+".age", "%s.age: %v", p, err)
		}
	}
	meta("defaults", spec.Defaults.Mode, spec.Defaults.Age)
	for i, r := range spec.Rules {
		p := fmt.Sprintf("rules[%d]", i)
		meta(p, r.Mode, r.Age)
		if strings.HasPrefix(r.Match, "/") {
			d.failAt(p+".match", "%s.match: %q; written without the first slash", p, r.Match)
		}
	}
	for i, a := range spec.Add {
		p := fmt.Sprintf("add[%d]", i)
		meta(p, a.Mode, a.Age)
		kinds := 0
		for _, is := range []bool{a.Link != "", a.Dir, a.From != "", a.CopyOf != "", a.Content != ""} {
			if is {
				kinds++
			}
		}
		if kinds > 1 {
			d.failAt(p, "%s: only one of link, dir, from, copyOf and content", p)
		}
		if _, ok := eachLists[a.Each]; a.Each != "" && !ok {
			d.failAt(p+".each", "%s.each: no list %q%s", p, a.Each, Suggest(a.Each, slices.Collect(maps.Keys(eachLists))))
		}
	}
	return spec, d.errs.err()
}

func parseMode(s string) (os.FileMode, error) {
	v, err := strconv.ParseUint(s, 8, 32)
	if err != nil || v > 0o7777 {
		return 0, fmt.Errorf("%q is no mode; write it in octal and quotes, as in \"0640\"", s)
	}
	m := os.FileMode(v & 0o777)
	for bit, flag := range map[uint64]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if v&bit != 0 {
			m |= flag
		}
	}
	return m, nil
}

func parseAge(s string) (low, high Duration, err error) {
	a, z, ranged := strings.Cut(s, "..")
	if low, err = ParseDuration(a); err != nil {
		return 0, 0, err
	}
	high = low
	if ranged {
		if high, err = ParseDuration(z); err != nil {
			return 0, 0, err
		}
	}
	if low < 0 || high < low {
		return 0, 0, fmt.Errorf("%q is no age; write \"3d\" or a range \"30d..400d\"", s)
	}
	return low, high, nil
}

// ageOf draws an age to the second; it depends on seed, node and path only.
func (b *treeBuilder) ageOf(p, age string) time.Duration {
	low, high, err := parseAge(age)
	if err != nil || low == high {
		return time.Duration(low)
	}
	span := int64(high-low) / int64(time.Second)
	if span <= 0 {
		return time.Duration(low)
	}
	return time.Duration(low) + time.Duration(draw(b.site.Seed, "age/"+b.node.Name+p).Int64N(span+1))*time.Second
}

var eachLists = map[string]func(s *Site) []any{
	"people":   func(s *Site) []any { return pointers(s.People) },
	"nodes":    func(s *Site) []any { return pointers(s.Nodes) },
	"segments": func(s *Site) []any { return pointers(s.Segments) },
	"groups":   func(s *Site) []any { return pointers(s.Groups) },
	"services": func(s *Site) []any { return pointers(s.Services) },
	"secrets":  func(s *Site) []any { return pointers(s.Secrets) },
	"probes":   func(s *Site) []any { return pointers(s.Probes) },
	"workstations": func(s *Site) []any {
		return slices.DeleteFunc(pointers(s.Nodes), func(n any) bool { return n.(*Node).Class != Workstation })
	},
	"perimeter": func(s *Site) []any {
		return slices.DeleteFunc(pointers(s.Nodes), func(n any) bool { return !n.(*Node).Perimeter })
	},
}

func pointers[T any](l []T) []any {
	out := make([]any, len(l))
	for i := range l {
		out[i] = &l[i]
	}
	return out
}

func (b *treeBuilder) lay(in folder, dir string) error {
	b.in = in
	spec, err := once(b.site.memo, "tree\x00"+in.name+"\x00"+dir, func() (TreeSpec, error) { return loadTreeSpec(in, in.name, dir) })
	if err != nil {
		return err
	}
	for _, p := range spec.Remove {
		delete(b.files, path.Clean("/"+p))
	}
	root := path.Join(dir, "files")
	rules := make([]*regexp.Regexp, len(spec.Rules))
	for i, r := range spec.Rules {
		rules[i] = globRegexp(r.Match)
	}
	used := make([]bool, len(spec.Rules))
	err = fs.WalkDir(in, root, func(p string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && p == root {
			return fs.SkipAll
		}
		if err != nil || p == root {
			return err
		}
		b.place(spec, rules, used, strings.TrimPrefix(p, root+"/"), p, e.IsDir())
		return nil
	})
	if err != nil {
		return inputErrorf(in.file(dir), "cannot be read: %v", err)
	}
	for i, r := range spec.Rules {
		if !used[i] {
			b.failAt(spec, dir+"/tree.yaml", fmt.Sprintf("rules[%d].match", i), "rules[%d].match: no file of files/ matches %q", i, r.Match)
		}
	}
	for i, a := range spec.Add {
		b.add(spec, a, dir, fmt.Sprintf("add[%d]", i))
	}
	return nil
}

// place puts one file or folder of files/ with what the rules say of it.
func (b *treeBuilder) place(spec TreeSpec, rules []*regexp.Regexp, used []bool, rel, src string, isDir bool) {
	name := rel
	if isDir {
		name += "/"
	}
	meta, tmpl, when, matched := spec.Defaults, true, "", false
	for i, r := range spec.Rules {
		if !rules[i].MatchString(name) {
			continue
		}
		used[i], matched = true, true
		meta = over(meta, TreeMeta{r.Mode, r.User, r.Group, r.Age})
		if r.Template != nil {
			tmpl = *r.Template
		}
		if r.When != "" {
			when = r.When
		}
	}
	if isDir && !matched {
		return // a parent only
	}
	dot := data{Site: b.site, Node: b.node}
	if !b.when(src, when, dot) {
		return
	}
	f := TreeFile{Path: "/" + rel}
	if isDir {
		f.Mode = os.ModeDir
	} else {
		content, err := fs.ReadFile(b.in, src)
		if err != nil {
			b.fail(src, "cannot be read: %v", err)
			return
		}
		f.Content = content
		if tmpl {
			f.Content = []byte(b.text(src, string(content), dot))
		}
	}
	b.put(f, meta, src, dot)
}

// over lays the fields that are set over others.
func over(m, with TreeMeta) TreeMeta {
	for _, f := range []struct{ to, from *string }{
		{&m.Mode, &with.Mode}, {&m.User, &with.User}, {&m.Group, &with.Group}, {&m.Age, &with.Age},
	} {
		if *f.from != "" {
			*f.to = *f.from
		}
	}
	return m
}

func (b *treeBuilder) text(src, s string, dot data) string {
	if !strings.Contains(s, "{{") {
		return s
	}
	out, err := b.env.run(src, s, dot)
	if err != nil {
		e := inputErrorf(b.in.file(src), "for node %s: %v", b.node.Name, err)
		// In a file of its own the place in the template is that in the file.
		var in *templateError
		if path.Base(src) == "tree.yaml" {
			if b.here.File != "" {
				e.Position = b.here
			}
		} else if errors.As(err, &in) {
			e.Line, e.Column, e.Msg = in.line, max(in.column, 1), fmt.Sprintf("for node %s: %s", b.node.Name, in.msg)
		}
		b.errs = append(b.errs, e)
	}
	return out
}

func (b *treeBuilder) when(src, when string, dot data) bool {
	if when == "" {
		return true
	}
	got := strings.TrimSpace(b.text(src, when, dot))
	return got != "" && got != "false"
}

// put finishes a file's metadata and lays it over what an earlier tree placed.
func (b *treeBuilder) put(f TreeFile, meta TreeMeta, src string, dot data) {
	mode := meta.Mode
	if mode == "" {
		mode = "0644"
		if f.Mode.IsDir() {
			mode = "0755"
		}
	}
	m, err := parseMode(mode)
	if err != nil {
		b.fail(src, "%v", err)
	}
	f.Mode |= m
	if f.Mode&os.ModeSymlink != 0 {
		f.Mode = os.ModeSymlink | 0o777
	}
	f.User, f.Group = b.text(src, meta.User, dot), b.text(src, meta.Group, dot)
	if f.User == "" {
		f.User = "root"
	}
	if f.Group == "" {
		f.Group = "root"
	}
	age := meta.Age
	if age == "" {
		age = defaultAge
	}
	f.Age = b.ageOf(f.Path, age)
	b.files[f.Path], b.from[f.Path] = f, src
}

func (b *treeBuilder) add(spec TreeSpec, a TreeAdd, dir, at string) {
	src := dir + "/tree.yaml"
	b.here = nearest(spec.places, at)
	items := []any{nil}
	if a.Each != "" {
		items = eachLists[a.Each](b.site)
	}
	for _, item := range items {
		dot := data{Site: b.site, Node: b.node, Item: item}
		if !b.when(src, a.When, dot) {
			continue
		}
		mistakes := len(b.errs)
		p := b.text(src, a.Path, dot)
		if len(b.errs) > mistakes {
			continue
		}
		if !strings.HasPrefix(p, "/") || path.Clean(p) != p || p == "/" || strings.ContainsRune(p, 0) {
			b.failAt(spec, src, at+".path", "%s.path: %q; write an absolute path without . and ..", at, p)
			continue
		}
		if a.CopyOf != "" {
			if !b.plain {
				b.copies(spec, a, src, at, p, b.text(src, a.CopyOf, dot))
			}
			continue
		}
		f := TreeFile{Path: p}
		switch {
		case a.Link != "":
			f.Mode, f.Content = os.ModeSymlink, []byte(b.text(src, a.Link, dot))
		case a.Dir:
			f.Mode = os.ModeDir
		case a.From != "":
			from := path.Join(dir, "templates", a.From)
			if !fs.ValidPath(a.From) {
				b.failAt(spec, src, at+".from", "%s.from: %q is not a file name inside templates/", at, a.From)
				continue
			}
			raw, err := fs.ReadFile(b.in, from)
			if err != nil {
				b.failAt(spec, src, at+".from", "%s.from: there is no %s", at, from)
				continue
			}
			f.Content = []byte(b.text(from, string(raw), dot))
		default:
			f.Content = []byte(b.text(src, a.Content, dot))
		}
		meta := over(TreeMeta{User: spec.Defaults.User, Group: spec.Defaults.Group, Age: spec.Defaults.Age}, TreeMeta{a.Mode, a.User, a.Group, a.Age})
		if meta.Mode == "" && f.Mode.IsRegular() {
			meta.Mode = spec.Defaults.Mode
		}
		b.put(f, meta, src, dot)
	}
}

// copies lays files of other nodes under p, as a backup that keeps times would.
func (b *treeBuilder) copies(spec TreeSpec, a TreeAdd, src, at, p, list string) {
	mode, _ := parseMode(a.Mode) // 0 without one: that of the file
	user, group := b.text(src, a.User, data{Site: b.site, Node: b.node}), b.text(src, a.Group, data{Site: b.site, Node: b.node})
	for _, item := range strings.Fields(list) {
		name, file, _ := strings.Cut(item, ":")
		all, err := once(b.site.memo, "copied\x00"+name, func() ([]TreeFile, error) {
			own := *b.site
			own.over = folder{}
			return tree(&own, name, true)
		})
		if err != nil {
			b.failAt(spec, src, at+".copyOf", "%s.copyOf: %q: %v", at, item, err)
			continue
		}
		found := false
		for _, f := range all {
			if f.Path != file && !strings.HasPrefix(f.Path, file+"/") {
				continue
			}
			found = true
			f.Path = p + "/" + name + f.Path
			if a.User != "" {
				f.User = user
			}
			if a.Group != "" {
				f.Group = group
			}
			if mode != 0 && f.Mode&os.ModeSymlink == 0 {
				f.Mode = f.Mode.Type() | mode
			}
			if f.Mode.IsDir() {
				f.Mode |= f.Mode & 0o444 >> 2 // a folder that can be read can be entered
			}
			b.files[f.Path], b.from[f.Path] = f, src
			for dir := path.Dir(f.Path); dir != p; dir = path.Dir(dir) {
				if _, there := b.files[dir]; !there {
					m := f.Mode.Perm() | f.Mode.Perm()&0o444>>2
					b.files[dir], b.from[dir] = TreeFile{Path: dir, Mode: os.ModeDir | m, User: f.User, Group: f.Group, Age: f.Age}, src
				}
			}
		}
		if !found {
			b.failAt(spec, src, at+".copyOf", "%s.copyOf: node %s has no file %s", at, name, file)
		}
	}
}

// parents reports a file that would have to be inside another file.
func (b *treeBuilder) parents() {
	for p := range b.files {
		for dir := path.Dir(p); dir != "/"; dir = path.Dir(dir) {
			if f, ok := b.files[dir]; ok && f.Mode.IsRegular() {
				b.fail(b.from[p], "node %s: %s is a file (%s), so %s cannot be in it", b.node.Name, dir, b.from[dir], p)
			}
		}
	}
}

// globRegexp turns a pattern of tree.yaml into a regular expression.
func globRegexp(glob string) *regexp.Regexp {
	var re strings.Builder
	re.WriteString("^")
	for i := 0; i < len(glob); i++ {
		switch {
		case strings.HasPrefix(glob[i:], "**/"):
			re.WriteString("(?:.*/)?")
			i += 2
		case strings.HasPrefix(glob[i:], "**"):
			re.WriteString(".*[^/]")
			i++
		case glob[i] == '*':
			re.WriteString("[^/]*")
		case glob[i] == '?':
			re.WriteString("[^/]")
		default:
			re.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	re.WriteString("$")
	return regexp.MustCompile(re.String())
}

// Digest sums a tree: path, mode, owner, content and age of every file.
func Digest(tree []TreeFile) string {
	h := sha256.New()
	field := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	for _, f := range tree {
		field([]byte(f.Path))
		field([]byte(f.Mode.String()))
		field([]byte(f.User))
		field([]byte(f.Group))
		field(f.Content)
		field([]byte(f.Age.String()))
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
