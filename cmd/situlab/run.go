package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/cmd/internal/control"
	"github.com/situlab/situlab/cmd/internal/session"
	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/labnet/watch/term"
)

// pseudonym is what --as accepts: it appears in file names and reports.
var pseudonym = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,63}$`)

func (a *app) runCommand() *cobra.Command {
	var o session.Options
	var seed, script, runtime string
	c := &cobra.Command{
		Use: "run SCENARIO", Short: "Jouer une épreuve / play a session", Args: cobra.ExactArgs(1),
		Long: `Monte le site du scénario, y provoque la situation, ouvre le terminal du
candidat, puis vérifie, note et écrit le rapport. / Starts the scenario's site,
breaks it, opens the candidate's terminal, then examines, grades and reports.

Codes : 0 aucun point décidé n'est non acquis ; 1 un point l'est ; 2 mauvaise
entrée ; 3 la machine ne peut pas ; 4 environnement invalide ; 130 interrompu.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Scenario, o.Lang, o.Tool = args[0], a.ui.Lang, toolVersion()
			if seed != "" {
				n, err := strconv.ParseUint(seed, 10, 64)
				if err != nil {
					return inputErrorf("--seed %q: not a number from 0 to 2^64-1", seed)
				}
				o.Seed = &n
			}
			switch {
			case runtime != "native":
				return inputErrorf("--runtime %q: this version has native only", runtime)
			case o.Factor <= 0 || o.Factor > 10:
				return inputErrorf("--time-factor %v: give a number above 0, at most 10", o.Factor)
			case o.Exam && o.Factor < 1:
				return inputErrorf("--time-factor %v: an examination is never shortened; 1 or more", o.Factor)
			case !pseudonym.MatchString(o.Candidate):
				return inputErrorf("--as %q: use letters, digits, spaces and ._-", o.Candidate)
			}
			if script != "" {
				b, err := os.ReadFile(script)
				if err != nil {
					return inputErrorf("--script: %w", err)
				}
				o.Script = b
			}
			if o.Out != "" {
				abs, err := filepath.Abs(o.Out)
				if err != nil {
					return inputErrorf("--out: %w", err)
				}
				o.Out = abs
			}
			// A lost terminal leaves the session running for "attach".
			signal.Ignore(syscall.SIGHUP)
			res, err := session.Run(cmd.Context(), o, a.ui)
			return a.sessionDone(res, err)
		},
	}
	f := c.Flags()
	f.StringVar(&seed, "seed", "", "seed of the drawing (default: drawn, shown at the end)")
	f.StringVar(&o.Variant, "variant", "", "fix the cause (trainers and tests); healthy is the twin")
	f.BoolVar(&o.Exam, "exam", false, "an examination instead of training")
	f.StringVar(&o.Candidate, "as", "candidat", "the candidate's pseudonym")
	f.StringVar(&script, "script", "", "play this file as a scripted candidate")
	f.Float64Var(&o.Factor, "time-factor", 1, "multiplies every duration of the scenario")
	f.StringVar(&runtime, "runtime", "native", "native")
	f.StringVar(&o.Out, "out", "", "folder of bundle, verdict and report (default: $SITULAB_HOME/sessions/ID)")
	f.BoolVar(&o.BootDelay, "boot-delay", false, "a reboot costs what it costs in life, in training too")
	return c
}

// sessionDone prints the outcome and chooses the exit code.
func (a *app) sessionDone(res *session.Result, err error) error {
	var env *session.EnvironmentError
	isEnv := errors.As(err, &env)
	if res == nil || (err != nil && !isEnv) {
		return err
	}
	if res.Interrupted && !res.Entered {
		a.ui.Warn("%s", a.ui.T("interrompu avant que l'épreuve commence : rien à évaluer", "interrupted before the session began: nothing to assess"))
		return &codeError{code: exitInterrupted}
	}
	if res.Grade != nil {
		if perr := a.printVerdict(res.Grade, res); perr != nil {
			return perr
		}
	}
	switch {
	case res.Interrupted:
		return &codeError{code: exitInterrupted}
	case isEnv:
		return &codeError{exitEnvironment, err}
	case res.Grade != nil && res.Grade.ExitCode() != 0:
		return &codeError{code: res.Grade.ExitCode()}
	}
	return nil
}

// printVerdict shows the outcomes on standard output.
func (a *app) printVerdict(v *grader.Verdict, res *session.Result) error {
	b, err := v.JSON()
	if err != nil {
		return err
	}
	if a.ui.JSON {
		out := struct {
			*session.Result
			Verdict json.RawMessage `json:"result"`
		}{res, b}
		return a.ui.Result(out, nil)
	}
	a.printOutcomes(v)
	if res != nil {
		a.ui.Printf(a.ui.T("\nGraine %d, variante %s\nDossier de preuve : %s\nVerdict : %s\nRapport : %s\nTête du journal : %s\n", "\nSeed %d, variant %s\nBundle: %s\nVerdict: %s\nReport: %s\nHead of the journal: %s\n"),
			res.Seed, res.Variant, res.Bundle, res.Verdict, res.Report, v.JournalHead)
	}
	return nil
}

