package images

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// smallRecipe is a base that systemd could boot and one role, small enough to be
// built several times.
var smallRecipe = fstest.MapFS{
	"base.yaml": {Data: []byte(`
suite: bookworm
packages: [systemd, systemd-sysv, adduser]
exclude: [/usr/share/doc/*, /usr/share/man/*, /usr/share/locale/*]
debconf: [man-db man-db/auto-update boolean false]
enable: [systemd-networkd.service]
server: []
mask:
  - {reason: "a test", units: [getty.target]}
generators: [systemd-fstab-generator]
run: ["echo built > /etc/built"]
`)},
	"tree/base/etc/systemd/system.conf.d/10-node.conf": {Data: []byte("[Manager]\n")},
	"tree/base/usr/lib/test/run":                       {Data: []byte("#!/bin/sh\n")},
	"roles/cron.yaml": {Data: []byte(`
title: a role
packages: [cron]
users:
  - {name: special, uid: 345, gid: 346, home: /nonexistent}
enable: [cron.service]
`)},
	"tree/role/cron/etc/cron.d/job": {Data: []byte("# job\n")},
}

// packages is the cache of downloaded packages that the machine's own builds
// use.
func packages() string { return filepath.Join(home(), "cache") }

func home() string {
	if h := os.Getenv("SITULAB_HOME"); h != "" {
		return h
	}
	return "/var/lib/situlab"
}

// TestBuildKilledAtEachStep kills a real build in its base, then in its role,
// and lets the third go on from what was complete.
func TestBuildKilledAtEachStep(t *testing.T) {
	if testing.Short() {
		t.Skip("builds an image from packages")
	}
	s := Open(filepath.Join(t.TempDir(), "images"))
	s.cache = packages()
	r, err := loadRecipe(smallRecipe)
	if err != nil {
		t.Fatal(err)
	}
	for _, kill := range []struct {
		point, at string
		layers    int
	}{{"dressed", "1", 0}, {"installed", "1", 1}, {"sealed", "1", 1}} {
		if !killed(t, "SITULAB_IMAGES_CHILD=build", "SITULAB_IMAGES_STORE="+s.dir, "SITULAB_IMAGES_CACHE="+s.cache, "SITULAB_IMAGES_KILL="+kill.point, "SITULAB_IMAGES_KILL_AT="+kill.at) {
			t.Fatalf("the build does not pass %q", kill.point)
		}
		checkWhole(t, s)
		if l, err := s.layers(); err != nil || len(l) != kill.layers {
			t.Fatalf("killed at %q: %d layers, want %d (%v)", kill.point, len(l), kill.layers, err)
		}
		if _, err := s.Image(""); !errors.As(err, new(*NoImageError)) {
			t.Fatalf("killed at %q: there is an image (%v)", kill.point, err)
		}
	}
	var steps []string
	img, err := s.build(context.Background(), r, BuildOptions{Progress: func(step string, _, _ int) { steps = append(steps, step) }})
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) == 0 || strings.HasPrefix(steps[0], "base") {
		t.Errorf("the finished base was not used again: %q", steps)
	}
	checkWhole(t, s)
	if now := readFile(t, "/proc/self/mountinfo"); strings.Contains(now, s.dir) {
		t.Errorf("mounts were left:\n%s", now)
	}
	checkSmall(t, s, img)

	// The same recipe again: nothing is done, and no tool of the host is needed.
	t.Setenv("PATH", "/nonexistent")
	again, err := s.build(context.Background(), r, BuildOptions{Progress: func(step string, _, _ int) { t.Errorf("step %q", step) }})
	if err != nil || again.ID != img.ID {
		t.Errorf("second build: %v, %v", again, err)
	}
}

