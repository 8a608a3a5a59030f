package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
	"github.com/vishvananda/netlink"

	"github.com/situlab/situlab/labnet/cable/internal/netns"
)

// Every CNI verb is tried twice: in-process, and through the executable with
// libcni's own way of running plugins. Both must answer alike.

// room is one switch with one segment, and a way to call the plugin.
type room struct {
	cni  *libcni.CNIConfig
	pin  string
	list *libcni.NetworkConfigList
}

// dir is t.TempDir on the paths that a switch would have.
func newNS(t *testing.T, name string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes network namespaces: run it as root")
	}
	path := filepath.Join(t.TempDir(), name)
	if err := netns.Create(context.Background(), path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Remove(path); err != nil {
			t.Error(err)
		}
	})
	return path
}

func conflist(t *testing.T, cniVersion, pin string) *libcni.NetworkConfigList {
	t.Helper()
	list, err := libcni.NetworkConfFromBytes(fmt.Appendf(nil, `{"cniVersion": %q, "name": "room", "plugins": [
		{"type": "situlab-cni", "switch": %q, "segment": "lan", "capabilities": {"mac": true, "ips": true, "port": true}}]}`, cniVersion, pin))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// both runs a test with each way of calling the plugin.
func both(t *testing.T, f func(t *testing.T, r room)) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(bin, Type), "../../../cmd/situlab-cni")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the executable: %v\n%s", err, out)
	}
	for name, x := range map[string]invoke.Exec{
		"in-process": &Exec{Plugin: &Plugin{}},
		"executable": &invoke.DefaultExec{RawExec: &invoke.RawExec{Stderr: os.Stderr}, PluginDecoder: version.PluginDecoder{}},
	} {
		t.Run(name, func(t *testing.T) {
			pin := newNS(t, "switch")
			if err := netns.Do(pin, func() error {
				la := netlink.NewLinkAttrs()
				la.Name = BridgeName("lan")
				return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: la})
			}); err != nil {
				t.Fatal(err)
			}
			f(t, room{libcni.NewCNIConfigWithCacheDir([]string{bin}, t.TempDir(), x), pin, conflist(t, "1.1.0", pin)})
		})
	}
}

func rt(container, ifname, ns string, caps map[string]any) *libcni.RuntimeConf {
	return &libcni.RuntimeConf{ContainerID: container, IfName: ifname, NetNS: ns, CapabilityArgs: caps}
}

func wantCode(t *testing.T, what string, err error, code uint) {
	t.Helper()
	var e *types.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: %v, want code %d", what, err, code)
	}
}

func TestVerbs(t *testing.T) {
	both(t, func(t *testing.T, r room) {
		ctx := context.Background()
		ns := newNS(t, "pc1")
		if err := r.cni.GetStatusNetworkList(ctx, r.list); err != nil {
			t.Fatalf("STATUS: %v", err)
		}
		info, err := r.cni.GetVersionInfo(ctx, Type)
		if err != nil || !strings.Contains(fmt.Sprint(info.SupportedVersions()), "1.1.0") {
			t.Fatalf("VERSION: %v, %v", info, err)
		}
		c := rt("pc1", "eth0", ns, nil)
		res, err := r.cni.AddNetworkList(ctx, r.list, c)
		if err != nil {
			t.Fatalf("ADD: %v", err)
		}
		r100, err := types100.NewResultFromResult(res)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(r100.Interfaces); n != 3 || r100.Interfaces[2].Mac != MAC("pc1", "eth0").String() || r100.Interfaces[2].Sandbox != ns || len(r100.IPs) != 0 {
			data, _ := json.Marshal(r100)
			t.Errorf("ADD: result %s", data)
		}
		cached, err := r.cni.GetNetworkListCachedResult(r.list, c)
		if err != nil || cached == nil {
			t.Errorf("no cached result: %v", err)
		}
		if err := r.cni.CheckNetworkList(ctx, r.list, c); err != nil {
			t.Errorf("CHECK: %v", err)
		}
		_, err = r.cni.AddNetworkList(ctx, r.list, c)
		wantCode(t, "ADD twice", err, ErrPortExists)
		for i := range 2 {
			if err := r.cni.DelNetworkList(ctx, r.list, c); err != nil {
				t.Errorf("DEL %d: %v", i+1, err)
			}
		}
		wantCode(t, "CHECK after DEL", r.cni.CheckNetworkList(ctx, r.list, c), types.ErrInvalidNetworkConfig)
		c.NetNS = ""
		if err := r.cni.DelNetworkList(ctx, r.list, c); err != nil {
			t.Errorf("DEL without a namespace: %v", err)
		}
	})
}

