package fault

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/scenarios"
)

// edit is the fault config-line: one line of a configuration file is replaced,
// removed or joined by another, as somebody's hand would have done.
type edit struct {
	file  string
	match *regexp.Regexp
	with  string
	how   string
	ago   time.Duration

	before *node.File // what Heal puts back
	after  string
}

func configLine(p *params) Fault {
	e := &edit{file: p.path("file"), with: p.get("with", false), how: p.get("how", false), ago: time.Duration(p.fault.Ago)}
	if e.how == "" {
		e.how = "replace"
	}
	if e.how != "replace" && e.how != "before" && e.how != "after" {
		p.problem("parameter \"how\": %q is not replace, before or after", e.how)
	}
	re, err := regexp.Compile(p.get("match", true))
	if err != nil {
		p.problem("parameter \"match\": %v", err)
	}
	e.match = re
	if e.ago <= 0 {
		p.problem("ago is missing: an artefact must be older than the session")
	}
	return e
}

// apply edits the text; exactly one line must match.
func (e *edit) apply(text string) (string, error) {
	lines := strings.Split(text, "\n")
	at := -1
	for i, l := range lines {
		if e.match.MatchString(l) {
			if at >= 0 {
				return "", fmt.Errorf("%s: lines %d and %d both match %q; one line is to be changed", e.file, at+1, i+1, e.match)
			}
			at = i
		}
	}
	if at < 0 {
		return "", fmt.Errorf("%s: no line matches %q", e.file, e.match)
	}
	with := e.match.ReplaceAllString(lines[at], e.with)
	var put []string
	switch {
	case e.how == "before":
		put = append(strings.Split(with, "\n"), lines[at])
	case e.how == "after":
		put = append([]string{lines[at]}, strings.Split(with, "\n")...)
	case e.with == "":
	default:
		put = strings.Split(with, "\n")
	}
	lines = append(lines[:at], append(put, lines[at+1:]...)...)
	return strings.Join(lines, "\n"), nil
}

func (e *edit) Fits(files []scenarios.TreeFile) error {
	for _, f := range files {
		if f.Path == e.file && f.Mode.IsRegular() {
			_, err := e.apply(string(f.Content))
			return err
		}
	}
	return nil
}

func (e *edit) Inject(d Disk, start time.Time) error {
	if e.before != nil {
		return fmt.Errorf("%s: already edited", e.file)
	}
	text, file, err := read(d, e.file)
	if err != nil {
		return err
	}
	after, err := e.apply(string(text))
	if err != nil {
		return err
	}
	before := file
	file.Content, file.ModTime = []byte(after), start.Add(-e.ago)
	if err := d.Write([]node.File{file}); err != nil {
		return err
	}
	e.before, e.after = &before, after
	return nil
}

func (e *edit) Present(d Disk) (bool, error) {
	text, _, err := read(d, e.file)
	return err == nil && e.before != nil && string(text) == e.after, err
}

func (e *edit) Heal(d Disk) error {
	if e.before == nil {
		return nil
	}
	if err := d.Write([]node.File{*e.before}); err != nil {
		return err
	}
	e.before = nil
	return nil
}

func (e *edit) Artefact() string {
	if e.with == "" {
		return fmt.Sprintf("%s: the line %s is gone", e.file, e.match)
	}
	return fmt.Sprintf("%s: %s %s: %s", e.file, e.how, e.match, e.with)
}
