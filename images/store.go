package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Progress is told what is being done: a step, and how much of it (total 0 when
// it cannot be known). It may be nil, and is called from one goroutine.
type Progress func(step string, done, total int)

func (p Progress) tell(step string, done, total int) {
	if p != nil {
		p(step, done, total)
	}
}

// Store is a directory of layers and images:
//
//	lock           held by whoever changes the store
//	tmp/           work in progress; removed by the next change
//	layers/ID/     tree/ and layer.json
//	images/ID.json an image: its roles and their layers
//	default        the id of the image that is used when none is named
type Store struct {
	dir   string
	cache string
}

// Open names a store; nothing is made before something is put into it. Downloaded
// packages are kept beside it, in the folder "cache".
func Open(dir string) *Store {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return &Store{dir: dir, cache: filepath.Join(filepath.Dir(dir), "cache")}
}

// layer is layers/ID/layer.json.
type layer struct {
	ID string `json:"id"`
	// Key is the digest of the recipe that made it; empty when imported alone.
	Key string `json:"key,omitempty"`
	// Role is empty for a base.
	Role string `json:"role,omitempty"`
	// Base is the id of the layer below; empty for a base.
	Base    string    `json:"base,omitempty"`
	Size    int64     `json:"size"`
	Files   int       `json:"files"`
	Created time.Time `json:"created"`
}

func (s *Store) layerDir(id string) string { return filepath.Join(s.dir, "layers", id) }
func (s *Store) tree(id string) string     { return filepath.Join(s.layerDir(id), "tree") }
func (s *Store) imageFile(id string) string {
	return filepath.Join(s.dir, "images", id+".json")
}

// change locks the store against other changes, removes what an interrupted one
// left, and gives a fresh directory to work in. The end must be called.
func (s *Store) change(ctx context.Context, p Progress) (work string, end func(), err error) {
	for _, d := range []string{"", "layers", "images"} {
		if err := os.MkdirAll(filepath.Join(s.dir, d), 0o755); err != nil {
			return "", nil, &HostError{What: "cannot make the image store", Hint: "run as root, or set SITULAB_HOME", Err: err}
		}
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", nil, &HostError{What: "cannot lock the image store", Hint: "run as root, or set SITULAB_HOME", Err: err}
	}
	if err := lock(ctx, f, p); err != nil {
		f.Close()
		return "", nil, err
	}
	tmp := filepath.Join(s.dir, "tmp")
	if err := os.RemoveAll(tmp); err != nil {
		f.Close()
		return "", nil, fmt.Errorf("remove an interrupted change of the image store: %w", err)
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		f.Close()
		return "", nil, err
	}
	return tmp, func() {
		os.RemoveAll(tmp) // what fails here is removed by the next change
		f.Close()
	}, nil
}

// lock takes the store's lock. A blocking flock cannot be interrupted, so it
// waits in a goroutine that ends with the descriptor when the caller gives up.
func lock(ctx context.Context, f *os.File, p Progress) error {
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		return nil
	}
	p.tell("waiting for another change of the image store", 0, 0)
	got := make(chan error, 1)
	dup, err := unix.Dup(int(f.Fd()))
	if err != nil {
		return err
	}
	go func() {
		defer unix.Close(dup)
		for {
			err := unix.Flock(dup, unix.LOCK_EX)
			if err != unix.EINTR {
				got <- err
				return
			}
		}
	}()
	select {
	case err := <-got:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Sweep removes what interrupted changes of the store left and says what that was.
// While somebody changes the store nothing is removed, and a store that is not
// there is not made.
func (s *Store) Sweep() ([]string, error) {
	f, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil, nil
	}
	left := []string{filepath.Join(s.dir, "tmp")}
	for _, where := range []string{"", "*", "layers/*"} {
		files, err := filepath.Glob(filepath.Join(s.dir, where, newFile))
		if err != nil {
			return nil, err
		}
		left = append(left, files...)
	}
	found, size := false, int64(0)
	for _, p := range left {
		err := filepath.WalkDir(p, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				var st fs.FileInfo
				if st, err = d.Info(); err == nil {
					size += st.Size()
				}
			}
			return err
		})
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.RemoveAll(p)
		}
		if err != nil {
			return nil, fmt.Errorf("remove an interrupted change of the image store: %w", err)
		}
		found = true
	}
	if !found {
		return nil, nil
	}
	return []string{fmt.Sprintf("unfinished work on the images (%d MiB)", size>>20)}, nil
}

// seal gives a finished tree (work/tree) its name and moves it into the store.
// A layer of the same content that is already there is used instead.
func (s *Store) seal(ctx context.Context, work string, l layer) (layer, error) {
	m, err := fingerprint(ctx, filepath.Join(work, "tree"))
	if err != nil {
		return l, err
	}
	l.ID, l.Size, l.Files = m.id, m.size, m.files
	if l.Created.IsZero() {
		l.Created = time.Now().UTC().Truncate(time.Second)
	}
	if _, err := os.Stat(filepath.Join(s.layerDir(l.ID), "layer.json")); err == nil {
		// The same content: only what it was made from may be news.
		return l, writeJSON(filepath.Join(s.layerDir(l.ID), "layer.json"), l)
	}
	if err := writeJSON(filepath.Join(work, "layer.json"), l); err != nil {
		return l, err
	}
	if err := syncFS(work); err != nil {
		return l, err
	}
	failpoint("sealed")
	if err := os.Rename(work, s.layerDir(l.ID)); err != nil {
		return l, fmt.Errorf("put layer into the store: %w", err)
	}
	failpoint("renamed")
	return l, syncDir(filepath.Join(s.dir, "layers"))
}

