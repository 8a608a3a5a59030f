package session

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/situlab/situlab/cmd/internal/control"
	"github.com/situlab/situlab/cmd/internal/desk"
	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/host"
)

// controllerDied is why a session stands still that is taken over.
const controllerDied = "controller_died"

// ResumeError says why a session cannot be resumed (exit code 2).
type ResumeError struct{ Session, Why string }

func (e *ResumeError) Error() string {
	return fmt.Sprintf("session %s cannot be resumed: %s", e.Session, e.Why)
}

// InputError marks wrong input.
func (e *ResumeError) InputError() {}

// Orphans lists the sessions whose controller has died and that can be resumed,
// with their folders: by the labs that they left, and among this host's sessions
// those that died while they wrote their results.
func Orphans() map[string]string {
	out := map[string]string{}
	kept, _ := filepath.Glob(filepath.Join(host.Home(), "sessions", "*", keptName))
	for _, file := range kept {
		dir := filepath.Dir(file)
		if id := filepath.Base(dir); !labnet.DeskHeld(id) {
			out[id] = dir
		}
	}
	for _, l := range labnet.List() {
		if !l.Alive && l.Session != "" && Resumable(l.Folder) {
			out[l.Session] = l.Folder
		}
	}
	return out
}

// Resume takes over the session with this folder, whose controller has died, and
// plays it on to its end as Run does. The candidate loses no time and nothing
// that was acknowledged: the clock stood from the last record on.
func Resume(ctx context.Context, dir, tool string, u *ui.UI) (_ *Result, err error) {
	k, err := loadKept(dir)
	if err != nil {
		return nil, &ResumeError{dir, err.Error()}
	}
	own := ui.New(u.JSON, k.Lang) // the candidate's language
	own.Out, own.Err = u.Out, u.Err
	s, err := prepare(Options{Scenario: k.Scenario, Seed: &k.Seed, Variant: k.Variant, Exam: k.Exam, Candidate: k.As, Script: k.Script,
		Factor: k.Factor, Out: dir, Lang: k.Lang, BootDelay: k.Delay, Tool: tool, Without: k.Without}, own)
	if err != nil {
		return nil, err
	}
	s.id, s.salt, s.begun, s.facts, s.values, s.own, s.image = k.Session, k.Salt, k.Begun, k.Facts, k.Values, k.Own, k.Image
	d, err := labnet.AdoptDesk(s.id)
	if errors.Is(err, host.ErrHeld) {
		return nil, &ResumeError{s.id, "it runs"}
	}
	if err != nil {
		return nil, err
	}
	left := readHalted(s.labName()) // before anything else, so that all stands still
	records, err := s.continueJournal(ctx)
	if err != nil {
		return nil, errors.Join(err, d.Leave())
	}
	defer func() {
		if s.up {
			err = errors.Join(err, s.journal.Close(), d.Close())
			labnet.Tidy()
			return
		}
		err = errors.Join(err, s.journal.Close(), d.Leave()) // another try may do
	}()
	if err := s.sameScenario(records); err != nil {
		return nil, err
	}
	s.past = s.replay(records)
	if s.past.examined {
		return s.concludeDown(ctx)
	}
	if err := s.adoptLab(ctx, d.Dir(), records, left); err != nil {
		return nil, err
	}
	s.ui.Step(s.ui.T("épreuve %s reprise ; temps restant : %s", "session %s taken over; time left: %s"), s.id, clockText(s.clock.Left()))
	res, _, err := s.conclude(ctx, s.result(), s.playAgain(ctx, d.Dir()))
	return res, err
}

// concludeDown writes the results of a session that had nothing more to do than
// that; what is left of its lab goes.
func (s *Session) concludeDown(ctx context.Context) (*Result, error) {
	res := s.result()
	res.Entered = true
	s.up = true // its desk goes with the lab
	if err := labnet.Discard(ctx, s.labName()); err != nil {
		return nil, err
	}
	if err := s.settle(res); err != nil {
		return nil, s.unsettled(err)
	}
	res.Interrupted = s.finished == evidence.FinishInterrupted
	s.ui.Step(s.ui.T("résultats de l'épreuve %s écrits", "results of session %s written"), s.id)
	return res, s.unkeep()
}

// continueJournal opens the journal where the dead controller left it.
func (s *Session) continueJournal(ctx context.Context) ([]*evidence.Record, error) {
	j, records, err := evidence.Continue(s.journalDir(), s.journalOptions(ctx))
	if err != nil {
		return nil, &ResumeError{s.id, err.Error()}
	}
	s.journal = j
	return records, nil
}

