package prompt

import "testing"

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in, program, host, line string
		strong, shell, more     bool
	}{
		{"rt-til1# show ip route", "vtysh", "rt-til1", "show ip route", true, false, false},
		{"rt-til1(config-router)# passive-interface eth1  ", "vtysh", "rt-til1", "passive-interface eth1", true, false, false},
		{"rt-til1> enable", "vtysh", "rt-til1", "enable", true, false, false},
		{"rt-til1#", "vtysh", "rt-til1", "", true, false, false},
		{"erp=> select 1;", "psql", "", "select 1;", true, false, false},
		{"erp-> from x;", "psql", "", "from x;", true, false, true},
		{">>> import os", "python3", "", "import os", true, false, false},
		{"adm-x@adm1:~$ ssh rt-til1", "bash", "adm1", "ssh rt-til1", true, true, false},
		{"root@rt-til1:/etc/frr# vi frr.conf", "bash", "rt-til1", "vi frr.conf", true, true, false},
		{"# ls", "bash", "", "ls", false, true, false},
		{"sqlite> .tables", "sqlite3", "", ".tables", true, false, false},
		{"chronyc> sources", "chronyc", "", "sources", true, false, false},
		{"sftp> get x", "sftp", "", "get x", true, false, false},
		{"mysql> select 1;", "mysql", "", "select 1;", true, false, false},
		{"MariaDB [(none)]> show databases;", "mysql", "", "show databases;", true, false, false},
	} {
		m, ok := Cut(c.in)
		if !ok || m.Program != c.program || m.Host != c.host || m.Line != c.line || m.Strong != c.strong || m.Shell != c.shell || m.More != c.more {
			t.Errorf("%q: %+v", c.in, m)
		}
	}
	for _, in := range []string{"", "C>* 10.0.0.0/8 is directly connected, eth0", "[sudo] password for adm: ", "O   10.2.0.0/16 [110/20]", "#comment", "load average: 0.1"} {
		if m, ok := Cut(in); ok {
			t.Errorf("%q: %+v", in, m)
		}
	}
}
