package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/situlab/situlab/cmd/internal/session"
	"github.com/situlab/situlab/cmd/internal/ui"
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

// twins is how many healthy labs tell chance from leak, starts how often each
// variant is started: a leak shows every time.
const twins, starts = 3, 2

// planted names the twin that a careless injection has spoilt: what was planted
// must be found, or the audit is blind.
const planted = "planted"

func (a *app) scenarioAudit() *cobra.Command {
	var variants []string
	var seed uint64
	var jobs int
	var full bool
	c := &cobra.Command{
		Use: "audit SCENARIO", Short: "Chercher ce qui trahit une panne injectée / look for what betrays an injected fault", Args: cobra.ExactArgs(1),
		Long: `Monte trois jumeaux sains et deux fois chaque variante de la même graine jusqu'à
l'entrée du candidat, et compare fichiers récents, dates, processus et journaux
de toutes les machines. Ce que les jumeaux n'ont pas, qui se voit les deux fois
et que signs.yaml n'explique pas est une fuite : code 1. Un quatrième jumeau
reçoit un fichier mal daté et une ligne de journal : si l'audit ne trouve pas les
deux, il est aveugle, code 1 aussi.

Starts three healthy twins, and each variant of the same seed twice, up to the
candidate's entry, and compares recent files, times, processes and journals of
all machines. What the twins lack, shows both times and signs.yaml does not
explain is a leak: code 1. A fourth twin is given a file with a wrong time and a
line of a journal: an audit that does not find both is blind, code 1 too.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.audit(cmd.Context(), args[0], variants, seed, jobs, full)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&variants, "variants", nil, "only these variants")
	f.Uint64Var(&seed, "seed", 1, "seed")
	f.IntVar(&jobs, "jobs", 2, "labs at once")
	f.BoolVar(&full, "full", false, "also print signs and noise")
	return c
}

func (a *app) audit(ctx context.Context, ref string, variants []string, seed uint64, jobs int, full bool) error {
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

	// The twins first, then the suspects, each with its starts, the planted one last.
	suspects := append(slices.Clone(variants), planted)
	pictures := make([][]string, twins+starts*len(suspects))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, jobs))
	quiet := &ui.UI{Out: io.Discard, Err: io.Discard, Lang: a.ui.Lang} // several labs would talk at once
	for i := range pictures {
		name, variant := fmt.Sprintf("twin %d", i+1), scenarios.Healthy
		var spoil func(*labnet.Lab) error
		if i >= twins {
			suspect := suspects[(i-twins)/starts]
			name = fmt.Sprintf("%s %d", suspect, (i-twins)%starts+1)
			if suspect == planted {
				spoil = plantLeaks
			} else {
				variant = suspect
			}
		}
		g.Go(func() (err error) {
			if err := gctx.Err(); err != nil {
				return err
			}
			a.ui.Step("%s", name)
			pictures[i], err = session.Picture(gctx, session.Options{Scenario: ref, Seed: &seed, Variant: variant, Candidate: "audit",
				Factor: 1, Out: filepath.Join(dir, strconv.Itoa(i)), Lang: a.ui.Lang, Tool: version}, quiet, spoil)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}

	var results []auditResult
	bad := false
	for i, v := range suspects {
		r := auditResult{v, leak.Compare(pictures[twins+starts*i:][:starts], pictures[:twins], signsOf(declared, v))}
		if v == planted {
			bad = bad || !found(r.Leaks)
		} else {
			bad = bad || len(r.Leaks) > 0
		}
		results = append(results, r)
	}
	err = a.ui.Result(results, func() {
		for _, r := range results {
			a.ui.Printf(a.ui.T("%s : %d fuites, %d signes déclarés, %d différences dues au hasard\n", "%s: %d leaks, %d declared signs, %d differences by chance\n"),
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
		if last := results[len(results)-1]; !found(last.Leaks) {
			a.ui.Printf("%s\n", a.ui.Bad(a.ui.T("l'audit est aveugle : il n'a pas trouvé ce qui a été déposé exprès", "the audit is blind: it has not found what was planted on purpose")))
		}
	})
	if err == nil && bad {
		err = &codeError{code: exitNotSo}
	}
	return err
}

// found says whether both planted leaks are among the items.
func found(leaks []string) bool {
	has := func(start, end string) bool {
		return slices.ContainsFunc(leaks, func(i string) bool { return strings.HasPrefix(i, start) && strings.Contains(i, end) })
	}
	return has("file ", " "+plantedFile+" ") && has("journal ", " "+plantedTag+" "+plantedLine)
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

// What plantLeaks leaves.
const (
	plantedFile = "/etc/frr/daemons.sav"
	plantedTag  = "injection"
	plantedLine = "fault done"
)

// plantLeaks does what a careless injection would: one file touched at the wrong
// time, one line in a journal.
func plantLeaks(l *labnet.Lab) error {
	for _, n := range l.Site().Nodes {
		if n.Class != scenarios.Router || !n.Perimeter {
			continue
		}
		m := l.Node(n.Name)
		if err := m.Write([]node.File{{Path: plantedFile, Mode: 0o640, Content: []byte("x\n"), ModTime: time.Now()}}); err != nil {
			return err
		}
		_, err := m.Exec(context.Background(), node.Command{Args: []string{"logger", "-t", plantedTag, plantedLine}})
		return err
	}
	return nil
}
