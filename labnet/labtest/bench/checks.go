package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/situlab/situlab/images"
	"github.com/situlab/situlab/scenarios"
)

// roleUnits are the services that a machine of a role must have started by the
// end of its boot. They are written here a second time on purpose: what the
// image's recipe enables is what is checked.
type roleUnits struct {
	Role  string   `json:"role"`
	Units []string `json:"units"`
	// On limits the line to some nodes of the role; empty means all.
	On []string `json:"on,omitempty"`
}

// The roles that stand for several.
const (
	everyRole  = "every node"
	notPCRole  = "every node but workstations"
	serverRole = "every machine of the company but workstations"
)

var wantedUnits = []roleUnits{
	{Role: everyRole, Units: []string{"systemd-journald.service", "systemd-networkd.service", "cron.service", "logrotate.timer"}},
	{Role: notPCRole, Units: []string{"dbus.service", "systemd-logind.service"}},
	{Role: serverRole, Units: []string{"ssh.service", "chrony.service", "rsyslog.service"}},
	{Role: "pc", Units: []string{"ssh.socket", "networkd-resolv.path"}},
	{Role: "rt", Units: []string{"nftables.service"}},
	{Role: "rt", Units: []string{"frr.service"}, On: []string{"rt-brv1", "rt-til1", "op-mpls"}},
	{Role: "rt", Units: []string{"dnsmasq.service"}, On: []string{"rt-brv1", "rt-til1", "op-inet"}},
	{Role: "rt", Units: []string{"partenaire.service"}, On: []string{"op-inet"}},
	{Role: "dns", Units: []string{"named.service"}},
	{Role: "dhcp", Units: []string{"kea-dhcp4-server.service"}},
	{Role: "ann", Units: []string{"slapd.service"}},
	{Role: "fic", Units: []string{"smbd.service", "nslcd.service", "prometheus-node-exporter.service"}},
	{Role: "bdd", Units: []string{"postgresql@15-main.service", "prometheus-node-exporter.service"}},
	{Role: "erp", Units: []string{"vulcain.service"}},
	{Role: "web", Units: []string{"nginx.service"}},
	{Role: "depot", Units: []string{"nginx.service"}},
	{Role: "mail", Units: []string{"postfix@-.service"}},
	{Role: "mail", Units: []string{"dovecot.service"}, On: []string{"mail1"}},
	{Role: "sup", Units: []string{"prometheus.service", "prometheus-alertmanager.service", "prometheus-blackbox-exporter.service", "prometheus-node-exporter.service"}},
	{Role: "sauv", Units: []string{"sauvegarde-config.timer", "copie-hors-site.timer", "prometheus-node-exporter.service"}, On: []string{"sauv1"}},
}

func (r roleUnits) holds(n *scenarios.Node) bool {
	if len(r.On) > 0 && !slices.Contains(r.On, n.Name) {
		return false
	}
	switch r.Role {
	case everyRole:
		return true
	case notPCRole:
		return n.Class != scenarios.Workstation
	case serverRole:
		return n.Class != scenarios.Workstation && n.Class != scenarios.Operator
	}
	return r.Role == n.Role
}

// maskedUnit is a unit that cannot start, with the reason.
type maskedUnit struct {
	Unit   string `json:"unit"`
	Reason string `json:"reason"`
	// Roles where it was seen masked.
	Roles []string `json:"roles"`
}

// siteMask is a mask of the site's own files: a unit on the nodes of a class (or
// of any, if empty).
type siteMask struct {
	class  scenarios.Class
	units  []string
	reason string
}

// The aliases of a masked unit are masked with it.
var siteMasks = []siteMask{
	{"", []string{"frr.service"}, "by the site: this machine routes without routing protocols"},
	{"", []string{"dovecot.service"}, "by the site: nobody reads mail on the relay"},
	{scenarios.Operator, []string{"ssh.service", "sshd.service", "chrony.service", "chronyd.service", "rsyslog.service", "syslog.service"},
		"by the site: the operator's machines do not offer this to anybody"},
}

func siteReason(n *scenarios.Node, unit string) string {
	for _, m := range siteMasks {
		if (m.class == "" || m.class == n.Class) && slices.Contains(m.units, unit) {
			return m.reason
		}
	}
	return ""
}

// packageMask is the reason of the masks that Debian's packages bring.
const packageMask = "masked by its Debian package, or another name of a masked unit"

// late is how much after its node's boot a service may have come up, in seconds.
const late = 1.0

// checkUnits asks the systemd of every node for its failed, masked and wanted
// units.
func (b *bench) checkUnits(s *sample, o *observer) error {
	reasons := map[string]map[string]string{}
	masked := map[string]*maskedUnit{}
	services := 0
	for i := range o.site.Nodes {
		n := &o.site.Nodes[i]
		if reasons[n.Role] == nil {
			list, err := images.Masked(n.Role)
			if err != nil {
				return err
			}
			reasons[n.Role] = map[string]string{}
			for _, m := range list {
				reasons[n.Role][m.Unit] = m.Reason
			}
		}
		m, err := dialManager(o.pid(n.Name))
		if err == nil {
			var k int
			k, err = checkNode(s, m, n, func(unit, file string) {
				reason := reasons[n.Role][unit]
				if reason == "" && !strings.HasPrefix(file, "/etc/") {
					reason = packageMask
				}
				if reason == "" {
					reason = siteReason(n, unit)
				}
				if reason == "" {
					s.finding("%s: %s is masked without a reason", n.Name, file)
				}
				id := unit + "\x00" + reason
				if masked[id] == nil {
					masked[id] = &maskedUnit{Unit: unit, Reason: reason}
				}
				if !slices.Contains(masked[id].Roles, n.Role) {
					masked[id].Roles = append(masked[id].Roles, n.Role)
				}
			})
			services += k
			m.close()
		}
		if err != nil {
			s.finding("%s: %v", n.Name, err)
		}
	}
	s.Figures["services_checked"] = float64(services)
	b.book.Units, b.book.Masked = wantedUnits, nil
	for _, m := range masked {
		slices.Sort(m.Roles)
		b.book.Masked = append(b.book.Masked, *m)
	}
	slices.SortFunc(b.book.Masked, func(x, y maskedUnit) int {
		return strings.Compare(x.Reason+x.Unit, y.Reason+y.Unit)
	})
	return nil
}

