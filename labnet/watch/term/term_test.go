package term

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be the holder and, for the kill test, the
// controller.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == HelperCommand {
		os.Exit(Main(os.Args[2:]))
	}
	if spec := os.Getenv("TERM_TEST_START"); spec != "" {
		var s Spec
		if err := json.Unmarshal([]byte(spec), &s); err != nil {
			panic(err)
		}
		if _, err := Start(context.Background(), s, ""); err != nil {
			panic(err)
		}
		os.Stdout.WriteString("started\n")
		select {} // until killed
	}
	os.Exit(m.Run())
}

// patience bounds every wait: far beyond what a slow machine needs, so that only
// a real hang ends a test, and the test leaves nothing behind.
const patience = 60 * time.Second

func testSpec(t *testing.T, command ...string) Spec {
	return Spec{ID: "t1", Kind: "shell", Dir: t.TempDir(), Command: command, Cols: 80, Rows: 24, WorkDir: "/",
		Env: []string{"TERM=xterm-256color", "PS1=cand@adm1:/\\$ ", "HISTFILE=/dev/null", "LC_ALL=C.UTF-8", "INPUTRC=/dev/null"}}
}

func start(t *testing.T, s Spec) *Handle {
	t.Helper()
	h, err := Start(t.Context(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Error(err)
			_ = syscall.Kill(h.Info().Holder, syscall.SIGKILL)
		}
	})
	return h
}

// viewer is an attached client on a local pty of its own.
type testViewer struct {
	t    *testing.T
	tty  *os.File // our side of the local terminal
	far  *os.File
	seen chan []byte
	all  bytes.Buffer
	code chan int
	err  chan error
}

