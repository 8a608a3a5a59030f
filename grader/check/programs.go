package check

import "strings"

// Programs whose options or words decide in their own way. Each function sorts
// the arguments of one program.

type sorter func(args []string, cwd string) class

// reads is a program that looks (kind), unless one of the options says that it
// changes something.
func reads(kind, changed string, changing ...string) sorter {
	return func(args []string, _ string) class {
		if hasFlag(args, changing...) {
			return change(changed)
		}
		return test(kind, args)
	}
}

// acts is a program that changes something, unless one of the options says that
// it only looks (kind; "" is no test).
func acts(changed, kind string, looking ...string) sorter {
	return func(args []string, _ string) class {
		switch {
		case !hasFlag(args, looking...):
			return change(changed)
		case kind == "":
			return class{}
		}
		return test(kind, args)
	}
}

// checks is a program that verifies a configuration of some families.
func checks(families ...string) sorter {
	return func(args []string, _ string) class { return test("config_check", args).shows(families...) }
}

// daemon is a server started by hand: options that verify its configuration are
// a test, those that print something are nothing, and the rest starts or steers
// it.
func daemon(families []string, verify ...string) sorter {
	return func(args []string, _ string) class {
		switch {
		case hasFlag(args, verify...):
			return test("config_check", args).shows(families...)
		case hasFlag(args, "-v", "-V", "-h", "-?"):
			return class{}
		}
		return change(changeService)
	}
}

// sshdExec: the daemon's own children, one per login ("-R", inetd's "-i"), carry
// its name; who logs in changes nothing.
func sshdExec(args []string, cwd string) class {
	if hasFlag(args, "-R", "-i") {
		return class{}
	}
	return daemon(nil, "-t", "-T")(args, cwd)
}

// programs is filled in init: some of its functions look into it.
var programs map[string]sorter

