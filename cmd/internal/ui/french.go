package ui

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Errors are made in English, deep down where nobody knows who will read them.
// Here, at the edge, they are put into French: phrase by phrase, what stands in a
// phrase (a name, a number, another error) being put into French by itself. A
// phrase that is not in the table stays as it is. In French text %s stands for
// what the English has in the same place; %2s is the second one.

// French puts an error's text into French, line by line.
func French(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		work := maxWork
		lines[i] = translate(l, 0, &work)
	}
	return strings.Join(lines, "\n")
}

// phrase is a line of the table, ready to match.
type phrase struct {
	english *regexp.Regexp
	french  string
	weight  int // letters that are not a verb: the most specific phrase wins
}

var (
	verb    = regexp.MustCompile(`%[sdq]`)
	ordinal = regexp.MustCompile(`%([1-9]?)s`)
	// place is file:line:column or a path inside a file, which no language has.
	place = regexp.MustCompile(`^(?:\S+:\d+:\d+|\S+\.(?:yaml|md|sh)|[a-zA-Z]+(?:\[\d+\])?(?:\.[\w-]+(?:\[\d+\])?)*): `)
)

var phrases = sync.OnceValue(func() []phrase {
	var out []phrase
	for en, fr := range french {
		var re strings.Builder
		re.WriteString("^")
		at := 0
		for _, v := range verb.FindAllStringIndex(en, -1) {
			re.WriteString(regexp.QuoteMeta(en[at:v[0]]))
			re.WriteString(map[string]string{"%s": `(.*?)`, "%d": `(-?\d+)`, "%q": `("(?:[^"\\]|\\.)*")`}[en[v[0]:v[1]]])
			at = v[1]
		}
		re.WriteString(regexp.QuoteMeta(en[at:]) + "$")
		weight := len(verb.ReplaceAllString(en, ""))
		if strings.HasPrefix(en, "%s; ") && (strings.HasPrefix(en, "%s; did") || strings.HasPrefix(en, "%s; to choose") || strings.HasPrefix(en, "%s; for")) {
			weight += 1000 // hints end other phrases: off with them first
		}
		out = append(out, phrase{regexp.MustCompile(re.String()), fr, weight})
	}
	slices.SortFunc(out, func(a, b phrase) int {
		if a.weight != b.weight {
			return b.weight - a.weight
		}
		return strings.Compare(a.french, b.french)
	})
	return out
})

// maxNested bounds how deep errors stand in errors, maxWork how much is tried for
// one line, maxLine how long a line is tried at all: names in it may be anything.
const (
	maxNested = 6
	maxWork   = 300
	maxLine   = 2000
)

func translate(s string, depth int, work *int) string {
	if *work--; depth > maxNested || *work < 0 || s == "" || len(s) > maxLine {
		return s
	}
	if p := place.FindString(s); p != "" {
		if rest := translate(s[len(p):], depth, work); rest != s[len(p):] {
			return p + rest
		}
	}
	for _, p := range phrases() {
		m := p.english.FindStringSubmatch(s)
		if m == nil {
			continue
		}
		next := 0
		return ordinal.ReplaceAllStringFunc(p.french, func(v string) string {
			next++
			i := next
			if n, err := strconv.Atoi(v[1 : len(v)-1]); err == nil {
				i = n
			}
			return translate(m[i], depth+1, work)
		})
	}
	// A hint in brackets, a list of remarks, a chain of causes.
	if i := strings.LastIndex(s, " ("); i > 0 && strings.HasSuffix(s, ")") {
		head, tail := translate(s[:i], depth+1, work), translate(s[i+2:len(s)-1], depth+1, work)
		if head != s[:i] || tail != s[i+2:len(s)-1] {
			return head + " (" + tail + ")"
		}
	}
	for _, sep := range []string{"; ", ": "} {
		for i := range s {
			if !strings.HasPrefix(s[i:], sep) {
				continue
			}
			head, tail := translate(s[:i], depth+1, work), translate(s[i+len(sep):], depth+1, work)
			switch {
			case head != s[:i]:
				return head + " " + sep + tail
			case tail != s[i+len(sep):]:
				return head + sep + tail
			}
		}
	}
	return s
}
