package check

import "github.com/situlab/situlab/grader/evidence"

// This file is data: what a command is, and what a test shows.

// Scopes of a test: where it must point to be relevant.
const (
	scopeLocal  = "local"  // the state of the node it runs on
	scopeRemote = "remote" // what its arguments name
)

// testKind is a kind of test. families are the families of causes
// (grader/criteria) that it would show, wherever it is made; which of them can
// lie where it looks is a matter of familyPlaces.
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
	"routing_protocol": {scopeLocal, []string{"routing", "link", "operator"}},
	"routing_config":   {scopeLocal, []string{"routing"}},
	"reachability":     {scopeRemote, []string{"link", "addressing", "routing", "firewall", "operator"}},
	"path":             {scopeRemote, []string{"link", "routing", "firewall", "operator"}},
	"port":             {scopeRemote, []string{"link", "routing", "firewall", "service", "operator"}},
	"http":             {scopeRemote, []string{"link", "routing", "firewall", "service", "application", "tls", "dns", "operator"}},
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
	"config_read":      {scopeLocal, nil},
	"config_check":     {scopeLocal, nil},
	"firewall_rules":   {scopeLocal, []string{"firewall"}},
	"kernel_setting":   {scopeLocal, []string{"routing"}},
	"disk_usage":       {scopeLocal, []string{"disk", "log"}},
	"open_files":       {scopeLocal, []string{"disk"}},
	"processes":        {scopeLocal, []string{"service", "application"}},
	"load":             {scopeLocal, []string{"application", "disk"}},
	"time_sync":        {scopeLocal, []string{"monitoring"}},
	"mail_queue":       {scopeLocal, []string{"mail"}},
	"backup_check":     {scopeLocal, []string{"backup"}},
	"account_state":    {scopeLocal, []string{"account", "directory"}},
	"package_state":    {scopeLocal, []string{"service"}},
}

// familyPlaces say where on the chain between users and their services a cause
// of a family lies when it takes a service away from them. A full disk of a
// router, say, does not.
var familyPlaces = map[string][]string{
	"link":        {evidence.PlacePost, evidence.PlacePath, evidence.PlaceServer},
	"addressing":  {evidence.PlacePost, evidence.PlacePath, evidence.PlaceServer},
	"dhcp":        {evidence.PlacePost, evidence.PlacePath, evidence.PlaceServer},
	"dns":         {evidence.PlacePost, evidence.PlaceServer},
	"routing":     {evidence.PlacePath},
	"firewall":    {evidence.PlacePath, evidence.PlaceServer},
	"operator":    {evidence.PlacePath},
	"service":     {evidence.PlacePath, evidence.PlaceServer},
	"directory":   {evidence.PlaceServer},
	"tls":         {evidence.PlaceServer},
	"mail":        {evidence.PlaceServer},
	"disk":        {evidence.PlaceServer},
	"log":         {evidence.PlaceServer},
	"database":    {evidence.PlaceServer},
	"application": {evidence.PlaceServer},
	"backup":      {evidence.PlaceServer},
	"account":     {evidence.PlaceServer},
	"monitoring":  {evidence.PlaceServer},
}