func init() {
	programs = map[string]sorter{
		"vtysh": vtyshExec, "psql": psqlExec, "ip": ipExec, "nft": nftExec,
		"iptables": iptablesExec, "ip6tables": iptablesExec, "iptables-legacy": iptablesExec, "ip6tables-legacy": iptablesExec,
		"iptables-nft": iptablesExec, "ip6tables-nft": iptablesExec, "arptables": iptablesExec, "ebtables": iptablesExec,
		"iptables-save": reads("firewall_rules", changeFile), "ip6tables-save": reads("firewall_rules", changeFile),
		"iptables-restore":  acts(changeRuntime, "config_check", "-t", "--test"),
		"ip6tables-restore": acts(changeRuntime, "config_check", "-t", "--test"),
		"conntrack":         conntrackExec, "sysctl": sysctlExec, "tc": tcExec, "bridge": tcExec, "ethtool": ethtoolExec,
		"mii-tool": reads("link_state", changeRuntime, "-r", "-R", "-F", "-A", "--restart", "--reset", "--force", "--advertise"),
		"ifconfig": ifconfigExec, "route": routeExec, "netstat": netstatExec,
		"arp":    reads("neighbour_table", changeRuntime, "-d", "-s", "-f", "--delete", "--set", "--file"),
		"ss":     reads("sockets", changeRuntime, "-K", "--kill"),
		"ifup":   acts(changeService, "", "-n", "--no-act"),
		"ifdown": acts(changeService, "", "-n", "--no-act"),
		"nmcli":  nmcliExec, "resolvectl": resolvectlExec, "resolvconf": acts(changeConfig, "config_read", "-l", "-i"),
		"systemd-resolve": acts(changeRuntime, "config_read", "--status", "--statistics"),
		"dig":             digExec, "delv": digExec, "kdig": digExec, "drill": digExec, "host": hostExec, "nslookup": hostExec,
		"curl": curlExec, "wget": curlExec, "openssl": opensslExec,
		"journalctl": journalctlExec, "dmesg": reads("log_read", changeData, "-C", "-c", "-n", "-D", "-E", "--clear", "--read-clear", "--console-level"),
		"logrotate": acts(changeData, "config_check", "-d", "--debug"),
		"date":      dateExec, "hostname": hostnameExec,
		"hwclock": reads("time_sync", changeConfig, "-w", "-s", "-a", "--set", "--hctosys", "--systohc", "--systz", "--adjust"),
		"ntpdate": acts(changeRuntime, "time_sync", "-q"), "chronyd": acts(changeRuntime, "time_sync", "-Q", "-p"),
		"mount": mountExec, "swapon": acts(changeRuntime, "disk_usage", "-s", "--show", "--summary"),
		"losetup": reads("disk_usage", changeRuntime, "-f", "-d", "-D", "-c", "--find", "--detach", "--detach-all", "--set-capacity"),
		"fdisk":   acts(changeData, "disk_usage", "-l", "--list"), "sfdisk": acts(changeData, "disk_usage", "-l", "-d", "--list", "--dump"),
		"parted": partedExec, "mdadm": acts(changeData, "disk_usage", "-D", "-E", "-Q", "--detail", "--examine", "--query"),
		"tune2fs": acts(changeData, "disk_usage", "-l"), "resize2fs": acts(changeData, "disk_usage", "-P"),
		"fsck": fsckExec, "e2fsck": fsckExec, "fsck.ext4": fsckExec, "xfs_repair": fsckExec,
		"badblocks": reads("disk_usage", changeData, "-w"), "debugfs": reads("disk_usage", changeData, "-w"),
		"smartctl": reads("disk_usage", changeConfig, "-s", "-o", "-S", "-X", "--smart", "--offlineauto", "--saveauto", "--set", "--abort"),
		"hdparm":   reads("disk_usage", changeConfig, "-S", "-B", "-W", "-y", "-Y", "-Z", "-a", "-A", "-M"),
		"lsattr":   reads("config_read", ""), "kill": killExec, "pkill": pkillExec, "killall": pkillExec, "skill": pkillExec,
		"fuser":   fuserExec,
		"crontab": acts(changeConfig, "config_read", "-l"), "at": acts(changeConfig, "", "-l", "-c"),
		"passwd": acts(changeAccount, "account_state", "-S", "-Sa", "--status"), "chage": acts(changeAccount, "account_state", "-l", "--list"),
		"useradd": acts(changeAccount, "", "-D", "--defaults"), "pdbedit": pdbeditExec,
		"faillock": reads("account_state", changeAccount, "--reset"), "pam_tally2": reads("account_state", changeAccount, "-r", "--reset"),
		"lastlog": reads("log_read", changeAccount, "-C", "-S", "--clear", "--set"), "faillog": reads("log_read", changeAccount, "-r", "-m", "-l", "--reset"),
		"visudo": acts(changeConfig, "config_check", "-c", "--check"), "auditctl": acts(changeConfig, "config_read", "-l", "-s"),
		"ldapmodify": acts(changeAccount, "", "-n"), "ldapadd": acts(changeAccount, "", "-n"), "ldapdelete": acts(changeAccount, "", "-n"),
		"ldapmodrdn": acts(changeAccount, "", "-n"), "smbcacls": reads("share_access", changeFile, "-a", "-D", "-M", "-S", "-C", "-G", "--add", "--delete", "--modify", "--set"),
		"exportfs": reads("share_access", changeRuntime, "-a", "-r", "-u", "-i", "-o"),
		"smbd":     daemon([]string{"disk"}), "nmbd": daemon([]string{"disk"}),
		"nginx": daemon([]string{"application"}, "-t", "-T"), "haproxy": daemon([]string{"application"}, "-c"),
		"apache2": daemon([]string{"application"}, "-t", "-S"), "sshd": sshdExec,
		"named": daemon([]string{"dns"}, "-t"), "dnsmasq": daemon([]string{"dhcp", "dns"}, "--test"),
		"kea-dhcp4": daemon([]string{"dhcp"}, "-t", "-T"), "dhcpd": daemon([]string{"dhcp"}, "-t", "-T"),
		"slapd": daemon([]string{"directory"}, "-T"), "ospfd": daemon([]string{"routing"}, "-C"), "zebra": daemon([]string{"routing"}, "-C"),
		"slaptest": checks("directory"), "testparm": checks("disk"), "named-checkconf": checks("dns"), "named-checkzone": checks("dns"),
		"unbound-checkconf": checks("dns"), "frr-reload.py": acts(changeConfig, "config_check", "--test"),
		"postconf": postconfExec, "postqueue": acts(changeData, "mail_queue", "-p", "-j"),
		"postmap": acts(changeConfig, "config_read", "-q", "-s"), "postalias": acts(changeConfig, "config_read", "-q", "-s"),
		"pg_restore": acts(changeData, "backup_check", "-l", "--list"), "pg_resetwal": acts(changeData, "", "-n", "--dry-run"),
		"pg_checksums": acts(changeData, "database_query", "-c", "--check"),
		"restic":       resticExec, "borg": resticExec, "samba-tool": sambaExec,
		"dpkg": acts(changePackage, "package_state", "-l", "-s", "-L", "-S", "-V", "-p", "-c", "-I", "-C", "--list", "--status", "--listfiles",
			"--search", "--verify", "--print-avail", "--contents", "--info", "--audit", "--get-selections", "--print-architecture"),
		"apt": aptExec, "apt-get": aptExec, "aptitude": aptExec,
		"update-alternatives": acts(changePackage, "", "--display", "--query", "--list", "--get-selections"),
		"shutdown":            acts(changeReboot, "", "-c", "--show"),
		"modprobe":            acts(changeRuntime, "", "-n", "--dry-run", "--show-depends", "-c", "--showconfig"),
		"systemd-tmpfiles":    acts(changeFile, "config_read", "--cat-config"),
		"nscd":                reads("service_state", changeService, "-i", "-K", "--invalidate", "--shutdown"),
		"smbcontrol":          smbcontrolExec, "getent": getentExec, "hostnamectl": hostnamectlExec, "pg_ctlcluster": pgCtlclusterExec,
		"firewall-cmd": firewallCmdExec, "dovecot": daemon([]string{"mail"}, "-n", "-a"),
		"sed": sedExec, "perl": perlExec, "awk": awkExec, "gawk": awkExec, "mawk": awkExec, "grep": grepExec, "egrep": grepExec,
		"fgrep": grepExec, "zgrep": grepExec, "find": findExec, "dd": ddExec, "tar": tarExec, "patch": patchExec,
	}
}

