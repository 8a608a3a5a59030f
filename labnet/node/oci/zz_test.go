package oci_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/labnet/node"
)

func TestZZ(t *testing.T) {
	_, n, _ := booted(t, stateDir(t))
	for _, c := range strings.Split(os.Getenv("ZZ"), ";;") {
		var out strings.Builder
		t0 := time.Now()
		code, err := n.Exec(t.Context(), node.Command{Args: []string{"/bin/sh", "-c", c}, Stdout: &out, Stderr: &out})
		t.Logf("%s: %d %v %v\n%s", c, code, err, time.Since(t0), out.String())
	}
}
