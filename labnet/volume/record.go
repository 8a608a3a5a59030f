package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// record is what the state directory says of a lab's volumes: written before the
// first of them is made, and all that a later process needs.
type record struct {
	// Dir is the directory of the images and of their mount points.
	Dir     string `json:"dir"`
	Volumes []Spec `json:"volumes"`
}

func recordFile(state string) string { return filepath.Join(state, "volumes.json") }

func (r record) save(state string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := recordFile(state) + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("record of the volumes: %w", err)
	}
	if err := os.Rename(tmp, recordFile(state)); err != nil {
		return fmt.Errorf("record of the volumes: %w", err)
	}
	return nil
}

// load reads the record; without one the lab has no volumes.
func load(state string) (r record, err error) {
	b, err := os.ReadFile(recordFile(state))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s: %w", recordFile(state), err)
	}
	return r, nil
}
