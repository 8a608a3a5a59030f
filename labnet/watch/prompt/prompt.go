// Package prompt knows how interactive programs ask for a line, so that the
// line can be cut from what they echoed. In comes one logical line of a screen,
// out come the program, its prompt and what was typed after it. It must never
// be the only proof that a program ran: any output can look like a prompt; who
// uses it checks that the program lives on that terminal.
package prompt

import (
	"regexp"
	"strings"
)

// Match is a line cut at its prompt.
type Match struct {
	// Program is the family, by the basename of its program: vtysh, psql,
	// python3, bash ("sh" and the like are bash too).
	Program string
	// Prompt is the text before the line, Line what was typed.
	Prompt, Line string
	// Host is the node's name where the prompt tells it (vtysh, bash).
	Host string
	// Strong: the prompt is unlike ordinary output. A weak one counts only after
	// an Enter was typed.
	Strong bool
	// Shell: the line is a shell's; what it runs is seen as programs anyway.
	Shell bool
	// More: a continuation of the line before (psql "erp-#", python "...").
	More bool
}

type rule struct {
	program string
	re      *regexp.Regexp // group 1, if any, is the host
	strong  bool
	shell   bool
	more    bool
}

// The order matters: the first that matches wins.
var rules = []rule{
	{"psql", regexp.MustCompile(`^[\w.-]+=[#>] `), true, false, false},
	{"psql", regexp.MustCompile(`^[\w.-]+[-('"*$^!][#>] `), true, false, true},
	{"python3", regexp.MustCompile(`^>>> `), true, false, false},
	{"python3", regexp.MustCompile(`^\.\.\. `), true, false, true},
	{"mysql", regexp.MustCompile(`^(?:mysql|MariaDB \[[^\]]*\])> `), true, false, false},
	{"mysql", regexp.MustCompile(`^ {4}-> `), true, false, true},
	{"sqlite3", regexp.MustCompile(`^sqlite> `), true, false, false},
	{"smbclient", regexp.MustCompile(`^smb: [^>]*> `), true, false, false},
	{"chronyc", regexp.MustCompile(`^chronyc> `), true, false, false},
	{"nft", regexp.MustCompile(`^nft> `), true, false, false},
	{"sftp", regexp.MustCompile(`^(?:s?ftp)> `), true, false, false},
	// Any name may be a machine's: after those that are a program's.
	{"vtysh", regexp.MustCompile(`^([\w][\w.-]*)(?:\([\w-]+\))?[#>] `), true, false, false},
	{"bash", regexp.MustCompile(`^(?:\([^)]*\) ?)?\[?[\w.-]+@([\w.-]+)[: ][^#$]*[#$] `), true, true, false},
	{"bash", regexp.MustCompile(`^(?:ba)?sh-[\d.]+[#$] `), true, true, false},
	{"bash", regexp.MustCompile(`^[#$] `), false, true, false},
	{"bash", regexp.MustCompile(`^> `), false, true, true},
}

// Cut finds the prompt at the beginning of a logical line; ok is false if there
// is none that is known. Trailing spaces are not part of the line.
func Cut(line string) (m Match, ok bool) {
	if !strings.ContainsAny(line, "#>$.") {
		return m, false
	}
	// The emulator's rows end in spaces or are cut there: an empty input too
	// must show the prompt's own space.
	line = strings.TrimRight(line, " ") + " "
	for _, r := range rules {
		g := r.re.FindStringSubmatchIndex(line)
		if g == nil {
			continue
		}
		m = Match{Program: r.program, Prompt: strings.TrimRight(line[:g[1]], " "), Line: strings.TrimSpace(line[g[1]:]),
			Strong: r.strong, Shell: r.shell, More: r.more}
		if len(g) > 3 && g[2] >= 0 {
			m.Host = line[g[2]:g[3]]
		}
		return m, true
	}
	return m, false
}
