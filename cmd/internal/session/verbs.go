package session

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/evidence"
)

// verbs is the table of situ's subcommands (design.md, "The candidate's
// command").
func verbs() map[string]verb {
	return map[string]verb{
		"status":   {run: (*call).status, usage: "situ", fr: "où vous en êtes : temps restant, tickets, messages", en: "where you are: time left, tickets, messages"},
		"ticket":   {run: (*call).ticket, usage: "situ ticket list | show [ID] | reply ID --text T | close ID [--text T]", fr: "les tickets des utilisateurs", en: "the users' tickets"},
		"doc":      {run: (*call).doc, usage: "situ doc list | show ID", fr: "les documents de l'entreprise", en: "the company's documents"},
		"secret":   {run: (*call).secret, usage: "situ secret list | show ID", fr: "le coffre (chaque lecture est enregistrée)", en: "the vault (every reading is recorded)"},
		"log":      {run: (*call).log, usage: "situ log add TEXTE [--node N] | list | edit ID TEXTE", fr: "le cahier d'exploitation", en: "the logbook"},
		"diagnose": {run: (*call).diagnose, usage: "situ diagnose [--text T --element E --cause C | --text T --no-fault] | --list", fr: "sceller votre diagnostic : texte libre, puis élément et cause", en: "seal your diagnosis: free text, then element and cause"},
		"notice":   {run: (*call).notice, usage: "situ notice send --to GROUPE[,GROUPE] --text T [--from HH:MM] [--until HH:MM] [--services S] | groups | list", fr: "avis aux utilisateurs", en: "notices to users"},
		"restored": {run: (*call).restored, usage: "situ restored --definitive | --degraded [--until HH:MM]", fr: "déclarer le service rétabli", en: "declare the service restored"},
		"report":   {run: (*call).report, usage: "situ report submit FICHIER", fr: "remettre le rapport d'incident", en: "hand in the incident report"},
		"request":  {run: (*call).request, usage: "situ request --to technician|manager|user:LOGIN --text T", fr: "le guichet : ce qui ne se fait pas par une commande", en: "the service desk: what is not done by a command"},
		"inbox":    {run: (*call).inbox, usage: "situ inbox", fr: "vos messages", en: "your messages"},
		"calendar": {run: (*call).calendar, usage: "situ calendar", fr: "l'heure, les horaires de production, les fenêtres de maintenance", en: "the time, production hours, maintenance windows"},
		"console":  {run: (*call).console, usage: "situ console NŒUD [-- COMMANDE]", fr: "console hors bande d'un nœud du périmètre", en: "out-of-band console of a node of the perimeter"},
		"hint":     {run: (*call).hint, usage: "situ hint", fr: "un indice (entraînement ; enregistré)", en: "a hint (training; recorded)"},
		"finish":   {run: (*call).finish, usage: "situ finish [--yes]", fr: "terminer l'épreuve", en: "finish the session"},
	}
}

// seal writes a durable record of the candidate; nothing is acknowledged before
// it is on disk.
func (c *call) seal(p evidence.Payload) (uint64, error) {
	if c.s.off("desk") {
		return 0, nil
	}
	return c.s.journal.Append(c.ctx, evidence.Entry{Source: "desk", Node: c.s.admin, Actor: "candidate", Payload: p, Durable: true})
}

func (c *call) status() error {
	s := c.s
	s.mu.Lock()
	open, unread, notes := 0, 0, len(s.logbook)
	for _, t := range s.tickets {
		if !t.closed {
			open++
		}
	}
	for _, m := range s.mail {
		if !m.read {
			unread++
		}
	}
	diagnosis := len(s.diagnoses)
	s.mu.Unlock()
	state := c.t("en cours", "running")
	if s.paused() {
		state = c.t("suspendue", "paused")
	}
	return c.printf(
		"Épreuve %s (%s) — temps restant : %s\nTickets ouverts : %d (situ ticket list)\nMessages non lus : %d (situ inbox)\nCahier d'exploitation : %d entrée(s)\nDiagnostic scellé : %s\nAide : situ help — pour terminer : situ finish\n",
		"Session %s (%s) — time left: %s\nOpen tickets: %d (situ ticket list)\nUnread messages: %d (situ inbox)\nLogbook: %d entries\nSealed diagnosis: %s\nHelp: situ help — to end: situ finish\n",
		s.id, state, clockText(s.clock.Left()), open, unread, notes, c.yesNo(diagnosis > 0))
}

