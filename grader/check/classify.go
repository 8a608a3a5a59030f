package check

import (
	"path"
	"strings"
)

// class is what one command does: the test kind and the change kind, both
// empty for neither.
type class struct {
	test   string
	change string
	// args are what a test points to.
	args []string
	// families are those that this very test would show, when the command says
	// more than its kind: the unit, the file. nil means those of the kind.
	families []string
	// victims are the processes that a kill aims at.
	victims *victims
}

// victims are what a killing program aims at: process ids, or names (whole
// command lines if full).
type victims struct {
	pids  []string
	names []string
	full  bool
}

func test(kind string, args []string) class { return class{test: kind, args: args} }

func change(kind string) class { return class{change: kind} }

// shows narrows a test to the families given.
func (c class) shows(families ...string) class {
	if c.test != "" {
		c.families = append([]string{}, families...)
	}
	return c
}

// classify sorts an executed command. cwd helps with relative paths.
func classify(argv []string, cwd string) class {
	if len(argv) == 0 {
		return class{}
	}
	prog := strings.TrimPrefix(path.Base(argv[0]), "-")
	args := argv[1:]
	if wrappers[prog] || len(args) > 0 && (args[0] == "--help" || args[0] == "--version") {
		return class{}
	}
	if f, ok := programs[prog]; ok {
		return f(args, cwd)
	}
	if sub, ok := subcommands[prog]; ok {
		return sub.class(args)
	}
	if how, ok := writers[prog]; ok {
		return how.class(args, cwd)
	}
	if kind, ok := plainTests[prog]; ok {
		return test(kind, operands(args, optionValues[prog]...))
	}
	if kind, ok := plainChanges[prog]; ok {
		return change(kind)
	}
	if readers[prog] {
		return readPaths(paths(operands(args), cwd))
	}
	return class{}
}

// subcommand describes programs whose first words decide, one or two of them:
// "user list". Options are left out, those of values with their value.
type subcommand struct {
	tests   map[string]string
	changes map[string]string
	values  []string
	// bare is the kind of test when there is no word at all.
	bare string
	// otherwise is the kind of change for any other word; empty means none.
	otherwise string
	// narrow chooses the families of a test by its words.
	narrow func(words []string) []string
}

func (sub subcommand) class(args []string) class {
	w := operands(args, sub.values...)
	if len(w) == 0 {
		if sub.bare == "" {
			return class{}
		}
		return test(sub.bare, args)
	}
	for n := min(2, len(w)); n > 0; n-- {
		key := strings.Join(w[:n], " ")
		if kind, ok := sub.changes[key]; ok {
			return change(kind)
		}
		if kind, ok := sub.tests[key]; ok {
			c := test(kind, args)
			if sub.narrow != nil {
				c.families = sub.narrow(w[1:])
			}
			return c
		}
	}
	return change(sub.otherwise)
}

// unitFamilies are the families of causes that looking at units tells: those of
// known daemons, or nil (those of the kind) for any other or none.
func unitFamilies(units []string) []string {
	if len(units) == 0 {
		return nil
	}
	out := []string{}
	for _, u := range units {
		u = strings.TrimSuffix(u, ".service")
		name, _, _ := strings.Cut(u, "@")
		f, ok := daemons[name]
		if !ok {
			return nil
		}
		out = append(out, f...)
	}
	return out
}

// operands are the arguments that are no options; options listed in values take
// the argument after them along, unless it is joined ("-n5", "--lines=5").
func operands(args []string, values ...string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			return append(out, args[i+1:]...)
		case !strings.HasPrefix(a, "-") || a == "-":
			out = append(out, a)
		case contains(values, a):
			i++
		}
	}
	return out
}

// hasFlag says whether one of the options is among the arguments; a long one
// also with "=value".
func hasFlag(args []string, flags ...string) bool {
	for _, a := range args {
		for _, f := range flags {
			if a == f || strings.HasPrefix(f, "--") && strings.HasPrefix(a, f+"=") {
				return true
			}
		}
	}
	return false
}

// hasLetter says whether a cluster of short options ("-nvL") holds one of the
// letters. Letters of stop take the rest of the cluster as their value.
func hasLetter(args []string, letters, stop string) bool {
	for _, a := range args {
		if len(a) < 2 || a[0] != '-' || a[1] == '-' {
			continue
		}
		for _, l := range a[1:] {
			if strings.ContainsRune(letters, l) {
				return true
			}
			if strings.ContainsRune(stop, l) {
				break
			}
		}
	}
	return false
}

// flagValue is the value of an option: the next argument, or what is joined.
func flagValue(args []string, flags ...string) string {
	for i, a := range args {
		for _, f := range flags {
			if a == f && i+1 < len(args) {
				return args[i+1]
			}
			if v, ok := strings.CutPrefix(a, f+"="); ok && strings.HasPrefix(f, "--") {
				return v
			}
			if v, ok := strings.CutPrefix(a, f); ok && v != "" && len(f) == 2 && f[0] == '-' && f[1] != '-' {
				return v
			}
		}
	}
	return ""
}

// short says whether w is word cut to no less than n letters.
func short(w, word string, n int) bool {
	return len(w) >= n && strings.HasPrefix(word, w)
}

// join adds what a further line does: one test kind and one change kind.
func join(a, b class) class {
	if b.test != "" {
		// A narrower kind says more than the configuration as a whole.
		if a.test == "" || a.test == "routing_config" {
			a.test, a.families = b.test, b.families
		}
		a.args = append(a.args, b.args...)
	}
	if b.change != "" && (a.change == "" || a.change == changeSave) {
		a.change = b.change
	}
	return a
}
