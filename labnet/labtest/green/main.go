// Command green says whether a lab works, judged from outside: every node of its
// site runs, and every probe of the site is green from each segment. It does not
// ask the lab's controller, which may be dead.
//
//	green [-for 30s] LAB SITE    exit code 1 if not within the time
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/situlab/situlab/labnet/labtest"
	"github.com/situlab/situlab/scenarios"
)

func main() {
	limit := flag.Duration("for", 30*time.Second, "how long the probes may take to be green")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: green [-for 30s] LAB SITE")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Arg(1), *limit); err != nil {
		fmt.Fprintln(os.Stderr, "green:", err)
		os.Exit(1)
	}
}

func run(lab, ref string, limit time.Duration) error {
	site, err := scenarios.LoadSite(ref)
	if err != nil {
		return err
	}
	if site, err = scenarios.Expand(site, 0); err != nil {
		return err
	}
	inits := map[string]int{}
	var off []string
	for _, n := range site.Nodes {
		if inits[n.Name] = labtest.FindInit(labtest.Accounting(lab), n.Name); inits[n.Name] == 0 {
			off = append(off, n.Name)
		}
	}
	if len(off) > 0 {
		return fmt.Errorf("lab %s: %d of %d nodes do not run: %s", lab, len(off), len(site.Nodes), strings.Join(off, ", "))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	results, err := labtest.Prober(site, func(node string) int { return inits[node] }).WaitGreen(ctx, 0, nil)
	if err != nil {
		return fmt.Errorf("lab %s: %w", lab, err)
	}
	fmt.Printf("green: lab %s: %d nodes run, %d probes are green\n", lab, len(site.Nodes), len(results))
	return nil
}