func (c *call) yesNo(b bool) string {
	if b {
		return c.t("oui", "yes")
	}
	return c.t("non", "no")
}

func clockText(d time.Duration) string {
	d = d.Round(time.Second)
	return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}

func (c *call) ticket() error {
	f, rest, err := c.flags([]string{"text"})
	if err != nil {
		return err
	}
	what := "list"
	if len(rest) > 0 {
		what = rest[0]
	}
	s := c.s
	if what == "list" {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, t := range s.tickets {
			state := c.t("ouvert", "open")
			if t.closed {
				state = c.t("clos", "closed")
			}
			if err := c.printf("%s  %s  [%s]  %s\n", "%s  %s  [%s]  %s\n", t.ID, t.at.Format("15:04"), state, t.Title); err != nil {
				return err
			}
		}
		return nil
	}
	id := ""
	if len(rest) > 1 {
		id = rest[1]
	}
	t := s.findTicket(id)
	if t == nil {
		return refusal{"aucun ticket de ce numéro : " + id, "no such ticket: " + id}
	}
	text := f["text"]
	if text == "" && len(rest) > 2 {
		text = strings.Join(rest[2:], " ")
	}
	switch what {
	case "show":
		err := c.printf("Ticket %s — %s\nDe : %s, à %s\n\n%s\n", "Ticket %s — %s\nFrom: %s, at %s\n\n%s\n", t.ID, t.Title, s.personName(t.Author), t.at.Format("15:04"), t.Text)
		for _, r := range t.replies {
			if err == nil {
				err = c.print("\n> " + r + "\n")
			}
		}
		return err
	case "reply":
		if text == "" {
			if text, err = c.ask(c.t("Votre réponse (ligne vide pour finir) :\n", "Your reply (empty line to end):\n"), true); err != nil {
				return err
			}
		}
		if text == "" {
			return usageError{"texte manquant", "text missing"}
		}
		seq, err := c.seal(&evidence.TicketReply{Ticket: t.ID, Text: text})
		if err != nil {
			return err
		}
		s.mu.Lock()
		t.replies = append(t.replies, text)
		s.mu.Unlock()
		s.people.asked("user", t.Author, text, seq)
		return c.printf("Réponse envoyée à %s.\n", "Reply sent to %s.\n", s.personName(t.Author))
	case "close":
		if _, err := c.seal(&evidence.TicketClose{Ticket: t.ID, Text: text}); err != nil {
			return err
		}
		s.mu.Lock()
		t.closed = true
		s.mu.Unlock()
		return c.printf("Ticket %s clos.\n", "Ticket %s closed.\n", t.ID)
	}
	return usageError{"sous-commande inconnue : " + what, "unknown subcommand: " + what}
}

func (c *call) secret() error {
	_, rest, err := c.flags(nil)
	if err != nil {
		return err
	}
	site := c.s.variant.Site
	if len(rest) == 0 || rest[0] == "list" {
		for _, x := range site.Secrets {
			if err := c.printf("%-20s %s\n", "%-20s %s\n", x.ID, x.Title.In(c.lang)); err != nil {
				return err
			}
		}
		return nil
	}
	if rest[0] != "show" || len(rest) != 2 {
		return usageError{"il faut : show ID", "wanted: show ID"}
	}
	for _, x := range site.Secrets {
		if x.ID != rest[1] {
			continue
		}
		if _, err := c.seal(&evidence.SecretRead{Secret: x.ID}); err != nil {
			return err
		}
		if x.User != "" {
			if err := c.printf("utilisateur : %s\n", "user: %s\n", x.User); err != nil {
				return err
			}
		}
		return c.print(x.Value + "\n")
	}
	return refusal{"le coffre n'a pas d'entrée " + rest[1], "the vault has no entry " + rest[1]}
}

