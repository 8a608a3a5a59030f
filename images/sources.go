package images

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
)

// source is one package source of the machine, in either of apt's formats
// (sources.list(5)).
type source struct {
	types      []string
	uris       []string
	suites     []string
	components []string
	// signedBy is a key file's path, a fingerprint, or (deb822 only) the
	// armoured key itself.
	signedBy string
	// options are the others, by their names of the one-line format.
	options map[string]string
	// at is file:line, for messages.
	at string
}

// readSources reads sources.list and sources.list.d as apt does: *.list in the
// one-line format, *.sources in deb822. root is the file system's root ("/"
// stripped names).
func readSources(root fs.FS) ([]source, error) {
	var all []source
	read := func(name string) error {
		b, err := fs.ReadFile(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read apt source: %w", err)
		}
		var got []source
		if path.Ext(name) == ".sources" {
			got, err = parseDeb822("/"+name, b)
		} else {
			got, err = parseOneLine("/"+name, b)
		}
		all = append(all, got...)
		return err
	}
	if err := read("etc/apt/sources.list"); err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(root, "etc/apt/sources.list.d")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read apt sources: %w", err)
	}
	for _, e := range entries {
		if ext := path.Ext(e.Name()); ext == ".list" || ext == ".sources" {
			if err := read("etc/apt/sources.list.d/" + e.Name()); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// parseOneLine parses "deb [ option=value ... ] uri suite [component ...]".
func parseOneLine(name string, data []byte) ([]source, error) {
	var out []source
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		s := source{at: fmt.Sprintf("%s:%d", name, n), options: map[string]string{}}
		typ, rest, _ := strings.Cut(strings.Replace(line, "\t", " ", -1), " ")
		s.types = []string{typ}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			opts, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				return nil, badInput(s.at, "option list without ]")
			}
			for _, o := range strings.Fields(opts) {
				k, v, ok := strings.Cut(o, "=")
				if !ok {
					return nil, badInput(s.at, "option %q is not name=value", o)
				}
				s.setOption(strings.TrimRight(k, "+-"), v)
			}
			rest = after
		}
		f := strings.Fields(rest)
		if typ != "deb" && typ != "deb-src" {
			return nil, badInput(s.at, "unknown type %q, want deb or deb-src", typ)
		}
		if len(f) < 2 {
			return nil, badInput(s.at, "want: %s URI SUITE [COMPONENT...]", typ)
		}
		s.uris, s.suites, s.components = f[:1], f[1:2], f[2:]
		out = append(out, s)
	}
	if err := lines.Err(); err != nil {
		return nil, &InputError{Subject: name, Problem: "cannot be read", Err: err}
	}
	return out, nil
}

// parseDeb822 parses paragraphs of "Field: value" with continuation lines.
func parseDeb822(name string, data []byte) ([]source, error) {
	var out []source
	fields, start, last := map[string]string{}, 0, ""
	flush := func() error {
		defer func() { fields, start, last = map[string]string{}, 0, "" }()
		if len(fields) == 0 {
			return nil
		}
		s, err := deb822Source(fmt.Sprintf("%s:%d", name, start), fields)
		if err == nil && s != nil {
			out = append(out, *s)
		}
		return err
	}
	for i, raw := range strings.Split(string(data), "\n") {
		line := strings.TrimRight(raw, " \t\r")
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			if err := flush(); err != nil {
				return nil, err
			}
		case line[0] == ' ' || line[0] == '\t':
			if last == "" {
				return nil, badInput(fmt.Sprintf("%s:%d", name, i+1), "continuation line without a field before it")
			}
			fields[last] += "\n" + line
		default:
			k, v, ok := strings.Cut(line, ":")
			if !ok {
				return nil, badInput(fmt.Sprintf("%s:%d", name, i+1), "want Field: value, found %q", line)
			}
			if start == 0 {
				start = i + 1
			}
			last = strings.ToLower(k)
			if _, twice := fields[last]; twice {
				return nil, badInput(fmt.Sprintf("%s:%d", name, i+1), "field %s given twice", k)
			}
			fields[last] = strings.TrimSpace(v)
		}
	}
	return out, flush()
}

// deb822Source makes a source of a paragraph; nil if it is disabled.
func deb822Source(at string, fields map[string]string) (*source, error) {
	switch strings.ToLower(fields["enabled"]) {
	case "no", "false", "0", "off", "without", "disable":
		return nil, nil
	}
	s := &source{at: at, options: map[string]string{}}
	s.types = strings.Fields(fields["types"])
	s.uris = strings.Fields(fields["uris"])
	s.suites = strings.Fields(fields["suites"])
	s.components = strings.Fields(fields["components"])
	if len(s.types) == 0 || len(s.uris) == 0 || len(s.suites) == 0 {
		return nil, badInput(at, "a source needs Types, URIs and Suites")
	}
	for k, v := range fields {
		switch k {
		case "types", "uris", "suites", "components", "enabled":
		default:
			s.setOption(k, v)
		}
	}
	return s, nil
}

