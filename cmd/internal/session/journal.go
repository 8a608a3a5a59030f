package session

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/situlab/situlab/cmd/internal/folder"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/host"
)

func (s *Session) openJournal(ctx context.Context) error {
	var err error
	if s.unmake, err = folder.Make(s.dir, 0o700); err != nil {
		return host.Errorf("check --out and the free space", "create %s: %w", s.dir, err)
	}
	j, err := evidence.Create(s.journalDir(), s.journalOptions(ctx))
	if err != nil {
		s.unmake()
		return host.Errorf("choose another --out", "create the journal: %w", err)
	}
	s.journal = j
	return nil
}

func (s *Session) journalOptions(ctx context.Context) evidence.Options {
	return evidence.Options{Lab: s.labName(), Session: s.id, Observe: s.remember, KeyFile: s.keyFile(),
		Failed: func(err error) { go s.mendJournal(ctx, err) }}
}

func (s *Session) journalDir() string { return filepath.Join(s.dir, evidence.JournalDir) }

// keyFile holds the key of the journal's checkpoints until its end.
func (s *Session) keyFile() string { return filepath.Join(s.dir, "journal.key") }

// removeDir takes away the journal of a session that never was, and the folders
// that were made for it.
func (s *Session) removeDir() {
	_ = os.RemoveAll(s.journalDir())
	_ = os.Remove(s.keyFile())
	s.unmake()
}

// remember keeps the records that the permanence window is measured from, so
// that waiting for it does not read the journal again each second.
func (s *Session) remember(r *evidence.Record) {
	t := string(r.Type)
	if r.Type != evidence.TypeProbeSample && r.Type != evidence.TypeRecorderHealth &&
		!strings.HasPrefix(t, "session.") && !strings.HasPrefix(t, "clock.") {
		return
	}
	s.windowMu.Lock() // not mu: records are written with that held, too
	defer s.windowMu.Unlock()
	s.window = append(s.window, r)
}

// put writes a record of the controller and waits until it is on disk.
func (s *Session) put(p evidence.Payload) uint64 { return s.putNode("", p) }

func (s *Session) putNode(node string, p evidence.Payload) uint64 {
	seq, err := s.journal.Append(context.Background(), evidence.Entry{Source: "controller", Node: node, Actor: "controller", Payload: p, Durable: true})
	if err != nil {
		s.ui.Warn("journal: %v", err)
		s.invalidate("recorder_failed", "journal: "+err.Error())
	}
	return seq
}

// journalStalled is why a session stands still while its journal cannot be
// written.
const journalStalled = "journal_stalled"

// mendEvery is how often a disk that has failed is tried again, giveUpAfter how
// long it may take once the controller is told to stop.
const (
	mendEvery   = time.Second
	giveUpAfter = 10 * time.Second
)

// mendJournal stops the session until its journal can be written again. Whoever
// records something waits meanwhile: nothing is lost, and nothing is said to be
// recorded that is not on disk.
func (s *Session) mendJournal(ctx context.Context, cause error) {
	s.ui.Warn(s.ui.T("le journal de preuve ne peut pas être écrit : %v\n  l’épreuve attend, rien n’est perdu ; faire de la place : %s",
		"the journal of evidence cannot be written: %v\n  the session waits, nothing is lost; free some space: %s"), cause, s.dir)
	background := context.WithoutCancel(ctx)
	stopped := make(chan struct{})
	working := s.because(journalStalled, true) == nil
	if working {
		go func() { // its own record waits, too
			defer close(stopped)
			s.follow(background, journalStalled)
		}()
	}
	var giveUp <-chan time.Time
	told := ctx.Done()
	for s.journal.Mend() != nil {
		select {
		case <-time.After(mendEvery):
		case <-told:
			told, giveUp = nil, time.After(giveUpAfter)
		case <-giveUp:
			s.journal.GiveUp()
			return
		}
	}
	s.ui.Step("%s", s.ui.T("le journal de preuve est de nouveau écrit", "the journal of evidence is written again"))
	if working {
		<-stopped
		s.unpause(background, journalStalled)
	}
}

// unsettled says what remains of a session whose results the disk did not take.
func (s *Session) unsettled(err error) error {
	var path *fs.PathError
	if s.journal.Err() == nil && !errors.As(err, &path) {
		return err
	}
	return host.Errorf("free some space; what was recorded is in "+s.journalDir(), "the results of session %s could not be written: %w", s.id, err)
}
