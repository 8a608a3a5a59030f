package labnet

import (
	"path/filepath"
	"testing"

	"github.com/situlab/situlab/labnet/host"
)

// The limits of the host are for the nodes of all its labs.
func TestNodesOfAll(t *testing.T) {
	t.Setenv("SITULAB_RUN", filepath.Join(t.TempDir(), "run"))
	seen := map[uint32]bool{}
	for i, name := range []string{"a", "b", "c", "d"} {
		l, err := acquire(name, "aveline")
		if err != nil {
			t.Fatal(err)
		}
		if name == "b" { // its controller dies; its nodes may still run
			l.leave()
		} else {
			defer l.leave()
		}
		if _, err := takeIDs(l, 61); err != nil {
			t.Fatal(err)
		}
		if got, want := nodesOfAll(), 61*(i+1); got != want {
			t.Errorf("%d labs have %d nodes, want %d", i+1, got, want)
		}
		if seen[l.info.FirstID] {
			t.Errorf("two labs have ids from %d", l.info.FirstID)
		}
		seen[l.info.FirstID] = true
	}
	for _, i := range List() {
		if i.Alive != (i.Name != "b") {
			t.Errorf("lab %s: alive %v", i.Name, i.Alive)
		}
	}
	if _, err := host.TryLock(filepath.Join(host.LabState("a"), "lock")); err == nil {
		t.Error("the lock of a lab that lives is taken")
	}
}
