package cable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/situlab/situlab/labnet/cable/internal/netns"
)

// kernelDefaults are the IPv4 settings that Linux compiles in (net/ipv4/devinet.c)
// and that a new network namespace nevertheless copies from the host's first one:
// on a host with Docker or a VPN, every node would forward packets. Forwarding
// comes first, since it changes some of the others.
var kernelDefaults = []struct{ name, all, dflt string }{
	{"forwarding", "0", "0"},
	{"accept_local", "0", "0"},
	{"accept_redirects", "1", "1"},
	{"accept_source_route", "0", "1"},
	{"arp_accept", "0", "0"},
	{"arp_announce", "0", "0"},
	{"arp_filter", "0", "0"},
	{"arp_ignore", "0", "0"},
	{"log_martians", "0", "0"},
	{"promote_secondaries", "0", "0"},
	{"proxy_arp", "0", "0"},
	{"route_localnet", "0", "0"},
	{"rp_filter", "0", "0"},
	{"secure_redirects", "1", "1"},
	{"send_redirects", "1", "1"},
	{"shared_media", "1", "1"},
	{"src_valid_mark", "0", "0"},
}

// KernelDefaults gives a node's new network namespace the kernel's own settings instead
// of the host's. It must come before the node's first program.
func KernelDefaults(path string) error {
	return netns.Do(path, func() error {
		for _, d := range kernelDefaults {
			for place, value := range map[string]string{"all": d.all, "default": d.dflt} {
				err := os.WriteFile("/proc/sys/net/ipv4/conf/"+place+"/"+d.name, []byte(value), 0)
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("the kernel's own setting of %s: %w", d.name, err)
				}
			}
		}
		return nil
	})
}
