package main

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/jury"
)

func (a *app) juryShow(path, as string, all bool) error {
	d, err := a.docket(path)
	if err != nil {
		return err
	}
	view, err := d.view(as, all)
	if err != nil {
		return err
	}
	return a.ui.Result(view, func() { a.printJury(view, as) })
}

func (a *app) printJury(v *juryView, as string) {
	a.ui.Printf(a.ui.T("Épreuve %s, candidat %s ; dossier intact, tête %s\n", "Session %s, candidate %s; bundle intact, head %s\n"), v.Session, v.Candidate, v.Head)
	if v.Environment != grader.EnvironmentValid {
		a.ui.Printf("%s\n", a.ui.Bad(a.ui.T("environnement invalide : cette épreuve ne compte pas", "invalid environment: this session does not count")))
	}
	hidden := 0
	for _, x := range v.Assessors {
		state := a.ui.T("en cours", "open")
		if x.Closed {
			state = a.ui.T("clos", "closed")
		}
		name := plain(x.Assessor)
		if x.Function != "" {
			name += ", " + plain(x.Function)
		}
		a.ui.Printf(a.ui.T("Évaluateur : %s (%s, enregistrements : %d)\n", "Assessor: %s (%s, records: %d)\n"), name, state, x.Records)
		if !x.Shown {
			hidden++
		} else if !x.SameVerdict {
			a.ui.Printf("%s\n", a.ui.T("  les propositions ne sont plus celles de sa première séance : celle de chaque décision reste avec elle",
				"  the proposals are no longer those of the first sitting: each decision keeps its own"))
		}
	}
	if hidden > 0 && as != "" {
		a.ui.Printf(a.ui.T("Décisions non montrées avant la clôture des vôtres : %d (--all les montre)\n", "Decisions not shown before yours are closed: %d (--all shows them)\n"), hidden)
	} else if hidden > 0 {
		a.ui.Printf(a.ui.T("Décisions non montrées : %d (--as NOM montre les vôtres, --all toutes)\n", "Decisions not shown: %d (--as NAME shows yours, --all everybody's)\n"), hidden)
	}
	for _, c := range v.Capacities {
		a.printJuryCapacity(c)
	}
	for _, f := range v.Flags {
		a.ui.Printf("%s %s\n", a.ui.Bold(a.ui.T("À savoir :", "To be known:")), f.Sentence.In(a.ui.Lang))
	}
	for _, s := range v.Standing {
		a.printStanding(s)
	}
	if len(v.Standing) > 0 {
		a.ui.Printf("%s\n", criteria.TheQualification().Admission.Who.In(a.ui.Lang))
	}
}

func (a *app) printJuryCapacity(c juryCapacity) {
	head := fmt.Sprintf(a.ui.T("Capacité %s : %s", "Capacity %s: %s"), c.ID, c.Label.In(a.ui.Lang))
	a.ui.Printf("\n%s\n", a.ui.Bold(head))
	if c.Proposal != "" {
		a.ui.Printf("  %s\n", c.Proposal.Label().In(a.ui.Lang))
	} else {
		a.ui.Printf("  %s\n", a.ui.T("l'épreuve ne porte pas sur cette capacité", "the session is not about this capacity"))
	}
	a.printDecisions("  ", c.Decisions)
	for _, o := range c.Opinions {
		word := a.ui.T("défavorable", "unfavourable")
		if o.Favourable {
			word = a.ui.T("favorable", "favourable")
		}
		a.ui.Printf(a.ui.T("  Avis de l'entreprise, %s (%s%s ; noté par %s) : %s\n", "  Opinion of the company, %s (%s%s; recorded by %s): %s\n"), word, plain(o.By), a.replaced(o.Replaced), plain(o.Assessor), plain(o.Text))
	}
	for _, i := range c.Interviews {
		a.ui.Printf(a.ui.T("  Entretien (noté par %s) : %s\n", "  Interview (recorded by %s): %s\n"), plain(i.Assessor), plain(i.Text))
	}
	for _, k := range c.Criteria {
		a.printJuryCriterion(k)
	}
}

