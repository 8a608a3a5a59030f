package session

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/watch"
)

// past is what the recorders knew when the controller died, as the journal tells.
type past struct {
	joiner *watch.Joiner
	execs  uint64 // highest number of a program
	net    map[string]map[string]bool
	told   map[string]bool
	// cuts are the last moments that a terminal's recordings were journaled, of
	// what it said and of the lines typed in its programs.
	said, typed map[string]int64
	kinds       map[string]string  // of all terminals so far
	consoles    uint32             // opened so far
	off         map[string]bool    // nodes that were off
	examined    bool               // the examinations are over, or the lab is down
	revealed    bool               // the facts are
	sealed      bool               // the bundle's files are
	ended       bool               // the journal has its last record
	desk        []*evidence.Record // what the candidate had sealed, of the last minute
}

// replay puts the session where its journal says that it was. It returns what the
// recorders go on from.
func (s *Session) replay(records []*evidence.Record) *past {
	p := &past{joiner: watch.NewJoiner(), net: map[string]map[string]bool{}, told: map[string]bool{}, said: map[string]int64{}, typed: map[string]int64{}, kinds: map[string]string{}, off: map[string]bool{}}
	answered := map[uint64]bool{}
	type question struct {
		who, login, text string
		seq              uint64
	}
	var asked []question
	var runs int64 // since when the clock runs, boot ns
	for _, r := range records {
		s.remember(r)
		switch v := r.Payload().(type) {
		case *evidence.SessionEnter:
			s.entered, runs = r.Wall, r.BootNS
		case *evidence.ClockPaused:
			if runs != 0 {
				s.clock.used += time.Duration(r.BootNS - runs)
				runs = 0
			}
			if v.Reason == byHand {
				s.reasons = append(s.reasons, reason{word: byHand, recorded: true})
			}
		case *evidence.ClockResumed:
			runs, s.reasons = r.BootNS, nil
		case *evidence.SessionFinish:
			s.finished = v.Reason
		case *evidence.ProbeSample:
			s.red[v.Probe] = !v.OK
		case *evidence.Ticket:
			s.tickets = append(s.tickets, &ticketState{Ticket: *v, at: r.Wall})
		case *evidence.TicketReply:
			if t := s.findTicket(v.Ticket); t != nil {
				t.replies = append(t.replies, v.Text)
				asked = append(asked, question{"user", t.Author, v.Text, r.Seq})
			}
		case *evidence.TicketClose:
			if t := s.findTicket(v.Ticket); t != nil {
				t.closed = true
			}
		case *evidence.Request:
			who, login, _ := strings.Cut(v.To, ":")
			asked = append(asked, question{who, login, v.Text, r.Seq})
		case *evidence.InboxMessage:
			answered[v.InReplyTo] = true
			s.mail = append(s.mail, &mail{at: r.Wall, from: v.From, text: v.Text})
		case *evidence.LogEntry:
			s.logbook = append(s.logbook, logEntry{id: v.ID, at: r.Wall, node: v.NodeRef, text: v.Text})
		case *evidence.LogCorrection:
			s.logbook = append(s.logbook, logEntry{id: v.ID, at: r.Wall,
				text: fmt.Sprintf(s.ui.T("corrige %d : %s", "corrects %d: %s"), v.Corrects, v.Text)})
		case *evidence.Notice:
			s.notices = append(s.notices, sentNotice{*v, r.Wall})
		case *evidence.Diagnosis:
			s.diagnoses = append(s.diagnoses, *v)
		case *evidence.HintShown:
			s.hints = max(s.hints, v.Level)
		}
		if r.Source == "desk" && r.Actor == "candidate" {
			s.written += len(r.Data)
		}
		if r.Source == "desk" && r.Actor == "candidate" {
			p.desk = append(p.desk, r)
		}
		p.take(s, r)
	}
	// The time between the death and now is the candidate's.
	if last := records[len(records)-1]; runs != 0 {
		s.clock.used += time.Duration(last.BootNS - runs)
	}
	s.consoles.Store(p.consoles)
	for _, q := range asked {
		if !answered[q.seq] {
			s.people.asked(q.who, q.login, q.text, q.seq)
		}
	}
	return p
}