// ipObjects are iproute2's objects with their verbs in the order in which a
// shortened one is looked for (ip-address(8) and its source).
var ipObjects = []struct {
	name  string
	least int // letters
	kind  string
	verbs string
}{
	{"address", 1, "address_state", "add change chg replace delete show lst list flush save showdump restore"},
	{"link", 1, "link_state", "add set change replace delete show lst list xstats afstats property"},
	{"route", 1, "route_table", "list show lst get add delete change chg replace prepend append test flush save restore showdump"},
	{"rule", 2, "route_table", "list show lst save restore add delete flush"},
	{"neighbour", 1, "neighbour_table", "add change chg replace delete get show lst list flush"},
	{"neighbor", 1, "neighbour_table", "add change chg replace delete get show lst list flush"},
	{"maddress", 2, "address_state", "add delete show lst list"},
	{"tunnel", 1, "link_state", "add change delete show lst list"},
	{"netns", 4, "", "add delete set identify pids list exec monitor"},
}

// acting are verbs of iproute2 that change something.
var acting = set("add", "change", "chg", "replace", "delete", "prepend", "append", "flush", "restore", "set", "property")

func ipExec(args []string, _ string) class {
	if hasFlag(args, "-b", "-batch", "--batch") {
		return change(changeRuntime)
	}
	w := operands(args, "-n", "-netns", "-f", "-family", "-l", "-loops", "-rc", "-rcvbuf")
	if len(w) == 0 {
		return class{}
	}
	kind, verbs := "address_state", "add change replace delete set show list flush"
	for _, o := range ipObjects {
		if short(w[0], o.name, o.least) {
			kind, verbs = o.kind, o.verbs
			break
		}
	}
	if len(w) > 1 {
		for verb := range strings.SplitSeq(verbs, " ") {
			if !strings.HasPrefix(verb, w[1]) {
				continue
			}
			if acting[verb] {
				return change(changeRuntime)
			}
			break
		}
	}
	if kind == "" {
		return class{}
	}
	return test(kind, args)
}

