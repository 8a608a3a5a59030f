package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/host"
)

// smallScenario has three nodes: an administration workstation, a router, a post.
const smallScenario = "../internal/session/testdata/small"

// person is somebody in front of a terminal: types, and waits for what shows.
type person struct {
	t   *testing.T
	tty *os.File
	cmd *exec.Cmd

	mu   sync.Mutex
	seen bytes.Buffer
	from int // what was waited for ends here
	end  chan error
}

// builtPrograms builds what "make build" does and gives the path of situlab.
func builtPrograms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+"/", ".", "../situ", "../vulcain")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return filepath.Join(dir, "situlab")
}

// sit starts situlab in a terminal of 80 columns and 24 rows.
func sit(t *testing.T, program string, env []string, args ...string) *person {
	t.Helper()
	var err error
	p := &person{t: t, cmd: exec.Command(program, args...), end: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), append([]string{"TERM=xterm-256color", "LANG=C.UTF-8"}, env...)...)
	if p.tty, err = pty.StartWithSize(p.cmd, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := p.tty.Read(b)
			p.mu.Lock()
			p.seen.Write(b[:n])
			p.mu.Unlock()
			if err != nil {
				break
			}
		}
	}()
	go func() {
		defer close(p.end)
		p.end <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // a lab that it leaves is removed with its run directory
		p.tty.Close()
		for range p.end { // until it is dead
		}
	})
	return p
}

// patience is how long a person waits for the terminal.
const patience = 60 * time.Second

// sees waits until the pattern shows after what was last waited for, and gives
// what it matched.
func (p *person) sees(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		p.mu.Lock()
		rest := p.seen.Bytes()[p.from:]
		at := re.FindIndex(rest)
		if at != nil {
			found := string(rest[at[0]:at[1]])
			p.from += at[1]
			p.mu.Unlock()
			return found
		}
		text := string(rest)
		p.mu.Unlock()
		if time.Now().After(deadline) {
			p.t.Fatalf("%q does not show; since the last thing seen there is:\n%q", pattern, text)
		}
	}
}

// types sends keys.
func (p *person) types(keys string) {
	p.t.Helper()
	if _, err := io.WriteString(p.tty, keys); err != nil {
		p.t.Fatal(err)
	}
}

// prompt of the administration workstation's shell, typed or drawn anew.
const prompt = `adm1[^\s$]*\$(?: |\x1b)`

// runs types a command and gives what it printed.
func (p *person) runs(command string) string {
	p.t.Helper()
	p.mu.Lock()
	begin := p.seen.Len()
	p.mu.Unlock()
	// The mark shows with a number only where the shell evaluated it.
	p.types(command + "; echo \"done $((6*7)) $?\"\r")
	p.sees(`done 42 \d+\r`)
	p.mu.Lock()
	out := string(p.seen.Bytes()[begin:p.from])
	p.mu.Unlock()
	p.sees(prompt)
	return out
}

// ends waits for the program's end and gives its exit code.
func (p *person) ends() int {
	p.t.Helper()
	select {
	case err := <-p.end:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			p.t.Fatal(err)
		}
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(2 * patience):
		p.t.Fatal("the program does not end")
		return 0
	}
}

func contains(t *testing.T, what, text, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(text) {
		t.Errorf("%s: no %q in %q", what, pattern, text)
	}
}

