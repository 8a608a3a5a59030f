package labnet_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/situlab/situlab/labnet"
)

// What a full volume does, a part of TestVolumes.

// An ordinary user fills the disk up to the reserve, root to the last byte, and
// the lab's disk may be as full as others have made it.
func volumeFull(t *testing.T, lab *labnet.Lab) {
	sh(t, lab, "two", "for m in 512 64 8 1; do while fallocate -l ${m}M /var/fill$((i=i+1)) 2>/dev/null; do :; done; done")
	free, avail := number(t, sh(t, lab, "one", "stat -f -c %f /srv/data"))*4096, df(t, lab, "avail", "/srv/data")<<10
	// An allocation ahead is no way around, nor does it take room away below.
	got := strings.Fields(sh(t, lab, "one", `mkdir -m 1777 /srv/data/all; export LC_ALL=C
		fallocate -l 4M /srv/data/all/ahead && printf x | dd of=/srv/data/all/ahead bs=1 seek=70000 conv=notrunc,fsync 2>/dev/null && rm /srv/data/all/ahead
		`+user+`dd if=/dev/zero of=/srv/data/all/user bs=4k 2>&1 | grep -c 'No space left'
		df --output=avail /srv/data | tail -1
		dd if=/dev/zero of=/srv/data/all/root bs=4k 2>&1 | grep -c 'No space left'
		`+user+`dd if=/etc/passwd of=/srv/data/all/more 2>&1 | grep -c 'No space left'
		df --output=pcent /srv/data | tail -1
		sync -f /srv/data && stat -c %s /srv/data/all/user /srv/data/all/root`))
	if len(got) != 7 || !slices.Equal(got[:5], []string{"1", "0", "1", "1", "100%"}) {
		t.Fatalf("%v", got)
	}
	first, second := number(t, got[5]), number(t, got[6])
	if first > avail || first < avail*98/100 {
		t.Errorf("a user wrote %d of %d bytes", first, avail)
	}
	if reserve := int64(dataMB) << 20 / 20; second < reserve*8/10 || second > reserve*11/10 || first+second > free {
		t.Errorf("root wrote %d bytes more, of a reserve of %d; %d were free", second, reserve, free)
	}
	sh(t, lab, "one", "rm -r /srv/data/all")
	sh(t, lab, "two", "rm /var/fill*")
}

func volumeInodes(t *testing.T, lab *labnet.Lab) {
	if n := df(t, lab, "itotal", "/var/spool/essai"); n != 256 {
		t.Errorf("%d inodes", n)
	}
	free := df(t, lab, "iavail", "/var/spool/essai")
	got := sh(t, lab, "one", `cd /var/spool/essai; n=0; while touch f$n 2>/dev/null; do n=$((n+1)); done; ls | grep -c ^f
		df --output=ipcent . | tail -1; LC_ALL=C mkdir d 2>&1 | grep -c 'No space left'`)
	if f := strings.Fields(got); len(f) != 3 || number(t, f[0]) != free || f[1] != "100%" || f[2] != "1" {
		t.Errorf("%s (%d were free)", got, free)
	}
	if avail := df(t, lab, "avail", "/var/spool/essai"); avail < spoolMB<<10/2 {
		t.Errorf("%d KiB are free", avail)
	}
	sh(t, lab, "one", "rm /var/spool/essai/f*")
}

// D03: a file that is deleted and held open takes its room until its holder ends.
func volumeDeleted(t *testing.T, lab *labnet.Lab) {
	before := df(t, lab, "used", "/srv/data")
	sh(t, lab, "one", `dd if=/dev/zero of=/srv/data/journal.log bs=1M count=20 2>/dev/null
		(exec sleep 9999 3>>/srv/data/journal.log >/dev/null 2>&1 &) ; sleep 0.3; rm /srv/data/journal.log; sync -f /srv/data`)
	if used := df(t, lab, "used", "/srv/data") - before; used < 20<<10 {
		t.Errorf("a deleted file that is open takes %d KiB", used)
	}
	if du := number(t, strings.Fields(sh(t, lab, "one", "du -skx /srv/data"))[0]); du > before+1024 {
		t.Errorf("du still counts it: %d KiB", du)
	}
	line := sh(t, lab, "one", "lsof -nP +L1 /srv/data 2>/dev/null | grep journal")
	if f := strings.Fields(line); len(f) < 10 || f[0] != "sleep" || f[3] != "3w" || f[6] != "20971520" || f[7] != "0" || !strings.HasPrefix(f[9], "/srv/data/journal.log") {
		t.Errorf("lsof +L1: %q", line)
	}
	sh(t, lab, "one", "pkill -x sleep")
	within(t, "its room is free again", func() bool { return df(t, lab, "used", "/srv/data") < before+1024 })
}
