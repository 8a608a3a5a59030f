package labnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/situlab/situlab/labnet/cable"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/node/oci"
	"github.com/situlab/situlab/labnet/volume"
	"github.com/situlab/situlab/scenarios"
)

// Image gives the read-only layers of a role, top layer first.
type Image interface {
	Lowers(role string) ([]string, error)
}

// Config is what a lab is made from.
type Config struct {
	Name  string
	Site  *scenarios.Site
	Image Image
	// Tree gives the files of a node before its first boot.
	Tree func(n *scenarios.Node) ([]scenarios.TreeFile, error)
	// Start is the moment that the ages of the files count back from.
	Start time.Time
	// Desk is a directory with the candidate's socket, shown on the Admin node
	// at DeskPath; empty means none.
	Desk, DeskPath string
	// BootDelay makes a reboot asked inside a node cost what it costs in life.
	BootDelay map[scenarios.Class]time.Duration
	// Runtime makes what runs the nodes; nil means OCI containers (node/oci).
	Runtime func(node.Ground) (node.Runtime, error)
	// Observe is told of the life of the lab; it must return quickly. Created
	// is told before a node starts, so that recorders miss nothing.
	Observe func(Event)
}

// Step is a step in the life of a lab or a node.
type Step string

// The steps.
const (
	Created Step = "created" // a node's namespaces exist
	Wired   Step = "wired"   // all nodes are created and cabled
	Started Step = "started" // every init has been started
	Booted  Step = "booted"  // a node's systemd says that its boot is complete
	Running Step = "running" // all nodes are booted
	Exited  Step = "exited"  // a node's PID 1 has ended
	Removed Step = "removed" // a node's namespaces are gone
	Failed  Step = "failed"  // a node could not be brought back
)

// Event is one step.
type Event struct {
	Step   Step
	Node   string // empty for the whole lab
	PID    int
	Reason node.Reason
	Err    error
	Time   time.Time
}

// Lab is a site that runs on this host.
//
// Who may change which incarnations of the nodes exist: what concerns the whole
// company (a start, a cold start, a reset, a pause, the end) holds life for
// writing; what concerns one node (its reboot, typed or asked for) holds it for
// reading, with the machine's own lock, and acts only if the incarnation that it
// was meant for is still the machine's. So nothing that was begun for a node
// that is gone reaches its successor, and what waits (a boot delay) waits
// without a lock.
type Lab struct {
	cfg     Config
	lock    *lock
	disk    *host.Disk
	runtime node.Runtime
	sw      *cable.Switch
	idBlock int
	nodes   map[string]*machine // fixed once New has prepared it
	start   time.Time

	life   sync.RWMutex
	alive  context.Context // ends when Close begins
	end    context.CancelFunc
	gone   chan struct{} // closed when Close has removed what it can
	closed sync.Once
	failed error // what Close said
	wg     sync.WaitGroup

	mu      sync.Mutex    // guards what follows
	paused  bool          // changes only while life is held for writing
	turned  chan struct{} // closed at the next change of paused
	release *release      // of the last start
}

// machine is one node of the lab with its present incarnation.
type machine struct {
	site *scenarios.Node
	spec node.Spec

	held []string // interfaces whose ports wait for the lease path, since the last start

	change sync.Mutex // held while one incarnation makes way for the next

	mu    sync.Mutex // guards what follows; held while a node is created
	node  node.Node
	over  chan struct{} // closed when node is the machine's no more
	state State
	// leaving is why the node is about to end, as far as somebody has seen it.
	leaving node.Reason
}

// put makes n the machine's incarnation; mu is held.
func (m *machine) put(n node.Node) {
	if m.over != nil {
		close(m.over)
	}
	m.node, m.over, m.leaving = n, nil, ""
	if n != nil {
		m.over = make(chan struct{})
	}
}

// now is the present incarnation, nil if there is none, and its state.
func (m *machine) now() (node.Node, State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.node, m.state
}

// become gives an incarnation another state, if it is still the machine's.
func (m *machine) become(n node.Node, s State) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.node != n {
		return false
	}
	m.state = s
	return true
}

// State is the state of a node.
type State string

// The states.
const (
	Off      State = "off"
	Starting State = "starting"
	Up       State = "running"
	Broken   State = "broken" // could not be started again
)

