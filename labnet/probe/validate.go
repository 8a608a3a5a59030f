package probe

import (
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/miekg/dns"

	"github.com/situlab/situlab/scenarios"
)

// maxTimeout bounds what a site may ask for.
const maxTimeout = 10 * time.Second

// param is a parameter of a kind.
type param struct {
	required bool
	check    func(string) error // nil accepts any non-empty text
}

// Kinds lists the kinds of checks, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// SpecError says what is wrong with a probe as it is written; it is wrong input.
type SpecError struct{ Err error }

func (e *SpecError) Error() string { return e.Err.Error() }

// Unwrap gives the single mistakes.
func (e *SpecError) Unwrap() error { return e.Err }

// InputError marks wrong input (exit code 2).
func (e *SpecError) InputError() {}

// Validate says everything that is wrong with a probe as it is written in a
// site: its kind, target, port and parameters. The errors are joined.
func Validate(p scenarios.Probe) error {
	k, ok := kinds[p.Kind]
	if !ok {
		return &SpecError{fmt.Errorf("probe %q: unknown kind %q; kinds are %s", p.ID, p.Kind, strings.Join(Kinds(), ", "))}
	}
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("probe %q (%s): %s", p.ID, p.Kind, fmt.Sprintf(format, args...)))
	}
	if p.ID == "" {
		bad("no id")
	}
	if p.Target == "" && !k.noTarget {
		bad("no target; name a host or an address")
	}
	if p.Target != "" {
		if err := hostOrAddr(p.Target); err != nil {
			bad("target: %v", err)
		}
	}
	switch {
	case p.Port < 0 || p.Port > 65535:
		bad("port %d is not between 1 and 65535", p.Port)
	case p.Port != 0 && k.port == 0:
		bad("port %d given, but this kind has none", p.Port)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Params)) {
		value := p.Params[name]
		rule, known := k.params[name]
		if name == "timeout" {
			rule, known = param{check: duration(50*time.Millisecond, maxTimeout)}, true
		}
		switch {
		case !known:
			names := append(slices.Sorted(maps.Keys(k.params)), "timeout")
			bad("unknown parameter %q; parameters are %s", name, strings.Join(names, ", "))
		case value == "":
			bad("parameter %q is empty; leave it out", name)
		case rule.check != nil:
			if err := rule.check(value); err != nil {
				bad("parameter %q: %v", name, err)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.params)) {
		if _, given := p.Params[name]; k.params[name].required && !given {
			bad("parameter %q is missing", name)
		}
	}
	if p.Kind == "ldap" && p.Params["user"] != "" && p.Params["secret"] == "" {
		bad("parameter %q without %q", "user", "secret")
	}
	if len(errs) == 0 {
		return nil
	}
	return &SpecError{errors.Join(errs...)}
}

func hostOrAddr(s string) error {
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	return domainName(s)
}

var labels = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

func domainName(s string) error {
	if len(s) > 253 || !labels.MatchString(s) {
		return fmt.Errorf("%q is not a domain name", s)
	}
	return nil
}

func integer(low, high int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < low || n > high {
			return fmt.Errorf("%q is not a whole number from %d to %d", s, low, high)
		}
		return nil
	}
}

func duration(low, high time.Duration) func(string) error {
	return func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < low || d > high {
			return fmt.Errorf("%q is not a duration from %v to %v", s, low, high)
		}
		return nil
	}
}

func oneOf(words ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("%q is none of %s", s, strings.Join(words, ", "))
		}
		return nil
	}
}

func startsWith(prefix string) func(string) error {
	return func(s string) error {
		if !strings.HasPrefix(s, prefix) || strings.ContainsAny(s, " \r\n") {
			return fmt.Errorf("%q must start with %q and hold no blank", s, prefix)
		}
		return nil
	}
}

var wordLike = regexp.MustCompile(`^[\p{L}\p{N}_.$-]+$`)

func word(s string) error {
	if !wordLike.MatchString(s) {
		return fmt.Errorf("%q is not one word of letters, digits, _ . $ -", s)
	}
	return nil
}

func mailbox(s string) error {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s {
		return fmt.Errorf("%q is not a mail address", s)
	}
	return nil
}

func recordType(s string) error {
	switch s {
	case "A", "AAAA", "MX", "NS", "SOA", "PTR", "TXT", "SRV", "CNAME":
		return nil
	}
	return fmt.Errorf("%q is none of A, AAAA, MX, NS, SOA, PTR, TXT, SRV, CNAME", s)
}

func recordTypeOf(s string) uint16 {
	if s == "" {
		return dns.TypeA
	}
	return dns.StringToType[s]
}

func ldapFilter(s string) error {
	if _, err := ldap.CompileFilter(s); err != nil {
		return fmt.Errorf("%q: %w", s, err)
	}
	return nil
}
