package check

import (
	"path"
	"strings"
)

// class is what one command does: the test kind and the change kind, both
// empty for neither. args are what a test points to.
type class struct {
	test   string
	change string
	args   []string
}

// classify sorts an executed command. cwd helps with relative paths.
func classify(argv []string, cwd string) class {
	if len(argv) == 0 {
		return class{}
	}
	prog := strings.TrimPrefix(path.Base(argv[0]), "-")
	args := argv[1:]
	switch prog {
	case "sudo", "ssh", "bash", "sh", "dash", "situ":
		return class{}
	case "vtysh":
		return vtyshExec(args)
	case "psql":
		return psqlExec(args)
	case "ip":
		return ipExec(args)
	case "nft":
		if hasFlag(args, "-c", "--check") {
			return class{test: "config_check"}
		}
	case "iptables", "ip6tables", "iptables-legacy", "iptables-nft":
		if hasFlag(args, "-L", "-S", "--list", "--list-rules", "-nL", "-nvL", "-vnL", "-Lnv", "-vL") {
			return class{test: "firewall_rules"}
		}
		return class{change: changeRuntime}
	case "iptables-save", "ip6tables-save":
		return class{test: "firewall_rules"}
	case "sysctl":
		for _, a := range args {
			if a == "-w" || a == "--system" || strings.HasPrefix(a, "-p") || strings.Contains(a, "=") {
				return class{change: changeRuntime}
			}
		}
		return class{test: "kernel_setting"}
	case "ifconfig":
		if len(words(args)) > 1 {
			return class{change: changeRuntime}
		}
		return class{test: "address_state"}
	case "route":
		if w := words(args); len(w) > 0 {
			return class{change: changeRuntime}
		}
		return class{test: "route_table"}
	case "arp":
		if hasFlag(args, "-d", "-s", "--delete", "--set") {
			return class{change: changeRuntime}
		}
		return class{test: "neighbour_table"}
	case "netstat":
		for _, a := range args {
			if strings.HasPrefix(a, "-") && strings.Contains(a, "r") {
				return class{test: "route_table"}
			}
		}
		return class{test: "sockets"}
	case "ethtool":
		for _, a := range args {
			if strings.HasPrefix(a, "-") && len(a) > 1 && strings.ToUpper(a[1:2]) == a[1:2] {
				return class{change: changeRuntime}
			}
		}
		return class{test: "link_state"}
	case "journalctl":
		if hasFlag(args, "--rotate", "--vacuum-size", "--vacuum-time", "--flush") {
			return class{change: changeData}
		}
		return class{test: "log_read"}
	case "mount":
		if len(words(args)) == 0 {
			return class{test: "disk_usage"}
		}
		return class{change: changeRuntime}
	case "crontab":
		if hasFlag(args, "-l") {
			return class{test: "config_read"}
		}
		return class{change: changeConfig}
	case "nginx", "sshd", "kea-dhcp4", "slaptest", "haproxy", "dovecot", "named":
		if hasFlag(args, "-t", "-T", "-n", "-u") {
			return class{test: "config_check"}
		}
		if hasFlag(args, "-s") {
			return class{change: changeService}
		}
		return class{}
	case "sed", "perl":
		for _, a := range args {
			if strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && strings.Contains(a, "i") || strings.HasPrefix(a, "--in-place") {
				return written(paths(args, cwd), "all")
			}
		}
		if prog == "sed" {
			return readPaths(args, cwd)
		}
		return class{}
	}
	if how, ok := writers[prog]; ok {
		return written(paths(args, cwd), how)
	}
	if kind, ok := plainTests[prog]; ok {
		return class{test: kind, args: args}
	}
	if kind, ok := plainChanges[prog]; ok {
		return class{change: kind}
	}
	if sub, ok := subcommands[prog]; ok {
		return subExec(sub, args)
	}
	if readers[prog] {
		return readPaths(args, cwd)
	}
	return class{}
}

