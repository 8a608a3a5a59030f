package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
)

// maxBody is how much of a page is looked at, in bytes.
const maxBody = 1 << 20

// checkHTTP gets one page, follows no redirection, and wants its status and a
// text in it. https trusts what the workstation trusts.
func checkHTTP(ctx context.Context, c *check) error {
	addr, err := c.resolveTarget(ctx)
	if err != nil {
		return err
	}
	scheme := c.param("scheme", "http")
	port := c.port()
	if scheme == "https" && c.probe.Port == 0 {
		port = 443
	}
	var connected atomic.Bool // set by a goroutine of net/http
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := c.dial(ctx, "tcp", netip.AddrPortFrom(addr, port))
			connected.Store(err == nil)
			return conn, err
		},
	}
	defer transport.CloseIdleConnections()
	if scheme == "https" {
		roots, err := c.roots()
		if err != nil {
			return err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	want := c.param("expect", "")
	target := url.URL{Scheme: scheme, Host: c.probe.Target, Path: "/"}
	if c.probe.Port != 0 {
		target.Host = net.JoinHostPort(c.probe.Target, strconv.Itoa(c.probe.Port))
	}
	if p, err := url.Parse(c.param("path", "/")); err == nil {
		target.Path, target.RawQuery = p.Path, p.RawQuery
	}
	if name := c.param("nonce", ""); name != "" {
		q := target.Query()
		q.Set(name, c.newNonce())
		target.RawQuery = q.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return failf(StagePost, "invalid", "%w", err)
	}
	if host := c.param("host", ""); host != "" {
		request.Host = host
	}
	request.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
	answer, err := client.Do(request)
	if err != nil {
		var cert *tls.CertificateVerificationError
		if errors.As(err, &cert) {
			return failf(StageAuth, "certificate", "%w", err)
		}
		if !connected.Load() {
			return fail(StageConnect, err)
		}
		return fail(StageProtocol, err)
	}
	defer answer.Body.Close()
	c.measured["status"] = strconv.Itoa(answer.StatusCode)
	if status := c.number("status", http.StatusOK); answer.StatusCode != status {
		return failf(StageProtocol, "status_"+c.measured["status"], "status %s, want %d", answer.Status, status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return fail(StageProtocol, err)
	}
	c.measured["bytes"] = strconv.Itoa(len(body))
	if !strings.Contains(string(body), want) {
		return failf(StageContent, "missing_text", "the page of %d bytes does not hold %q", len(body), want)
	}
	if c.nonce != "" && !strings.Contains(string(body), c.nonce) {
		return failf(StageContent, "stale", "the page does not give back the word sent: it was not made now")
	}
	return nil
}

// roots are the authorities that the workstation trusts.
func (c *check) roots() (*x509.CertPool, error) {
	const path = "/etc/ssl/certs/ca-certificates.crt"
	f, err := c.post.Open(path)
	if err != nil {
		return nil, failf(StagePost, "no_authorities", "%s of %s: %w", path, c.post.Name, err)
	}
	defer f.Close()
	pem, err := io.ReadAll(io.LimitReader(f, maxBody))
	if err != nil {
		return nil, fail(StagePost, err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool, nil
}
