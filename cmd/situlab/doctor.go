package main

import (
	"github.com/spf13/cobra"

	"github.com/situlab/situlab/cmd/internal/checkup"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Ce que cette machine a, n'a pas, et quoi taper / what this host has and lacks", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := checkup.Host(cmd.Context(), a.ui)
			bad := false
			for _, f := range list {
				bad = bad || (f.Required && !f.OK)
			}
			err := a.ui.Result(list, func() {
				for _, f := range list {
					state := a.ui.Good("✓")
					switch {
					case !f.OK && f.Required:
						state = a.ui.Bad("✗")
					case !f.OK:
						state = "–"
					}
					a.ui.Printf("%s %s\n", state, f.Name)
					if f.Detail != "" {
						a.ui.Printf("    %s\n", f.Detail)
					}
					if !f.OK && f.Fix != "" {
						a.ui.Printf("    → %s\n", f.Fix)
					}
				}
			})
			if err == nil && bad {
				err = &codeError{code: exitHost}
			}
			return err
		},
	}
}
