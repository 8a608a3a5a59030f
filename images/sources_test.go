package images

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

const key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n"

func machine(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, body := range files {
		m[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return m
}

func TestSourcesOfBothFormats(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"one line": {
			map[string]string{"etc/apt/sources.list": `
# the archive
deb http://mirror.example/debian bookworm main contrib # and more
deb-src http://mirror.example/debian bookworm main
deb	[ arch=amd64 trusted=yes ]  http://mirror.example/debian-security	bookworm-security main
deb http://mirror.example/debian bookworm-backports main
deb cdrom:[Debian]/ bookworm main
`},
			[]string{"deb http://mirror.example/debian bookworm main", "deb [trusted=yes] http://mirror.example/debian-security bookworm-security main"},
		},
		"deb822": {
			map[string]string{"etc/apt/sources.list.d/debian.sources": `# comment
Types: deb deb-src
URIs: http://a.example/debian/ https://b.example/debian/
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://a.example/debian-security/
Suites: trixie-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian/
Suites: bookworm
Components: main
`},
			[]string{
				"deb http://a.example/debian/ bookworm main", "deb https://b.example/debian/ bookworm main",
				"deb http://a.example/debian/ bookworm-updates main", "deb https://b.example/debian/ bookworm-updates main",
				"deb http://a.example/debian-security/ bookworm-security main",
			},
		},
		"others' packages are left out": {
			map[string]string{
				"etc/apt/sources.list.d/node.sources": "Types: deb\nURIs: https://deb.node.example/node_20.x\nSuites: nodistro\nComponents: main\nSigned-By: /usr/share/keyrings/node.gpg\n",
				"etc/apt/sources.list.d/tool.list":    "deb [signed-by=/usr/share/keyrings/tool.gpg] https://apt.tool.example bookworm main\ndeb https://get.docker.example/linux/debian bookworm stable\n",
				"etc/apt/sources.list.d/ignored.save": "deb http://x.example/debian bookworm main\n",
				"etc/apt/sources.list":                "deb [signed-by=/etc/apt/keyrings/house.gpg] http://house.example/debian stable main\n",
			},
			[]string{"deb http://house.example/debian bookworm main"},
		},
		"a list of mirrors": {
			map[string]string{
				"etc/apt/sources.list":        "deb mirror+file:///etc/apt/mirrors/debian.list bookworm main\n",
				"etc/apt/mirrors/debian.list": "https://m.example/debian\tpriority:1\nhttps://n.example/debian\n",
			},
			[]string{"deb https://m.example/debian bookworm main"},
		},
		"not Debian": {
			map[string]string{"etc/apt/sources.list": "deb http://archive.ubuntu.example/ubuntu noble main universe\n"}, nil,
		},
		"no apt": {map[string]string{"etc/os-release": "ID=fedora\n"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			host := machine(c.files)
			all, err := readSources(host)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range forSuite(mirrorLists(host, all), "bookworm") {
				got = append(got, s.line())
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestKeyInTheSource(t *testing.T) {
	got, err := parseDeb822("x.sources", []byte("Types: deb\nURIs: http://a.example/debian\nSuites: bookworm\nComponents: main\nSigned-By:\n "+strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(key), "\n\n", "\n.\n"), "\n", "\n ")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got[0].signedBy != key {
		t.Errorf("got %q, want %q", got[0].signedBy, key)
	}
}

func TestBadSources(t *testing.T) {
	for text, want := range map[string]string{
		"deb http://a.example/debian":            "x.list:1: want: deb URI SUITE",
		"deb [arch=amd64 http://a.example x":     "x.list:1: option list without ]",
		"\nrpm http://a.example/debian b main":   `x.list:2: unknown type "rpm"`,
		"deb [trusted] http://a.example/ b main": `x.list:1: option "trusted"`,
	} {
		_, err := parseOneLine("x.list", []byte(text))
		if !errors.As(err, new(*InputError)) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]string{
		" oops":                         "x.sources:1: continuation line",
		"Types: deb\nnonsense":          `x.sources:2: want Field: value`,
		"Types: deb\nTypes: deb":        "x.sources:2: field Types given twice",
		"\n\nTypes: deb\nSuites: x\n":   "x.sources:3: a source needs",
		"Types: deb\nURIs: http://a/\n": "x.sources:1: a source needs",
	} {
		_, err := parseDeb822("x.sources", []byte(text))
		if !errors.As(err, new(*InputError)) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestAptSettings(t *testing.T) {
	got := settings("Acquire::http::Proxy \"http://p.example:3128\";\nAcquire::Languages:: \"none\";\nAcquire::https \"\";\nAcquire::Retries \"3\";\nDPkg::Post-Invoke:: \"rm -f x\";\n")
	want := "Acquire::http::Proxy=http://p.example:3128 Acquire::Retries=3"
	if strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzSources: no text makes the parsers panic, and what is chosen fits in one
// line that they read again.
func FuzzSources(f *testing.F) {
	f.Add("deb [trusted=yes] http://a.example/debian bookworm main # x")
	f.Add("Types: deb\nURIs: http://a.example/debian\nSuites: sid\nComponents: main\nSigned-By:\n " + key)
	f.Add("deb mirror+file:///etc/apt/sources.list stable main")
	f.Fuzz(func(t *testing.T, text string) {
		one, _ := parseOneLine("x.list", []byte(text))
		many, _ := parseDeb822("x.sources", []byte(text))
		for _, s := range forSuite(mirrorLists(machine(map[string]string{"etc/apt/sources.list": text}), append(one, many...)), "bookworm") {
			again, err := parseOneLine("again", []byte(s.line()))
			if err != nil || len(again) != 1 || again[0].line() != s.line() {
				t.Fatalf("%q is read again as %+v, %v", s.line(), again, err)
			}
		}
	})
}