// againFor is how long before the death a call can have sealed something whose
// answer was never heard.
const againFor = time.Minute

func (p *past) forgetOld(died int64) {
	p.desk = slices.DeleteFunc(p.desk, func(r *evidence.Record) bool { return r.BootNS < died-int64(againFor) })
}

// saidBefore finds what the same call had sealed before the death, and takes it out:
// said twice in life, it counts twice.
func (p *past) saidBefore(v evidence.Payload) (uint64, bool) {
	i := slices.IndexFunc(p.desk, func(r *evidence.Record) bool { return sameSaid(r.Payload(), v) })
	if i < 0 {
		return 0, false
	}
	seq := p.desk[i].Seq
	p.desk = slices.Delete(p.desk, i, i+1)
	return seq, true
}

// sameSaid compares what two runs of the same call seal, but for the numbers and
// the times that depend on when they ran.
func sameSaid(a, b evidence.Payload) bool {
	return a.RecordType() == b.RecordType() && reflect.DeepEqual(timeless(a), timeless(b))
}

func timeless(p evidence.Payload) any {
	switch v := p.(type) {
	case *evidence.LogEntry:
		c := *v
		c.ID = 0
		return c
	case *evidence.LogCorrection:
		c := *v
		c.ID = 0
		return c
	case *evidence.Diagnosis:
		c := *v
		c.TextSeq = 0
		return c
	case *evidence.Notice:
		c := *v
		c.From, c.Until = time.Time{}, time.Time{}
		return c
	case *evidence.Restored:
		c := *v
		c.Until = time.Time{}
		return c
	}
	return reflect.ValueOf(p).Elem().Interface()
}

// take hears what a recorder had said.
func (p *past) take(s *Session, r *evidence.Record) {
	switch v := r.Payload().(type) {
	case *evidence.TermOpen:
		p.joiner.Terminal(v.Terminal, s.admin, v.LoginSession, "")
		p.said[v.Terminal], p.typed[v.Terminal], p.kinds[v.Terminal] = 0, 0, v.Kind
	case *evidence.TermClose:
		delete(p.said, v.Terminal)
	case *evidence.TermOutput:
		p.said[v.Terminal] = r.BootNS
	case *evidence.TermKeys:
		p.said[v.Terminal] = r.BootNS
	case *evidence.TermResize:
		p.said[v.Terminal] = r.BootNS
	case *evidence.TermInputLine:
		p.typed[v.Terminal] = max(p.typed[v.Terminal], r.BootNS)
	case *evidence.TermUncut:
		p.typed[v.Terminal] = max(p.typed[v.Terminal], r.BootNS)
	case *evidence.ExecStart:
		p.execs = max(p.execs, v.ID)
		if v.Terminal != "" || v.Detached {
			s.footprint.touch(r.Node)
			if v.Via == "console" && v.LoginUID > consoleLoginUID {
				p.consoles = max(p.consoles, v.LoginUID-consoleLoginUID)
			}
			if v.LoginSession != 0 {
				p.joiner.Known(v.LoginSession, watch.Origin{Terminal: v.Terminal, Via: v.Via, Detached: v.Detached})
			}
		}
	case *evidence.ExamDone, *evidence.LabDown:
		p.examined = true
	case *evidence.SessionFacts:
		p.revealed = true
	case *evidence.SessionFiles:
		p.sealed = true
	case *evidence.SessionEnd:
		p.ended = true
	case *evidence.LabNode:
		p.off[r.Node] = v.Event == evidence.NodeOff
	case *evidence.FileChange:
		p.told[r.Node+":"+v.Path] = true
	case *evidence.NetState:
		now := p.net[r.Node]
		if now == nil {
			now = map[string]bool{}
			p.net[r.Node] = now
		}
		for _, l := range v.Removed {
			delete(now, l)
		}
		for _, l := range v.Added {
			now[l] = true
		}
	}
}
