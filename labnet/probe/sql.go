package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// checkSQL logs in to a PostgreSQL database, has a nonce given back, and runs
// the probe's query if it has one.
func checkSQL(ctx context.Context, c *check) error {
	user, password, err := c.account()
	if err != nil {
		return err
	}
	addr, err := c.resolveTarget(ctx)
	if err != nil {
		return err
	}
	// Everything is named here, so that nothing of the host's environment or
	// home (PGPASSFILE, service files) has a say.
	config, err := pgx.ParseConfig("host=localhost port=1 user=nobody password=none dbname=none sslmode=disable passfile=/dev/null servicefile=/dev/null application_name=vulcain")
	if err != nil {
		return failf(StagePost, "invalid", "%w", err)
	}
	config.Host, config.Port = addr.String(), c.port()
	config.User, config.Password, config.Database = user, password, c.param("database", "")
	config.Fallbacks = nil
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return c.dial(ctx, "tcp", netip.AddrPortFrom(addr, c.port()))
	}
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{addr.String()}, nil }
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxRead)
		return f
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // one round trip, nothing prepared
	session, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return sqlFailure("log in", err)
	}
	defer session.Close(ctx)
	nonce := c.newNonce()
	var back string
	if err := session.QueryRow(ctx, "SELECT $1::text", nonce).Scan(&back); err != nil {
		return sqlFailure("echo", err)
	}
	if back != nonce {
		return failf(StageContent, "altered", "the word sent did not come back")
	}
	query := c.param("query", "")
	if query == "" {
		return nil
	}
	// The row is taken as text whatever its type.
	var value string
	err = session.QueryRow(ctx, "SELECT ("+strings.TrimRight(query, "; \n")+")::text").Scan(&value)
	if err != nil {
		return sqlFailure("query", err)
	}
	c.measured["value"] = clip(value, 100)
	if want := c.param("expect", ""); !strings.Contains(value, want) {
		return failf(StageContent, "wrong_value", "the query gives %q, not %q", clip(value, 100), want)
	}
	return nil
}

// sqlFailure tells refusals from broken conversations by the class of the
// SQLSTATE (PostgreSQL manual, appendix A).
func sqlFailure(what string, err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return fail(StageProtocol, fmt.Errorf("%s: %w", what, err))
	}
	stage := StageContent
	if strings.HasPrefix(e.Code, "28") { // invalid authorization
		stage = StageAuth
	}
	return failf(stage, "sql_"+e.Code, "%s: %s", what, e.Message)
}