func (c *call) log() error {
	f, rest, err := c.flags([]string{"node"})
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		rest = []string{"list"}
	}
	s := c.s
	switch rest[0] {
	case "list":
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range s.logbook {
			if err := c.printf("%3d  %s  %-10s %s\n", "%3d  %s  %-10s %s\n", e.id, e.at.Format("15:04:05"), e.node, e.text); err != nil {
				return err
			}
		}
		return nil
	case "add":
		text := strings.Join(rest[1:], " ")
		if text == "" {
			if text, err = c.ask(c.t("Entrée (ligne vide pour finir) :\n", "Entry (empty line to end):\n"), true); err != nil {
				return err
			}
		}
		if text == "" {
			return usageError{"texte manquant", "text missing"}
		}
		if f["node"] != "" && s.siteNode(f["node"]) == nil {
			return refusal{"aucun nœud de ce nom : " + f["node"], "no such node: " + f["node"]}
		}
		s.mu.Lock()
		id := len(s.logbook) + 1
		s.mu.Unlock()
		if _, err := c.seal(&evidence.LogEntry{ID: id, NodeRef: f["node"], Text: text}); err != nil {
			return err
		}
		s.mu.Lock()
		s.logbook = append(s.logbook, logEntry{id: id, at: time.Now(), node: f["node"], text: text})
		s.mu.Unlock()
		return c.printf("Entrée %d consignée.\n", "Entry %d recorded.\n", id)
	case "edit":
		if len(rest) < 3 {
			return usageError{"il faut : edit ID TEXTE", "wanted: edit ID TEXT"}
		}
		s.mu.Lock()
		n, known := 0, len(s.logbook)
		s.mu.Unlock()
		if _, err := fmt.Sscanf(rest[1], "%d", &n); err != nil || n < 1 || n > known {
			return refusal{"aucune entrée " + rest[1], "no entry " + rest[1]}
		}
		text := strings.Join(rest[2:], " ")
		if _, err := c.seal(&evidence.LogCorrection{ID: known + 1, Corrects: n, Text: text}); err != nil {
			return err
		}
		s.mu.Lock()
		s.logbook = append(s.logbook, logEntry{id: known + 1, at: time.Now(), text: fmt.Sprintf(c.t("corrige %d : %s", "corrects %d: %s"), n, text)})
		s.mu.Unlock()
		return c.printf("Correction %d consignée ; l'entrée %d reste lisible.\n", "Correction %d recorded; entry %d stays readable.\n", known+1, n)
	}
	return usageError{"sous-commande inconnue : " + rest[0], "unknown subcommand: " + rest[0]}
}

func (c *call) diagnose() error {
	f, _, err := c.flags([]string{"text", "element", "cause"}, "no-fault", "list")
	if err != nil {
		return err
	}
	if f["list"] != "" {
		return c.form()
	}
	text := f["text"]
	if text == "" {
		text, err = c.ask(c.t("Votre diagnostic, en vos mots (ligne vide pour finir). Il est scellé avant que le formulaire s'ouvre :\n",
			"Your diagnosis in your own words (empty line to end). It is sealed before the form opens:\n"), true)
		if err != nil {
			return err
		}
	}
	if text == "" {
		return usageError{"texte manquant", "text missing"}
	}
	d := evidence.Diagnosis{NoFault: f["no-fault"] != "", Element: f["element"], Cause: f["cause"]}
	interactive := !d.NoFault && d.Element == "" && d.Cause == ""
	if !interactive {
		if err := c.s.checkDiagnosis(&d); err != nil {
			return err
		}
	}
	if d.TextSeq, err = c.seal(&evidence.DiagnosisText{Text: text}); err != nil {
		return err
	}
	if interactive {
		if err := c.form(); err != nil {
			return err
		}
		if d.Element, err = c.ask(c.t("Élément en cause (ou « aucun » si rien n'est en panne) : ", "Faulty element (or \"none\" if nothing is broken): "), false); err != nil {
			return err
		}
		if d.Element == "aucun" || d.Element == "none" {
			d.Element, d.NoFault = "", true
		} else if d.Cause, err = c.ask(c.t("Cause : ", "Cause: "), false); err != nil {
			return err
		}
		if err := c.s.checkDiagnosis(&d); err != nil {
			return err
		}
	}
	if _, err := c.seal(&d); err != nil {
		return err
	}
	c.s.mu.Lock()
	c.s.diagnoses = append(c.s.diagnoses, d)
	c.s.mu.Unlock()
	return c.printf("Diagnostic scellé. Une révision reste possible ; chacune est enregistrée.\n", "Diagnosis sealed. It may be revised; each revision is recorded.\n")
}

