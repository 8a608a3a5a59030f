package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/grader/jury"
)

func (a *app) juryAgreementCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "agreement BUNDLE", Short: "Accord entre évaluateurs (kappa de Cohen) / agreement of assessors (Cohen's kappa)", Args: cobra.ExactArgs(1),
		Long: `Calcule, sur les points décidés par les deux, l'accord de deux évaluateurs :
kappa de Cohen (1960) et son intervalle à 95 % (erreur type de Fleiss, Cohen et
Everitt, 1969), et liste leurs désaccords. Seules les décisions closes comptent,
et rien ne se montre tant qu'un évaluateur n'a pas clos, sauf avec --all. /
Computes the agreement of each two assessors on the points that both decided:
Cohen's kappa and its 95 % interval, and lists the disagreements. Nothing is shown
while somebody has not closed, but with --all.`,
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := a.docket(args[0])
			if err != nil {
				return err
			}
			var sheets []*jury.Sheet
			for _, s := range d.sheets {
				if !s.Closed && !all {
					return inputErrorf("%q has not closed yet: agreement is computed between independent decisions", s.Assessor)
				}
				sheets = append(sheets, s)
			}
			if len(sheets) < 2 {
				return inputErrorf("agreement needs two assessors; this bundle has the decisions of %d", len(sheets))
			}
			r := struct {
				Session    string           `json:"session"`
				Agreements []jury.Agreement `json:"agreements"`
			}{Session: d.v.Session}
			for i, x := range sheets {
				for _, y := range sheets[i+1:] {
					r.Agreements = append(r.Agreements, jury.Agree(x, y))
				}
			}
			return a.ui.Result(r, func() {
				for _, g := range r.Agreements {
					a.printAgreement(g)
				}
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "count the decisions of those who have not closed, too")
	return c
}

// decimal writes a figure with a true minus and the comma of French.
func (a *app) decimal(format string, x float64) string {
	s := strings.Replace(fmt.Sprintf(format, x), "-", "−", 1)
	if a.ui.Lang != "en" {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}

func (a *app) printAgreement(g jury.Agreement) {
	a.ui.Printf("%s\n", a.ui.Bold(fmt.Sprintf(a.ui.T("%s et %s", "%s and %s"), plain(g.A), plain(g.B))))
	a.ui.Printf(a.ui.T("  points décidés par les deux : %d ; acquis/acquis : %d, acquis/non acquis : %d, non acquis/acquis : %d, non acquis/non acquis : %d\n",
		"  points decided by both: %d; achieved/achieved: %d, achieved/not: %d, not/achieved: %d, not/not: %d\n"), g.N, g.Both, g.OnlyA, g.OnlyB, g.Neither)
	switch {
	case g.Undefined == jury.NoCommonPoint:
		a.ui.Printf("%s\n", a.ui.T("  kappa de Cohen : non défini, aucun point n'est décidé par les deux", "  Cohen's kappa: undefined, no point is decided by both"))
	case g.Undefined == jury.NoVariation:
		a.ui.Printf("%s\n", a.ui.T("  kappa de Cohen : non défini, les deux ont tout décidé de même façon : le hasard ferait aussi bien", "  Cohen's kappa: undefined, both gave everything the same outcome: chance would do as well"))
	default:
		a.ui.Printf(a.ui.T("  accord observé %s %%, attendu par hasard %s %%\n", "  observed agreement %s %%, expected by chance %s %%\n"), a.decimal("%.0f", 100*g.Observed), a.decimal("%.0f", 100*g.Expected))
		if g.Low == nil {
			a.ui.Printf(a.ui.T("  kappa de Cohen %s ; intervalle non défini : ces décisions ne permettent d'en estimer aucun\n", "  Cohen's kappa %s; interval undefined: these decisions allow no estimate of one\n"), a.decimal("%.2f", *g.Kappa))
		} else {
			a.ui.Printf(a.ui.T("  kappa de Cohen %s ; intervalle à 95 %% de %s à %s ; erreur type %s (Fleiss, Cohen et Everitt, 1969)\n", "  Cohen's kappa %s; 95 %% interval from %s to %s; standard error %s (Fleiss, Cohen & Everitt 1969)\n"),
				a.decimal("%.2f", *g.Kappa), a.decimal("%.2f", *g.Low), a.decimal("%.2f", *g.High), a.decimal("%.3f", *g.StandardError))
		}
		a.ui.Printf("%s\n", a.ui.T("  les points d'une même épreuve ne sont pas indépendants et sont peu : l'incertitude vraie est plus grande", "  points of one session are few and not independent: the true uncertainty is larger"))
	}
	for _, x := range g.Disagreements {
		a.ui.Printf(a.ui.T("  désaccord sur %s : %s : %s%s ; %s : %s%s\n", "  disagreement on %s: %s: %s%s; %s: %s%s\n"), x.Point,
			plain(g.A), jury.Label(x.A.Outcome).In(a.ui.Lang), a.motive(x.A), plain(g.B), jury.Label(x.B.Outcome).In(a.ui.Lang), a.motive(x.B))
	}
	if len(g.Alone) > 0 {
		a.ui.Printf(a.ui.T("  décidés par un seul, non comptés : %s\n", "  decided by one only, not counted: %s\n"), strings.Join(g.Alone, ", "))
	}
}

func (a *app) motive(d jury.Decision) string {
	if d.Motive == "" {
		return ""
	}
	return " (" + plain(d.Motive) + ")"
}
