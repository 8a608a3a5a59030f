package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// sample is one measurement with all its figures: seconds, megabytes (10^6
// bytes) or percent of one core, as their names say.
type sample struct {
	At      time.Time          `json:"at"`
	Took    float64            `json:"took"`
	Figures map[string]float64 `json:"figures"`
	// Findings are what should not be: a failed unit, a late service.
	Findings []string `json:"findings,omitempty"`
	Notes    []string `json:"notes,omitempty"`
	Error    string   `json:"error,omitempty"`
	// Load and Steal say how quiet the host was: the run queue before, and the
	// share of the cores' time that the machine below kept for others.
	Load  float64 `json:"load"`
	Steal float64 `json:"steal_pct"`
	// Others are labs of somebody else beside ours.
	Others int `json:"otherLabs,omitempty"`

	cpu cpuTimes
}

func newSample() *sample {
	s := &sample{At: time.Now(), Figures: map[string]float64{}, Load: loadAverage(), Others: otherLabs()}
	s.cpu, _ = readCPU()
	return s
}

func (s *sample) end() {
	s.Took = time.Since(s.At).Seconds()
	if c, err := readCPU(); err == nil {
		s.Steal = c.since(s.cpu).stealPercent()
	}
	s.Others = max(s.Others, otherLabs())
}

func (s *sample) finding(format string, args ...any) {
	s.Findings = append(s.Findings, fmt.Sprintf(format, args...))
}

func (s *sample) note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

func (s *sample) String() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(s.Figures)) {
		parts = append(parts, fmt.Sprintf("%s %.4g", k, s.Figures[k]))
	}
	if n := len(s.Findings); n > 0 {
		parts = append(parts, fmt.Sprintf("%d findings", n))
	}
	return strings.Join(parts, ", ")
}

// book is the file of raw values.
type book struct {
	Kind string    `json:"kind"`
	Host hostFacts `json:"host"`
	// Samples are by section/number of nodes.
	Samples map[string][]*sample `json:"samples"`
	// Masked are the masked units that the nodes showed, Units the services that
	// were looked for.
	Masked []maskedUnit `json:"masked,omitempty"`
	Units  []roleUnits  `json:"units,omitempty"`
	Notes  []string     `json:"notes,omitempty"`
	// Seconds is the time of all runs together.
	Seconds float64 `json:"seconds"`

	file string
}

const bookKind = "situlab-bench/1"

// openBook continues the book of the folder if program and host are the same.
func openBook(ctx context.Context, b *bench, fresh bool) (*book, error) {
	facts, err := readHost(ctx, b.situlab)
	if err != nil {
		return nil, err
	}
	k := &book{Kind: bookKind, Host: facts, Samples: map[string][]*sample{}, file: filepath.Join(b.out, "bench.json")}
	text, err := os.ReadFile(k.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return k, nil
	case err != nil:
		return nil, err
	}
	var old book
	if err := json.Unmarshal(text, &old); err != nil || old.Kind != bookKind {
		return nil, fmt.Errorf("%s is not a book of this bench; use another -out", k.file)
	}
	if fresh || !old.Host.same(facts) {
		aside := strings.TrimSuffix(k.file, ".json") + "-" + old.Host.Taken.Format("20060102-150405") + ".json"
		say("%s is of another program or host (or -fresh was given): kept as %s", k.file, filepath.Base(aside))
		return k, os.Rename(k.file, aside)
	}
	old.file, old.Notes = k.file, nil // what could not be had then may be there now
	if old.Samples == nil {
		old.Samples = k.Samples
	}
	return &old, nil
}

func (k *book) save() error {
	text, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return err
	}
	tmp := k.file + ".new"
	if err := os.WriteFile(tmp, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, k.file)
}

// note keeps a remark once.
func (k *book) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(k.Notes, text) {
		k.Notes = append(k.Notes, text)
		say("%s", text)
	}
}

// values are a figure of the good measurements of a kind.
func (k *book) values(key, figure string) []float64 {
	var out []float64
	for _, s := range k.Samples[key] {
		if v, ok := s.Figures[figure]; ok && s.Error == "" {
			out = append(out, v)
		}
	}
	return out
}

// median of the values; ok is false without any.
func median(values []float64) (m float64, ok bool) {
	if len(values) == 0 {
		return 0, false
	}
	v := slices.Sorted(slices.Values(values))
	if h := len(v) / 2; len(v)%2 == 1 {
		return v[h], true
	} else {
		return (v[h-1] + v[h]) / 2, true
	}
}
