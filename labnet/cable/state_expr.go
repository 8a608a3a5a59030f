package cable

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// ruleExprs writes a rule's expressions as text. A rule loads something into a
// register and compares it later: the text names what was loaded.
func ruleExprs(f nftables.TableFamily, es []expr.Any) string {
	regs := map[uint32]string{}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, e := range es {
		switch e := e.(type) {
		case *expr.Meta:
			if e.SourceRegister {
				say("meta %s set %s", metaName(e.Key), regs[e.Register])
			} else {
				regs[e.Register] = metaName(e.Key)
			}
		case *expr.Payload:
			if e.OperationType == expr.PayloadWrite {
				say("%s set %s", payloadName(f, e), regs[e.SourceRegister])
			} else {
				regs[e.DestRegister] = payloadName(f, e)
			}
		case *expr.Ct:
			if e.SourceRegister {
				say("%s set %s", ctName(e.Key), regs[e.Register])
			} else {
				regs[e.Register] = ctName(e.Key)
			}
		case *expr.Immediate:
			regs[e.Register] = "0x" + hex.EncodeToString(e.Data)
		case *expr.Bitwise:
			name := regs[e.SourceRegister]
			switch {
			case name == "ct state":
				regs[e.DestRegister] = "ct state & " + ctStates(e.Mask)
			case !bytes.Equal(e.Xor, make([]byte, len(e.Xor))):
				regs[e.DestRegister] = fmt.Sprintf("%s & 0x%x ^ 0x%x", name, e.Mask, e.Xor)
			default:
				regs[e.DestRegister] = fmt.Sprintf("%s & %s", name, value(name, e.Mask))
			}
		case *expr.Cmp:
			name := regs[e.Register]
			// "ct state & established,related != 0" is how nft writes a match.
			if strings.HasPrefix(name, "ct state & ") && e.Op == expr.CmpOpNeq && bytes.Equal(e.Data, make([]byte, len(e.Data))) {
				say("ct state %s", strings.TrimPrefix(name, "ct state & "))
				continue
			}
			say("%s %s%s", name, cmpOp(e.Op), value(name, e.Data))
		case *expr.Range:
			name := regs[e.Register]
			say("%s %s%s-%s", name, cmpOp(e.Op), value(name, e.FromData), value(name, e.ToData))
		case *expr.Lookup:
			not := ""
			if e.Invert {
				not = "!= "
			}
			kind := ""
			if e.IsDestRegSet {
				kind = "vmap "
			}
			say("%s %s%s@%s", regs[e.SourceRegister], kind, not, e.SetName)
		case *expr.Verdict:
			say("%s", verdict(e))
		case *expr.Counter:
			say("counter") // its numbers change by themselves
		case *expr.NAT:
			kind := map[expr.NATType]string{expr.NATTypeSourceNAT: "snat", expr.NATTypeDestNAT: "dnat"}[e.Type]
			to := address(regs[e.RegAddrMin])
			if p := regs[e.RegProtoMin]; p != "" {
				to += ":" + port(p)
			}
			say("%s to %s", kind, to)
		case *expr.Masq:
			say("masquerade")
		case *expr.Redir:
			say("redirect to :%s", port(regs[e.RegisterProtoMin]))
		case *expr.Reject:
			say("reject type %d code %d", e.Type, e.Code)
		case *expr.Log:
			say("log prefix %q", strings.TrimRight(string(e.Data), "\x00"))
		case *expr.Limit:
			say("limit %d type %d unit %d burst %d over %v", e.Rate, e.Type, e.Unit, e.Burst, e.Over)
		default:
			data, err := json.Marshal(e)
			if err != nil {
				data = []byte(err.Error())
			}
			say("%s %s", strings.TrimPrefix(fmt.Sprintf("%T", e), "*expr."), data)
		}
	}
	return strings.Join(out, " ")
}

func verdict(v *expr.Verdict) string {
	names := map[expr.VerdictKind]string{
		expr.VerdictAccept: "accept", expr.VerdictDrop: "drop", expr.VerdictReturn: "return", expr.VerdictContinue: "continue",
		expr.VerdictJump: "jump ", expr.VerdictGoto: "goto ", expr.VerdictQueue: "queue",
	}
	if n := names[v.Kind]; n != "" {
		return n + v.Chain
	}
	return fmt.Sprintf("verdict %d %s", v.Kind, v.Chain)
}

func cmpOp(o expr.CmpOp) string {
	return map[expr.CmpOp]string{expr.CmpOpNeq: "!= ", expr.CmpOpLt: "< ", expr.CmpOpLte: "<= ", expr.CmpOpGt: "> ", expr.CmpOpGte: ">= "}[o]
}

