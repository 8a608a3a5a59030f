package check

// This file is data: what a command is. It is read by commands.go.

// Scopes of a test: where it must point to be relevant.
const (
	scopeLocal  = "local"  // the state of the node it runs on
	scopeRemote = "remote" // what its arguments name
)

// testKind is a kind of test. families are the families of causes
// (grader/criteria) that it would show; a test that shows some and not all
// separates two causes.
type testKind struct {
	scope    string
	families []string
}

var testKinds = map[string]testKind{
	"link_state":       {scopeLocal, []string{"link"}},
	"address_state":    {scopeLocal, []string{"addressing", "dhcp", "link"}},
	"route_table":      {scopeLocal, []string{"routing", "addressing"}},
	"neighbour_table":  {scopeLocal, []string{"link", "addressing"}},
	"arp_probe":        {scopeRemote, []string{"link", "addressing"}},
	"routing_protocol": {scopeLocal, []string{"routing", "link"}},
	"routing_config":   {scopeLocal, []string{"routing"}},
	"reachability":     {scopeRemote, []string{"link", "addressing", "routing", "firewall", "operator"}},
	"path":             {scopeRemote, []string{"link", "routing", "firewall", "operator"}},
	"port":             {scopeRemote, []string{"link", "routing", "firewall", "service", "operator"}},
	"http":             {scopeRemote, []string{"link", "routing", "firewall", "service", "application", "tls", "dns"}},
	"dns_query":        {scopeRemote, []string{"dns", "routing", "firewall"}},
	"directory_query":  {scopeRemote, []string{"directory", "account", "tls", "routing", "firewall"}},
	"share_access":     {scopeRemote, []string{"disk", "account", "routing", "firewall", "service"}},
	"mail_test":        {scopeRemote, []string{"mail", "routing", "firewall", "tls"}},
	"tls_inspection":   {scopeRemote, []string{"tls", "routing", "firewall"}},
	"database_query":   {scopeLocal, []string{"database", "application"}},
	"capture":          {scopeLocal, []string{"link", "addressing", "dhcp", "routing", "firewall", "operator"}},
	"sockets":          {scopeLocal, []string{"service"}},
	"service_state":    {scopeLocal, []string{"service", "application"}},
	"log_read":         {scopeLocal, []string{"service", "routing", "dns", "dhcp", "directory", "mail", "database", "application", "backup", "tls", "log"}},
	"config_read":      {scopeLocal, []string{"routing", "addressing", "firewall", "dns", "dhcp", "service", "backup", "application"}},
	"config_check":     {scopeLocal, []string{"service", "dns", "dhcp", "routing", "firewall"}},
	"firewall_rules":   {scopeLocal, []string{"firewall"}},
	"kernel_setting":   {scopeLocal, []string{"routing"}},
	"disk_usage":       {scopeLocal, []string{"disk", "log"}},
	"open_files":       {scopeLocal, []string{"disk"}},
	"processes":        {scopeLocal, []string{"service", "application"}},
	"time_sync":        {scopeLocal, []string{"monitoring"}},
	"mail_queue":       {scopeLocal, []string{"mail"}},
	"backup_check":     {scopeLocal, []string{"backup"}},
	"account_state":    {scopeLocal, []string{"account", "directory"}},
}

// Kinds of change.
const (
	changeConfig  = "configuration"
	changeSave    = "save" // a running configuration written to disk
	changeService = "service"
	changeReboot  = "reboot"
	changeFile    = "file"
	changeRuntime = "runtime" // kernel state: addresses, routes, rules
	changeData    = "data"
	changeAccount = "account"
	changePackage = "package"
	changeKill    = "kill"
)

// wrappers execute something else, which is recorded on its own.
var wrappers = set("sudo", "su", "runuser", "ssh", "sh", "bash", "dash", "env", "nohup", "timeout",
	"time", "nice", "ionice", "setsid", "stdbuf", "script", "tmux", "screen", "xargs", "watch",
	"expect", "unbuffer", "parallel", "service", "invoke-rc.d", "situ", "systemd-run", "nsenter",
	"unshare", "chroot", "flock", "command", "exec", "doas")

// plainTests are programs that only look, whatever their arguments.
var plainTests = map[string]string{
	"ping": "reachability", "ping4": "reachability", "ping6": "reachability", "fping": "reachability",
	"traceroute": "path", "tracepath": "path", "mtr": "path", "tcptraceroute": "path",
	"arping": "arp_probe", "nmap": "port", "nc": "port", "ncat": "port", "netcat": "port", "telnet": "port",
	"curl": "http", "wget": "http", "ab": "http",
	"dig": "dns_query", "host": "dns_query", "nslookup": "dns_query", "drill": "dns_query", "kdig": "dns_query",
	"ldapsearch": "directory_query", "ldapwhoami": "directory_query", "ldapcompare": "directory_query",
	"smbclient": "share_access", "swaks": "mail_test",
	"pg_isready": "database_query", "tcpdump": "capture", "tshark": "capture", "dumpcap": "capture",
	"ss": "sockets", "lsof": "open_files", "fuser": "open_files",
	"df": "disk_usage", "du": "disk_usage", "ncdu": "disk_usage", "lsblk": "disk_usage", "findmnt": "disk_usage",
	"ps": "processes", "top": "processes", "htop": "processes", "pgrep": "processes", "pstree": "processes",
	"dmesg": "log_read", "lastlog": "log_read", "last": "log_read",
	"postqueue": "mail_queue", "mailq": "mail_queue", "qshape": "mail_queue",
	"testparm": "config_check", "named-checkconf": "config_check", "named-checkzone": "config_check",
	"visudo": "config_check", "id": "account_state", "wbinfo": "account_state", "chage": "account_state",
	"resolvconf": "config_read", "vmstat": "processes", "iostat": "processes", "sar": "processes",
}

// plainChanges are programs that always change state.
var plainChanges = map[string]string{
	"reboot": changeReboot, "poweroff": changeReboot, "halt": changeReboot, "shutdown": changeReboot,
	"telinit": changeReboot, "init": changeReboot,
	"ifup": changeService, "ifdown": changeService, "dhclient": changeRuntime,
	"kill": changeKill, "pkill": changeKill, "killall": changeKill,
	"iptables-restore": changeRuntime, "ip6tables-restore": changeRuntime,
	"useradd": changeAccount, "userdel": changeAccount, "usermod": changeAccount, "groupadd": changeAccount,
	"groupmod": changeAccount, "groupdel": changeAccount, "gpasswd": changeAccount, "passwd": changeAccount,
	"chpasswd": changeAccount, "adduser": changeAccount, "deluser": changeAccount, "smbpasswd": changeAccount,
	"ldapmodify": changeAccount, "ldapadd": changeAccount, "ldapdelete": changeAccount, "ldappasswd": changeAccount,
	"slapadd": changeData, "slapmodify": changeData,
	"postsuper": changeData, "pg_restore": changeData, "pg_resetwal": changeData, "createdb": changeData,
	"dropdb": changeData, "umount": changeRuntime, "swapon": changeRuntime, "swapoff": changeRuntime,
	"update-ca-certificates": changeConfig, "newaliases": changeConfig, "postmap": changeConfig,
	"frr-reload.py": changeConfig, "frrinit.sh": changeService, "update-rc.d": changeService,
	"mkfs": changeData, "mkfs.ext4": changeData, "fsck": changeData, "resize2fs": changeData, "tune2fs": changeData,
	"update-alternatives": changePackage, "dpkg-reconfigure": changePackage,
}

// subcommand describes programs whose first words decide. tests and changes
// list the deciding words; the first argument that is no option is compared.
type subcommand struct {
	tests   map[string]string
	changes map[string]string
	// bare is the kind of test when there is no deciding word at all.
	bare string
	// otherwise is the kind of change for any other word; empty means none.
	otherwise string
}

var subcommands = map[string]subcommand{
	"systemctl": {
		tests: same("service_state", "status", "show", "is-active", "is-enabled", "is-failed", "list-units",
			"list-unit-files", "list-timers", "list-sockets", "list-dependencies", "cat", "is-system-running"),
		changes: merge(same(changeService, "start", "stop", "restart", "reload", "try-restart", "reload-or-restart",
			"try-reload-or-restart", "enable", "disable", "reenable", "mask", "unmask", "isolate", "kill",
			"daemon-reload", "daemon-reexec", "set-property", "revert", "preset", "link", "add-wants", "reset-failed"),
			same(changeReboot, "reboot", "poweroff", "halt", "kexec", "rescue", "emergency")),
		bare: "service_state",
	},
	"networkctl": {
		tests:   same("address_state", "status", "list", "lldp", "label"),
		changes: same(changeRuntime, "up", "down", "renew", "forcerenew", "reconfigure", "reload", "delete"),
		bare:    "address_state",
	},
	"resolvectl": {
		tests: merge(same("dns_query", "query", "service"), same("config_read", "status", "statistics", "dns", "domain")),
		bare:  "config_read", changes: same(changeRuntime, "flush-caches", "revert", "reset-statistics"),
	},
	"nft": {
		tests: same("firewall_rules", "list", "monitor"), otherwise: changeRuntime,
	},
	"rndc": {
		tests: same("service_state", "status", "zonestatus", "dumpdb", "stats"), otherwise: changeService,
	},
	"chronyc": {
		tests:     same("time_sync", "sources", "tracking", "sourcestats", "activity", "ntpdata", "clients"),
		otherwise: changeRuntime,
	},
	"timedatectl": {tests: same("time_sync", "status", "show", "timesync-status"), bare: "time_sync", otherwise: changeConfig},
	"apt":         {tests: same("service_state", "list", "policy", "show", "search"), otherwise: changePackage},
	"apt-get":     {changes: same(changePackage, "install", "remove", "purge", "upgrade", "dist-upgrade", "autoremove")},
	"postfix":     {tests: same("config_check", "check", "status"), otherwise: changeService},
	"doveadm":     {tests: same("service_state", "who", "log", "mailbox"), otherwise: changeAccount},
	"restic": {
		tests:   same("backup_check", "snapshots", "check", "ls", "stats", "find", "diff", "list"),
		changes: same(changeData, "forget", "prune", "init", "key", "rewrite", "repair", "unlock"),
	},
	"samba-tool":  {tests: same("account_state", "list", "show"), otherwise: changeAccount},
	"promtool":    {tests: same("config_check", "check", "query", "test")},
	"amtool":      {tests: same("config_check", "check-config", "alert"), changes: same(changeRuntime, "silence")},
	"loginctl":    {tests: same("processes", "list-sessions", "user-status"), bare: "processes"},
	"hostnamectl": {tests: same("config_read", "status"), bare: "config_read", otherwise: changeConfig},
	"brctl":       {tests: same("link_state", "show"), otherwise: changeRuntime},
	"bridge":      {tests: same("link_state", "link", "fdb", "vlan")},
	"getent": {tests: merge(same("dns_query", "hosts", "ahosts", "ahostsv4"),
		same("account_state", "passwd", "group", "shadow"))},
	"openssl": {tests: same("tls_inspection", "s_client", "x509", "verify", "crl")},
}

// writers change the files named in their arguments: for "last" the last one
// (a destination), for "all" every path.
var writers = map[string]string{
	"cp": "last", "mv": "last", "install": "last", "ln": "last", "rsync": "last", "scp": "last",
	"rm": "all", "rmdir": "all", "tee": "all", "truncate": "all", "touch": "all", "mkdir": "all",
	"chmod": "all", "chown": "all", "chgrp": "all", "setfacl": "all", "patch": "all", "unlink": "all",
	"dd": "all", "shred": "all",
}

// readers look at files: under /var/log a log, under /etc a configuration.
var readers = set("cat", "less", "more", "head", "tail", "grep", "egrep", "zgrep", "zcat", "zless", "diff",
	"cmp", "awk", "cut", "sort", "wc", "view", "batcat", "stat", "ls", "find", "sdiff", "nl", "tac", "xxd")

// harmless are places where writing is no change of the system.
var harmless = []string{"/home/", "/root/", "/tmp/", "/var/tmp/", "/dev/", "/run/sudo", "/run/user/", "/run/tmux",
	"/run/screen", "/var/lib/sudo", "/var/backups/", "/var/log/", "/var/cache/man"}

// safeguard endings mark a copy kept aside before a change.
var safeguardEndings = []string{".bak", ".old", ".orig", ".save", ".sauv", ".backup", ".avant", "~", ".swp", ".dpkg-old"}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

func same(kind string, words ...string) map[string]string {
	m := make(map[string]string, len(words))
	for _, w := range words {
		m[w] = kind
	}
	return m
}

func merge(maps ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range maps {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}