// layers reads the descriptions of all layers; one that cannot be read is no
// layer.
func (s *Store) layers() (map[string]layer, error) {
	names, err := os.ReadDir(filepath.Join(s.dir, "layers"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]layer{}
	for _, n := range names {
		var l layer
		if err := readJSON(filepath.Join(s.layerDir(n.Name()), "layer.json"), &l); err == nil && l.ID == n.Name() {
			out[l.ID] = l
		}
	}
	return out, nil
}

// byKey finds the newest layer that a recipe made.
func byKey(all map[string]layer, key string) (layer, bool) {
	var best layer
	for _, l := range all {
		if l.Key == key && (best.ID == "" || l.Created.After(best.Created)) {
			best = l
		}
	}
	return best, best.ID != ""
}

// commit writes an image's description and makes it the default.
func (s *Store) commit(img *Image) error {
	img.store = s
	img.ID = img.digest()
	if old, err := s.load(img.ID); err == nil {
		img.Created = old.Created
		if old.Origin == "build" {
			img.Origin = old.Origin // importing what was built here changes nothing
		}
	}
	if err := writeJSON(s.imageFile(img.ID), img); err != nil {
		return err
	}
	failpoint("described")
	return writeFile(filepath.Join(s.dir, "default"), []byte(img.ID+"\n"))
}

// List returns all images, newest first.
func (s *Store) List() ([]*Image, error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "images", "*.json"))
	if err != nil {
		return nil, err
	}
	var out []*Image
	for _, f := range files {
		img, err := s.load(strings.TrimSuffix(filepath.Base(f), ".json"))
		if err != nil {
			return nil, err
		}
		out = append(out, img)
	}
	sort.Slice(out, func(i, j int) bool {
		if !out[i].Created.Equal(out[j].Created) {
			return out[i].Created.After(out[j].Created)
		}
		return out[i].ID < out[j].ID
	})
	return out, nil
}

func (s *Store) load(id string) (*Image, error) {
	img := &Image{store: s}
	if err := readJSON(s.imageFile(id), img); err != nil {
		return nil, err
	}
	if img.ID != id {
		return nil, fmt.Errorf("image %s: its description names %q; remove it with `situlab image rm`", id, img.ID)
	}
	return img, nil
}

// Image finds an image by its id, the beginning of its id (at least 4 digits),
// its name (then the newest of that name), or "" for the default.
func (s *Store) Image(ref string) (*Image, error) {
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	if ref == "" {
		b, err := os.ReadFile(filepath.Join(s.dir, "default"))
		if err == nil {
			ref = strings.TrimSpace(string(b))
		}
		for _, img := range all {
			if img.ID == ref || errors.Is(err, fs.ErrNotExist) {
				return img, nil
			}
		}
		return nil, &NoImageError{}
	}
	var found []*Image
	for _, img := range all {
		if img.ID == ref || img.Name == ref {
			return img, nil
		}
		if len(ref) >= 4 && strings.HasPrefix(img.ID, ref) {
			found = append(found, img)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, &NoImageError{Ref: ref}
	}
	return nil, badInput("image "+ref, "names %d images; give more digits of the id", len(found))
}

// NoImageError says that the store does not hold the image asked for.
type NoImageError struct {
	Ref string // empty when no image was named and there is none at all
}

func (e *NoImageError) Error() string {
	if e.Ref == "" {
		return "no node image in the store; make one: situlab image build"
	}
	return fmt.Sprintf("no image %q in the store; see: situlab image list", e.Ref)
}

// Remove deletes an image, and the layers that no other image uses. The caller
// sees to it that no lab stands on them. It returns the bytes freed.
func (s *Store) Remove(ctx context.Context, ref string) (int64, error) {
	img, err := s.Image(ref)
	if err != nil {
		return 0, err
	}
	tmp, end, err := s.change(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer end()
	if err := os.Remove(s.imageFile(img.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	rest, err := s.List()
	if err != nil {
		return 0, err
	}
	if b, err := os.ReadFile(filepath.Join(s.dir, "default")); err == nil && strings.TrimSpace(string(b)) == img.ID {
		if err := os.Remove(filepath.Join(s.dir, "default")); err != nil {
			return 0, err
		}
	}
	used := map[string]bool{}
	for _, r := range rest {
		for _, l := range r.Layers {
			used[l.ID] = true
		}
	}
	all, err := s.layers()
	if err != nil {
		return 0, err
	}
	var freed int64
	for id, l := range all {
		if used[id] {
			continue
		}
		// The rename takes it out of sight at once; end deletes it.
		if err := os.Rename(s.layerDir(id), filepath.Join(tmp, id)); err != nil {
			return freed, err
		}
		freed += l.Size
	}
	return freed, nil
}

func readJSON(file string, into any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func writeJSON(file string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(file, append(b, '\n'))
}