// nftExec: commands come as words or as one argument with semicolons.
func nftExec(args []string, _ string) class {
	if hasLetter(args, "c", "fID") || hasFlag(args, "--check") {
		return test("config_check", nil).shows("firewall")
	}
	if hasLetter(args, "f", "ID") || hasFlag(args, "--file") {
		return change(changeRuntime)
	}
	var out class
	for s := range strings.SplitSeq(strings.Join(operands(args, "-I", "-D", "--includepath", "--define"), " "), ";") {
		w := strings.Fields(s)
		switch {
		case len(w) == 0:
		case w[0] == "list", w[0] == "monitor", w[0] == "describe":
			out = join(out, test("firewall_rules", nil))
		default:
			out = join(out, change(changeRuntime))
		}
	}
	return out
}

// iptablesExec: the command is one capital letter, often in a cluster (-nvL).
func iptablesExec(args []string, _ string) class {
	switch {
	case hasFlag(args, "--list", "--list-rules", "--check") && !hasFlag(args, "--zero"),
		hasLetter(args, "LSC", "tjmpsdio") && !hasLetter(args, "ADIRFZNXPE", "tjmpsdio"):
		return test("firewall_rules", nil)
	}
	return change(changeRuntime)
}

func conntrackExec(args []string, _ string) class {
	if hasFlag(args, "-D", "-F", "-U", "-I", "--delete", "--flush", "--update", "--create") {
		return change(changeRuntime)
	}
	return test("firewall_rules", nil)
}

func sysctlExec(args []string, _ string) class {
	keys := operands(args, "-r", "--pattern")
	if hasLetter(args, "wpf", "r") || hasFlag(args, "--write", "--load", "--system") {
		return change(changeRuntime)
	}
	net := len(keys) == 0 || hasLetter(args, "arA", "") || hasFlag(args, "--all", "--pattern")
	for _, k := range keys {
		if strings.Contains(k, "=") {
			return change(changeRuntime)
		}
		net = net || strings.HasPrefix(k, "net.") || strings.HasPrefix(k, "net/")
	}
	if !net {
		return test("kernel_setting", nil).shows()
	}
	return test("kernel_setting", nil)
}

// tcExec follows tc and bridge: object, verb.
func tcExec(args []string, _ string) class {
	w := operands(args, "-n", "-netns")
	if len(w) > 1 {
		for _, verb := range []string{"add", "append", "change", "replace", "delete", "set", "flush", "link"} {
			if short(w[1], verb, 1) && w[1] != "s" { // "s" is show
				return change(changeRuntime)
			}
		}
	}
	return test("link_state", nil)
}

// ethtoolChanges are ethtool's options that change something; all others look.
var ethtoolChanges = set("-s", "-A", "-C", "-E", "-f", "-G", "-K", "-L", "-N", "-U", "-X", "-r", "-W",
	"--change", "--pause", "--coalesce", "--change-eeprom", "--flash", "--set-ring", "--features", "--offload",
	"--set-channels", "--config-nfc", "--config-ntuple", "--rxfh", "--set-rxfh-indir", "--equal",
	"--negotiate", "--set-dump", "--set-eee", "--set-fec", "--set-priv-flags", "--set-phy-tunable", "--set-tunable",
	"--reset", "--set-module", "--cable-test")

func ethtoolExec(args []string, _ string) class {
	for _, a := range args {
		if ethtoolChanges[a] {
			return change(changeRuntime)
		}
	}
	return test("link_state", nil)
}

func ifconfigExec(args []string, _ string) class {
	if len(operands(args)) > 1 {
		return change(changeRuntime)
	}
	return test("address_state", nil)
}

func routeExec(args []string, _ string) class {
	if w := operands(args, "-A"); len(w) > 0 {
		return change(changeRuntime)
	}
	return test("route_table", nil)
}

func netstatExec(args []string, _ string) class {
	switch {
	case hasLetter(args, "r", "") || hasFlag(args, "--route"):
		return test("route_table", nil)
	case hasLetter(args, "i", "") || hasFlag(args, "--interfaces"):
		return test("link_state", nil)
	}
	return test("sockets", nil)
}

