package watch

import (
	"path"
	"slices"
	"strings"
)

// What is typed into a program is one of four things. Lines of work in a program
// whose prompts are known are cut from the screen (interactiveProgram). In a
// shell, what the lines run is seen as programs, and what they write as files.
// Keys for a pager, a question, a full-screen view are no lines; an editor's
// lines become a file, which is seen; what is typed into situ the desk has sealed
// already. All other programs take lines of work that cannot be cut.

// commLen is how much of a name the kernel keeps (TASK_COMM_LEN less one).
const commLen = 15

func names(list ...string) map[string]bool {
	m := map[string]bool{}
	for _, l := range list {
		for _, n := range strings.Fields(l) {
			m[n[:min(len(n), commLen)]] = true
		}
	}
	return m
}

var (
	shellNames = names("sh bash dash ash rbash zsh ksh fish busybox")

	// conveyors pass what is typed on to a program behind them, that has a terminal
	// of its own or shares theirs.
	conveyors = names("ssh slogin mosh telnet-ssl sudo su doas runuser pkexec login tmux screen script expect unbuffer",
		"env nohup setsid timeout stdbuf time nice ionice chrt taskset strace ltrace machinectl nsenter unshare chroot ip systemd-run watchdog")

	// noLines take keys or answers, never lines of work.
	noLines = names(
		"situ",
		// pagers, and programs that call one
		"less more most pg man apropos whatis info zless zmore pager sensible-pager journalctl systemctl loginctl networkctl resolvectl timedatectl hostnamectl systemd-analyze systemd-cgls systemd-cgtop coredumpctl git",
		// full-screen views
		"top htop atop iotop iftop nethogs nload bmon mtr mtr-packet watch tig nmtui mc slabtop",
		// editors: what they write is seen
		"vi vim vim.tiny vim.basic vimdiff view ex nvim nano rnano pico emacs joe jed mcedit ed red sensible-editor select-editor editor visudo sudoedit vipw vigr crontab",
		// questions: yes or no, a password, a name
		"rm cp mv ln install apt apt-get aptitude dpkg dpkg-reconfigure dpkg-preconfigure debconf whiptail dialog deluser adduser addgroup delgroup useradd userdel usermod passwd chpasswd chage chsh chfn newgrp gpasswd",
		"ssh-keygen ssh-copy-id ssh-add ssh-agent ssh-keyscan scp rsync gpg restic fsck e2fsck fsck.ext4 mkfs mkfs.ext4 mke2fs tune2fs resize2fs systemd-ask-password systemd-tty-ask-password-agent reboot shutdown poweroff halt unzip gunzip",
		// what does not read the terminal, or gives what it reads to a file or a pipe, both seen
		"ping ping4 ping6 arping fping traceroute traceroute6 tracepath tcpdump tshark nmap dig host drill getent curl wget ss netstat arp route bridge tc ethtool iperf iperf3 lsof fuser",
		"tail head cat tac tee grep egrep fgrep zgrep sed awk mawk gawk sort uniq wc cut tr find xargs diff cmp file stat ls du df free ps pgrep pkill kill killall sleep seq yes true false echo printf date uptime who w last id",
		"vmstat iostat mpstat pidstat sar dmesg logger logread tar gzip xz zstd zcat dd sync md5sum sha256sum base64 od xxd hexdump strings make named-checkconf named-checkzone rndc postfix postqueue mailq pg_dump pg_restore pg_isready ldapsearch ldapadd ldapmodify smbstatus testparm nginx",
		"clear reset tput stty tty sysctl nft iptables mount umount swapon lsblk blkid service chronyd")
)

func named(set map[string]bool, name string) bool { return set[name[:min(len(name), commLen)]] }

// isShell looks at what runs first: a script is called by its own name.
func (p *running) isShell() bool { return named(shellNames, p.exe) || named(shellNames, p.program) }

// passesOn says whether a program only hands on what is typed.
func (p *running) passesOn() bool {
	if p.program == "situ" {
		return len(p.argv) > 1 && p.argv[1] == "console"
	}
	return named(conveyors, p.program) || strings.HasPrefix(p.program, "tmux:")
}

// takesWork says whether lines typed into a program can be work that shows
// nowhere else.
func (p *running) takesWork() bool {
	return p.asks || !p.isShell() && !p.passesOn() && !named(noLines, p.program)
}

// interactiveProgram says whether a command line starts a program that asks for
// lines with prompts that are known; with commands in its arguments or a file it
// does not.
func interactiveProgram(argv []string) (name string, ok bool) {
	if len(argv) == 0 {
		return "", false
	}
	name = strings.TrimPrefix(path.Base(argv[0]), "-")
	has := func(flags ...string) bool {
		return slices.ContainsFunc(argv[1:], func(a string) bool {
			return slices.ContainsFunc(flags, func(f string) bool {
				return a == f || (strings.HasPrefix(f, "--") && strings.HasPrefix(a, f+"=")) ||
					(len(f) == 2 && !strings.HasPrefix(a, "--") && strings.HasPrefix(a, f))
			})
		})
	}
	words := slices.ContainsFunc(argv[1:], func(a string) bool { return !strings.HasPrefix(a, "-") })
	switch {
	case name == "vtysh":
		return name, !has("-c", "-f", "-b", "-m", "-C", "--command", "--inputfile", "--boot", "--markfile", "--dryrun", "-w", "--writeconfig", "-h", "--help")
	case name == "psql":
		return name, !has("-c", "-f", "-l", "-V", "--command", "--file", "--list", "--version", "--help")
	case strings.HasPrefix(name, "python"):
		return "python3", !words && !has("-c", "-m", "-V", "--version", "--help", "-h")
	case name == "mysql", name == "mariadb":
		return "mysql", !has("-e", "--execute")
	case name == "sqlite3", name == "smbclient":
		return name, !has("-c", "-L")
	case name == "chronyc":
		return name, !words
	case name == "nft":
		return name, has("-i", "--interactive")
	case name == "sftp":
		return name, !has("-b")
	}
	return "", false
}
