package probe

import (
	"context"
	"time"
)

// kind is how a service of one kind is checked.
type kind struct {
	port     int           // default; 0 means the kind has no port
	timeout  time.Duration // of the whole check
	noTarget bool          // the target may be left out
	params   map[string]param
	run      func(context.Context, *check) error
}

// kinds is the one list of what can be checked. A new kind is one line here and
// one function in a file of its own.
var kinds = map[string]kind{
	"icmp": {0, 2 * time.Second, false, map[string]param{"count": {check: integer(1, 5)}}, checkICMP},
	"dns": {53, 2 * time.Second, true, map[string]param{
		"name": {required: true, check: domainName}, "type": {check: recordType}, "expect": {},
	}, checkDNS},
	"dhcp": {0, 3 * time.Second, true, nil, checkDHCP},
	"http": {80, 2 * time.Second, false, map[string]param{
		"path": {check: startsWith("/")}, "scheme": {check: oneOf("http", "https")}, "host": {check: domainName},
		"status": {check: integer(100, 599)}, "expect": {}, "nonce": {check: word},
	}, checkHTTP},
	"ldap": {389, 2 * time.Second, false, map[string]param{
		"user": {}, "secret": {}, "base": {}, "filter": {check: ldapFilter}, "expect": {},
	}, checkLDAP},
	"smb": {445, 4 * time.Second, false, map[string]param{
		"share": {required: true, check: word}, "user": {}, "secret": {required: true}, "domain": {}, "dir": {},
		"write": {check: oneOf("yes", "no")},
	}, checkSMB},
	"smtp": {25, 3 * time.Second, false, map[string]param{
		"from": {required: true, check: mailbox}, "to": {required: true, check: mailbox},
		"helo": {check: domainName}, "send": {check: oneOf("yes", "no")},
	}, checkSMTP},
	"imap": {143, 3 * time.Second, false, map[string]param{
		"user": {}, "secret": {required: true}, "mailbox": {},
	}, checkIMAP},
	"sql": {5432, 4 * time.Second, false, map[string]param{
		"database": {required: true}, "user": {}, "secret": {required: true}, "query": {}, "expect": {},
	}, checkSQL},
	"ntp": {123, 2 * time.Second, false, map[string]param{
		"maxStratum": {check: integer(1, 15)}, "maxOffset": {check: duration(time.Millisecond, time.Hour)},
	}, checkNTP},
}
