package check_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/internal/synth"
)

// sample is a sample of a node's network state: lines with "+" or "-" before.
func sample(s *synth.Session, node, trigger string, lines ...string) uint64 {
	n := &evidence.NetState{Trigger: trigger, Digest: "x"}
	for _, l := range lines {
		if a, ok := strings.CutPrefix(l, "+ "); ok {
			n.Added = append(n.Added, a)
		} else {
			n.Removed = append(n.Removed, strings.TrimPrefix(l, "- "))
		}
	}
	return s.Add("net", node, "controller", n)
}

var forwardingOff = []string{"+ sysctl net.ipv4.ip_forward = 0", "- sysctl net.ipv4.ip_forward = 1"}

// TestNetState: a change that only the kernel's state tells is the candidate's
// when something of theirs can have made it, and nobody's otherwise.
func TestNetState(t *testing.T) {
	for name, c := range map[string]struct {
		play func(*synth.Session)
		want []string // nodes of the changes
	}{
		"written by a shell": {func(s *synth.Session) {
			s.Exec("rt-til1", "sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward")
			s.Wait(1)
			sample(s, "rt-til1", "command", forwardingOff...)
		}, []string{"rt-til1"}},
		"by a script": {func(s *synth.Session) {
			s.Exec("rt-til1", "python3", "/root/x.py")
			s.Wait(1)
			sample(s, "rt-til1", "command", "+ nft rule inet filtre passage: drop")
		}, []string{"rt-til1"}},
		"typed in a shell that goes on": {func(s *synth.Session) {
			s.Add("w", "rt-til1", "candidate", &evidence.ExecStart{ID: 77, PID: 77, PPID: 1, Argv: []string{"-bash"}, Terminal: "t1"})
			s.Wait(40)
			sample(s, "rt-til1", "periodic", "- address eth3 10.20.255.6/30")
		}, []string{"rt-til1"}},
		"told by the command as well": {func(s *synth.Session) {
			s.Exec("rt-til1", "ip", "route", "add", "10.20.10.0/24", "via", "10.20.255.13")
			s.Wait(1)
			sample(s, "rt-til1", "command", "+ route 10.20.10.0/24 via 10.20.255.13 dev eth4 proto boot")
		}, []string{"rt-til1"}},
		"routes that are learnt, leases, a carrier": {func(s *synth.Session) {
			s.Exec("rt-til1", "python3", "/root/x.py")
			s.Wait(1)
			sample(s, "rt-til1", "command", "+ route 10.20.10.0/24 via 10.20.255.5 dev eth3 proto ospf metric 20",
				"+ route default via 10.20.130.254 dev eth0 proto dhcp metric 1024 src 10.20.130.101",
				"+ route 10.20.130.0/24 dev eth0 proto kernel src 10.20.130.101", "+ address eth0 10.20.130.101/24 leased",
				"+ link eth3 veth mac 02:00:00:00:00:01 mtu 1500 up true carrier false",
				"- link eth3 veth mac 02:00:00:00:00:01 mtu 1500 up true carrier true")
		}, nil},
		"a link switched off": {func(s *synth.Session) {
			s.Exec("rt-til1", "python3", "/root/x.py")
			s.Wait(1)
			sample(s, "rt-til1", "command", "+ link eth3 veth mac 02:00:00:00:00:01 mtu 1500 up false carrier false",
				"- link eth3 veth mac 02:00:00:00:00:01 mtu 1500 up true carrier true")
		}, []string{"rt-til1"}},
		"nothing of the candidate's": {func(s *synth.Session) {
			sample(s, "rt-til1", "periodic", forwardingOff...)
		}, nil},
		"tests only": {func(s *synth.Session) {
			s.Exec("rt-til1", "ip", "route")
			s.Exec("rt-til1", "sh", "-c", "ip route | wc -l")
			s.Exec("rt-til1", "cat", "/etc/frr/frr.conf")
			s.Type("rt-til1", "vtysh", "show ip route")
			s.Wait(1)
			sample(s, "rt-til1", "command", forwardingOff...)
		}, nil},
		"too long ago": {func(s *synth.Session) {
			s.Exec("rt-til1", "python3", "/root/x.py")
			s.Wait(30)
			sample(s, "rt-til1", "periodic")
			s.Wait(10)
			sample(s, "rt-til1", "command", forwardingOff...)
		}, nil},
		"on another machine": {func(s *synth.Session) {
			s.Exec("rt-brv1", "python3", "/root/x.py")
			s.Wait(1)
			sample(s, "rt-til1", "command", forwardingOff...)
		}, nil},
		"a machine that starts again": {func(s *synth.Session) {
			s.Exec("rt-til1", "reboot")
			s.Add("lab", "rt-til1", "candidate", &evidence.LabNode{Event: evidence.NodeRebooted, Origin: "candidate"})
			s.Wait(40)
			s.Add("lab", "rt-til1", "candidate", &evidence.LabNode{Event: evidence.NodeRunning, Origin: "candidate"})
			s.Exec("rt-til1", "python3", "/root/x.py")
			s.Wait(2)
			sample(s, "rt-til1", "command", forwardingOff...)
		}, []string{"rt-til1"}},
		"after the finish, of before it": {func(s *synth.Session) {
			s.Exec("rt-til1", "sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward")
			s.FinishBare()
			sample(s, "rt-til1", "command", forwardingOff...)
		}, []string{"rt-til1"}},
	} {
		s := synth.New(synth.Facts(true), 1)
		sample(s, "rt-til1", "start", "+ sysctl net.ipv4.ip_forward = 1")
		s.Wait(20)
		sample(s, "rt-til1", "periodic")
		c.play(s)
		if strings.HasPrefix(name, "after") {
			s.Reveal()
		} else {
			s.Wait(20)
			s.Finish()
		}
		v := view(t, s)
		var got []string
		for _, x := range v.Changes {
			got = append(got, x.Node)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: changes on %v, want %v (%+v)", name, got, c.want, v.Changes)
		}
	}
}

// TestForwardingOffOnTheTwin: a builtin that writes into /proc is a change of a
// sound system.
func TestForwardingOffOnTheTwin(t *testing.T) {
	var exec, seq uint64
	s := twin(func(s *synth.Session) {
		sample(s, "rt-til1", "start", "+ sysctl net.ipv4.ip_forward = 1")
		s.Exec("adm1", "ping", "dns2")
		s.Exec("adm1", "traceroute", "dns2")
		s.Exec("rt-til1", "ip", "route")
		s.Wait(5)
		exec = s.Exec("rt-til1", "sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward")
		s.Wait(1)
		seq = sample(s, "rt-til1", "command", forwardingOff...)
		s.Say(&evidence.Diagnosis{NoFault: true})
	})
	v := view(t, s)
	if len(v.Changes) != 1 || v.Changes[0].Seq != exec || !slices.Contains(v.Changes[0].Evidence, seq) {
		t.Errorf("changes %+v", v.Changes)
	}
	if f := check.Point(v, "3.1-i"); f.Reason != check.FalseAlarmButChanged {
		t.Errorf("3.1-i: %s", f.Reason)
	}
	if f := check.Point(v, "3.2a"); f.Reason != check.TwinChanged {
		t.Errorf("3.2a: %s", f.Reason)
	}
}
