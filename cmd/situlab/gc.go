package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/cmd/internal/checkup"
	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/labnet"
)

func (a *app) gcCommand() *cobra.Command {
	return &cobra.Command{
		Use: "gc", Short: "Enlever ce qu'un arrêt brutal a laissé / remove what a killed run left", Args: cobra.NoArgs,
		Long: `Enlève les nœuds, réseaux, montages, groupes de contrôle et disques des
laboratoires dont le contrôleur est mort, le travail inachevé sur les images, et
rien d'autre. Journaux, dossiers de preuve et images restent. / Removes what dead
controllers and killed builds left, and nothing else.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			removed, err := labnet.GC(cmd.Context())
			images, serr := provision.Store().Sweep()
			removed, err = append(append(removed, images...), checkup.Sweep()...), errors.Join(err, serr)
			if removed == nil {
				removed = []string{}
			}
			if uerr := a.ui.Result(removed, func() {
				for _, r := range removed {
					a.ui.Printf("- %s\n", a.ui.Phrase(r))
				}
				if len(removed) == 0 {
					a.ui.Printf("%s\n", a.ui.T("rien à enlever", "nothing to remove"))
				}
			}); err == nil {
				err = uerr
			}
			return err
		},
	}
}
