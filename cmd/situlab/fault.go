package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/cmd/internal/control"
	"github.com/situlab/situlab/cmd/internal/keeper"
	"github.com/situlab/situlab/labnet/fault"
	"github.com/situlab/situlab/scenarios"
)

func (a *app) faultCommand() *cobra.Command {
	c := group("fault", "Pannes d'un laboratoire / faults of a lab", a.faultList())
	c.AddCommand(asRoot(a.faultShow(), a.faultInject(), a.faultHeal())...)
	return c
}

func (a *app) faultList() *cobra.Command {
	return &cobra.Command{
		Use: "list [LAB]", Short: "Sans LAB, les genres ; avec, les pannes en place / kinds, or a lab's faults", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.ui.Result(fault.Kinds(), func() { a.ui.Printf("%s\n", strings.Join(fault.Kinds(), "\n")) })
			}
			list := []keeper.FaultInfo{}
			if err := control.Call(cmd.Context(), args[0], "Faults", &control.None{}, &list); err != nil {
				return err
			}
			return a.ui.Result(list, func() { a.printFaults(list) })
		},
	}
}

func (a *app) faultShow() *cobra.Command {
	return &cobra.Command{
		Use: "show LAB ID", Short: "Une panne en place / one fault", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var f keeper.FaultInfo
			if err := injected(cmd.Context(), args[0], args[1], &f); err != nil {
				return err
			}
			return a.ui.Result(f, func() { a.printFaults([]keeper.FaultInfo{f}) })
		},
	}
}

// injected finds a fault of a lab.
func injected(ctx context.Context, lab, id string, out *keeper.FaultInfo) error {
	var list []keeper.FaultInfo
	if err := control.Call(ctx, lab, "Faults", &control.None{}, &list); err != nil {
		return err
	}
	for _, f := range list {
		if f.ID == id {
			*out = f
			return nil
		}
	}
	return inputErrorf("lab %q has no fault %q; faults: situlab fault list %s", lab, id, lab)
}

func (a *app) printFaults(list []keeper.FaultInfo) {
	rows := [][]string{{"ID", a.ui.T("GENRE", "KIND"), a.ui.T("NŒUD", "NODE"), a.ui.T("PRÉSENTE", "PRESENT"), a.ui.T("ARTEFACT", "ARTEFACT")}}
	for _, f := range list {
		present := a.ui.T("non", "no")
		if f.Present {
			present = a.ui.T("oui", "yes")
		}
		rows = append(rows, []string{f.ID, f.Kind, f.Node, present, f.Artefact})
	}
	a.ui.Table(rows)
}

func (a *app) faultInject() *cobra.Command {
	var ago time.Duration
	c := &cobra.Command{
		Use: "inject LAB KIND NODE [NAME=VALUE...]", Short: "Provoquer une panne / break something", Args: cobra.MinimumNArgs(3),
		Long: `L'artefact est écrit sur le disque du nœud ; un service qui tourne le voit à son
prochain démarrage (situlab lab reboot LAB NŒUD).`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f := scenarios.Fault{Kind: args[1], Node: args[2], Ago: scenarios.Duration(ago), Params: map[string]string{}}
			for _, p := range args[3:] {
				k, v, ok := strings.Cut(p, "=")
				if !ok {
					return inputErrorf("parameter %q: write NAME=VALUE", p)
				}
				f.Params[k] = v
			}
			if _, err := fault.Parse(f); err != nil {
				return err
			}
			var out keeper.FaultInfo
			if err := control.Call(cmd.Context(), args[0], "Inject", &f, &out); err != nil {
				return err
			}
			return a.ui.Result(out, func() { a.printFaults([]keeper.FaultInfo{out}) })
		},
	}
	c.Flags().DurationVar(&ago, "ago", 24*time.Hour, "how old the artefact looks")
	return c
}

func (a *app) faultHeal() *cobra.Command {
	return &cobra.Command{
		Use: "heal LAB ID", Short: "Annuler une panne / take a fault back", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var f keeper.FaultInfo
			if err := control.Call(cmd.Context(), args[0], "Heal", &args[1], &f); err != nil {
				return err
			}
			return a.ui.Result(f, func() { a.ui.Step(a.ui.T("panne %s annulée sur %s", "fault %s taken back on %s"), f.ID, f.Node) })
		},
	}
}
