package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/smtp"
	"net/textproto"
	"strconv"
	"time"

	"github.com/emersion/go-imap/client"
)

// checkSMTP greets, names a sender and a recipient (RFC 5321 3.3) and stops
// there; with send, a mail whose subject is a nonce really goes out.
func checkSMTP(ctx context.Context, c *check) error {
	conn, _, err := c.dialTarget(ctx, "tcp")
	if err != nil {
		return err
	}
	defer conn.Close()
	session, err := smtp.NewClient(conn, c.probe.Target)
	if err != nil {
		return smtpFailure("greeting", err)
	}
	if err := session.Hello(c.param("helo", c.post.Name)); err != nil {
		return smtpFailure("EHLO", err)
	}
	if err := session.Mail(c.param("from", "")); err != nil {
		return smtpFailure("MAIL FROM", err)
	}
	if err := session.Rcpt(c.param("to", "")); err != nil {
		return smtpFailure("RCPT TO", err)
	}
	if c.param("send", "no") == "yes" {
		w, err := session.Data()
		if err != nil {
			return smtpFailure("DATA", err)
		}
		now := time.Now()
		_, err = fmt.Fprintf(w, "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\nSubject: %s\r\n\r\n%s\r\n",
			c.param("from", ""), c.param("to", ""), now.Format(time.RFC1123Z), c.newNonce(), c.post.Name, c.nonce, c.nonce)
		if err := errors.Join(err, w.Close()); err != nil {
			return smtpFailure("mail", err)
		}
	} else if err := session.Reset(); err != nil {
		return smtpFailure("RSET", err)
	}
	_ = session.Quit() // the mail is accepted; a server that hangs up early harms nobody
	return nil
}

func smtpFailure(what string, err error) error {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return failf(StageContent, "smtp_"+strconv.Itoa(reply.Code), "%s: %w", what, err)
	}
	return fail(StageProtocol, fmt.Errorf("%s: %w", what, err))
}

// checkIMAP logs in and opens a mailbox for reading (RFC 3501).
func checkIMAP(ctx context.Context, c *check) error {
	user, password, err := c.account()
	if err != nil {
		return err
	}
	conn, _, err := c.dialTarget(ctx, "tcp")
	if err != nil {
		return err
	}
	defer conn.Close()
	session, err := client.New(&literals{Conn: conn})
	if session != nil {
		session.ErrorLog = log.New(io.Discard, "", 0)
		defer session.Terminate()
	}
	if err != nil {
		return fail(StageProtocol, fmt.Errorf("greeting: %w", err))
	}
	if d, ok := ctx.Deadline(); ok {
		session.Timeout = time.Until(d)
	}
	if err := session.Login(user, password); err != nil {
		if codeOf(err) != "error" || expired(ctx) {
			return fail(StageProtocol, fmt.Errorf("log in: %w", err))
		}
		return failf(StageAuth, "refused_login", "log in as %s: %w", user, err)
	}
	box, err := session.Select(c.param("mailbox", "INBOX"), true)
	if err != nil {
		return failf(StageContent, "no_mailbox", "open %s: %w", c.param("mailbox", "INBOX"), err)
	}
	c.measured["messages"] = strconv.FormatUint(uint64(box.Messages), 10)
	_ = session.Logout()
	return nil
}

// literals refuses a connection that announces a literal (RFC 3501 4.3) of a
// hundred million bytes or more: the library would make room for it at once.
type literals struct {
	net.Conn
	inside bool // after an opening brace
	digits int  // seen since
}

func (l *literals) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	for _, b := range p[:n] {
		switch {
		case b == '{':
			l.inside, l.digits = true, 0
		case l.inside && b >= '0' && b <= '9':
			if l.digits++; l.digits > 8 {
				return 0, errors.New("a literal of absurd size was announced")
			}
		default:
			l.inside = false
		}
	}
	return n, err
}
