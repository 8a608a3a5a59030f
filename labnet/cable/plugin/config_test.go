package plugin

import (
	"errors"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
)

func TestParseConfig(t *testing.T) {
	for _, c := range []struct {
		name, in string
		code     uint // 0: good
	}{
		{"good", `{"cniVersion":"1.1.0","name":"n","type":"situlab-cni","switch":"/run/s","segment":"lan"}`, 0},
		{"not JSON", `{`, types.ErrDecodingFailure},
		{"empty", ``, types.ErrDecodingFailure},
		{"no name", `{"switch":"/run/s"}`, types.ErrInvalidNetworkConfig},
		{"no switch", `{"name":"n"}`, types.ErrInvalidNetworkConfig},
		{"unclean switch", `{"name":"n","switch":"/run/../s"}`, types.ErrInvalidNetworkConfig},
		{"mtu", `{"name":"n","switch":"/s","mtu":5}`, types.ErrInvalidNetworkConfig},
		{"mac", `{"name":"n","switch":"/s","runtimeConfig":{"mac":"zz"}}`, types.ErrInvalidNetworkConfig},
		{"group mac", `{"name":"n","switch":"/s","runtimeConfig":{"mac":"01:00:00:00:00:00"}}`, types.ErrInvalidNetworkConfig},
		{"ip", `{"name":"n","switch":"/s","runtimeConfig":{"ips":["10.0.0.1"]}}`, types.ErrInvalidNetworkConfig},
		{"previous result", `{"cniVersion":"1.1.0","name":"n","switch":"/s","prevResult":{"cniVersion":"9.9.9"}}`, types.ErrDecodingFailure},
	} {
		_, err := ParseConfig([]byte(c.in))
		var e *types.Error
		switch {
		case c.code == 0 && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.code != 0 && (!errors.As(err, &e) || e.Code != c.code):
			t.Errorf("%s: %v, want code %d", c.name, err, c.code)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"cniVersion":"1.1.0","name":"n","type":"situlab-cni","switch":"/run/s","segment":"lan","runtimeConfig":{"mac":"02:00:00:00:00:01","ips":["10.0.0.1/8"],"port":{"down":true}}}`))
	f.Add([]byte(`{"cniVersion":"0.4.0","name":"n","switch":"/s","prevResult":{"cniVersion":"0.4.0","interfaces":[{"name":"x"}]}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			var e *types.Error
			if !errors.As(err, &e) {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		if c.Name == "" || !strings.HasPrefix(c.Switch, "/") {
			t.Fatalf("accepted %+v", c)
		}
		if c.mac != nil && (len(c.mac) != 6 || c.mac[0]&1 != 0) {
			t.Fatalf("accepted address %v", c.mac)
		}
	})
}

func TestNames(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"lan", "dmz", "a-very-long-segment-name", "a-very-long-segment-namf", "é", "a b", strings.Repeat("x", 13), strings.Repeat("x", 14)} {
		n := BridgeName(id)
		if len(n) > maxName || strings.ContainsAny(n, "/ ") || n != BridgeName(id) {
			t.Errorf("segment %q: bridge %q", id, n)
		}
		if old, ok := seen[n]; ok {
			t.Errorf("segments %q and %q share %s", old, id, n)
		}
		seen[n] = id
	}
	for _, k := range [][2]string{{"pc1", "eth0"}, {"pc1", "eth1"}, {"pc", "1eth0"}, {strings.Repeat("n", 64), "eth0"}} {
		n, m := PortName(k[0], k[1]), MAC(k[0], k[1])
		if len(n) > maxName {
			t.Errorf("%v: port %q", k, n)
		}
		if m[0] != 2 || len(m) != 6 {
			t.Errorf("%v: %s is not unicast and locally administered", k, m)
		}
		for _, s := range []string{n, m.String()} {
			if old, ok := seen[s]; ok {
				t.Errorf("%v and %s share %s", k, old, s)
			}
			seen[s] = k[0]
		}
	}
}

func TestMark(t *testing.T) {
	m := Mark{"situlab-lab", "pc1", "eth0"}
	if got, ok := ParseMark(m.String()); !ok || got != m {
		t.Errorf("%q: %+v, %v", m, got, ok)
	}
	for _, s := range []string{"", "eth0", "situlab:", "situlab:a/b", "situlab:a/b/c/d", "situlab://", "other:a/b/c"} {
		if _, ok := ParseMark(s); ok {
			t.Errorf("%q taken for ours", s)
		}
	}
}