// printOutcomes lists criteria and points with their sentences.
// printOutcomes shows a verdict to people: proposals with their sentence, what the
// jury may ask, and what it must know besides.
func (a *app) printOutcomes(v *grader.Verdict) {
	word := func(o check.Outcome) string {
		label := o.Label().In(a.ui.Lang)
		switch o {
		case check.Acquired:
			return a.ui.Good(label)
		case check.NotAcquired:
			return a.ui.Bad(label)
		}
		return label
	}
	for _, c := range v.Capacities {
		a.ui.Printf("%s %s\n", a.ui.Bold(fmt.Sprintf(a.ui.T("Capacité %s :", "Capacity %s:"), c.ID)), word(c.Outcome))
		for _, k := range c.Criteria {
			a.ui.Printf(a.ui.T("  %s : %s\n", "  %s: %s\n"), k.ID, word(k.Outcome))
			for _, p := range k.Points {
				if p.Outcome == check.NotConcerned {
					continue
				}
				a.ui.Printf("    %-9s %s\n              %s\n", p.ID, word(p.Outcome), p.Sentence.In(a.ui.Lang))
				if q := p.Question; q != nil {
					a.ui.Printf("              → %s\n", q.In(a.ui.Lang))
				}
			}
		}
	}
	for _, f := range v.Flags {
		a.ui.Printf("%s %s\n", a.ui.Bold(a.ui.T("À savoir :", "To be known:")), f.Sentence.In(a.ui.Lang))
	}
}

func (a *app) attachCommand() *cobra.Command {
	var again bool
	c := &cobra.Command{
		Use: "attach [SESSION]", Short: "Un autre terminal enregistré / a further recorded terminal", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := session.Find(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			var t session.Terminal
			if err := control.Call(cmd.Context(), info.Lab, "Attach", &again, &t); err != nil {
				return err
			}
			a.ui.Step(a.ui.T("terminal %s de l'épreuve %s ; Ctrl-] le quitte sans le fermer", "terminal %s of session %s; Ctrl-] leaves it without closing it"), t.ID, info.Session)
			_, err = term.Attach(cmd.Context(), t.Socket, os.Stdin, os.Stdout, term.AttachOptions{})
			if errors.Is(err, term.ErrDetached) {
				return nil
			}
			return err
		},
	}
	c.Flags().BoolVar(&again, "first", false, "join the first terminal instead of opening a new one")
	return c
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (a *app) pauseCommand() *cobra.Command {
	return a.sessionCall("pause", "Pause", "Suspendre une épreuve / pause a session")
}

func (a *app) resumeCommand() *cobra.Command {
	c := a.sessionCall("resume", "Resume", "Reprendre une épreuve / resume a session")
	c.Long = `Met fin à une pause ; ou reprend une épreuve dont le contrôleur est mort, avec
ses machines et ses terminaux, et la mène à son terme comme run. Le candidat ne
perd ni temps ni travail. / Ends a pause; or takes over a session whose controller
has died, with its machines and terminals, and plays it to its end as run does.`
	goOn := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		id := first(args)
		orphans := session.Orphans()
		if id == "" && len(orphans) == 1 {
			if _, err := session.Find(cmd.Context(), ""); err != nil { // none runs
				id = slices.Collect(maps.Keys(orphans))[0]
			}
		}
		dir := orphans[id]
		if dir == "" {
			return goOn(cmd, args)
		}
		signal.Ignore(syscall.SIGHUP)
		res, err := session.Resume(cmd.Context(), dir, toolVersion(), a.ui)
		return a.sessionDone(res, err)
	}
	return c
}

func (a *app) sessionCall(use, method, short string) *cobra.Command {
	return &cobra.Command{
		Use: use + " [SESSION]", Short: short, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := session.Find(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			var now session.Info
			if err := control.Call(cmd.Context(), info.Lab, method, &control.None{}, &now); err != nil {
				return err
			}
			if now.Paused == nil {
				now.Paused = []string{} // none, in JSON
			}
			return a.ui.Result(now, func() {
				if len(now.Paused) == 0 {
					a.ui.Step(a.ui.T("l'épreuve %s reprend ; temps restant : %s", "session %s goes on; time left: %s"), now.Session, now.Left)
				} else {
					a.ui.Step(a.ui.T("épreuve %s suspendue (%s) ; temps restant : %s", "session %s paused (%s); time left: %s"), now.Session, strings.Join(now.Paused, ", "), now.Left)
				}
			})
		},
	}
}
