package check

import "strings"

// Lines of programs with a language of their own, typed or given by an option.

// vtyshExec reads vtysh -c LINE -c LINE; without -c it is interactive and its
// lines arrive on their own.
func vtyshExec(args []string, _ string) class {
	if hasFlag(args, "-C", "--dryrun") {
		return test("config_check", nil).shows("routing")
	}
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
			out = join(out, change(changeConfig))
		case a == "-w" || a == "--writeconfig":
			out = join(out, change(changeSave))
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
	// "no" takes back what the next word says: what is no change is none with it.
	verb := w[0]
	if verb == "no" && len(w) > 1 {
		verb = w[1]
	}
	switch {
	case short(w[0], "show", 2):
		return vtyshShow(w[1:])
	case w[0] == "ping":
		return test("reachability", w[1:])
	case short(w[0], "traceroute", 5):
		return test("path", w[1:])
	case short(w[0], "write", 2):
		if len(w) > 1 && short(w[1], "terminal", 1) {
			return test("routing_config", nil)
		}
		return change(changeSave)
	case w[0] == "copy":
		if strings.HasPrefix(w[len(w)-1], "run") {
			return change(changeConfig) // a file loaded into the running configuration
		}
		return change(changeSave)
	case short(w[0], "clear", 2):
		if len(w) > 1 && short(w[1], "counters", 3) {
			return class{}
		}
		return change(changeService)
	case short(verb, "terminal", 4), verb == "debug", verb == "undebug",
		short(w[0], "configure", 4), short(w[0], "enable", 2), w[0] == "disable", w[0] == "exit", w[0] == "end",
		w[0] == "quit", w[0] == "q", w[0] == "list", w[0] == "help", w[0] == "find", w[0] == "who", w[0] == "output",
		w[0] == "start-shell", w[0] == "ssh", w[0] == "telnet", strings.HasPrefix(w[0], "exit-"):
		return class{}
	case short(w[0], "router", 6), short(w[0], "interface", 3), w[0] == "address-family", w[0] == "vrf",
		w[0] == "line":
		return class{} // opens a context, changes nothing yet
	}
	return change(changeConfig)
}

// vtyshShow sorts the words after "show".
func vtyshShow(w []string) class {
	kind := "routing_protocol"
	for _, x := range w {
		switch {
		case x == "|": // a filter of the output
			return test(kind, nil)
		case short(x, "running-config", 2), short(x, "startup-config", 2):
			kind = "routing_config"
		case short(x, "interface", 3) && !contains(w, "ospf"):
			kind = "link_state"
		case short(x, "logging", 3):
			kind = "log_read"
		case x == "daemons":
			return test("service_state", nil).shows("service")
		case x == "version", x == "memory", x == "history", x == "thread", x == "clock":
			return test("service_state", nil).shows()
		}
	}
	return test(kind, nil)
}

// psqlExec reads psql -c STATEMENT, also in a cluster of options ("-Atc").
func psqlExec(args []string, _ string) class {
	var out class
	for i, a := range args {
		next := ""
		if i+1 < len(args) {
			next = args[i+1]
		}
		cluster := len(a) > 1 && a[0] == '-' && a[1] != '-'
		switch {
		case a == "--command" || cluster && strings.HasSuffix(a, "c"):
			out = join(out, psqlLine(next))
		case strings.HasPrefix(a, "--command="):
			out = join(out, psqlLine(strings.TrimPrefix(a, "--command=")))
		case strings.HasPrefix(a, "--file") || cluster && strings.HasSuffix(a, "f"):
			out = join(out, change(changeData))
		case a == "--list" || cluster && strings.HasSuffix(a, "l"):
			out = join(out, test("database_query", nil))
		}
	}
	return out
}

// psqlLine sorts a line of SQL, statement by statement.
func psqlLine(line string) class {
	var out class
	for s := range strings.SplitSeq(line, ";") {
		out = join(out, psqlStatement(s))
	}
	return out
}

// actingFunctions are functions by which a SELECT changes something.
var actingFunctions = []string{"pg_terminate_backend", "pg_cancel_backend", "pg_drop_replication_slot",
	"pg_create_", "pg_reload_conf", "pg_rotate_logfile", "pg_switch_wal", "pg_promote", "pg_wal_replay_", "setval",
	"lo_import", "lo_unlink", "dblink_exec"}

func psqlStatement(s string) class {
	w := strings.Fields(strings.ToLower(s))
	if len(w) == 0 {
		return class{}
	}
	switch strings.TrimRight(w[0], "(") {
	case "select", "show", "explain", "table", "with", "values":
		for _, word := range w {
			switch strings.Trim(word, "();,") {
			case "delete", "update", "insert", "into", "merge", "truncate":
				return change(changeData)
			}
			for _, f := range actingFunctions {
				if strings.HasPrefix(word, f) {
					return change(changeData)
				}
			}
		}
		return test("database_query", nil)
	case "copy", `\copy`:
		if contains(w, "to") && !contains(w, "from") {
			return class{}
		}
		return change(changeData)
	case "insert", "update", "delete", "truncate", "drop", "create", "alter", "grant", "revoke", "merge",
		"vacuum", "reindex", "cluster", "checkpoint", "call", "do", "refresh", "comment", "reassign", `\i`, `\ir`:
		return change(changeData)
	case `\password`:
		return change(changeAccount)
	}
	for _, p := range []string{`\d`, `\l`, `\conninfo`, `\z`, `\sf`, `\sv`} {
		if strings.HasPrefix(w[0], p) {
			return test("database_query", nil)
		}
	}
	return class{}
}
