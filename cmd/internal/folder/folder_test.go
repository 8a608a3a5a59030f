package folder

import (
	"os"
	"path/filepath"
	"testing"
)

func TestUnmake(t *testing.T) {
	top := t.TempDir()
	deep := filepath.Join(top, "a", "b", "c")
	exists := func(p string) bool { _, err := os.Stat(p); return err == nil }

	unmake, err := Make(deep, 0o755)
	if err != nil || !exists(deep) {
		t.Fatal(err)
	}
	unmake()
	if exists(filepath.Join(top, "a")) || !exists(top) {
		t.Error("what was made, and nothing else, goes")
	}

	// What was there before stays, although it is empty.
	if err := os.Mkdir(filepath.Join(top, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if unmake, err = Make(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	unmake()
	if exists(filepath.Join(top, "a", "b")) || !exists(filepath.Join(top, "a")) {
		t.Error("a stays, b goes")
	}

	// So does what somebody uses.
	if unmake, err = Make(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(top, "a", "b", "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unmake()
	if exists(deep) || !exists(filepath.Join(top, "a", "b", "file")) {
		t.Error("c goes, b with the file stays")
	}

	// A file in the way is an error, and nothing is left.
	if _, err := Make(filepath.Join(top, "a", "b", "file", "x", "y"), 0o755); err == nil {
		t.Error("made below a file")
	}
}
