package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSecondVerifier: the verifier in Python, which shares nothing with this
// one, says the same of 1,000 mutated journals (200 without -all).
func TestSecondVerifier(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("the second verifier needs Python 3: %v", err)
	}
	n := 200
	if *all {
		n = 1000
	}
	rng := rand.New(rand.NewPCG(7, 8))
	honest := []*session{play(t, 4, 3000), play(t, 6, 1e9), recovered(t), decided(t)}
	dir := t.TempDir()
	var names []string
	var want []*Verification
	for i := range n {
		files := clone(honest[i%len(honest)].files)
		inside := slices.Sorted(maps.Keys(files))
		if i >= len(honest) {
			mutate(rng, files, inside)
		}
		name := filepath.Join(dir, fmt.Sprintf("%04d.situlab", i))
		var b bytes.Buffer
		if err := EncodeBundle(&b, files); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		names, want = append(names, name), append(want, Verify(files, Witness{}))
	}
	out, err := exec.Command(python, append([]string{"testdata/verify.py"}, names...)...).Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != n {
		t.Fatalf("%d answers to %d bundles", len(lines), n)
	}
	sound := 0
	for i, line := range lines {
		v := want[i]
		if v.OK() {
			sound++
		}
		if ok := strings.HasPrefix(line, "ok "); ok != v.OK() || ok && line != "ok "+v.Head {
			t.Errorf("bundle %d: Python says %q, Go %+v", i, line, v.Damage)
		}
	}
	t.Logf("the two agree on %d bundles, %d of them sound", n, sound)
	if sound < len(honest) || sound > n/2 {
		t.Error("the bundles are too much alike")
	}
	// Proofs of single records.
	v := want[1]
	for seq := uint64(1); seq <= v.Records; seq++ {
		proof, err := v.Prove(seq)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "proof")
		for _, bad := range []bool{false, true} {
			if bad {
				proof = strings.Replace(proof, fmt.Sprintf("index %d\n", seq-1), fmt.Sprintf("index %d\n", seq), 1)
			}
			if err := os.WriteFile(file, []byte(proof), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(python, "testdata/verify.py", "--proof", v.Key, file).Output()
			if (err == nil) == bad {
				t.Errorf("proof of record %d, bad %v: %s, %v", seq, bad, out, err)
			}
			if seq > 3 && !bad {
				break
			}
		}
	}
}

// TestSecondVerifierIsShort: at most 200 lines, so that a jury's expert reads it.
func TestSecondVerifierIsShort(t *testing.T) {
	text, err := os.ReadFile("testdata/verify.py")
	if n := bytes.Count(text, []byte("\n")); err != nil || n > 200 {
		t.Errorf("%d lines, %v", n, err)
	}
}

// recovered is a session whose controller died once in the middle of a write.
func recovered(t testing.TB) *session {
	t.Helper()
	opts, dir, files := half(t, 3, 1e6)
	files[SegmentName(1)] = append(files[SegmentName(1)], "00000123 torn"...)
	place(t, dir, files)
	j, _, err := Continue(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{}
	s.put(t, j, &SessionFiles{})
	s.put(t, j, &SessionEnd{})
	if s.files, err = j.Files(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}
