// Package provision turns a site and a seed into a running lab: image, files of
// every node, nodes, and the proof that every service is green from every
// segment. The lab commands and the sessions start their labs here.
package provision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/images"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/probe"
	"github.com/situlab/situlab/scenarios"
)

// Options says what to start.
type Options struct {
	// Name is the lab's name.
	Name string
	// Site is expanded.
	Site *scenarios.Site
	// Start is the moment that ages count back from; zero means now.
	Start time.Time
	// Desk is the host directory of the candidate's socket, if any.
	Desk, DeskPath string
	BootDelay      map[scenarios.Class]time.Duration
	Observe        func(labnet.Event)
	UI             *ui.UI
}

// ReadyTimeout bounds each wait for a lab: until its nodes run, until it is green.
const ReadyTimeout = 4 * time.Minute

// Store is the images of this host.
func Store() *images.Store { return images.Open(filepath.Join(host.Home(), "images")) }

// ImageProgress shows the steps of a work on the images.
func ImageProgress(u *ui.UI) images.Progress {
	return func(step string, done, total int) {
		if step = u.Phrase(step); total > 0 {
			u.Progress(step, done, total)
		} else {
			u.Step("%s", step)
		}
	}
}

// Image opens the node image, building it on the first start.
func Image(ctx context.Context, u *ui.UI) (*images.Image, error) {
	return Store().Ensure(ctx, ImageProgress(u))
}

// Companion finds a program that is installed beside situlab and put into the
// nodes that need it.
func Companion(name string) ([]byte, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(filepath.Dir(self), name)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, host.Errorf("build it beside situlab: make build", "the program %s is missing: %w", name, err)
	}
	return b, nil
}

// companions says which roles carry which of our programs, and where.
var companions = map[string][]struct{ program, path string }{
	"adm": {{"situ", "/usr/local/bin/situ"}},
	"erp": {{"vulcain", "/opt/vulcain/vulcain"}},
}

// Companions are the names of our programs that some nodes carry.
func Companions() []string {
	var out []string
	for _, role := range slices.Sorted(maps.Keys(companions)) {
		for _, c := range companions[role] {
			out = append(out, c.program)
		}
	}
	return out
}

// trees gives the files of the nodes, our own programs included.
func trees(site *scenarios.Site) (func(*scenarios.Node) ([]scenarios.TreeFile, error), error) {
	programs := map[string][]byte{}
	for _, n := range site.Nodes {
		for _, c := range companions[n.Role] {
			if programs[c.program] == nil {
				b, err := Companion(c.program)
				if err != nil {
					return nil, err
				}
				programs[c.program] = b
			}
		}
	}
	return func(n *scenarios.Node) ([]scenarios.TreeFile, error) {
		files, err := scenarios.Tree(site, n.Name)
		if err != nil {
			return nil, err
		}
		for _, c := range companions[n.Role] {
			files = append(files, scenarios.TreeFile{Path: c.path, Mode: 0o755, Content: programs[c.program], Age: 90 * 24 * time.Hour})
		}
		return files, nil
	}, nil
}

// config is what a lab is made from.
func config(ctx context.Context, o Options) (labnet.Config, error) {
	if o.Start.IsZero() {
		o.Start = time.Now()
	}
	for _, p := range o.Site.Probes {
		if err := probe.Validate(p); err != nil {
			return labnet.Config{}, err
		}
	}
	img, err := Image(ctx, o.UI)
	if err != nil {
		return labnet.Config{}, err
	}
	tree, err := trees(o.Site)
	if err != nil {
		return labnet.Config{}, err
	}
	n := len(o.Site.Nodes)
	return labnet.Config{
		Name: o.Name, Site: o.Site, Image: img, Tree: tree, Start: o.Start, Desk: o.Desk, DeskPath: o.DeskPath, BootDelay: o.BootDelay,
		Observe: func(e labnet.Event) {
			if o.Observe != nil {
				o.Observe(e)
			}
			switch e.Step {
			case labnet.Wired:
				o.UI.Step(o.UI.T("%d nœuds créés et câblés", "%d nodes created and cabled"), n)
			case labnet.Started:
				o.UI.Step(o.UI.T("%d systèmes démarrés", "%d systems started"), n)
			}
		},
	}, nil
}