// daemons are units, and the families that their state and their log tell of.
// Those that no user's service hangs on tell nothing.
var daemons = map[string][]string{
	"frr": {"service", "routing"}, "zebra": {"service", "routing"}, "ospfd": {"service", "routing"}, "staticd": {"routing"},
	"watchfrr": {"service", "routing"}, "bgpd": {"service", "routing"}, "bird": {"service", "routing"},
	"nftables": {"firewall"}, "iptables": {"firewall"}, "netfilter-persistent": {"firewall"}, "ufw": {"firewall"},
	"systemd-networkd": {"addressing", "link", "dhcp"}, "networking": {"addressing", "link", "dhcp"},
	"NetworkManager": {"addressing", "link", "dhcp"}, "ifup": {"addressing", "link", "dhcp"}, "dhclient": {"dhcp", "addressing"},
	"dnsmasq": {"service", "dhcp", "dns"}, "isc-dhcp-relay": {"dhcp"}, "isc-dhcp-server": {"service", "dhcp"}, "dhcrelay": {"dhcp"},
	"kea-dhcp4-server": {"service", "dhcp"}, "kea-dhcp4": {"service", "dhcp"},
	"named": {"service", "dns"}, "bind9": {"service", "dns"}, "unbound": {"service", "dns"}, "systemd-resolved": {"dns"},
	"slapd": {"service", "directory"}, "nslcd": {"directory", "account"}, "sssd": {"directory", "account"}, "nscd": {"directory"},
	"smbd": {"service", "disk", "account"}, "nmbd": {"service"}, "winbind": {"directory"},
	"postgresql": {"service", "database"}, "vulcain": {"service", "application"}, "nginx": {"service", "application", "tls"},
	"apache2": {"service", "application", "tls"}, "postfix": {"service", "mail"}, "dovecot": {"service", "mail"},
	"systemd-sysctl": {"routing"}, "systemd-udevd": {"link"}, "kernel": {"link"},
	"cron": {}, "anacron": {}, "ssh": {}, "sshd": {}, "sudo": {}, "dbus": {}, "rsyslog": {}, "rsyslogd": {}, "systemd-journald": {},
	"systemd-logind": {}, "getty": {}, "chrony": {}, "chronyd": {}, "systemd-timesyncd": {}, "ntp": {}, "unattended-upgrades": {},
	"apt-daily": {}, "apt-daily-upgrade": {}, "logrotate": {}, "man-db": {}, "polkit": {}, "systemd-tmpfiles-clean": {},
	"prometheus": {}, "prometheus-alertmanager": {}, "prometheus-blackbox-exporter": {}, "prometheus-node-exporter": {},
	"smartd": {}, "smartmontools": {}, "auditd": {}, "atd": {}, "e2scrub_all": {}, "fstrim": {},
}

// idleLogs are logs that tell of no service; all others may.
var idleLogs = []string{"/var/log/apt", "/var/log/dpkg", "/var/log/alternatives", "/var/log/unattended-upgrades", "/var/log/installer",
	"/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog", "/var/log/auth.log", "/var/log/bootstrap"}

