package main

import (
	"bytes"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/report"
)

func (a *app) verifyCommand() *cobra.Command {
	var checkpoint, head string
	var record uint64
	c := &cobra.Command{
		Use: "verify BUNDLE", Short: "Vérifier un dossier de preuve / verify a bundle", Args: cobra.ExactArgs(1),
		Long: `Vérifie, sans réseau et sans se fier à la machine, chaque enregistrement, la
chaîne, les signatures et les fichiers d'un dossier. La tête imprimée sur le
rapport (--head) ou un point de contrôle gardé ailleurs (--checkpoint) prouve
que rien n'a été réécrit depuis ; sans eux la fin n'est pas attestée. / Checks
every record, the chain, the signatures and the files of a bundle, offline. Only
with a head or a checkpoint that was kept elsewhere is the end witnessed.

Codes : 0 intact ; 1 abîmé ou modifié / damaged ; 2 ce n'est pas un dossier.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			w := evidence.Witness{Head: head}
			if checkpoint != "" {
				b, err := os.ReadFile(checkpoint)
				if err != nil {
					return inputErrorf("--checkpoint: %w", err)
				}
				w.Checkpoint = b
			}
			v, err := a.verify(args[0], w)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("record") {
				return a.prove(v, record)
			}
			if err := a.ui.Result(v, func() { a.printVerification(v) }); err != nil {
				return err
			}
			if !v.OK() {
				return &codeError{code: exitNotSo}
			}
			return nil
		},
	}
	c.Flags().StringVar(&checkpoint, "checkpoint", "", "a signed checkpoint that was kept elsewhere (file)")
	c.Flags().StringVar(&head, "head", "", "the head as printed on the report (sha256:...)")
	c.Flags().Uint64Var(&record, "record", 0, "print a proof of this one record (C2SP tlog-proof)")
	return c
}

// verify verifies a bundle; verdict and report, which the journal cannot seal,
// are compared with what this tool makes of the evidence if it is the one that
// made them.
func (a *app) verify(path string, w evidence.Witness) (*evidence.Verification, error) {
	v, err := evidence.VerifyFile(path, w)
	if err != nil {
		return nil, inputErrorf("%w", err)
	}
	if !v.OK() || v.Tool != toolVersion() {
		return v, nil
	}
	b := v.Bundle()
	g, err := grader.Grade(b.Records)
	if err != nil {
		return v, nil // there is nothing to compare with
	}
	verdict, err := g.JSON()
	if err != nil {
		return nil, err
	}
	v.Remade(evidence.VerdictName, verdict)
	start, _ := evidence.As[evidence.SessionStart](b.Records[0])
	var page bytes.Buffer
	if err := report.Write(&page, report.Input{Bundle: b, Verdict: g, Lang: start.Lang}); err != nil {
		return nil, err
	}
	v.Remade(evidence.ReportName, page.Bytes())
	return v, nil
}

func (a *app) prove(v *evidence.Verification, record uint64) error {
	for _, d := range v.Damage { // the record may be sound all the same
		a.ui.Warn("%s", d.Text.In(a.ui.Lang))
	}
	proof, err := v.Prove(record)
	if err != nil {
		return inputErrorf("--record: %w", err)
	}
	r := struct {
		Record uint64 `json:"record"`
		Key    string `json:"key"`
		Proof  string `json:"proof"`
	}{record, v.Key, proof}
	return a.ui.Result(r, func() { a.ui.Printf("%s", proof) })
}

func (a *app) printVerification(v *evidence.Verification) {
	if v.OK() {
		a.ui.Printf("%s\n", a.ui.Good(a.ui.T("intact : rien n'a changé depuis que l'épreuve l'a signé", "intact: nothing has changed since the session signed it")))
	} else {
		a.printDamage(v)
	}
	a.ui.Printf(a.ui.T("épreuve %s ; %d enregistrements, segments : %d, points de contrôle : %d, fichiers scellés : %d\ntête %s\nclé  %s\n",
		"session %s; %d records, segments: %d, checkpoints: %d, sealed files: %d\nhead %s\nkey  %s\n"),
		v.Session, v.Records, v.Segments, v.Checkpoints, v.Files, v.Head, v.Key)
	if v.Recoveries > 0 {
		a.ui.Printf(a.ui.T("reprises après coupure : %d (les octets coupés sont gardés)\n", "recoveries after a crash: %d (the bytes cut off are kept)\n"), v.Recoveries)
	}
	if v.Lost > 0 {
		a.ui.Printf(a.ui.T("événements perdus par les enregistreurs, et dits : %d\n", "events lost by the recorders, and told: %d\n"), v.Lost)
	}
	for _, s := range v.Jury {
		a.printSitting(s)
	}
	switch {
	case v.End:
		a.ui.Printf("%s\n", a.ui.T("fin attestée", "end witnessed"))
	case v.Witnessed > 0:
		a.ui.Printf(a.ui.T("fin non attestée : le témoin s'arrête à l'enregistrement %d\n", "end not witnessed: the witness stops at record %d\n"), v.Witnessed)
	default:
		a.ui.Printf("%s\n", a.ui.T("fin non attestée : comparer la tête avec celle du rapport imprimé (--head)", "end not witnessed: compare the head with the one on the printed report (--head)"))
	}
}

// printSitting tells of an assessor's decisions in a bundle.
func (a *app) printSitting(s *evidence.Sitting) {
	state := a.ui.T("en cours", "open")
	if s.Closed {
		state = a.ui.T("closes", "closed")
	}
	if s.Witnessed > 0 && s.Witnessed == s.Records {
		state += a.ui.T(", fin attestée", ", end witnessed")
	}
	a.ui.Printf(a.ui.T("décisions prises par %s (%s) ; enregistrements : %d, tête %s\n", "decisions by %s (%s); records: %d, head %s\n"), plain(s.Assessor), state, s.Records, s.Head)
}

// printDamage lists the damage where results go; with --json it is in the result.
func (a *app) printDamage(v *evidence.Verification) {
	for _, d := range v.Damage {
		text := d.Text.In(a.ui.Lang)
		if d.Detail != "" {
			text += " (" + a.ui.Phrase(d.Detail) + ")"
		}
		a.ui.Printf("%s %s\n", a.ui.Bad(a.ui.T("abîmé :", "damaged:")), text)
	}
}

// damaged refuses a bundle that is not as it was sealed.
func (a *app) damaged(path string, v *evidence.Verification) error {
	var errs []error
	for _, d := range v.Damage {
		errs = append(errs, errors.New(d.Text.In(a.ui.Lang)))
	}
	return &codeError{exitNotSo, &evidence.BundleError{Path: path, Err: errors.Join(errs...)}}
}