func (s *source) setOption(k, v string) {
	if k = strings.ToLower(k); k == "signed-by" {
		s.signedBy = armoured(v)
		return
	}
	s.options[k] = strings.TrimSpace(v)
}

// armoured undoes deb822's rules for a key given in the file: one blank before
// each line, and " ." for an empty one.
func armoured(v string) string {
	if !strings.Contains(v, "\n") {
		return strings.TrimSpace(v)
	}
	var b strings.Builder
	for _, l := range strings.Split(strings.TrimPrefix(v, "\n"), "\n") {
		if l = strings.TrimSpace(l); l == "." {
			l = ""
		}
		b.WriteString(l + "\n")
	}
	return b.String()
}

// archives are the suites that are Debian's own, whatever the machine runs.
var archives = map[string]bool{
	"buster": true, "bullseye": true, "bookworm": true, "trixie": true, "forky": true, "duke": true,
	"sid": true, "oldoldstable": true, "oldstable": true, "stable": true, "testing": true, "unstable": true,
}

// debian tells whether a source is Debian's own archive or a mirror of it, and
// not somebody else's packages for Debian.
func (s source) debian() bool {
	if !has(s.types, "deb") || !has(s.components, "main") {
		return false
	}
	if s.signedBy == "" || strings.Contains(path.Base(s.signedBy), "debian-archive") {
		return true
	}
	// A house mirror signed by its own key keeps Debian's paths.
	for _, u := range s.uris {
		for _, part := range strings.Split(u, "/") {
			if part == "debian" || part == "debian-security" {
				return true
			}
		}
	}
	return false
}

// forSuite keeps Debian's own sources and rewrites their suites to those of a
// release: "trixie-updates" becomes "bookworm-updates". Backports and proposed
// updates are left out.
func forSuite(all []source, suite string) []source {
	var out []source
	seen := map[string]bool{}
	for _, s := range all {
		if !s.debian() {
			continue
		}
		for _, have := range s.suites {
			name, pocket, dash := strings.Cut(have, "-")
			if !dash {
				name, pocket, _ = strings.Cut(have, "/") // the old "buster/updates"
				if pocket == "updates" {
					pocket = "security"
				}
			}
			if !archives[name] || (pocket != "" && pocket != "updates" && pocket != "security") {
				continue
			}
			want := suite
			if pocket != "" {
				want += "-" + pocket
			}
			for _, u := range s.uris {
				if seen[u+" "+want] || !usable(u) {
					continue
				}
				seen[u+" "+want] = true
				one := s
				one.types, one.uris, one.suites, one.components = []string{"deb"}, []string{u}, []string{want}, []string{"main"}
				out = append(out, one)
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return len(out[i].suites[0]) < len(out[j].suites[0]) })
	return out
}

// usable says whether a build can reach a URI (a CD-ROM is not asked for).
func usable(uri string) bool {
	for _, p := range []string{"http://", "https://", "mirror+http://", "mirror+https://"} {
		if strings.HasPrefix(uri, p) {
			return true
		}
	}
	return false
}

// line is the source in the one-line format, without its key: the build gives
// apt a directory with all keys instead.
func (s source) line() string {
	var opts []string
	for _, k := range []string{"trusted", "check-valid-until", "check-date", "by-hash", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure"} {
		if v := s.options[k]; v != "" && !strings.ContainsAny(v, " \n]") {
			opts = append(opts, k+"="+v)
		}
	}
	l := "deb "
	if len(opts) > 0 {
		l += "[" + strings.Join(opts, " ") + "] "
	}
	return l + s.uris[0] + " " + s.suites[0] + " " + strings.Join(s.components, " ")
}

func has(list []string, want string) bool {
	for _, v := range list {
		if v == want {
			return true
		}
	}
	return false
}

// mirrorLists replaces mirror+file: URIs (Debian's cloud images use them) by the
// first mirror that the named file lists.
func mirrorLists(root fs.FS, all []source) []source {
	for i := range all {
		for j, u := range all[i].uris {
			file, ok := strings.CutPrefix(u, "mirror+file:")
			if !ok {
				continue
			}
			b, err := fs.ReadFile(root, strings.TrimLeft(file, "/"))
			if err != nil {
				continue // stays unusable, and is left out by forSuite
			}
			for _, l := range strings.Split(string(b), "\n") {
				if f := strings.Fields(l); len(f) > 0 && usable(f[0]) {
					all[i].uris[j] = f[0]
					break
				}
			}
		}
	}
	return all
}