func TestCheckFindsChanges(t *testing.T) {
	both(t, func(t *testing.T, r room) {
		ctx := context.Background()
		ns := newNS(t, "pc1")
		c := rt("pc1", "eth0", ns, nil)
		for _, change := range []struct {
			what string
			code uint
			do   func() error
		}{
			{"port switched off", ErrChanged, func() error {
				return netns.Do(r.pin, func() error { return ip("link", "set", PortName("pc1", "eth0"), "down") })
			}},
			{"port off its bridge", ErrChanged, func() error {
				return netns.Do(r.pin, func() error { return ip("link", "set", PortName("pc1", "eth0"), "nomaster") })
			}},
			{"other address", ErrChanged, func() error {
				return netns.Do(ns, func() error { return ip("link", "set", "eth0", "address", "02:00:00:00:00:01") })
			}},
			{"interface renamed", ErrChanged, func() error {
				return netns.Do(ns, func() error { return ip("link", "set", "eth0", "name", "eth1") })
			}},
			{"cable gone", types.ErrUnknownContainer, func() error {
				return netns.Do(r.pin, func() error { return ip("link", "del", PortName("pc1", "eth0")) })
			}},
		} {
			if _, err := r.cni.AddNetworkList(ctx, r.list, c); err != nil {
				t.Fatalf("%s: ADD: %v", change.what, err)
			}
			if err := change.do(); err != nil {
				t.Fatalf("%s: %v", change.what, err)
			}
			wantCode(t, change.what, r.cni.CheckNetworkList(ctx, r.list, c), change.code)
			if err := r.cni.DelNetworkList(ctx, r.list, c); err != nil {
				t.Fatalf("%s: DEL: %v", change.what, err)
			}
		}
	})
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %v: %w: %s", args, err, out)
	}
	return nil
}

