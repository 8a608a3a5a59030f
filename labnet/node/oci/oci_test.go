package oci_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/situlab/situlab/images"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/node/nodetest"
	"github.com/situlab/situlab/labnet/node/oci"
)

// testIDs is the first id of a block that no lab gets.
const testIDs = 60000 * 65536

// stateDir is a directory that a node's mapped root can pass, unlike t.TempDir.
func stateDir(t testing.TB) string {
	t.Helper()
	d, err := os.MkdirTemp("/run", "situlab-ocitest-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The runtime removes it; here only what a failed test left.
		if err := os.Remove(d); err != nil && !os.IsNotExist(err) {
			t.Errorf("the state directory is not empty at the end: %v", err)
		}
	})
	return d
}

// lowers finds an image: $SITULAB_TEST_LOWERS (top:...:base), else the store's.
func lowers(t testing.TB) []string {
	t.Helper()
	if v := os.Getenv("SITULAB_TEST_LOWERS"); v != "" {
		return strings.Split(v, ":")
	}
	img, err := images.Open(filepath.Join(host.Home(), "images")).Ensure(t.Context(), nil)
	if err != nil {
		t.Fatalf("an image is needed (situlab image build): %v", err)
	}
	l, err := img.Lowers("sauv")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newRuntime(state string) func(testing.TB) node.Runtime {
	return func(t testing.TB) node.Runtime {
		t.Helper()
		rt, err := oci.New(oci.Config{State: state})
		if err != nil {
			t.Fatal(err)
		}
		return rt
	}
}

func TestSuite(t *testing.T) {
	state := stateDir(t)
	nodetest.Suite(t, nodetest.Fixture{
		New: newRuntime(state), Lowers: lowers(t), Disks: t.TempDir(), IDBase: testIDs, HostPaths: []string{state, "ocitest"},
	})
}
