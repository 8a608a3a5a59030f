package checkup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/images"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/cable"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node/oci"
	"github.com/situlab/situlab/labnet/watch"
	"github.com/situlab/situlab/scenarios"
)

// Finding is one thing that a lab needs or likes.
type Finding struct {
	ID       string `json:"id"` // short and the same in all languages
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required bool   `json:"required"`
	Detail   string `json:"detail,omitempty"` // what is wrong
	Fix      string `json:"fix,omitempty"`    // what to type
}

// visit collects the findings.
type visit struct {
	ui  *ui.UI
	out []Finding
}

// program is a tool of the host that situlab runs.
type program struct{ name, debian, fedora string }

var programs = []program{
	{"runc", "runc", "runc"},
	{"mkfs.ext4", "e2fsprogs", "e2fsprogs"},
	{"mount", "mount", "util-linux"},
}

// Host examines this host.
func Host(ctx context.Context, u *ui.UI) []Finding {
	v := &visit{ui: u}
	t := u.T
	var root error
	if os.Geteuid() != 0 {
		root = errors.New(t("situlab tourne sans les droits de root", "situlab does not run as root"))
	}
	v.add("root", t("droits de root", "root"), true, root, "sudo situlab doctor")
	for _, p := range programs {
		_, err := exec.LookPath(p.name)
		v.add(p.name, p.name, true, err, "apt-get install "+p.debian+"   (Fedora: dnf install "+p.fedora+")")
	}
	for _, c := range provision.Companions() {
		_, err := provision.Companion(c)
		v.add(c, t(c+", à côté de situlab", c+", beside situlab"), true, err, "make build")
	}
	if root != nil {
		// Everything else would fail for the same reason and say nothing new.
		return v.out
	}
	nodes, rates := largest()
	for _, f := range cable.Features() {
		// The lines of the library's sites have rates.
		v.add(f.Name, u.Phrase(f.What), f.Required || f.Name == "tbf" && rates, f.Has(),
			t("à lancer en root avec CAP_NET_ADMIN ; pour un conteneur : --cap-add NET_ADMIN", "run as root with CAP_NET_ADMIN; a container: --cap-add NET_ADMIN"))
	}
	v.groups()
	v.add("limits", fmt.Sprintf(t("limites du noyau pour %d nœuds", "limits of the kernel for %d nodes"), nodes), true, tryLimits(nodes), "")
	userns, err := newUserNamespace(nodes)
	v.add("userns", t("espaces d'utilisateurs : chaque nœud a ses identifiants", "user namespaces: each node has its own ids"), true, err,
		t("un noyau avec CONFIG_USER_NS ; pour un conteneur : --cap-add SYS_ADMIN", "a kernel with CONFIG_USER_NS; a container: --cap-add SYS_ADMIN"))
	if userns != nil {
		defer userns.Close()
	}
	_, none := provision.Store().Ready()
	room := v.room(nodes, none != nil)
	v.storage(ctx, userns, room)
	v.add("exec", t("observation des programmes (eBPF, BTF)", "observation of programs (eBPF, BTF)"), true, watch.HasExecs(),
		t("un noyau avec CONFIG_DEBUG_INFO_BTF (ls /sys/kernel/btf/vmlinux), et root hors d'un conteneur", "a kernel with CONFIG_DEBUG_INFO_BTF (ls /sys/kernel/btf/vmlinux), and root outside of a container"))
	v.add("files", t("observation des fichiers (fanotify)", "observation of files (fanotify)"), true, watch.HasFiles(),
		t("un noyau 5.17 ou plus récent (uname -r)", "kernel 5.17 or newer (uname -r)"))
	v.image(none)
	return v.out
}

// add notes a finding; what an error knows to be typed comes before fix.
func (v *visit) add(id, name string, required bool, err error, fix string) {
	if errors.Is(err, errNotTried) {
		return
	}
	f := Finding{ID: id, Name: name, OK: err == nil, Required: required}
	if err != nil {
		detail, known := split(err)
		if known != "" {
			fix = v.ui.Phrase(known)
		}
		f.Detail, f.Fix = v.ui.Phrase(detail), fix
	}
	v.out = append(v.out, f)
}