// A person plays a session in a terminal: everything that a terminal does on a
// real machine works, a lost terminal loses nothing, and the end is orderly.
func TestPersonAtTheTerminal(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("labs need root: run the tests as root")
	}
	program := builtPrograms(t)
	run, err := os.MkdirTemp("/run", "situlab-pty-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeRun(program, run) })
	if err := os.Chmod(run, 0o711); err != nil {
		t.Fatal(err)
	}
	env := []string{"SITULAB_RUN=" + filepath.Join(run, "run")}
	out := t.TempDir()
	p := sit(t, program, env, "run", smallScenario, "--variant", "forwarding", "--seed", "1", "--out", out, "--lang", "fr")

	// The situation comes first: the ticket, how long, and what to type.
	p.sees(`Ticket t-1`)
	p.sees(`situ finish`)
	p.sees(prompt)
	contains(t, "the ticket", p.runs("situ ticket show"), `plus rien ne répond`)

	// Line editing: a missing letter, put in its place.
	p.types("echo wrld\x1b[D\x1b[D\x1b[Do\r")
	p.sees(`[\r\n]world\r`)
	p.sees(prompt)
	p.types("echo one\x17two\r") // Ctrl-W takes the word away
	p.sees(`[\r\n]two\r`)
	p.sees(prompt)
	contains(t, "colours", p.runs("ls --color=always -d /etc"), `\x1b\[[0-9;]+m`)

	// The size of the terminal, now and after a change.
	contains(t, "size", p.runs("stty size"), `24 80`)
	if err := pty.Setsize(p.tty, &pty.Winsize{Rows: 40, Cols: 132}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	contains(t, "size after a change", p.runs("stty size"), `40 132`)

	// A program for the whole screen.
	p.types("vim note\r")
	p.sees(`\x1b\[\?1049h`)
	time.Sleep(time.Second)
	p.types("ibonjour\x1b:wq\r")
	p.sees(`\x1b\[\?1049l`)
	p.sees(prompt)
	contains(t, "vim", p.runs("cat note"), `bonjour`)

	// Ctrl-C ends what runs.
	p.types("sleep 1000\r")
	time.Sleep(time.Second)
	p.types("\x03")
	p.sees(prompt)
	contains(t, "Ctrl-C", p.runs("echo code $?"), `code 130`)

	// What holds the terminal is out of the reach of those who sit at it.
	contains(t, "the shell's parent", p.runs("echo parent $PPID"), `parent 0\r`)

	// Around the machines: services, logs, the network, real packets.
	contains(t, "systemctl", p.runs("ssh rt1 systemctl is-active ssh frr"), `active\s+active`)
	contains(t, "ip", p.runs("ssh rt1 ip -br addr"), `10\.77\.30\.254/24`)
	contains(t, "tcpdump", p.runs("(ssh rt1 sudo timeout 10 tcpdump -lnc 2 -i eth0 icmp & sleep 3; ping -c 3 rt1 >/dev/null; wait)"), `ICMP echo request`)
	contains(t, "console", p.runs("situ console rt1 -- sysctl net.ipv4.ip_forward"), `ip_forward = 0`)

	contains(t, "dig", p.runs("dig +time=1 +tries=1 @rt1 pc1"), `(?i)DiG 9.*|connection refused|no servers could be reached`)

	// Programs that ask: none of this is work that escapes the observation.
	p.runs("seq 200 > long; touch spare")
	p.types("less long\r")
	p.sees(`\b20\b`)
	p.types("\r")
	time.Sleep(time.Second)
	p.types("q")
	p.sees(prompt)
	p.types("rm -i spare\r")
	p.sees(`spare.*\?`)
	p.types("o\r")
	p.sees(prompt)
	contains(t, "rm -i", p.runs("ls spare"), `(?i)no such file|aucun fichier`)
	p.types("situ diagnose\r")
	p.sees(`vos mots`)
	p.types("rt1 n'achemine plus entre ses réseaux.\r")
	time.Sleep(4 * time.Second) // longer than an Enter waits for its line
	p.types("\r")
	p.sees(`lément défectueux`)
	p.types("rt1\r")
	p.sees(`Cause`)
	p.types("ip_forwarding_off\r")
	p.sees(`scellé`)
	p.sees(prompt)
	p.types("ssh -t rt1 sudo journalctl\r")
	p.sees(`lines 1-`)
	p.types("\r")
	time.Sleep(4 * time.Second)
	p.types("q")
	p.sees(prompt)
	// Work inside a program whose prompts are known is seen line by line.
	p.types("ssh -t rt1 sudo vtysh\r")
	p.sees(`rt1# `)
	p.types("show version\r")
	p.sees(`FRRouting`)
	p.sees(`rt1# `)
	p.types("exit\r")
	p.sees(prompt)
	// That inside one that nobody knows is told as not seen.
	p.types(`perl -e '$|=1; print "calc: "; while(<STDIN>){chomp; last if /q/; print "= ".eval($_)."\ncalc: "}'` + "\r")
	p.sees(`[\r\n]calc: `)
	p.types("6*7\r")
	p.sees(`= 42`)
	time.Sleep(5 * time.Second)
	p.types("q\r")
	p.sees(prompt)

	// A machine that reboots is away, comes back, and remembers its last life.
	p.runs("ssh rt1 cat /proc/sys/kernel/random/boot_id > before; ssh rt1 sudo systemctl reboot")
	contains(t, "reboot", p.runs("for i in $(seq 40); do ssh -o ConnectTimeout=2 rt1 cat /proc/sys/kernel/random/boot_id > after 2>/dev/null && ! cmp -s before after && break; sleep 1; done; cmp before after"), `differ|différents`)
	contains(t, "journal of the last boot", p.runs("ssh rt1 sudo journalctl -b -1 -n 5 --no-pager -q"), `rt1 .*systemd`)

	// exit opens another shell and says how to end.
	p.types("exit\r")
	p.sees(`situ finish`)
	p.sees(prompt)

	// While the workstation itself reboots the terminal says so, waits, and returns.
	p.types("sudo systemctl reboot\r")
	p.sees(`poste d’administration redémarre`)
	p.sees(`Nouveau shell`)
	p.sees(prompt)

	// The terminal is lost: the session goes on, in another terminal.
	if err := p.tty.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	select {
	case err := <-p.end:
		t.Fatalf("the session ended with its terminal: %v", err)
	default:
	}
	again := sit(t, program, env, "attach")
	again.sees(prompt)
	contains(t, "attached", again.runs("cat note"), `bonjour`)

	// Paused: nothing moves and keys go nowhere; resumed: it goes on.
	call := func(verb string) {
		t.Helper()
		c := exec.Command(program, verb)
		c.Env = again.cmd.Env
		if b, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", verb, err, b)
		}
	}
	call("pause")
	again.types("echo later\r")
	time.Sleep(2 * time.Second)
	again.mu.Lock()
	early := regexp.MustCompile(`[\r\n]later\r`).Match(again.seen.Bytes()[again.from:])
	again.mu.Unlock()
	if early {
		t.Error("a paused session runs commands")
	}
	call("resume")
	again.sees(`reprend`)
	contains(t, "after the pause", again.runs("echo later"), `[\r\n]later\r`)

	// The controller is told to stop: what was recorded is there, nothing is left.
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.ends(); code != exitInterrupted {
		t.Errorf("exit code %d, %d expected", code, exitInterrupted)
	}
	for _, f := range []string{"bundle.situlab", "verdict.json", "report.html"} {
		if st, err := os.Stat(filepath.Join(out, f)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
	judgeThePerson(t, filepath.Join(out, "bundle.situlab"))
	for deadline := time.Now().Add(settle); ; time.Sleep(200 * time.Millisecond) {
		left, err := leftovers([]string{run})
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Errorf("left on the host:\n%s", strings.Join(left, "\n")))
		}
	}
}

