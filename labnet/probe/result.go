package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"syscall"
	"time"
)

// Stage is the step of a check that failed.
type Stage string

// The stages, in the order in which a user meets them.
const (
	StagePost     Stage = "post"     // the workstation itself cannot be used: off, restarting
	StageResolve  Stage = "resolve"  // the name has no address
	StageConnect  Stage = "connect"  // nobody answers at the address
	StageAuth     Stage = "auth"     // the account was refused
	StageProtocol Stage = "protocol" // the server answered something else than the protocol wants
	StageContent  Stage = "content"  // the service answered, but not what it must
)

// Result is one sample: what one check saw.
type Result struct {
	Probe   string `json:"probe"`
	Service string `json:"service,omitempty"`
	Kind    string `json:"kind"`
	Post    string `json:"post"`
	Segment string `json:"segment,omitempty"`
	// At is when the check began (host's clock).
	At time.Time `json:"at"`
	// Latency is how long the whole check took, names included.
	Latency time.Duration `json:"latency"`
	OK      bool          `json:"ok"`
	// Stage and Code are empty when OK; Code is a short English word such as
	// "refused", Detail a sentence.
	Stage  Stage  `json:"stage,omitempty"`
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Measured holds what was seen: address, resolver, status, offset ...
	Measured map[string]string `json:"measured,omitempty"`
	// Nonce is the random word that went to the server and came back, where the
	// kind has one: proof that the answer was made for this check.
	Nonce string `json:"nonce,omitempty"`
}

// failure is an error that knows its stage and code.
type failure struct {
	stage Stage
	code  string
	err   error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// fail gives err a stage, and a code made from the error.
func fail(stage Stage, err error) error {
	if err == nil {
		return nil
	}
	var f *failure
	if errors.As(err, &f) {
		return err
	}
	return &failure{stage, codeOf(err), err}
}

// failf makes a failure of its own code.
func failf(stage Stage, code, format string, args ...any) error {
	return &failure{stage, code, fmt.Errorf(format, args...)}
}

// codeOf names what every kind of client can meet on the way.
func codeOf(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ENETUNREACH):
		return "no_route"
	case errors.Is(err, syscall.EHOSTUNREACH):
		return "unreachable"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "prohibited" // an ICMP "administratively prohibited", or a local filter
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "closed"
	}
	return "error"
}

// copyOf keeps the map of a result away from the check that goes on filling it.
func copyOf(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return maps.Clone(m)
}

// expired says that a check's time is up. A connection's deadline is the same
// instant as its context's but may be noticed first.
func expired(ctx context.Context) bool {
	d, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(d)
}
