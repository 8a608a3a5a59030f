package nodetest

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/situlab/situlab/labnet/node"
)

func fileTests(t *testing.T, f Fixture) {
	b := newBench(t, f)
	s := b.spec("files")
	n := b.create(s)
	b.identify(n)
	t.Run("WriteBeforeTheBoot", func(t *testing.T) { testWrite(t, b, n, s) })
	b.start(n)
	t.Run("WriteWhileItRuns", func(t *testing.T) { testWrite(t, b, n, s) })
	t.Run("SeenInside", func(t *testing.T) {
		got := b.sh(n, "cd /opt/qz; stat -c '%n %F %a %u %g %Y' bin link dir; readlink link; cat bin")
		want := "bin regular file 4755 0 0 1600000000\nlink symbolic link 777 1 1 1600000001\ndir directory 1750 1 1 1600000002\n../far\nhello\n"
		if got != want {
			t.Errorf("the node sees\n%s, want\n%s", got, want)
		}
	})
	t.Run("Hostile", func(t *testing.T) { testHostile(t, b, n) })
	t.Run("HostilePaths", func(t *testing.T) { testHostilePaths(t, b, n) })
	t.Run("Stopped", func(t *testing.T) {
		if err := n.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := read(t, n, "/opt/qz/bin"); got != "hello\n" {
			t.Errorf("an ended node's file: %q", got)
		}
		testWrite(t, b, n, s)
	})
}

