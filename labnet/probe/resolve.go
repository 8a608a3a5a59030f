package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// resolver is what the workstation's own files say, read as the C library does
// (resolv.conf(5), hosts(5)).
type resolver struct {
	servers []netip.Addr
	search  []string
	ndots   int
	// timeout is the wait for one server; zero when the file does not say.
	timeout time.Duration
}

// maxFile bounds what is read of a file that a candidate may have written.
const maxFile = 64 << 10

// read reads a file of the post; a missing file is empty.
func (c *check) read(path string) (string, error) {
	if c.post.Open == nil {
		return "", failf(StagePost, "invalid", "no way to read %s of %s", path, c.post.Name)
	}
	f, err := c.post.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", failf(StagePost, "gone", "read %s of %s: %w", path, c.post.Name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return "", failf(StagePost, "gone", "read %s of %s: %w", path, c.post.Name, err)
	}
	return string(b), nil
}

// parseResolvConf reads resolv.conf. At most three servers are used, and the
// local host when there is none (MAXNS and the default of resolver(3)).
func parseResolvConf(text string) resolver {
	r := resolver{ndots: 1}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") || strings.HasPrefix(fields[0], ";") {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(fields[1]); err == nil && len(r.servers) < 3 {
				r.servers = append(r.servers, a)
			}
		case "domain":
			r.search = fields[1:2]
		case "search":
			r.search = fields[1:min(len(fields), 7)]
		case "options":
			for _, o := range fields[1:] {
				key, value, _ := strings.Cut(o, ":")
				n, err := strconv.Atoi(value)
				switch {
				case err != nil || n < 0:
				case key == "ndots":
					r.ndots = min(n, 15)
				case key == "timeout":
					r.timeout = time.Duration(min(n, 30)) * time.Second
				}
			}
		}
	}
	if len(r.servers) == 0 {
		r.servers = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	}
	return r
}

// hostsEntry is the first IPv4 address of a name in an /etc/hosts text.
func hostsEntry(text, name string) (netip.Addr, bool) {
	name = strings.TrimSuffix(name, ".")
	for line := range bufioLines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		for _, f := range fields[1:] {
			if strings.EqualFold(f, name) {
				if a, err := netip.ParseAddr(fields[0]); err == nil && a.Is4() {
					return a, true
				}
			}
		}
	}
	return netip.Addr{}, false
}

func bufioLines(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		s := bufio.NewScanner(strings.NewReader(text))
		s.Buffer(nil, maxFile+1)
		for s.Scan() {
			if !yield(s.Text()) {
				return
			}
		}
	}
}

// names lists what is asked for a name, in order (ndots and the search list).
func (r resolver) names(name string) []string {
	if strings.HasSuffix(name, ".") {
		return []string{name}
	}
	var list []string
	whole := name + "."
	if strings.Count(name, ".") >= r.ndots {
		list = append(list, whole)
	}
	for _, s := range r.search {
		if s != "." {
			list = append(list, name+"."+dns.Fqdn(s))
		}
	}
	if strings.Count(name, ".") < r.ndots {
		list = append(list, whole)
	}
	return list
}

// resolveTarget gives the address of the probe's target as the workstation sees
// it. Its errors are of StageResolve.
func (c *check) resolveTarget(ctx context.Context) (netip.Addr, error) {
	addr, err := c.resolve(ctx, c.probe.Target)
	if err == nil {
		c.measured["address"] = addr.String()
	}
	return addr, err
}

func (c *check) resolve(ctx context.Context, name string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return a, nil
	}
	hosts, err := c.read("/etc/hosts")
	if err != nil {
		return netip.Addr{}, err
	}
	if a, ok := hostsEntry(hosts, name); ok {
		c.measured["resolver"] = "hosts"
		return a, nil
	}
	conf, err := c.read("/etc/resolv.conf")
	if err != nil {
		return netip.Addr{}, err
	}
	r := parseResolvConf(conf)
	var last error
	for _, n := range r.names(name) {
		answer, err := c.lookup(ctx, r, n, dns.TypeA)
		if err != nil {
			last = err
			var f *failure
			if errors.As(err, &f) && f.code == "nxdomain" {
				continue
			}
			return netip.Addr{}, err
		}
		for _, rr := range answer.Answer {
			if a, ok := rr.(*dns.A); ok {
				if ip, ok := netip.AddrFromSlice(a.A.To4()); ok {
					return ip, nil
				}
			}
		}
		last = failf(StageResolve, "no_address", "%s has no IPv4 address", n)
	}
	return netip.Addr{}, last
}

// attempts is how often the list of servers is gone through, as resolver(3)
// does by default.
const attempts = 2

// lookup asks the servers in their order and passes to the next one when a
// server is silent, refuses or fails. The C library waits 5 s for each; here a
// silent server may use no more than its share of the check's time, else a
// second server could never be heard.
func (c *check) lookup(ctx context.Context, r resolver, name string, typ uint16) (*dns.Msg, error) {
	share := time.Second
	if d, ok := ctx.Deadline(); ok {
		share = time.Until(d) / time.Duration(attempts*len(r.servers)+1)
	}
	if r.timeout > 0 {
		share = min(share, r.timeout)
	}
	var last error
	for try := range attempts * len(r.servers) {
		server := r.servers[try%len(r.servers)]
		answer, err := c.ask(ctx, share, server, 53, name, typ)
		if err == nil && answer.Rcode == dns.RcodeSuccess {
			c.measured["resolver"] = server.String()
			if try > 0 {
				c.measured["resolverTries"] = strconv.Itoa(try + 1)
			}
			return answer, nil
		}
		switch {
		case err != nil:
			last = failf(StageResolve, resolveCode(err), "server %s, name %s: %w", server, name, err)
		case answer.Rcode == dns.RcodeNameError:
			return nil, failf(StageResolve, "nxdomain", "server %s: no name %s", server, name)
		default:
			code := strings.ToLower(dns.RcodeToString[answer.Rcode])
			last = failf(StageResolve, code, "server %s answered %s for %s", server, code, name)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

func resolveCode(err error) string {
	if code := codeOf(err); code != "timeout" {
		return code
	}
	return "no_answer"
}

// ask asks one server once, over UDP, and over TCP when the answer is cut.
func (c *check) ask(ctx context.Context, limit time.Duration, server netip.Addr, port uint16, name string, typ uint16) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), typ)
	m.SetEdns0(1232, false)
	for _, network := range []string{"udp", "tcp"} {
		conn, err := c.dial(ctx, network, netip.AddrPortFrom(server, port))
		if err != nil {
			return nil, err
		}
		client := dns.Client{Net: network, UDPSize: 1232}
		answer, _, err := client.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: conn, UDPSize: 1232})
		conn.Close()
		if err != nil {
			return nil, fmt.Errorf("ask %s over %s: %w", server, network, err)
		}
		if !answer.Truncated {
			return answer, nil
		}
	}
	return nil, errors.New("answer cut short over TCP too")
}
