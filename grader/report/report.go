package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/jury"
)

// Input is what a report is made of.
type Input struct {
	Bundle  *evidence.Bundle
	Verdict *grader.Verdict
	// Jury are the sheets of the assessors, whose decisions are shown beside the
	// proposals. Leave it empty while one of them has not closed: nobody should
	// read another's decisions before.
	Jury []*jury.Sheet
	// Lang is the language shown first: "fr" (also for "") or "en".
	Lang string
	// Solution adds the cause, the chain of symptoms and the reference's
	// steps beside the candidate's own (training).
	Solution bool
}

//go:embed report.html.tmpl
var pageText string

//go:embed report.css
var css string

//go:embed player.js
var player string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"ui":      ui,
	"css":     func() template.CSS { return template.CSS("\n" + css) },
	"script":  func() template.JS { return template.JS(player) },
	"policy":  policy,
	"outcome": check.Outcome.Label,
	"sign":    outcomeSign,
}).Parse(pageText))

// policy is the Content-Security-Policy of the page.
func policy() string {
	sum := sha256.Sum256([]byte(player))
	return "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; script-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Write writes the page. It fails when the bundle cannot be graded at all or w
// cannot be written.
func Write(w io.Writer, in Input) error {
	if in.Bundle == nil || in.Verdict == nil {
		return errors.New("report: a bundle and a verdict are needed")
	}
	view, err := check.NewView(in.Bundle.Records)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := page.Execute(w, build(in, view)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
