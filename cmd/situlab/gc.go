package main

import (
	"github.com/spf13/cobra"

	"github.com/situlab/situlab/labnet"
)

func (a *app) gcCommand() *cobra.Command {
	return &cobra.Command{
		Use: "gc", Short: "Enlever ce qu'un arrêt brutal a laissé / remove what a killed run left", Args: cobra.NoArgs,
		Long: `Enlève les nœuds, réseaux, montages, groupes de contrôle et disques des
laboratoires dont le contrôleur est mort, et rien d'autre. Journaux, dossiers de
preuve et images restent. / Removes what dead controllers left, and nothing else.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			removed, err := labnet.GC(cmd.Context())
			if removed == nil {
				removed = []string{}
			}
			if uerr := a.ui.Result(removed, func() {
				for _, r := range removed {
					a.ui.Printf("- %s\n", r)
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
