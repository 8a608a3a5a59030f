package leak

import (
	"regexp"
	"slices"
	"testing"
	"time"
)

func times() Times {
	b := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	return Times{Begin: b, Morning: b.Add(30 * time.Second)}
}

func TestRead(t *testing.T) {
	tm := times()
	out := `== file
f 644 0:0 1767600020.0000000000 1767600020.5000000000 /etc/frr/frr.conf
f 640 0:0 1767549968.0 1767600040.5 /var/lib/x/4711/état
== text
0123456789abcdef  /etc/frr/frr.conf
== process
0 33 /sbin/init
0 1 /bin/sh -c look
1 31 /usr/sbin/ospfd -d -A 127.0.0.1
== boots
2
== journal
systemd-networkd[33]: eth0: Gained IPv6LL
ospfd[412]: [VMXBG-1A2B3] neighbor 10.0.0.1 is up after 12 s
`
	got := read(out, "rt-1", "rt", tm, tm.Begin.Add(65*time.Second))
	want := []string{
		"file rt-1 /etc/frr/frr.conf f 644 0:0 mtime=yesterday ctime=yesterday",
		"file rt-1 /var/lib/x/#/état f 640 0:0 mtime=-13h53m52s ctime=morning",
		"text rt-1 /etc/frr/frr.conf 0123456789ab",
		"process rt start=morning /sbin/init",
		"process rt start=morning /usr/sbin/ospfd -d -A #.#.#.#",
		"journal before rt",
		"journal rt ospfd [VMXBG-#A#B#] neighbor #.#.#.# is up after # s",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestCompare(t *testing.T) {
	twin1 := []string{"file a /etc/x f 644 0:0 mtime=yesterday ctime=yesterday", "journal rt cron started", "journal rt cron ran late by 3", "process rt start=morning sshd"}
	twin2 := []string{"file a /etc/x f 644 0:0 mtime=yesterday ctime=yesterday", "journal rt cron started", "process rt start=morning sshd"}
	faulty := []string{"file a /etc/x f 644 0:0 mtime=yesterday ctime=morning", "journal rt cron started", "journal rt cron ran late by hours",
		"journal rt ospfd no neighbour", "journal rt logger planted", "process rt start=morning sshd"}
	f := Compare([][]string{faulty}, [][]string{twin1, twin2}, []Sign{{regexp.MustCompile(`^journal rt ospfd `), "symptom"}})
	if want := []string{
		"file a /etc/x f 644 0:0 mtime=yesterday ctime=morning",
		"journal rt logger planted",
		"missing file a /etc/x f 644 0:0 mtime=yesterday ctime=yesterday",
	}; !slices.Equal(f.Leaks, want) {
		t.Errorf("leaks %q, want %q", f.Leaks, want)
	}
	if !slices.Equal(f.Signs, []string{"journal rt ospfd no neighbour"}) || !slices.Equal(f.Noise, []string{"journal rt cron ran late by hours"}) {
		t.Errorf("signs %q, noise %q", f.Signs, f.Noise)
	}

	// Another start of the faulty lab: what it does not show again was chance.
	again := slices.DeleteFunc(slices.Clone(faulty), func(i string) bool { return i == "journal rt logger planted" })
	again = append(again, twin1[0])
	f = Compare([][]string{faulty, again}, [][]string{twin1, twin2}, nil)
	if want := []string{"file a /etc/x f 644 0:0 mtime=yesterday ctime=morning", "journal rt ospfd no neighbour"}; !slices.Equal(f.Leaks, want) {
		t.Errorf("after two starts: leaks %q, want %q", f.Leaks, want)
	}
	if want := []string{"journal rt cron ran late by hours", "journal rt logger planted", "missing " + twin1[0]}; !slices.Equal(f.Noise, want) {
		t.Errorf("after two starts: noise %q, want %q", f.Noise, want)
	}
}
