package watch

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestExecTellsWhatRan(t *testing.T) {
	a, b := newBox(t), newBox(t)
	c := watchBoxes(t, map[string]*box{"a": a, "b": b})
	if err := exec.Command("/bin/true", "of-the-host").Run(); err != nil {
		t.Fatal(err)
	}
	a.run("/bin/sh -c 'exit 7'; true")
	b.run("/bin/true été 'two words' ''")
	s := c.until("sh in a", argv("/bin/sh", "-c", "exit 7"))
	if s.Node != "a" || s.NodeUID != 0 || s.UID != 300000 || s.PPID != a.pid() || len(s.Parents) == 0 || s.Parents[0] != a.pid() || s.NodePID < 2 {
		t.Errorf("start: %+v", s)
	}
	if s.Exe == "" && s.Inode == 0 {
		t.Errorf("nothing says which file ran: %+v", s)
	}
	id, start := s.ID, s.BootNS
	e := c.until("its end", func(e *ExecEvent) bool { return e.Kind == ExecExit && e.ID == id })
	if e.Code != 7 || e.StartNS != start || e.BootNS <= start {
		t.Errorf("end: %+v", e)
	}
	if w := c.until("true in b", argv("/bin/true", "été", "two words", "")); w.Node != "b" || w.Truncated {
		t.Errorf("%+v", w)
	}
	for _, e := range c.events {
		if strings.Contains(strings.Join(e.Argv, " "), "of-the-host") {
			t.Error("a program of the host was recorded")
		}
	}
	if n := c.x.Lost(); n != 0 {
		t.Errorf("lost %d", n)
	}
}

func TestExecBySignal(t *testing.T) {
	a := newBox(t)
	c := watchBoxes(t, map[string]*box{"a": a})
	a.run("sh -c 'kill -9 $$'; true")
	s := c.until("sh", func(e *ExecEvent) bool { return e.Kind == ExecStart && len(e.Argv) == 3 })
	id := s.ID
	if e := c.until("end", func(e *ExecEvent) bool { return e.Kind == ExecExit && e.ID == id }); e.Code != 137 {
		t.Errorf("code %d, want 137", e.Code)
	}
}

