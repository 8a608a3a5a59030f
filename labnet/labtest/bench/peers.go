package main

import (
	"archive/tar"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

//go:embed peer_mininet.py
var mininetScript []byte

// peersSection starts the same number of nodes with other tools. Their nodes
// only sleep: what they are compared with is the moment when situlab's inits
// have been started. Both run in a network namespace of their own, so that the
// host's firewall and bridges stay as they are.
func (b *bench) peersSection(ctx context.Context) error {
	if err := b.mininet(ctx); err != nil {
		return err
	}
	return b.compose(ctx)
}

// alone runs a program in new network and mount namespaces.
func alone(ctx context.Context, args ...string) *exec.Cmd {
	script := `ip link set lo up; exec "$@"`
	return exec.CommandContext(ctx, "unshare", append([]string{"--net", "--mount", "--propagation", "private", "--", "sh", "-c", script, "sh"}, args...)...)
}

func (b *bench) mininet(ctx context.Context) error {
	// The package is for the distribution's Python, which need not be the first
	// on the path.
	python := ""
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(ctx, p, "-c", "import mininet.net").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		b.book.note("Mininet was not measured: python3 has no module mininet (Debian package mininet)")
		return ctx.Err()
	}
	if _, err := exec.LookPath("brctl"); err != nil {
		b.book.note("Mininet was not measured: no brctl (Debian package bridge-utils)")
		return nil
	}
	script := filepath.Join(b.out, "peer_mininet.py")
	if err := os.WriteFile(script, mininetScript, 0o644); err != nil {
		return err
	}
	for _, n := range b.scales {
		err := b.repeat(ctx, key("mininet", n), func(ctx context.Context, s *sample) error {
			cmd := alone(ctx, python, script, fmt.Sprint(n))
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if err != nil {
				return fmt.Errorf("mininet: %w: %s", err, lastLine(errs.String()))
			}
			var r struct {
				Up, Down, Memory float64
				Reached          bool
			}
			if err := json.Unmarshal([]byte(lastLine(string(out))), &r); err != nil {
				return fmt.Errorf("mininet said %q: %w", out, err)
			}
			if !r.Reached {
				s.finding("two hosts do not reach each other")
			}
			s.Figures["up_s"], s.Figures["down_s"], s.Figures["memory_mb"] = r.Up, r.Down, r.Memory/1e6
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// engine is a Docker engine of our own.
type engine struct {
	dir, address string
	cmd          *exec.Cmd
	done         chan error
	compose      []string
	cgroups      map[string]bool // that were there before
}

// sleeper is the image of the sleeping nodes.
const sleeper = "situlab-bench:sleep"

func (b *bench) compose(ctx context.Context) error {
	if _, err := exec.LookPath("dockerd"); err != nil {
		b.book.note("Docker Compose was not measured: no dockerd (Debian package docker.io)")
		return nil
	}
	var compose []string
	switch {
	case exec.CommandContext(ctx, "docker", "compose", "version").Run() == nil:
		compose = []string{"docker", "compose"}
	case exec.CommandContext(ctx, "docker-compose", "version").Run() == nil:
		compose = []string{"docker-compose"}
	default:
		b.book.note("Docker Compose was not measured: neither docker compose nor docker-compose (Debian package docker-compose)")
		return ctx.Err()
	}
	e, err := b.startEngine(ctx, compose)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.book.note("Docker Compose was not measured: %v", err)
		return nil
	}
	defer e.stop()
	if err := e.importSleeper(ctx); err != nil {
		b.book.note("Docker Compose was not measured: %v", err)
		return ctx.Err()
	}
	if out, err := e.run(ctx, e.dir, "docker", "version", "--format", "{{.Server.Version}}"); err == nil {
		b.book.note("Docker engine %s, %s", strings.TrimSpace(out), strings.Join(compose, " "))
	}
	for _, n := range b.scales {
		if err := b.repeat(ctx, key("compose", n), func(ctx context.Context, s *sample) error { return e.measure(ctx, s, n) }); err != nil {
			return err
		}
	}
	return nil
}

// startEngine starts dockerd with all its files in a folder of ours.
func (b *bench) startEngine(ctx context.Context, compose []string) (*engine, error) {
	dir, err := os.MkdirTemp(b.out, "docker-")
	if err != nil {
		return nil, err
	}
	e := &engine{dir: dir, address: "unix://" + filepath.Join(dir, "docker.sock"), compose: compose, done: make(chan error, 1), cgroups: map[string]bool{}}
	for _, d := range dockerCGroups() {
		e.cgroups[d] = true
	}
	logs, err := os.Create(filepath.Join(b.out, "dockerd.log"))
	if err != nil {
		return nil, err
	}
	defer logs.Close()
	// No context: an interrupt must let it clean up first.
	e.cmd = alone(context.WithoutCancel(ctx), "dockerd", "--host", e.address, "--data-root", filepath.Join(dir, "data"),
		"--exec-root", filepath.Join(dir, "run"), "--pidfile", filepath.Join(dir, "pid"), "--ip-forward=true")
	e.cmd.Stdout, e.cmd.Stderr = logs, logs
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is for us
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { e.done <- e.cmd.Wait() }()
	for deadline := time.Now().Add(time.Minute); ; {
		if _, err := e.run(ctx, dir, "docker", "info"); err == nil {
			return e, nil
		}
		select {
		case err := <-e.done:
			e.done <- err
			e.stop()
			return nil, fmt.Errorf("dockerd ended with code %d; see dockerd.log", e.cmd.ProcessState.ExitCode())
		default:
		}
		if time.Now().After(deadline) || pause(ctx, 200*time.Millisecond) != nil {
			e.stop()
			return nil, errors.New("dockerd does not answer; see dockerd.log")
		}
	}
}

func dockerCGroups() []string {
	a, _ := filepath.Glob("/sys/fs/cgroup/*/docker")
	b, _ := filepath.Glob("/sys/fs/cgroup/docker")
	return append(a, b...)
}

// stop ends the engine and removes what it made.
func (e *engine) stop() {
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.done:
	case <-time.After(time.Minute):
		_ = e.cmd.Process.Kill()
		<-e.done
	}
	for _, d := range dockerCGroups() {
		if !e.cgroups[d] {
			_ = os.Remove(d)
		}
	}
	// Its mounts went with its namespace.
	if err := os.RemoveAll(e.dir); err != nil {
		say("%v", err)
	}
}

func (e *engine) run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	// The Compose written in Python stands still for good where services are more
	// than its limit of what runs at once, 64: each holds a place and waits for one.
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.address, "COMPOSE_HTTP_TIMEOUT=600", "DOCKER_CLIENT_TIMEOUT=600", "COMPOSE_PARALLEL_LIMIT=1000")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, lastLine(string(out)))
	}
	return string(out), err
}

