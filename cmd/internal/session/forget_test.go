package session

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAgeLeases(t *testing.T) {
	dir := t.TempDir()
	const file = "leases.csv"
	const before = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id\n10.0.0.1,02:00:00:00:00:01,ff:01,14400,1772443200,3\n10.0.0.2,,,14400,1772443260,3\n"
	const after = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id\n10.0.0.1,02:00:00:00:00:01,ff:01,14400,1772400000,3\n10.0.0.2,,,14400,1772400060,3\n"
	if err := os.WriteFile(filepath.Join(dir, file), []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := ageLeases(root, file); err != nil {
		t.Fatal(err)
	}
	got, err := root.ReadFile(file)
	if err != nil || string(got) != after {
		t.Errorf("%q, %v", got, err)
	}
}