// form shows the closed lists: every element of the site and the one list of
// causes that all scenarios share.
func (c *call) form() error {
	var b strings.Builder
	b.WriteString(c.t("Éléments :\n", "Elements:\n"))
	for _, e := range c.s.facts.Elements {
		fmt.Fprintf(&b, "  %-24s %s\n", e.ID, e.Label.In(c.lang))
	}
	b.WriteString(c.t("Causes :\n", "Causes:\n"))
	for _, x := range criteria.Causes() {
		fmt.Fprintf(&b, "  %-32s %s\n", x.ID, x.Label.In(c.lang))
	}
	return c.print(b.String())
}

// checkDiagnosis says what of the form is not in the lists.
func (s *Session) checkDiagnosis(d *evidence.Diagnosis) error {
	if d.NoFault {
		if d.Element != "" || d.Cause != "" {
			return usageError{"« aucune panne » exclut élément et cause", "\"no fault\" excludes element and cause"}
		}
		return nil
	}
	okElement, okCause := false, false
	for _, e := range s.facts.Elements {
		okElement = okElement || e.ID == d.Element
	}
	for _, x := range criteria.Causes() {
		okCause = okCause || x.ID == d.Cause
	}
	switch {
	case !okElement:
		return refusal{"élément inconnu : « " + d.Element + " » (situ diagnose --list)", "unknown element: " + d.Element + " (situ diagnose --list)"}
	case !okCause:
		return refusal{"cause inconnue : « " + d.Cause + " » (situ diagnose --list)", "unknown cause: " + d.Cause + " (situ diagnose --list)"}
	}
	return nil
}

func (c *call) notice() error {
	f, rest, err := c.flags([]string{"to", "text", "from", "until", "services"})
	if err != nil {
		return err
	}
	site := c.s.variant.Site
	what := "send"
	if len(rest) > 0 {
		what = rest[0]
	}
	if what == "groups" || what == "list" {
		for _, g := range site.Groups {
			if err := c.printf("%-20s %s\n", "%-20s %s\n", g.ID, g.Title.In(c.lang)); err != nil {
				return err
			}
		}
		return nil
	}
	if what != "send" || f["to"] == "" || f["text"] == "" {
		return usageError{"il faut : send --to GROUPE --text T (situ notice groups)", "wanted: send --to GROUP --text T (situ notice groups)"}
	}
	n := &evidence.Notice{Text: f["text"]}
	for _, g := range strings.Split(f["to"], ",") {
		g = strings.TrimSpace(g)
		known := false
		for _, k := range site.Groups {
			known = known || k.ID == g
		}
		if !known {
			return refusal{"groupe inconnu : « " + g + " » (situ notice groups)", "unknown group: " + g + " (situ notice groups)"}
		}
		n.Groups = append(n.Groups, g)
	}
	if f["services"] != "" {
		n.Services = strings.Split(f["services"], ",")
	}
	if n.From, err = timeOfDay(f["from"]); err != nil {
		return err
	}
	if n.Until, err = timeOfDay(f["until"]); err != nil {
		return err
	}
	if _, err := c.seal(n); err != nil {
		return err
	}
	sort.Strings(n.Groups)
	return c.printf("Avis envoyé à : %s.\n", "Notice sent to: %s.\n", strings.Join(n.Groups, ", "))
}

// timeOfDay reads HH:MM of today, or "+30m" from now; empty is zero.
func timeOfDay(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if rel, ok := strings.CutPrefix(s, "+"); ok {
		if d, err := time.ParseDuration(rel); err == nil {
			return time.Now().Add(d), nil
		}
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		return time.Time{}, usageError{"heure attendue (HH:MM ou +30m) : " + s, "wanted a time (HH:MM or +30m): " + s}
	}
	now := time.Now()
	return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), 0, 0, now.Location()), nil
}

func (c *call) restored() error {
	f, _, err := c.flags([]string{"until"}, "definitive", "degraded")
	if err != nil {
		return err
	}
	if (f["definitive"] == "") == (f["degraded"] == "") {
		return usageError{"choisir --definitive ou --degraded", "choose --definitive or --degraded"}
	}
	until, err := timeOfDay(f["until"])
	if err != nil {
		return err
	}
	if _, err := c.seal(&evidence.Restored{Definitive: f["definitive"] != "", Until: until}); err != nil {
		return err
	}
	return c.printf("Déclaration enregistrée.\n", "Declaration recorded.\n")
}
