// Command situlab provisions a company's information system, breaks it, watches
// a candidate work on it and grades the result against the référentiel.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/cmd/internal/keeper"
	"github.com/situlab/situlab/cmd/internal/session"
	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/images"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/cable"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node/oci"
)

// The exit codes, the same for every command (README, "Codes de sortie").
const (
	exitDone        = 0
	exitNotSo       = 1
	exitInput       = 2
	exitHost        = 3
	exitEnvironment = 4
	exitInterrupted = 130
)

// codeError ends the process with a code of its own.
type codeError struct {
	code int
	err  error // nil: everything has been said
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}
func (e *codeError) Unwrap() error { return e.err }

// app is what the commands share.
type app struct {
	json bool
	lang string
	ui   *ui.UI
}

func main() {
	if helper(os.Args) {
		return
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if a.ui == nil {
		// Refused before its flags were read: the language is among them.
		for i, arg := range args {
			if lang, ok := strings.CutPrefix(arg, "--lang="); ok {
				a.lang = lang
			} else if arg == "--lang" && i+1 < len(args) {
				a.lang = args[i+1]
			}
		}
		a.ui = ui.New(a.json, a.lang)
	}
	code := exitCode(ctx, err)
	var hinted *host.Error
	if full(err) && !errors.As(err, &hinted) {
		err = host.Errorf("free some space, or choose another place", "%w", err)
	}
	var ce *codeError
	if err != nil && (!errors.As(err, &ce) || ce.err != nil) {
		a.ui.Error(err)
	}
	return code
}

// exitCode maps an error to the process's exit code.
func exitCode(ctx context.Context, err error) int {
	var ce *codeError
	var kept *keeper.StartError
	switch {
	case err == nil:
		return exitDone
	case full(err):
		return exitHost // whatever was being written
	case errors.As(err, &ce):
		return ce.code
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &kept):
		return kept.Code
	case isInput(err):
		return exitInput
	}
	var env *session.EnvironmentError
	if errors.As(err, &env) {
		return exitEnvironment
	}
	return exitHost
}

// full says whether a disk of the host is.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// isInput says whether an error is about what the user gave.
func isInput(err error) bool {
	var (
		marked interface{ InputError() }
		inUse  *labnet.InUseError
		name   *labnet.NameError
		image  *images.InputError
		none   *images.NoImageError
		spec   *oci.SpecError
		cables *cable.InputError
	)
	return errors.As(err, &marked) || errors.As(err, &inUse) || errors.As(err, &name) || errors.As(err, &image) || errors.As(err, &none) ||
		errors.As(err, &spec) || errors.As(err, &cables) || errors.Is(err, labnet.ErrNoNode) || usage(err)
}

// usage says whether cobra refused the command line's words; those of its flags
// are marked where they are read.
func usage(err error) bool {
	for _, p := range []string{"unknown command", "accepts ", "requires ", "required flag", "invalid argument"} {
		if strings.HasPrefix(err.Error(), p) {
			return true
		}
	}
	return false
}

// inputErrorf is an error of what the user typed (exit code 2).
func inputErrorf(format string, args ...any) error {
	return &codeError{exitInput, fmt.Errorf(format, args...)}
}

// rootOnly marks the commands that touch labs: without root they would fail
// somewhere in the middle, or find nothing and say so.
const rootOnly = "root"

func asRoot(commands ...*cobra.Command) []*cobra.Command {
	for _, c := range commands {
		c.Annotations = map[string]string{rootOnly: "yes"}
	}
	return commands
}

// group is a command that only holds others: alone it shows them, and a word
// that is none of them is a mistake.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(commands...)
	return c
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "situlab",
		Short: "Situations professionnelles reconstituées pour le CQPM / reconstituted work situations",
		Long: `situlab monte le système d'information d'une entreprise (plus de 50 postes),
y provoque une panne, observe ce que fait le candidat et propose un résultat
par critère du référentiel. / situlab builds a company's information system,
breaks it, watches the candidate and proposes a result per criterion.`,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.ui = ui.New(a.json, a.lang)
			if a.lang != "" && a.lang != "fr" && a.lang != "en" {
				return inputErrorf("--lang %q: fr or en", a.lang)
			}
			if cmd.Annotations[rootOnly] != "" && os.Geteuid() != 0 {
				return host.Errorf("sudo "+cmd.CommandPath()+" ...", "%s needs the rights of root", cmd.CommandPath())
			}
			return nil
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &codeError{exitInput, err} })
	root.PersistentFlags().BoolVar(&a.json, "json", false, "one JSON document on standard output (lines of JSON for streams)")
	root.PersistentFlags().StringVar(&a.lang, "lang", "", "fr or en (default: LANG, then French)")
	root.AddCommand(a.versionCommand(), a.doctorCommand(), a.imageCommand(), a.siteCommand(), a.labCommand(), a.scenarioCommand(),
		a.faultCommand(), a.gradeCommand(), a.reportCommand(), a.verifyCommand(), a.juryCommand(), a.bundleCommand())
	root.AddCommand(asRoot(a.gcCommand(), a.runCommand(), a.attachCommand(), a.pauseCommand(), a.resumeCommand())...)
	return root
}
