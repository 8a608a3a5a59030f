package main

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/jury"
	"github.com/situlab/situlab/grader/report"
)

func (a *app) gradeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "grade BUNDLE", Short: "Noter un dossier de preuve / grade a bundle", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, v, err := gradeBundle(args[0])
			if err != nil {
				return err
			}
			b, err := v.JSON()
			if err != nil {
				return err
			}
			if a.ui.JSON {
				_, err = os.Stdout.Write(b)
			} else {
				a.printOutcomes(v)
			}
			if err == nil && v.ExitCode() != 0 {
				err = &codeError{code: v.ExitCode()}
			}
			return err
		},
	}
}

func gradeBundle(path string) (*evidence.Bundle, *grader.Verdict, error) {
	b, err := evidence.OpenBundle(path)
	if err != nil {
		var be *evidence.BundleError
		if errors.As(err, &be) || errors.Is(err, os.ErrNotExist) {
			return nil, nil, inputErrorf("%w", err)
		}
		return nil, nil, err
	}
	v, err := grader.Grade(b.Records)
	if err != nil {
		return nil, nil, inputErrorf("%s: %w", path, err)
	}
	return b, v, nil
}

func (a *app) reportCommand() *cobra.Command {
	var solution bool
	var out string
	c := &cobra.Command{
		Use: "report BUNDLE", Short: "Écrire le rapport d'un dossier / write a bundle's report", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			b, v, err := gradeBundle(args[0])
			if err != nil {
				return err
			}
			if solution && examination(b) {
				return inputErrorf("--solution: only for training; %s is an examination", args[0])
			}
			sheets, err := a.decided(args[0], b)
			if err != nil {
				return err
			}
			var page bytes.Buffer
			if err := report.Write(&page, report.Input{Bundle: b, Verdict: v, Jury: sheets, Lang: a.ui.Lang, Solution: solution}); err != nil {
				return err
			}
			if out == "" {
				out = strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0])) + ".html"
			}
			err = replaceFile(out, func(w io.Writer) error {
				_, err := w.Write(page.Bytes())
				return err
			})
			if err != nil {
				return err
			}
			r := struct {
				Bundle string `json:"bundle"`
				Report string `json:"report"`
			}{args[0], out}
			return a.ui.Result(r, func() { a.ui.Printf("%s\n", out) })
		},
	}
	c.Flags().BoolVar(&solution, "solution", false, "add cause, symptoms and the reference's steps (training only)")
	c.Flags().StringVarP(&out, "out", "o", "", "file to write (default: the bundle's name with .html)")
	return c
}

// decided are the sheets that a report shows: all, once all are closed.
func (a *app) decided(path string, b *evidence.Bundle) ([]*jury.Sheet, error) {
	if !slices.ContainsFunc(slices.Collect(maps.Keys(b.Files)), func(name string) bool { return strings.HasPrefix(name, evidence.JuryDir) }) {
		return nil, nil
	}
	d, err := a.docket(path)
	if err != nil {
		return nil, err
	}
	for _, s := range d.sheets {
		if !s.Closed {
			a.ui.Warn(a.ui.T("décisions non montrées : %s n'a pas clos les siennes", "decisions not shown: %s has not closed"), plain(s.Assessor))
			return nil, nil
		}
	}
	return d.sheets, nil
}

func examination(b *evidence.Bundle) bool {
	for _, r := range b.Records {
		if p, ok := evidence.As[evidence.SessionStart](r); ok {
			return p.Mode == "exam"
		}
	}
	return false
}
