package session

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situlab/situlab/cmd/internal/control"
	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/grader"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/fault"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/watch"
	"github.com/situlab/situlab/labnet/watch/term"
	"github.com/situlab/situlab/scenarios"
)

// Options says what to play.
type Options struct {
	Scenario string  // an id of the library or a folder
	Seed     *uint64 // nil: drawn
	Variant  string  // empty: drawn; scenarios.Healthy is the twin
	Exam     bool
	// Candidate is a pseudonym.
	Candidate string
	// Script is a scripted candidate; empty is a person at the terminal.
	Script []byte
	Factor float64
	// Out is the folder of the results; empty is $SITULAB_HOME/sessions/ID.
	Out  string
	Lang string
	// BootDelay makes reboots cost what they cost in life, in training too.
	BootDelay bool
	// Tool is situlab's version.
	Tool string
	// Without names recorders to leave off (those of evidence.RecorderState).
	// Only tests do: a test that relies on a recorder must fail without it.
	Without []string
}

// Result is what a session leaves.
type Result struct {
	Session string          `json:"session"`
	Seed    uint64          `json:"seed"`
	Variant string          `json:"variant"`
	Dir     string          `json:"dir"`
	Bundle  string          `json:"bundle"`
	Verdict string          `json:"verdict"`
	Report  string          `json:"report"`
	Grade   *grader.Verdict `json:"-"`
	// Interrupted says that the controller was told to stop.
	Interrupted bool `json:"interrupted,omitempty"`
	// Entered says that the candidate's work had begun.
	Entered bool `json:"entered"`
}

// EnvironmentError says that the environment, not the candidate, failed (exit
// code 4).
type EnvironmentError struct {
	Reason string // snake_case word of evidence.SessionInvalid
	Detail string
}

func (e *EnvironmentError) Error() string { return e.Reason + ": " + e.Detail }

// Session is a session under way.
type Session struct {
	opts    Options
	ui      *ui.UI
	id      string
	dir     string
	unmake  func() // takes back what was made for it
	image   string // id
	up      bool   // a lab has been started: what is recorded is kept
	salt    string
	variant *scenarios.Variant
	facts   evidence.Facts
	admin   string // the administration workstation
	faults  []injected

	lab     *labnet.Lab
	journal *evidence.Journal
	clock   *clock
	people  *people
	term    *terminals
	joiner  *watch.Joiner
	begun   time.Time // the start that ages count back from
	entered time.Time

	values map[string]string     // answers of the canaries' queries, by id
	own    map[string]*watch.Own // what each node runs by itself
	guard  *guard
	past   *past // what a session that is resumed goes on from

	finished string // why the work had ended when the controller died

	ending chan string // reason of the end of the candidate's work

	writing    sync.Mutex  // held while a logbook entry gets its number
	turn       sync.Mutex  // held by what freezes or thaws the lab
	unattended *time.Timer // ends a script's session that stays paused

	mu        sync.Mutex
	over      chan struct{}   // closed at the end of the candidate's work
	working   context.Context // the candidate's work: nil before the entry, done at its end
	reasons   []reason        // why the session is paused; none: it runs
	stopped   bool            // clock and nodes stand still
	tickets   []*ticketState
	mail      []*mail
	logbook   []logEntry
	diagnoses []evidence.Diagnosis
	hints     int
	notices   []sentNotice
	written   int             // bytes that the candidate has written so far
	red       map[string]bool // probe@segment red in the last sample
	health    health
	control   *control.Server
	watching  *recorders        // nil while nobody is observed
	failure   *EnvironmentError // why the work was ended, if the environment failed
	adminLeft node.Reason       // how the administration workstation ended last

	footprint footprint
	vanishing vanishing

	consoles atomic.Uint32 // opened so far

	windowMu sync.Mutex
	window   []*evidence.Record // what the permanence is measured from
}

// injected is a fault with its place.
type injected struct {
	spec  scenarios.Fault
	fault fault.Fault
	decoy bool
}

// Run plays one session from the scenario to the report. The lab is gone when
// it returns, whatever happened.
func Run(ctx context.Context, o Options, u *ui.UI) (res *Result, err error) {
	s, err := prepare(o, u)
	if err != nil {
		return nil, err
	}
	// What watching needs is asked before 61 nodes are started, not after.
	for _, has := range []func() error{watch.HasExecs, watch.HasFiles} {
		if err := has(); err != nil {
			return nil, host.Errorf("situlab doctor", "this kernel does not let situlab observe a session: %w", err)
		}
	}
	res = s.result()
	// The image can take minutes, or be refused: nothing is made before it is there.
	img, err := provision.Image(ctx, u)
	if err != nil {
		return nil, err
	}
	s.image = img.ID
	deskDir, leave, err := s.setUp(ctx)
	if err != nil {
		return nil, err
	}
	unborn := false
	defer func() {
		err = errors.Join(err, leave())
		if unborn {
			s.removeDir()
		}
	}()

	res, unborn, err = s.conclude(ctx, res, s.play(ctx, deskDir))
	return res, err
}

