package main

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/cmd/internal/checkup"
	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/cmd/internal/session"
	"github.com/situlab/situlab/labnet"
)

func (a *app) gcCommand() *cobra.Command {
	all := false
	c := &cobra.Command{
		Use: "gc [SESSION...]", Short: "Enlever ce qu'un arrêt brutal a laissé / remove what a killed run left",
		Long: `Enlève les nœuds, réseaux, montages, groupes de contrôle et disques des
laboratoires dont le contrôleur est mort, le travail inachevé sur les images, et
rien d'autre. Journaux, dossiers de preuve et images restent. Une épreuve qui peut
reprendre (situlab resume) reste aussi, sauf nommée ou avec --all. / Removes what
dead controllers and killed builds left, and nothing else; a session that can be
resumed stays, unless named or with --all.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			orphans := session.Orphans()
			for _, id := range args {
				if orphans[id] == "" {
					return inputErrorf("no session %q that could be resumed; those there are: %s", id, cmp.Or(strings.Join(slices.Sorted(maps.Keys(orphans)), ", "), "none"))
				}
			}
			removed, err := labnet.GC(cmd.Context(), func(i labnet.Info) bool {
				keep := !all && orphans[i.Session] != "" && !slices.Contains(args, i.Session)
				if keep {
					a.ui.Warn(a.ui.T("l'épreuve %s peut reprendre, elle reste : situlab resume %s, ou situlab gc %s", "session %s can be resumed and stays: situlab resume %s, or situlab gc %s"), i.Session, i.Session, i.Session)
				}
				return keep
			})
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
	c.Flags().BoolVar(&all, "all", false, "sessions that could be resumed, too")
	return c
}