func (a *app) printJuryCriterion(k juryCriterion) {
	a.ui.Printf("  %s %s\n    %s\n", a.ui.Bold(k.ID), k.Label.In(a.ui.Lang), k.Proposal.Label().In(a.ui.Lang))
	a.printDecisions("    ", k.Decisions)
	for _, p := range k.Points {
		if p.Outcome != check.NotConcerned || len(p.Decisions) > 0 {
			a.printJuryPoint(p)
		}
	}
}

func (a *app) printJuryPoint(p juryPoint) {
	a.ui.Printf("    %s %s\n      %s", a.ui.Bold(p.ID), p.Label.In(a.ui.Lang), p.Outcome.Label().In(a.ui.Lang))
	if s := p.Sentence.In(a.ui.Lang); s != "" {
		a.ui.Printf(a.ui.T(" : %s", ": %s"), s)
	}
	a.ui.Printf("\n")
	if len(p.Evidence) > 0 {
		a.ui.Printf(a.ui.T("      preuves : %s\n", "      evidence: %s\n"), numbers(p.Evidence))
	}
	if p.Question != nil {
		a.ui.Printf("      → %s\n", p.Question.In(a.ui.Lang))
	}
	a.printDecisions("      ", p.Decisions)
}

// numbers lists records; many are told by their number.
func numbers(seqs []uint64) string {
	const most = 8
	var out []string
	for i, n := range seqs {
		if i == most {
			return strings.Join(out, ", ") + fmt.Sprintf(" (+ %d)", len(seqs)-most)
		}
		out = append(out, fmt.Sprint(n))
	}
	return strings.Join(out, ", ")
}

func (a *app) printDecisions(indent string, decisions []juryDecision) {
	for _, d := range decisions {
		what := jury.Label(d.Outcome).In(a.ui.Lang)
		if d.Outcome == jury.Acquired {
			what = a.ui.Good(what)
		} else {
			what = a.ui.Bad(what)
		}
		if d.Override {
			what += a.ui.T(", s'écarte de la proposition", ", departs from the proposal")
			if d.Proposal.Outcome != "" {
				what += " (" + check.Outcome(d.Proposal.Outcome).Label().In(a.ui.Lang) + ")"
			}
		}
		if len(d.Bases) > 0 {
			what += a.ui.T(" ; fondée sur : ", "; based on: ") + a.bases(d.Bases)
		}
		if d.Motive != "" {
			what += a.ui.T(" ; motif : ", "; motive: ") + plain(d.Motive)
		}
		a.ui.Printf(a.ui.T("%sdécision, %s : %s (%s%s)\n", "%sdecision, %s: %s (%s%s)\n"), indent, plain(d.Assessor), what,
			d.At.UTC().Format("2006-01-02 15:04 UTC"), a.replaced(d.Replaced))
	}
}

// plain is a text of a bundle that cannot move a terminal's cursor: whoever made
// the bundle could have put anything into it.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

func (a *app) replaced(is bool) string {
	if is {
		return a.ui.T(", remplacée", ", replaced")
	}
	return ""
}

// bases are their words, as the référentiel has them.
func (a *app) bases(ids []string) string {
	var out []string
	for _, b := range criteria.TheQualification().Bases {
		for _, id := range ids {
			if b.ID == id {
				out = append(out, strings.ToLower(b.Label.In(a.ui.Lang)))
			}
		}
	}
	return strings.Join(out, ", ")
}

func (a *app) printStanding(s jury.Standing) {
	list := func(ids []string) string {
		if len(ids) == 0 {
			return a.ui.T("aucune", "none")
		}
		return strings.Join(ids, ", ")
	}
	a.ui.Printf(a.ui.T("\nCapacités selon %s ; acquises : %s ; non acquises : %s ; sans décision : %s\n", "\nCapacities by %s; achieved: %s; not achieved: %s; undecided: %s\n"),
		plain(s.Assessor), list(s.Acquired), list(s.NotAcquired), list(s.Undecided))
	for _, l := range s.Without {
		a.ui.Printf(a.ui.T("  capacité %s : décidée sans : %s\n", "  capacity %s: decided without: %s\n"), l.Capacity, a.bases([]string{l.Basis}))
	}
}
