package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"
)

// Exec lets libcni call a [Plugin] without starting a process: it is libcni's
// invoke.Exec for exactly one plugin type.
type Exec struct {
	version.PluginDecoder
	Plugin *Plugin
}

// FindInPath accepts only this plugin.
func (*Exec) FindInPath(name string, _ []string) (string, error) {
	if name != Type {
		return "", types.NewError(types.ErrInvalidNetworkConfig, fmt.Sprintf("no CNI plugin %q here", name), "only "+Type+" runs in-process")
	}
	return name, nil
}

// ExecPlugin does what the skeleton of an executable plugin does, from the
// request's own environment instead of the process's.
func (e *Exec) ExecPlugin(ctx context.Context, _ string, stdin []byte, environ []string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	env := map[string]string{}
	for _, kv := range environ {
		// Last wins, as in execve(2)'s users: libcni appends to os.Environ.
		if k, v, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(k, "CNI_") {
			env[k] = v
		}
	}
	args := &skel.CmdArgs{
		ContainerID: env["CNI_CONTAINERID"],
		Netns:       env["CNI_NETNS"],
		IfName:      env["CNI_IFNAME"],
		Args:        env["CNI_ARGS"],
		Path:        env["CNI_PATH"],
		StdinData:   stdin,
	}
	cmd := env["CNI_COMMAND"]
	if cmd == "VERSION" {
		var out bytes.Buffer
		if err := Versions().Encode(&out); err != nil {
			return nil, fmt.Errorf("CNI VERSION: %w", err)
		}
		return out.Bytes(), nil
	}
	if err := checkVersion(stdin); err != nil {
		return nil, err
	}
	var err error
	switch cmd {
	case "ADD":
		r, err := e.Plugin.Add(args)
		if err != nil {
			return nil, coded(err)
		}
		var out bytes.Buffer
		if err := r.PrintTo(&out); err != nil {
			return nil, fmt.Errorf("CNI result: %w", err)
		}
		return out.Bytes(), nil
	case "DEL":
		err = e.Plugin.Del(args)
	case "CHECK":
		err = e.Plugin.Check(args)
	case "GC":
		err = e.Plugin.GC(args)
	case "STATUS":
		err = e.Plugin.Status(args)
	default:
		err = types.NewError(types.ErrInvalidEnvironmentVariables, fmt.Sprintf("unknown CNI_COMMAND %q", cmd), "")
	}
	if err != nil {
		return nil, coded(err)
	}
	return nil, nil
}

// checkVersion refuses a configuration of another CNI version, code 1.
func checkVersion(stdin []byte) error {
	var dec version.ConfigDecoder
	v, err := dec.Decode(stdin)
	if err != nil {
		return types.NewError(types.ErrDecodingFailure, "network configuration is not readable", err.Error())
	}
	var rec version.Reconciler
	if verr := rec.Check(v, Versions()); verr != nil {
		return types.NewError(types.ErrIncompatibleCNIVersion, "incompatible CNI versions", verr.Details())
	}
	return nil
}

// coded gives an error without a code of CNI the code 999.
func coded(err error) error {
	var e *types.Error
	if errors.As(err, &e) {
		return e
	}
	return types.NewError(types.ErrInternal, err.Error(), "")
}

// Main is the executable: it reads CNI_* and standard input and exits.
func Main() {
	p := &Plugin{}
	skel.PluginMainFuncs(skel.CNIFuncs{
		Add: func(a *skel.CmdArgs) error {
			r, err := p.Add(a)
			if err != nil {
				return coded(err)
			}
			return r.Print()
		},
		Del:    p.Del,
		Check:  p.Check,
		GC:     p.GC,
		Status: p.Status,
	}, Versions(), "situlab-cni: a layer-2 cable into a situlab switch namespace (CNI 1.1.0)")
}
