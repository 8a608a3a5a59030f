package probe

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/beevik/ntp"
)

// checkNTP asks the time once (RFC 5905, client mode) and wants a synchronised
// server whose time is near the host's.
func checkNTP(ctx context.Context, c *check) error {
	addr, err := c.resolveTarget(ctx)
	if err != nil {
		return err
	}
	options := ntp.QueryOptions{Dialer: func(_, _ string) (net.Conn, error) {
		return c.dial(ctx, "udp", netip.AddrPortFrom(addr, c.port()))
	}}
	if d, ok := ctx.Deadline(); ok {
		options.Timeout = time.Until(d)
	}
	answer, err := ntp.QueryWithOptions(netip.AddrPortFrom(addr, c.port()).String(), options)
	if err != nil {
		return fail(StageConnect, err)
	}
	c.measured["stratum"] = strconv.Itoa(int(answer.Stratum))
	c.measured["offset"] = answer.ClockOffset.Round(time.Microsecond).String()
	if err := answer.Validate(); err != nil {
		return failf(StageProtocol, "not_synchronised", "%w", err)
	}
	if most := c.number("maxStratum", 15); int(answer.Stratum) > most {
		return failf(StageContent, "stratum", "stratum %d is above %d", answer.Stratum, most)
	}
	most, err := time.ParseDuration(c.param("maxOffset", "5s"))
	if err != nil {
		return failf(StagePost, "invalid", "%w", err)
	}
	if answer.ClockOffset.Abs() > most {
		return failf(StageContent, "offset", "the server is %v off", answer.ClockOffset)
	}
	return nil
}
