package oci_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/situlab/situlab/labnet/node"
)

// flood opens pseudo-terminals of a devpts of its own until the kernel refuses,
// says how many, and holds them.
const flood = `mount -t devpts -o newinstance,ptmxmode=0666 none /mnt && ulimit -n 16384 && exec perl -e '
	my @all; $| = 1;
	while (open(my $f, "+<", "/mnt/ptmx")) { push @all, $f }
	print scalar(@all), " then $!\n"; sleep 600'`

// TestTerminalsSurviveAFlood lets one node take every pseudo-terminal that it
// can get; a terminal can still be opened in another.
func TestTerminalsSurviveAFlood(t *testing.T) {
	mine, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	if first, err := os.Readlink("/proc/1/ns/mnt"); err != nil || first != mine {
		t.Skip("the kernel keeps its reserve for the first mount namespace, and this is another")
	}
	rt, victim, _ := booted(t, stateDir(t))
	hog, err := rt.Create(t.Context(), node.Spec{Lab: attachLab, Name: "hog", Lowers: lowers(t), Disk: t.TempDir(), IDBase: testIDs + 61*65536, Memory: 512 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := hog.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := hog.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitReady(t, hog)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		defer w.Close()
		_, _ = hog.Exec(t.Context(), node.Command{Args: []string{"/bin/sh", "-c", flood}, Stdout: w, Stderr: w})
	}()
	if err := r.SetReadDeadline(time.Now().Add(90 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 200)
	n, err := r.Read(b)
	if err != nil || !strings.Contains(string(b[:n]), "No space left") {
		t.Fatalf("the flood: %q, %v", b[:n], err)
	}
	t.Logf("flooded with %s", b[:n])
	var out strings.Builder
	if code, err := hog.Exec(t.Context(), node.Command{Args: []string{"tty"}, Terminal: true, Stdout: &out}); code != 0 || err != nil {
		t.Errorf("no terminal in the flooding node: %d %v %s", code, err, out.String())
	}
	if code, err := victim.Exec(t.Context(), node.Command{Args: []string{"tty"}, Terminal: true, Stdout: &out}); code != 0 || err != nil {
		t.Errorf("no terminal in another node: %d %v %s", code, err, out.String())
	}
}
