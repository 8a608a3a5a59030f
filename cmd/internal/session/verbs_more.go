package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/scenarios"
	"github.com/situlab/situlab/scenarios/documents"
)

func (c *call) doc() error {
	_, rest, err := c.flags(nil)
	if err != nil {
		return err
	}
	if len(rest) == 0 || rest[0] == "list" {
		for _, d := range documents.List(c.lang) {
			if err := c.printf("%-20s %s\n", "%-20s %s\n", d.ID, d.Title); err != nil {
				return err
			}
		}
		return nil
	}
	if rest[0] != "show" || len(rest) != 2 {
		return usageError{"il faut : show ID", "wanted: show ID"}
	}
	text, err := documents.Render(c.s.variant.Site, rest[1], c.s.documents(c.lang))
	if err != nil {
		return refusal{"aucun document « " + rest[1] + " » (situ doc list)", "no document " + rest[1] + " (situ doc list)"}
	}
	if _, err := c.seal(&evidence.DocShown{Doc: rest[1]}); err != nil {
		return err
	}
	return c.print(documents.Text(text, c.width()))
}

// documents says how the candidate's documents are written now.
func (s *Session) documents(lang string) documents.Options {
	return documents.Options{Lang: lang, Start: s.local(s.entered), Now: s.local(time.Now()), Factor: s.opts.Factor}
}

// writeDossier puts the candidate's documents, the drawn plan among them, beside
// the session's other files, for the table in front of the candidate.
func (s *Session) writeDossier() error {
	files, err := documents.Dossier(s.variant.Site, s.documents(s.opts.Lang))
	if err != nil {
		return err
	}
	dir := filepath.Join(s.dir, "dossier")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return host.Errorf("check --out and the free space", "create %s: %w", dir, err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return host.Errorf("check --out and the free space", "write the candidate's file: %w", err)
		}
	}
	s.ui.Step(s.ui.T("dossier du candidat (documents, plan) : %s", "the candidate's file (documents, plan): %s"), dir)
	return nil
}

// letter wraps what somebody wrote: each line stays the author's, only long ones
// are broken.
func letter(text string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		b.WriteString(strings.TrimRight(documents.Text(line, width), "\n") + "\n")
	}
	return b.String()
}

// width is how wide a text may be on the reader's terminal.
func (c *call) width() int { return max(40, min(int(c.cols), 100)) }

// maxReport bounds the text kept of a report in the journal.
const maxReport = 256 << 10

func (c *call) report() error {
	_, rest, err := c.flags(nil)
	if err != nil {
		return err
	}
	if len(rest) != 2 || rest[0] != "submit" {
		return usageError{"il faut : submit FICHIER", "wanted: submit FILE"}
	}
	data, err := c.file(rest[1])
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return refusal{"le rapport est vide", "the report is empty"}
	}
	if !utf8.Valid(data) || len(data) > maxReport {
		return refusal{"le rapport doit être un texte UTF-8 d'au plus 256 Kio", "the report must be a UTF-8 text of at most 256 KiB"}
	}
	sum := sha256.Sum256(data)
	if _, err := c.seal(&evidence.Document{Kind: "report", Name: rest[1], SHA256: hex.EncodeToString(sum[:]), Text: string(data)}); err != nil {
		return err
	}
	return c.printf("Rapport remis (empreinte %.16x).\n", "Report handed in (digest %.16x).\n", sum)
}

func (c *call) request() error {
	f, rest, err := c.flags([]string{"to", "text"})
	if err != nil {
		return err
	}
	to, text := f["to"], f["text"]
	if text == "" {
		text = strings.Join(rest, " ")
	}
	if to == "" || text == "" {
		return usageError{"il faut --to et --text", "--to and --text are wanted"}
	}
	if slices.ContainsFunc(c.s.variant.Site.Contacts, func(x scenarios.Contact) bool { return x.ID == to }) && !c.s.people.reachable(to) {
		return refusal{"le stockage et les experts (opérateur, éditeur) ne sont pas encore joignables dans cette version de situlab ; le sont : " + c.s.people.list(),
			"storage and the experts (carrier, vendor) cannot be reached yet in this version of situlab; those who can: " + c.s.people.list()}
	}
	if !c.s.people.reachable(to) {
		return refusal{"cet interlocuteur ne répond pas dans cette épreuve : " + to + " (" + c.s.people.list() + ")",
			"nobody answers there in this session: " + to + " (" + c.s.people.list() + ")"}
	}
	seq, err := c.seal(&evidence.Request{To: to, Text: text})
	if err != nil {
		return err
	}
	who, login, _ := strings.Cut(to, ":")
	c.s.people.asked(who, login, text, seq)
	return c.printf("Demande transmise ; la réponse arrivera dans « situ inbox ».\n", "Request passed on; the answer will come to \"situ inbox\".\n")
}

