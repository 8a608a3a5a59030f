package cable

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// TestMain fails the run if the tests left anything on the host: a link in its
// namespace, a pin, an open namespace or socket of this process.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	before := traces()
	code := m.Run()
	// The kernel closes what other threads hold when they end: give it time.
	var left []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		left = left[:0]
		for t, n := range traces() {
			if n > before[t] {
				left = append(left, t)
			}
		}
		if len(left) == 0 {
			break
		}
	}
	if len(left) > 0 && code == 0 {
		fmt.Fprintln(os.Stderr, "left on the host:\n"+strings.Join(left, "\n"))
		code = 1
	}
	os.Exit(code)
}

// pins are the folders in which this process made namespaces.
var pins sync.Map

func pinnedHere(path string) bool {
	found := false
	pins.Range(func(dir, _ any) bool {
		found = strings.HasPrefix(path, dir.(string)+"/")
		return !found
	})
	return found
}

// traces counts what this process could leave: its own names only, other labs
// come and go on the same host.
func traces() map[string]int {
	out := map[string]int{}
	links, err := netlink.LinkList()
	if err != nil {
		out["links: "+err.Error()]++
	}
	for _, l := range links {
		// The switch's names: s-, p, t, i and a hash.
		if n := l.Attrs().Name; strings.HasPrefix(n, "s-") || len(n) == 15 && strings.Contains("pti", n[:1]) {
			out["link "+n]++
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		out["mounts: "+err.Error()]++
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && strings.Contains(line, " nsfs ") && pinnedHere(f[4]) {
			out["mount "+f[4]]++
		}
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		out["files: "+err.Error()]++
	}
	for _, fd := range fds {
		target, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err != nil {
			continue
		}
		switch kind, _, _ := strings.Cut(target, ":"); kind {
		case "socket", "net", "/dev/net/tun":
			out["open "+kind]++
		}
	}
	return out
}