// workers make nodes, which is work for the processors; removers mostly wait for
// the kernel to let go of processes, mounts and namespaces (measured with 61
// nodes on 2 processors: 1.4 s with 4 of them, 1.0 s with 8, 0.7 s with 16).
func workers() int  { return max(4, 2*runtime.NumCPU()) }
func removers() int { return 4 * workers() }

// New starts a lab from a pristine disk. On error nothing is left on the host.
func New(ctx context.Context, cfg Config) (lab *Lab, err error) {
	if cfg.Observe == nil {
		cfg.Observe = func(Event) {}
	}
	lk, err := acquire(cfg.Name, cfg.Site.ID)
	if err != nil {
		return nil, err
	}
	l := newLab(cfg)
	l.lock = lk
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close(context.WithoutCancel(ctx)))
		}
	}()
	if l.idBlock, err = takeIDs(lk, len(cfg.Site.Nodes)); err != nil {
		return nil, err
	}
	// After the ids: of two labs that start together, the later sees both.
	if err := host.RaiseLimits(nodesOfAll()); err != nil {
		return nil, err
	}
	ids := make([]uint32, len(cfg.Site.Nodes))
	for i := range ids {
		ids[i] = idBase(l.idBlock, i)
	}
	newRuntime := cfg.Runtime
	if newRuntime == nil {
		newRuntime = containers
	}
	// Not assigned on error: an interface that holds a nil pointer is not nil,
	// and Close would ask it to work.
	rt, err := newRuntime(l.ground(ids))
	if err != nil {
		return nil, err
	}
	l.runtime = rt
	if l.disk, err = host.NewDisk(ctx, host.LabDisks(cfg.Name), host.DiskBytes(len(cfg.Site.Nodes))+volume.Room(l.volumeSpecs())); err != nil {
		return nil, err
	}
	l.sw, err = cable.NewSwitch(ctx, cable.Config{Lab: cfg.Name, StateDir: lk.dir})
	if errors.Is(err, os.ErrPermission) {
		return nil, host.Errorf("run as root with CAP_NET_ADMIN; a container: --cap-add NET_ADMIN", "the lab's network cannot be made: %w", err)
	}
	if err != nil {
		return nil, err
	}
	for _, s := range cfg.Site.Segments {
		if err := l.sw.AddSegment(ctx, s.ID); err != nil {
			return nil, err
		}
	}
	if err := l.prepare(); err != nil {
		return nil, err
	}
	if err := l.makeVolumes(ctx); err != nil {
		return nil, err
	}
	l.life.Lock() // a node may reboot while the others start
	defer l.life.Unlock()
	if err := l.startAll(ctx, l.pristine); err != nil {
		return nil, err
	}
	return l, nil
}

func newLab(cfg Config) *Lab {
	l := &Lab{cfg: cfg, nodes: map[string]*machine{}, start: time.Now(), gone: make(chan struct{}), turned: make(chan struct{})}
	l.alive, l.end = context.WithCancel(context.Background())
	return l
}

// containers is the runtime of a lab that names no other.
func containers(g node.Ground) (node.Runtime, error) {
	return oci.New(oci.Config{State: g.State, IDs: g.IDs, Memory: g.Memory, PIDs: g.PIDs})
}

// nodePIDs is how many processes and threads one node may have.
const nodePIDs = 1024

// ground bounds all nodes together to half of what each may use: a ready company
// of 61 nodes uses a tenth of it, and a lab that runs amok leaves room to others.
func (l *Lab) ground(ids []uint32) node.Ground {
	g := node.Ground{State: RuntimeState(l.cfg.Name), IDs: ids}
	for i := range l.cfg.Site.Nodes {
		g.Memory += memoryLimit(&l.cfg.Site.Nodes[i])
		g.PIDs += nodePIDs
	}
	// A small lab is one in which each may use its share.
	g.Memory = max(g.Memory/2, min(g.Memory, 1<<30))
	g.PIDs = max(g.PIDs/2, min(g.PIDs, 8*nodePIDs))
	return g
}