// checkSmall looks at what the small recipe must have made.
func checkSmall(t *testing.T, s *Store, img *Image) {
	t.Helper()
	lowers, err := img.Lowers("cron")
	if err != nil {
		t.Fatal(err)
	}
	top, base := lowers[0], lowers[1]
	for name, want := range map[string]string{
		base + "/etc/built":                                                           "built\n",
		base + "/etc/machine-id":                                                      "",
		top + "/etc/cron.d/job":                                                       "# job\n",
		top + "/etc/systemd/system-preset/00-0role.preset":                            "enable cron.service\n",
		base + "/etc/systemd/system-preset/10-node.preset":                            "enable systemd-networkd.service\ndisable *\n",
		top + "/etc/systemd/system/multi-user.target.wants/cron.service":              "-> /lib/systemd/system/cron.service",
		base + "/etc/systemd/system/getty.target":                                     "-> /dev/null",
		base + "/etc/systemd/system-generators/systemd-gpt-auto-generator":            "-> /dev/null",
		base + "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service": "-> /lib/systemd/system/systemd-networkd.service",
	} {
		if target, ok := strings.CutPrefix(want, "-> "); ok {
			if got, err := os.Readlink(name); err != nil || got != target {
				t.Errorf("%s -> %q, %v", name, got, err)
			}
		} else if got := readFile(t, name); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	if st, err := os.Stat(base + "/usr/lib/test/run"); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("program of the recipe: %v, %v", st, err)
	}
	if uid, gid, err := img.Owner("cron", "special", ""); err != nil || uid != 345 || gid != 346 {
		t.Errorf("special: %d:%d, %v", uid, gid, err)
	}
	if _, _, err := img.Owner("", "special", ""); err == nil {
		t.Error("the role's account is in the base")
	}
	noLeftovers(t, base)
	noLeftovers(t, top)
}

// noLeftovers fails on names and files of the build machine in a layer.
func noLeftovers(t *testing.T, tree string) {
	t.Helper()
	for _, p := range []string{
		"etc/resolv.conf", "etc/hostname", "etc/ssh/ssh_host_*", "etc/apt/sources.list", "etc/apt/sources.list.d/*",
		"usr/sbin/policy-rc.d", "var/lib/apt/lists/*_*", "var/cache/apt/archives/*.deb", "run/*", "tmp/*", "dev/*", "var/log/*.log", "var/log/*/*.log",
	} {
		if names, _ := filepath.Glob(filepath.Join(tree, p)); len(names) > 0 {
			t.Errorf("left in the image: %v", names)
		}
	}
	all, err := readSources(os.DirFS("/"))
	if err != nil {
		t.Fatal(err)
	}
	var hosts [][]byte
	for _, src := range forSuite(mirrorLists(os.DirFS("/"), all), "bookworm") {
		if h := strings.Split(src.uris[0], "/")[2]; h != "deb.debian.org" { // Debian's own name is in many packages
			hosts = append(hosts, []byte(h))
		}
	}
	if h, err := os.Hostname(); err == nil && len(h) > 4 && h != "debian" && h != "localhost" {
		hosts = append(hosts, []byte(h))
	}
	for _, d := range []string{"etc", "var"} {
		filepath.WalkDir(filepath.Join(tree, d), func(p string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return nil
			}
			b, err := os.ReadFile(p)
			for _, h := range hosts {
				if err == nil && bytes.Contains(b, h) {
					t.Errorf("%s names %s", p, h)
				}
			}
			return nil
		})
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// TestTheImage checks the embedded recipe's image in the machine's own store,
// and makes it if it is not there yet.
func TestTheImage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the image if it is missing")
	}
	s := Open(filepath.Join(home(), "images"))
	ctx := context.Background()
	img, err := s.Build(ctx, BuildOptions{Progress: func(step string, _, _ int) { t.Log(step) }})
	if err != nil {
		t.Fatal(err)
	}
	r, err := ownRecipe()
	if err != nil {
		t.Fatal(err)
	}
	if got := len(img.Roles()); got != len(r.roles) {
		t.Errorf("%d roles, want %d", got, len(r.roles))
	}
	b := &builder{recipe: r}
	for i := range r.roles {
		role := &r.roles[i]
		t.Run(role.role, func(t *testing.T) {
			lowers, err := img.Lowers(role.role)
			if err != nil {
				t.Fatal(err)
			}
			noLeftovers(t, lowers[0])
			noDeletions(t, lowers[0])
			for _, u := range role.Users {
				uid, gid, err := img.Owner(role.role, u.Name, "")
				if err != nil || int(uid) != u.UID || (u.GID != 0 && int(gid) != u.GID) {
					t.Errorf("%s is %d:%d, want %d:%d (%v)", u.Name, uid, gid, u.UID, u.GID, err)
				}
			}
			enabledUnits(t, lowers, b.enabled(role))
		})
	}
}

