package checkup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/cmd/internal/folder"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node/oci"
)

// scratch is what our directories in the run directory are called.
const scratch = "doctor."

// Sweep removes the directories of a doctor that was killed.
func Sweep() []string {
	var removed []string
	found, _ := filepath.Glob(filepath.Join(host.Run(), scratch+"*"))
	for _, dir := range found {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), scratch))
		if err != nil || unix.Kill(pid, 0) == nil {
			continue
		}
		if os.RemoveAll(dir) == nil {
			removed = append(removed, "unfinished work of the doctor")
		}
	}
	labnet.Tidy()
	return removed
}

// privately runs f on a thread with a mount namespace of its own, which ends with
// f. A goroutine that ends without unlocking takes its thread along.
func privately(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			// Go cannot destroy the main thread: hold it, so that another takes
			// the work.
			done <- privately(f)
			runtime.UnlockOSThread()
			return
		}
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err != nil {
			done <- host.Errorf("run as root, outside of a container", "cannot make a mount namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// groups tries the control groups: what the runtime says of them, a group in each
// hierarchy, and the controllers that nodes are limited with.
func (v *visit) groups() {
	err := privately(func() error {
		state := filepath.Join(host.Run(), scratch+strconv.Itoa(os.Getpid()))
		unmake, err := folder.Make(state, 0o711)
		if err != nil {
			return host.Errorf("run as root", "create %s: %w", state, err)
		}
		defer unmake()
		rt, err := oci.New(oci.Config{State: state})
		if err != nil {
			return err
		}
		return rt.Close()
	})
	if err == nil {
		err = tryGroups()
	}
	v.add("cgroups", v.ui.T("groupes de contrôle : limites et gel des nœuds", "control groups: limits and freezing of the nodes"), true, err, "")
	labnet.Tidy()
}

// limiters are the controllers that a node's limits need; the last two are
// controllers in version 1 only.
var limiters = []string{"memory", "pids", "cpu", "freezer", "devices"}

func tryGroups() error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	have := map[string]bool{}
	unified, old := false, false
	for sc := bufio.NewScanner(f); sc.Scan(); {
		left, right, _ := strings.Cut(sc.Text(), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if len(l) < 5 || len(r) < 3 || !strings.HasPrefix(l[4]+"/", "/sys/fs/cgroup/") {
			continue
		}
		switch r[0] {
		case "cgroup2":
			unified = true
			b, err := os.ReadFile(filepath.Join(l[4], "cgroup.controllers"))
			if err != nil {
				return err
			}
			for _, c := range strings.Fields(string(b)) {
				have[c] = true
			}
		case "cgroup":
			old = true
			for _, c := range strings.Split(r[2], ",") {
				have[c] = true
			}
		default:
			continue
		}
		group := filepath.Join(l[4], fmt.Sprintf("situlab-doctor-%d", os.Getpid()))
		if err := os.Mkdir(group, 0o755); err != nil {
			return host.Errorf("mount -o remount,rw "+l[4], "no control group can be made in %s: %w", l[4], err)
		}
		if err := os.Remove(group); err != nil {
			return err
		}
	}
	need := limiters
	if unified && !old {
		need = limiters[:3]
	}
	for _, c := range need {
		if !have[c] {
			return host.Errorf("boot the kernel with cgroup_enable="+c, "no control group limits %s", c)
		}
	}
	return nil
}

// firstID begins a range of ids as nodes have them.
const firstID = 1 << 30

// newUserNamespace makes a user namespace as each node has one, where the kernel
// allows as many as the nodes need. nil if there is an error.
func newUserNamespace(nodes int) (*os.File, error) {
	// Each node has one of its own, and one that describes its ids.
	const perNode = 2
	if b, err := os.ReadFile("/proc/sys/user/max_user_namespaces"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && n < perNode*nodes {
			return nil, host.Errorf(fmt.Sprintf("sysctl -w user.max_user_namespaces=%d", 10*perNode*nodes), "user.max_user_namespaces is %d, too small for %d nodes", n, nodes)
		}
	}
	return oci.NewIDNamespace(firstID)
}

// errNotTried says that what it would stand on lacks, which a finding before says.
var errNotTried = errors.New("not tried")

// smallDisk is enough for an ext4 file system.
const smallDisk = 16 << 20

// storage tries what a node's root file system is made of: a disk on a loop
// device, an image's layer with shifted owners, and an overlay of both. What
// stands on something that lacks is not tried.
func (v *visit) storage(ctx context.Context, userns *os.File, room bool) {
	disk, shift, overlay := errNotTried, errNotTried, errNotTried
	err := privately(func() error {
		dir := host.LabDisks(fmt.Sprintf("doctor-%d", os.Getpid())) // gc knows that place
		unmake, err := folder.Make(dir, 0o711)
		if err != nil {
			return host.Errorf("check the rights and the free space of SITULAB_HOME", "create %s: %w", dir, err)
		}
		defer unmake()
		layer := filepath.Join(dir, "layer")
		if err := os.Mkdir(layer, 0o755); err != nil {
			return err
		}
		defer os.RemoveAll(layer)
		if userns != nil {
			shift = oci.AttachMapped(layer, layer, userns)
			defer func() { _ = unix.Unmount(layer, unix.MNT_DETACH) }()
		}
		if !room {
			return nil
		}
		var d *host.Disk
		if d, disk = host.NewDisk(ctx, filepath.Join(dir, "lab"), smallDisk); disk != nil {
			return nil
		}
		if shift == nil {
			overlay = tryOverlay(d.Mount(), layer)
		}
		return d.Remove()
	})
	if err != nil {
		disk = err
	}
	v.add("disk", v.ui.T("disque d'un laboratoire : ext4 sur un périphérique loop", "a lab's disk: ext4 on a loop device"), true, disk, "")
	v.add("idmap", v.ui.T("propriétaires décalés (montages idmapped)", "shifted owners (idmapped mounts)"), true, shift,
		v.ui.T("Linux 5.12 ou plus récent, et SITULAB_HOME sur ext4, xfs ou btrfs", "Linux 5.12 or newer, and SITULAB_HOME on ext4, xfs or btrfs"))
	v.add("overlay", v.ui.T("couches (overlay) au-dessus", "layers (overlay) above them"), true, overlay,
		v.ui.T("modprobe overlay ; Linux 5.19 ou plus récent", "modprobe overlay; Linux 5.19 or newer"))
	labnet.Tidy()
}

// tryOverlay mounts an overlay as a node's.
func tryOverlay(disk, layer string) error {
	var at []string
	for _, name := range []string{"u", "w", "root"} {
		at = append(at, filepath.Join(disk, name))
		if err := os.Mkdir(at[len(at)-1], 0o755); err != nil {
			return err
		}
	}
	err := oci.MountOverlay(at[2], []string{layer}, at[0], at[1])
	switch {
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("overlay: not supported by this kernel: %w", err)
	case err != nil:
		return fmt.Errorf("overlay: %w", err)
	}
	return unix.Unmount(at[2], unix.MNT_DETACH)
}