// prepare makes the specs of all nodes.
func (l *Lab) prepare() error {
	for i := range l.cfg.Site.Nodes {
		n := &l.cfg.Site.Nodes[i]
		lowers, err := l.cfg.Image.Lowers(n.Role)
		if err != nil {
			return err
		}
		m := &machine{site: n, state: Off, spec: node.Spec{
			Lab: l.cfg.Name, Name: n.Name, Lowers: lowers,
			Disk:      filepath.Join(l.disk.Mount(), n.Name),
			IDBase:    idBase(l.idBlock, i),
			Memory:    memoryLimit(n),
			PIDs:      nodePIDs,
			CPUShares: shares(n.Class),
			Volumes:   l.nodeVolumes(n),
		}}
		if n.Class == scenarios.Admin && l.cfg.Desk != "" {
			m.spec.Sockets = []node.Socket{{HostDir: l.cfg.Desk, Path: l.cfg.DeskPath}}
		}
		l.nodes[n.Name] = m
	}
	return nil
}

// memoryLimit is the node's limit in bytes (daemons.md's figures by class).
func memoryLimit(n *scenarios.Node) int64 {
	if n.MemoryMB > 0 {
		return int64(n.MemoryMB) << 20
	}
	switch n.Class {
	case scenarios.Workstation:
		return 96 << 20
	case scenarios.Admin:
		return 512 << 20
	default:
		return 256 << 20
	}
}

// order lists the machines by rank, then by the order of the site.
func (l *Lab) order() []*machine {
	out := make([]*machine, 0, len(l.cfg.Site.Nodes))
	for i := range l.cfg.Site.Nodes {
		// A lab that failed early closes without having prepared them all.
		if m := l.nodes[l.cfg.Site.Nodes[i].Name]; m != nil {
			out = append(out, m)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].site.Rank < out[j].site.Rank })
	return out
}

// startAll creates, cables and starts every node that is off.
func (l *Lab) startAll(ctx context.Context, prepare func(string, node.Node) error) error {
	begin := time.Now()
	ms := l.order()
	if err := each(ctx, workers(), ms, func(ctx context.Context, m *machine) error {
		_, err := l.create(ctx, m, m.booting(), prepare)
		return err
	}); err != nil {
		return err
	}
	return l.startCreated(ctx, ms, begin)
}

