package oci

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

func readPID(path string) (int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%s: %q is no process number", path, b)
	}
	return pid, nil
}

func ownerOf(st os.FileInfo) uint32 { return st.Sys().(*syscall.Stat_t).Uid }

// runcError joins an error of the runc program with the reason that it wrote to
// its log.
func runcError(verb, logFile string, err error) error {
	f, oerr := os.Open(logFile)
	if oerr != nil {
		return fmt.Errorf("runc %s: %w", verb, err)
	}
	defer f.Close()
	msg := ""
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		var line struct{ Level, Msg string }
		if json.Unmarshal(sc.Bytes(), &line) == nil && (line.Level == "error" || line.Level == "fatal") {
			msg = line.Msg
		}
	}
	if msg == "" {
		return fmt.Errorf("runc %s: %w", verb, err)
	}
	return fmt.Errorf("runc %s: %s: %w", verb, msg, err)
}

// writeHostname names a node that never booted, as old as the image's files.
func (n *Node) writeHostname() error {
	st, err := os.Stat(filepath.Join(n.spec.Lowers[0], "etc"))
	if err != nil {
		return nil //nolint:nilerr // an image without /etc keeps its own name
	}
	return n.writeHost(n.spec.Name+"\n", st.ModTime())
}
