package watch

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path"
	"strings"
)

// conn is one TCP connection as a process's own network namespace shows it.
type conn struct {
	local, remote netip.AddrPort
	inode         string
}

// isSSHServer tells a server about to serve one connection: re-executed by the
// listener (sshd -R, sshd-session since OpenSSH 9.8) or started per connection
// (sshd -i). The inode of the program is not known here, so a program that only
// calls itself sshd comes here too; it is believed only if it holds a connection
// whose other end belongs to a terminal.
func isSSHServer(e *ExecEvent) bool {
	return strings.HasPrefix(path.Base(e.Exe), "sshd") || strings.HasPrefix(e.Comm, "sshd")
}

// tcpOf lists the connected TCP sockets that a process holds.
func tcpOf(pid int) []conn {
	inodes := socketsOf(pid)
	if len(inodes) == 0 {
		return nil
	}
	var out []conn
	for _, c := range tcpTable(pid) {
		if inodes[c.inode] {
			out = append(out, c)
		}
	}
	return out
}

// socketsOf is the set of socket inodes among a process's open files.
func socketsOf(pid int) map[string]bool {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	out := map[string]bool{}
	for _, e := range entries {
		if l, err := os.Readlink(dir + e.Name()); err == nil && strings.HasPrefix(l, "socket:[") {
			out[strings.TrimSuffix(l[len("socket:["):], "]")] = true
		}
	}
	return out
}

// tcpTable is the table of connections of the process's network namespace.
func tcpTable(pid int) []conn {
	var out []conn
	for _, name := range []string{"tcp", "tcp6"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, name))
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			w := strings.Fields(s.Text())
			if len(w) < 10 || w[3] == "0A" || w[0] == "sl" { // listening, header
				continue
			}
			local, ok1 := procAddr(w[1])
			remote, ok2 := procAddr(w[2])
			if ok1 && ok2 {
				out = append(out, conn{local, remote, w[9]})
			}
		}
		f.Close()
	}
	return out
}

// procAddr decodes 0100007F:0016: 32-bit words in host order, port in hex.
func procAddr(s string) (netip.AddrPort, bool) {
	a, p, ok := strings.Cut(s, ":")
	if !ok {
		return netip.AddrPort{}, false
	}
	raw, err := hex.DecodeString(a)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	var port uint16
	if _, err := fmt.Sscanf(p, "%04X", &port); err != nil || !ok {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip.Unmap(), port), true
}
