package probe

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// checkDHCP wants two things: the workstation holds an address of its segment,
// and a workstation switched on now would be offered one.
//
// For the second it sends a DHCPDISCOVER with the workstation's own hardware
// address and waits for the DHCPOFFER (RFC 2131 3.1), through the relay as at
// boot. It never sends a DHCPREQUEST, so no lease is taken, prolonged or
// released: the server offers the address that this card already has. The
// transaction's number is ours, so the client in the node passes the offer
// over. A packet socket is used because port 68 belongs to that client.
func checkDHCP(ctx context.Context, c *check) error {
	want, err := c.wantedServer(ctx)
	if err != nil {
		return err
	}
	nic, err := cardOf(c.post)
	if err != nil {
		return err
	}
	if !nic.up {
		return failf(StageConnect, "no_carrier", "the card has no link")
	}
	held, holdErr := lease(nic, c.post.Net)
	if holdErr == nil {
		c.measured["address"] = held.String()
	}
	offer, err := discover(ctx, c.post.NetNS, nic, c.clientID(nic))
	if err != nil {
		if expired(ctx) {
			return failf(StageConnect, "no_offer", "no DHCP server answered")
		}
		return fail(StageConnect, err)
	}
	offered, _ := netip.AddrFromSlice(offer.YourIPAddr.To4())
	server, _ := netip.AddrFromSlice(offer.ServerIdentifier().To4())
	c.measured["offered"], c.measured["server"] = offered.String(), server.String()
	if routers := offer.Router(); len(routers) > 0 {
		c.measured["router"] = routers[0].String()
	}
	var resolvers []string
	for _, ip := range offer.DNS() {
		resolvers = append(resolvers, ip.String())
	}
	c.measured["dns"] = strings.Join(resolvers, " ")
	switch {
	case c.post.Net.IsValid() && !c.post.Net.Contains(offered):
		return failf(StageContent, "wrong_offer", "%s offers %s, which is not in %s", server, offered, c.post.Net)
	case want.IsValid() && server != want:
		return failf(StageContent, "wrong_server", "the offer comes from %s, not from %s", server, want)
	}
	return holdErr
}

// wantedServer is the address of the probe's target, without asking a resolver
// when there is none.
func (c *check) wantedServer(ctx context.Context) (netip.Addr, error) {
	if c.probe.Target == "" {
		return netip.Addr{}, nil
	}
	return c.resolve(ctx, c.probe.Target)
}

// lease is the card's address in its segment.
func lease(nic card, segment netip.Prefix) (netip.Prefix, error) {
	var other []string
	for _, a := range nic.addresses {
		if !segment.IsValid() || segment.Contains(a.Addr()) {
			return a, nil
		}
		other = append(other, a.String())
	}
	if len(other) > 0 {
		return netip.Prefix{}, failf(StageContent, "wrong_subnet", "the card has %s, not an address of %s", strings.Join(other, ", "), segment)
	}
	return netip.Prefix{}, failf(StageContent, "no_lease", "the card has no address")
}

// clientID is the identifier by which the workstation's own client goes (option
// 61, RFC 2132 9.14), as systemd-networkd notes it with its lease. With it the
// server takes us for that client; without a lease there is none to be taken for.
func (c *check) clientID(nic card) []byte {
	text, err := c.read(fmt.Sprintf("/run/systemd/netif/leases/%d", nic.index))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "CLIENTID="); ok {
			if id, err := hex.DecodeString(value); err == nil && len(id) > 0 && len(id) <= 255 {
				return id
			}
		}
	}
	return nil
}

// discover sends one DHCPDISCOVER, again after a second, and waits for the
// first offer.
func discover(ctx context.Context, ns string, nic card, id []byte) (*dhcpv4.DHCPv4, error) {
	f, err := socket(ns, unix.AF_PACKET, unix.SOCK_DGRAM, int(htons(unix.ETH_P_IP)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cause error
	if err := raw.Control(func(fd uintptr) { cause = toClients(int(fd), nic.index) }); err != nil || cause != nil {
		return nil, failf(StagePost, "error", "packet socket: %w", errors.Join(err, cause))
	}
	ask, err := dhcpv4.NewDiscovery(nic.hw)
	if err != nil {
		return nil, failf(StagePost, "error", "%w", err)
	}
	if len(id) > 0 {
		ask.UpdateOption(dhcpv4.OptClientIdentifier(id))
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	frame := datagram(ask.ToBytes())
	send := func() error {
		to := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_IP), Ifindex: nic.index, Halen: 6,
			Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
		var cause error
		err := raw.Write(func(fd uintptr) bool {
			cause = unix.Sendto(int(fd), frame, 0, to)
			return !errors.Is(cause, unix.EAGAIN)
		})
		return errors.Join(err, os.NewSyscallError("sendto", cause))
	}
	if err := send(); err != nil {
		return nil, err
	}
	again := time.AfterFunc(time.Second, func() { _ = send() })
	defer again.Stop()
	buf := make([]byte, 1500)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return nil, err
		}
		answer, err := dhcpv4.FromBytes(payload(buf[:n]))
		if err == nil && answer.TransactionID == ask.TransactionID && answer.MessageType() == dhcpv4.MessageTypeOffer {
			return answer, nil
		}
	}
}

// toClients binds a packet socket to the card and lets only datagrams for port
// 68 through.
func toClients(fd, index int) error {
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 4},
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 68, SkipTrue: 1},
		bpf.RetConstant{Val: 0xffff},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(filter))
	for i, in := range filter {
		program[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}); err != nil {
		return os.NewSyscallError("SO_ATTACH_FILTER", err)
	}
	return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_IP), Ifindex: index}))
}

// datagram wraps a DHCP message in UDP and IPv4 headers, from 0.0.0.0:68 to
// 255.255.255.255:67. UDP's checksum is left out, which RFC 768 allows.
func datagram(message []byte) []byte {
	b := make([]byte, 28, 28+len(message))
	b[0], b[8], b[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(b[2:], uint16(28+len(message)))
	copy(b[16:20], net.IPv4bcast.To4())
	binary.BigEndian.PutUint16(b[10:], checksum(b[:20]))
	binary.BigEndian.PutUint16(b[20:], 68)
	binary.BigEndian.PutUint16(b[22:], 67)
	binary.BigEndian.PutUint16(b[24:], uint16(8+len(message)))
	return append(b, message...)
}

// payload is what a UDP datagram over IPv4 carries; empty when it is none.
func payload(b []byte) []byte {
	if len(b) < 20 {
		return nil
	}
	head := int(b[0]&0x0f) * 4
	if head < 20 || len(b) < head+8 {
		return nil
	}
	return b[head+8:]
}

// checksum is the Internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }
