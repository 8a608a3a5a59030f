package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/watch"
)

// kept is what a session needs to be resumed and what its journal must not hold
// before the end, or cannot: written at the candidate's entry, gone at the end.
type kept struct {
	Session  string                `json:"session"`
	Scenario string                `json:"scenario"` // as asked for
	Seed     uint64                `json:"seed"`
	Variant  string                `json:"variant"`
	Salt     string                `json:"salt"`
	Begun    time.Time             `json:"begun"`
	Exam     bool                  `json:"exam,omitempty"`
	As       string                `json:"candidate"`
	Factor   float64               `json:"factor"`
	Lang     string                `json:"lang"`
	Delay    bool                  `json:"boot_delay,omitempty"`
	Script   []byte                `json:"script,omitempty"`
	Without  []string              `json:"without,omitempty"`
	Image    string                `json:"image"`
	Facts    evidence.Facts        `json:"facts"`
	Values   map[string]string     `json:"values"` // of the canaries' queries
	Own      map[string]*watch.Own `json:"own"`    // what each node runs by itself
}

const keptName = "resume.json"

// keep writes down what a resume needs, durably: no bundle holds it.
func (s *Session) keep() error {
	k := kept{Session: s.id, Scenario: s.opts.Scenario, Seed: s.variant.Seed, Variant: s.variant.ID, Salt: s.salt, Begun: s.begun,
		Exam: s.opts.Exam, As: s.opts.Candidate, Factor: s.opts.Factor, Lang: s.opts.Lang, Delay: s.opts.BootDelay,
		Script: s.opts.Script, Without: s.opts.Without, Image: s.image, Facts: s.facts, Values: s.values, Own: s.own}
	b, err := json.Marshal(k)
	if err != nil {
		return err
	}
	name := filepath.Join(s.dir, keptName)
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	return s.lab.Keep(s.id, s.dir)
}

// unkeep ends what keep began: there is nothing to resume any more.
func (s *Session) unkeep() error {
	err := os.Remove(filepath.Join(s.dir, keptName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// loadKept reads it back.
func loadKept(dir string) (*kept, error) {
	b, err := os.ReadFile(filepath.Join(dir, keptName))
	if err != nil {
		return nil, err
	}
	k := &kept{}
	if err := json.Unmarshal(b, k); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, keptName), err)
	}
	return k, nil
}

// Resumable says whether the session with this folder can be resumed.
func Resumable(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, keptName))
	return err == nil
}