func (c *call) inbox() error {
	s := c.s
	s.mu.Lock()
	mails := append([]*mail(nil), s.mail...)
	for _, m := range s.mail {
		m.read = true
	}
	s.mu.Unlock()
	if len(mails) == 0 {
		return c.printf("Aucun message.\n", "No message.\n")
	}
	for _, m := range mails {
		if err := c.printf("— %s, %s :\n%s\n\n", "— %s, %s:\n%s\n\n", s.local(m.at).Format("15:04:05"), m.from, letter(m.text, c.width())); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) calendar() error {
	s := c.s
	if err := c.printf("Il est %s. Temps restant : %s.\n", "It is %s. Time left: %s.\n", s.local(time.Now()).Format("15:04:05"), clockText(s.clock.Left())); err != nil {
		return err
	}
	for _, w := range documents.Calendar(s.variant.Site, s.documents(c.lang)) {
		now := "  "
		if w.Current {
			now = "> "
		}
		line := fmt.Sprintf("%s%s → %s  [%s]  %s", now, w.From.Format("02/01 15:04"), w.Until.Format("02/01 15:04"), w.Kind, w.Title)
		if w.Scope != "" {
			line += " (" + w.Scope + ")"
		}
		if err := c.print(line + "\n"); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) hint() error {
	s := c.s
	if s.opts.Exam {
		return refusal{"pas d'indice pendant un examen", "no hints in an examination"}
	}
	s.mu.Lock()
	level := s.hints
	if level < len(s.variant.Scenario.Hints) {
		s.hints++
	}
	s.mu.Unlock()
	hints := s.variant.Scenario.Hints
	if level >= len(hints) {
		return refusal{"il n'y a plus d'indice", "there are no more hints"}
	}
	reveals := level == len(hints)-1
	if _, err := c.seal(&evidence.HintShown{Level: level + 1, Reveals: reveals}); err != nil {
		return err
	}
	return c.printf("Indice %d/%d : %s\n", "Hint %d/%d: %s\n", level+1, len(hints), hints[level].Text.In(c.lang))
}

func (c *call) finish() error {
	f, _, err := c.flags(nil, "yes")
	if err != nil {
		return err
	}
	if c.tty && f["yes"] == "" {
		a, err := c.ask(c.t("Terminer l'épreuve ? Vous ne pourrez plus rien changer. [oui/non] ", "Finish the session? Nothing can be changed afterwards. [yes/no] "), false)
		if err != nil {
			return err
		}
		if a = strings.ToLower(a); a != "oui" && a != "o" && a != "yes" && a != "y" {
			return c.printf("L'épreuve continue.\n", "The session goes on.\n")
		}
	}
	if err := c.printf("L'épreuve est terminée. Les vérifications commencent.\n", "The session is finished. The examinations begin.\n"); err != nil {
		return err
	}
	c.s.end(evidence.FinishCandidate)
	return nil
}

// sentNotice is a notice with its time.
type sentNotice struct {
	evidence.Notice
	at time.Time
}

// logEntry is one line of the candidate's logbook.
type logEntry struct {
	id   int
	at   time.Time
	node string
	text string
}

// ticketState is a ticket and what became of it.
type ticketState struct {
	evidence.Ticket
	at      time.Time
	closed  bool
	replies []string
}

// mail is one message to the candidate.
type mail struct {
	at   time.Time
	from string
	text string
	read bool
}

// findTicket finds a ticket; an empty id is the only one.
func (s *Session) findTicket(id string) *ticketState {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tickets {
		if t.ID == id || (id == "" && len(s.tickets) == 1) {
			return t
		}
	}
	return nil
}

// personName is somebody's full name.
func (s *Session) personName(id string) string {
	for _, p := range s.variant.Site.People {
		if p.ID == id || p.Login == id {
			return fmt.Sprintf("%s %s", p.FirstName, p.LastName)
		}
	}
	return id
}
