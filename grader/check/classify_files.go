package check

import (
	"path"
	"strings"
)

// writer describes a program that changes the files named in its arguments.
type writer struct {
	// last: only the last operand (a destination); else all of them.
	last bool
	// skip leaves out that many operands first: a mode, an owner, a script.
	skip int
	// values are options that take a value; into names the destination.
	values, into []string
	// dry are options with which nothing is written.
	dry []string
}

func (w writer) class(args []string, cwd string) class {
	if hasFlag(args, w.dry...) {
		return class{}
	}
	if len(w.into) > 0 {
		if dir := flagValue(args, w.into...); dir != "" {
			return written(paths([]string{dir}, cwd))
		}
	}
	ops := operands(args, append(w.values, w.into...)...)
	ops = ops[min(w.skip, len(ops)):]
	if w.last && len(ops) > 1 {
		ops = ops[len(ops)-1:]
	}
	return written(paths(ops, cwd))
}

// written judges a command that writes to paths.
func written(p []string) class {
	for _, name := range p {
		switch {
		case !isChange(name):
		case strings.HasPrefix(name, "/proc/") || strings.HasPrefix(name, "/sys/"):
			return change(changeRuntime)
		default:
			return change(changeFile)
		}
	}
	return class{}
}

// isChange says whether writing to an absolute path changes the system.
func isChange(name string) bool {
	if !strings.HasPrefix(name, "/") || safeguard(name) {
		return false
	}
	for _, h := range harmless {
		if strings.HasPrefix(name+"/", h) {
			return false
		}
	}
	return true
}

// safeguard says whether a path is a copy kept aside ("frr.conf.bak",
// "frr.conf.2026-03-02").
func safeguard(name string) bool {
	base := path.Base(name)
	for _, e := range safeguardEndings {
		if strings.HasSuffix(base, e) {
			return true
		}
	}
	if strings.HasPrefix(base, ".") && strings.Contains(base, "history") {
		return true
	}
	ext := strings.TrimPrefix(path.Ext(base), ".")
	return len(ext) >= 6 && strings.Trim(ext, "0123456789-_") == ""
}

// readPaths judges a command that reads files: by what is written there.
func readPaths(files []string) class {
	for _, p := range files {
		switch {
		case strings.HasPrefix(p, "/var/log"):
			for _, l := range idleLogs {
				if strings.HasPrefix(p, l) {
					return test("log_read", nil).shows()
				}
			}
			return test("log_read", nil)
		case strings.HasPrefix(p, "/proc/net"):
			return test("neighbour_table", nil).shows("link", "addressing", "routing")
		case strings.HasPrefix(p, "/proc/sys/net"):
			return test("kernel_setting", nil)
		case strings.HasPrefix(p, "/proc/sys"):
			return test("kernel_setting", nil).shows()
		case strings.HasPrefix(p, "/sys/class/net"):
			return test("link_state", nil)
		}
		for _, f := range configFiles {
			if strings.HasPrefix(p+"/", f.prefix) || strings.HasPrefix(p, f.prefix) {
				return test("config_read", nil).shows(f.families...)
			}
		}
	}
	return class{}
}

// paths makes arguments absolute with cwd; those of another machine
// ("host:/x") are left out.
func paths(args []string, cwd string) []string {
	var out []string
	for _, a := range args {
		switch {
		case a == "" || a == "-":
		case strings.HasPrefix(a, "/"):
			out = append(out, path.Clean(a))
		case cwd != "" && !strings.Contains(a, ":"):
			out = append(out, path.Join(cwd, a))
		}
	}
	return out
}

// sedExec: a stream editor reads, unless it edits in place.
func sedExec(args []string, cwd string) class {
	files := operands(args, "-e", "-f", "-l", "--expression", "--file", "--line-length")
	if !hasLetter(args, "ef", "i") && !hasFlag(args, "--expression", "--file") && len(files) > 0 {
		files = files[1:] // the script
	}
	if hasLetter(args, "i", "efl") || hasFlag(args, "--in-place") {
		return written(paths(files, cwd))
	}
	return readPaths(paths(files, cwd))
}

func perlExec(args []string, cwd string) class {
	if !hasLetter(args, "i", "eEMmIFxCD0") {
		return class{}
	}
	files := operands(args, "-e", "-E")
	for _, a := range args {
		if strings.HasSuffix(a, "e") && len(a) > 2 && a[0] == '-' && len(files) > 0 { // -pie SCRIPT
			files = files[1:]
			break
		}
	}
	return written(paths(files, cwd))
}

func awkExec(args []string, cwd string) class {
	files := operands(args, "-F", "-f", "-v", "-i", "--include")
	if !hasFlag(args, "-f", "--file") && len(files) > 0 {
		files = files[1:] // the program
	}
	if flagValue(args, "-i", "--include") == "inplace" {
		return written(paths(files, cwd))
	}
	return readPaths(paths(files, cwd))
}

// grepExec reads; the pattern is no file.
func grepExec(args []string, cwd string) class {
	files := operands(args, "-e", "-f", "-m", "-A", "-B", "-C", "--regexp", "--file")
	if !hasFlag(args, "-e", "-f", "--regexp", "--file") && len(files) > 0 {
		files = files[1:]
	}
	return readPaths(paths(files, cwd))
}

func findExec(args []string, cwd string) class {
	var roots []string
	for _, a := range args {
		if strings.HasPrefix(a, "-") || a == "(" || a == "!" {
			break
		}
		roots = append(roots, a)
	}
	if contains(args, "-delete") {
		return written(paths(roots, cwd))
	}
	return readPaths(paths(roots, cwd))
}

func ddExec(args []string, cwd string) class {
	for _, a := range args {
		if of, ok := strings.CutPrefix(a, "of="); ok {
			return written(paths([]string{of}, cwd))
		}
	}
	return class{}
}

// tarExec: extracting writes into a directory, creating writes the archive.
func tarExec(args []string, cwd string) class {
	if len(args) == 0 {
		return class{}
	}
	mode := strings.TrimPrefix(args[0], "-")
	switch {
	case hasFlag(args, "--extract", "--get") || hasLetter(args, "x", "fCTX") || !strings.HasPrefix(args[0], "-") && strings.Contains(mode, "x"):
		into := flagValue(args, "-C", "--directory")
		if into == "" {
			into = cwd
		}
		return written(paths([]string{into}, cwd))
	case hasFlag(args, "--create", "--append", "--update") || strings.ContainsAny(mode, "cru"):
		archive := flagValue(args, "--file")
		if archive == "" && strings.Contains(mode, "f") && len(args) > 1 {
			archive = args[1]
		}
		return written(paths([]string{archive}, cwd))
	}
	return class{}
}

func patchExec(args []string, cwd string) class {
	if hasFlag(args, "--dry-run") {
		return class{}
	}
	files := operands(args, "-p", "-i", "-d", "--input", "--directory")
	if len(files) == 0 {
		files = []string{cwd}
	}
	return written(paths(files, cwd))
}
