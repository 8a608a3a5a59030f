package images

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// presetFile decides what a package's installation enables (systemd.preset(5)):
// it must be there before the packages are.
func presetFile(enable []string, rest bool) string {
	s := ""
	for _, u := range enable {
		s += "enable " + u + "\n"
	}
	if rest {
		s += "disable *\n"
	}
	return s
}

// dpkgOptions are dpkg's options that leave files out, and leave it to the
// sealing of the layer to write everything to the disk at once (dpkg(1)).
func (r *recipe) dpkgOptions() []string {
	out := []string{"force-unsafe-io"}
	for _, e := range r.base.Exclude {
		out = append(out, "path-exclude="+e)
	}
	for _, e := range r.base.Include {
		out = append(out, "path-include="+e)
	}
	return out
}

const setupHook = `set -e
mkdir -p "$1/etc/systemd/system-preset" "$1/var/cache/apt/archives"
cp "$BUILD/node.preset" "$1/etc/systemd/system-preset/10-node.preset"
printf '#!/bin/sh\nexit 101\n' > "$BUILD/policy-rc.d"
mkdir -p "$1/usr/sbin"
cp "$BUILD/policy-rc.d" "$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
for deb in "$ARCHIVES"/*.deb; do
	[ -e "$deb" ] || break
	ln "$deb" "$1/var/cache/apt/archives/" 2>/dev/null || cp -p "$deb" "$1/var/cache/apt/archives/"
done
`

const essentialHook = `chroot "$1" debconf-set-selections < "$BUILD/debconf"
`

// The cache keeps what was downloaded now and did not have before.
const customizeHook = `set -e
for deb in "$1"/var/cache/apt/archives/*.deb; do
	[ -e "$deb" ] || break
	[ -e "$ARCHIVES/${deb##*/}" ] || ln "$deb" "$ARCHIVES/" 2>/dev/null || cp -p "$deb" "$ARCHIVES/"
done
`

// makeBase builds the base layer with mmdebstrap.
func (b *builder) makeBase(ctx context.Context, key string) (layer, error) {
	work := filepath.Join(b.tmp, "base")
	root := filepath.Join(work, "tree")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return layer{}, err
	}
	err := inWorkshop(b.log, func(w *workshop) error {
		b.step(fmt.Sprintf("base: %d packages and what they need", len(b.recipe.base.Packages)))
		w.watch = b.detail("base")
		if err := b.bootstrap(ctx, w, root); err != nil {
			return err
		}
		failpoint("bootstrapped")
		if err := w.furnish(root); err != nil {
			return err
		}
		return b.dressBase(ctx, w, root)
	})
	if err != nil {
		return layer{}, err
	}
	failpoint("dressed")
	if err := b.cleanBase(root); err != nil {
		return layer{}, err
	}
	if err := backdate(root, time.Now().Add(-settled)); err != nil {
		return layer{}, err
	}
	return b.store.seal(ctx, work, layer{Key: key})
}

func (b *builder) bootstrap(ctx context.Context, w *workshop, root string) error {
	aux := filepath.Join(b.tmp, "aux")
	if err := os.MkdirAll(aux, 0o755); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"node.preset": presetFile(b.recipe.base.Enable, true), "debconf": strings.Join(b.recipe.base.Debconf, "\n") + "\n",
		"setup": setupHook, "essential": essentialHook, "customize": customizeHook,
	} {
		if err := os.WriteFile(filepath.Join(aux, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	env := w.env
	defer func() { w.env = env }()
	w.env = append(env[:len(env):len(env)], "BUILD="+aux, "ARCHIVES="+b.archives, "TMPDIR="+b.tmp)
	args := []string{
		"mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--keyring=" + filepath.Join(b.apt.dir, "keys"),
		"--skip=download/empty,essential/unlink", "--include=" + strings.Join(b.recipe.base.Packages, ","),
		`--setup-hook=sh "$BUILD/setup" "$1"`, `--essential-hook=sh "$BUILD/essential" "$1"`, `--customize-hook=sh "$BUILD/customize" "$1"`,
	}
	for _, o := range b.recipe.dpkgOptions() {
		args = append(args, "--dpkgopt="+o)
	}
	for _, o := range b.apt.options {
		k, v, _ := strings.Cut(o, "=")
		args = append(args, fmt.Sprintf("--aptopt=%s %q", k, v))
	}
	args = append(args, b.recipe.base.Suite, root)
	return w.run(ctx, "", "", append(args, b.apt.lines...)...)
}

// dressBase writes our files, masks and links, and runs the recipe's commands.
func (b *builder) dressBase(ctx context.Context, w *workshop, path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := copyTree(b.recipe.files, "tree/base", root); err != nil {
		return err
	}
	if err := maskUnits(root, b.recipe.base.Mask); err != nil {
		return err
	}
	if err := b.maskGenerators(root); err != nil {
		return err
	}
	for _, c := range b.recipe.base.Run {
		if err := w.run(ctx, path, "", "sh", "-ec", c); err != nil {
			return err
		}
	}
	return w.run(ctx, path, "", "systemctl", "preset-all")
}

// maskGenerators leaves only the generators that the recipe names: each is a
// process at every boot of every node.
func (b *builder) maskGenerators(root *os.Root) error {
	const dir = "usr/lib/systemd/system-generators"
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		return err
	}
	if err := root.MkdirAll("etc/systemd/system-generators", 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		if !has(b.recipe.base.Generators, e.Name()) {
			if err := root.Symlink("/dev/null", "etc/systemd/system-generators/"+e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

func maskUnits(root *os.Root, masks []mask) error {
	for _, m := range masks {
		for _, u := range m.Units {
			name := "etc/systemd/system/" + u
			if err := root.Remove(name); err != nil && !os.IsNotExist(err) {
				return err
			}
			if err := root.Symlink("/dev/null", name); err != nil {
				return fmt.Errorf("mask %s: %w", u, err)
			}
		}
	}
	return nil
}

// copyTree copies a folder of the recipe into an image, owned by root. Programs
// are told by their first two bytes: embedded files have no mode.
func copyTree(files fs.FS, from string, root *os.Root) error {
	if _, err := fs.Stat(files, from); err != nil {
		return nil // a role without files of its own
	}
	return fs.WalkDir(files, from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(p, from), "/")
		if rel == "" {
			return nil
		}
		if d.IsDir() {
			return root.MkdirAll(rel, 0o755)
		}
		b, err := fs.ReadFile(files, p)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(string(b), "#!") {
			mode = 0o755
		}
		if err := root.WriteFile(rel, b, mode); err != nil {
			return fmt.Errorf("write %s: %w", rel, err)
		}
		return root.Chmod(rel, mode)
	})
}
