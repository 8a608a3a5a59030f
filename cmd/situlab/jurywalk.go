package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/jury"
)

// juryWalk goes through the criteria with somebody at a terminal. What was
// decided is written and signed at the end of each criterion, and when the walk
// is broken off.
func (a *app) juryWalk(ctx context.Context, path string, as assessor) error {
	d, err := a.docket(path)
	if err != nil {
		return err
	}
	own, err := d.own(as.name)
	if err != nil {
		return err
	}
	if own != nil && own.Closed {
		return a.juryShow(path, as.name, false)
	}
	view, err := d.view(as.name, false)
	if err != nil {
		return err
	}
	w := &walk{app: a, verdict: d.verdict, sheet: own, lines: typed(os.Stdin)}
	for _, c := range view.Capacities {
		if c.Proposal == "" {
			continue // decided by hand: jury decide
		}
		a.ui.Printf("\n%s\n", a.ui.Bold(fmt.Sprintf(a.ui.T("Capacité %s : %s", "Capacity %s: %s"), c.ID, c.Label.In(a.ui.Lang))))
		for _, k := range c.Criteria {
			if k.Proposal == check.NotConcerned {
				continue
			}
			asked := w.criterion(ctx, k)
			if len(w.decided) > 0 {
				s, err := a.juryWrite(context.WithoutCancel(ctx), path, as, func(*grader.Verdict, *jury.Sheet) ([]evidence.Payload, error) { return w.decided, nil })
				if err != nil {
					return err
				}
				a.ui.Printf(a.ui.T("critère %s : noté et signé (décisions : %d, enregistrement %d)\n", "criterion %s: recorded and signed (decisions: %d, record %d)\n"), k.ID, len(w.decided), s.Records)
				w.decided, w.sheet = nil, s.Sheet
			}
			if errors.Is(asked, io.EOF) {
				return nil
			}
			if asked != nil {
				return asked
			}
		}
	}
	a.ui.Printf(a.ui.T("fini ; situlab jury close %s --as %q clôt vos décisions\n", "done; situlab jury close %s --as %q closes your decisions\n"), path, as.name)
	return nil
}

// walk is one walk through the criteria.
type walk struct {
	app     *app
	verdict *grader.Verdict
	sheet   *jury.Sheet
	lines   <-chan string
	decided []evidence.Payload
}

// typed gives the lines of a reader, so that waiting for one can be interrupted.
func typed(r io.Reader) <-chan string {
	lines := make(chan string)
	go func() { // ends with the process: a terminal cannot be left waiting otherwise
		defer close(lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}

func (w *walk) ask(ctx context.Context, prompt string) (string, error) {
	w.app.ui.Printf("%s ", prompt)
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case line, ok := <-w.lines:
		if !ok {
			return "", io.EOF
		}
		return strings.TrimSpace(line), nil
	}
}

// criterion shows a criterion and asks for each of its points.
func (w *walk) criterion(ctx context.Context, k juryCriterion) error {
	ui := w.app.ui
	ui.Printf("\n%s %s\n%s\n", ui.Bold(k.ID), k.Label.In(ui.Lang), k.Proposal.Label().In(ui.Lang))
	for _, p := range k.Points {
		if p.Outcome == check.NotConcerned {
			continue
		}
		w.app.printJuryPoint(p)
		if err := w.point(ctx, p.ID); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) point(ctx context.Context, id string) error {
	ui := w.app.ui
	for {
		answer, err := w.ask(ctx, ui.T("      a = acquis, n = non acquis, Entrée = passer :", "      a = achieved, n = not achieved, Enter = skip:"))
		if err != nil || answer == "" {
			return err
		}
		outcome, ok := map[string]string{"a": jury.Acquired, "n": jury.NotAcquired}[strings.ToLower(answer)]
		if !ok {
			continue
		}
		motive, err := w.ask(ctx, ui.T("      motif :", "      motive:"))
		if err != nil {
			return err
		}
		p, err := jury.Decide(w.verdict, w.sheet, id, outcome, motive)
		if err == nil {
			w.decided = append(w.decided, p)
			return nil
		}
		ui.Printf("      %s\n", ui.Text(err))
	}
}
