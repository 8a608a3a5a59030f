package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/situlab/situlab/cmd/internal/sitting"
	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/jury"
	"github.com/situlab/situlab/labnet/host"
)

func (a *app) juryCommand() *cobra.Command {
	var as assessor
	var all bool
	c := &cobra.Command{
		Use: "jury BUNDLE", Short: "Décider sur un dossier, critère par critère / decide on a bundle, criterion by criterion", Args: cobra.MaximumNArgs(1),
		Long: `Montre, critère par critère, ce que l'outil propose, sur quelles preuves, et
quelle question poser ; avec --as NOM et un terminal, demande une décision pour
chaque point. Sans terminal : jury decide, opinion, interview, close. / Shows
criterion by criterion what the tool proposes, on which evidence, and what to ask;
with --as NAME and a terminal it asks for a decision on each point.

Chaque évaluateur a dans le dossier son propre journal, signé. Une décision qui
s'écarte de la proposition demande un motif ; la proposition reste visible, et
une décision remplacée aussi. Les décisions d'un autre ne se montrent qu'après
jury close (ou avec --all). La clé de signature reste sur cette machine jusqu'à
la clôture : sans elle, rien ne s'ajoute plus sous ce nom. Le nom est celui que
l'on tape : il ne distingue pas des personnes qui partagent un compte. / Each
assessor has a signed journal in the bundle. A decision that is not what was
proposed needs a motive; proposals and replaced decisions stay visible. Others'
decisions show only after jury close (or with --all). The signing key stays on
this host until the close: without it nothing is added by that name. The name is
what was typed: it does not tell apart people who share an account.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			if as.name == "" || a.ui.JSON || !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
				return a.juryShow(args[0], as.name, all)
			}
			return a.juryWalk(cmd.Context(), args[0], as)
		},
	}
	as.flags(c, "")
	c.Flags().BoolVar(&all, "all", false, "show everybody's decisions, closed or not")
	c.AddCommand(a.juryShowCommand(), a.juryDecideCommand(), a.juryOpinionCommand(), a.juryInterviewCommand(), a.juryCloseCommand(), a.juryMergeCommand(), a.juryAgreementCommand())
	return c
}

// assessor is who decides, as typed.
type assessor struct{ name, function string }

func (as *assessor) flags(c *cobra.Command, function string) {
	c.Flags().StringVar(&as.name, "as", "", "name of the assessor")
	c.Flags().StringVar(&as.function, "function", function, "function of the assessor, at the first decision")
}

func (a *app) juryShowCommand() *cobra.Command {
	var as string
	var all bool
	c := &cobra.Command{
		Use: "show BUNDLE", Short: "Propositions, preuves, questions, décisions / proposals, evidence, questions, decisions", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.juryShow(args[0], as, all) },
	}
	c.Flags().StringVar(&as, "as", "", "show this assessor's decisions (and the others', once closed)")
	c.Flags().BoolVar(&all, "all", false, "show everybody's decisions, closed or not")
	return c
}

func (a *app) juryDecideCommand() *cobra.Command {
	var as assessor
	var motive string
	c := &cobra.Command{
		Use: "decide BUNDLE POINT|CRITERION|CAPACITY acquis|non_acquis", Short: "Décider un point, un critère ou une capacité / decide a point, a criterion or a capacity",
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.juryAdd(cmd.Context(), args[0], as, func(v *grader.Verdict, s *jury.Sheet) (evidence.Payload, error) {
				return jury.Decide(v, s, args[1], args[2], motive)
			})
		},
	}
	as.flags(c, "")
	c.Flags().StringVar(&motive, "motive", "", "why; needed when the decision is not what was proposed")
	return c
}

func (a *app) juryOpinionCommand() *cobra.Command {
	var as assessor
	var capacity, by, text string
	var favourable, unfavourable bool
	c := &cobra.Command{
		Use: "opinion BUNDLE", Short: "Noter l'avis de l'entreprise / record the company's opinion", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if favourable == unfavourable {
				return inputErrorf("one of --favourable and --unfavourable is needed")
			}
			return a.juryAdd(cmd.Context(), args[0], as, func(*grader.Verdict, *jury.Sheet) (evidence.Payload, error) {
				return jury.Opine(capacity, by, favourable, text)
			})
		},
	}
	as.flags(c, "")
	c.Flags().StringVar(&capacity, "capacity", "", "number of the capacity")
	c.Flags().StringVar(&by, "by", "", "who gave it (tutor, manager)")
	c.Flags().StringVar(&text, "text", "", "the opinion")
	c.Flags().BoolVar(&favourable, "favourable", false, "the opinion is favourable")
	c.Flags().BoolVar(&unfavourable, "unfavourable", false, "it is not")
	return c
}

func (a *app) juryInterviewCommand() *cobra.Command {
	var as assessor
	var capacity, text string
	c := &cobra.Command{
		Use: "interview BUNDLE", Short: "Noter l'entretien avec le candidat / record the interview with the candidate", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.juryAdd(cmd.Context(), args[0], as, func(*grader.Verdict, *jury.Sheet) (evidence.Payload, error) { return jury.Note(capacity, text) })
		},
	}
	as.flags(c, "")
	c.Flags().StringVar(&capacity, "capacity", "", "number of the capacity")
	c.Flags().StringVar(&text, "text", "", "what the interview has shown")
	return c
}

func (a *app) juryCloseCommand() *cobra.Command {
	var as assessor
	c := &cobra.Command{
		Use: "close BUNDLE", Short: "Clore ses décisions / close one's decisions", Args: cobra.ExactArgs(1),
		Long: `Clore ses décisions : rien ne s'y ajoute plus, la clé est détruite, celles des
autres se montrent. La tête affichée, portée au procès-verbal, prouve plus tard
(verify --head) qu'elles n'ont été ni changées ni retirées. / Closes one's
decisions: nothing is added any more, the key is destroyed, the others' show. The
head that is printed proves later (verify --head) that they were neither changed
nor taken away.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.juryAdd(cmd.Context(), args[0], as, func(_ *grader.Verdict, s *jury.Sheet) (evidence.Payload, error) {
				if s == nil {
					return nil, inputErrorf("%q has decided nothing yet: there is nothing to close", as.name)
				}
				return &evidence.DecisionEnd{}, nil
			})
		},
	}
	as.flags(c, "")
	return c
}

