package host

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// All of a disk's room is the lab's as long as it is mounted: ext4's own work in
// the background, some seconds after the mount, gives nothing of it back.
func TestDiskStaysAllocated(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("root is needed")
	}
	const size = 256 << 20
	d, err := NewDisk(t.Context(), t.TempDir(), size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := d.Remove(); err != nil {
				t.Error(err)
			}
		}
	})
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		var st unix.Stat_t
		if err := unix.Stat(d.image(), &st); err != nil {
			t.Fatal(err)
		}
		if st.Size != size || st.Blocks*512 < st.Size {
			t.Fatalf("%d bytes of %d are allocated", st.Blocks*512, st.Size)
		}
	}
}
