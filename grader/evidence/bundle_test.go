package evidence

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const segmentOne = JournalDir + "000001.seg"

func bundleBytes(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := EncodeBundle(&b, files); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBundleRoundTrip(t *testing.T) {
	files := map[string][]byte{segmentOne: sample(t, 3), VerdictName: []byte("{}"), TerminalDir + "t1.cast": []byte("é")}
	path := filepath.Join(t.TempDir(), "bundle.situlab")
	if err := WriteBundle(path, files); err != nil {
		t.Fatal(err)
	}
	first, _ := os.ReadFile(path)
	if err := WriteBundle(path, files); err != nil {
		t.Fatal(err)
	}
	second, _ := os.ReadFile(path)
	if !bytes.Equal(first, second) {
		t.Error("the same files gave two different bundles")
	}
	b, err := OpenBundle(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Records) != 3 || len(b.Files) != 3 || string(b.Files[TerminalDir+"t1.cast"]) != "é" {
		t.Errorf("%d records, %d files", len(b.Records), len(b.Files))
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".bundle-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBundleRefused(t *testing.T) {
	journal := sample(t, 1)
	raw := func(headers ...tar.Header) []byte {
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		tw := tar.NewWriter(zw)
		for _, h := range headers {
			h.Size = int64(len(journal))
			if h.Typeflag != tar.TypeReg {
				h.Size = 0
			}
			if err := tw.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if h.Size > 0 {
				tw.Write(journal)
			}
		}
		tw.Close()
		zw.Close()
		return b.Bytes()
	}
	reg := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
	damaged := bytes.Clone(journal)
	damaged[10] ^= 1
	good := bundleBytes(t, map[string][]byte{segmentOne: journal})
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"not gzip":   {[]byte("hello"), "not a situlab bundle"},
		"no journal": {raw(reg("a")), "has no journal"},
		"unsorted":   {raw(reg(segmentOne), reg("a")), "sorted"},
		"twice":      {raw(reg(segmentOne), reg(segmentOne)), "sorted and unique"},
		"climbs":     {raw(reg("../" + segmentOne)), "bad file name"},
		"absolute":   {raw(reg("/etc/passwd")), "bad file name"},
		"link":       {raw(tar.Header{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "/etc"}), "not a plain file"},
		"followed":   {append(bytes.Clone(good), 0), "something follows"},
		"gap":        {bundleBytes(t, map[string][]byte{segmentOne: journal, JournalDir + SegmentName(3): journal}), "record 2 (000002.seg"},
		"cut":        {good[:len(good)/2], "unexpected EOF"},
		"damaged":    {bundleBytes(t, map[string][]byte{segmentOne: damaged}), "record 1"},
	} {
		_, err := ReadBundle(bytes.NewReader(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := WriteBundle(filepath.Join(t.TempDir(), "b"), nil); err == nil {
		t.Error("a bundle without a journal was written")
	}
	if _, err := OpenBundle(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing bundle was opened")
	}
}

func FuzzReadBundle(f *testing.F) {
	f.Add(bundleBytes(f, map[string][]byte{segmentOne: nil, "a": []byte("b")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ReadBundle(bytes.NewReader(data))
		if err == nil && b.Files[segmentOne] == nil && len(b.Records) > 0 {
			t.Fatal("records from nowhere")
		}
	})
}