func subExec(sub subcommand, args []string) class {
	w := words(args)
	for _, word := range w {
		if kind, ok := sub.tests[word]; ok {
			return class{test: kind, args: args}
		}
		if kind, ok := sub.changes[word]; ok {
			return class{change: kind}
		}
		if sub.otherwise == "" {
			continue
		}
		break
	}
	if len(w) == 0 && !hasFlag(args, "-f", "--file") {
		if sub.bare != "" {
			return class{test: sub.bare, args: args}
		}
		return class{}
	}
	return class{change: sub.otherwise}
}

// ipExec follows iproute2: object, then verb, both possibly shortened.
func ipExec(args []string) class {
	w := words(args)
	if len(w) == 0 {
		return class{}
	}
	kind := "address_state"
	switch {
	case short(w[0], "route", 1), short(w[0], "rule", 2):
		kind = "route_table"
	case short(w[0], "link", 1):
		kind = "link_state"
	case short(w[0], "neighbour", 1), w[0] == "neighbor":
		kind = "neighbour_table"
	}
	if len(w) > 1 {
		for _, verb := range []string{"add", "append", "change", "replace", "delete", "flush", "set", "restore"} {
			// "a", "d" and "s" alone would be add, delete and (for most
			// objects) show.
			if w[1] == "a" || w[1] == "d" || len(w[1]) > 1 && short(w[1], verb, 2) {
				return class{change: changeRuntime}
			}
		}
	}
	return class{test: kind, args: args}
}

// vtyshExec reads vtysh -c LINE -c LINE; without -c it is interactive and its
// lines arrive on their own.
func vtyshExec(args []string) class {
	var out class
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-c" || a == "--command":
			if i+1 < len(args) {
				i++
				for line := range strings.SplitSeq(args[i], "\n") {
					out = join(out, vtyshLine(line))
				}
			}
		case a == "-b" || a == "--boot" || a == "-f" || a == "--inputfile":
			out = join(out, class{change: changeConfig})
		case a == "-w" || a == "--writeconfig":
			out = join(out, class{change: changeSave})
		case a == "-C" || a == "--dryrun":
			out = join(out, class{test: "config_check"})
		}
	}
	return out
}

// vtyshLine sorts one line typed in FRR's shell (keywords may be shortened).
func vtyshLine(line string) class {
	w := strings.Fields(line)
	if len(w) > 0 && w[0] == "do" {
		w = w[1:]
	}
	if len(w) == 0 || strings.HasPrefix(w[0], "!") || strings.HasSuffix(line, "?") {
		return class{}
	}
	switch {
	case short(w[0], "show", 2):
		kind := "routing_protocol"
		for _, x := range w[1:] {
			switch {
			case short(x, "running-config", 2), short(x, "startup-config", 2):
				kind = "routing_config"
			case short(x, "interface", 3) && !contains(w, "ospf"):
				kind = "link_state"
			case short(x, "logging", 3):
				kind = "log_read"
			}
		}
		return class{test: kind}
	case w[0] == "ping":
		return class{test: "reachability", args: w[1:]}
	case short(w[0], "traceroute", 5):
		return class{test: "path", args: w[1:]}
	case short(w[0], "write", 2), w[0] == "copy":
		if len(w) > 1 && short(w[1], "terminal", 1) {
			return class{test: "routing_config"}
		}
		return class{change: changeSave}
	case short(w[0], "clear", 2):
		return class{change: changeService}
	case short(w[0], "configure", 4), short(w[0], "terminal", 4), short(w[0], "enable", 2),
		w[0] == "disable", w[0] == "exit", w[0] == "end", w[0] == "quit", w[0] == "q", w[0] == "list",
		w[0] == "debug", w[0] == "undebug", w[0] == "help", w[0] == "find", strings.HasPrefix(w[0], "exit-"),
		w[0] == "no" && len(w) > 1 && w[1] == "debug":
		return class{}
	case short(w[0], "router", 6), short(w[0], "interface", 3), w[0] == "address-family", w[0] == "vrf",
		w[0] == "line":
		return class{} // opens a context, changes nothing yet
	}
	return class{change: changeConfig}
}

