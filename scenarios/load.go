package scenarios

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// File names of a folder.
const (
	siteFile     = "site.yaml"
	scenarioFile = "scenario.yaml"
)

func readAllLimited(r io.Reader, limit int64) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, limit))
}

// LoadSite reads a site: ref is an id of the embedded library, or the path of a
// folder (written with a slash). The values are as written; [Expand] makes them
// concrete. Mistakes come all at once as an [ErrorList].
func LoadSite(ref string) (*Site, error) {
	f, err := openRef(ref, "sites", siteFile, Sites())
	if err != nil {
		return nil, err
	}
	return loadSite(f)
}

// LoadSiteFS reads a site from any file system; name is what messages call it.
func LoadSiteFS(fsys fs.FS, name string) (*Site, error) {
	return loadSite(&folder{fsys, name})
}

func loadSite(f *folder) (*Site, error) {
	file := path.Join(f.name, siteFile)
	data, err := readLimited(f, siteFile, MaxFileBytes)
	if err != nil {
		return nil, inputErrorf(file, "cannot be read: %v", err)
	}
	d := &decoder{file: file}
	site := &Site{}
	d.decode(data, site)
	d.header(site.APIVersion, site.Kind, "Site")
	site.Files, site.source = f.FS, source{f.name, d.places}
	site.memo = newMemo()
	// What could not be decoded is absent; checking the rest is still useful
	// unless the very shape is wrong.
	if len(site.Nodes) > 0 || (len(site.Segments) > 0 && len(d.errs) == 0) {
		checkSite(d, site)
	}
	if len(d.errs) == 0 {
		if _, err := expand(site, 0, d); err != nil && len(d.errs) == 0 {
			return nil, err
		}
	}
	if err := d.errs.err(); err != nil {
		return nil, err
	}
	return site, nil
}

// source is where a site or a scenario was read.
type source struct {
	folder string // as messages call it
	places map[string]Position
}

// At is the place of what stands at a path ("probes[3]"), or of the nearest
// parent that is written.
func (s source) At(path string) Position { return nearest(s.places, path) }

// file is what messages call a file of the folder.
func (s source) file(name string) string { return path.Join(s.folder, name) }

// header checks the first two lines of every file.
func (d *decoder) header(version, kind, want string) {
	if _, ok := d.places["apiVersion"]; ok && version != "" && version != APIVersion {
		d.failAt("apiVersion", "apiVersion: %q is not known; this program reads %q", version, APIVersion)
	}
	if _, ok := d.places["kind"]; ok && kind != "" && kind != want {
		d.failAt("kind", "kind: %q; this file must be of kind %s", kind, want)
	}
}

// LoadScenario reads a scenario and checks it against its site: ref is an id of
// the embedded library, or the path of a folder.
func LoadScenario(ref string) (*Scenario, error) {
	f, err := openRef(ref, "library", scenarioFile, Library())
	if err != nil {
		return nil, err
	}
	return loadScenario(f)
}

// LoadScenarioFS reads a scenario from any file system; name is what messages
// call it.
func LoadScenarioFS(fsys fs.FS, name string) (*Scenario, error) {
	return loadScenario(&folder{fsys, name})
}

func loadScenario(f *folder) (*Scenario, error) {
	file := path.Join(f.name, scenarioFile)
	data, err := readLimited(f, scenarioFile, MaxFileBytes)
	if err != nil {
		return nil, inputErrorf(file, "cannot be read: %v", err)
	}
	d := &decoder{file: file, text: func(stem string) (Text, error) { return readText(f, stem) }}
	scn := &Scenario{}
	d.decode(data, scn)
	d.header(scn.APIVersion, scn.Kind, "Scenario")
	scn.Files, scn.source = f.FS, source{f.name, d.places}
	if scn.Brief != "" {
		if scn.BriefText, err = readText(f, scn.Brief); err != nil {
			d.failAt("brief", "brief: %v", err)
		}
	}
	var site *Site
	if scn.Site != "" {
		if site, err = LoadSiteOf(scn); err != nil {
			if !IsInput(err) {
				return nil, err
			}
			var own *InputError
			if isPath(scn.Site) && !(errors.As(err, &own) && own.File == "") {
				return nil, append(d.errs, asList(err)...).err()
			}
			d.failAt("site", "site: %v", err)
		}
	}
	checkScenario(d, scn, site)
	if err := d.errs.err(); err != nil {
		return nil, err
	}
	return scn, nil
}

func asList(err error) ErrorList {
	var list ErrorList
	var one *InputError
	switch {
	case errors.As(err, &list):
		return list
	case errors.As(err, &one):
		return ErrorList{one}
	}
	return ErrorList{inputErrorf("", "%v", err)}
}

// LoadSiteOf reads the site of a scenario: of the embedded library, or of a
// folder inside the scenario's own.
func LoadSiteOf(scn *Scenario) (*Site, error) {
	if !isPath(scn.Site) {
		return LoadSite(scn.Site)
	}
	p := path.Clean(scn.Site)
	if !fs.ValidPath(p) || p == "." {
		return nil, inputErrorf("", "the site %q is not inside the scenario's folder; copy it there, or name one of the library", scn.Site)
	}
	sub, err := fs.Sub(scn.Files, p)
	if err != nil {
		return nil, inputErrorf("", "the site %q cannot be opened: %v", scn.Site, err)
	}
	return loadSite(&folder{sub, path.Join(scn.folder, p)})
}

// readText reads STEM.fr.md and STEM.en.md of a folder.
func readText(f *folder, stem string) (Text, error) {
	if !fs.ValidPath(stem) || stem == "." || strings.ContainsAny(stem, `\`) {
		return Text{}, fmt.Errorf("%q is not a file name inside the scenario's folder", stem)
	}
	var t Text
	for _, l := range []struct {
		lang string
		to   *string
	}{{"fr", &t.FR}, {"en", &t.EN}} {
		name := stem + "." + l.lang + ".md"
		data, err := readLimited(f, name, 1<<20)
		if err != nil {
			return Text{}, fmt.Errorf("there is no %s", name)
		}
		if len(data) > 1<<20 {
			return Text{}, fmt.Errorf("%s is larger than 1 MiB", name)
		}
		*l.to = strings.TrimSpace(string(data))
	}
	return t, nil
}