// Rows of threats.md (e): each bypass must leave its record.
func TestBypassesAreSeen(t *testing.T) {
	a := newBox(t)
	c := watchBoxes(t, map[string]*box{"a": a})
	t.Run("1 a script", func(t *testing.T) {
		a.run("printf '#!/bin/sh\\n/bin/true from-script\\n' >/tmp/s; chmod +x /tmp/s; /tmp/s")
		c.until("the script", func(e *ExecEvent) bool { return len(e.Argv) == 2 && e.Argv[1] == "/tmp/s" })
		c.until("what it ran", argv("/bin/true", "from-script"))
	})
	t.Run("2 base64 to sh", func(t *testing.T) {
		a.run("echo L2Jpbi90cnVlIGhpZGRlbgo= | base64 -d | sh")
		c.until("the real argv", argv("/bin/true", "hidden"))
	})
	t.Run("8 setsid double fork", func(t *testing.T) {
		a.run("(setsid sh -c '/bin/sleep 0.2; /bin/true orphan' >/dev/null 2>&1 &)")
		if e := c.until("the orphan", argv("/bin/true", "orphan")); e.Node != "a" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("11 memfd", func(t *testing.T) {
		a.run(`python3 -c 'import os
f=os.memfd_create("hidden"); os.write(f,open("/bin/true","rb").read()); os.execve(f,["innocent","memfd"],{})'`)
		c.until("the program in memory", argv("innocent", "memfd"))
	})
	t.Run("12 renamed", func(t *testing.T) {
		a.run("cp /bin/sleep /tmp/harmless; sh -c 'exec -a /bin/ls /tmp/harmless 0.2' 2>/dev/null || bash -c 'exec -a /bin/ls /tmp/harmless 0.2'")
		e := c.until("false name", argv("/bin/ls", "0.2"))
		if e.Exe != "/tmp/harmless" || e.Inode == 0 {
			t.Errorf("exe %q inode %d", e.Exe, e.Inode)
		}
	})
	t.Run("18 long argv", func(t *testing.T) {
		a.run("/bin/true $(head -c 20000 /dev/zero | tr '\\0' x) end")
		e := c.until("long", func(e *ExecEvent) bool { return e.Kind == ExecStart && e.ArgvBytes > 20000 })
		if !e.Truncated || e.ArgvBytes != len("/bin/true")+20000+len("end")+3 || len(e.Argv) != 2 {
			t.Errorf("truncated %v bytes %d", e.Truncated, e.ArgvBytes)
		}
	})
	t.Run("21 nested namespaces", func(t *testing.T) {
		a.run("unshare -Urpmf sh -c '/bin/true nested'")
		if e := c.until("nested", argv("/bin/true", "nested")); e.Node != "a" {
			t.Errorf("%+v", e)
		}
	})
}

func TestExecStormIsCounted(t *testing.T) { // row 19
	a := newBox(t)
	x, err := NewExecs(t.Context(), ExecConfig{RingBytes: 4096, queue: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := x.Add("a", a.pid()); err != nil {
		t.Fatal(err)
	}
	// Nobody reads: the channel fills, then the ring, then the kernel counts.
	const n = 200
	a.run(fmt.Sprintf("i=0; while [ $i -lt %d ]; do /bin/true; i=$((i+1)); done", n))
	c := &collector{t: t, x: x}
	got := 0
	var lost uint64
	a.run("/bin/true last-one")
	c.each = func(e *ExecEvent) {
		if e.Kind == ExecLost {
			lost += e.Lost
		} else if len(e.Argv) > 0 || e.Kind == ExecExit {
			got++
		}
	}
	c.until("a loss", func(e *ExecEvent) bool { return e.Kind == ExecLost })
	for uint64(got)+lost < 2*n {
		c.until("the account to close", func(e *ExecEvent) bool { return uint64(got)+lost >= 2*n })
	}
	if lost == 0 || x.Lost() != lost {
		t.Errorf("lost %d, counter %d", lost, x.Lost())
	}
}

// What nobody had read when the observation ended is counted, too.
func TestLossAtTheEndIsCounted(t *testing.T) {
	a := newBox(t)
	x, err := NewExecs(t.Context(), ExecConfig{RingBytes: 4096, queue: 1, Poll: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Add("a", a.pid()); err != nil {
		t.Fatal(err)
	}
	a.run("i=0; while [ $i -lt 50 ]; do /bin/true; i=$((i+1)); done")
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	told := uint64(0)
	for e := range x.Events() {
		told += e.Lost
	}
	if told != 0 || x.Lost() == 0 {
		t.Errorf("told %d, lost %d", told, x.Lost())
	}
}

func TestRemoveAndReadd(t *testing.T) {
	a, b := newBox(t), newBox(t)
	c := watchBoxes(t, map[string]*box{"n": a})
	a.run("/bin/true first")
	c.until("first", argv("/bin/true", "first"))
	if err := c.x.Add("n", b.pid()); err != nil { // the node was rebooted
		t.Fatal(err)
	}
	a.run("/bin/true old")
	b.run("/bin/true new")
	c.until("new", argv("/bin/true", "new"))
	for _, e := range c.events {
		if len(e.Argv) > 1 && e.Argv[1] == "old" {
			t.Error("the namespace of before the reboot is still watched")
		}
	}
	c.x.Remove("n")
	b.run("/bin/true removed")
	c.x.Close()
	for e := range c.x.Events() {
		if len(e.Argv) > 1 && e.Argv[1] == "removed" {
			t.Error("still watched after Remove")
		}
	}
}

// BenchmarkExec is the price of being observed: b.N programs are executed, or
// children forked that execute nothing, by a process that is not watched, watched
// (a node's daemon) and followed (a candidate's shell).
func BenchmarkExec(b *testing.B) {
	for what, command := range map[string]string{"exec": "/bin/true", "fork": "(:)"} {
		for _, how := range []string{"bare", "watched", "followed"} {
			b.Run(what+"/"+how, func(b *testing.B) {
				cmd := exec.Command("/usr/bin/unshare", "-Upf", "--map-root-user", "sh", "-c", "read x; i=0; while [ $i -lt $0 ]; do "+command+"; i=$((i+1)); done", fmt.Sprint(b.N))
				in, err := cmd.StdinPipe()
				if err != nil {
					b.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				child := childOf(b, cmd.Process.Pid)
				if how != "bare" {
					x, err := NewExecs(b.Context(), ExecConfig{})
					if err != nil {
						b.Fatal(err)
					}
					defer x.Close()
					if err := x.Add("bench", child); err != nil {
						b.Fatal(err)
					}
					if how == "followed" {
						if err := x.Follow(&ExecEvent{ns: x.byID["bench"], PID: child}); err != nil {
							b.Fatal(err)
						}
					}
					go func() {
						for range x.Events() {
						}
					}()
				}
				b.ResetTimer()
				fmt.Fprintln(in, "go")
				if err := cmd.Wait(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// childOf waits for the process that unshare forks into the new namespace.
func childOf(b *testing.B, pid int) int {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		s, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		if err != nil {
			b.Fatal(err)
		}
		if f := strings.Fields(string(s)); len(f) == 1 {
			n, err := strconv.Atoi(f[0])
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatal("no child")
	return 0
}

// A child that executes nothing is told, of those only whose parent may be
// somebody's: it has an audit session, was seen to execute just now, or is
// followed, however long ago it began.
func TestForksOfTheFollowedAreTold(t *testing.T) {
	a := newBox(t)
	c := watchBoxes(t, map[string]*box{"a": a})
	forkOf := func(pid int) func(*ExecEvent) bool {
		return func(e *ExecEvent) bool { return e.Kind == ExecFork && e.PPID == pid }
	}
	// The box's shell was there before: its forks say nothing of themselves.
	a.run("(: quiet)")
	a.run("mkfifo in; bash -c 'while read x; do eval \"$x\"; done <in' & exec 3>in")
	s := c.until("the child shell", func(e *ExecEvent) bool {
		return e.Kind == ExecStart && len(e.Argv) == 3 && strings.HasPrefix(e.Argv[2], "while")
	})
	pid := s.PID
	for _, e := range c.events {
		if e.Kind == ExecFork && e.PPID == a.pid() {
			t.Errorf("a daemon's fork was told: %+v", e)
		}
	}
	a.run("echo '(: early)' >&3") // it has just executed
	f := c.until("a fork right after the exec", forkOf(pid))
	if f.Node != "a" || f.NodePID < 2 || f.PID == pid || f.BootNS == 0 {
		t.Errorf("%+v", f)
	}
	id := f.ID
	if e := c.until("its end", func(e *ExecEvent) bool { return e.Kind == ExecExit && e.ID == id }); e.StartNS == 0 || e.PID != f.PID {
		t.Errorf("%+v", e)
	}
	time.Sleep(justRan + 200*time.Millisecond)
	count := func() (n int) {
		a.run("/bin/true mark" + fmt.Sprint(len(c.events)))
		mark := fmt.Sprint("mark", len(c.events))
		c.until(mark, argv("/bin/true", mark))
		for _, e := range c.events {
			if e.Kind == ExecFork {
				n++
			}
		}
		return n
	}
	before := count()
	a.run("echo '(: late); echo >done' >&3; while [ ! -s done ]; do sleep 0.01; done; rm done")
	if n := count(); n != before {
		t.Errorf("%d forks of one who is not followed were told", n-before)
	}
	if err := c.x.Follow(&ExecEvent{ns: s.ns, PID: pid, BootNS: 1}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(justRan + 200*time.Millisecond)
	before = count()
	a.run("echo '( (: grandchild); : ); echo >done' >&3; while [ ! -s done ]; do sleep 0.01; done")
	if n := count(); n != before+2 {
		t.Errorf("%d forks of the followed were told, want its child's and grandchild's", n-before)
	}
}

func TestStdinIsTold(t *testing.T) {
	a := newBox(t)
	c := watchBoxes(t, map[string]*box{"a": a})
	a.run("/bin/true null </dev/null; /bin/true closed <&-; echo | /bin/true pipe; /bin/true file </etc/passwd; script -qc '/bin/true terminal' /dev/null </dev/null")
	for name, want := range map[string]Stdin{"null": StdinNull, "closed": StdinClosed, "pipe": StdinOther, "file": StdinOther, "terminal": StdinTerminal} {
		if e := c.until(name, argv("/bin/true", name)); e.Stdin != want {
			t.Errorf("%s: %d, want %d", name, e.Stdin, want)
		}
	}
}
