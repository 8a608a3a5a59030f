package check_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/internal/synth"
)

// commands are what an administrator types, and what it is: a test, a change,
// both or neither (""). Words in single quotes are one argument.
const commands = `
ping -c 3 dns2                                  | test reachability
ping -I eth3 10.1.2.3                           | test reachability
fping 10.1.2.3                                  | test reachability
traceroute 10.1.2.3                             | test path
mtr -rwc 5 dns2                                 | test path
arping -I eth0 10.1.2.3                         | test arp_probe
nc -zv erp1 8080                                | test port
nmap -p 445 fic1                                | test port
telnet mail1 25                                 | test port
tcpdump -ni eth3 proto ospf                     | test capture
tcpdump -w /tmp/x.pcap                          | test capture
ip route                                        | test route_table
ip                                              |
ip -br a                                        | test address_state
ip -4 -o addr show                              | test address_state
ip a s dev eth0                                 | test address_state
ip r s                                          | test route_table
ip r get 10.1.2.3                               | test route_table
ip route save table all                         | test route_table
ip -s link                                      | test link_state
ip link show                                    | test link_state
ip neigh                                        | test neighbour_table
ip rule list                                    | test route_table
ip -n blue route                                | test route_table
ip monitor                                      | test address_state
ip netns list                                   |
ip route add default via 10.1.2.3               | change runtime
ip r a 10.0.0.0/8 via 10.1.2.3                  | change runtime
ip r d default                                  | change runtime
ip r replace default via 10.1.2.3               | change runtime
ip route flush cache                            | change runtime
ip a d 10.1.2.3/24 dev eth0                     | change runtime
ip a f dev eth0                                 | change runtime
ip link set eth0 up                             | change runtime
ip l s eth0 down                                | change runtime
ip neigh flush all                              | change runtime
ip rule add from 10.1.2.0/24 lookup 5           | change runtime
ip -batch /tmp/x                                | change runtime
ifconfig                                        | test address_state
ifconfig eth0                                   | test address_state
ifconfig eth0 down                              | change runtime
route -n                                        | test route_table
route add default gw 10.1.2.3                   | change runtime
arp -an                                         | test neighbour_table
arp -d 10.1.2.3                                 | change runtime
netstat -rn                                     | test route_table
netstat -tlnp                                   | test sockets
ss -ltnp                                        | test sockets
ss -K dst 10.1.2.3                              | change runtime
ethtool eth0                                    | test link_state
ethtool -S eth0                                 | test link_state
ethtool -i eth0                                 | test link_state
ethtool -k eth0                                 | test link_state
ethtool --statistics eth0                       | test link_state
ethtool --show-features eth0                    | test link_state
ethtool --driver eth0                           | test link_state
ethtool -s eth0 speed 100 duplex full           | change runtime
ethtool --change eth0 autoneg off               | change runtime
ethtool -K eth0 tso off                         | change runtime
ethtool --reset eth0 all                        | change runtime
mii-tool                                        | test link_state
mii-tool -r eth0                                | change runtime
tc qdisc show dev eth0                          | test link_state
tc -s qdisc ls                                  | test link_state
tc qdisc add dev eth0 root netem loss 5%        | change runtime
tc qdisc del dev eth0 root                      | change runtime
tc filter show dev eth0                         | test link_state
bridge fdb show                                 | test link_state
bridge fdb append 02:00:00:00:00:01 dev eth0    | change runtime
bridge vlan                                     | test link_state
brctl show                                      | test link_state
brctl addif br0 eth1                            | change runtime
nmcli                                           | test address_state
nmcli dev status                                | test address_state
nmcli -f NAME,UUID con show                     | test address_state
nmcli c up lan                                  | change runtime
nmcli con mod lan ipv4.dns 10.1.2.3             | change runtime
nmcli connection modify lan ipv4.dns 10.1.2.3   | change runtime
nmcli networking off                            | change runtime
networkctl                                      | test address_state
networkctl -n 20 status eth0                    | test address_state
networkctl reload                               | change runtime
networkctl reconfigure eth0                     | change runtime
netplan get                                     | test config_read
netplan apply                                   | change runtime
ifup eth0                                       | change service
ifquery eth0                                    | test address_state
dhclient -v eth0                                | change runtime
resolvectl                                      | test config_read
resolvectl status                               | test config_read
resolvectl dns eth0                             | test config_read
resolvectl query erp1                           | test dns_query
resolvectl dns eth0 10.1.2.3                    | change runtime
resolvectl flush-caches                         | change runtime
dig @dns2 erp1                                  | test dns_query
host erp1 dns2                                  | test dns_query
nslookup erp1                                   | test dns_query
getent hosts erp1                               | test dns_query
getent passwd root                              | test account_state
nft list ruleset                                | test firewall_rules
nft -a list chain inet filtre passage           | test firewall_rules
nft 'list ruleset; flush ruleset'               | test firewall_rules change runtime
nft -f /etc/nftables.conf                       | change runtime
nft -c -f /etc/nftables.conf                    | test config_check
nft -cf /etc/nftables.conf                      | test config_check
nft flush ruleset                               | change runtime
nft add rule inet filtre passage accept         | change runtime
nft monitor                                     | test firewall_rules
iptables -nvL                                   | test firewall_rules
iptables -Lvn                                   | test firewall_rules
iptables -L -n -v --line-numbers                | test firewall_rules
iptables -t nat -vnL POSTROUTING                | test firewall_rules
iptables -S                                     | test firewall_rules
iptables -C INPUT -j ACCEPT                     | test firewall_rules
iptables --list-rules                           | test firewall_rules
iptables -A INPUT -s 10.1.2.3 -j LOG            | change runtime
iptables -F                                     | change runtime
iptables -P FORWARD ACCEPT                      | change runtime
iptables -L -Z                                  | change runtime
iptables-save                                   | test firewall_rules
iptables-restore /etc/iptables/rules.v4         | change runtime
iptables-restore -t /etc/iptables/rules.v4      | test config_check
ipset list                                      | test firewall_rules
ipset add bloques 10.1.2.3                      | change runtime
conntrack -L                                    | test firewall_rules
conntrack -D -s 10.1.2.3                        | change runtime
ufw status                                      | test firewall_rules
ufw allow 22                                    | change runtime
sysctl net.ipv4.ip_forward                      | test kernel_setting
sysctl -a                                       | test kernel_setting
sysctl -n net.ipv4.conf.all.rp_filter           | test kernel_setting
sysctl -w net.ipv4.ip_forward=1                 | change runtime
sysctl net.ipv4.ip_forward=1                    | change runtime
sysctl -p                                       | change runtime
sysctl -p /etc/sysctl.d/50-routage.conf         | change runtime
sysctl --system                                 | change runtime
systemctl status frr                            | test service_state
systemctl                                       | test service_state
systemctl --failed                              | test service_state
systemctl -q is-active frr                      | test service_state
systemctl -n 50 status frr                      | test service_state
systemctl -p ActiveState show frr               | test service_state
systemctl list-units --type=service             | test service_state
systemctl list-timers                           | test service_state
systemctl cat frr                               | test service_state
systemctl list-dependencies frr                 | test service_state
systemctl get-default                           | test service_state
systemctl restart frr                           | change service
systemctl try-restart frr nftables              | change service
systemctl --now enable frr                      | change service
systemctl mask frr                              | change service
systemctl daemon-reload                         | change service
systemctl edit frr                              | change service
systemctl kill -s HUP named                     | change service
systemctl set-default multi-user.target         | change service
systemctl reset-failed                          | change service
systemctl reboot                                | change reboot
systemctl --force poweroff                      | change reboot
/sbin/reboot                                    | change reboot
reboot --help                                   |
shutdown -r now                                 | change reboot
shutdown -c                                     |
systemd-analyze blame                           | test service_state
systemd-analyze verify frr.service              | test config_check
loginctl                                        | test processes
loginctl terminate-session 3                    | change kill
journalctl -u frr                               | test log_read
journalctl -b -1 -p err                         | test log_read
journalctl --disk-usage                         | test log_read
journalctl --vacuum-size=100M                   | change data
journalctl --vacuum-time 2d                     | change data
journalctl --rotate                             | change data
dmesg -T                                        | test log_read
dmesg -C                                        | change data
last -n 5                                       | test log_read
logrotate -d /etc/logrotate.conf                | test config_check
logrotate -f /etc/logrotate.d/vulcain           | change data
logger essai                                    |
vtysh                                           |
vtysh -c 'show ip ospf neighbor'                | test routing_protocol
vtysh -c 'sh run'                               | test routing_config
vtysh -c 'show interface brief'                 | test link_state
vtysh -c 'conf t' -c 'router ospf' -c 'no passive-interface wan0' | change configuration
vtysh -c write                                  | change save
vtysh -c 'show ip route' -c 'clear ip ospf process' | test routing_protocol change service
vtysh -b                                        | change configuration
vtysh -C -f /etc/frr/frr.conf                   | test config_check
frr-reload.py --test /etc/frr/frr.conf          | test config_check
frr-reload.py --reload /etc/frr/frr.conf        | change configuration
/usr/lib/frr/frrinit.sh status                  | test service_state
/usr/lib/frr/frrinit.sh restart                 | change service
rndc status                                     | test service_state
rndc zonestatus aveline.internal                | test service_state
rndc -k /etc/bind/rndc.key reload               | change service
rndc flush                                      | change service
rndc validation status                          | test service_state
named-checkzone a b                             | test config_check
named-checkconf                                 | test config_check
nsupdate -k /etc/x.key                          | change data
chronyc sources                                 | test time_sync
chronyc -n tracking                             | test time_sync
chronyc makestep                                | change runtime
timedatectl                                     | test time_sync
timedatectl list-timezones                      | test time_sync
timedatectl set-ntp true                        | change configuration
date                                            |
date +%H:%M                                     |
date -d tomorrow                                |
date -s 12:00                                   | change configuration
date --set=12:00                                | change configuration
date 112612002026                               | change configuration
hwclock                                         | test time_sync
hwclock --systohc                               | change configuration
hostname                                        |
hostname -f                                     |
hostname rt-x                                   | change configuration
hostnamectl                                     | test config_read
hostnamectl hostname                            | test config_read
hostnamectl set-hostname rt-x                   | change configuration
hostnamectl hostname rt-x                       | change configuration
samba-tool user list                            | test account_state
samba-tool user show dupont                     | test account_state
samba-tool group listmembers rh                 | test account_state
samba-tool domain level show                    | test account_state
samba-tool drs showrepl                         | test account_state
samba-tool dbcheck                              | test account_state
samba-tool dbcheck --fix                        | change account
samba-tool user create dupont                   | change account
samba-tool user setpassword dupont              | change account
samba-tool -U admin user disable dupont         | change account
smbstatus                                       | test share_access
smbclient -L //fic1                             | test share_access
smbcontrol smbd ping                            | test service_state
smbcontrol smbd reload-config                   | change service
testparm -s                                     | test config_check
pdbedit -L -v -u dupont                         | test account_state
pdbedit -a dupont                               | change account
net ads testjoin                                | test account_state
net usershare list                              | test share_access
net ads join                                    | change account
passwd -S dupont                                | test account_state
passwd --status dupont                          | test account_state
passwd dupont                                   | change account
passwd -l dupont                                | change account
chage -l dupont                                 | test account_state
chage -E 0 dupont                               | change account
useradd -D                                      |
useradd dupont                                  | change account
usermod -aG rh dupont                           | change account
faillock --user dupont                          | test account_state
faillock --user dupont --reset                  | change account
id dupont                                       | test account_state
visudo -c                                       | test config_check
visudo                                          | change configuration
ldapsearch -x -H ldap://ann1 uid=dupont         | test directory_query
ldapmodify -f /tmp/x.ldif                       | change account
ldapmodify -n -f /tmp/x.ldif                    |
slaptest                                        | test config_check
slapcat                                         | test directory_query
postfix status                                  | test config_check
postfix check                                   | test config_check
postfix reload                                  | change service
postfix flush                                   | change service
postconf -n                                     | test config_read
postconf relayhost                              | test config_read
postconf -e relayhost=relais1                   | change configuration
postconf relayhost=relais1                      | change configuration
postqueue -p                                    | test mail_queue
postqueue -f                                    | change data
mailq                                           | test mail_queue
postsuper -d ALL                                | change data
postmap -q dupont /etc/postfix/boites           | test config_read
postmap /etc/postfix/boites                     | change configuration
doveadm who                                     | test service_state
doveadm log errors                              | test service_state
doveadm log reopen                              | change account
doveadm mailbox list -u dupont                  | test service_state
doveadm mailbox delete -u dupont X              | change account
doveadm user dupont                             | test service_state
doveadm auth test dupont                        | test service_state
doveadm expunge -u dupont mailbox X all         | change account
doveadm reload                                  | change account
dovecot -n                                      | test config_check
swaks --to a@b --server mail1                   | test mail_test
psql -c 'select 1'                              | test database_query
psql -Atc 'select count(*) from ordres'         | test database_query
psql -l                                         | test database_query
psql -c 'select pg_terminate_backend(12)'       | change data
psql -c 'select pg_reload_conf();'              | change data
psql -tAc 'delete from x'                       | change data
psql -c 'select 1; update x set y=1'            | test database_query change data
psql -f /tmp/x.sql                              | change data
psql -c '\copy t to /tmp/x'                     |
pg_isready                                      | test database_query
pg_dump vulcain                                 |
pg_dumpall --globals-only                       |
pg_restore -l /tmp/x.dump                       | test backup_check
pg_restore -d vulcain /tmp/x.dump               | change data
pg_ctlcluster 15 main status                    | test service_state
pg_ctlcluster 15 main restart                   | change service
pg_lsclusters                                   | test database_query
pg_resetwal -n /var/lib/postgresql/15/main      |
pg_resetwal -f /var/lib/postgresql/15/main      | change data
vacuumdb -a                                     | change data
restic snapshots                                | test backup_check
restic -r /srv/depot -p /root/k check --read-data | test backup_check
restic key list                                 | test backup_check
restic backup /etc                              |
restic restore latest --target /tmp/x           |
restic restore latest --target /                | change file
restic forget --keep-last 3                     | change data
restic -r /srv/depot unlock                     | change data
df -h                                           | test disk_usage
lsblk                                           | test disk_usage
mount                                           | test disk_usage
mount -t ext4                                   | test disk_usage
mount /srv                                      | change runtime
mount -o remount,rw /                           | change runtime
mount -a                                        | change runtime
umount /srv                                     | change runtime
findmnt                                         | test disk_usage
swapon --show                                   | test disk_usage
swapon -s                                       | test disk_usage
swapon -a                                       | change runtime
fdisk -l                                        | test disk_usage
fdisk /dev/sdb                                  | change data
parted /dev/sdb print                           | test disk_usage
parted /dev/sdb mkpart primary 0 5              | change data
smartctl -a /dev/sda                            | test disk_usage
smartctl -H /dev/sda                            | test disk_usage
smartctl -t short /dev/sda                      | test disk_usage
smartctl -s on /dev/sda                         | change configuration
tune2fs -l /dev/sdb1                            | test disk_usage
tune2fs -c 30 /dev/sdb1                         | change data
dumpe2fs -h /dev/sdb1                           | test disk_usage
fsck -n /dev/sdb1                               | test disk_usage
fsck -y /dev/sdb1                               | change data
resize2fs /dev/sdb1                             | change data
lvs                                             | test disk_usage
lvextend -L +1G /dev/vg/srv                     | change data
mdadm --detail /dev/md0                         | test disk_usage
lsof +L1                                        | test open_files
fuser -v /srv                                   | test open_files
fuser -km /srv                                  | change kill
ps aux                                          | test processes
top -b -n 1                                     | test processes
iostat                                          | test load
free -m                                         | test load
uptime                                          |
kill 12                                         | change kill
kill -9 12                                      | change kill
kill -0 12                                      |
kill -l                                         |
pkill -HUP named                                | change kill
killall ospfd                                   | change kill
renice 5 12                                     | change runtime
crontab -l                                      | test config_read
crontab -u root -l                              | test config_read
crontab -e                                      | change configuration
at -l                                           |
at now                                          | change configuration
apt list --installed                            | test package_state
apt policy frr                                  | test package_state
apt update                                      |
apt-get -s install mtr                          |
apt-get install mtr                             | change package
dpkg -l                                         | test package_state
dpkg -i /tmp/x.deb                              | change package
dpkg-reconfigure frr                            | change package
update-alternatives --display editor            |
modprobe dummy                                  | change runtime
lsmod                                           |
openssl s_client -connect ann1:636              | test tls_inspection
openssl x509 -in /etc/ssl/x.pem -noout -dates   | test tls_inspection
openssl rand 5                                  |
openssl genrsa -out /etc/ssl/private/x.key      | change file
curl -sS http://erp1:8080/sante                 | test http
curl -o /tmp/x http://erp1/                     | test http
curl -o /etc/motd http://erp1/                  | test http change file
curl -X POST http://sup1:9090/-/reload          | change service
wget -qO- http://erp1/                          | test http
nginx -t                                        | test config_check
nginx -s reload                                 | change service
promtool check config /etc/prometheus/prometheus.yml | test config_check
amtool alert                                    | test service_state
amtool silence query                            | test service_state
amtool silence add alertname=X                  | change runtime
cat /etc/frr/frr.conf                           | test config_read
cat /etc/hosts                                  | test config_read
cat /var/log/syslog                             | test log_read
/usr/sbin/sshd -D -R                            |
sshd -i                                         |
/usr/sbin/sshd -D                               | change service
tail -f /var/log/syslog                         | test log_read
grep -i ospf /var/log/frr/frr.log               | test log_read
grep -rn passive /etc/frr                       | test config_read
awk '/interface/' /etc/frr/frr.conf             | test config_read
cat /proc/sys/net/ipv4/ip_forward               | test kernel_setting
cat /proc/net/arp                               | test neighbour_table
cat /home/a/notes                               |
ls -l                                           |
ls /etc/frr                                     | test config_read
diff /etc/frr/frr.conf /root/frr.conf           | test config_read
cp /etc/frr/frr.conf /etc/frr/frr.conf.bak      |
cp /home/a/frr.conf /etc/frr/frr.conf           | change file
cp -t /etc/frr /home/a/frr.conf                 | change file
cp /etc/frr/frr.conf /tmp/x                     |
cp -a /etc/frr/frr.conf /etc/frr/frr.conf.2026-03-02 |
mv /etc/frr/frr.conf /tmp/                      | change file
mv /tmp/a /tmp/b                                |
install -m 644 /tmp/x /etc/frr/frr.conf         | change file
rsync -a /tmp/x/ /etc/frr/                      | change file
rsync -n /tmp/x/ /etc/frr/                      |
rsync -a /srv/x/ sauv1:/srv/y/                  |
scp /etc/frr/frr.conf sauv1:/tmp/               |
tee /etc/hosts                                  | change file
tee -a /tmp/x                                   |
tee /proc/sys/net/ipv4/ip_forward               | change runtime
sed -i s/a/b/ /etc/frr/frr.conf                 | change file
sed -i.bak -e s/a/i/ /etc/frr/frr.conf          | change file
sed -i s/a/b/ /tmp/x                            |
sed -n 1p /etc/frr/frr.conf                     | test config_read
sed -es/i/x/ /etc/frr/frr.conf                  | test config_read
perl -pi -e s/a/b/ /etc/frr/frr.conf            | change file
perl -ne print /etc/frr/frr.conf                |
chmod 644 /tmp/x                                |
chmod 600 /etc/frr/frr.conf                     | change file
chown frr: /etc/frr/frr.conf                    | change file
rm /tmp/x                                       |
rm -rf /etc/frr                                 | change file
rm /var/log/syslog.1                            | change file
truncate -s 0 /var/log/syslog                   | change file
find /srv -name x -delete                       | change file
find /etc/frr -newer /etc/hostname              | test config_read
dd if=/dev/zero of=/srv/x                       | change file
dd if=/etc/frr/frr.conf of=/tmp/x               |
tar xf /tmp/x.tar -C /etc                       | change file
tar czf /tmp/x.tgz /etc                         |
tar tzf /tmp/x.tgz                              |
gzip /var/log/x.log                             | change file
patch -p1 --dry-run                             |
nano /etc/frr/frr.conf                          |
sudo systemctl restart frr                      |
ssh rt-til1 sudo reboot                         |
bash -c reboot                                  |
situ ticket list                                |
`