// sameScenario refuses to go on with another scenario or site than the candidate
// has begun with.
func (s *Session) sameScenario(records []*evidence.Record) error {
	var start *evidence.SessionStart
	if len(records) > 0 {
		start, _ = evidence.As[evidence.SessionStart](records[0])
	}
	if start == nil || !slices.ContainsFunc(records, func(r *evidence.Record) bool { return r.Type == evidence.TypeSessionEnter }) {
		return &ResumeError{s.id, "the candidate had not entered it"}
	}
	now, err := s.hashes()
	if err != nil {
		return err
	}
	for _, name := range []string{"scenario", "site"} {
		if now[name] != start.Hashes[name] {
			return &ResumeError{s.id, "the " + name + " has changed since; put it back"}
		}
	}
	return nil
}

// adoptLab takes over the lab, which stands still, and writes down what happened
// since the last record.
func (s *Session) adoptLab(ctx context.Context, deskDir string, records []*evidence.Record, left halted) error {
	s.term = newTerminals(s)
	lab, err := provision.Adopt(ctx, s.labOptions(deskDir))
	switch {
	case errors.Is(err, labnet.ErrNoLab):
		return host.Errorf("what was recorded stays in "+s.journalDir(), "session %s: its lab is gone: %w", s.id, err)
	case err != nil:
		return err
	}
	s.lab = lab
	if s.control, err = control.Serve(s.labName(), (*calls)(s)); err != nil {
		return errors.Join(err, lab.Leave())
	}
	s.up = true
	last := records[len(records)-1]
	if s.finished == "" {
		s.stopped = true
		s.reasons = append(s.reasons, reason{word: controllerDied, automatic: true, recorded: true})
		s.putAt(last.BootNS, &evidence.ClockPaused{Reason: controllerDied, Automatic: true})
	}
	r := &evidence.SessionResumed{LastNS: last.BootNS, DiedNS: left.DiedNS, HaltedNS: left.HaltedNS, ResumeNS: bootNow()}
	for _, n := range s.variant.Site.Nodes {
		m := lab.Node(n.Name)
		if m == nil {
			r.Ended = append(r.Ended, n.Name)
			continue
		}
		r.Unseen = append(r.Unseen, begunSince(n.Name, m.CGroup(), last.BootNS)...)
	}
	s.put(r)
	return nil
}

// putAt writes a record of an earlier moment.
func (s *Session) putAt(bootNS int64, p evidence.Payload) {
	if _, err := s.journal.Append(context.Background(), evidence.Entry{Source: "controller", Actor: "controller", BootNS: bootNS, Payload: p, Durable: true}); err != nil {
		s.invalidate("recorder_failed", "journal: "+err.Error())
	}
}

// playAgain goes on where the session was: the candidate's work, or what comes
// after it.
func (s *Session) playAgain(ctx context.Context, deskDir string) error {
	switch s.finished {
	case "":
		return s.playOn(ctx, deskDir, s.reenter)
	case evidence.FinishInterrupted, evidence.FinishInvalid:
		return nil
	}
	s.setOver()
	if err := s.lab.Thaw(ctx); err != nil {
		return err
	}
	if err := s.sampleAtFinish(ctx); err != nil {
		return err
	}
	return s.examine(ctx)
}

// reenter gives the candidate the terminals back; they are held until the nodes
// run again.
func (s *Session) reenter(ctx context.Context) (string, error) {
	if err := s.watchOver(); err != nil {
		return "", err
	}
	return s.term.adopt(ctx, s.past)
}

// goOnAfterDeath lets everything run again, and starts the nodes that ended between
// the death and the resume: why, nobody has seen, and a machine that is off cannot
// be repaired from afar.
func (s *Session) goOnAfterDeath(ctx context.Context) {
	s.unpause(ctx, controllerDied)
	if err := s.term.some(ctx); err != nil && ctx.Err() == nil {
		s.invalidate("recorder_failed", err.Error())
	}
	for _, n := range s.variant.Site.Nodes {
		if s.lab.Node(n.Name) != nil || s.past.off[n.Name] {
			continue
		}
		if err := s.lab.Reboot(ctx, n.Name); err != nil && ctx.Err() == nil {
			s.ui.Warn("%s: %v", n.Name, err)
		}
	}
}

// labOptions is what the session's lab is made from.
func (s *Session) labOptions(deskDir string) provision.Options {
	o := provision.Options{Name: s.labName(), Site: s.variant.Site, Start: s.begun, Desk: deskDir, DeskPath: desk.Dir, Observe: s.labEvent, UI: s.ui}
	o.BootDelay = s.bootDelay()
	return o
}