// conclude takes the lab down and writes the results, however the play has ended.
func (s *Session) conclude(ctx context.Context, res *Result, playErr error) (_ *Result, unborn bool, err error) {
	interrupted := false
	var env *EnvironmentError
	switch {
	case errors.As(playErr, &env):
		s.ui.Warn("%s : %v", s.ui.T("environnement invalide", "environment invalid"), env)
		s.put(&evidence.SessionInvalid{Reason: env.Reason, Detail: env.Detail})
	case playErr != nil && ctx.Err() != nil:
		interrupted = true
	}
	down := s.takeDown()
	if playErr != nil && env == nil && !interrupted {
		// Not up: the host could not, there never was a session.
		return nil, !s.up, errors.Join(playErr, down)
	}
	// Facts, bundle, verdict and report are written also for an invalid or an
	// interrupted session: nothing recorded is lost.
	if err := s.settle(res); err != nil {
		return nil, false, errors.Join(s.unsettled(err), down)
	}
	down = errors.Join(down, s.unkeep())
	res.Interrupted, res.Entered = interrupted, !s.entered.IsZero()
	if env != nil {
		return res, false, errors.Join(env, down)
	}
	return res, false, down
}

func (s *Session) result() *Result {
	return &Result{Session: s.id, Seed: s.variant.Seed, Variant: s.variant.ID, Dir: s.dir,
		Bundle: filepath.Join(s.dir, "bundle.situlab"), Verdict: filepath.Join(s.dir, "verdict.json"), Report: filepath.Join(s.dir, "report.html")}
}

// setUp mounts the desk and opens the journal; leave undoes both.
func (s *Session) setUp(ctx context.Context) (deskDir string, leave func() error, err error) {
	d, err := labnet.NewDesk(s.id)
	if err != nil {
		return "", nil, err
	}
	if err := s.openJournal(ctx); err != nil {
		return "", nil, errors.Join(err, d.Close())
	}
	return d.Dir(), func() error {
		err := errors.Join(s.journal.Close(), d.Close())
		labnet.Tidy() // the desk stood longer than its lab
		return err
	}, nil
}

// prepare loads and draws; nothing is touched on the host.
func prepare(o Options, u *ui.UI) (*Session, error) {
	if o.Factor <= 0 {
		o.Factor = 1
	}
	scn, err := scenarios.LoadScenario(o.Scenario)
	if err != nil {
		return nil, err
	}
	site, err := scenarios.LoadSiteOf(scn)
	if err != nil {
		return nil, err
	}
	seed := uint64(0)
	if o.Seed != nil {
		seed = *o.Seed
	} else {
		n, err := rand.Int(rand.Reader, big.NewInt(1_000_000_000))
		if err != nil {
			return nil, err
		}
		seed = n.Uint64() + 1
	}
	v, err := scenarios.Draw(scn, site, seed, o.Variant)
	if err != nil {
		return nil, err
	}
	s := &Session{opts: o, ui: u, variant: v, begun: time.Now(), ending: make(chan string, 1), over: make(chan struct{}), red: map[string]bool{}}
	for _, n := range v.Site.Nodes {
		if n.Class == scenarios.Admin {
			s.admin = n.Name
		}
	}
	for i, f := range v.Faults {
		ft, err := fault.Parse(f)
		if err != nil {
			return nil, err
		}
		s.faults = append(s.faults, injected{f, ft, i < len(scn.Decoys)})
	}
	s.id = time.Now().Format("20060102-150405-") + randomHex(3)
	s.salt = randomHex(16)
	s.facts = buildFacts(v, s.faults)
	s.dir = o.Out
	if s.dir == "" {
		s.dir = filepath.Join(host.Home(), "sessions", s.id)
	}
	s.clock = newClock(s.scale(time.Duration(scn.Minutes) * time.Minute))
	s.people = newPeople(s)
	s.health.path = controlPath(v)
	return s, nil
}

// local is a moment on the company's clock, which all of its machines show.
func (s *Session) local(t time.Time) time.Time { return t.In(s.variant.Site.Company.Location()) }

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// scale multiplies a time of the scenario by the time factor.
func (s *Session) scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) * s.opts.Factor)
}

