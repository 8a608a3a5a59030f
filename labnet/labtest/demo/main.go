// Command demo says whether a session of the reference candidate has shown what
// it must: every node was ready, every point that is decided is acquis, capacity
// 3 is left to the jury (one incident is not enough material), and there is a
// report. It reads what a jury reads, the session's files, and nothing of ours.
//
//	demo [-nodes 61] DIR    DIR is the session's --out; exit code 1 if anything lacks
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// decided are the points of which a session of lost-connectivity decides; the
// rest of capacity 3 is laid before the jury or has no object.
var decided = []string{"3.1-i", "3.1-ii", "3.2a", "3.2b", "3.3-i", "3.3-ii"}

// capacity is the one that the scenario examines, and what is said of it.
const (
	capacity = "3"
	acquis   = "acquis"
	jury     = "jury"
)

func main() {
	nodes := flag.Int("nodes", 61, "how many nodes must have been ready")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: demo [-nodes 61] DIR")
		os.Exit(2)
	}
	faults, err := check(flag.Arg(0), *nodes)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	for _, f := range faults {
		fmt.Fprintln(os.Stderr, "demo:", f)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
	fmt.Printf("demo: %d nodes were ready; %s are acquis; capacity %s is for the jury\n", *nodes, strings.Join(decided, ", "), capacity)
}

// check lists what is not as it must be.
func check(dir string, nodes int) ([]string, error) {
	ready, err := readyNodes(filepath.Join(dir, "journal"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "verdict.json"))
	if err != nil {
		return nil, err
	}
	faults, err := checkVerdict(text)
	if err != nil {
		return nil, err
	}
	if ready != nodes {
		faults = append(faults, fmt.Sprintf("%d nodes were ready, %d expected", ready, nodes))
	}
	if st, err := os.Stat(filepath.Join(dir, "report.html")); err != nil || st.Size() == 0 {
		faults = append(faults, "there is no report")
	}
	return faults, nil
}

// verdict is what counts of verdict.json.
type verdict struct {
	Environment string
	Capacities  []struct {
		ID, Outcome string
		Criteria    []struct {
			Points []point
		}
	}
}

type point struct{ ID, Outcome, Reason string }

func checkVerdict(text []byte) (faults []string, err error) {
	var v verdict
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, fmt.Errorf("verdict.json: %w", err)
	}
	if v.Environment != "valid" {
		faults = append(faults, fmt.Sprintf("the environment is %q, not valid", v.Environment))
	}
	points, outcome := map[string]point{}, ""
	for _, c := range v.Capacities {
		if c.ID != capacity {
			continue
		}
		outcome = c.Outcome
		for _, k := range c.Criteria {
			for _, p := range k.Points {
				points[p.ID] = p
			}
		}
	}
	if outcome != jury {
		faults = append(faults, fmt.Sprintf("capacity %s is %q, %s expected", capacity, outcome, jury))
	}
	for _, id := range decided {
		if p, ok := points[id]; !ok {
			faults = append(faults, fmt.Sprintf("point %s is not in the verdict", id))
		} else if p.Outcome != acquis {
			faults = append(faults, fmt.Sprintf("point %s is %s (%s), %s expected", id, p.Outcome, p.Reason, acquis))
		}
	}
	return faults, nil
}

// readyNodes is the number of nodes of the lab whose probes became green.
func readyNodes(journal string) (int, error) {
	// Before a record's JSON stand its length and its checksum.
	const frame = len("LLLLLLLL CCCCCCCC ")
	segments, err := filepath.Glob(filepath.Join(journal, "*.seg"))
	if err != nil {
		return 0, err
	}
	var text []byte
	for _, s := range segments {
		b, err := os.ReadFile(s)
		if err != nil {
			return 0, err
		}
		text = append(text, b...)
	}
	up := 0
	for {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole || len(line) < frame {
			return 0, errors.New("the journal has no lab.ready: the lab never was")
		}
		line, text = line[frame:], rest
		var r struct {
			Type string
			Data struct{ Nodes, Probes int }
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return 0, fmt.Errorf("%s: %w", journal, err)
		}
		switch {
		case r.Type == "lab.up":
			up = r.Data.Nodes
		case r.Type == "lab.ready" && r.Data.Probes == 0:
			return 0, errors.New("the lab was called ready without a probe")
		case r.Type == "lab.ready":
			return up, nil
		}
	}
}