// nmcliExec: "connection show", "c up NAME", "dev disconnect eth0".
func nmcliExec(args []string, _ string) class {
	w := operands(args, "-f", "-g", "-m", "-c", "-e", "-w", "--fields", "--get-values", "--mode", "--colors", "--escape", "--wait")
	if len(w) > 1 {
		for verb := range strings.SplitSeq("up down add modify edit delete reload load import clone migrate connect disconnect set reapply on off", " ") {
			if w[1] == verb || short(w[1], verb, 3) {
				return change(changeRuntime)
			}
		}
		switch w[1] {
		case "hostname":
			if len(w) > 2 {
				return change(changeConfig)
			}
		case "wifi":
			if len(w) > 2 && (w[2] == "connect" || w[2] == "hotspot") {
				return change(changeRuntime)
			}
		}
		if short(w[0], "radio", 1) && len(w) > 2 {
			return change(changeRuntime)
		}
	}
	return test("address_state", nil)
}

func resolvectlExec(args []string, _ string) class {
	w := operands(args, "-i", "-p", "-t", "-c", "--interface", "--protocol", "--type", "--class")
	if len(w) == 0 {
		return test("config_read", nil).shows("dns")
	}
	switch w[0] {
	case "query", "service", "openpgp", "tlsa":
		return test("dns_query", nil)
	case "flush-caches", "reset-statistics", "reset-server-features", "revert":
		return change(changeRuntime)
	case "dns", "domain", "default-route", "llmnr", "mdns", "dnssec", "dnsovertls", "nta", "log-level":
		if len(w) > 2 || w[0] == "log-level" && len(w) > 1 {
			return change(changeRuntime)
		}
	}
	return test("config_read", nil).shows("dns")
}

// digExec points at the server asked ("@server"), else at the node's own.
func digExec(args []string, _ string) class {
	var servers []string
	for _, a := range args {
		if strings.HasPrefix(a, "@") {
			servers = append(servers, a)
		}
	}
	return test("dns_query", servers)
}

// getentExec asks the node's own resolver, or its accounts.
func getentExec(args []string, _ string) class {
	w := operands(args, "-s")
	switch {
	case len(w) == 0:
		return class{}
	case w[0] == "hosts" || strings.HasPrefix(w[0], "ahosts"):
		return test("dns_query", nil)
	case w[0] == "passwd", w[0] == "group", w[0] == "shadow", w[0] == "initgroups", w[0] == "netgroup":
		return test("account_state", nil)
	}
	return class{}
}

// hostExec: "host NAME SERVER".
func hostExec(args []string, _ string) class {
	w := operands(args, "-t", "-c", "-N", "-R", "-W", "-m")
	if len(w) > 1 {
		return test("dns_query", w[1:2])
	}
	return test("dns_query", nil)
}

// curlExec: a request that asks for a change is one, and so is a file written
// where it matters.
func curlExec(args []string, cwd string) class {
	c := test("http", operands(args, "-o", "-O", "-X", "-d", "-H", "-u", "-m", "-w", "-A", "-b", "-c", "-F", "-T", "--output",
		"--request", "--data", "--header", "--user", "--max-time", "--write-out", "--connect-timeout", "--cacert", "--method",
		"--header", "--timeout", "--tries"))
	url := strings.Join(c.args, " ")
	switch method := strings.ToUpper(flagValue(args, "-X", "--request", "--method")); {
	case method == "PUT", method == "DELETE", method == "PATCH":
		return change(changeData)
	case method == "POST" && (strings.Contains(url, "reload") || strings.Contains(url, "quit") || strings.Contains(url, "restart")):
		return change(changeService)
	}
	if out := flagValue(args, "-o", "--output", "--output-document"); out != "" {
		c.change = written(paths([]string{out}, cwd)).change
	} else if out := flagValue(args, "-O"); out != "" {
		c.change = written(paths([]string{out}, "")).change // curl's -O has no value: a URL is no path
	}
	return c
}

