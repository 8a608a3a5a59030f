package probe

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/cloudsoda/go-smb2"
)

// The answers of an SMB server that mean "not you" ([MS-ERREF] 2.3.1).
const (
	statusAccessDenied       = 0xC0000022
	statusLogonFailure       = 0xC000006D
	statusAccountRestriction = 0xC000006E
	statusPasswordExpired    = 0xC0000071
	statusAccountDisabled    = 0xC0000072
	statusAccountLocked      = 0xC0000234
)

// checkSMB logs in, mounts the share, lists a folder and, with write, puts a
// file with a nonce there, reads it back and removes it.
func checkSMB(ctx context.Context, c *check) error {
	user, password, err := c.account()
	if err != nil {
		return err
	}
	conn, _, err := c.dialTarget(ctx, "tcp")
	if err != nil {
		return err
	}
	defer conn.Close()
	dialer := smb2.Dialer{Initiator: &smb2.NTLMInitiator{User: user, Password: password, Domain: c.param("domain", "")}}
	session, err := dialer.DialConn(ctx, conn, c.probe.Target)
	if err != nil {
		return smbFailure(ctx, StageAuth, "log in", err)
	}
	session = session.WithContext(ctx)
	defer session.Logoff()
	share, err := session.Mount(c.param("share", ""))
	if err != nil {
		return smbFailure(ctx, StageContent, "mount", err)
	}
	share = share.WithContext(ctx)
	defer share.Umount()
	dir := strings.Trim(c.param("dir", ""), "/")
	list, err := share.ReadDir(dir)
	if err != nil {
		return smbFailure(ctx, StageContent, "list", err)
	}
	c.measured["entries"] = strconv.Itoa(len(list))
	if c.param("write", "no") != "yes" {
		return nil
	}
	nonce := c.newNonce()
	name := path.Join(dir, "~"+c.post.Name+"-"+nonce[:6]+".tmp")
	if err := share.WriteFile(name, []byte(nonce), 0o600); err != nil {
		return smbFailure(ctx, StageContent, "write", err)
	}
	back, readErr := share.ReadFile(name)
	if err := share.Remove(name); err != nil {
		return smbFailure(ctx, StageContent, "remove", err)
	}
	if readErr != nil {
		return smbFailure(ctx, StageContent, "read", readErr)
	}
	if string(back) != nonce {
		return failf(StageContent, "altered", "the file read is not the file written")
	}
	return nil
}

// smbFailure tells refusals from broken conversations; stage is what a refusal
// that is none of the account's means.
func smbFailure(ctx context.Context, stage Stage, what string, err error) error {
	var status *smb2.ResponseError
	var broken *smb2.TransportError
	switch {
	case expired(ctx):
		return failf(StageProtocol, "timeout", "%s: no answer in time", what)
	case errors.As(err, &broken): // it does not unwrap by itself
		return fail(StageProtocol, fmt.Errorf("%s: %w", what, broken.Err))
	case !errors.As(err, &status):
		return fail(StageProtocol, fmt.Errorf("%s: %w", what, err))
	}
	code := fmt.Sprintf("status_%08x", status.Code)
	switch status.Code {
	case statusAccessDenied:
		return failf(StageContent, "access_denied", "%s: %w", what, err)
	case statusLogonFailure, statusAccountRestriction, statusPasswordExpired, statusAccountDisabled, statusAccountLocked:
		return failf(StageAuth, code, "%s: %w", what, err)
	}
	return failf(stage, code, "%s: %w", what, err)
}
