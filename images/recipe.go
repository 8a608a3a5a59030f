package images

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"runtime"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:embed all:recipe
var embedded embed.FS

// recipeVersion is raised when the way of building changes without a change of
// the recipe's files.
const recipeVersion = "1"

// mask is a list of units that never run, and why.
type mask struct {
	Reason string   `yaml:"reason"`
	Units  []string `yaml:"units"`
}

// baseRecipe is recipe/base.yaml.
type baseRecipe struct {
	Suite      string   `yaml:"suite"`
	Packages   []string `yaml:"packages"`
	Exclude    []string `yaml:"exclude"`
	Include    []string `yaml:"include"`
	Debconf    []string `yaml:"debconf"`
	Enable     []string `yaml:"enable"`
	Server     []string `yaml:"server"`
	Mask       []mask   `yaml:"mask"`
	Generators []string `yaml:"generators"`
	Run        []string `yaml:"run"`
}

// user is an account with a fixed id, made before the package that wants it.
type user struct {
	Name  string `yaml:"name"`
	UID   int    `yaml:"uid"`
	GID   int    `yaml:"gid"`
	Group string `yaml:"group"` // an existing group, instead of GID
	Home  string `yaml:"home"`
	Shell string `yaml:"shell"`
}

type group struct {
	Name string `yaml:"name"`
	GID  int    `yaml:"gid"`
}

// roleRecipe is recipe/roles/ROLE.yaml.
type roleRecipe struct {
	role        string
	Title       string   `yaml:"title"`
	Workstation bool     `yaml:"workstation"`
	Packages    []string `yaml:"packages"`
	Users       []user   `yaml:"users"`
	Groups      []group  `yaml:"groups"`
	Debconf     []string `yaml:"debconf"`
	Enable      []string `yaml:"enable"`
	Sysv        []string `yaml:"sysv"`
	Generators  []string `yaml:"generators"`
	Mask        []mask   `yaml:"mask"`
	Run         []string `yaml:"run"`
}

// recipe is everything that an image is made of.
type recipe struct {
	files fs.FS
	base  baseRecipe
	roles []roleRecipe // sorted by name
}

// loadRecipe reads a recipe; files is rooted at the folder that holds base.yaml.
func loadRecipe(files fs.FS) (*recipe, error) {
	r := &recipe{files: files}
	if err := decodeFile(files, "base.yaml", &r.base); err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "roles/*.yaml")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("recipe: no roles found: %w", err)
	}
	sort.Strings(names)
	for _, n := range names {
		role := roleRecipe{role: strings.TrimSuffix(path.Base(n), ".yaml")}
		if err := decodeFile(files, n, &role); err != nil {
			return nil, err
		}
		r.roles = append(r.roles, role)
	}
	return r, r.check()
}

func decodeFile(files fs.FS, name string, into any) error {
	b, err := fs.ReadFile(files, name)
	if err != nil {
		return fmt.Errorf("recipe: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("recipe: %s: %w", name, err)
	}
	return nil
}

var (
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`) // Debian policy 5.6.1
	unitName    = regexp.MustCompile(`^[A-Za-z0-9@_.\\-]+\.(service|socket|timer|path|mount|automount|target)$`)
	accountName = regexp.MustCompile(`^[a-z_][a-z0-9_-]*$`)
)

// check finds slips in the recipe before a build takes a minute to find them.
func (r *recipe) check() error {
	if r.base.Suite == "" {
		return fmt.Errorf("recipe: base.yaml names no suite")
	}
	units := append(append([]string(nil), r.base.Enable...), r.base.Server...)
	packages := append([]string(nil), r.base.Packages...)
	masks := append([]mask(nil), r.base.Mask...)
	for _, role := range r.roles {
		units, packages, masks = append(units, role.Enable...), append(packages, role.Packages...), append(masks, role.Mask...)
		for _, u := range role.Users {
			if !accountName.MatchString(u.Name) || u.UID < 300 || u.UID > 999 || (u.GID == 0) == (u.Group == "") {
				return fmt.Errorf("recipe: roles/%s.yaml: user %q needs a uid of 300 to 999 and either gid or group", role.role, u.Name)
			}
		}
	}
	for _, m := range masks {
		if m.Reason == "" {
			return fmt.Errorf("recipe: mask of %v has no reason", m.Units)
		}
		units = append(units, m.Units...)
	}
	for _, u := range units {
		if !unitName.MatchString(u) {
			return fmt.Errorf("recipe: %q is not a unit's name", u)
		}
	}
	for _, p := range packages {
		if !packageName.MatchString(p) {
			return fmt.Errorf("recipe: %q is not a package's name", p)
		}
	}
	return nil
}

// baseKey names the base that this recipe makes, before it is made.
func (r *recipe) baseKey() (string, error) {
	return r.digest("base", "base.yaml", "tree/base")
}

// roleKey names the layer of a role on a given base.
func (r *recipe) roleKey(role, baseID string) (string, error) {
	return r.digest("role "+role+" on "+baseID, "base.yaml", "roles/"+role+".yaml", "tree/role/"+role)
}

// digest hashes files and folders of the recipe; a folder may be missing.
func (r *recipe) digest(what string, names ...string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "situlab recipe %s %s %s\n", recipeVersion, runtime.GOARCH, what)
	for _, n := range names {
		if _, err := fs.Stat(r.files, n); err != nil {
			continue
		}
		err := fs.WalkDir(r.files, n, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := fs.ReadFile(r.files, p)
			if err != nil {
				return err
			}
			fmt.Fprintf(h, "%s %d\n", p, len(b))
			_, err = io.Copy(h, bytes.NewReader(b))
			return err
		})
		if err != nil {
			return "", fmt.Errorf("recipe: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// MaskedUnit is a unit that never runs in a node, and the reason.
type MaskedUnit struct {
	Unit   string
	Reason string
}

// Masked lists the units that the recipe masks for a role ("" for the base
// alone), so that an outside observer can compare.
func Masked(role string) ([]MaskedUnit, error) {
	r, err := ownRecipe()
	if err != nil {
		return nil, err
	}
	masks := r.base.Mask
	for _, x := range r.roles {
		if x.role == role {
			masks = append(masks[:len(masks):len(masks)], x.Mask...)
		}
	}
	var out []MaskedUnit
	for _, m := range masks {
		for _, u := range m.Units {
			out = append(out, MaskedUnit{Unit: u, Reason: m.Reason})
		}
	}
	return out, nil
}

// Roles lists the roles that the recipe knows, with a title each.
func Roles() (map[string]string, error) {
	r, err := ownRecipe()
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, x := range r.roles {
		out[x.role] = x.Title
	}
	return out, nil
}

func ownRecipe() (*recipe, error) {
	files, err := fs.Sub(embedded, "recipe")
	if err != nil {
		return nil, err
	}
	return loadRecipe(files)
}