// argv splits a line as a shell would, single quotes only.
func argv(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

func TestClassify(t *testing.T) {
	n := 0
	for row := range strings.SplitSeq(strings.TrimSpace(commands), "\n") {
		line, want, ok := strings.Cut(row, "|")
		if !ok {
			t.Fatalf("row %q", row)
		}
		n++
		test, change := check.Classify(argv(line), "/root")
		var got []string
		if test != "" {
			got = append(got, "test "+test)
		}
		if change != "" {
			got = append(got, "change "+change)
		}
		if strings.Join(got, " ") != strings.TrimSpace(want) {
			t.Errorf("%s: %v, want %q", strings.TrimSpace(line), got, strings.TrimSpace(want))
		}
	}
	if n < 150 {
		t.Errorf("only %d commands", n)
	}
}

// TestRelativePaths: what a relative path means depends on where one stands.
func TestRelativePaths(t *testing.T) {
	for line, want := range map[string]string{
		"cp frr.conf frr.conf.bak": "", "rm frr.conf": "file", "chmod 600 frr.conf": "file", "sed -i s/a/b/ frr.conf": "file",
		"sed -i s/a/b/ /tmp/x": "", "chmod 600 /tmp/x": "", "dd if=frr.conf of=/tmp/x": "", "tee frr.conf": "file", "mv frr.conf /tmp": "file",
		"tar xf /tmp/x.tar": "file",
	} {
		if _, change := check.Classify(argv(line), "/etc/frr"); change != want {
			t.Errorf("in /etc/frr, %s is the change %q, want %q", line, change, want)
		}
	}
	if _, change := check.Classify(argv("rm frr.conf"), "/tmp"); change != "" {
		t.Errorf("in /tmp: %q", change)
	}
}

func TestTypedLines(t *testing.T) {
	for line, want := range map[string][2]string{
		"show ip ospf neighbor":        {"routing_protocol", ""},
		"do sh ip route":               {"routing_protocol", ""},
		"sh run":                       {"routing_config", ""},
		"write terminal":               {"routing_config", ""},
		"show interface brief":         {"link_state", ""},
		"show ip ospf interface":       {"routing_protocol", ""},
		"conf t":                       {"", ""},
		"router ospf":                  {"", ""},
		"interface wan0":               {"", ""},
		"no passive-interface wan0":    {"", "configuration"},
		"no router ospf":               {"", "configuration"},
		"wr mem":                       {"", "save"},
		"clear ip ospf process":        {"", "service"},
		"exit":                         {"", ""},
		"show ?":                       {"", ""},
		"":                             {"", ""},
		"ping 10.1.2.3":                {"reachability", ""},
		"no debug ospf packet":         {"", ""},
		"terminal length 0":            {"", ""},
		"no terminal paginate":         {"", ""},
		"clear counters":               {"", ""},
		"copy /tmp/x running-config":   {"", "configuration"},
		"sh run | include ospf":        {"routing_config", ""},
		"show daemons":                 {"service_state", ""},
		"ip route 10.0.0.0/8 10.1.2.3": {"", "configuration"},
		"hostname x":                   {"", "configuration"},
	} {
		if test, change := check.VtyshLine(line); test != want[0] || change != want[1] {
			t.Errorf("vtysh %q: %q %q, want %v", line, test, change, want)
		}
	}
	for line, want := range map[string][2]string{
		"select 1;": {"database_query", ""}, `\d orders`: {"database_query", ""}, `\q`: {"", ""},
		"UPDATE x SET y=1;": {"", "data"}, "select pg_drop_replication_slot('x');": {"", ""},
		"": {"", ""},
	} {
		if strings.Contains(line, "slot") {
			want = [2]string{"", "data"}
		}
		if test, change := check.PsqlLine(line); test != want[0] || change != want[1] {
			t.Errorf("psql %q: %q %q, want %v", line, test, change, want)
		}
	}
}

// TestKindsShow: every kind of test, and every file and daemon, names families
// that exist; every family lies somewhere; and each kind can tell two causes
// apart somewhere.
func TestKindsShow(t *testing.T) {
	var known []string
	for _, f := range criteria.Families() {
		known = append(known, f.ID)
		if len(check.FamilyPlaces()[f.ID]) == 0 {
			t.Errorf("the family %s lies nowhere", f.ID)
		}
	}
	for f := range check.FamilyPlaces() {
		if !slices.Contains(known, f) {
			t.Errorf("places of %s, which is no family", f)
		}
	}
	v := view(t, synth.Reference(1))
	v.Facts.Targets.Places = nil
	all := []string{evidence.PlacePost, evidence.PlacePath, evidence.PlaceServer}
	for kind, families := range check.Kinds() {
		for _, f := range families {
			if !slices.Contains(known, f) {
				t.Errorf("%s: no family %s", kind, f)
			}
		}
		if shown, hidden := v.Possible(families, all); len(families) > 0 && !(shown && hidden) {
			t.Errorf("%s separates nothing", kind)
		}
	}
	for what, families := range check.NarrowFamilies() {
		for _, f := range families {
			if !slices.Contains(known, f) {
				t.Errorf("%s: no family %s", what, f)
			}
		}
	}
	if _, hidden := v.Possible(known, all); hidden {
		t.Error("a test that shows everything separates causes")
	}
	if shown, _ := v.Possible(nil, all); shown {
		t.Error("a test that shows nothing separates causes")
	}
	// Where several services are gone at once, no server's own trouble is open.
	v.Facts.Targets.Places = []string{evidence.PlacePost, evidence.PlacePath}
	if shown, _ := v.Possible([]string{"disk", "log"}, all); shown {
		t.Error("a full disk explains a site without routes")
	}
}

// TestTargets: what an argument must look like to point across the break, from
// the main site and from the users' side.
func TestTargets(t *testing.T) {
	for arg, want := range map[string][2]bool{
		"dns2": {true, true}, "DNS2.": {true, true}, "dns2.aveline.internal": {true, true}, "http://dns2.aveline.internal:8080/x": {true, true},
		"adm-x@dns2": {true, true}, "//dns2/plans": {true, true}, "dns2:389": {true, true}, "10.20.110.11": {true, true}, "10.20.255.2": {true, true},
		"rt-til1": {true, true}, "erp1": {false, true}, "erp1.aveline.internal": {false, true}, "http://mail1/": {false, true},
		"10.20.255.3": {false, true}, "10.20.10.11": {false, true}, "localhost": {false, false}, "127.0.0.1": {false, false},
		"http://localhost:8080/": {false, false}, "pc-tib-01.aveline.internal": {true, true},
		"-c": {false, false}, "": {false, false}, "3": {false, false},
	} {
		for i, node := range []string{"adm1", "pc-tib-01"} {
			s := synth.New(synth.Facts(false), 1)
			s.Exec(node, "ping", arg)
			s.Finish()
			if got := view(t, s).Commands[0].Relevant; got != want[i] {
				t.Errorf("%q from %s: relevant %v", arg, node, got)
			}
		}
	}
}

// TestDiscriminating: a test that looks at the chain and shows nothing that may
// be wrong there is a test, and does not discriminate.
func TestDiscriminating(t *testing.T) {
	for _, line := range []string{"df -h", "lsof", "id", "cat /etc/motd", "systemctl status cron", "chronyc sources", "postqueue -p"} {
		v := view(t, session(func(s *synth.Session) {
			s.Exec("rt-til1", strings.Fields(line)...)
			s.Exec("rt-til1", "systemctl", "restart", "frr")
		}))
		f := check.Point(v, "3.2a")
		if f.Reason != check.NoDiscriminatingTest || f.Measured["relevant_tests"] != 0 {
			t.Errorf("%s on the router: %s, %v relevant", line, f.Reason, f.Measured["relevant_tests"])
		}
	}
	for _, line := range []string{"ip route", "cat /etc/frr/frr.conf", "systemctl status frr", "nft list ruleset"} {
		v := view(t, session(func(s *synth.Session) {
			s.Exec("rt-til1", strings.Fields(line)...)
			s.Exec("rt-til1", "systemctl", "restart", "frr")
		}))
		if f := check.Point(v, "3.2a"); f.Reason != check.DiscriminatingTest {
			t.Errorf("%s on the router: %s", line, f.Reason)
		}
	}
	// Where one service alone is gone, its server is part of the chain.
	facts := synth.Facts(false)
	facts.Targets.Places, facts.Targets.Nodes = nil, append(facts.Targets.Nodes, "erp1")
	s := synth.New(facts, 1)
	s.Exec("erp1", "df", "-h")
	s.Finish()
	if !view(t, s).Commands[0].Discriminating {
		t.Error("df on the server of the only service that is gone does not discriminate")
	}
}

// TestNestedChanges: what a changing command executes in its turn is not a
// second change; neither is a file it leaves behind.
func TestNestedChanges(t *testing.T) {
	s := synth.New(synth.Facts(false), 1)
	run := func(id uint64, pid, ppid int, argv ...string) {
		s.Add("w", "ann1", "candidate", &evidence.ExecStart{ID: id, PID: pid, PPID: ppid, Argv: argv, Terminal: "t1"})
	}
	run(1, 10, 1, "sudo", "update-ca-certificates")
	run(2, 11, 10, "update-ca-certificates")
	run(3, 12, 11, "ln", "-s", "a", "/etc/ssl/certs/b")
	run(4, 13, 12, "rm", "/etc/ssl/certs/c")
	s.Add("w", "ann1", "candidate", &evidence.FileChange{Path: "/etc/ssl/certs/b", Op: "created", Origin: "candidate"})
	run(5, 11, 10, "rm", "/etc/motd") // pid reused by something else
	s.Add("w", "ann1", "system", &evidence.FileChange{Path: "/etc/x", Op: "created", Origin: "system"})
	s.Finish()
	v, err := check.NewView(s.Records)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range v.Changes {
		got = append(got, c.Text)
	}
	if want := []string{"update-ca-certificates", "rm /etc/motd"}; !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
}

func FuzzClassify(f *testing.F) {
	f.Add("vtysh\x00-c\x00show ip route", "/etc")
	f.Add("cp\x00a\x00b", "")
	f.Add("ip\x00r\x00a", "/")
	f.Fuzz(func(t *testing.T, argv, cwd string) {
		test, change := check.Classify(strings.Split(argv, "\x00"), cwd)
		if _, ok := check.Kinds()[test]; test != "" && !ok {
			t.Fatalf("unknown kind of test %q", test)
		}
		_ = change
		check.VtyshLine(argv)
		check.PsqlLine(argv)
	})
}

// TestKillingOneself: ending what one has started is no change of the system.
func TestKillingOneself(t *testing.T) {
	for name, c := range map[string]struct {
		argv []string
		code int
		want string
	}{
		"own by name":              {argv: []string{"pkill", "tcpdump"}},
		"own by whole name":        {argv: []string{"killall", "tcpdump"}},
		"own by number":            {argv: []string{"kill", "-INT", "50"}},
		"own by command line":      {argv: []string{"pkill", "-f", "tcpdump -ni eth3"}},
		"none of that name":        {argv: []string{"pkill", "wireshark"}, code: 1},
		"the system's by name":     {argv: []string{"pkill", "ospfd"}, want: "kill"},
		"the system's by number":   {argv: []string{"kill", "812"}, want: "kill"},
		"own and the system's":     {argv: []string{"kill", "50", "812"}, want: "kill"},
		"own that has ended":       {argv: []string{"kill", "49"}, want: "kill"},
		"own of another machine":   {argv: []string{"kill", "51"}, want: "kill"},
		"the system's by its line": {argv: []string{"pkill", "-f", "ospfd"}, want: "kill"},
	} {
		s := synth.New(synth.Facts(false), 1)
		run := func(node string, pid int, argv ...string) {
			s.Add("w", node, "candidate", &evidence.ExecStart{ID: uint64(pid), PID: pid, PPID: 1, Argv: argv, Terminal: "t1"})
		}
		run("rt-til1", 49, "ping", "dns2")
		s.Add("w", "rt-til1", "candidate", &evidence.ExecExit{ID: 49})
		run("rt-til1", 50, "tcpdump", "-ni", "eth3")
		run("rt-brv1", 51, "tcpdump", "-ni", "eth3")
		s.Wait(5)
		run("rt-til1", 60, c.argv...)
		s.Add("w", "rt-til1", "candidate", &evidence.ExecExit{ID: 60, Code: c.code})
		s.Finish()
		cmds := view(t, s).Commands
		if got := cmds[len(cmds)-1].Change; got != c.want {
			t.Errorf("%s (%s): change %q, want %q", name, strings.Join(c.argv, " "), got, c.want)
		}
	}
}
