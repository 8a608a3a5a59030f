package labtest

import (
	"os"
	"strings"
	"testing"
)

func TestParseProcess(t *testing.T) {
	got, err := ParseProcess("812 (a (odd) name) S 42 812 812 0 -1 4194560 1 2 3 4 150 25 9 9 20 0 1 0 7100 1 2\n")
	want := Process{PID: 812, Start: 7100, Parent: 42, Name: "a (odd) name", State: "S", Ticks: 175}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if k, err := ParseProcess("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 5 0 0 20 0 1 0 3"); err != nil || !k.Kernel {
		t.Errorf("%+v, %v", k, err)
	}
	for _, bad := range []string{"", "nothing", "1 (cut) S 1 2 3", "x (y) S 42 812 812 0 -1 4194560 1 2 3 4 150 25 9 9 20 0 1 0 7100"} {
		if p, err := ParseProcess(bad); err == nil {
			t.Errorf("%q: %+v", bad, p)
		}
	}
}

func TestProcesses(t *testing.T) {
	all, err := Processes()
	if err != nil {
		t.Fatal(err)
	}
	self := all[os.Getpid()]
	if self.Parent != os.Getppid() || self.Start == 0 || self.Kernel || !strings.Contains(self.CommandLine(), "labtest.test") {
		t.Errorf("%+v (%s)", self, self.CommandLine())
	}
}
