package probe

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// zone answers for www, alias and big of test.internal.
func zone(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	add := func(s string) {
		rr, err := dns.NewRR(s)
		if err != nil {
			panic(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	switch name := q.Question[0].Name; {
	case name == "www.test.internal." && q.Question[0].Qtype == dns.TypeA:
		add(name + " 60 IN A 192.0.2.2")
	case name == "www.test.internal.":
	case name == "alias.test.internal.":
		add(name + " 60 IN CNAME www.test.internal.")
		add("www.test.internal. 60 IN A 192.0.2.2")
	case name == "test.internal.":
		add(name + " 60 IN MX 10 mail.test.internal.")
	case name == "big.test.internal.":
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
			m.Truncated = true
		} else {
			add(name + " 60 IN A 192.0.2.3")
		}
	case name == "broken.test.internal.":
		m.Rcode = dns.RcodeServerFailure
	default:
		m.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(m)
}

// dnsServer serves handler on an address of the server.
func (g *ground) dnsServer(ip string, handler dns.HandlerFunc) {
	for _, s := range []*dns.Server{{PacketConn: g.listenUDP(ip + ":53")}, {Listener: g.listen(ip + ":53")}} {
		s.Handler = handler
		go s.ActivateAndServe()
	}
}

// ntpServer answers with a stratum and an offset.
func (g *ground) ntpServer(addr string, stratum byte, offset time.Duration) {
	c := g.listenUDP(addr)
	stamp := func(b []byte, t time.Time) {
		const era = 2208988800 // seconds from 1900 to 1970
		binary.BigEndian.PutUint32(b, uint32(t.Unix()+era))
		binary.BigEndian.PutUint32(b[4:], uint32(uint64(t.Nanosecond())<<32/1e9))
	}
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if n < 48 {
				continue
			}
			answer := make([]byte, 48)
			now := time.Now().Add(offset)
			answer[0], answer[1], answer[3] = 4<<3|4, stratum, 0xec // version 4, server
			stamp(answer[16:], now.Add(-time.Minute))
			copy(answer[24:], b[40:48])
			stamp(answer[32:], now)
			stamp(answer[40:], now)
			_, _ = c.WriteTo(answer, from)
		}
	}()
}

// smtpServer refuses recipients whose name starts with "no" and hands every
// mail over.
func (g *ground) smtpServer(addr string, mails chan<- string) {
	serve(g.listen(addr), func(c net.Conn) {
		fmt.Fprint(c, "220 mail ESMTP\r\n")
		in := bufio.NewScanner(c)
		var data *strings.Builder
		for in.Scan() {
			line := in.Text()
			switch verb := strings.ToUpper(strings.SplitN(line, " ", 2)[0]); {
			case data != nil && line == ".":
				mails <- data.String()
				data = nil
				fmt.Fprint(c, "250 queued\r\n")
			case data != nil:
				data.WriteString(line + "\n")
			case verb == "EHLO":
				fmt.Fprint(c, "250-mail\r\n250 SIZE 1000000\r\n")
			case verb == "RCPT" && strings.Contains(line, "<no"):
				fmt.Fprint(c, "550 5.1.1 unknown user\r\n")
			case verb == "DATA":
				data = new(strings.Builder)
				fmt.Fprint(c, "354 go\r\n")
			case verb == "QUIT":
				fmt.Fprint(c, "221 bye\r\n")
				return
			default:
				fmt.Fprint(c, "250 ok\r\n")
			}
		}
	})
}

// ldapServer knows one account and finds one entry under dc=test.
func (g *ground) ldapServer(addr, dn, password string) {
	serve(g.listen(addr), func(c net.Conn) {
		for {
			p, err := ber.ReadPacket(c)
			if err != nil || len(p.Children) < 2 {
				return
			}
			reply := func(op ber.Tag, children ...*ber.Packet) {
				out := ber.NewSequence("")
				out.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, p.Children[0].Value, ""))
				body := ber.Encode(ber.ClassApplication, ber.TypeConstructed, op, nil, "")
				for _, ch := range children {
					body.AppendChild(ch)
				}
				out.AppendChild(body)
				_, _ = c.Write(out.Bytes())
			}
			text := func(s string) *ber.Packet {
				return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
			}
			result := func(code int) []*ber.Packet {
				return []*ber.Packet{ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""), text(""), text("")}
			}
			switch body := p.Children[1]; body.Tag {
			case ldap.ApplicationBindRequest:
				code := 0
				if got := body.Children[1].ByteValue; len(got) > 0 &&
					(string(got) != dn || body.Children[2].Data.String() != password) {
					code = ldap.LDAPResultInvalidCredentials
				}
				reply(ldap.ApplicationBindResponse, result(code)...)
			case ldap.ApplicationSearchRequest:
				if string(body.Children[0].ByteValue) == "dc=test" {
					values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
					values.AppendChild(text("Marie Durand"))
					attribute := ber.NewSequence("")
					attribute.AppendChild(text("cn"))
					attribute.AppendChild(values)
					list := ber.NewSequence("")
					list.AppendChild(attribute)
					reply(ldap.ApplicationSearchResultEntry, text("uid=mdurand,dc=test"), list)
				}
				reply(ldap.ApplicationSearchResultDone, result(0)...)
			default:
				return
			}
		}
	})
}

