package main

import (
	"github.com/spf13/cobra"

	"github.com/situlab/situlab/cmd/internal/sitting"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/host"
)

func (a *app) juryMergeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "merge BUNDLE OTHER", Short: "Réunir les décisions de deux copies / bring the decisions of two copies together", Args: cobra.ExactArgs(2),
		Long: `Ajoute à BUNDLE les décisions que contient OTHER, une copie du même dossier :
deux évaluateurs, chacun sur sa machine, décident ainsi sans se voir. OTHER ne
change pas. / Adds to BUNDLE the decisions in OTHER, a copy of the same bundle: two
assessors on two hosts decide without seeing each other. OTHER does not change.`,
		RunE: func(_ *cobra.Command, args []string) error {
			lock, err := juryLock()
			if err != nil {
				return err
			}
			defer lock.Close()
			d, err := a.docket(args[0])
			if err != nil {
				return err
			}
			other, err := a.verify(args[1], evidence.Witness{})
			if err != nil {
				return err
			}
			if !other.OK() {
				return a.damaged(args[1], other)
			}
			v, names, err := sitting.Merge(host.Home(), args[0], d.v, other)
			if err != nil {
				return err
			}
			r := struct {
				Bundle  string              `json:"bundle"`
				Session string              `json:"session"`
				Merged  []string            `json:"merged"`
				Jury    []*evidence.Sitting `json:"jury"`
			}{args[0], v.Session, names, v.Jury}
			return a.ui.Result(r, func() {
				if len(names) == 0 {
					a.ui.Printf("%s\n", a.ui.T("rien de nouveau", "nothing new"))
				}
				for _, n := range names {
					a.ui.Printf(a.ui.T("décisions ajoutées : %s\n", "decisions added: %s\n"), plain(n))
				}
			})
		},
	}
}