func view(t *testing.T, h *Handle) *testViewer {
	t.Helper()
	blocking, local, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	// Closing the blocking one would wait for the read below, so that the local
	// terminal would never hang up.
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	blocking.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	ours := os.NewFile(uintptr(fd), "terminal")
	if err := pty.Setsize(local, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	v := &testViewer{t: t, tty: ours, far: local, seen: make(chan []byte, 1000), code: make(chan int, 1), err: make(chan error, 1)}
	go func() {
		c, err := Attach(context.Background(), h.Info().Socket, local, local, AttachOptions{})
		v.code <- c
		v.err <- err
		local.Close()
	}()
	go func() {
		defer close(v.seen)
		for {
			b := make([]byte, 4096)
			n, err := ours.Read(b)
			if n > 0 {
				v.seen <- b[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { ours.Close() })
	return v
}

func (v *testViewer) typeIn(s string) {
	v.t.Helper()
	if _, err := v.tty.WriteString(s); err != nil {
		v.t.Fatal(err)
	}
}

// expect waits until text has been shown since the last expect.
func (v *testViewer) expect(text string) string {
	v.t.Helper()
	limit := time.After(patience)
	for {
		if i := strings.Index(v.all.String(), text); i >= 0 {
			got := string(v.all.Next(i + len(text)))
			return got
		}
		select {
		case b, ok := <-v.seen:
			if !ok {
				v.t.Fatalf("the terminal ended before %q: %q", text, v.all.String())
			}
			v.all.Write(b)
		case <-limit:
			v.t.Fatalf("no %q in %q", text, v.all.String())
		}
	}
}

// ended waits for the end of the viewer.
func (v *testViewer) ended() (int, error) {
	v.t.Helper()
	select {
	case c := <-v.code:
		return c, <-v.err
	case <-time.After(patience):
		v.t.Fatalf("the viewer does not end; seen %q", v.all.String())
		return 0, nil
	}
}

// events collects a terminal's events until its end.
func events(t *testing.T, h *Handle, offset int64) []Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := h.Follow(ctx, offset)
	if err != nil {
		t.Fatal(err)
	}
	var out []Event
	for e := range c {
		out = append(out, e)
	}
	if ctx.Err() != nil {
		t.Fatalf("the events did not end: %+v", out)
	}
	return out
}

// output rebuilds the exact bytes of a recording.
func output(t *testing.T, file string) (all []byte, times []float64, sizes []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for first := true; sc.Scan(); first = false {
		if first {
			var head struct{ Version, Width, Height int }
			if err := json.Unmarshal(sc.Bytes(), &head); err != nil || head.Version != 2 || head.Width != 80 || head.Height != 24 {
				t.Fatalf("head %s: %v", sc.Text(), err)
			}
			continue
		}
		var e [3]any
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			t.Fatalf("%q: %v", sc.Text(), err)
		}
		times = append(times, e[0].(float64))
		data := e[2].(string)
		switch e[1] {
		case "o":
			all = append(all, data...)
		case "x":
			exact, err := base64.StdEncoding.DecodeString(data)
			if err != nil {
				t.Fatal(err)
			}
			all = all[:len(all)-len(strings.ToValidUTF8(string(exact), "\uFFFD"))]
			all = append(all, exact...)
		case "r":
			sizes = append(sizes, data)
		}
	}
	return all, times, sizes
}

func of(events []Event, kind string) (out []Event) {
	for _, e := range events {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func TestShellIsRecorded(t *testing.T) {
	h := start(t, testSpec(t, "/bin/bash", "--norc", "--noprofile"))
	i := h.Info()
	if i.PID == 0 || i.Holder == os.Getpid() || i.Session == NoSession {
		t.Errorf("%+v", i)
	}
	v := view(t, h)
	v.expect("cand@adm1:/#")
	v.typeIn("echo été-$((40+2))\r")
	v.expect("été-42")
	v.expect("/# ") // what is typed ahead of a prompt is echoed twice
	v.typeIn("exit 3\r")
	if c, err := v.ended(); c != 3 || err != nil {
		t.Errorf("attach: %d %v", c, err)
	}
	ev := events(t, h, 0)
	var lines []string
	for _, e := range of(ev, EventLine) {
		lines = append(lines, e.Text)
		if !e.Typed {
			t.Errorf("not typed: %+v", e)
		}
	}
	if want := "cand@adm1:/# echo été-$((40+2))|cand@adm1:/# exit 3"; strings.Join(lines, "|") != want {
		t.Errorf("lines %q", lines)
	}
	if c := of(ev, EventClose); len(c) != 1 || c[0].Code != 3 {
		t.Errorf("close %+v", c)
	}
	keys := 0
	for _, e := range of(ev, EventKeys) {
		keys += e.Keys
	}
	if want := len([]rune("echo été-$((40+2))\rexit 3\r")); keys != want {
		t.Errorf("%d keys, want %d", keys, want)
	}
	all, _, _ := output(t, i.Cast)
	if !bytes.Contains(all, []byte("été-42")) {
		t.Errorf("recording %q", all)
	}
	checkAccount(t, ev, all)
	if got := h.Info(); got.Ended == nil || got.Exit != 3 || h.Running() {
		t.Errorf("%+v running %v", got, h.Running())
	}
}

// checkAccount compares the hashes told with the recording.
func checkAccount(t *testing.T, ev []Event, all []byte) {
	t.Helper()
	var at int64
	for _, e := range of(ev, EventOutput) {
		if e.Offset != at {
			t.Fatalf("output at %d, want %d", e.Offset, at)
		}
		at += int64(e.Bytes)
		if at > int64(len(all)) {
			t.Fatalf("%d bytes told, %d recorded", at, len(all))
		}
		if got := sum(all[e.Offset:at]); got != e.SHA256 {
			t.Errorf("hash of [%d,%d) differs", e.Offset, at)
		}
	}
	if at != int64(len(all)) {
		t.Errorf("%d bytes told, %d recorded", at, len(all))
	}
}

func TestBytesAreExact(t *testing.T) {
	dir := t.TempDir()
	want := []byte("héé\xff\xfe\x00|€uro|\xe2\x82|\xf0\x9f\x98\x80 end")
	if err := os.WriteFile(dir+"/f", want, 0o600); err != nil {
		t.Fatal(err)
	}
	s := testSpec(t, "/bin/sh", "-c", "stty -opost; dd bs=1 if="+dir+"/f 2>/dev/null")
	h := start(t, s)
	ev := events(t, h, 0)
	all, _, _ := output(t, h.Info().Cast)
	if !bytes.Equal(all, want) {
		t.Errorf("recorded %q, want %q", all, want)
	}
	checkAccount(t, ev, all)
}

func TestPasswordIsNeverStored(t *testing.T) {
	s := testSpec(t, "/bin/bash", "-c", `stty -echo; printf 'Password: '; read -r -s -N 16 p; : >"$HEARD"; read -r -s; echo; echo "got ${#p}"`)
	heard := t.TempDir() + "/heard"
	s.Env = append(s.Env, "HEARD="+heard)
	h := start(t, s)
	v := view(t, h)
	v.expect("Password:")
	const secret = "Tr0ub4dor&3xyzzy"
	v.typeIn(secret)
	for limit := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(heard); err == nil {
			break
		} else if time.Now().After(limit) {
			t.Fatal("the program does not read")
		}
	}
	time.Sleep(hiddenBeforeEnter) // counted from before the program had the keys
	v.typeIn("\r")
	v.expect("got 16")
	_, _ = v.ended()
	ev := events(t, h, 0)
	hidden := 0
	for _, e := range of(ev, EventKeys) {
		hidden += e.Hidden
	}
	if hidden != len(secret) {
		t.Errorf("%d hidden keys, want %d", hidden, len(secret))
	}
	files, err := os.ReadDir(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(h.dir + "/" + f.Name())
		if err == nil && bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s holds the password", f.Name())
		}
	}
}

// An Enter that no known prompt explains is told with the program that had the
// terminal and the row it was typed in; what was typed ahead, and is read in the
// end by a shell, is a line like any other.
func TestEnterWithoutAPromptIsTold(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	repl := t.TempDir() + "/myrepl"
	if b, err := exec.Command("cp", bash, repl).CombinedOutput(); err != nil {
		t.Fatal(string(b))
	}
	h := start(t, testSpec(t, "/bin/bash", "--norc", "--noprofile"))
	v := view(t, h)
	v.expect("/#")
	v.typeIn(repl + ` -c 'while printf "calc%s" ": "; read -r x; do [ "$x" = q ] && break; echo "# = $x"; done'` + "\r")
	v.expect("calc: ")
	v.typeIn("1+1\r")
	v.expect("# = 1+1")
	v.expect("calc: ")
	v.typeIn("2+2\r")
	v.expect("# = 2+2")
	v.typeIn("q\r")
	v.expect("/# ")
	v.typeIn("sleep 5\r")
	time.Sleep(300 * time.Millisecond)
	v.typeIn("echo ahead-$((1+1))\r")
	v.expect("ahead-2\r")
	v.expect("/# ")
	v.typeIn("exit\r")
	_, _ = v.ended()
	var lines, rows []string
	for _, e := range events(t, h, 0) {
		switch e.Kind {
		case EventLine:
			lines = append(lines, e.Text)
			// At the Enter of what is typed ahead another program had the terminal.
			if ahead := strings.Contains(e.Text, "ahead"); !e.Typed || (e.Foreground == "sleep") != ahead || (e.Foreground == "bash") == ahead || e.PID == 0 {
				t.Errorf("%+v", e)
			}
		case EventUncut:
			rows = append(rows, e.Detail)
			if e.Foreground != "myrepl" || e.PID == 0 || e.BootNS == 0 {
				t.Errorf("%+v", e)
			}
		}
	}
	if got := strings.Join(rows, "|"); got != "calc: 1+1" && got != "calc: 1+1|calc: 2+2" && got != "calc: 1+1|calc: 2+2|calc: q" {
		t.Errorf("uncut %q", rows)
	}
	if len(lines) != 4 || lines[2] != "cand@adm1:/# echo ahead-$((1+1))" {
		t.Errorf("lines %q", lines)
	}
}

func TestResizeAndReplay(t *testing.T) {
	h := start(t, testSpec(t, "/bin/bash", "--norc", "--noprofile"))
	v := view(t, h)
	v.expect("/#")
	if err := pty.Setsize(v.far, &pty.Winsize{Rows: 40, Cols: 132}); err != nil {
		t.Fatal(err)
	}
	// The attach client is this process: the signal that the kernel would send to
	// the foreground group of the local terminal.
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		v.typeIn("stty size\r")
		v.expect("stty size\r\n")
		if got := v.expect("# "); strings.Contains(got, "40 132") {
			break
		}
	}
	// Put together by printf: the echo of the command must not look like its output.
	v.typeIn("printf '\\033[2J\\033[5;7Hmark-%s\\033[31mr%s\\033[0m\\r\\n' here ed\r")
	v.expect("mark-here\x1b[31mred")
	w := view(t, h) // a second viewer
	got := w.expect("mark-here")
	if !strings.Contains(got, "\x1b[5;1H") {
		t.Errorf("the screen was not placed: %q", got)
	}
	w.typeIn("echo second-viewer\r")
	v.expect("second-viewer")
	w.typeIn("\x1d") // detach
	if _, err := w.ended(); !errors.Is(err, ErrDetached) {
		t.Errorf("detach: %v", err)
	}
	v.typeIn("echo still-here\r")
	v.expect("still-here")
	v.tty.Close() // the local terminal hangs up
	if _, err := v.ended(); !errors.Is(err, ErrDetached) {
		t.Errorf("hangup: %v", err)
	}
	if !h.Running() {
		t.Fatal("a lost viewer ended the terminal")
	}
	_, _, sizes := output(t, h.Info().Cast)
	if len(sizes) == 0 || !strings.Contains(strings.Join(sizes, " "), "132x40") {
		t.Errorf("sizes %q", sizes)
	}
}

func TestOutlivesItsController(t *testing.T) {
	s := testSpec(t, "/bin/bash", "--norc", "--noprofile")
	arg, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "TERM_TEST_START="+string(arg))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	h, err := Open(s.Dir, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	v := view(t, h)
	v.expect("/#")
	v.typeIn("x=before; echo $x\r")
	v.expect("before\r\n")
	v.expect("/# ")
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil { // the whole group
		t.Fatal(err)
	}
	_ = cmd.Wait()
	v.typeIn("echo $x-and-after\r")
	v.expect("before-and-after")
	v.expect("/# ")
	v.typeIn("exit\r")
	_, _ = v.ended()
	ev := events(t, h, 0)
	checkAccount(t, ev, func() []byte { b, _, _ := output(t, h.Info().Cast); return b }())
	if n := len(of(ev, EventLine)); n != 3 {
		t.Errorf("%d lines, want 3", n)
	}
	// An adopting controller goes on where the dead one had stopped.
	mid := ev[len(ev)/2]
	if rest := events(t, h, mid.Next); len(rest) != len(ev)-len(ev)/2-1 {
		t.Errorf("%d events after the middle of %d", len(rest), len(ev))
	}
}

func TestKilledHolderIsTold(t *testing.T) {
	s := testSpec(t, "/bin/sleep", "1000")
	h := start(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := h.Follow(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if e := <-c; e.Kind != EventOpen {
		t.Errorf("%+v", e)
	}
	program, err := unix.PidfdOpen(h.Info().PID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(program)
	if err := syscall.Kill(h.Info().Holder, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// Its terminal hangs up on it.
	p := []unix.PollFd{{Fd: int32(program), Events: unix.POLLIN}}
	n, err := unix.Poll(p, int(patience.Milliseconds()))
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Poll(p, int(patience.Milliseconds()))
	}
	if err != nil || n != 1 {
		t.Errorf("the program outlives its terminal: %v", err)
		_ = unix.PidfdSendSignal(program, unix.SIGKILL, nil, 0)
	}
	var last Event
	for e := range c {
		last = e
	}
	if last.Kind != EventLost {
		t.Errorf("last %+v", last)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Errorf("close of a dead one: %v", err)
	}
}

func TestCloseStopsWhatIgnoresHangup(t *testing.T) {
	s := testSpec(t, "/bin/bash", "-c", "trap '' HUP TERM; echo ready; while :; do sleep 0.2; done")
	h := start(t, s)
	v := view(t, h)
	v.expect("ready")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := h.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if h.Running() || h.Info().Exit != 137 {
		t.Errorf("running %v exit %d", h.Running(), h.Info().Exit)
	}
}

func TestPauseNotifyAndScript(t *testing.T) {
	h := start(t, testSpec(t, "/bin/cat"))
	v := view(t, h)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := h.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	// Nothing shows that a key was thrown away; but a viewer's frames are taken one
	// after the other, and a new size is told.
	c, err := dial(ctx, h.Info().Socket, hello{Mode: "view", Input: true, Cols: 80, Rows: 24})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := errors.Join(writeFrame(c, frameInput, []byte("unheard\r")), writeFrame(c, frameSize, []byte(`{"cols":99,"rows":24}`))); err != nil {
		t.Fatal(err)
	}
	follow, err := h.Follow(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	for e := range follow {
		if e.Kind == EventResize && e.Cols == 99 {
			break
		}
	}
	if err := h.Notify(ctx, "\r\npaused by the controller\r\n"); err != nil {
		t.Fatal(err)
	}
	v.expect("paused by the controller")
	if err := h.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	v.typeIn("heard\r")
	if got := v.expect("heard\r\n"); strings.Contains(got, "unheard") {
		t.Errorf("typed during the pause: %q", got)
	}
	all, _, _ := output(t, h.Info().Cast)
	if !bytes.Contains(all, []byte("paused by the controller")) {
		t.Error("the notice is not in the recording")
	}
}

// TestLeftBehind ends terminals whose program has left another one in them: what
// was written is kept to the last byte, what is written for ever is not waited
// for.
func TestLeftBehind(t *testing.T) {
	for name, c := range map[string]struct{ left, kept string }{
		"silent":  {"exec sleep 1000", "the last words"},
		"writing": {"exec yes", ""},
	} {
		t.Run(name, func(t *testing.T) {
			pid := t.TempDir() + "/pid"
			h := start(t, testSpec(t, "/bin/bash", "-c", `(trap '' HUP; echo $BASHPID >`+pid+`; `+c.left+`) & `+
				`while [ ! -s `+pid+` ]; do sleep 0.01; done; printf '%s' '`+c.kept+`'`))
			ev := events(t, h, 0)
			if b, err := os.ReadFile(pid); err != nil {
				t.Error(err)
			} else if p, err := strconv.Atoi(strings.TrimSpace(string(b))); err != nil || p < 2 {
				t.Errorf("%q: %v", b, err)
			} else {
				_ = syscall.Kill(p, syscall.SIGKILL)
			}
			all, _, _ := output(t, h.Info().Cast)
			if !bytes.Contains(all, []byte(c.kept)) {
				t.Errorf("recorded %d bytes without %q", len(all), c.kept)
			}
			checkAccount(t, ev, all)
		})
	}
}

func TestFailureToStart(t *testing.T) {
	s := testSpec(t, "/no/such/program")
	if _, err := Start(t.Context(), s, ""); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("%v", err)
	}
	s = testSpec(t)
	if _, err := Start(t.Context(), s, ""); err == nil {
		t.Error("no command")
	}
	s = testSpec(t, "/bin/true")
	s.ID = "../x"
	if _, err := Start(t.Context(), s, ""); err == nil {
		t.Error("bad id")
	}
}
