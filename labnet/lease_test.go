package labnet

import (
	"net/netip"
	"strings"
	"testing"
)

// A router's table while its neighbours are still coming up: what is refused as
// unreachable is no way, and neither is the default route.
func TestRouteTo(t *testing.T) {
	const table = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	FE0A140A	0003	0	0	0	00000000	0	0	0
*	0000140A	00000000	0201	0	0	0	0000FFFF	0	0	0
eth1	000A140A	00000000	0001	0	0	0	00FFFFFF	0	0	0
eth2	0082140A	02FF140A	0003	0	0	20	00FFFFFF	0	0	0
eth3	0096140A	02FF140A	0002	0	0	20	00FFFFFF	0	0	0
`
	for _, c := range []struct {
		to, via string
		ok      bool
	}{
		{"10.20.10.12", "0.0.0.0", true},       // its own network
		{"10.20.130.254", "10.20.255.2", true}, // learnt
		{"10.20.150.254", "", false},           // not up: the summary refuses it
		{"10.20.77.1", "", false},              // the summary
		{"192.0.2.1", "", false},               // only the default
	} {
		via, ok := routeTo(strings.NewReader(table), netip.MustParseAddr(c.to))
		if ok != c.ok || ok && via.String() != c.via {
			t.Errorf("to %s: via %s, %v; want %s, %v", c.to, via, ok, c.via, c.ok)
		}
	}
}