func opensslExec(args []string, cwd string) class {
	if len(args) == 0 {
		return class{}
	}
	if out := flagValue(args, "-out", "-keyout"); out != "" {
		if c := written(paths([]string{out}, cwd)); c.change != "" {
			return c
		}
	}
	switch args[0] {
	case "s_client", "x509", "verify", "crl", "ocsp":
		return test("tls_inspection", args[1:])
	}
	return class{}
}

func journalctlExec(args []string, _ string) class {
	if hasFlag(args, "--rotate", "--vacuum-size", "--vacuum-time", "--vacuum-files", "--flush", "--relinquish-var",
		"--smart-relinquish-var", "--setup-keys", "--update-catalog") {
		return change(changeData)
	}
	c := test("log_read", nil)
	if u := flagValue(args, "-u", "--unit", "-t", "--identifier"); u != "" {
		c.families = unitFamilies([]string{u})
	}
	return c
}

// dateExec: setting the clock, by option or by a bare number.
func dateExec(args []string, _ string) class {
	if hasFlag(args, "-s", "--set") {
		return change(changeConfig)
	}
	for _, w := range operands(args, "-d", "-f", "-r", "--date", "--file", "--reference") {
		if !strings.HasPrefix(w, "+") {
			return change(changeConfig)
		}
	}
	return class{}
}

func hostnameExec(args []string, _ string) class {
	if hasFlag(args, "-F", "-b", "--file", "--boot") || len(operands(args)) > 0 {
		return change(changeConfig)
	}
	return class{}
}

// hostnamectlExec: "hostname" alone shows, with a name it sets.
func hostnamectlExec(args []string, _ string) class {
	w := operands(args)
	if len(w) == 0 || w[0] == "status" || len(w) == 1 && !strings.HasPrefix(w[0], "set-") {
		return test("config_read", nil).shows()
	}
	return change(changeConfig)
}

// pgCtlclusterExec: "VERSION NAME ACTION".
func pgCtlclusterExec(args []string, _ string) class {
	if w := operands(args); len(w) > 2 && w[2] == "status" {
		return test("service_state", nil).shows("service", "database")
	}
	return change(changeService)
}

func firewallCmdExec(args []string, _ string) class {
	for _, a := range args {
		for _, p := range []string{"--add", "--remove", "--reload", "--complete-reload", "--set", "--new", "--delete", "--change", "--panic-o",
			"--runtime-to", "--load"} {
			if strings.HasPrefix(a, p) {
				return change(changeRuntime)
			}
		}
	}
	return test("firewall_rules", nil)
}

func mountExec(args []string, _ string) class {
	if hasFlag(args, "-a", "--all") || len(operands(args, "-t", "-O", "--types", "--test-opts")) > 0 {
		return change(changeRuntime)
	}
	return test("disk_usage", nil)
}

func partedExec(args []string, _ string) class {
	w := operands(args)
	if hasFlag(args, "-l", "--list") || len(w) < 2 || w[1] == "print" || w[1] == "p" {
		return test("disk_usage", nil)
	}
	return change(changeData)
}

func fsckExec(args []string, _ string) class {
	if hasLetter(args, "nN", "tCbBLEj") {
		return test("disk_usage", nil)
	}
	return change(changeData)
}

func killExec(args []string, _ string) class {
	if hasFlag(args, "-l", "-L", "--list", "--table") || flagValue(args, "-s", "--signal") == "0" || len(args) > 0 && args[0] == "-0" {
		return class{}
	}
	c := change(changeKill)
	c.victims = &victims{pids: operands(args, "-s", "--signal", "-n", "-q")}
	return c
}

func pkillExec(args []string, _ string) class {
	if hasFlag(args, "-l", "--list", "-0") {
		return class{}
	}
	c := change(changeKill)
	if w := operands(args, "-s", "-u", "-U", "-g", "-G", "-P", "-t", "-y", "--signal", "--euid", "--uid", "--parent", "--terminal", "--user"); len(w) > 0 {
		c.victims = &victims{names: w, full: hasLetter(args, "f", "") || hasFlag(args, "--full")}
	}
	return c
}

func fuserExec(args []string, _ string) class {
	if hasLetter(args, "k", "") || hasFlag(args, "--kill") {
		return change(changeKill)
	}
	return test("open_files", nil)
}

