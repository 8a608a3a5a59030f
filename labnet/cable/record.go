package cable

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/situlab/situlab/labnet/cable/plugin"
)

// key names a cable: one node, one interface of it.
type key struct{ node, ifname string }

func (k key) String() string { return k.node + " " + k.ifname }

// record is what a port should be: the desired state, written before the
// kernel is changed, so that whoever comes next knows what was meant.
type record struct {
	Node      string     `json:"node"`
	Interface string     `json:"interface"`
	Segment   string     `json:"segment"`
	MAC       string     `json:"mac"`
	NetNS     string     `json:"netns"`
	Down      bool       `json:"down,omitempty"`
	Raise     bool       `json:"raise,omitempty"`
	ToNode    Impairment `json:"toNode,omitzero"`
	FromNode  Impairment `json:"fromNode,omitzero"`
}

func (r *record) key() key     { return key{r.Node, r.Interface} }
func (r *record) port() string { return plugin.PortName(r.Node, r.Interface) }

// file is the record's path: the port's name is a hash of the two names.
func (s *Switch) file(k key) string {
	return filepath.Join(s.dir, portName, plugin.PortName(k.node, k.ifname)+".json")
}

// get returns a copy of a port's record.
func (s *Switch) get(k key) (record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.ports[k]
	if r == nil {
		return record{}, fmt.Errorf("lab %s: %s: %w", s.cfg.Lab, k, ErrNoPort)
	}
	return *r, nil
}

// put writes a record's file, then remembers it.
func (s *Switch) put(r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record of %s: %w", r.key(), err)
	}
	path := s.file(r.key())
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("record of %s: %w", r.key(), err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("record of %s: %w", r.key(), err)
	}
	s.mu.Lock()
	s.ports[r.key()] = &r
	s.mu.Unlock()
	return nil
}

// drop forgets a record.
func (s *Switch) drop(k key) error {
	s.mu.Lock()
	delete(s.ports, k)
	s.mu.Unlock()
	if err := os.Remove(s.file(k)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("record of %s: %w", k, err)
	}
	return nil
}

// readRecords reads all records of a folder. Half-written files (".new") are
// left alone: their intent never became true.
func readRecords(dir string) ([]*record, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("records of the ports: %w", err)
	}
	var recs []*record
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("records of the ports: %w", err)
		}
		r := &record{}
		if err := json.Unmarshal(data, r); err != nil {
			return nil, fmt.Errorf("record %s: %w", e.Name(), err)
		}
		recs = append(recs, r)
	}
	return recs, nil
}

// keyed is a lock per cable: work on one never waits for another's.
type keyed struct {
	mu   sync.Mutex
	held map[key]*entry
}

type entry struct {
	mu    sync.Mutex
	users int
}

// lock waits for the key and returns the function that frees it.
func (k *keyed) lock(id key) func() {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[key]*entry{}
	}
	e := k.held[id]
	if e == nil {
		e = &entry{}
		k.held[id] = e
	}
	e.users++
	k.mu.Unlock()
	e.mu.Lock()
	return func() {
		e.mu.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if e.users--; e.users == 0 {
			delete(k.held, id)
		}
	}
}
