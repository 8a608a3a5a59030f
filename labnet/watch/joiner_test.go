package watch

import (
	"strings"
	"testing"
)

// watchOrigins joins the programs of a box, and follows its own forks.
func watchOrigins(t *testing.T, b *box, j *Joiner) (*collector, func(what string, f func(*ExecEvent) bool) Origin) {
	c := watchBoxes(t, map[string]*box{"n": b})
	origins := map[uint64]Origin{}
	c.each = func(e *ExecEvent) {
		o := j.Resolve(e)
		if e.Kind != ExecExit {
			origins[e.ID] = o
		}
		if (e.Kind == ExecStart || e.Kind == ExecFork) && (o.Terminal != "" || o.Detached) {
			if err := c.x.Follow(e); err != nil {
				t.Error(err)
			}
		}
	}
	return c, func(what string, f func(*ExecEvent) bool) Origin {
		t.Helper()
		return origins[c.until(what, f).ID]
	}
}

// A child that executes nothing is its parent's, whatever it does later and
// whoever adopts it.
func TestForkedChildrenKeepTheirOrigin(t *testing.T) {
	a := newBox(t)
	j := NewJoiner()
	j.mu.Lock()
	j.own["n"] = &Own{}
	j.mu.Unlock()
	c, origin := watchOrigins(t, a, j)
	each := c.each
	c.each = func(e *ExecEvent) { // the candidate's shell, as if it had come by ssh
		if e.Kind == ExecStart && strings.Contains(strings.Join(e.Argv, " "), "candidate") {
			j.mu.Lock()
			j.procs[procKey{"n", e.PID}] = &proc{origin: Origin{Terminal: "t1", Via: "ssh"}}
			j.mu.Unlock()
		}
		each(e)
	}
	a.run("bash -c ': candidate; (echo x >/tmp/written; exec /bin/true by-the-child); ( (while [ ! -e /tmp/go ]; do read -t 0.05 x <>/tmp/never; done; /bin/true orphan) & ) >/dev/null 2>&1 </dev/null; :' & mkfifo /tmp/never; wait $!")
	if o := origin("the child's program", argv("/bin/true", "by-the-child")); o.Terminal != "t1" {
		t.Errorf("%+v", o)
	}
	s := c.until("the candidate's shell", func(e *ExecEvent) bool { return len(e.Argv) == 3 && strings.Contains(e.Argv[2], "candidate") })
	f := c.until("a fork", func(e *ExecEvent) bool { return e.Kind == ExecFork && e.PPID == s.PID })
	if o := origin("a fork", func(e *ExecEvent) bool { return e == f || e.Kind == ExecFork && e.ID == f.ID }); o.Terminal != "t1" {
		t.Errorf("the forked child is %+v", o)
	}
	a.run("/bin/true daemon; touch /tmp/go")
	if o := origin("the orphan", argv("/bin/true", "orphan")); o.Terminal != "t1" {
		t.Errorf("the orphan is %+v", o)
	}
	if o := origin("a daemon's", argv("/bin/true", "daemon")); o != (Origin{}) {
		t.Errorf("a daemon's program is %+v", o)
	}
}

