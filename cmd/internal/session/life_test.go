package session

import (
	"strings"
	"testing"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/node"
)

func TestWhoseDoingANodesEndIs(t *testing.T) {
	for _, c := range []struct {
		step             labnet.Step
		reason           node.Reason
		ended, explained bool
		event, origin    string
	}{
		{labnet.Exited, node.Rebooted, false, false, evidence.NodeRebooted, "candidate"},
		{labnet.Exited, node.PoweredOff, false, false, evidence.NodeOff, "candidate"},
		{labnet.Exited, node.Killed, false, false, evidence.NodeOff, "unknown"}, // out of memory
		{labnet.Exited, node.Killed, false, true, evidence.NodeOff, "candidate"},
		{labnet.Exited, node.Left(1), false, false, evidence.NodeOff, "unknown"},
		{labnet.Exited, node.PoweredOff, true, false, evidence.NodeOff, "controller"},
		{labnet.Exited, node.Killed, true, false, evidence.NodeOff, "controller"},
		{labnet.Exited, node.Rebooted, true, false, evidence.NodeRebooted, "candidate"},
		{labnet.Booted, "", false, false, evidence.NodeRunning, "candidate"},
		{labnet.Booted, "", true, false, evidence.NodeRunning, "controller"},
		{labnet.Failed, "", false, false, evidence.NodeFailed, "controller"},
		{labnet.Wired, "", false, false, "", ""},
	} {
		p, actor := nodeLife(labnet.Event{Step: c.step, Reason: c.reason}, c.ended, c.explained)
		if p == nil {
			p = &evidence.LabNode{}
		}
		want := c.origin
		if want == "unknown" {
			want = "system"
		}
		if p.Event != c.event || p.Origin != c.origin || actor != want {
			t.Errorf("%+v: %+v by %q", c, p, actor)
		}
	}
	for line, want := range map[string]bool{"/usr/bin/kill -9 1": true, "systemctl exit": true, "systemctl restart frr": false, "ls": false} {
		if endsNode(strings.Fields(line)) != want {
			t.Errorf("%q: %v", line, !want)
		}
	}
}