func psqlExec(args []string) class {
	var out class
	for i, a := range args {
		if (a == "-c" || a == "--command") && i+1 < len(args) {
			out = join(out, psqlLine(args[i+1]))
		} else if c, ok := strings.CutPrefix(a, "--command="); ok {
			out = join(out, psqlLine(c))
		} else if a == "-f" || strings.HasPrefix(a, "--file") {
			out = join(out, class{change: changeData})
		} else if a == "-l" || a == "--list" {
			out = join(out, class{test: "database_query"})
		}
	}
	return out
}

// psqlLine sorts one line or statement of SQL.
func psqlLine(line string) class {
	w := strings.Fields(strings.ToLower(line))
	if len(w) == 0 {
		return class{}
	}
	switch strings.TrimRight(w[0], ";(") {
	case "select", "show", "explain", "table", "with", "values":
		for _, word := range w {
			if word == "pg_terminate_backend" || strings.HasPrefix(word, "pg_drop_replication_slot") ||
				word == "delete" || word == "update" || word == "insert" {
				return class{change: changeData}
			}
		}
		return class{test: "database_query"}
	case "insert", "update", "delete", "truncate", "drop", "create", "alter", "grant", "revoke", "copy",
		"vacuum", "reindex", "checkpoint", "call", "do":
		return class{change: changeData}
	}
	if strings.HasPrefix(w[0], `\d`) || strings.HasPrefix(w[0], `\l`) || strings.HasPrefix(w[0], `\conninfo`) {
		return class{test: "database_query"}
	}
	return class{}
}

// join adds what a further line does: one test kind and one change kind.
func join(a, b class) class {
	if b.test != "" {
		// A narrower kind says more than the configuration as a whole.
		if a.test == "" || a.test == "routing_config" {
			a.test = b.test
		}
		a.args = append(a.args, b.args...)
	}
	if b.change != "" && (a.change == "" || a.change == changeSave) {
		a.change = b.change
	}
	return a
}

// written judges a command that writes to paths.
func written(p []string, how string) class {
	if len(p) == 0 {
		return class{}
	}
	if how == "last" {
		p = p[len(p)-1:]
	}
	for _, name := range p {
		if isChange(name) {
			return class{change: changeFile}
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

// readPaths judges a command that reads files.
func readPaths(args []string, cwd string) class {
	for _, p := range paths(args, cwd) {
		switch {
		case strings.HasPrefix(p, "/var/log"):
			return class{test: "log_read"}
		case strings.HasPrefix(p, "/etc/"), strings.HasPrefix(p, "/proc/net"), strings.HasPrefix(p, "/var/lib/bind"),
			strings.HasPrefix(p, "/var/lib/kea"):
			return class{test: "config_read"}
		case strings.HasPrefix(p, "/proc/sys"), strings.HasPrefix(p, "/sys/class/net"):
			return class{test: "kernel_setting"}
		}
	}
	return class{}
}

// paths are the arguments that may be paths, made absolute with cwd.
func paths(args []string, cwd string) []string {
	var out []string
	for _, a := range args {
		if of, ok := strings.CutPrefix(a, "of="); ok {
			a = of
		}
		switch {
		case strings.HasPrefix(a, "-") || a == "":
		case strings.HasPrefix(a, "/"):
			out = append(out, path.Clean(a))
		case cwd != "" && !strings.Contains(a, ":"):
			out = append(out, path.Join(cwd, a))
		}
	}
	return out
}

// words are the arguments that are no options.
func words(args []string) []string {
	var out []string
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			out = append(out, a)
		}
	}
	return out
}

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

// short says whether w is word cut to no less than n letters.
func short(w, word string, n int) bool {
	return len(w) >= n && strings.HasPrefix(word, w)
}
