package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/situlab/situlab/scenarios"
)

// Post is a workstation that services are asked from, as it is now: after a
// reboot the namespace's path is another.
type Post struct {
	// Name is the node's name, Segment the id of the segment it stands in.
	Name    string
	Segment string
	// NetNS is the path of its network namespace (/proc/PID/ns/net).
	NetNS string
	// Interface is its network card; empty means eth0.
	Interface string
	// Net is the prefix that its address must lie in; zero means any.
	Net netip.Prefix
	// Open opens a file of the node's tree safely (node.Node.Open).
	Open func(path string) (*os.File, error)
}

// Secrets gives an account of the site's vault.
type Secrets func(id string) (user, value string, ok bool)

// SecretsOf is the vault of a site.
func SecretsOf(site *scenarios.Site) Secrets {
	return func(id string) (string, string, bool) {
		for _, s := range site.Secrets {
			if s.ID == id {
				return s.User, s.Value, true
			}
		}
		return "", "", false
	}
}

// check is one check being made.
type check struct {
	probe    scenarios.Probe
	kind     kind
	post     Post
	secrets  Secrets
	measured map[string]string
	nonce    string
}

// Check asks one service from one post. It never returns an error: what went
// wrong is in the result. A probe that [Validate] refuses is red at StagePost
// with code "invalid". A check interrupted by ctx itself has code "interrupted",
// which says nothing about the service.
func Check(ctx context.Context, p scenarios.Probe, post Post, secrets Secrets) Result {
	r := Result{Probe: p.ID, Service: p.Service, Kind: p.Kind, Post: post.Name, Segment: post.Segment, At: time.Now()}
	if err := Validate(p); err != nil {
		r.Stage, r.Code, r.Detail = StagePost, "invalid", err.Error()
		return r
	}
	c := &check{probe: p, kind: kinds[p.Kind], post: post, secrets: secrets, measured: map[string]string{}}
	limit := c.kind.timeout
	if t, err := time.ParseDuration(p.Params["timeout"]); err == nil {
		limit = t
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := c.kind.run(limited, c)
	r.Latency = time.Since(r.At)
	r.Measured, r.Nonce = copyOf(c.measured), c.nonce
	if err == nil {
		r.OK = true
		return r
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{StageProtocol, codeOf(err), err}
	}
	r.Stage, r.Code, r.Detail = f.stage, f.code, clip(err.Error(), 300)
	if ctx.Err() != nil {
		r.Stage, r.Code = StagePost, "interrupted"
	}
	return r
}

// Interrupted says that the check was cut short by its caller.
func (r Result) Interrupted() bool { return r.Stage == StagePost && r.Code == "interrupted" }

// port is the port to ask.
func (c *check) port() uint16 {
	if c.probe.Port != 0 {
		return uint16(c.probe.Port)
	}
	return uint16(c.kind.port)
}

// param is a parameter, or what stands for it when left out.
func (c *check) param(name, fallback string) string {
	if v := c.probe.Params[name]; v != "" {
		return v
	}
	return fallback
}

// number is a parameter that Validate found to be a whole number.
func (c *check) number(name string, fallback int) int {
	if n, err := strconv.Atoi(c.probe.Params[name]); err == nil {
		return n
	}
	return fallback
}

// account is the user and password to log in with; empty without secret.
func (c *check) account() (user, password string, err error) {
	id := c.probe.Params["secret"]
	if id == "" {
		return "", "", nil
	}
	if c.secrets != nil {
		if u, v, ok := c.secrets(id); ok {
			return c.param("user", u), v, nil
		}
	}
	return "", "", failf(StagePost, "invalid", "no secret %q in the site", id)
}

// newNonce draws the word that the server must give back.
func (c *check) newNonce() string {
	c.nonce = strings.ToLower(rand.Text()[:16])
	return c.nonce
}

// dialTarget resolves the target and connects to its port.
func (c *check) dialTarget(ctx context.Context, network string) (net.Conn, netip.Addr, error) {
	addr, err := c.resolveTarget(ctx)
	if err != nil {
		return nil, addr, err
	}
	conn, err := c.dial(ctx, network, netip.AddrPortFrom(addr, c.port()))
	return conn, addr, err
}

// dial connects, with the check's deadline and a bound on what may be read.
func (c *check) dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	conn, err := dial(ctx, c.post.NetNS, network, to)
	if err != nil {
		return nil, fail(StageConnect, fmt.Errorf("%s %s: %w", network, to, err))
	}
	if d, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(d); err != nil {
			conn.Close()
			return nil, fail(StagePost, err)
		}
	}
	if network == "udp" { // a datagram is bounded by itself
		return conn, nil
	}
	return &bounded{Conn: conn, left: maxRead}, nil
}

// maxRead is the most that one connection may send us, in bytes: a server that
// a candidate controls must not fill the host's memory.
const maxRead = 4 << 20

type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("more than %d bytes received: %w", maxRead, io.ErrShortBuffer)
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