// startCreated starts the inits of nodes that are created and cabled.
func (l *Lab) startCreated(ctx context.Context, ms []*machine, begin time.Time) error {
	l.tell(Event{Step: Wired})
	if err := l.holdPosts(ctx, ms); err != nil {
		return err
	}
	// By rank, but without waiting for one before the next: an init takes its
	// first steps within its node's share of the processors, and would be waited
	// for longer the more of the others boot already.
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range ms {
		n, _ := m.now()
		g.Go(func() error { return l.startNode(ctx, m, n) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	l.tell(Event{Step: Started})
	l.startRelease(ms, begin)
	return nil
}

// pristine writes a node's files before its first boot.
func (l *Lab) pristine(name string, n node.Node) error {
	var files []scenarios.TreeFile
	if l.cfg.Tree != nil {
		var err error
		if files, err = l.cfg.Tree(l.nodes[name].site); err != nil {
			return err
		}
	}
	return n.Write(append(nodeFiles(files, l.cfg.Start), volumeRoots(l.nodes[name].site)...))
}

// create makes a machine's next incarnation and its cables; prepare may change
// its disk.
func (l *Lab) create(ctx context.Context, m *machine, spec node.Spec, prepare func(string, node.Node) error) (node.Node, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := l.runtime.Create(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", m.site.Name, err)
	}
	m.put(n)
	if prepare != nil {
		if err := prepare(m.site.Name, n); err != nil {
			return nil, fmt.Errorf("node %s: %w", m.site.Name, err)
		}
	}
	if len(m.site.Interfaces) > 0 { // else there is nothing to forward
		if err := cable.KernelDefaults(n.NetNS()); err != nil {
			return nil, fmt.Errorf("node %s: %w", m.site.Name, err)
		}
	}
	for _, i := range m.site.Interfaces {
		if err := l.plug(ctx, m.site.Name, i, n.NetNS()); err != nil {
			return nil, fmt.Errorf("node %s: %w", m.site.Name, err)
		}
	}
	m.state = Starting
	l.tell(Event{Step: Created, Node: m.site.Name, PID: n.PID()})
	return n, nil
}

// plug gives a node one of its cables: what the network was last told about it
// (another segment, no power, an impairment) survives the node's reboot; a cable
// that never was is as the site says.
func (l *Lab) plug(ctx context.Context, name string, i scenarios.Interface, netns string) error {
	err := l.sw.Reattach(ctx, name, i.Name, netns)
	if !errors.Is(err, cable.ErrNoPort) {
		return err
	}
	a := cable.Attachment{Node: name, Interface: i.Name, Segment: i.Segment, NetNS: netns, Raise: true}
	if seg := l.segment(i.Segment); seg != nil && seg.RateBits > 0 {
		// A carrier line is as fast as its contract says, in each direction: each
		// end limits what it receives.
		a.ToNode.RateBits = seg.RateBits
	}
	return l.sw.Attach(ctx, a)
}

func nodeFiles(files []scenarios.TreeFile, start time.Time) []node.File {
	out := make([]node.File, len(files))
	for i, f := range files {
		out[i] = node.File{Path: f.Path, Mode: f.Mode, User: f.User, Group: f.Group, Content: f.Content, ModTime: start.Add(-f.Age)}
	}
	return out
}

// startNode starts PID 1 and watches over its life.
func (l *Lab) startNode(ctx context.Context, m *machine, n node.Node) error {
	if err := n.Start(ctx); err != nil {
		return fmt.Errorf("node %s: %w", m.site.Name, err)
	}
	l.watchOver(m, n)
	return nil
}

// watchOver watches over the life of a machine's incarnation.
func (l *Lab) watchOver(m *machine, n node.Node) {
	m.mu.Lock()
	over := m.over
	m.mu.Unlock()
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		l.follow(m, n, over)
	}()
}

func (l *Lab) tell(e Event) {
	e.Time = time.Now()
	l.cfg.Observe(e)
}

// each runs f over the machines, in order, so many at once, until one fails.
func each(ctx context.Context, atOnce int, ms []*machine, f func(context.Context, *machine) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, m := range ms {
		g.Go(func() error { return f(ctx, m) })
	}
	return g.Wait()
}

// every runs f over all machines, in order, so many at once; the failure of one
// is nothing to the others.
func every(atOnce int, ms []*machine, f func(*machine) error) error {
	errs := make([]error, len(ms))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, m := range ms {
		g.Go(func() error {
			errs[i] = f(m)
			return nil
		})
	}
	_ = g.Wait()
	return errors.Join(errs...)
}

// Site is the site that runs.
func (l *Lab) Site() *scenarios.Site { return l.cfg.Site }

// Name is the lab's name.
func (l *Lab) Name() string { return l.cfg.Name }

// Switch is the lab's network.
func (l *Lab) Switch() *cable.Switch { return l.sw }

// Node is the present incarnation of a node, nil for one that has none and for a
// name that the site does not have.
func (l *Lab) Node(name string) node.Node {
	m := l.nodes[name]
	if m == nil {
		return nil
	}
	n, _ := m.now()
	return n
}

// NodeState is the state of a node.
func (l *Lab) NodeState(name string) State {
	m := l.nodes[name]
	if m == nil {
		return Off
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == Starting && m.node != nil {
		select {
		case <-m.node.Ready(): // follow may be a moment behind
			return Up
		default:
		}
	}
	return m.state
}

// WaitRunning waits until every node that is starting has booted, no port waits
// for the lease path any more, and every node has its ordinary share of the
// processors.
func (l *Lab) WaitRunning(ctx context.Context) error {
	for _, m := range l.order() {
		n, _ := m.now()
		if n == nil {
			continue
		}
		select {
		case <-n.Ready():
		case <-n.Exited():
			return fmt.Errorf("node %s ended while it booted (%s)", m.site.Name, n.Reason())
		case <-ctx.Done():
			return fmt.Errorf("node %s has not finished its boot: %w", m.site.Name, ctx.Err())
		}
	}
	r := l.lastRelease()
	select {
	case <-r.done:
	case <-ctx.Done():
		return fmt.Errorf("the workstations' ports: %w", ctx.Err())
	}
	if r.err != nil {
		return r.err
	}
	l.tell(Event{Step: Running})
	return nil
}
