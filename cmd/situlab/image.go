package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/images"
	"github.com/situlab/situlab/labnet"
)

func (a *app) imageCommand() *cobra.Command {
	return group("image", "L'image des nœuds / the nodes' image", a.imageBuild(), a.imageList(), a.imageRemove(), a.imageImport(), a.imageExport())
}

func (a *app) imageBuild() *cobra.Command {
	var o images.BuildOptions
	c := &cobra.Command{
		Use: "build", Short: "Construire l'image Debian / build the Debian image", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Progress = provision.ImageProgress(a.ui)
			img, err := provision.Store().Build(cmd.Context(), o)
			if err != nil {
				return err
			}
			return a.ui.Result(img, func() { a.ui.Printf("%s %s (%d MiB)\n", img.Name, img.ID, img.Size()>>20) })
		},
	}
	c.Flags().BoolVar(&o.Fresh, "fresh", false, "build again with today's packages")
	return c
}

func (a *app) imageList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Les images du magasin / the images of the store", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			list, err := provision.Store().List()
			if err != nil {
				return err
			}
			if list == nil {
				list = []*images.Image{}
			}
			return a.ui.Result(list, func() {
				rows := [][]string{{"ID", a.ui.T("NOM", "NAME"), a.ui.T("CRÉÉE", "CREATED"), a.ui.T("ORIGINE", "ORIGIN"), "MiB", a.ui.T("RÔLES", "ROLES")}}
				for _, i := range list {
					rows = append(rows, []string{short(i.ID), i.Name, i.Created.Local().Format("2006-01-02 15:04"), i.Origin, fmt.Sprint(i.Size() >> 20), strings.Join(i.Roles(), ",")})
				}
				a.ui.Table(rows)
			})
		},
	}
}

func short(id string) string {
	if i := strings.IndexByte(id, ':'); i >= 0 {
		id = id[i+1:]
	}
	return id[:min(12, len(id))]
}

// removed is what "image rm" took away.
type removed struct {
	Image string `json:"image"`
	Name  string `json:"name"`
	Freed int64  `json:"freedBytes"`
}

func (a *app) imageRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm IMAGE", Short: "Enlever une image / remove an image", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if labs := labnet.List(); len(labs) > 0 {
				return inputErrorf("labs stand on the store (%s); take them down first", labs[0].Name)
			}
			img, err := provision.Store().Image(args[0])
			if err != nil {
				return err
			}
			freed, err := provision.Store().Remove(cmd.Context(), img.ID)
			if err != nil {
				return err
			}
			r := removed{img.ID, img.Name, freed}
			return a.ui.Result(r, func() { a.ui.Step(a.ui.T("%d Mio libérés", "%d MiB freed"), freed>>20) })
		},
	}
}

func (a *app) imageImport() *cobra.Command {
	var o images.ImportOptions
	c := &cobra.Command{
		Use: "import FILE|FOLDER", Short: "Importer une image / import an image", Args: cobra.ExactArgs(1),
		Long: `FILE est un export de situlab, une archive tar d'un système de fichiers ou une
archive OCI (gzip ou zstd admis) ; FOLDER une arborescence OCI ; - l'entrée standard.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Progress = provision.ImageProgress(a.ui)
			var img *images.Image
			var err error
			if args[0] == "-" {
				img, err = provision.Store().ImportFrom(cmd.Context(), os.Stdin, "-", o)
			} else {
				img, err = provision.Store().Import(cmd.Context(), args[0], o)
			}
			if err != nil {
				return err
			}
			return a.ui.Result(img, func() { a.ui.Printf("%s %s\n", img.Name, img.ID) })
		},
	}
	c.Flags().StringVar(&o.Name, "name", "", "name of the image (default: imported)")
	return c
}

// exported is what "image export" wrote.
type exported struct {
	Image string `json:"image"`
	Name  string `json:"name"`
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

func (a *app) imageExport() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "export [IMAGE]", Short: "Exporter une image / export an image", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "-" && a.ui.JSON {
				return inputErrorf("--out -: standard output is the archive; without --json")
			}
			img, err := provision.Store().Image(first(args))
			if err != nil {
				return err
			}
			if out == "-" {
				return provision.Store().Export(cmd.Context(), img.ID, os.Stdout, nil)
			}
			err = replaceFile(out, func(w io.Writer) error {
				return provision.Store().Export(cmd.Context(), img.ID, w, provision.ImageProgress(a.ui))
			})
			if err != nil {
				return err
			}
			r := exported{Image: img.ID, Name: img.Name, File: out}
			if st, err := os.Stat(out); err == nil {
				r.Bytes = st.Size()
			}
			return a.ui.Result(r, func() { a.ui.Printf("%s (%d MiB)\n", out, r.Bytes>>20) })
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "situlab-image.tar.zst", "file to write; - is standard output")
	return c
}
