package session

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/scenarios"
)

// people answer the candidate from the scenario's data, after a while, without
// ever naming a cause.
type people struct {
	s *Session
}

func newPeople(s *Session) *people { return &people{s} }

// contacts are the names of the service desk behind which somebody answers in
// this scenario, in the order of the site's list.
func (p *people) contacts() []string {
	var out []string
	for _, c := range p.s.variant.Site.Contacts {
		if slices.ContainsFunc(p.s.variant.Scenario.Dialogue, func(a scenarios.Answer) bool { return a.Who == c.ID }) {
			out = append(out, c.ID)
		}
	}
	return out
}

// list says whom the candidate can ask.
func (p *people) list() string { return strings.Join(append(p.contacts(), "user:LOGIN"), ", ") }

// reachable says whether somebody answers under this name of the service desk.
// Storage and the experts come with other scenarios.
func (p *people) reachable(to string) bool {
	who, login, _ := strings.Cut(to, ":")
	switch {
	case login == "" && slices.Contains(p.contacts(), who):
		return true
	case who == "user":
		for _, x := range p.s.variant.Site.People {
			if login != "" && (x.Login == login || x.ID == login) {
				return true
			}
		}
	}
	return false
}

// asked gives the question to somebody; the answer arrives in the inbox.
func (p *people) asked(who, login, text string, seq uint64) {
	s := p.s
	author := s.variant.Ticket.Author
	if who == "user" {
		isAuthor := login == author
		for _, x := range s.variant.Site.People {
			if x.ID == author && x.Login == login {
				isAuthor = true
			}
		}
		if isAuthor {
			login = ""
		}
	}
	a, ok := p.choose(who, login, text)
	if !ok {
		return
	}
	from := who
	switch {
	case who == "user" && login != "":
		from = s.personName(login)
	case who == "user":
		from = s.personName(author)
	default:
		for _, c := range s.variant.Site.Contacts {
			if c.ID == who {
				from = c.Title.In(s.opts.Lang)
			}
		}
	}
	// On the candidate's clock: while the session is paused nobody writes.
	comes := s.clock.After(s.scale(time.Duration(a.After)), s.over)
	go func() {
		select {
		case <-s.over:
		case <-comes:
			p.deliver(from, a.Text.In(s.opts.Lang), seq)
		}
	}()
}

// choose takes the answer that fits best: person, variant, state of the author's
// services, and the most of its words in the text, the first of equals; an answer
// without words is the fallback.
func (p *people) choose(who, login, text string) (scenarios.Answer, bool) {
	folded := words(text)
	red := p.s.authorRed()
	var fallback, best *scenarios.Answer
	most := 0
	for i, a := range p.s.variant.Scenario.Dialogue {
		w, l, _ := strings.Cut(a.Who, ":")
		if w != who || (l != "" && l != login) || (l == "" && who == "user" && login != "") {
			continue
		}
		if len(a.Variants) > 0 && !slices.Contains(a.Variants, p.s.variant.ID) {
			continue
		}
		if a.Red != "" && (a.Red == "yes") != red {
			continue
		}
		if len(a.Words) == 0 {
			if fallback == nil {
				fallback = &p.s.variant.Scenario.Dialogue[i]
			}
			continue
		}
		hits := 0
		for _, word := range a.Words {
			if strings.Contains(folded, " "+strings.TrimSpace(words(word))) { // at the start of a word
				hits++
			}
		}
		if hits > most {
			most, best = hits, &p.s.variant.Scenario.Dialogue[i]
		}
	}
	if best != nil {
		return *best, true
	}
	if fallback != nil {
		return *fallback, true
	}
	return scenarios.Answer{After: scenarios.Duration(time.Minute), Text: scenarios.Text{
		FR: "Je ne peux pas vous répondre sur ce point.", EN: "I cannot tell you about that."}}, true
}

// words makes a text comparable word by word: each begins after one space.
func words(s string) string {
	return " " + strings.Join(strings.FieldsFunc(fold(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}), " ") + " "
}

// deliver puts a message into the inbox, if the candidate is still at work.
func (p *people) deliver(from, text string, reply uint64) {
	s := p.s
	if s.isOver() || s.off("desk") {
		return
	}
	_, err := s.journal.Append(context.Background(), evidence.Entry{Source: "desk", Node: s.admin, Actor: "system",
		Payload: &evidence.InboxMessage{From: from, Text: text, InReplyTo: reply}, Durable: true})
	if err != nil {
		return
	}
	s.mu.Lock()
	s.mail = append(s.mail, &mail{at: time.Now(), from: from, text: text})
	s.mu.Unlock()
}

// authorRed says whether the ticket's author would see a red service now.
func (s *Session) authorRed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.facts.HitProbes, func(p string) bool { return s.red[p] })
}

// fold makes a text comparable: small letters, no accents.
func fold(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.ToLower(s)) {
		if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}