// steps are what a terminal shows of a long work: one clock per line, the colours
// of this terminal, and progress that counts. They are given without clocks.
func steps(t *testing.T, shown string) []string {
	t.Helper()
	line := regexp.MustCompile(`^\x1b\[2m\[ *\d+\.\d s\]\x1b\[0m ([^\x1b]*)$`)
	var out []string
	for part := range strings.SplitSeq(strings.ReplaceAll(shown, "\r\x1b[K", "\n"), "\n") {
		if part = strings.TrimRight(part, "\r"); part == "" {
			continue
		}
		m := line.FindStringSubmatch(part)
		if m == nil {
			t.Fatalf("this is no step: %q in %q", part, shown)
		}
		out = append(out, m[1])
	}
	return out
}

// The steps of a lab that starts or is reset come from the process that keeps it,
// and look on a terminal as if this one had said them.
func TestLabStepsOnATerminal(t *testing.T) {
	program := builtPrograms(t)
	lab := fmt.Sprintf("pty%d", os.Getpid())
	t.Cleanup(func() { _ = exec.Command(program, "lab", "down", lab).Run() })

	up := sit(t, program, nil, "lab", "up", "testdata/site", "--name", lab, "--lang", "fr", "--json")
	shown := up.sees(`(?s)^.*?\{`)
	if code := up.ends(); code != 0 {
		t.Fatalf("lab up: exit code %d", code)
	}
	got := steps(t, strings.TrimSuffix(shown, "{"))
	for _, want := range []string{"2 nœuds créés et câblés", "2 systèmes démarrés", "nœuds en service 2/2", "sondes vertes 1/1", "1 sondes vertes depuis tous les réseaux"} {
		if !slices.Contains(got, want) {
			t.Errorf("lab up shows no %q in %q", want, got)
		}
	}

	reset := sit(t, program, nil, "lab", "reset", lab, "--lang", "en")
	shown = reset.sees(`(?s)^.*pristine and ready in [\d.]+ s`)
	if code := reset.ends(); code != 0 {
		t.Fatalf("lab reset: exit code %d", code)
	}
	got = steps(t, shown)
	for _, want := range []string{"2 nodes created and cabled", "nodes running 2/2", "probes green 1/1"} {
		if !slices.Contains(got, want) {
			t.Errorf("lab reset shows no %q in %q", want, got)
		}
	}
}