// split takes what to do out of an error.
func split(err error) (detail, fix string) {
	with := func(what string, cause error) string {
		if cause != nil {
			return what + ": " + cause.Error()
		}
		return what
	}
	var ofHost *host.Error
	var ofNodes *oci.HostError
	var ofImages *images.HostError
	var ofCables *cable.UnsupportedError
	switch {
	case errors.As(err, &ofHost):
		return with(ofHost.What, ofHost.Err), ofHost.Hint
	case errors.As(err, &ofNodes):
		return with(ofNodes.What, ofNodes.Err), ofNodes.Do
	case errors.As(err, &ofImages):
		return with(ofImages.What, ofImages.Err), ofImages.Hint
	case errors.As(err, &ofCables):
		hint := ofCables.Hint
		if m, ok := strings.CutPrefix(hint, "load the modules "); ok {
			hint = "modprobe -a " + strings.ReplaceAll(m, " and ", " ")
		} else if m, ok := strings.CutPrefix(hint, "load the module "); ok {
			hint = "modprobe " + m
		}
		return fmt.Sprintf("not supported by this kernel: %v", ofCables.Err), hint
	}
	return err.Error(), ""
}

// largest is the number of nodes of the library's largest site, and whether a
// line of any site has a rate.
func largest() (nodes int, rates bool) {
	for _, id := range scenarios.Sites() {
		s, err := scenarios.LoadSite(id)
		if err != nil {
			continue
		}
		nodes = max(nodes, len(s.Nodes))
		for _, x := range s.Segments {
			rates = rates || x.RateBits > 0
		}
	}
	return nodes, rates
}

// tryLimits raises what so many nodes more than run now need and puts it back.
func tryLimits(nodes int) error {
	running := 0
	for _, l := range labnet.List() {
		running += l.IDs
	}
	err := host.RaiseLimits(running + nodes)
	if err == nil && running > 0 {
		err = host.RaiseLimits(running) // only the number is put back while labs run
	}
	err = errors.Join(err, host.RestoreLimits())
	labnet.Tidy()
	return err
}

// diskReserve is what host.NewDisk leaves free.
const diskReserve = 1 << 30

// room checks the free space, and says whether it is there.
func (v *visit) room(nodes int, build bool) bool {
	need := host.DiskBytes(nodes) + diskReserve
	what := v.ui.T("place pour un laboratoire", "room for a lab")
	if build {
		need += images.BuildBytes
		what = v.ui.T("place pour l'image et un laboratoire", "room for the image and a lab")
	}
	dir := host.Home()
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	for errors.Is(err, fs.ErrNotExist) && dir != "/" {
		dir = filepath.Dir(dir)
		err = unix.Statfs(dir, &st)
	}
	if free := int64(st.Bavail) * st.Bsize; err == nil && free < need {
		err = fmt.Errorf("%s has %d MiB free, %d MiB are needed", dir, free>>20, need>>20)
	}
	v.add("room", fmt.Sprintf(v.ui.T("%s : %d Mio dans %s", "%s: %d MiB in %s"), what, need>>20, dir), true, err,
		v.ui.T("libérer de la place, ou SITULAB_HOME=/autre/disque", "free some space, or SITULAB_HOME=/another/disk"))
	return err == nil
}

// image looks at the store, and where there is no image at what builds one.
func (v *visit) image(none error) {
	if errors.As(none, new(*images.NoImageError)) {
		none = errors.New(v.ui.T("pas encore construite", "not built yet"))
	}
	v.add("image", v.ui.T("image des nœuds", "image of the nodes"), false, none, "situlab image build")
	if none != nil {
		v.add("build", v.ui.T("construction de l'image (mmdebstrap, sources de paquets Debian)", "building the image (mmdebstrap, Debian package sources)"), true, images.CanBuild(), "")
	}
}
