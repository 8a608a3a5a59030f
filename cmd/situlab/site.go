package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/cmd/internal/folder"
	"github.com/situlab/situlab/scenarios"
	"github.com/situlab/situlab/scenarios/documents"
)

func (a *app) siteCommand() *cobra.Command {
	return group("site", "Les systèmes d'information / the sites", a.siteList(), a.siteShow(), a.siteDocuments())
}

func (a *app) siteList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Les sites de la bibliothèque / the sites of the library", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			type line struct {
				ID    string `json:"id"`
				Title string `json:"title"`
				Nodes int    `json:"nodes"`
			}
			var lines []line
			for _, id := range scenarios.Sites() {
				s, err := scenarios.LoadSite(id)
				if err != nil {
					return err
				}
				lines = append(lines, line{s.ID, s.Title.In(a.ui.Lang), len(s.Nodes)})
			}
			return a.ui.Result(lines, func() {
				rows := [][]string{{"ID", a.ui.T("NŒUDS", "NODES"), a.ui.T("TITRE", "TITLE")}}
				for _, l := range lines {
					rows = append(rows, []string{l.ID, fmt.Sprint(l.Nodes), l.Title})
				}
				a.ui.Table(rows)
			})
		},
	}
}

// loadSite loads and expands a site.
func loadSite(ref string, seed uint64) (*scenarios.Site, error) {
	s, err := scenarios.LoadSite(ref)
	if err != nil {
		return nil, err
	}
	return scenarios.Expand(s, seed)
}

func (a *app) siteShow() *cobra.Command {
	var seed uint64
	c := &cobra.Command{
		Use: "show SITE", Short: "Nœuds, réseaux et services d'un site / nodes, networks and services of a site", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := loadSite(args[0], seed)
			if err != nil {
				return err
			}
			return a.ui.Result(s, func() {
				rows := [][]string{{a.ui.T("NŒUD", "NODE"), a.ui.T("CLASSE", "CLASS"), a.ui.T("RÔLE", "ROLE"), a.ui.T("RÉSEAU", "NETWORK"), a.ui.T("ADRESSE", "ADDRESS"), a.ui.T("DESCRIPTION", "DESCRIPTION")}}
				for _, n := range s.Nodes {
					for i, f := range n.Interfaces {
						addr := "DHCP"
						if f.Address.IsValid() {
							addr = f.Address.String()
						}
						row := []string{"", "", "", f.Segment, addr, ""}
						if i == 0 {
							row[0], row[1], row[2], row[5] = n.Name, string(n.Class), n.Role, n.Title.In(a.ui.Lang)
						}
						rows = append(rows, row)
					}
				}
				a.ui.Table(rows)
			})
		},
	}
	c.Flags().Uint64Var(&seed, "seed", 0, "seed that moves names and addresses (0: as written)")
	return c
}

func (a *app) siteDocuments() *cobra.Command {
	var seed uint64
	var out string
	c := &cobra.Command{
		Use: "documents SITE", Short: "Écrire le dossier du candidat / write the candidate's documents", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) (err error) {
			s, err := loadSite(args[0], seed)
			if err != nil {
				return err
			}
			unmake, err := folder.Make(out, 0o755)
			if err != nil {
				return inputErrorf("--out: %w", err)
			}
			var wrote []string
			defer func() {
				if err == nil {
					return
				}
				// Half a file of documents would be taken for a whole one.
				for _, f := range wrote {
					_ = os.Remove(f)
				}
				unmake()
			}()
			write := func(name string, b []byte) error {
				file := filepath.Join(out, name)
				wrote = append(wrote, file)
				if err := os.WriteFile(file, b, 0o644); err != nil {
					return inputErrorf("--out: %w", err)
				}
				return nil
			}
			files, err := documents.Dossier(s, documents.Options{Start: time.Now()})
			if err != nil {
				return err
			}
			for _, name := range slices.Sorted(maps.Keys(files)) {
				if err := write(name, files[name]); err != nil {
					return err
				}
			}
			r := struct {
				Site   string   `json:"site"`
				Folder string   `json:"folder"`
				Files  []string `json:"files"`
			}{s.ID, out, wrote}
			return a.ui.Result(r, func() { a.ui.Printf("%s\n", out) })
		},
	}
	c.Flags().Uint64Var(&seed, "seed", 0, "seed that moves names and addresses (0: as written)")
	c.Flags().StringVarP(&out, "out", "o", "documents", "folder to write into")
	return c
}