// expectNothing says of one candidate what does not matter here: the case may well
// come out different.
func expectNothing() string {
	text := `apiVersion: situlab/v1
kind: Expect
candidates:
  - name: nothing
    about: {fr: "Ne fait rien", en: "Does nothing"}
    rows:
      - variants: [healthy]
        points:
`
	for _, point := range []string{"3.1-i", "3.1-ii", "3.1-iii", "3.1-iv", "3.2a", "3.2b", "3.2d", "3.3-i", "3.3-ii", "3.3-iii"} {
		text += "          " + point + ": {outcome: jury, reason: whatever}\n"
	}
	return text
}

// A campaign says which case has begun and, on a terminal, what it is doing.
func TestCampaignOnATerminal(t *testing.T) {
	program := builtPrograms(t)
	run, err := os.MkdirTemp("/run", "situlab-campaign-")
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "sl") // short: a terminal's socket lies in it
	if err != nil {
		t.Fatal(err)
	}
	scenario := filepath.Join(t.TempDir(), "small")
	t.Cleanup(func() {
		removeRun(program, run, "SITULAB_HOME="+home)
		os.RemoveAll(home)
	})
	if err := errors.Join(os.Chmod(run, 0o711), os.Symlink(filepath.Join(host.Home(), "images"), filepath.Join(home, "images")), copyTo(smallScenario, scenario)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"expect.yaml": expectNothing(), "nothing.sh": "sleep 1\nsitu finish --yes </dev/null\n"} {
		if err := os.WriteFile(filepath.Join(scenario, "candidates", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(scenario, "candidates", "reference.sh")); err != nil {
		t.Fatal(err)
	}
	env := []string{"SITULAB_RUN=" + filepath.Join(run, "run"), "SITULAB_HOME=" + home}
	p := sit(t, program, env, "scenario", "test", scenario, "--seeds", "1", "--lang", "fr")
	p.sees(`nothing/healthy/seed 1 : commence\r\n`)
	p.sees(`\] *(\x1b\[0m)? nothing/healthy/seed 1: .*\r\x1b\[K`) // and it goes away again
	p.sees(`1/1 nothing/healthy/seed 1: `)
	if end := p.sees(`(?s)^.*1 cas .*\d différents`); strings.Contains(end, "run.log") {
		t.Errorf("the session was not played: %s", end)
	}
	if code := p.ends(); code > exitNotSo {
		t.Errorf("exit code %d", code)
	}
}

// judgeThePerson reads the evidence of the session above: the programs and lines
// are there, and nothing but what was typed into the unknown program is missing.
func judgeThePerson(t *testing.T, bundle string) {
	t.Helper()
	f, err := os.Open(bundle)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := evidence.ReadBundle(f)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	var uncut []string
	var honest []*evidence.Record
	for _, r := range b.Records {
		switch p := r.Payload().(type) {
		case *evidence.ExecStart:
			if p.Terminal != "" {
				seen = append(seen, r.Node+": "+strings.Join(p.Argv, " "))
			}
		case *evidence.TermInputLine:
			seen = append(seen, r.Node+": "+p.Program+"> "+p.Line)
		case *evidence.TermUncut:
			uncut = append(uncut, r.Node+"/"+p.Program+" "+p.Detail)
			if p.Program == "perl" {
				continue
			}
		case *evidence.RecorderLoss:
			t.Errorf("lost: %+v", p)
		case *evidence.LabNode:
			if p.Event == evidence.NodeRebooted {
				seen = append(seen, r.Node+": rebooted by "+p.Origin)
			}
		}
		honest = append(honest, r)
	}
	for _, want := range []string{"adm1: dig +time=1 +tries=1 @rt1 pc1", "adm1: vim note", "adm1: less long", "adm1: situ diagnose", "adm1: rm -i spare",
		"rt1: vtysh> show version", "rt1: sysctl net.ipv4.ip_forward", "rt1: rebooted by candidate", "adm1: rebooted by candidate"} {
		if !slices.Contains(seen, want) {
			t.Errorf("not seen: %q among\n%s", want, strings.Join(seen, "\n"))
		}
	}
	if len(uncut) == 0 || uncut[0] != "adm1/perl calc: 6*7" || slices.ContainsFunc(uncut, func(u string) bool { return !strings.HasPrefix(u, "adm1/perl ") }) {
		t.Errorf("uncut: %q", uncut)
	}
	v, err := grader.Grade(honest)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Capacities {
		for _, k := range c.Criteria {
			for _, p := range k.Points {
				if r := string(p.Reason); r == "lines_uncut" || r == "observed_partly" || r == "not_observed" {
					t.Errorf("%s: %s (%s)", p.ID, p.Outcome, r)
				}
			}
		}
	}
}
