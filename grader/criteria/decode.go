package criteria

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"gopkg.in/yaml.v3"
)

// decode reads one YAML document strictly: an unknown field, a key twice, a word
// outside a closed list, or a second document (which yaml.v3 alone would
// silently leave out) is an error.
func decode(data []byte, v any) error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(v); err != nil {
		return err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("more than one document")
	}
	return nil
}

// must panics on a broken embedded file: the tests load all of them, so this
// cannot happen in a released binary.
func must(name string, err error) {
	if err != nil {
		panic(fmt.Sprintf("criteria: embedded %s: %v", name, err))
	}
}

// oneOf sets to to the word, if it is one of a closed list.
func oneOf[T ~string](to *T, word []byte, list ...T) error {
	if !slices.Contains(list, T(word)) {
		return fmt.Errorf("%q is none of %q", word, list)
	}
	*to = T(word)
	return nil
}