// Lab starts a lab and waits until its nodes run; it says nothing of services.
func Lab(ctx context.Context, o Options) (*labnet.Lab, error) {
	cfg, err := config(ctx, o)
	if err != nil {
		return nil, err
	}
	lab, err := labnet.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	err = WaitRunning(ctx, lab, o.UI)
	if err != nil {
		return nil, errors.Join(err, lab.Close(context.WithoutCancel(ctx)))
	}
	return lab, nil
}

// Adopt takes over the lab of a controller that died; it stands still.
func Adopt(ctx context.Context, o Options) (*labnet.Lab, error) {
	cfg, err := config(ctx, o)
	if err != nil {
		return nil, err
	}
	return labnet.Adopt(ctx, cfg)
}

// lookEvery is how often the booted nodes are counted, for the display alone.
const lookEvery = 100 * time.Millisecond

// WaitRunning waits until every node of a lab that starts has booted, and shows
// how many have.
func WaitRunning(ctx context.Context, lab *labnet.Lab, u *ui.UI) error {
	ctx, cancel := context.WithTimeout(ctx, ReadyTimeout)
	defer cancel()
	nodes := lab.Site().Nodes
	done := make(chan error, 1)
	go func() { done <- lab.WaitRunning(ctx) }()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for shown := -1; ; {
		select {
		case err := <-done:
			if err == nil {
				u.Progress(u.T("nœuds en service", "nodes running"), len(nodes), len(nodes))
			}
			return err
		case <-tick.C:
		}
		running := 0
		for _, n := range nodes {
			if lab.NodeState(n.Name) == labnet.Up {
				running++
			}
		}
		// The end is shown once, by what is waited for.
		if running = min(running, len(nodes)-1); running != shown {
			u.Progress(u.T("nœuds en service", "nodes running"), running, len(nodes))
			shown = running
		}
	}
}

// Posts lists the workstations of a lab as the probes need them.
func Posts(lab *labnet.Lab) []probe.Post {
	site := lab.Site()
	var out []probe.Post
	for _, n := range site.Nodes {
		if n.Class != scenarios.Workstation || len(n.Interfaces) == 0 {
			continue
		}
		m := lab.Node(n.Name)
		if m == nil {
			continue
		}
		p := probe.Post{Name: n.Name, Segment: n.Interfaces[0].Segment, NetNS: m.NetNS(), Interface: n.Interfaces[0].Name, Open: m.Open}
		for _, s := range site.Segments {
			if s.ID == p.Segment {
				p.Net = s.Net
			}
		}
		out = append(out, p)
	}
	return out
}

// Runner makes the probes of a lab, one post per segment and round.
func Runner(lab *labnet.Lab, interval time.Duration) *probe.Runner {
	return &probe.Runner{
		Probes: lab.Site().Probes, Secrets: probe.SecretsOf(lab.Site()), Interval: interval,
		Posts: func(round int) []probe.Post { return probe.OnePerSegment(Posts(lab), round) },
	}
}

// Population makes the probes of a lab from every workstation: for examinations.
func Population(lab *labnet.Lab) *probe.Runner {
	return &probe.Runner{
		Probes: lab.Site().Probes, Secrets: probe.SecretsOf(lab.Site()),
		Posts: func(int) []probe.Post { return Posts(lab) },
	}
}

// WaitGreen waits until every probe is green from every segment.
func WaitGreen(ctx context.Context, lab *labnet.Lab, u *ui.UI) ([]probe.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, ReadyTimeout)
	defer cancel()
	results, err := Runner(lab, 0).WaitGreen(ctx, 0, func(green, total int) {
		u.Progress(u.T("sondes vertes", "probes green"), green, total)
	})
	if err != nil {
		return results, fmt.Errorf("%s: %w", u.T("le système d'information n'est pas sain", "the information system is not healthy"), err)
	}
	u.Step(u.T("%d sondes vertes depuis tous les réseaux", "%d probes green from every network"), len(results))
	return results, nil
}
