package main

import (
	"errors"
	"os"
	"os/exec"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/images"
	"github.com/situlab/situlab/labnet/cable"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/watch"
)

// finding is one line of the doctor's report.
type finding struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required bool   `json:"required"`
	Detail   string `json:"detail,omitempty"`
	Fix      string `json:"fix,omitempty"`
}

// program is a tool of the host that situlab runs.
type program struct{ name, debian, fedora string }

var programs = []program{
	{"runc", "runc", "runc"},
	{"mkfs.ext4", "e2fsprogs", "e2fsprogs"},
	{"mount", "mount", "util-linux"},
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Ce que cette machine a, n'a pas, et quoi taper / what this host has and lacks", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := a.diagnoseHost(cmd)
			bad := false
			for _, f := range list {
				bad = bad || (f.Required && !f.OK)
			}
			err := a.ui.Result(list, func() {
				for _, f := range list {
					state := a.ui.Good("✓")
					switch {
					case !f.OK && f.Required:
						state = a.ui.Bad("✗")
					case !f.OK:
						state = "–"
					}
					a.ui.Printf("%s %s\n", state, f.Name)
					if f.Detail != "" {
						a.ui.Printf("    %s\n", f.Detail)
					}
					if !f.OK && f.Fix != "" {
						a.ui.Printf("    → %s\n", f.Fix)
					}
				}
			})
			if err == nil && bad {
				err = &codeError{code: exitHost}
			}
			return err
		},
	}
}

func (a *app) diagnoseHost(cmd *cobra.Command) []finding {
	t := a.ui.T
	var out []finding
	check := func(name string, required bool, err error, fix string) {
		f := finding{Name: name, OK: err == nil, Required: required}
		if err != nil {
			f.Detail, f.Fix = err.Error(), fix
		}
		out = append(out, f)
	}
	root := error(nil)
	if os.Geteuid() != 0 {
		root = errors.New(t("situlab tourne sans les droits de root", "situlab does not run as root"))
	}
	check(t("droits de root", "root"), true, root, "sudo situlab doctor")
	for _, p := range programs {
		_, err := exec.LookPath(p.name)
		check(p.name, true, err, "apt-get install "+p.debian+"   (Fedora: dnf install "+p.fedora+")")
	}
	if root != nil {
		// Everything else would fail for the same reason and say nothing new.
		return out
	}
	for _, f := range cable.Features() {
		check(f.Name+": "+f.What, f.Required, f.Has(), t("un noyau qui l'a ; sans lui, voir le README", "a kernel that has it; see the README"))
	}
	check(t("observation des programmes (eBPF, BTF)", "observation of programs (eBPF, BTF)"), true, watch.HasExecs(), t("un noyau avec CONFIG_DEBUG_INFO_BTF", "a kernel with CONFIG_DEBUG_INFO_BTF"))
	check(t("observation des fichiers (fanotify)", "observation of files (fanotify)"), true, watch.HasFiles(), t("un noyau 5.17 ou plus récent", "kernel 5.17 or newer"))
	var st unix.Statfs_t
	space := unix.Statfs(host.Home(), &st)
	if errors.Is(space, unix.ENOENT) {
		space = unix.Statfs("/var/lib", &st)
	}
	if space == nil && int64(st.Bavail)*st.Bsize < 8<<30 {
		space = errors.New(t("moins de 8 Gio libres", "less than 8 GiB free"))
	}
	check(t("place pour l'image et un laboratoire (8 Gio)", "room for the image and a lab (8 GiB)"), true, space, t("libérer de la place, ou SITULAB_HOME=/autre/disque", "free some space, or SITULAB_HOME=/another/disk"))
	_, err := provision.Store().Image("")
	var none *images.NoImageError
	if errors.As(err, &none) {
		err = errors.New(t("pas encore construite", "not built yet"))
	}
	check(t("image des nœuds", "image of the nodes"), false, err, "situlab image build")
	return out
}
