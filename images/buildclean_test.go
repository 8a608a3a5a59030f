package images

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestBackdate: nothing is newer than the limit, what is older keeps its time,
// links are changed themselves.
func TestBackdate(t *testing.T) {
	dir := t.TempDir()
	limit := time.Now().Add(-settled).Truncate(time.Second)
	old := limit.Add(-24 * time.Hour)
	for name, at := range map[string]time.Time{"etc/passwd": time.Now(), "usr/bin/ls": old} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(p, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/nowhere", filepath.Join(dir, "etc/link")); err != nil {
		t.Fatal(err)
	}
	if err := backdate(dir, limit); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Time{".": limit, "etc": limit, "etc/passwd": limit, "etc/link": limit, "usr/bin": limit, "usr/bin/ls": old} {
		st, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || !st.ModTime().Equal(want) {
			t.Errorf("%s: %v, want %v (%v)", name, st.ModTime(), want, err)
		}
	}
}
