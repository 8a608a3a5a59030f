package images

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// apt is what a build knows of the machine's package sources, laid out in one
// directory that a chroot can be shown.
type apt struct {
	dir     string   // sources.list, keys/, and perhaps auth.conf, ca.crt
	lines   []string // the sources
	options []string // the machine's own apt settings that reach mirrors: "Name=value"
}

// mirrorSettings are the machine's apt settings that a build needs to reach the
// mirrors as the machine does.
var mirrorSettings = []string{
	"Acquire::http::", "Acquire::https::", "Acquire::Retries", "Acquire::ForceIPv4",
	"Acquire::Check-Valid-Until", "Acquire::Check-Date",
}

// debianSources are the machine's sources of a Debian release's packages; without
// any the machine is no Debian.
func debianSources(host fs.FS, suite string) ([]source, error) {
	all, err := readSources(host)
	if err != nil {
		return nil, err
	}
	chosen := forSuite(mirrorLists(host, all), suite)
	if len(chosen) == 0 {
		return nil, notDebian(nil)
	}
	return chosen, nil
}

// prepareApt reads the machine's sources, and copies its keys into dir.
func prepareApt(ctx context.Context, host fs.FS, suite, dir string) (*apt, error) {
	chosen, err := debianSources(host, suite)
	if err != nil {
		return nil, err
	}
	a := &apt{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o755); err != nil {
		return nil, err
	}
	for i, s := range chosen {
		a.lines = append(a.lines, s.line())
		if err := a.addKey(host, s.signedBy, fmt.Sprintf("source-%d", i)); err != nil {
			return nil, fmt.Errorf("%s: %w", s.at, err)
		}
	}
	for _, pattern := range []string{"etc/apt/trusted.gpg.d/*", "usr/share/keyrings/debian-archive-*.gpg"} {
		files, err := fs.Glob(host, pattern)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if err := a.addKey(host, "/"+f, strings.TrimSuffix(filepath.Base(f), filepath.Ext(f))); err != nil {
				return nil, err
			}
		}
	}
	for from, to := range map[string]string{"etc/apt/auth.conf": "auth.conf", "etc/ssl/certs/ca-certificates.crt": "ca.crt"} {
		if b, err := fs.ReadFile(host, from); err == nil {
			if err := os.WriteFile(filepath.Join(dir, to), b, 0o600); err != nil {
				return nil, err
			}
		}
	}
	list := strings.Join(a.lines, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "sources.list"), []byte(list), 0o644); err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "apt-config", "dump").Output()
	if err != nil {
		return nil, &HostError{What: "apt-config does not run", Hint: "apt-get install apt", Err: err}
	}
	a.options = settings(string(out))
	return a, nil
}

// addKey copies one key file, or writes one given in the source itself.
func (a *apt) addKey(host fs.FS, signedBy, name string) error {
	var b []byte
	var err error
	switch {
	case strings.HasPrefix(signedBy, "-----BEGIN"):
		b = []byte(signedBy)
	case strings.HasPrefix(signedBy, "/"):
		// Several files may be given, with a comma; apt takes one format per name.
		for i, one := range strings.Split(signedBy, ",") {
			b, err = fs.ReadFile(host, strings.TrimPrefix(strings.TrimSpace(one), "/"))
			if err != nil {
				return fmt.Errorf("read the source's key: %w", err)
			}
			if err := a.writeKey(b, fmt.Sprintf("%s-%d", name, i)); err != nil {
				return err
			}
		}
		return nil
	default:
		return nil // a fingerprint: its key is among trusted.gpg.d
	}
	return a.writeKey(b, name)
}

func (a *apt) writeKey(b []byte, name string) error {
	ext := ".gpg"
	if strings.HasPrefix(strings.TrimSpace(string(b)), "-----BEGIN") {
		ext = ".asc"
	}
	return os.WriteFile(filepath.Join(a.dir, "keys", name+ext), b, 0o644)
}

// settings picks the lines of `apt-config dump` that reach mirrors.
func settings(dump string) []string {
	var out []string
	for _, l := range strings.Split(dump, "\n") {
		k, v, ok := strings.Cut(strings.TrimSuffix(l, ";"), " ")
		v = strings.Trim(v, `"`)
		if !ok || v == "" || strings.ContainsAny(v, "\"\n") {
			continue
		}
		for _, p := range mirrorSettings {
			if strings.HasPrefix(k, p) && !strings.HasPrefix(k, "Acquire::https::CaInfo") {
				out = append(out, k+"="+v)
				break
			}
		}
	}
	return out
}

// inside are the options of an apt-get that runs in a layer which shows the
// directory at /run/build, with lists and archives beside it.
func (a *apt) inside() []string {
	opts := []string{
		"Dir::Etc::SourceList=/run/build/apt/sources.list", "Dir::Etc::SourceParts=/dev/null",
		"Dir::Etc::TrustedParts=/run/build/apt/keys", "Dir::State::Lists=/run/build/lists",
		"Dir::Cache::Archives=/run/build/archives", "Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache=",
		"Acquire::Languages=none", "APT::Sandbox::User=root", "APT::Keep-Downloaded-Packages=true",
		"APT::Install-Recommends=false", "DPkg::Options::=--force-confold", "Dpkg::Use-Pty=0",
	}
	if _, err := os.Stat(filepath.Join(a.dir, "auth.conf")); err == nil {
		opts = append(opts, "Dir::Etc::netrc=/run/build/apt/auth.conf")
	}
	if _, err := os.Stat(filepath.Join(a.dir, "ca.crt")); err == nil {
		opts = append(opts, "Acquire::https::CaInfo=/run/build/apt/ca.crt")
	}
	return append(opts, a.options...)
}