func (s *Session) labName() string { return "s-" + s.id[len(s.id)-6:] }

// off says that a recorder is left off.
func (s *Session) off(recorder string) bool { return slices.Contains(s.opts.Without, recorder) }

// play goes from an empty host to the end of the examinations.
func (s *Session) play(ctx context.Context, deskDir string) error {
	start, err := s.startRecord()
	if err != nil {
		return err
	}
	s.put(start)
	s.put(&evidence.SessionIdentity{Candidate: s.opts.Candidate, Variant: s.variant.ID})
	seal, err := s.facts.Commitment(s.salt)
	if err != nil {
		return err
	}
	s.put(&evidence.SessionSeal{Commitment: seal})

	if err := s.startLab(ctx, deskDir); err != nil {
		return err
	}
	if err := s.breakIt(ctx); err != nil {
		return err
	}
	return s.playOn(ctx, deskDir, s.enter)
}

// playOn watches the candidate, who comes in by enter, to the end of the work, and
// examines it.
func (s *Session) playOn(ctx context.Context, deskDir string, enter func(context.Context) (string, error)) error {
	server, err := listenDesk(deskDir)
	if err != nil {
		return err
	}
	serveCtx, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	go server.serve(serveCtx, s)
	defer func() {
		server.close()
		stopServing()
		server.wg.Wait()
	}()
	watching, err := s.startRecorders(ctx)
	if err != nil {
		return err
	}
	reason, err := s.work(ctx, enter)
	if err == nil {
		s.put(&evidence.SessionFinish{Reason: reason})
		if reason == evidence.FinishInterrupted {
			err = context.Canceled
		} else {
			err = s.sampleAtFinish(ctx)
		}
	}
	if gerr := s.guard.dismiss(); gerr != nil {
		s.ui.Warn("guard: %v", gerr)
	}
	s.guard = nil
	s.clock.Stop()
	s.term.closeAll()
	watching.finish()
	if err == nil {
		err = s.examine(ctx)
	}
	return errors.Join(err, watching.stop())
}

func (s *Session) startRecord() (*evidence.SessionStart, error) {
	mode := "training"
	if s.opts.Exam {
		mode = "exam"
	}
	limit := s.scale(time.Duration(s.variant.Scenario.Minutes) * time.Minute)
	hashes, err := s.hashes()
	if err != nil {
		return nil, err
	}
	return &evidence.SessionStart{
		Scenario: s.variant.Scenario.ID, Site: s.variant.Site.ID, Mode: mode,
		SeedCommitment: commitment(s.salt, strconv.FormatUint(s.variant.Seed, 10)),
		TimeFactor:     s.opts.Factor, LimitSeconds: limit.Seconds(), Deadline: s.local(time.Now().Add(limit)),
		Lang: s.opts.Lang, Tool: s.opts.Tool, Runtime: "native", Unattended: s.opts.Script != nil,
		Hashes: hashes, Host: hostFacts(), JournalKey: s.journal.Key(),
	}, nil
}

// bootDelay is what a reboot costs.
func (s *Session) bootDelay() map[scenarios.Class]time.Duration {
	delay := map[scenarios.Class]time.Duration{}
	if s.opts.Exam || s.opts.BootDelay {
		for c, d := range s.variant.Scenario.BootDelay {
			delay[c] = s.scale(time.Duration(d))
		}
	}
	return delay
}

// startLab brings the healthy company up and proves it green.
func (s *Session) startLab(ctx context.Context, deskDir string) error {
	s.term = newTerminals(s)
	begin := time.Now()
	lab, err := provision.Lab(ctx, s.labOptions(deskDir))
	if err != nil {
		return err
	}
	s.lab = lab
	if s.control, err = control.Serve(s.labName(), (*calls)(s)); err != nil {
		return err
	}
	s.up = true
	s.put(&evidence.LabUp{Nodes: len(s.variant.Site.Nodes), Segments: len(s.variant.Site.Segments), Seconds: time.Since(begin).Seconds()})
	results, err := provision.WaitGreen(ctx, lab, s.ui)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return &EnvironmentError{"lab_not_ready", err.Error()}
	}
	s.put(&evidence.LabReady{Seconds: time.Since(begin).Seconds(), Probes: len(results)})
	return s.canaryValues(ctx)
}

// enter lets the candidate in; it gives the first terminal.
func (s *Session) enter(ctx context.Context) (string, error) {
	s.entered = time.Now()
	if err := s.writeDossier(); err != nil {
		return "", err
	}
	if err := s.watchOver(); err != nil {
		return "", err
	}
	s.openTicket()
	s.clock.Start()
	// Before the terminal opens: its first program belongs to the work.
	s.put(&evidence.SessionEnter{Terminal: firstTerminal})
	return s.term.open(ctx, evidence.TermShell)
}