// docket is a bundle before the jury.
type docket struct {
	v       *evidence.Verification
	verdict *grader.Verdict
	sum     string // SHA-256 of the verdict's JSON
	sheets  []*jury.Sheet
}

// docket opens a bundle for the jury. One that does not verify is refused. The
// proposals are those that this tool makes of the evidence: a verdict.json of
// another version is not sealed, and could say anything.
func (a *app) docket(path string) (*docket, error) {
	v, err := a.verify(path, evidence.Witness{})
	if err != nil {
		return nil, err
	}
	if v.OK() {
		if v, err = sitting.Known(host.Home(), v); err != nil {
			return nil, err
		}
	}
	if !v.OK() {
		return nil, a.damaged(path, v)
	}
	d := &docket{v: v}
	if d.verdict, err = grader.Grade(v.Bundle().Records); err != nil {
		return nil, inputErrorf("%s: %w", path, err)
	}
	text, err := d.verdict.JSON()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	d.sum = hex.EncodeToString(sum[:])
	for _, s := range v.Jury {
		d.sheets = append(d.sheets, jury.Read(s))
	}
	return d, nil
}

// own is an assessor's sheet, nil if there is none yet.
func (d *docket) own(name string) (*jury.Sheet, error) {
	s, err := sitting.Find(d.v, name)
	if s == nil || err != nil {
		return nil, err
	}
	return jury.Read(s), nil
}

// juryDone is what a command has added.
type juryDone struct {
	Bundle   string `json:"bundle"`
	Session  string `json:"session"`
	Assessor string `json:"assessor"`
	// Record is the number of the last record, Head its hash: what a witness keeps.
	Record uint64 `json:"record"`
	Head   string `json:"head"`
	Closed bool   `json:"closed"`
}

// juryAdd adds the record that one command makes.
func (a *app) juryAdd(ctx context.Context, path string, as assessor, what func(*grader.Verdict, *jury.Sheet) (evidence.Payload, error)) error {
	s, err := a.juryWrite(ctx, path, as, func(v *grader.Verdict, s *jury.Sheet) ([]evidence.Payload, error) {
		p, err := what(v, s)
		return []evidence.Payload{p}, err
	})
	if err != nil {
		return err
	}
	done := juryDone{path, s.session, s.Assessor, s.Records, s.Head, s.Closed}
	return a.ui.Result(done, func() { a.juryTell(done) })
}

// written is a sheet after something was added to it.
type written struct {
	*jury.Sheet
	session string
}

// juryWrite adds records to an assessor's journal. One command at a time writes:
// who comes second reads what the first has written.
func (a *app) juryWrite(ctx context.Context, path string, as assessor, what func(*grader.Verdict, *jury.Sheet) ([]evidence.Payload, error)) (*written, error) {
	lock, err := juryLock()
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	d, err := a.docket(path)
	if err != nil {
		return nil, err
	}
	s, err := d.own(as.name)
	if err != nil {
		return nil, err
	}
	if s != nil && as.function != "" && as.function != s.Function {
		return nil, inputErrorf("--function: it was told with the first decision (%q) and does not change", s.Function)
	}
	payloads, err := what(d.verdict, s)
	if err != nil {
		return nil, err
	}
	w := sitting.Writer{Home: host.Home(), Path: path, V: d.v, Start: evidence.DecisionStart{
		Assessor: as.name, Function: as.function, Tool: toolVersion(), VerdictSHA256: d.sum}}
	v, err := w.Add(ctx, payloads...)
	if err != nil {
		return nil, err
	}
	now, _ := v.Sitting(evidence.JurySlug(as.name))
	return &written{jury.Read(now), v.Session}, nil
}

// juryLock is held by the one command that writes decisions on this host.
func juryLock() (*os.File, error) {
	dir := filepath.Join(host.Home(), "jury")
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		var lock *os.File
		if lock, err = host.Lock(filepath.Join(dir, "lock")); err == nil {
			return lock, nil
		}
	}
	return nil, host.Errorf("check the rights and the free space of "+host.Home(), "the jury's keys: %w", err)
}

func (a *app) juryTell(d juryDone) {
	if d.Closed {
		a.ui.Printf(a.ui.T("décisions closes : %s, %d enregistrements\ntête %s, à porter au procès-verbal\n",
			"decisions of the assessor closed (%s): %d records\nhead %s, for the minutes\n"), d.Assessor, d.Record, d.Head)
		return
	}
	a.ui.Printf(a.ui.T("noté et signé (%s, enregistrement %d)\n", "recorded and signed (%s, record %d)\n"), d.Assessor, d.Record)
}
