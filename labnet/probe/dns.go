package probe

import (
	"context"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// checkDNS asks for a record: the workstation's own resolvers when the probe
// has no target, else that one server.
func checkDNS(ctx context.Context, c *check) error {
	name, typ := dns.Fqdn(c.param("name", "")), recordTypeOf(c.param("type", ""))
	var answer *dns.Msg
	if c.probe.Target == "" {
		conf, err := c.read("/etc/resolv.conf")
		if err != nil {
			return err
		}
		if answer, err = c.lookup(ctx, parseResolvConf(conf), name, typ); err != nil {
			return err
		}
	} else {
		server, err := c.resolveTarget(ctx)
		if err != nil {
			return err
		}
		d, _ := ctx.Deadline()
		if answer, err = c.ask(ctx, time.Until(d), server, c.port(), name, typ); err != nil {
			return fail(StageConnect, err)
		}
		if answer.Rcode != dns.RcodeSuccess {
			code := strings.ToLower(dns.RcodeToString[answer.Rcode])
			return failf(StageProtocol, code, "server %s answered %s for %s", server, code, name)
		}
	}
	var data []string
	for _, rr := range answer.Answer {
		if rr.Header().Rrtype == typ {
			data = append(data, strings.TrimSpace(strings.TrimPrefix(rr.String(), rr.Header().String())))
		}
	}
	c.measured["answer"] = clip(strings.Join(data, ", "), 200)
	if len(data) == 0 {
		return failf(StageContent, "no_record", "%s has no %s record", name, dns.TypeToString[typ])
	}
	want := c.param("expect", "")
	for _, d := range data {
		if strings.Contains(d, want) {
			return nil
		}
	}
	return failf(StageContent, "wrong_answer", "%s %s is %s, not %s", name, dns.TypeToString[typ], c.measured["answer"], want)
}
