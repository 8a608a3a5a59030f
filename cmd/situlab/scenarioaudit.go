package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/cmd/internal/session"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/leak"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/scenarios"
)

// auditResult is the finding for one variant.
type auditResult struct {
	Variant string `json:"variant"`
	leak.Finding
}

// twins is how many healthy labs tell chance from leak.
const twins = 3

func (a *app) scenarioAudit() *cobra.Command {
	var variants []string
	var seed uint64
	var plant, full bool
	c := &cobra.Command{
		Use: "audit SCENARIO", Short: "Chercher ce qui trahit une panne injectée / look for what betrays an injected fault", Args: cobra.ExactArgs(1),
		Long: `Monte trois jumeaux sains et chaque variante de la même graine jusqu'à l'entrée
du candidat, et compare fichiers récents, dates, processus et journaux de toutes
les machines. Ce que les jumeaux n'ont pas et que signs.yaml n'explique pas est
une fuite : code 1.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.audit(cmd.Context(), args[0], variants, seed, plant, full)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&variants, "variants", nil, "only these variants")
	f.Uint64Var(&seed, "seed", 1, "seed")
	f.BoolVar(&plant, "plant", false, "plant a late file time and a journal line in the first variant: the audit must find both")
	f.BoolVar(&full, "full", false, "also print signs and noise")
	return c
}

func (a *app) audit(ctx context.Context, ref string, variants []string, seed uint64, plant, full bool) error {
	scn, err := scenarios.LoadScenario(ref)
	if err != nil {
		return err
	}
	declared, err := scenarios.LoadSigns(scn)
	if err != nil {
		return err
	}
	if len(variants) == 0 {
		for _, v := range scn.Variants {
			variants = append(variants, v.ID)
		}
	}
	dir, err := os.MkdirTemp("", "situlab-audit-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	picture := func(variant, name string, spoil func(*labnet.Lab) error) ([]string, error) {
		a.ui.Step("%s: %s", name, variant)
		o := session.Options{Scenario: ref, Seed: &seed, Variant: variant, Candidate: "audit", Factor: 1, Out: filepath.Join(dir, name), Lang: a.ui.Lang, Tool: version}
		return session.Picture(ctx, o, a.ui, spoil)
	}
	var healthy [][]string
	for i := range twins {
		p, err := picture(scenarios.Healthy, fmt.Sprintf("twin %d", i+1), nil)
		if err != nil {
			return err
		}
		healthy = append(healthy, p)
	}
	var results []auditResult
	leaks := 0
	for i, v := range variants {
		var spoil func(*labnet.Lab) error
		if plant && i == 0 {
			spoil = plantLeaks
		}
		p, err := picture(v, v, spoil)
		if err != nil {
			return err
		}
		r := auditResult{v, leak.Compare(p, healthy, signsOf(declared, v))}
		leaks += len(r.Leaks)
		results = append(results, r)
	}
	err = a.ui.Result(results, func() {
		for _, r := range results {
			a.ui.Printf(a.ui.T("%s : %d fuites, %d signes déclarés, %d différences telles qu'entre jumeaux\n", "%s: %d leaks, %d declared signs, %d differences as between twins\n"),
				r.Variant, len(r.Leaks), len(r.Signs), len(r.Noise))
			show := func(what string, items []string) {
				for _, i := range items {
					a.ui.Printf("  %s %s\n", what, i)
				}
			}
			show(a.ui.Bad(a.ui.T("fuite", "leak")), r.Leaks)
			if full {
				show(a.ui.T("signe", "sign"), r.Signs)
				show(a.ui.T("hasard", "noise"), r.Noise)
			}
		}
	})
	if err == nil && leaks > 0 {
		err = &codeError{code: exitNotSo}
	}
	return err
}

func signsOf(s *scenarios.Signs, variant string) []leak.Sign {
	var out []leak.Sign
	for _, x := range s.Signs {
		if len(x.Variants) == 0 || slices.Contains(x.Variants, variant) {
			out = append(out, leak.Sign{Pattern: regexp.MustCompile(x.Pattern), Why: x.Why}) // LoadSigns compiled it
		}
	}
	return out
}

// plantLeaks does what a careless injection would: one file touched at the wrong
// time, one line in a journal.
func plantLeaks(l *labnet.Lab) error {
	for _, n := range l.Site().Nodes {
		if n.Class != scenarios.Router || !n.Perimeter {
			continue
		}
		m := l.Node(n.Name)
		if err := m.Write([]node.File{{Path: "/etc/frr/daemons.sav", Mode: 0o640, Content: []byte("x\n"), ModTime: time.Now()}}); err != nil {
			return err
		}
		_, err := m.Exec(context.Background(), node.Command{Args: strings.Fields("logger -t injection fault done")})
		return err
	}
	return nil
}