// noDeletions fails on whiteouts: an archive could not carry them.
func noDeletions(t *testing.T, tree string) {
	t.Helper()
	filepath.WalkDir(tree, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeDevice != 0 {
			t.Errorf("%s: %v %v", p, d, err)
		}
		return nil
	})
}

// enabledUnits fails unless each unit is wanted by something, its unit file
// exists, and nothing else of the role is wanted.
func enabledUnits(t *testing.T, lowers, want []string) {
	t.Helper()
	wanted := map[string]bool{}
	for _, l := range lowers {
		links, _ := filepath.Glob(filepath.Join(l, "etc/systemd/system/*.wants/*"))
		for _, k := range links {
			if l == lowers[0] {
				wanted[filepath.Base(k)] = true
			}
		}
	}
	for _, u := range want {
		found := false
		for _, l := range lowers {
			if _, err := os.Stat(filepath.Join(l, "usr/lib/systemd/system", u)); err == nil {
				found = true
			}
		}
		if !found || !wanted[u] {
			t.Errorf("%s: unit file %v, enabled %v", u, found, wanted[u])
		}
		delete(wanted, u)
	}
	for u := range wanted {
		t.Errorf("%s is enabled, and the recipe does not say so", u)
	}
}

func TestRecipesOwnMasksHaveReasons(t *testing.T) {
	for _, role := range []string{"", "pc", "rt"} {
		units, err := Masked(role)
		if err != nil || len(units) < 20 {
			t.Fatalf("%d units, %v", len(units), err)
		}
		seen := map[string]bool{}
		for _, u := range units {
			if u.Reason == "" || seen[u.Unit] {
				t.Errorf("%+v: without a reason, or twice", u)
			}
			seen[u.Unit] = true
		}
		if seen["dbus.service"] != (role == "pc") {
			t.Errorf("role %q: dbus masked is %v", role, seen["dbus.service"])
		}
	}
}

func TestBadRecipes(t *testing.T) {
	for want, change := range map[string]map[string]string{
		"field nonsense not found":   {"base.yaml": "suite: x\nnonsense: 1\n"},
		"names no suite":             {"base.yaml": "packages: [a]\n"},
		"has no reason":              {"base.yaml": "suite: x\nmask: [{units: [a.service]}]\n"},
		`"a" is not a unit's name`:   {"base.yaml": "suite: x\nenable: [a]\n"},
		`"-x" is not a package's na`: {"base.yaml": "suite: x\npackages: [-x]\n"},
		"needs a uid of 300 to 999":  {"roles/cron.yaml": "users: [{name: a, uid: 33, gid: 33}]\n"},
	} {
		m := fstest.MapFS{}
		for k, v := range smallRecipe {
			m[k] = v
		}
		for k, v := range change {
			m[k] = &fstest.MapFile{Data: []byte(v)}
		}
		if _, err := loadRecipe(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestWithoutDebian(t *testing.T) {
	_, err := prepareApt(context.Background(), machine(map[string]string{"etc/os-release": "ID=fedora\n"}), "bookworm", t.TempDir())
	var h *HostError
	if !errors.As(err, &h) || !strings.Contains(h.Hint, "situlab image import ") {
		t.Errorf("got %v", err)
	}
	debian := machine(map[string]string{"etc/apt/sources.list": "deb http://deb.debian.org/debian trixie main\n"})
	ubuntu := machine(map[string]string{"etc/apt/sources.list": "deb http://archive.ubuntu.com/ubuntu noble main universe\n"})
	t.Setenv("PATH", "/nonexistent")
	if err := canBuild(debian, "bookworm"); !errors.As(err, &h) || !strings.Contains(h.Hint, "situlab image import ") {
		t.Errorf("without apt-get: %v", err)
	}
	// With apt-get, mmdebstrap is asked for only where it would help.
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "apt-get"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	if err := canBuild(debian, "bookworm"); !errors.As(err, &h) || h.Hint != "apt-get install mmdebstrap" {
		t.Errorf("Debian without mmdebstrap: %v", err)
	}
	if err := canBuild(ubuntu, "bookworm"); !errors.As(err, &h) || !strings.Contains(h.Hint, "situlab image import ") || strings.Contains(err.Error(), "mmdebstrap is not installed") {
		t.Errorf("Ubuntu without mmdebstrap: %v", err)
	}
}
