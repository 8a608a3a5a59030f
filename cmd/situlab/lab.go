package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/situlab/situlab/cmd/internal/control"
	"github.com/situlab/situlab/cmd/internal/keeper"
	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/cmd/internal/session"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/node/oci"
	"github.com/situlab/situlab/scenarios"
	"github.com/situlab/situlab/scenarios/documents"
)

func (a *app) labCommand() *cobra.Command {
	return group("lab", "Laboratoires : monter, utiliser, démonter / labs: up, use, down",
		asRoot(a.labUp(), a.labDown(), a.labReset(), a.labList(), a.labInspect(), a.labExec(), a.labShell(), a.labReboot(), a.labGraph())...)
}

func (a *app) labUp() *cobra.Command {
	var name string
	var seed uint64
	c := &cobra.Command{
		Use: "up SITE", Short: "Monter un site et attendre que tout soit vert / start a site and wait until all is green", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// Checked here first: a mistake costs no lab, all are said at once,
			// and their place is written the way the folder was.
			s, err := scenarios.LoadSite(args[0])
			if err == nil {
				err = validateSite(s)
			}
			if err != nil {
				return err
			}
			site, err := absolute(args[0])
			if err != nil {
				return err
			}
			if name == "" {
				name = filepath.Base(site)
			}
			begin := time.Now()
			info, err := keeper.Start(cmd.Context(), keeper.Options{Site: site, Name: name, Seed: seed, Lang: a.ui.Lang}, a.ui)
			if err != nil {
				return err
			}
			return a.ui.Result(info, func() {
				a.ui.Printf(a.ui.T("laboratoire %s : %d nœuds prêts en %.1f s\n", "lab %s: %d nodes ready in %.1f s\n"), name, info.Nodes, time.Since(begin).Seconds())
				a.ui.Printf(a.ui.T("  un terminal : situlab lab shell %s NŒUD    fin : situlab lab down %s\n", "  a terminal: situlab lab shell %s NODE    end: situlab lab down %s\n"), name, name)
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "name of the lab (default: the site's)")
	c.Flags().Uint64Var(&seed, "seed", 0, "seed that moves names and addresses (0: as written)")
	return c
}

// absolute keeps an id of the library, and finds a folder from the root: the
// keeper works there.
func absolute(site string) (string, error) {
	if !strings.Contains(site, "/") && site != "." && site != ".." {
		return site, nil
	}
	return filepath.Abs(site)
}

// labDone says that something has been done with a lab, or a node of it.
type labDone struct {
	Lab     string  `json:"lab"`
	Node    string  `json:"node,omitempty"`
	Seconds float64 `json:"seconds"`
}

func (a *app) labDown() *cobra.Command {
	return &cobra.Command{
		Use: "down LAB", Short: "Démonter un laboratoire / take a lab down", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			begin := time.Now()
			if err := control.Call(cmd.Context(), args[0], "Down", &control.None{}, &control.None{}); err != nil {
				return err
			}
			r := labDone{Lab: args[0], Seconds: time.Since(begin).Seconds()}
			return a.ui.Result(r, func() {
				a.ui.Step(a.ui.T("laboratoire %s démonté en %.1f s", "lab %s down in %.1f s"), r.Lab, r.Seconds)
			})
		},
	}
}

func (a *app) labReset() *cobra.Command {
	return &cobra.Command{
		Use: "reset LAB", Short: "Revenir à l'état initial / back to the pristine state", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			begin := time.Now()
			if err := control.CallFollowed(cmd.Context(), args[0], "Reset", &keeper.ResetArgs{Lang: a.ui.Lang}, &control.None{}, a.ui.Say); err != nil {
				return err
			}
			r := labDone{Lab: args[0], Seconds: time.Since(begin).Seconds()}
			return a.ui.Result(r, func() {
				a.ui.Step(a.ui.T("laboratoire %s remis à neuf et prêt en %.1f s", "lab %s pristine and ready in %.1f s"), r.Lab, r.Seconds)
			})
		},
	}
}

func (a *app) labReboot() *cobra.Command {
	return &cobra.Command{
		Use: "reboot LAB NODE", Short: "Redémarrer un nœud / reboot a node", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			begin := time.Now()
			if err := control.Call(cmd.Context(), args[0], "Reboot", &keeper.NodeArgs{Node: args[1]}, &control.None{}); err != nil {
				return err
			}
			r := labDone{args[0], args[1], time.Since(begin).Seconds()}
			return a.ui.Result(r, func() { a.ui.Step(a.ui.T("%s redémarré en %.1f s", "%s rebooted in %.1f s"), r.Node, r.Seconds) })
		},
	}
}

