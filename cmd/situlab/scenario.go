package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/labnet/fault"
	"github.com/situlab/situlab/labnet/probe"
	"github.com/situlab/situlab/scenarios"
	"github.com/situlab/situlab/scenarios/documents"
)

func (a *app) scenarioCommand() *cobra.Command {
	c := group("scenario", "Les situations / the scenarios", a.scenarioList(), a.scenarioShow(), a.scenarioValidate(), a.scenarioSchema())
	c.AddCommand(asRoot(a.scenarioTest(), a.scenarioAudit())...)
	return c
}

// scenarioLine is what may be told of a scenario without naming a cause.
type scenarioLine struct {
	ID         string   `json:"id"`
	Title      string   `json:"title"`
	Capacity   []string `json:"capacity"`
	Difficulty int      `json:"difficulty"`
	Minutes    int      `json:"minutes"`
	Site       string   `json:"site"`
}

func (a *app) scenarioList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Titres, capacités, difficultés, durées / titles, capacities, difficulties, minutes", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var lines []scenarioLine
			for _, id := range scenarios.Library() {
				s, err := present(id)
				if err != nil {
					return err
				}
				lines = append(lines, scenarioLine{s.ID, s.Title.In(a.ui.Lang), s.Capacity, s.Difficulty, s.Minutes, s.Site})
			}
			return a.ui.Result(lines, func() {
				rows := [][]string{{"ID", a.ui.T("CAPACITÉ", "CAPACITY"), a.ui.T("DIFFICULTÉ", "DIFFICULTY"), "MINUTES", a.ui.T("TITRE", "TITLE")}}
				for _, l := range lines {
					rows = append(rows, []string{l.ID, strings.Join(l.Capacity, ","), strings.Repeat("★", l.Difficulty), fmt.Sprint(l.Minutes), l.Title})
				}
				a.ui.Table(rows)
			})
		},
	}
}

// present fills a scenario's texts as written, on its healthy twin: nothing of
// what is shown names a cause.
func present(ref string) (*scenarios.Scenario, error) {
	s, err := scenarios.LoadScenario(ref)
	if err != nil {
		return nil, err
	}
	site, err := scenarios.LoadSiteOf(s)
	if err != nil {
		return nil, err
	}
	v, err := scenarios.Draw(s, site, 0, scenarios.Healthy)
	if err != nil {
		return nil, err
	}
	return v.Scenario, nil
}

func (a *app) scenarioShow() *cobra.Command {
	return &cobra.Command{
		Use: "show SCENARIO", Short: "La situation telle que le candidat la reçoit / the situation as the candidate gets it", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := present(args[0])
			if err != nil {
				return err
			}
			line := scenarioLine{s.ID, s.Title.In(a.ui.Lang), s.Capacity, s.Difficulty, s.Minutes, s.Site}
			return a.ui.Result(line, func() {
				a.ui.Printf("%s\n\n%s\n", a.ui.Bold(line.Title), strings.TrimSpace(documents.Text(documents.Typeset(s.BriefText.In(a.ui.Lang), a.ui.Lang), documents.Narrow)))
				a.ui.Printf(a.ui.T("\nCapacité %s, difficulté %d/4, %d minutes, site %s\nJouer : situlab run %s\n", "\nCapacity %s, difficulty %d/4, %d minutes, site %s\nPlay: situlab run %s\n"),
					strings.Join(line.Capacity, ","), line.Difficulty, line.Minutes, line.Site, args[0])
			})
		},
	}
}

// validation is what "scenario validate" found, for programs.
type validation struct {
	Valid   bool      `json:"valid"`
	Checked []string  `json:"checked"`
	Errors  []mistake `json:"errors"`
}

// mistake is one of them; line and column count from 1, 0 is the whole file.
type mistake struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

// allOf makes one list of the mistakes of several scenarios.
func allOf(wrong []error) error {
	if len(wrong) < 2 {
		return errors.Join(wrong...)
	}
	var all scenarios.ErrorList
	for _, err := range wrong {
		all = append(all, asList(err)...)
	}
	return all
}

func (a *app) scenarioValidate() *cobra.Command {
	return &cobra.Command{
		Use: "validate SCENARIO...", Short: "Vérifier des scénarios et leurs sites / check scenarios and their sites", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			r := validation{Valid: true, Checked: []string{}, Errors: []mistake{}}
			var wrong []error
			for _, ref := range args {
				ref = strings.TrimSuffix(ref, "/")
				r.Checked = append(r.Checked, ref)
				err := validate(ref)
				switch {
				case err == nil:
					a.ui.Printf("%s: %s\n", ref, a.ui.T("correct", "valid"))
				case isInput(err):
					wrong = append(wrong, err)
					for _, e := range asList(err) {
						r.Errors = append(r.Errors, mistake{e.File, e.Line, e.Column, a.ui.Phrase(e.Msg)})
					}
				default:
					return err
				}
			}
			if r.Valid = len(wrong) == 0; a.ui.JSON {
				if err := a.ui.Result(r, nil); err != nil || r.Valid {
					return err
				}
				return &codeError{code: exitInput}
			}
			return allOf(wrong)
		},
	}
}

