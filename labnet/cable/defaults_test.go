package cable_test

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/cable"
)

// A namespace that has copied the settings of a host that forwards packets gets
// the kernel's own back. It needs root.
func TestKernelDefaults(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces need root: run the tests as root")
	}
	const conf = "/proc/sys/net/ipv4/conf/"
	made := make(chan string)
	release := make(chan struct{})
	defer close(release)
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread goes with its namespace
		err := unix.Unshare(unix.CLONE_NEWNET)
		for _, s := range []string{"all/forwarding", "default/rp_filter"} {
			if err == nil {
				err = os.WriteFile(conf+s, []byte("1"), 0)
			}
		}
		if err == nil {
			err = os.WriteFile(conf+"all/send_redirects", []byte("0"), 0)
		}
		if err != nil {
			failed <- err
			return
		}
		made <- "/proc/self/task/" + strconv.Itoa(unix.Gettid()) + "/ns/net"
		<-release
	}()
	var path string
	select {
	case path = <-made:
	case err := <-failed:
		t.Fatal(err)
	}
	if err := cable.KernelDefaults(path); err != nil {
		t.Fatal(err)
	}
	if err := cable.InNetNS(path, func() error {
		for s, want := range map[string]string{"all/forwarding": "0", "default/forwarding": "0", "lo/forwarding": "0", "default/rp_filter": "0",
			"all/send_redirects": "1", "default/accept_source_route": "1", "all/accept_source_route": "0"} {
			b, err := os.ReadFile(conf + s)
			if err != nil {
				return err
			}
			if got := strings.TrimSpace(string(b)); got != want {
				t.Errorf("%s is %s, want %s", s, got, want)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