// cron's and systemd's own work is the node's; what was added is somebody's.
func TestJobsAndUnitsOfTheNode(t *testing.T) {
	a := newBox(t)
	a.run(`mount -t tmpfs tmpfs /etc && mkdir -p /etc/cron.d /etc/cron.hourly /etc/systemd/system`)
	a.run(`printf 'SHELL=/bin/sh\n# a comment\n17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n@daily root /bin/true own-daily\n* * * * * root date +\\%%F%%input\n' >/etc/cron.d/own; touch /etc/cron.hourly/rotate; touch /etc/systemd/system/own.service /etc/systemd/system/inst@.service`)
	own, err := ReadOwn(a.pid())
	if err != nil {
		t.Fatal(err)
	}
	j := NewJoiner()
	j.Own("n", own)
	cron := func(pid int) {
		j.procs[procKey{"n", pid}] = &proc{name: "cron"}
	}
	cron(50)
	next := 100
	start := func(unit string, parents []int, argv ...string) (Origin, int) {
		next++
		return j.Resolve(&ExecEvent{Kind: ExecStart, Node: "n", PID: next, Parents: parents, Argv: argv, Comm: argv[0], Exe: "/bin/" + argv[0],
			Unit: unit, Session: NoSession, LoginUID: NoSession}), next
	}
	for _, c := range []struct {
		unit    string
		parents []int
		argv    []string
		want    string
	}{
		{"cron.service", []int{51, 50}, []string{"sh", "-c", "cd / && run-parts --report /etc/cron.hourly"}, ""},
		{"cron.service", []int{51, 50}, []string{"sh", "-c", "/bin/true own-daily"}, ""},
		{"cron.service", []int{51, 50}, []string{"sh", "-c", "date +%F"}, ""},
		{"cron.service", []int{51, 50}, []string{"sh", "-c", "/bin/true"}, "cron"},
		{"cron.service", []int{51, 50}, []string{"sh", "-c", "run-parts --report /etc/cron.hourly"}, "cron"},
		{"cron.service", nil, []string{"sh", "-c", "cd / && run-parts --report /etc/cron.hourly"}, ""}, // its cron was there before us
		{"cron.service", nil, []string{"sh", "-c", "ip route add default via 10.0.0.1"}, "cron"},
		{"own.service", []int{1}, []string{"backup"}, ""},
		{"inst@a.service", []int{1}, []string{"backup"}, ""},
		{"systemd-journald.service", []int{1}, []string{"systemd-journald"}, ""},
		{"mine.service", []int{1}, []string{"sh", "-c", "x"}, "unit"},
		{"run-u12.service", []int{1}, []string{"sh", "-c", "x"}, "systemd-run"},
		{"init.scope", []int{1}, []string{"generator"}, ""},
	} {
		o, _ := start(c.unit, c.parents, c.argv...)
		if o.Reason != c.want || o.Detached != (c.want != "") {
			t.Errorf("%s %q: %+v, want %q", c.unit, c.argv, o, c.want)
		}
	}
	_, job := start("cron.service", []int{51, 50}, "sh", "-c", "cd / && run-parts --report /etc/cron.hourly")
	if o, _ := start("cron.service", []int{job, 51, 50}, "sh", "/etc/cron.hourly/rotate"); o != (Origin{}) {
		t.Errorf("a script of the node is %+v", o)
	}
	mine, pid := start("cron.service", []int{job, 51, 50}, "sh", "/etc/cron.hourly/mine")
	if mine.Reason != "cron" || !mine.Detached {
		t.Errorf("a script that was added is %+v", mine)
	}
	if o, _ := start("cron.service", []int{pid, job, 51, 50}, "ip", "route"); !o.Detached {
		t.Errorf("what it runs is %+v", o)
	}
}

// FRR's watchfrr saves the configuration for the vtysh that asks it.
func TestSavedByTheCandidatesVtysh(t *testing.T) {
	j := NewJoiner()
	j.Own("rt1", &Own{units: map[string]bool{"frr.service": true}})
	save := func(pid int) Origin {
		return j.Resolve(&ExecEvent{Kind: ExecStart, Node: "rt1", PID: pid, Parents: []int{7, 1}, Argv: []string{"vtysh", "-w"}, Comm: "vtysh", Unit: "frr.service", Session: NoSession, LoginUID: NoSession})
	}
	if o := save(20); o != (Origin{}) {
		t.Errorf("nobody asked: %+v", o)
	}
	j.Resolve(&ExecEvent{Kind: ExecExit, Node: "rt1", PID: 20})
	j.procs[procKey{"rt1", 30}] = &proc{name: "bash", origin: Origin{Terminal: "t1", Via: "ssh"}}
	j.Resolve(&ExecEvent{Kind: ExecStart, Node: "rt1", PID: 31, Parents: []int{30}, Argv: []string{"vtysh"}, Comm: "vtysh", Session: NoSession, LoginUID: NoSession})
	if o := save(32); o.Terminal != "t1" {
		t.Errorf("the candidate asked: %+v", o)
	}
	j.Resolve(&ExecEvent{Kind: ExecExit, Node: "rt1", PID: 32})
	j.Resolve(&ExecEvent{Kind: ExecStart, Node: "rt1", PID: 40, Parents: []int{8, 1}, Argv: []string{"vtysh", "-c", "show"}, Comm: "vtysh", Unit: "frr.service", Session: NoSession, LoginUID: NoSession})
	if o := save(41); o != (Origin{}) {
		t.Errorf("two may have asked: %+v", o)
	}
}
