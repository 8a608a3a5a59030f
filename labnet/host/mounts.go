package host

import (
	"bufio"
	"os"
	"strings"
)

// MountsUnder lists the mount points at and below dir, in the order of mountinfo
// (a parent before its children).
func MountsUnder(dir string) ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []string
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		if len(fields) < 5 {
			continue
		}
		p := UnescapeMount(fields[4])
		if p == dir || strings.HasPrefix(p, dir+"/") {
			out = append(out, p)
		}
	}
	return out, sc.Err()
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// UnescapeMount undoes the octal escapes of proc_pid_mountinfo(5).
func UnescapeMount(s string) string { return mountEscapes.Replace(s) }