// testWrite writes every kind of file and looks at the times around it.
func testWrite(t *testing.T, b *bench, n node.Node, s node.Spec) {
	t.Helper()
	old := func(sec int64) time.Time { return time.Unix(sec, 0) }
	if err := n.Write([]node.File{{Path: "/opt/qz", Mode: os.ModeDir | 0o755, ModTime: old(1500000000)}}); err != nil {
		t.Fatal(err)
	}
	err := n.Write([]node.File{
		{Path: "/opt/qz/bin", Mode: 0o755 | os.ModeSetuid, Content: []byte("hello\n"), ModTime: old(1600000000)},
		{Path: "/opt/qz/link", Mode: os.ModeSymlink, Content: []byte("../far"), ModTime: old(1600000001), User: "daemon", Group: "daemon"},
		{Path: "/opt/qz/dir", Mode: os.ModeDir | os.ModeSticky | 0o750, ModTime: old(1600000002), User: "daemon", Group: "daemon"},
		{Path: "/opt/qz/new/deep/file", Mode: 0o600, Content: []byte("x"), ModTime: old(1600000003)},
		{Path: "/opt/qz/gone", Mode: 0o600, Content: []byte("x")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Delete([]string{"/opt/qz/gone", "/opt/qz/gone", "/opt/qz/never/was"}); err != nil {
		t.Error(err)
	}
	if f, err := n.Open("/opt/qz/gone"); err == nil {
		f.Close()
		t.Error("a deleted file is still there")
	}
	for name, want := range map[string]struct {
		mtime    int64
		uid, gid uint32
		mode     os.FileMode
	}{
		"opt/qz":               {1500000000, 0, 0, os.ModeDir | 0o755},
		"opt/qz/bin":           {1600000000, 0, 0, os.ModeSetuid | 0o755},
		"opt/qz/link":          {1600000001, 1, 1, os.ModeSymlink | 0o777},
		"opt/qz/dir":           {1600000002, 1, 1, os.ModeDir | os.ModeSticky | 0o750},
		"opt/qz/new":           {1600000003, 0, 0, os.ModeDir | 0o755},
		"opt/qz/new/deep":      {1600000003, 0, 0, os.ModeDir | 0o755},
		"opt/qz/new/deep/file": {1600000003, 0, 0, 0o600},
	} {
		st, err := os.Lstat(upperFile(s, name))
		if err != nil {
			t.Error(err)
			continue
		}
		sys := st.Sys().(*syscall.Stat_t)
		if st.ModTime().Unix() != want.mtime || st.Mode() != want.mode || sys.Uid != s.IDBase+want.uid || sys.Gid != s.IDBase+want.gid {
			t.Errorf("/%s: time %d mode %v owner %d:%d, want %+v", name, st.ModTime().Unix(), st.Mode(), sys.Uid-s.IDBase, sys.Gid-s.IDBase, want)
		}
	}
	// A directory of the image keeps the image's time when a file comes into it.
	lower, err := os.Stat(s.Lowers[len(s.Lowers)-1] + "/usr/share/doc")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Write([]node.File{{Path: "/usr/share/doc/qz", Mode: 0o644}}); err != nil {
		t.Fatal(err)
	}
	if len(s.Lowers) == 1 {
		if up, err := os.Stat(upperFile(s, "usr/share/doc")); err != nil || !up.ModTime().Equal(lower.ModTime()) {
			t.Errorf("/usr/share/doc: %v, its time should be the image's", err)
		}
	}
	for _, bad := range []node.File{
		{Path: "relative", Mode: 0o644}, {Path: "/", Mode: os.ModeDir | 0o755}, {Path: "/run/x", Mode: 0o644},
		{Path: "/proc/x", Mode: 0o644}, {Path: "/opt/qz/pipe", Mode: os.ModeNamedPipe | 0o644},
		{Path: "/opt/qz/u", Mode: 0o644, User: "nobody-here"}, {Path: "/opt/qz/bin", Mode: os.ModeDir | 0o755},
	} {
		if err := n.Write([]node.File{bad}); err == nil {
			t.Errorf("%s %v is accepted", bad.Path, bad.Mode)
		}
	}
}

func read(t testing.TB, n node.Node, path string) string {
	t.Helper()
	f, err := n.Open(path)
	if err != nil {
		t.Errorf("open %s: %v", path, err)
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		t.Errorf("read %s: %v", path, err)
	}
	return string(b)
}

// testHostile opens what a candidate may have left where a file is expected.
func testHostile(t *testing.T, b *bench, n node.Node) {
	// The files' names are ours, their kinds the candidate's.
	b.sh(n, `mkdir -p /srv/h && cd /srv/h && mkfifo fifo && echo inside >true && ln -s true rel && ln -s /srv/h/true abs
		ln -s ../../../../../../../../../../etc/hostname up && ln -s /dev/zero zero && ln -s /dev/ptmx ptmx && ln -s /proc/1/environ env && ln -s /proc/kcore kcore
		ln -s /proc/self/root/etc/hostname magic && ln -s loop loop && truncate -s 1T sparse && mkdir dir && ln -s /sys/kernel/uevent_seqnum sys
		ln -s /proc/1/fd/0 fd && printf r >/run/qzrun && ln -s /run/qzrun run
		python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/srv/h/sock")' 2>/dev/null || :`)
	for _, name := range []string{"true", "rel", "abs"} {
		if got := read(t, n, "/srv/h/"+name); got != "inside\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := read(t, n, "/srv/h/run"); got != "r" {
		t.Errorf("a file that the node mounted a file system over: %q", got)
	}
	if got := read(t, n, "/srv/h/up"); got != "files\n" {
		t.Errorf("a link above the root leaves the node: %q", got)
	}
	f, err := n.Open("/srv/h/sparse")
	if err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, name := range []string{"fifo", "zero", "ptmx", "env", "kcore", "magic", "loop", "dir", "sys", "fd", "sock", "none"} {
			f, err := n.Open("/srv/h/" + name)
			if err == nil {
				f.Close()
				t.Errorf("%s is opened", name)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("a file of the node blocks the host")
	}
}

// testHostilePaths writes through directories that the candidate has replaced by
// links: nothing of the host may change.
func testHostilePaths(t *testing.T, b *bench, n node.Node) {
	canary := t.TempDir()
	b.sh(n, "mkdir -p /srv/p && ln -s "+canary+" /srv/p/out && ln -s ../../../../../../../.."+canary+" /srv/p/up && ln -s /run /srv/p/run && ln -s /proc/self/root /srv/p/magic")
	for _, dir := range []string{"out", "up", "run", "magic"} {
		_ = n.Write([]node.File{{Path: "/srv/p/" + dir + "/qzcanary", Mode: 0o644, Content: []byte("x")}})
		_ = n.Delete([]string{"/srv/p/" + dir + "/qzcanary"})
		_ = n.Write([]node.File{{Path: "/srv/p/" + dir + "/qzcanary", Mode: 0o644, Content: []byte("x")}})
	}
	entries, err := os.ReadDir(canary)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 0 {
		t.Errorf("written on the host: %v", entries)
	}
	for _, p := range []string{"/run/qzcanary", "/qzcanary"} {
		if _, err := os.Lstat(p); err == nil {
			t.Errorf("written on the host: %s", p)
		}
	}
	b.sh(n, "echo '"+strings.Repeat("x:", 3)+"' >>/etc/passwd; echo 'evil:x:4294967295:0::/:/bin/sh' >>/etc/passwd")
	if err := n.Write([]node.File{{Path: "/srv/p/evil", Mode: 0o644, User: "evil"}}); err == nil {
		t.Error("an id outside of the node's range is accepted")
	}
}