// importSleeper makes the smallest image that can sleep: the host's own program
// with its libraries, so that nothing is downloaded.
func (e *engine) importSleeper(ctx context.Context) error {
	program, err := exec.LookPath("sleep")
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "ldd", program).Output()
	if err != nil {
		return fmt.Errorf("ldd %s: %w", program, err)
	}
	file := filepath.Join(e.dir, "sleep.tar")
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	t := tar.NewWriter(f)
	files := map[string]string{"bin/sleep": program}
	for _, lib := range libraries(string(out)) {
		files[strings.TrimPrefix(lib, "/")] = lib
	}
	for name, from := range files {
		if err := addFile(t, name, from); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	_, err = e.run(ctx, e.dir, "docker", "import", file, sleeper)
	return err
}

func addFile(t *tar.Writer, name, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: st.Size(), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

// libraries are the absolute paths in what ldd prints.
func libraries(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		for f := range strings.FieldsSeq(line) {
			if strings.HasPrefix(f, "/") {
				out = append(out, strings.TrimSuffix(f, ":"))
				break
			}
		}
	}
	return out
}

// peerSegments is the number of networks of the peers.
const peerSegments = 5

// composeFile has n sleeping services on some networks.
func composeFile(n int) string {
	var b strings.Builder
	b.WriteString("version: \"2.4\"\nservices:\n")
	for i := range n {
		fmt.Fprintf(&b, "  n%d:\n    image: %s\n    command: [\"/bin/sleep\", \"infinity\"]\n    stop_signal: SIGKILL\n    networks: [s%d]\n", i, sleeper, i%peerSegments)
	}
	b.WriteString("networks:\n")
	for i := range peerSegments {
		fmt.Fprintf(&b, "  s%d:\n    ipam:\n      config:\n        - subnet: 10.67.%d.0/24\n", i, i)
	}
	return b.String()
}

func (e *engine) measure(ctx context.Context, s *sample, n int) error {
	dir := filepath.Join(e.dir, fmt.Sprintf("bench%d", n))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "docker-compose.yml"), []byte(composeFile(n)), 0o644); err != nil {
		return err
	}
	do := func(args ...string) error {
		_, err := e.run(ctx, dir, append(append([]string{}, e.compose...), args...)...)
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	before, err := memAvailable(ctx)
	if err != nil {
		return err
	}
	begin := instant()
	if err := do("up", "-d"); err != nil {
		return errors.Join(err, do("down", "-t", "0"))
	}
	s.Figures["up_s"] = instant() - begin
	if out, err := e.run(ctx, dir, "docker", "ps", "--quiet"); err != nil || len(strings.Fields(out)) != n {
		s.finding("%d containers run, %d expected", len(strings.Fields(out)), n)
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	after, err := memAvailable(ctx)
	if err != nil {
		return err
	}
	s.Figures["memory_mb"] = (before - after) / 1e6
	begin = instant()
	if err := do("down", "-t", "0"); err != nil {
		return err
	}
	s.Figures["down_s"] = instant() - begin
	return nil
}
