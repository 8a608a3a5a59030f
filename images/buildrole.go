package images

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// onBase mounts an overlay whose upper directory becomes a layer, furnishes it,
// and runs a function in a workshop with it.
func (b *builder) onBase(base layer, upper string, do func(*workshop, string) error) error {
	return inWorkshop(b.log, func(w *workshop) error {
		merged, scratch := filepath.Join(b.tmp, "merged"), filepath.Join(b.tmp, "overlay-work")
		for _, d := range []string{upper, merged, scratch} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		opts := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,redirect_dir=off,metacopy=off,index=off", b.store.tree(base.ID), upper, scratch)
		if err := unix.Mount("overlay", merged, "overlay", 0, opts); err != nil {
			return &HostError{What: "cannot mount an overlay for a layer", Hint: "the store's file system must take overlay upper directories (ext4, xfs, btrfs)", Err: err}
		}
		if err := w.furnish(merged); err != nil {
			return err
		}
		for from, to := range map[string]string{b.apt.dir: "apt", b.lists: "lists", b.archives: "archives"} {
			if err := w.bind(from, filepath.Join(merged, "run/build", to)); err != nil {
				return err
			}
		}
		err := do(w, merged)
		if uerr := unix.Unmount(merged, unix.MNT_DETACH); err == nil {
			err = uerr
		}
		if rerr := os.RemoveAll(scratch); err == nil {
			err = rerr
		}
		return err
	})
}

// updateLists fetches the mirrors' package lists once per build.
func (b *builder) updateLists(ctx context.Context, base layer) error {
	upper := filepath.Join(b.tmp, "update")
	err := b.onBase(base, upper, func(w *workshop, root string) error {
		done, err := resolver(root)
		if err != nil {
			return err
		}
		return firstError(w.run(ctx, root, "", b.aptGet("update", "-q")...), done())
	})
	if err != nil {
		return fmt.Errorf("fetch package lists: %w", err)
	}
	return os.RemoveAll(upper)
}

func (b *builder) aptGet(args ...string) []string {
	out := []string{"apt-get"}
	for _, o := range b.apt.inside() {
		out = append(out, "-o", o)
	}
	return append(out, args...)
}

// resolver lends the host's name servers to a layer; the returned function takes
// them back.
func resolver(root string) (func() error, error) {
	b, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return nil, &HostError{What: "the host has no name servers", Hint: "check /etc/resolv.conf", Err: err}
	}
	name := filepath.Join(root, "etc/resolv.conf")
	return func() error { return os.Remove(name) }, os.WriteFile(name, b, 0o644)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// makeRole builds the layer of one role.
func (b *builder) makeRole(ctx context.Context, r *roleRecipe, base layer, key string) (layer, error) {
	b.step("role " + r.role + ": " + r.Title)
	work := filepath.Join(b.tmp, "role-"+r.role)
	upper := filepath.Join(work, "tree")
	err := b.onBase(base, upper, func(w *workshop, root string) error {
		w.watch = b.detail("role " + r.role)
		if err := b.install(ctx, w, r, root); err != nil {
			return err
		}
		failpoint("installed")
		return b.dressRole(ctx, w, r, root)
	})
	if err != nil {
		return layer{}, err
	}
	if err := cleanTree(upper); err != nil {
		return layer{}, err
	}
	if err := dropEmpty(upper, b.store.tree(base.ID)); err != nil {
		return layer{}, err
	}
	if err := stripMarks(upper, b.store.tree(base.ID)); err != nil {
		return layer{}, err
	}
	if err := backdate(upper, time.Now().Add(-settled)); err != nil {
		return layer{}, err
	}
	return b.store.seal(ctx, work, layer{Key: key, Role: r.role, Base: base.ID})
}

// install adds the role's accounts, then its packages.
func (b *builder) install(ctx context.Context, w *workshop, r *roleRecipe, root string) error {
	inside := func(args ...string) error { return w.run(ctx, root, "", args...) }
	if err := os.WriteFile(filepath.Join(root, "etc/systemd/system-preset/00-0role.preset"), []byte(presetFile(b.enabled(r), false)), 0o644); err != nil {
		return err
	}
	for _, g := range r.Groups {
		if err := inside("groupadd", "-r", "-g", strconv.Itoa(g.GID), g.Name); err != nil {
			return err
		}
	}
	for _, u := range r.Users {
		g, shell := u.Group, u.Shell
		if g == "" {
			g = u.Name
			if err := inside("groupadd", "-r", "-g", strconv.Itoa(u.GID), g); err != nil {
				return err
			}
		}
		if shell == "" {
			shell = "/usr/sbin/nologin"
		}
		if err := inside("useradd", "-r", "-M", "-u", strconv.Itoa(u.UID), "-g", g, "-d", u.Home, "-s", shell, u.Name); err != nil {
			return err
		}
	}
	if len(r.Debconf) > 0 {
		if err := w.run(ctx, root, strings.Join(r.Debconf, "\n")+"\n", "debconf-set-selections"); err != nil {
			return err
		}
	}
	if len(r.Packages) == 0 {
		return nil
	}
	done, err := resolver(root)
	if err != nil {
		return err
	}
	policy := filepath.Join(root, "usr/sbin/policy-rc.d")
	if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
		return err
	}
	args := b.aptGet("install", "-q", "-y", "--no-install-recommends")
	for _, o := range b.recipe.dpkgOptions() {
		args = append(args, "-o", "DPkg::Options::=--"+o)
	}
	return firstError(w.run(ctx, root, "", append(args, r.Packages...)...), done(), os.Remove(policy))
}

// enabled lists the units that a role enables.
func (b *builder) enabled(r *roleRecipe) []string {
	if r.Workstation {
		return r.Enable
	}
	return append(b.recipe.base.Server[:len(b.recipe.base.Server):len(b.recipe.base.Server)], r.Enable...)
}

// dressRole writes the role's files, masks and links.
func (b *builder) dressRole(ctx context.Context, w *workshop, r *roleRecipe, path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := removeSysvLinks(root); err != nil {
		return err
	}
	for _, s := range r.Sysv {
		for _, level := range []string{"2", "3", "4", "5"} {
			if err := root.Symlink("../init.d/"+s, "etc/rc"+level+".d/S01"+s); err != nil {
				return err
			}
		}
	}
	if err := copyTree(b.recipe.files, "tree/role/"+r.role, root); err != nil {
		return err
	}
	for _, c := range r.Run {
		if err := w.run(ctx, path, "", "sh", "-ec", c); err != nil {
			return err
		}
	}
	if err := maskUnits(root, r.Mask); err != nil {
		return err
	}
	for _, g := range r.Generators {
		name := "etc/systemd/system-generators/" + g
		if err := firstError(root.Remove(name), root.Symlink("/usr/lib/systemd/system-generators/"+g, name)); err != nil {
			return fmt.Errorf("generator %s: %w", g, err)
		}
	}
	if !r.Workstation {
		// Servers keep their journal across boots (journald.conf(5), Storage=auto).
		if err := w.run(ctx, path, "", "install", "-d", "-m", "2755", "-g", "systemd-journal", "/var/log/journal"); err != nil {
			return err
		}
	}
	return w.run(ctx, path, "", append([]string{"systemctl", "preset"}, b.enabled(r)...)...)
}