// sqlServer is as much of PostgreSQL as one login and text parameters need: a
// statement with a parameter gives it back, any other gives 42.
func (g *ground) sqlServer(addr, user, password string) {
	serve(g.listen(addr), func(c net.Conn) {
		b := pgproto3.NewBackend(c, c)
		start, err := b.ReceiveStartupMessage()
		if err != nil {
			return
		}
		b.Send(&pgproto3.AuthenticationCleartextPassword{})
		if b.Flush() != nil || b.SetAuthType(pgproto3.AuthTypeCleartextPassword) != nil {
			return
		}
		m, err := b.Receive()
		if err != nil {
			return
		}
		given, _ := m.(*pgproto3.PasswordMessage)
		if given == nil || given.Password != password || start.(*pgproto3.StartupMessage).Parameters["user"] != user {
			b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: "password authentication failed"})
			_ = b.Flush()
			return
		}
		b.Send(&pgproto3.AuthenticationOk{})
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		value := "42"
		for b.Flush() == nil {
			m, err := b.Receive()
			if err != nil {
				return
			}
			switch m := m.(type) {
			case *pgproto3.Parse:
				b.Send(&pgproto3.ParseComplete{})
				if value = "42"; strings.Contains(m.Query, "missing") {
					b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42P01", Message: "relation does not exist"})
				}
			case *pgproto3.Bind:
				if len(m.Parameters) > 0 {
					value = string(m.Parameters[0])
				}
				b.Send(&pgproto3.BindComplete{})
			case *pgproto3.Describe:
				b.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("v"), DataTypeOID: 25, DataTypeSize: -1}}})
			case *pgproto3.Execute:
				b.Send(&pgproto3.DataRow{Values: [][]byte{[]byte(value)}})
				b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
			case *pgproto3.Sync:
				b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			case *pgproto3.Terminate:
				return
			}
		}
	})
}

// dhcpServer offers one address for ever and counts what clients ask.
func (g *ground) dhcpServer(offer string, asked chan<- *dhcpv4.DHCPv4) {
	c := g.listenUDP("0.0.0.0:67")
	raw, err := c.(*net.UDPConn).SyscallConn()
	must(g.t, err)
	must(g.t, raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1) }))
	must(g.t, err)
	// One interface only: broadcasts need no route then.
	must(g.t, raw.Control(func(fd uintptr) { err = unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "eth0") }))
	must(g.t, err)
	go func() {
		b := make([]byte, 1500)
		for {
			n, _, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			m, err := dhcpv4.FromBytes(b[:n])
			if err != nil {
				continue
			}
			asked <- m
			answer, err := dhcpv4.NewReplyFromRequest(m, dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer),
				dhcpv4.WithYourIP(net.ParseIP(offer)), dhcpv4.WithServerIP(net.ParseIP("192.0.2.1")),
				dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP("192.0.2.1"))))
			if err == nil {
				_, _ = c.WriteTo(answer.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: 68})
			}
		}
	}()
}

// imapServer knows one account and one mailbox.
func (g *ground) imapServer(addr, user, password string) {
	serve(g.listen(addr), func(c net.Conn) {
		fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1] ready\r\n")
		in := bufio.NewScanner(c)
		for in.Scan() {
			tag, rest, _ := strings.Cut(in.Text(), " ")
			verb, args, _ := strings.Cut(rest, " ")
			switch strings.ToUpper(verb) {
			case "LOGIN":
				if args == fmt.Sprintf("%q %q", user, password) {
					fmt.Fprintf(c, "%s OK [CAPABILITY IMAP4rev1] in\r\n", tag)
				} else {
					fmt.Fprintf(c, "%s NO [AUTHENTICATIONFAILED] refused\r\n", tag)
				}
			case "EXAMINE":
				if strings.Contains(args, "INBOX") {
					fmt.Fprintf(c, "* 3 EXISTS\r\n* FLAGS ()\r\n%s OK [READ-ONLY] done\r\n", tag)
				} else {
					fmt.Fprintf(c, "%s NO no mailbox\r\n", tag)
				}
			case "CAPABILITY":
				fmt.Fprintf(c, "* CAPABILITY IMAP4rev1\r\n%s OK done\r\n", tag)
			case "LOGOUT":
				fmt.Fprintf(c, "* BYE bye\r\n%s OK done\r\n", tag)
				return
			default:
				fmt.Fprintf(c, "%s BAD what\r\n", tag)
			}
		}
	})
}