// validate checks a scenario with everything that it leads to: its site with the
// files of every node, every variant of one seed, its faults, probes and
// scripted candidates. A folder with a site alone is checked as one.
func validate(ref string) error {
	if st, err := os.Stat(filepath.Join(ref, "site.yaml")); err == nil && st.Mode().IsRegular() {
		if _, err := os.Stat(filepath.Join(ref, "scenario.yaml")); errors.Is(err, fs.ErrNotExist) {
			site, err := scenarios.LoadSite(ref)
			if err != nil {
				return err
			}
			return validateSite(site)
		}
	}
	s, err := scenarios.LoadScenario(ref)
	if err != nil {
		return err
	}
	site, err := scenarios.LoadSiteOf(s)
	if err != nil {
		return err
	}
	if err := validateSite(site); err != nil {
		return err
	}
	errs := undeclarablePoints(s)
	for i, spec := range append([]scenarios.VariantSpec{{ID: scenarios.Healthy}}, s.Variants...) {
		for seed := range uint64(4) { // a cause, a node or a line may depend on what the seed draws
			v, err := scenarios.Draw(s, site, seed, spec.ID)
			if err != nil {
				return err
			}
			errs = append(errs, unknownCauses(s, v, fmt.Sprintf("variants[%d]", i-1))...)
			errs = append(errs, unfitFaults(s, v, i-1)...)
		}
	}
	if _, err := scenarios.LoadExpect(s); err != nil {
		errs = append(errs, asList(err)...)
	}
	return orNil(errs)
}

// unfitFaults are mistakes in the faults of a variant, the one at index as
// written: parameters, and lines that the files of the node do not have.
func unfitFaults(s *scenarios.Scenario, v *scenarios.Variant, index int) (errs scenarios.ErrorList) {
	for i, f := range v.Faults {
		at := fmt.Sprintf("decoys[%d]", i)
		if i >= len(s.Decoys) {
			at = fmt.Sprintf("variants[%d].faults[%d]", index, i-len(s.Decoys))
		}
		fit := func() error {
			made, err := fault.Parse(f)
			if err != nil {
				return err
			}
			tree, err := scenarios.Tree(v.Site, f.Node)
			if err != nil {
				return err
			}
			return made.Fits(tree)
		}
		if err := fit(); err != nil {
			errs = append(errs, &scenarios.InputError{Position: s.At(at), Msg: at + ": " + err.Error()})
		}
	}
	return errs
}

// unknownCauses are causes of a variant that the candidate's form does not offer.
func unknownCauses(s *scenarios.Scenario, v *scenarios.Variant, at string) (errs scenarios.ErrorList) {
	if v.Spec == nil {
		return nil
	}
	var known []string
	for _, c := range criteria.Causes() {
		known = append(known, c.ID)
	}
	check := func(at, cause string) {
		if !slices.Contains(known, cause) {
			errs = append(errs, &scenarios.InputError{Position: s.At(at), Msg: fmt.Sprintf("%s: the form has no cause %q%s", at, cause, scenarios.Suggest(cause, known))})
		}
	}
	check(at+".cause", v.Spec.Cause)
	for i, c := range v.Spec.AlsoCauses {
		check(fmt.Sprintf("%s.alsoCauses[%d]", at, i), c)
	}
	return errs
}

// undeclarablePoints are sub-points that no rule and no question of the jury stands
// behind: the référentiel has none of that name, or it is an open slot.
func undeclarablePoints(s *scenarios.Scenario) (errs scenarios.ErrorList) {
	for list, points := range map[string][]string{"points": s.Points, "healthyPoints": s.HealthyPoints} {
		bad := criteria.Undeclarable(points)
		for i, p := range points {
			if slices.Contains(bad, p) {
				at := fmt.Sprintf("%s[%d]", list, i)
				errs = append(errs, &scenarios.InputError{Position: s.At(at), Msg: fmt.Sprintf("%s: the référentiel has no sub-point %q that a scenario can declare", at, p)})
			}
		}
	}
	return errs
}

// validateSite checks what is only seen when a site is expanded for a lab.
func validateSite(site *scenarios.Site) error {
	site, err := scenarios.Expand(site, 1)
	if err != nil {
		return err
	}
	var errs scenarios.ErrorList
	for i, p := range site.Probes {
		if err := probe.Validate(p); err != nil {
			at := fmt.Sprintf("probes[%d]", i)
			for line := range strings.SplitSeq(err.Error(), "\n") {
				errs = append(errs, &scenarios.InputError{Position: site.At(at), Msg: at + ": " + line})
			}
		}
	}
	for _, n := range site.Nodes {
		if _, err := scenarios.Tree(site, n.Name); err != nil {
			errs = append(errs, asList(err)...)
		}
	}
	return orNil(errs)
}

func asList(err error) scenarios.ErrorList {
	var list scenarios.ErrorList
	var one *scenarios.InputError
	switch {
	case errors.As(err, &list):
		return list
	case errors.As(err, &one):
		return scenarios.ErrorList{one}
	}
	return scenarios.ErrorList{{Msg: err.Error()}}
}

// orNil says each mistake once: a decoy stands in every variant, a file of a role
// on each of its nodes.
func orNil(errs scenarios.ErrorList) error {
	seen := map[string]bool{}
	errs = slices.DeleteFunc(errs, func(e *scenarios.InputError) bool {
		key := e.Position.String()
		if e.Line == 0 {
			_, what, _ := strings.Cut(e.Msg, ": ") // without the node
			key += what
		}
		again := seen[key]
		seen[key] = true
		return again
	})
	if len(errs) == 0 {
		return nil
	}
	return errs
}

func (a *app) scenarioSchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema [Scenario|Site|Expect|Tree]", Short: "JSON Schema pour les éditeurs / for editors", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			kind := "Scenario"
			if len(args) == 1 {
				kind = args[0]
			}
			b, err := scenarios.Schema(kind)
			if err != nil {
				return inputErrorf("%w", err)
			}
			_, err = os.Stdout.Write(append(b, '\n'))
			return err
		},
	}
}