// checkNode checks one node and returns how many services it found started in
// time.
func checkNode(s *sample, m *manager, n *scenarios.Node, mask func(unit, file string)) (good int, err error) {
	us, err := m.number(managerPath, managerInterface, "FinishTimestampMonotonic")
	if err != nil {
		return 0, err
	}
	booted := float64(us) / 1e6
	units, err := m.rows("ListUnits")
	if err != nil {
		return 0, err
	}
	for _, u := range units { // name, description, load, active, sub ...
		if u[3] == "failed" {
			s.finding("%s: %s has failed", n.Name, u[0])
		}
	}
	files, err := m.rows("ListUnitFiles")
	if err != nil {
		return 0, err
	}
	var enabled []string
	for _, f := range files { // path, state
		switch unit := path.Base(f[0]); {
		case strings.HasPrefix(f[1], "masked"):
			mask(unit, f[0])
		case f[1] == "enabled" && !strings.Contains(unit, "@."):
			enabled = append(enabled, unit)
		}
	}
	wanted := map[string]bool{}
	for _, r := range wantedUnits {
		if !r.holds(n) {
			continue
		}
		for _, unit := range r.Units {
			wanted[unit] = true
			state, err := m.text(unitPath(unit), unitInterface, "ActiveState")
			if err != nil {
				return good, err
			}
			at, err := m.number(unitPath(unit), unitInterface, "ActiveEnterTimestampMonotonic")
			if err != nil {
				return good, err
			}
			switch since := float64(at)/1e6 - booted; {
			case state != "active":
				s.finding("%s: %s is %s", n.Name, unit, state)
			case since > late:
				s.finding("%s: %s started %.1f s after the boot's end", n.Name, unit, since)
			default:
				good++
			}
		}
	}
	for _, unit := range enabled {
		if wanted[unit] {
			continue
		}
		if why, err := idleReason(m, unit); err != nil {
			return good, err
		} else if why != "" {
			s.finding("%s: %s is enabled and %s", n.Name, unit, why)
		}
	}
	return good, nil
}

// idleReason says what is wrong with an enabled unit; empty means nothing: it is
// active, its condition does not hold, it has done its work and ended, or no
// active unit wants it (network-online.target, say, starts only on demand).
func idleReason(m *manager, unit string) (string, error) {
	state, err := m.text(unitPath(unit), unitInterface, "ActiveState")
	if err != nil || state == "active" {
		return "", err
	}
	wanted, err := wantedNow(m, unit)
	if err != nil || !wanted {
		return "", err
	}
	asked, err := m.number(unitPath(unit), unitInterface, "ConditionTimestampMonotonic")
	if err != nil {
		return "", err
	}
	met, err := m.property(unitPath(unit), unitInterface, "ConditionResult")
	if err != nil {
		return "", err
	}
	if asked > 0 && met == false {
		return "", nil
	}
	if strings.HasSuffix(unit, ".service") {
		kind, err := m.text(unitPath(unit), serviceInterface, "Type")
		if err != nil {
			return "", err
		}
		left, err := m.number(unitPath(unit), unitInterface, "InactiveEnterTimestampMonotonic")
		if err != nil {
			return "", err
		}
		if kind == "oneshot" && left > 0 && state == "inactive" {
			return "", nil
		}
	}
	return state, nil
}

// wantedNow says whether an active unit wants or requires this one.
func wantedNow(m *manager, unit string) (bool, error) {
	for _, name := range []string{"WantedBy", "RequiredBy"} {
		v, err := m.property(unitPath(unit), unitInterface, name)
		if err != nil {
			return false, err
		}
		list, _ := v.([]any)
		for _, by := range list {
			parent, _ := by.(string)
			state, err := m.text(unitPath(parent), unitInterface, "ActiveState")
			if err != nil || state == "active" {
				return true, err
			}
		}
	}
	return false, nil
}

// rows calls a method that answers a list of structures and keeps their texts.
func (m *manager) rows(member string) ([][]string, error) {
	v, err := m.call(managerPath, managerInterface, member)
	if err != nil {
		return nil, err
	}
	list, ok := v[0].([]any)
	if !ok {
		return nil, fmt.Errorf("%s: not a list", member)
	}
	var out [][]string
	for _, item := range list {
		var row []string
		fields, _ := item.([]any)
		for _, f := range fields {
			t, _ := f.(string)
			row = append(row, t)
		}
		if len(row) < 2 {
			return nil, fmt.Errorf("%s: a row of %d", member, len(row))
		}
		out = append(out, row)
	}
	return out, nil
}
