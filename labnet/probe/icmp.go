package probe

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// checkICMP sends echo requests (RFC 792) and wants every one answered with the
// same payload. The socket is a raw one: the range of groups that may ping
// without privilege is the node's own setting and does not hold the host's.
func checkICMP(ctx context.Context, c *check) error {
	addr, err := c.resolveTarget(ctx)
	if err != nil {
		return err
	}
	f, err := socket(c.post.NetNS, unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	if err != nil {
		return err
	}
	conn, err := net.FilePacketConn(f)
	f.Close()
	if err != nil {
		return fail(StagePost, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	id := uint16(rand.Uint32())
	for seq := range c.number("count", 1) {
		payload := []byte(c.newNonce())
		msg := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: int(id), Seq: seq, Data: payload}}
		wire, err := msg.Marshal(nil)
		if err != nil {
			return fail(StagePost, err)
		}
		sent := time.Now()
		if _, err := conn.WriteTo(wire, &net.IPAddr{IP: addr.AsSlice()}); err != nil {
			return fail(StageConnect, err)
		}
		if err := echoed(conn, addr, id, uint16(seq), string(payload)); err != nil {
			if expired(ctx) {
				return failf(StageConnect, "timeout", "no echo reply from %s", addr)
			}
			return err
		}
		c.measured["rtt"] = time.Since(sent).Round(time.Microsecond).String()
	}
	return nil
}

// echoed waits for the reply to one request, or for an error message about it.
// A raw socket hears everything that reaches the workstation; what is not ours
// is passed over.
func echoed(conn net.PacketConn, addr netip.Addr, id, seq uint16, payload string) error {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return fail(StageConnect, os.NewSyscallError("read", err))
		}
		m, err := icmp.ParseMessage(1, buf[:n]) // 1 = ICMP for IPv4
		if err != nil {
			continue
		}
		switch body := m.Body.(type) {
		case *icmp.Echo:
			if m.Type == ipv4.ICMPTypeEchoReply && body.ID == int(id) && body.Seq == int(seq) &&
				from.String() == addr.String() && string(body.Data) == payload {
				return nil
			}
		case *icmp.DstUnreach:
			if quotes(body.Data, addr, id) {
				return failf(StageConnect, unreachCode(m.Code), "%s says: destination unreachable, code %d", from, m.Code)
			}
		case *icmp.TimeExceeded:
			if quotes(body.Data, addr, id) {
				return failf(StageConnect, "ttl_exceeded", "%s says: time to live exceeded (a loop?)", from)
			}
		}
	}
}

// quotes says whether an error message quotes our request: IPv4 header, then
// the first eight bytes of the ICMP message.
func quotes(data []byte, addr netip.Addr, id uint16) bool {
	if len(data) < 20 {
		return false
	}
	head := int(data[0]&0x0f) * 4
	if head < 20 || len(data) < head+8 {
		return false
	}
	dst, _ := netip.AddrFromSlice(data[16:20])
	return dst == addr && data[9] == unix.IPPROTO_ICMP && binary.BigEndian.Uint16(data[head+4:]) == id
}

// unreachCode names the codes of RFC 792 and RFC 1812 5.2.7.1.
func unreachCode(code int) string {
	switch code {
	case 0:
		return "no_route"
	case 1:
		return "unreachable"
	case 4:
		return "too_big"
	case 9, 10, 13:
		return "prohibited"
	}
	return fmt.Sprintf("unreachable_%s", strconv.Itoa(code))
}