// watchOver makes the session outlive its controller: it can be resumed, and
// until then its nodes stand still.
func (s *Session) watchOver() (err error) {
	if s.guard, err = startGuard(s.labName()); err != nil {
		return err
	}
	return s.keep()
}

// work lets the candidate in and waits for the end of the work.
func (s *Session) work(ctx context.Context, enter func(context.Context) (string, error)) (reason string, err error) {
	defer s.setOver() // also where it never began well
	working, endWork := context.WithCancel(context.WithoutCancel(ctx))
	defer endWork()
	name, err := enter(ctx)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.working = working
	s.mu.Unlock()
	detach := s.term.attachUser(name)
	if s.past != nil {
		go s.goOnAfterDeath(working)
	}
	s.warnTime()
	expired := s.clock.Expired(s.over)
	select {
	case reason = <-s.ending:
	case <-expired:
		reason = evidence.FinishDeadline
	case <-ctx.Done():
		reason = evidence.FinishInterrupted
	}
	s.setOver()
	endWork()
	s.lift(context.WithoutCancel(ctx))
	text := s.finishText(reason)
	s.term.lock(text)
	detach()
	s.ui.Step("%s", text)
	if reason == evidence.FinishInvalid {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.failure == nil {
			s.failure = &EnvironmentError{"recorder_failed", "a recorder or the journal failed"}
		}
		return reason, s.failure
	}
	return reason, nil
}

// warnAt is when the candidate is told what is left (times the time factor).
var warnAt = []time.Duration{15 * time.Minute, 5 * time.Minute, time.Minute}

// warnTime tells the candidate in every terminal that the time runs out.
func (s *Session) warnTime() {
	for _, left := range warnAt {
		left = s.scale(left)
		if left >= s.clock.Left() {
			continue
		}
		reached := s.clock.Reaches(left, s.over)
		go func() {
			select {
			case <-s.over:
			case <-reached:
				text := fmt.Sprintf(s.ui.T("— il reste %s —", "— %s left —"), clockText(left))
				_ = s.term.each(func(h *term.Handle) error { return h.Notify(context.Background(), text) })
			}
		}()
	}
}

// finishText tells the candidate that the work is over, and why.
func (s *Session) finishText(reason string) string {
	switch reason {
	case evidence.FinishDeadline:
		return s.ui.T("temps écoulé : l’épreuve est terminée, plus rien n’est pris en compte", "time is up: the session is finished, nothing more is taken into account")
	case evidence.FinishInterrupted, evidence.FinishInvalid:
		return s.ui.T("l’épreuve est arrêtée, plus rien n’est pris en compte", "the session is stopped, nothing more is taken into account")
	}
	return s.ui.T("terminé : plus rien n’est pris en compte, les vérifications commencent", "finished: nothing more is taken into account, the examinations begin")
}

// setOver says that the candidate's work is over; saying it again does nothing.
func (s *Session) setOver() {
	s.mu.Lock() // a reason to pause comes before it or is refused
	defer s.mu.Unlock()
	if !s.isOver() {
		close(s.over)
	}
}

// isOver says whether the candidate's work has ended.
func (s *Session) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// end ends the candidate's work once.
func (s *Session) end(reason string) {
	select {
	case s.ending <- reason:
	default:
	}
}

// openTicket puts the ticket before the candidate.
func (s *Session) openTicket() {
	t := s.variant.Ticket
	e := evidence.Ticket{ID: t.ID, Author: t.Author, Title: t.Title.In(s.opts.Lang), Text: t.Text.In(s.opts.Lang)}
	s.put(&e)
	s.mu.Lock()
	s.tickets = append(s.tickets, &ticketState{Ticket: e, at: s.entered.Add(-time.Duration(t.Ago))})
	s.mu.Unlock()
}

func (s *Session) siteNode(name string) *scenarios.Node {
	for i := range s.variant.Site.Nodes {
		if s.variant.Site.Nodes[i].Name == name {
			return &s.variant.Site.Nodes[i]
		}
	}
	return nil
}

// takeDown removes the lab; what fails is told, not hidden.
func (s *Session) takeDown() error {
	if s.lab == nil {
		return nil
	}
	begin := time.Now()
	if s.control != nil {
		_ = s.control.Close()
	}
	err := s.lab.Close(context.Background())
	s.put(&evidence.LabDown{Seconds: time.Since(begin).Seconds()})
	if err != nil {
		return fmt.Errorf("take the lab down: %w (situlab gc removes the rest)", err)
	}
	return nil
}