func pdbeditExec(args []string, _ string) class {
	if hasLetter(args, "axrcz", "u") || hasFlag(args, "--create", "--delete", "--modify", "--account-policy", "--import") {
		return change(changeAccount)
	}
	return test("account_state", nil)
}

func postconfExec(args []string, _ string) class {
	if hasLetter(args, "e#X", "c") {
		return change(changeConfig)
	}
	for _, w := range operands(args, "-c") {
		if strings.Contains(w, "=") {
			return change(changeConfig)
		}
	}
	return test("config_read", nil).shows("mail")
}

// resticExec sorts restic and borg: the verb may come after options with values.
func resticExec(args []string, _ string) class {
	w := operands(args, "-r", "--repo", "-p", "--password-file", "--password-command", "-o", "--option", "--cache-dir", "--tag", "--host", "-H", "--path")
	if len(w) == 0 {
		return class{}
	}
	switch w[0] {
	case "snapshots", "check", "ls", "stats", "find", "diff", "cat", "info":
		return test("backup_check", nil)
	case "list":
		return test("backup_check", nil)
	case "key":
		if len(w) > 1 && w[1] == "list" {
			return test("backup_check", nil)
		}
		return change(changeData)
	case "forget", "prune", "init", "rewrite", "repair", "rebuild-index", "recover", "unlock", "migrate", "tag", "copy",
		"delete", "compact", "recreate":
		return change(changeData)
	case "restore", "extract":
		return written(paths([]string{flagValue(args, "-t", "--target")}, ""))
	}
	return class{} // a backup made beforehand is a safeguard
}

// sambaVerbs are the words by which samba-tool only looks.
var sambaReads = set("list", "show", "listmembers", "getgroups", "info", "query", "zonelist", "zoneinfo", "serverinfo",
	"showrepl", "uptodateness", "get", "testparm", "processes", "time", "visualize", "getpassword", "cmp", "check", "status")

var sambaChanges = set("create", "add", "delete", "disable", "enable", "setpassword", "password", "setexpiry", "unlock",
	"addmembers", "removemembers", "move", "rename", "edit", "set", "replicate", "kcc", "transfer", "seize", "sysvolreset",
	"update", "join", "leave", "demote", "provision", "raise", "zonecreate", "zonedelete", "setprimarygroup", "addunixattrs",
	"del", "setlink", "dellink", "setoptions", "setantivirus", "backup", "upgrade")

func sambaExec(args []string, _ string) class {
	w := operands(args, "-H", "-U", "-s", "-d", "--username", "--URL", "--configfile")
	if len(w) > 0 && w[0] == "dbcheck" {
		if hasFlag(args, "--fix") {
			return change(changeAccount)
		}
		return test("account_state", nil)
	}
	for _, x := range w {
		switch {
		case sambaReads[x]:
			return test("account_state", nil)
		case sambaChanges[x]:
			return change(changeAccount)
		}
	}
	return class{}
}

// aptExec: fetching lists and pretending change nothing.
func aptExec(args []string, _ string) class {
	if hasFlag(args, "-s", "--simulate", "--dry-run", "--just-print", "--no-act", "--recon") {
		return class{}
	}
	w := operands(args, "-o", "-c", "-t", "--option", "--target-release")
	if len(w) == 0 {
		return class{}
	}
	switch w[0] {
	case "list", "policy", "show", "search", "depends", "rdepends", "showsrc", "why", "why-not", "versions":
		return test("package_state", nil)
	case "install", "reinstall", "remove", "purge", "upgrade", "full-upgrade", "dist-upgrade", "safe-upgrade", "autoremove",
		"autopurge", "build-dep", "satisfy", "edit-sources", "hold", "unhold", "markauto", "unmarkauto":
		return change(changePackage)
	}
	return class{}
}

func smbcontrolExec(args []string, _ string) class {
	w := operands(args, "-s", "-t")
	if len(w) > 1 {
		switch w[1] {
		case "ping", "debuglevel", "poolusage", "profilelevel", "ringbuf-log":
			return test("service_state", nil).shows("service", "disk")
		}
	}
	return change(changeService)
}