func (a *app) labList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Les laboratoires de cette machine / the labs of this host", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			labs := labnet.List()
			if labs == nil {
				labs = []labnet.Info{}
			}
			return a.ui.Result(labs, func() {
				rows := [][]string{{a.ui.T("NOM", "NAME"), "SITE", "PID", a.ui.T("DEPUIS", "SINCE"), a.ui.T("ÉTAT", "STATE")}}
				for _, l := range labs {
					state := a.ui.T("en service", "running")
					if !l.Alive {
						state = a.ui.T("abandonné (situlab gc)", "left behind (situlab gc)")
						if l.Session != "" && session.Resumable(l.Folder) {
							state = fmt.Sprintf(a.ui.T("épreuve à reprendre (situlab resume %s)", "session to be taken over (situlab resume %s)"), l.Session)
						}
					}
					rows = append(rows, []string{l.Name, l.Site, fmt.Sprint(l.PID), l.Started.Format("2006-01-02 15:04:05"), state})
				}
				a.ui.Table(rows)
			})
		},
	}
}

func (a *app) labInspect() *cobra.Command {
	return &cobra.Command{
		Use: "inspect LAB", Short: "Nœuds, adresses et états / nodes, addresses and states", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var out provision.Inspection
			if err := control.Call(cmd.Context(), args[0], "Inspect", &control.None{}, &out); err != nil {
				return err
			}
			return a.ui.Result(out, func() {
				rows := [][]string{{a.ui.T("NŒUD", "NODE"), a.ui.T("CLASSE", "CLASS"), a.ui.T("ÉTAT", "STATE"), "PID", a.ui.T("RÉSEAUX", "NETWORKS")}}
				for _, n := range out.Nodes {
					rows = append(rows, []string{n.Name, n.Class, n.State, fmt.Sprint(n.PID), strings.Join(n.Networks, " ")})
				}
				a.ui.Table(rows)
			})
		},
	}
}

func (a *app) labGraph() *cobra.Command {
	return &cobra.Command{
		Use: "graph LAB", Short: "Le plan du réseau en SVG / the network plan as SVG", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var plan provision.Plan
			if err := control.Call(cmd.Context(), args[0], "Plan", &control.None{}, &plan); err != nil {
				return err
			}
			if a.ui.JSON {
				g, err := plan.Graph(a.ui.Lang)
				if err != nil {
					return err
				}
				return a.ui.Result(g, nil)
			}
			site, err := plan.Expanded()
			if err != nil {
				return err
			}
			_, err = a.ui.Out.Write(documents.Plan(site, documents.PlanOptions{Lang: a.ui.Lang}))
			return err
		},
	}
}

func (a *app) labExec() *cobra.Command {
	var user string
	c := &cobra.Command{
		Use: "exec LAB NODE -- CMD...", Short: "Lancer une commande dans un nœud / run a command in a node", Args: cobra.MinimumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.execIn(cmd.Context(), args[0], args[1], node.Command{Args: args[2:], User: user, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
		},
	}
	c.Flags().StringVar(&user, "user", "", "account of the node (default: root)")
	return c
}

// execIn runs a command in a node of a running lab and passes its exit code on.
func (a *app) execIn(ctx context.Context, lab, name string, c node.Command) error {
	n, err := a.attachNode(lab, name)
	if err != nil {
		return err
	}
	code, err := n.Exec(ctx, c)
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "executable file not found"):
		return &codeError{code: exitNoCommand} // runc has said so already
	case strings.Contains(err.Error(), "no user "):
		return inputErrorf("%w", err)
	default:
		return err
	}
	if code != 0 {
		return &codeError{code: code}
	}
	return nil
}

// attachNode finds a node of a running lab from this process.
func (a *app) attachNode(lab, name string) (*oci.Attached, error) {
	if !labExists(lab) {
		return nil, inputErrorf("no lab %q; labs: situlab lab list", lab)
	}
	n, err := oci.Attach(labnet.RuntimeState(lab), lab, name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, inputErrorf("lab %q has no node %q; nodes: situlab lab inspect %s", lab, name, lab)
	case errors.Is(err, os.ErrProcessDone):
		return nil, inputErrorf("node %q of lab %q is off; start it: situlab lab reboot %s %s", name, lab, lab, name)
	}
	return n, err
}

// exitNoCommand is what a shell answers for a command that is not there.
const exitNoCommand = 127

func labExists(name string) bool {
	for _, l := range labnet.List() {
		if l.Name == name {
			return true
		}
	}
	return false
}

func (a *app) labShell() *cobra.Command {
	var user string
	c := &cobra.Command{
		Use: "shell LAB NODE", Short: "Un terminal dans un nœud / a terminal in a node", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := a.attachNode(args[0], args[1])
			if err != nil {
				return err
			}
			return a.terminalIn(cmd.Context(), n, user)
		},
	}
	c.Flags().StringVar(&user, "user", "", "account of the node (default: root)")
	return c
}
