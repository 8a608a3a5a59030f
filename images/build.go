package images

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// BuildBytes is what a build needs on the disk: about 0.9 GB of layers, 0.4 GB
// of packages, and the base's packages once more while it is made.
const BuildBytes = 2 << 30

// BuildOptions change what Build does.
type BuildOptions struct {
	Progress Progress
	// Fresh builds again with today's packages although the store already holds
	// the recipe's layers.
	Fresh bool
}

// Build makes the image of the embedded recipe from the machine's own Debian
// mirrors, or finds it in the store (then nothing is downloaded or changed but
// the default). Layers that an interrupted build had completed are used.
func (s *Store) Build(ctx context.Context, o BuildOptions) (*Image, error) {
	r, err := ownRecipe()
	if err != nil {
		return nil, err
	}
	return s.build(ctx, r, o)
}

// Ensure returns the image to start nodes from: the default one if it was
// imported or is what the recipe of this program makes, else a new build.
func (s *Store) Ensure(ctx context.Context, p Progress) (*Image, error) {
	if img, err := s.Image(""); err == nil && img.Origin == "import" {
		return img, nil
	}
	return s.Build(ctx, BuildOptions{Progress: p})
}

func (s *Store) build(ctx context.Context, r *recipe, o BuildOptions) (*Image, error) {
	if !o.Fresh {
		img, current, err := s.find(r)
		if err != nil || current {
			return img, err
		}
		if img != nil && os.Geteuid() != 0 {
			return s.load(img.ID) // only root makes it the default
		}
		if img == nil {
			err = canBuild(os.DirFS("/"), r.base.Suite) // before waiting for others
		}
		if err != nil {
			return nil, err
		}
	}
	tmp, end, err := s.change(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	defer end()
	if !o.Fresh { // another process may have built it, or removed it, while we waited
		img, current, err := s.find(r)
		if err != nil || current {
			return img, err
		}
		if img != nil {
			return img, s.commit(img)
		}
	}
	if err := canBuild(os.DirFS("/"), r.base.Suite); err != nil {
		return nil, err
	}
	if err := roomFor(s.dir, BuildBytes); err != nil {
		return nil, err
	}
	b := &builder{store: s, recipe: r, options: o, tmp: tmp, lists: filepath.Join(tmp, "lists"), archives: filepath.Join(s.cache, "packages")}
	return b.build(ctx)
}

// Ready finds the image that nodes start from when nothing is built: what
// [Store.Ensure] returns at once. It changes nothing. A [NoImageError] says that
// one has to be built or imported first.
func (s *Store) Ready() (*Image, error) {
	if img, err := s.Image(""); err == nil && img.Origin == "import" {
		return img, nil
	}
	r, err := ownRecipe()
	if err != nil {
		return nil, err
	}
	img, _, err := s.find(r)
	if err == nil && img == nil {
		err = &NoImageError{}
	}
	return img, err
}

// find puts the recipe's image together from the store's layers; nil if one is
// missing. current says that it is the default image already. Nothing is changed:
// without the lock, a layer may go as soon as it is found.
func (s *Store) find(r *recipe) (img *Image, current bool, err error) {
	all, err := s.layers()
	if err != nil {
		return nil, false, err
	}
	key, err := r.baseKey()
	if err != nil {
		return nil, false, err
	}
	base, ok := byKey(all, key)
	if !ok {
		return nil, false, nil
	}
	layers := []layer{base}
	for _, role := range r.roles {
		if key, err = r.roleKey(role.role, base.ID); err != nil {
			return nil, false, err
		}
		l, ok := byKey(all, key)
		if !ok {
			return nil, false, nil
		}
		layers = append(layers, l)
	}
	img = newImage(r, layers)
	img.store, img.ID = s, img.digest()
	if def, err := s.Image(""); err == nil && def.ID == img.ID {
		return def, true, nil
	}
	return img, false, nil
}

func newImage(r *recipe, layers []layer) *Image {
	img := &Image{Name: "debian-" + r.base.Suite, Origin: "build", Arch: runtime.GOARCH, Created: time.Now().UTC().Truncate(time.Second)}
	for _, l := range layers {
		img.Layers = append(img.Layers, Layer{Role: l.Role, ID: l.ID, Size: l.Size, Files: l.Files})
	}
	return img
}

// CanBuild checks what a build needs of this host: rights, Debian's packages and
// the programs that install them.
func CanBuild() error {
	r, err := ownRecipe()
	if err != nil {
		return err
	}
	return canBuild(os.DirFS("/"), r.base.Suite)
}

// canBuild is CanBuild of a host's file system and a Debian release. A host that
// has no Debian packages is told so first: no program that it could install would
// help it.
func canBuild(root fs.FS, suite string) error {
	if os.Geteuid() != 0 {
		return &HostError{What: "building an image needs root", Hint: "sudo situlab image build"}
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return notDebian(err)
	}
	if _, err := debianSources(root, suite); err != nil {
		return err
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return &HostError{What: "mmdebstrap is not installed", Hint: "apt-get install mmdebstrap", Err: err}
	}
	return nil
}

// builder is one build under way.
type builder struct {
	store    *Store
	recipe   *recipe
	options  BuildOptions
	tmp      string
	lists    string // package lists, of today, in the work directory
	archives string // downloaded packages, kept
	apt      *apt
	log      io.Writer
	steps    int
	done     int
}

func (b *builder) step(what string) {
	b.options.Progress.tell(what, b.done, b.steps)
	b.done++
}

// detail makes a watcher that shows what a long step is doing, from the lines
// of mmdebstrap ("I: ...") and dpkg ("Setting up PACKAGE (VERSION) ...").
func (b *builder) detail(what string) func(line string) {
	done := b.done - 1
	return func(line string) {
		now, ok := strings.CutPrefix(line, "I: ")
		if pkg, setting := strings.CutPrefix(line, "Setting up "); setting {
			name, _, _ := strings.Cut(pkg, " ")
			now, ok = "setting up "+name, true
		}
		if ok {
			b.options.Progress.tell(what+": "+now, done, b.steps)
		}
	}
}

func (b *builder) build(ctx context.Context) (*Image, error) {
	for _, d := range []string{filepath.Join(b.archives, "partial"), filepath.Join(b.lists, "partial")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	logFile := filepath.Join(b.store.cache, "image-build.log")
	log, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	b.log = log
	if b.apt, err = prepareApt(ctx, os.DirFS("/"), b.recipe.base.Suite, filepath.Join(b.tmp, "apt")); err != nil {
		return nil, err
	}
	img, err := b.layers(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &HostError{What: "the image cannot be built", Hint: "the whole log is in " + logFile, Err: err}
	}
	if err := b.store.commit(img); err != nil {
		return nil, err
	}
	b.options.Progress.tell("image "+img.Name+" is ready", b.steps, b.steps)
	return img, nil
}

func (b *builder) layers(ctx context.Context) (*Image, error) {
	all, err := b.store.layers()
	if err != nil {
		return nil, err
	}
	b.steps = 2 + len(b.recipe.roles)
	key, err := b.recipe.baseKey()
	if err != nil {
		return nil, err
	}
	base, have := byKey(all, key)
	if !have || b.options.Fresh {
		if base, err = b.makeBase(ctx, key); err != nil {
			return nil, fmt.Errorf("base: %w", err)
		}
	} else {
		b.done++
	}
	updated := false
	layers := []layer{base}
	for i := range b.recipe.roles {
		role := &b.recipe.roles[i]
		if key, err = b.recipe.roleKey(role.role, base.ID); err != nil {
			return nil, err
		}
		l, have := byKey(all, key)
		if !have || b.options.Fresh {
			if !updated && len(role.Packages) > 0 {
				b.step("package lists")
				if err := b.updateLists(ctx, base); err != nil {
					return nil, err
				}
				updated = true
			}
			if l, err = b.makeRole(ctx, role, base, key); err != nil {
				return nil, fmt.Errorf("role %s: %w", role.role, err)
			}
		} else {
			b.done++
		}
		layers = append(layers, l)
	}
	return newImage(b.recipe, layers), nil
}
