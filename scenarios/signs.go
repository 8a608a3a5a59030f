package scenarios

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
)

// Signs is signs.yaml of a scenario: by what its faults may show in the nodes.
// Everything else that tells a faulty lab from its healthy twin is a leak.
type Signs struct {
	APIVersion string `yaml:"apiVersion" json:"apiVersion"`
	Kind       string `yaml:"kind" json:"kind"`
	Signs      []Sign `yaml:"signs" json:"signs"`
}

// Sign is an artefact or a symptom.
type Sign struct {
	// Pattern is a regular expression (RE2) over the items of package leak.
	Pattern string `yaml:"pattern" json:"pattern"`
	// Why says what the sign is of.
	Why string `yaml:"why" json:"why"`
	// Variants are those that show it; empty means all.
	Variants []string `yaml:"variants,omitempty" json:"variants,omitempty"`
}

const signsFile = "signs.yaml"

// LoadSigns reads signs.yaml of a scenario, strictly.
func LoadSigns(scn *Scenario) (*Signs, error) {
	file := scn.file(signsFile)
	raw, err := readLimited(scn.Files, signsFile, MaxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, inputErrorf(file, "there is no such file; it says by what the faults may show")
	}
	if err != nil {
		return nil, inputErrorf(file, "cannot be read: %v", err)
	}
	d := &decoder{file: file}
	s := &Signs{}
	d.decode(raw, s)
	d.header(s.APIVersion, s.Kind, "Signs")
	known := map[string]bool{}
	for _, v := range scn.Variants {
		known[v.ID] = true
	}
	for i, x := range s.Signs {
		p := fmt.Sprintf("signs[%d]", i)
		if _, err := regexp.Compile(x.Pattern); err != nil {
			d.failAt(p+".pattern", "%s.pattern: %v", p, err)
		}
		for j, v := range x.Variants {
			if !known[v] {
				d.failAt(fmt.Sprintf("%s.variants[%d]", p, j), "%s.variants[%d]: no variant %q", p, j, v)
			}
		}
	}
	if err := d.errs.err(); err != nil {
		return nil, err
	}
	return s, nil
}