func metaName(k expr.MetaKey) string {
	names := map[expr.MetaKey]string{
		expr.MetaKeyIIFNAME: "iifname", expr.MetaKeyOIFNAME: "oifname", expr.MetaKeyIIF: "iif", expr.MetaKeyOIF: "oif",
		expr.MetaKeyL4PROTO: "l4proto", expr.MetaKeyNFPROTO: "nfproto", expr.MetaKeyMARK: "mark", expr.MetaKeySKUID: "skuid",
		expr.MetaKeyPKTTYPE: "pkttype", expr.MetaKeyPROTOCOL: "protocol",
	}
	if n := names[k]; n != "" {
		return n
	}
	return fmt.Sprintf("meta %d", k)
}

func ctName(k expr.CtKey) string {
	switch k {
	case expr.CtKeySTATE:
		return "ct state"
	case expr.CtKeySTATUS:
		return "ct status"
	case expr.CtKeyMARK:
		return "ct mark"
	}
	return fmt.Sprintf("ct %d", k)
}

// payloadName names header fields by their place (RFC 791, 8200, 793, 768).
func payloadName(f nftables.TableFamily, p *expr.Payload) string {
	switch p.Base {
	case expr.PayloadBaseNetworkHeader:
		switch [2]uint32{p.Offset, p.Len} {
		case [2]uint32{12, 4}:
			return "ip saddr"
		case [2]uint32{16, 4}:
			return "ip daddr"
		case [2]uint32{9, 1}:
			return "ip protocol"
		case [2]uint32{8, 16}:
			return "ip6 saddr"
		case [2]uint32{24, 16}:
			return "ip6 daddr"
		}
	case expr.PayloadBaseTransportHeader:
		switch [2]uint32{p.Offset, p.Len} {
		case [2]uint32{0, 2}:
			return "sport"
		case [2]uint32{2, 2}:
			return "dport"
		case [2]uint32{0, 1}:
			return "icmp type"
		}
	}
	return fmt.Sprintf("@%d,%d,%d", p.Base, p.Offset, p.Len)
}

// value writes bytes by what they are compared with; set types have nft's own
// names.
func value(name string, b []byte) string {
	switch name {
	case "iifname", "oifname", "ifname":
		return `"` + strings.TrimRight(string(b), "\x00") + `"`
	case "ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr", "ipv4_addr", "ipv6_addr":
		if a, ok := netip.AddrFromSlice(b); ok {
			return a.String()
		}
		if len(b) == 3 || len(b) < 4 && len(b) > 0 { // a prefix on a byte boundary
			full := append(append([]byte{}, b...), 0, 0, 0, 0)[:4]
			a, _ := netip.AddrFromSlice(full)
			return fmt.Sprintf("%s/%d", a, len(b)*8)
		}
	case "sport", "dport", "inet_service":
		if len(b) >= 2 {
			return fmt.Sprint(binary.BigEndian.Uint16(b))
		}
	case "ip protocol", "l4proto", "inet_proto", "icmp type", "nfproto":
		if len(b) >= 1 {
			switch n := protocols[b[0]]; {
			case name == "nfproto" && b[0] == unix.NFPROTO_IPV4:
				return "ipv4"
			case name == "nfproto" && b[0] == unix.NFPROTO_IPV6:
				return "ipv6"
			case n != "" && name != "icmp type" && name != "nfproto":
				return n
			}
			return fmt.Sprint(b[0])
		}
	case "ct state":
		return ctStates(b)
	}
	return "0x" + hex.EncodeToString(b)
}

var protocols = map[byte]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 89: "ospf", 112: "vrrp"}

func address(hexed string) string {
	b, err := hex.DecodeString(strings.TrimPrefix(hexed, "0x"))
	if err != nil {
		return hexed // loaded from a map or a header
	}
	return value("ip daddr", b)
}

func port(hexed string) string {
	b, err := hex.DecodeString(strings.TrimPrefix(hexed, "0x"))
	if err != nil {
		return hexed
	}
	return value("dport", b)
}

func ctStates(b []byte) string {
	if len(b) != 4 {
		return "0x" + hex.EncodeToString(b)
	}
	bits := binary.NativeEndian.Uint32(b)
	var names []string
	for _, s := range []struct {
		bit  uint32
		name string
	}{
		{expr.CtStateBitINVALID, "invalid"}, {expr.CtStateBitESTABLISHED, "established"}, {expr.CtStateBitRELATED, "related"},
		{expr.CtStateBitNEW, "new"}, {expr.CtStateBitUNTRACKED, "untracked"},
	} {
		if bits&s.bit != 0 {
			names = append(names, s.name)
		}
	}
	return strings.Join(names, ",")
}