// configFiles are files and directories by whose content families are told, the
// narrower first. The last line is any other configuration.
var configFiles = []struct {
	prefix   string
	families []string
}{
	{"/etc/frr", []string{"routing"}}, {"/etc/bird", []string{"routing"}}, {"/etc/iproute2", []string{"routing"}},
	{"/etc/sysctl", []string{"routing"}}, {"/usr/lib/sysctl.d", []string{"routing"}},
	{"/etc/nftables", []string{"firewall"}}, {"/etc/iptables", []string{"firewall"}}, {"/etc/ufw", []string{"firewall"}},
	{"/etc/systemd/network", []string{"addressing", "link", "dhcp"}}, {"/run/systemd/network", []string{"addressing", "link", "dhcp"}},
	{"/etc/network", []string{"addressing", "link", "dhcp"}}, {"/etc/netplan", []string{"addressing", "link", "dhcp"}},
	{"/etc/NetworkManager", []string{"addressing", "link", "dhcp"}},
	{"/etc/dhcp", []string{"dhcp"}}, {"/etc/kea", []string{"dhcp"}}, {"/var/lib/kea", []string{"dhcp", "addressing"}},
	{"/var/lib/dhcp", []string{"dhcp", "addressing"}}, {"/run/systemd/netif", []string{"dhcp", "addressing"}},
	{"/etc/dnsmasq", []string{"dhcp", "dns"}}, {"/etc/default/isc-dhcp", []string{"dhcp"}},
	{"/etc/resolv.conf", []string{"dns"}}, {"/etc/hosts", []string{"dns"}}, {"/etc/nsswitch.conf", []string{"dns", "directory"}},
	{"/etc/bind", []string{"dns"}}, {"/var/cache/bind", []string{"dns"}}, {"/var/lib/bind", []string{"dns"}}, {"/etc/unbound", []string{"dns"}},
	{"/etc/ldap", []string{"directory"}}, {"/etc/nslcd.conf", []string{"directory", "account"}}, {"/etc/sssd", []string{"directory", "account"}},
	{"/etc/pam", []string{"account"}}, {"/etc/passwd", []string{"account"}}, {"/etc/group", []string{"account"}}, {"/etc/shadow", []string{"account"}},
	{"/etc/sudoers", []string{"account"}}, {"/etc/ssl", []string{"tls"}}, {"/etc/letsencrypt", []string{"tls"}},
	{"/etc/postfix", []string{"mail"}}, {"/etc/dovecot", []string{"mail"}}, {"/etc/aliases", []string{"mail"}},
	{"/etc/postgresql", []string{"database"}}, {"/etc/vulcain", []string{"application", "database"}},
	{"/etc/nginx", []string{"application", "tls"}}, {"/etc/apache2", []string{"application", "tls"}}, {"/var/www", []string{"application"}},
	{"/etc/samba", []string{"disk", "account"}}, {"/etc/exports", []string{"disk", "account"}}, {"/etc/fstab", []string{"disk"}},
	{"/proc/mounts", []string{"disk"}}, {"/proc/mdstat", []string{"disk"}}, {"/etc/logrotate", []string{"log"}},
	{"/etc/systemd/system", []string{"service"}}, {"/lib/systemd/system", []string{"service"}}, {"/usr/lib/systemd/system", []string{"service"}},
	{"/etc/default", []string{"service"}}, {"/etc/prometheus", []string{"monitoring"}}, {"/etc/chrony", []string{"monitoring"}},
	{"/etc/", nil},
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

// shells run what is typed or written for them.
var shells = set("sh", "bash", "dash", "zsh", "ksh", "busybox")

// inert are programs that can change nothing outside their output.
var inert = set("true", "false", "echo", "printf", "test", "[", "sleep", "seq", "tr", "basename", "dirname", "mktemp", "uname", "whoami",
	"who", "w", "uptime", "clear", "tput", "stty", "reset", "locale", "yes", "rev", "paste", "comm", "join", "expr", "bc", "tty", "which",
	"man", "info", "whatis", "apropos", "nproc", "lscpu", "lsmod", "modinfo", "getconf", "env", "printenv", "dircolors", "lesspipe", "mesg",
	"less", "vim", "vi", "nano", "emacs", "ed", "vtysh", "psql", "pg_dump", "pg_dumpall", "logger", "wall", "write", "history", "groff", "pager",
	"run-parts", "cal", "ssh-keygen", "ssh-keyscan", "ssh-agent", "ssh-add", "sshd", "sftp-server", "login", "agetty", "sftp")

// plainTests are programs that only look, whatever their arguments.
var plainTests = map[string]string{
	"ping": "reachability", "ping4": "reachability", "ping6": "reachability", "fping": "reachability", "iperf3": "reachability",
	"traceroute": "path", "traceroute6": "path", "tracepath": "path", "mtr": "path", "tcptraceroute": "path",
	"arping": "arp_probe", "arp-scan": "arp_probe", "ndisc6": "arp_probe",
	"nmap": "port", "nc": "port", "ncat": "port", "netcat": "port", "telnet": "port", "socat": "port", "snmpget": "port", "snmpwalk": "port",
	"ab": "http", "httping": "http", "links": "http", "lynx": "http",
	"ldapsearch": "directory_query", "ldapwhoami": "directory_query", "ldapcompare": "directory_query",
	"smbclient": "share_access", "smbstatus": "share_access", "showmount": "share_access", "rpcinfo": "port", "swaks": "mail_test",
	"pg_isready": "database_query", "pg_lsclusters": "database_query", "pg_controldata": "database_query", "pg_waldump": "database_query",
	"tcpdump": "capture", "tshark": "capture", "dumpcap": "capture",
	"lsof": "open_files", "nstat": "link_state", "lldpctl": "link_state",
	"df": "disk_usage", "du": "disk_usage", "ncdu": "disk_usage", "lsblk": "disk_usage", "findmnt": "disk_usage", "blkid": "disk_usage",
	"dumpe2fs": "disk_usage", "xfs_info": "disk_usage", "lvs": "disk_usage", "vgs": "disk_usage", "pvs": "disk_usage",
	"lvdisplay": "disk_usage", "vgdisplay": "disk_usage", "pvdisplay": "disk_usage", "quota": "disk_usage", "repquota": "disk_usage",
	"ps": "processes", "top": "processes", "htop": "processes", "pgrep": "processes", "pidof": "processes", "pstree": "processes",
	"systemd-cgls": "processes", "systemd-cgtop": "processes", "lslocks": "processes",
	"vmstat": "load", "iostat": "load", "iotop": "load", "sar": "load", "mpstat": "load", "free": "load",
	"last": "log_read", "lastb": "log_read", "mailq": "mail_queue", "qshape": "mail_queue", "postcat": "mail_queue",
	"id": "account_state", "groups": "account_state", "wbinfo": "account_state", "klist": "account_state", "getfacl": "account_state",
	"doveconf": "config_read", "ifquery": "address_state", "dhcping": "port", "ntpq": "time_sync", "ntpstat": "time_sync",
	"slapcat": "directory_query", "apt-cache": "package_state", "dpkg-query": "package_state", "nfsstat": "share_access",
	"aa-status": "config_read", "getenforce": "config_read", "atq": "config_read",
}

// optionValues are the options with a value of tests through the network: the
// value is not what the test is aimed at.
var optionValues = map[string][]string{
	"ping":       {"-c", "-i", "-I", "-l", "-m", "-M", "-p", "-Q", "-s", "-S", "-t", "-T", "-w", "-W"},
	"traceroute": {"-f", "-g", "-i", "-m", "-N", "-p", "-q", "-s", "-t", "-w", "-z"},
	"mtr":        {"-a", "-c", "-f", "-i", "-I", "-m", "-o", "-P", "-s"},
	"arping":     {"-c", "-i", "-I", "-s", "-S", "-w", "-W"},
	"nc":         {"-i", "-p", "-s", "-w", "-q", "-X", "-x", "-O", "-T"},
	"nmap":       {"-p", "-e", "-S", "-iL", "-oN", "-oX", "-oG", "-oA", "--script", "-T", "--top-ports", "--max-retries"},
	"ldapsearch": {"-b", "-D", "-w", "-y", "-s", "-z", "-l", "-o", "-Y", "-U", "-p"},
	"smbclient":  {"-U", "-c", "-A", "-D", "-m", "-p", "-W", "-I"},
	"swaks":      {"--to", "--from", "--port", "--body", "--header"},
}

// plainChanges are programs that always change state.
var plainChanges = map[string]string{
	"reboot": changeReboot, "poweroff": changeReboot, "halt": changeReboot, "telinit": changeReboot, "init": changeReboot,
	"dhclient": changeRuntime, "dhcpcd": changeRuntime, "udhcpc": changeRuntime, "xkill": changeKill,
	"userdel": changeAccount, "usermod": changeAccount, "groupadd": changeAccount,
	"groupmod": changeAccount, "groupdel": changeAccount, "gpasswd": changeAccount, "chsh": changeAccount, "chfn": changeAccount,
	"chpasswd": changeAccount, "adduser": changeAccount, "deluser": changeAccount, "addgroup": changeAccount, "delgroup": changeAccount,
	"smbpasswd": changeAccount, "vipw": changeAccount, "vigr": changeAccount, "pwconv": changeAccount,
	"ldappasswd": changeAccount, "slapadd": changeData, "slapmodify": changeData, "slapindex": changeData,
	"nsupdate": changeData, "rndc-confgen": changeConfig, "postsuper": changeData,
	"createdb": changeData, "dropdb": changeData, "createuser": changeAccount, "dropuser": changeAccount,
	"vacuumdb": changeData, "reindexdb": changeData, "pg_archivecleanup": changeData, "initdb": changeData,
	"umount": changeRuntime, "swapoff": changeRuntime, "renice": changeRuntime, "insmod": changeRuntime, "rmmod": changeRuntime,
	"update-ca-certificates": changeConfig, "newaliases": changeConfig, "a2ensite": changeConfig, "a2dissite": changeConfig,
	"a2enmod": changeConfig, "a2dismod": changeConfig, "update-grub": changeConfig, "update-initramfs": changeConfig,
	"update-rc.d": changeService, "setenforce": changeRuntime, "atrm": changeConfig, "batch": changeConfig,
	"mkfs": changeData, "mkfs.ext4": changeData, "mkfs.xfs": changeData, "mke2fs": changeData, "mkswap": changeData,
	"e2label": changeData, "wipefs": changeData, "lvextend": changeData, "lvcreate": changeData, "lvremove": changeData,
	"lvresize": changeData, "vgextend": changeData, "pvcreate": changeData, "xfs_growfs": changeData,
	"setquota": changeData, "edquota": changeData, "quotaon": changeRuntime, "quotaoff": changeRuntime,
	"dpkg-reconfigure": changePackage, "pip": changePackage, "pip3": changePackage, "snap": changePackage,
}

var subcommands = map[string]subcommand{
	"systemctl": {
		values: []string{"-n", "--lines", "-p", "--property", "-t", "--type", "--state", "-H", "--host", "-M", "--machine",
			"-o", "--output", "-s", "--signal", "--job-mode", "-P", "--root", "--what"},
		tests: same("service_state", "status", "show", "is-active", "is-enabled", "is-failed", "list-units", "list-unit-files",
			"list-timers", "list-sockets", "list-dependencies", "list-jobs", "list-paths", "list-automounts", "list-machines", "cat",
			"is-system-running", "get-default", "show-environment", "help", "whoami"),
		changes: merge(same(changeService, "start", "stop", "restart", "reload", "try-restart", "condrestart", "force-reload",
			"reload-or-restart", "try-reload-or-restart", "enable", "disable", "reenable", "mask", "unmask", "isolate", "kill", "clean",
			"freeze", "thaw", "daemon-reload", "daemon-reexec", "set-property", "revert", "preset", "preset-all", "link", "add-wants",
			"add-requires", "reset-failed", "set-default", "edit", "set-environment", "unset-environment", "import-environment",
			"cancel", "bind", "mount-image", "default", "switch-root"),
			same(changeReboot, "reboot", "poweroff", "halt", "kexec", "soft-reboot", "rescue", "emergency", "suspend", "hibernate", "exit")),
		bare: "service_state", narrow: unitFamilies,
	},
	"networkctl": {
		values: []string{"-n", "--lines"},
		tests:  same("address_state", "status", "list", "lldp", "label", "cat"),
		changes: same(changeRuntime, "up", "down", "renew", "forcerenew", "reconfigure", "reload", "delete", "edit", "mask", "unmask",
			"persistent-storage"),
		bare: "address_state",
	},
	"rndc": {
		values: []string{"-s", "-p", "-k", "-c", "-y", "-b"},
		tests: same("service_state", "status", "zonestatus", "dumpdb", "stats", "showzone", "secroots", "recursing", "null",
			"validation status", "validation check", "signing -list", "tcp-timeouts", "serve-stale status"),
		otherwise: changeService, narrow: func([]string) []string { return []string{"service", "dns"} },
	},
	"unbound-control": {tests: same("service_state", "status", "stats", "stats_noreset", "lookup", "list_forwards", "list_stubs",
		"list_local_zones", "list_local_data", "dump_cache", "get_option", "dump_infra"), otherwise: changeService},
	"chronyc": {
		values: []string{"-h", "-p", "-f"},
		tests: same("time_sync", "sources", "tracking", "sourcestats", "activity", "ntpdata", "clients", "serverstats", "selectdata",
			"authdata", "rtcdata", "smoothing", "sourcename", "accheck", "waitsync", "manual list", "help", "keygen"),
		otherwise: changeRuntime,
	},
	"timedatectl": {tests: same("time_sync", "status", "show", "timesync-status", "show-timesync", "list-timezones"), bare: "time_sync", otherwise: changeConfig},
	"ntpctl":      {tests: same("time_sync", "-s")},
	"postfix":     {values: []string{"-c"}, tests: same("config_check", "check", "status", "logrotate -n"), otherwise: changeService, narrow: only("mail")},
	"apachectl":   {tests: same("config_check", "configtest", "status", "fullstatus"), otherwise: changeService, narrow: only("application")},
	"apache2ctl":  {tests: same("config_check", "configtest", "status", "fullstatus"), otherwise: changeService, narrow: only("application")},
	"doveadm": {
		tests: same("service_state", "who", "log errors", "log find", "log test", "mailbox list", "mailbox status", "user", "auth test",
			"auth lookup", "search", "fetch", "quota get", "stats dump", "process status", "service status", "instance list",
			"config", "dump", "acl get", "acl rights", "acl debug", "replicator status", "penalty"),
		otherwise: changeAccount, narrow: only("service", "mail"),
	},
	"promtool": {tests: same("config_check", "check", "query", "test", "debug"), narrow: only("monitoring")},
	"amtool": {
		tests:   merge(same("config_check", "check-config", "config", "cluster"), same("service_state", "alert", "silence", "silence query", "alert query")),
		changes: same(changeRuntime, "silence add", "silence expire", "silence update", "silence import", "alert add"),
		narrow:  only("monitoring"),
	},
	"loginctl": {
		tests: same("processes", "list-sessions", "list-users", "list-seats", "session-status", "user-status", "show-session", "show-user"),
		bare:  "processes", otherwise: changeKill, narrow: only("account"),
	},
	"localectl":  {tests: same("config_read", "status", "list-locales", "list-keymaps"), bare: "config_read", otherwise: changeConfig},
	"brctl":      {tests: same("link_state", "show", "showmacs", "showstp"), otherwise: changeRuntime},
	"ovs-vsctl":  {tests: same("link_state", "show", "list", "list-br", "list-ports", "get"), otherwise: changeRuntime},
	"lldpcli":    {tests: same("link_state", "show"), otherwise: changeRuntime},
	"wg":         {tests: same("link_state", "show", "showconf"), bare: "link_state", otherwise: changeRuntime},
	"netplan":    {tests: same("config_read", "get", "status", "info"), otherwise: changeRuntime, narrow: only("addressing", "link", "dhcp")},
	"ufw":        {tests: same("firewall_rules", "status", "show", "version"), otherwise: changeRuntime},
	"ipset":      {tests: same("firewall_rules", "list", "test", "save", "-L"), otherwise: changeRuntime},
	"pg_ctl":     {values: []string{"-D"}, tests: same("service_state", "status"), otherwise: changeService, narrow: only("service", "database")},
	"keactrl":    {tests: same("service_state", "status"), otherwise: changeService, narrow: only("service", "dhcp")},
	"frrinit.sh": {tests: same("service_state", "status"), otherwise: changeService, narrow: only("service", "routing")},
	"apt-mark":   {tests: same("package_state", "showauto", "showmanual", "showhold"), otherwise: changePackage},
	"certbot":    {tests: same("tls_inspection", "certificates"), otherwise: changeConfig},
	"net": {
		values: []string{"-U", "-S", "-s"},
		tests: merge(same("account_state", "ads testjoin", "ads info", "ads status", "ads search", "ads lookup", "ads workgroup", "groupmap list",
			"sam list", "getlocalsid", "lookup", "user"), same("share_access", "usershare list", "usershare info", "share list", "status shares",
			"status sessions", "conf list", "conf showshare")),
		otherwise: changeAccount,
	},
	"sssctl":      {tests: same("account_state", "domain-list", "domain-status", "user-checks", "user-show", "group-show", "config-check", "logs-fetch", "cache-status"), otherwise: changeService},
	"busctl":      {tests: same("service_state", "list", "status", "tree", "introspect", "monitor", "get-property", "capture"), bare: "service_state", changes: same(changeService, "call", "set-property")},
	"udevadm":     {tests: same("link_state", "info", "monitor", "test", "test-builtin"), changes: same(changeRuntime, "trigger", "control")},
	"coredumpctl": {tests: same("log_read", "list", "info", "dump", "debug"), bare: "log_read"},
	"systemd-analyze": {tests: merge(same("config_check", "verify", "calendar", "timespan", "cat-config"), same("service_state", "blame", "time",
		"critical-chain", "dot", "dump", "plot", "unit-paths")), bare: "service_state", narrow: only("service")},
}

// only narrows every test of a program to the same families.
func only(families ...string) func([]string) []string {
	return func([]string) []string { return families }
}

// writers change the files named in their arguments.
var writers = map[string]writer{
	"cp":      {last: true, values: []string{"-S", "--suffix"}, into: []string{"-t", "--target-directory"}},
	"install": {last: true, values: []string{"-m", "-o", "-g", "-S", "--mode", "--owner", "--group"}, into: []string{"-t", "--target-directory"}},
	"ln":      {last: true, values: []string{"-S"}, into: []string{"-t", "--target-directory"}},
	"scp":     {last: true, values: []string{"-i", "-P", "-F", "-o", "-c", "-l", "-J", "-S"}},
	"rsync":   {last: true, values: []string{"-e", "--rsh", "--exclude", "--include", "--filter", "--log-file"}, dry: []string{"-n", "--dry-run", "--list-only"}},
	// What is moved away is gone from where it was.
	"mv": {values: []string{"-S", "--suffix", "-t", "--target-directory"}},
	"rm": {}, "rmdir": {}, "unlink": {}, "shred": {values: []string{"-n", "-s"}}, "tee": {},
	"truncate": {values: []string{"-s", "-r", "--size", "--reference"}}, "touch": {values: []string{"-d", "-t", "-r", "--date", "--reference"}},
	"mkdir": {values: []string{"-m", "--mode"}}, "mkfifo": {}, "sponge": {},
	"chmod": {skip: 1}, "chown": {skip: 1}, "chgrp": {skip: 1}, "chattr": {skip: 1}, "setcap": {skip: 1},
	"setfacl": {values: []string{"-m", "-x", "-M", "-X", "--modify", "--remove"}},
	"gzip":    {dry: toStdout}, "gunzip": {dry: toStdout}, "bzip2": {dry: toStdout}, "xz": {dry: toStdout}, "rename": {skip: 1},
	"unzip": {last: true, dry: []string{"-l", "-t", "-v", "-Z"}, into: []string{"-d"}},
}

var toStdout = []string{"-c", "-l", "-t", "--stdout", "--to-stdout", "--list", "--test"}

// readers look at files: under /var/log a log, under /etc a configuration.
var readers = set("cat", "less", "more", "head", "tail", "zcat", "zless", "diff", "cmp", "cut", "sort", "wc", "view", "batcat", "stat", "ls",
	"sdiff", "nl", "tac", "xxd", "hexdump", "od", "strings", "column", "uniq", "md5sum", "sha256sum", "file", "readlink", "realpath", "jq",
	"vimdiff", "tailf", "zdiff", "most")

// harmless are places where writing is no change of the system.
var harmless = []string{"/home/", "/root/", "/tmp/", "/var/tmp/", "/dev/", "/run/sudo", "/run/user/", "/run/tmux",
	"/run/screen", "/var/lib/sudo", "/var/backups/", "/var/cache/man"}

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
