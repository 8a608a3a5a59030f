package probe

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// boundBER bounds what one LDAP message may make us allocate; the library's
// limit is global and by default 2 GiB.
var boundBER = sync.OnceFunc(func() { ber.MaxPacketLengthBytes = maxRead })

// checkLDAP binds (RFC 4513 5.1) and, with a base, wants one entry.
func checkLDAP(ctx context.Context, c *check) error {
	boundBER()
	user, password, err := c.account()
	if err != nil {
		return err
	}
	conn, _, err := c.dialTarget(ctx, "tcp")
	if err != nil {
		return err
	}
	session := ldap.NewConn(conn, false)
	if d, ok := ctx.Deadline(); ok {
		session.SetTimeout(time.Until(d) + time.Second) // the connection's own deadline comes first
	}
	session.Start()
	defer session.Close()
	if user == "" {
		err = session.UnauthenticatedBind("")
	} else {
		err = session.Bind(user, password)
	}
	if err != nil {
		return ldapFailure(ctx, "bind", err)
	}
	base := c.param("base", "")
	if base == "" {
		return nil
	}
	found, err := session.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
		20, 0, false, c.param("filter", "(objectClass=*)"), nil, nil))
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		return ldapFailure(ctx, "search", err)
	}
	if found == nil || len(found.Entries) == 0 {
		return failf(StageContent, "no_entry", "nothing found under %s", base)
	}
	c.measured["entries"] = strconv.Itoa(len(found.Entries))
	if want := c.param("expect", ""); want != "" && !holds(found.Entries, want) {
		return failf(StageContent, "wrong_entry", "no entry under %s holds %q", base, want)
	}
	return nil
}

// ldapFailure tells a refusal of the directory from a broken conversation.
func ldapFailure(ctx context.Context, what string, err error) error {
	var e *ldap.Error
	switch {
	case expired(ctx):
		return failf(StageProtocol, "timeout", "%s: no answer: %w", what, err)
	case !errors.As(err, &e) || e.ResultCode >= ldap.ErrorNetwork:
		return fail(StageProtocol, fmt.Errorf("%s: %w", what, err))
	case what == "bind":
		return failf(StageAuth, "ldap_"+strconv.Itoa(int(e.ResultCode)), "%s: %w", what, err)
	}
	return failf(StageContent, "ldap_"+strconv.Itoa(int(e.ResultCode)), "%s: %w", what, err)
}

func holds(entries []*ldap.Entry, want string) bool {
	for _, e := range entries {
		if strings.Contains(e.DN, want) {
			return true
		}
		for _, a := range e.Attributes {
			for _, v := range a.Values {
				if strings.Contains(v, want) {
					return true
				}
			}
		}
	}
	return false
}
