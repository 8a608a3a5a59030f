package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// session writes what a session leaves.
func session(t *testing.T, nodes int, capacity string, points map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	var list []string
	for id, outcome := range points {
		list = append(list, fmt.Sprintf(`{"id":%q,"outcome":%q,"reason":"r"}`, id, outcome))
	}
	for name, text := range map[string]string{
		"journal/000001.seg": fmt.Sprintf(`00000000 00000000 {"type":"session.start","data":{"hashes":{"a":"b"}}}`+"\n"+`00000000 00000000 {"type":"lab.up","data":{"nodes":%d,"seconds":2.5}}`+"\n"+`00000000 00000000 {"type":"lab.ready","data":{"probes":9,"seconds":3}}`+"\n", nodes),
		"verdict.json":       fmt.Sprintf(`{"environment":"valid","capacities":[{"id":"3","outcome":%q,"criteria":[{"points":[%s]}]}]}`, capacity, strings.Join(list, ",")),
		"report.html":        "<html>",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCheck(t *testing.T) {
	good := func() map[string]string {
		points := map[string]string{"3.1-iii": "jury", "3.2c": "sans_objet"}
		for _, id := range decided {
			points[id] = "acquis"
		}
		return points
	}
	lacking := good()
	delete(lacking, "3.3-ii")
	failed := good()
	failed["3.1-ii"] = "jury"
	for _, c := range []struct {
		dir  string
		want []string
	}{
		{session(t, 61, "jury", good()), nil},
		{session(t, 60, "jury", good()), []string{"60 nodes were ready, 61 expected"}},
		{session(t, 61, "acquis", good()), []string{`capacity 3 is "acquis", jury expected`}},
		{session(t, 61, "jury", lacking), []string{"point 3.3-ii is not in the verdict"}},
		{session(t, 61, "jury", failed), []string{"point 3.1-ii is jury (r), acquis expected"}},
	} {
		got, err := check(c.dir, 61)
		if err != nil || strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%v, %v; want %v", got, err, c.want)
		}
	}
	for _, file := range []string{"journal/000001.seg", "verdict.json"} {
		dir := session(t, 61, "jury", good())
		if err := os.Truncate(filepath.Join(dir, file), 20); err != nil {
			t.Fatal(err)
		}
		if got, err := check(dir, 61); err == nil {
			t.Errorf("%s is cut: %v", file, got)
		}
	}
}