func TestErrorCodes(t *testing.T) {
	both(t, func(t *testing.T, r room) {
		ctx := context.Background()
		ns := newNS(t, "pc1")
		add := func(list *libcni.NetworkConfigList, c *libcni.RuntimeConf) error {
			_, err := r.cni.AddNetworkList(ctx, list, c)
			return err
		}
		port := func(p Port) map[string]any { return map[string]any{"port": p} }
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "no such namespace", add(r.list, rt("pc1", "eth0", "/nonexistent", nil)), types.ErrInvalidNetNS)
		wantCode(t, "a file as namespace", add(r.list, rt("pc1", "eth0", file, nil)), types.ErrInvalidNetNS)
		wantCode(t, "the host's namespace", add(r.list, rt("pc1", "eth0", "/proc/self/ns/net", nil)), types.ErrInvalidNetNS)
		wantCode(t, "unknown segment", add(r.list, rt("pc1", "eth0", ns, port(Port{Segment: "dmz"}))), ErrUnknownSegment)
		wantCode(t, "bad address", add(r.list, rt("pc1", "eth0", ns, map[string]any{"mac": "01:00:5e:00:00:01"})), types.ErrInvalidNetworkConfig)
		wantCode(t, "relative switch", add(conflist(t, "1.1.0", "switch"), rt("pc1", "eth0", ns, nil)), types.ErrInvalidNetworkConfig)
		gone := conflist(t, "1.1.0", "/nonexistent/switch")
		wantCode(t, "ADD without switch", add(gone, rt("pc1", "eth0", ns, nil)), types.ErrPluginNotAvailable)
		wantCode(t, "STATUS without switch", r.cni.GetStatusNetworkList(ctx, gone), types.ErrPluginNotAvailable)
		wantCode(t, "old version", add(conflist(t, "0.3.1", r.pin), rt("pc1", "eth0", ns, nil)), types.ErrIncompatibleCNIVersion)
		if err := r.cni.DelNetworkList(ctx, gone, rt("pc1", "eth0", ns, nil)); err != nil {
			t.Errorf("DEL without switch: %v", err)
		}
		if err := r.cni.GCNetworkList(ctx, gone, &libcni.GCArgs{}); err != nil {
			t.Errorf("GC without switch: %v", err)
		}
		// lo is in every namespace.
		wantCode(t, "interface taken", add(r.list, rt("pc1", "lo", ns, nil)), ErrInterfaceExists)
		if err := netns.Do(r.pin, func() error {
			if _, err := netlink.LinkByName(PortName("pc1", "lo")); err == nil {
				return errors.New("a failed ADD left its port")
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}

func TestGCKeepsOthers(t *testing.T) {
	both(t, func(t *testing.T, r room) {
		ctx := context.Background()
		for i := range 4 {
			name := fmt.Sprintf("pc%d", i)
			if _, err := r.cni.AddNetworkList(ctx, r.list, rt(name, "eth0", newNS(t, name), nil)); err != nil {
				t.Fatal(err)
			}
		}
		// A port of another network, and a link that is nobody's.
		if err := netns.Do(r.pin, func() error {
			if err := ip("link", "add", "decoy", "type", "veth", "peer", "name", "decoy2"); err != nil {
				return err
			}
			return ip("link", "set", "decoy", "alias", Mark{"other", "pc1", "eth0"}.String())
		}); err != nil {
			t.Fatal(err)
		}
		args := &libcni.GCArgs{ValidAttachments: []types.GCAttachment{{ContainerID: "pc2", IfName: "eth0"}}}
		if err := r.cni.GCNetworkList(ctx, r.list, args); err != nil {
			t.Fatal(err)
		}
		var left []string
		if err := netns.Do(r.pin, func() error {
			links, err := netlink.LinkList()
			for _, l := range links {
				if l.Type() == "veth" {
					left = append(left, l.Attrs().Name)
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if len(left) != 3 || !strings.Contains(fmt.Sprint(left), PortName("pc2", "eth0")) || !strings.Contains(fmt.Sprint(left), "decoy") {
			t.Errorf("left: %v", left)
		}
	})
}

func TestAddressesForOtherRuntimes(t *testing.T) {
	both(t, func(t *testing.T, r room) {
		ctx := context.Background()
		ns := newNS(t, "pc1")
		c := rt("pc1", "eth0", ns, map[string]any{
			"ips": []string{"10.0.0.1/24", "2001:db8::1/64"}, "mac": "02:11:22:33:44:55", "port": Port{Raise: true},
		})
		res, err := r.cni.AddNetworkList(ctx, r.list, c)
		if err != nil {
			t.Fatal(err)
		}
		r100, err := types100.NewResultFromResult(res)
		if err != nil || len(r100.IPs) != 2 || r100.IPs[0].Address.String() != "10.0.0.1/24" || r100.Interfaces[2].Mac != "02:11:22:33:44:55" {
			t.Errorf("result: %v, %v", r100, err)
		}
		if err := r.cni.CheckNetworkList(ctx, r.list, c); err != nil {
			t.Errorf("CHECK: %v", err)
		}
		if err := netns.Do(ns, func() error { return ip("addr", "del", "10.0.0.1/24", "dev", "eth0") }); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "address gone", r.cni.CheckNetworkList(ctx, r.list, c), ErrChanged)
	})
}
