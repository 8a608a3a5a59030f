package watch

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Own is what a node runs of its own accord: the jobs of its crontabs, the
// scripts of cron's directories, its systemd units.
type Own struct {
	jobs, scripts, units map[string]bool
}

// Where systemd, cron and their kin look (systemd.unit(5), cron(8)).
var (
	unitDirs = []string{"etc/systemd/system", "usr/lib/systemd/system", "usr/local/lib/systemd/system", "run/systemd/system",
		"run/systemd/transient", "run/systemd/generator", "run/systemd/generator.early", "run/systemd/generator.late",
		"etc/systemd/user", "usr/lib/systemd/user", "run/systemd/user"}
	cronTables = []string{"etc/cron.d", "var/spool/cron/crontabs"}
	cronDirs   = []string{"/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly"}
)

// rcLocal is run at boot where it exists (systemd-rc-local-generator(8)).
const rcLocal = "/etc/rc.local"

// maxTable bounds what is read of one crontab, in bytes.
const maxTable = 256 << 10

// ownJSON is an Own as it is kept for whoever resumes the observation.
type ownJSON struct {
	Jobs    []string `json:"jobs"`
	Scripts []string `json:"scripts"`
	Units   []string `json:"units"`
}

// MarshalJSON implements [json.Marshaler].
func (o *Own) MarshalJSON() ([]byte, error) {
	list := func(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
	return json.Marshal(ownJSON{list(o.jobs), list(o.scripts), list(o.units)})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (o *Own) UnmarshalJSON(b []byte) error {
	var j ownJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	set := func(names []string) map[string]bool {
		m := map[string]bool{}
		for _, n := range names {
			m[n] = true
		}
		return m
	}
	o.jobs, o.scripts, o.units = set(j.Jobs), set(j.Scripts), set(j.Units)
	return nil
}

// ReadOwn reads what the node whose PID 1 has this host pid runs by itself. It is
// asked before the candidate enters. The tree is the node's: it is read beneath
// its root only, and nothing but directories and regular files is opened.
func ReadOwn(initPID int) (*Own, error) {
	root, err := os.OpenRoot(fmt.Sprintf("/proc/%d/root", initPID))
	if err != nil {
		return nil, fmt.Errorf("what the node runs by itself: %w", err)
	}
	defer root.Close()
	o := &Own{jobs: map[string]bool{}, scripts: map[string]bool{}, units: map[string]bool{}}
	list := func(dir string) ([]fs.DirEntry, error) {
		e, err := fs.ReadDir(root.FS(), dir)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return e, err
	}
	for _, dir := range unitDirs {
		entries, err := list(dir)
		if err != nil {
			return nil, fmt.Errorf("the node's units: %w", err)
		}
		for _, e := range entries {
			o.units[e.Name()] = true
		}
	}
	for _, dir := range cronDirs {
		entries, err := list(dir[1:])
		if err != nil {
			return nil, fmt.Errorf("the node's jobs: %w", err)
		}
		for _, e := range entries {
			o.scripts[path.Join(dir, e.Name())] = true
		}
	}
	if _, err := root.Lstat(rcLocal[1:]); err == nil {
		o.scripts[rcLocal] = true
	}
	tables := []string{"etc/crontab"}
	for _, dir := range cronTables {
		entries, err := list(dir)
		if err != nil {
			return nil, fmt.Errorf("the node's crontabs: %w", err)
		}
		for _, e := range entries {
			tables = append(tables, path.Join(dir, e.Name()))
		}
	}
	for _, t := range tables {
		o.table(root, t, !strings.HasPrefix(t, "var/"))
	}
	return o, nil
}

// table reads one crontab; those of the system name the user in each line.
func (o *Own) table(root *os.Root, name string, system bool) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if i, err := f.Stat(); err != nil || !i.Mode().IsRegular() || i.Size() > maxTable {
		return
	}
	for s := bufio.NewScanner(f); s.Scan(); {
		if job := jobOf(s.Text(), system); job != "" {
			o.jobs[job] = true
		}
	}
}

// jobOf is the command of a crontab's line, empty if it has none (crontab(5)).
func jobOf(line string, system bool) string {
	rest := strings.TrimSpace(line)
	if rest == "" || rest[0] == '#' {
		return ""
	}
	fields := 5
	if rest[0] == '@' {
		fields = 1
	}
	if system {
		fields++
	}
	for range fields {
		i := strings.IndexAny(rest, " \t")
		if i < 0 {
			return ""
		}
		rest = strings.TrimLeft(rest[i:], " \t")
	}
	// What follows a % is the command's input; \% is a %.
	var job strings.Builder
	for i := 0; i < len(rest) && rest[i] != '%'; i++ {
		if rest[i] == '\\' && i+1 < len(rest) && rest[i+1] == '%' {
			i++
		}
		job.WriteByte(rest[i])
	}
	return strings.TrimSpace(job.String())
}

// job says whether cron ran this command before, too.
func (o *Own) job(command string) bool {
	return o != nil && o.jobs[strings.TrimSpace(command)]
}

// unit says whether a service is the node's own; an instance is its template's.
func (o *Own) unit(name string) bool {
	base, _, instance := strings.Cut(name, "@")
	return o.units[name] || instance && o.units[base+"@.service"]
}

// foreign says whether a command line runs a script that somebody put where the
// node's own jobs take theirs from.
func (o *Own) foreign(argv []string) bool {
	if o == nil {
		return false
	}
	for _, a := range argv[:min(len(argv), 3)] { // the script, or its interpreter, an option, the script
		for _, dir := range cronDirs {
			if path.Dir(a) == dir && !o.scripts[a] {
				return true
			}
		}
		if a == rcLocal && !o.scripts[a] {
			return true
		}
	}
	return false
}
