package session

import (
	"encoding/json"
	"fmt"
	"slices"
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
		"log":      {run: (*call).log, usage: "situ log add TEXTE [--node MACHINE] | list | edit ID TEXTE", fr: "le cahier d'exploitation", en: "the logbook"},
		"diagnose": {run: (*call).diagnose, usage: "situ diagnose [--text T --element E --cause C | --text T --no-fault] | --list", fr: "sceller votre diagnostic : texte libre, puis élément et cause", en: "seal your diagnosis: free text, then element and cause"},
		"notice":   {run: (*call).notice, usage: "situ notice send --to GROUPE[,GROUPE] --text T [--from HH:MM] [--until HH:MM] [--services S] | groups | list", fr: "avis aux utilisateurs ; groups : les destinataires, list : les avis envoyés", en: "notices to users; groups: who can be told, list: what was sent"},
		"restored": {run: (*call).restored, usage: "situ restored --definitive | --degraded [--until HH:MM]", fr: "déclarer le service rétabli", en: "declare the service restored"},
		"report":   {run: (*call).report, usage: "situ report submit FICHIER", fr: "remettre le rapport d'incident", en: "hand in the incident report"},
		"request":  {run: (*call).request, usage: "situ request --to technician|manager|user:LOGIN --text T", fr: "le guichet : ce qui ne se fait pas par une commande", en: "the service desk: what is not done by a command"},
		"inbox":    {run: (*call).inbox, usage: "situ inbox", fr: "vos messages", en: "your messages"},
		"calendar": {run: (*call).calendar, usage: "situ calendar", fr: "l'heure, les horaires de production, les fenêtres de maintenance", en: "the time, production hours, maintenance windows"},
		"console":  {run: (*call).console, usage: "situ console MACHINE [-- COMMANDE]", fr: "console hors bande d'une machine du périmètre", en: "out-of-band console of a machine of the perimeter"},
		"hint":     {run: (*call).hint, usage: "situ hint", fr: "un indice (entraînement ; enregistré)", en: "a hint (training; recorded)"},
		"finish":   {run: (*call).finish, usage: "situ finish [--yes]", fr: "terminer l'épreuve", en: "finish the session"},
	}
}

// seal writes a durable record of the candidate; nothing is acknowledged before
// it is on disk.
func (c *call) seal(p evidence.Payload) (uint64, error) {
	if c.s.isOver() { // a call that began before
		return 0, refusal{"l'épreuve est terminée", "the session is finished"}
	}
	if c.s.off("desk") {
		return 0, nil
	}
	if c.again && c.s.past != nil {
		c.s.mu.Lock()
		seq, was := c.s.past.saidBefore(p)
		c.s.mu.Unlock()
		_, more := p.(*evidence.DiagnosisText) // the form follows
		if was && !more {
			return seq, errSealed
		}
		if was {
			return seq, nil
		}
	}
	if err := c.s.afford(p); err != nil {
		return 0, err
	}
	return c.s.journal.Append(c.ctx, evidence.Entry{Source: "desk", Node: c.s.admin, Actor: "candidate", Payload: p, Durable: true})
}

// Bounds of what a candidate may write, in bytes of the journal: of one text, of
// one document, and of all of a session together. Nobody reaches them who writes
// for a reader; without them a loop of situ fills the host's disk.
const (
	maxText     = 16 << 10
	maxDocument = 2 * maxReport
	maxWritten  = 16 << 20
)

// afford refuses what is too long, or too much.
func (s *Session) afford(p evidence.Payload) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	limit := maxText
	if _, ok := p.(*evidence.Document); ok {
		limit = maxDocument
	}
	if len(b) > limit {
		return refusal{fmt.Sprintf("texte trop long (au plus %d Kio)", limit>>10), fmt.Sprintf("text too long (at most %d KiB)", limit>>10)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.written+len(b) > maxWritten {
		return refusal{"l'épreuve a déjà reçu trop de texte", "the session has been given too much text"}
	}
	s.written += len(b)
	return nil
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
		"Épreuve %s (%s) — temps restant : %s\nTickets ouverts : %d (situ ticket list)\nMessages non lus : %d (situ inbox)\nCahier d'exploitation : %d entrée(s)\nDiagnostic scellé : %s\nCe qui vous est demandé : situ doc show perimetre\nAide : situ help — pour terminer : situ finish\n",
		"Session %s (%s) — time left: %s\nOpen tickets: %d (situ ticket list)\nUnread messages: %d (situ inbox)\nLogbook: %d entries\nSealed diagnosis: %s\nWhat is asked of you: situ doc show perimetre\nHelp: situ help — to end: situ finish\n",
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
		var b strings.Builder
		s.mu.Lock()
		for _, t := range s.tickets {
			state := c.t("ouvert", "open")
			if t.closed {
				state = c.t("clos", "closed")
			}
			fmt.Fprintf(&b, "%s  %s  [%s]  %s\n", t.ID, s.local(t.at).Format("15:04"), state, t.Title)
		}
		s.mu.Unlock()
		return c.print(b.String())
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
		s.mu.Lock()
		replies := slices.Clone(t.replies)
		s.mu.Unlock()
		err := c.printf("Ticket %s — %s\nDe : %s, à %s\n\n%s\n", "Ticket %s — %s\nFrom: %s, at %s\n\n%s\n", t.ID, t.Title, s.personName(t.Author), s.local(t.at).Format("15:04"), letter(t.Text, c.width()))
		for _, r := range replies {
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
		entries := slices.Clone(s.logbook)
		s.mu.Unlock()
		if len(entries) == 0 {
			return c.printf("Aucune entrée de votre main. Le cahier des jours passés : situ doc show cahier\n", "No entry of yours. The logbook of the days before: situ doc show cahier\n")
		}
		for _, e := range entries {
			if err := c.printf("%3d  %s  %-10s %s\n", "%3d  %s  %-10s %s\n", e.id, s.local(e.at).Format("15:04:05"), e.node, e.text); err != nil {
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
			return refusal{"aucune machine de ce nom : " + f["node"], "no such machine: " + f["node"]}
		}
		// One entry at a time: its number is sealed with it.
		s.writing.Lock()
		defer s.writing.Unlock()
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
		s.writing.Lock()
		defer s.writing.Unlock()
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
		if err := c.fillForm(&d); err != nil {
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

// fillForm asks for element and cause. A word that is in no list is looked for in
// the lists, so that nobody has to know the exact names, and none is lost by a
// slip of the pen.
func (c *call) fillForm(d *evidence.Diagnosis) error {
	var elements, causes [][2]string
	for _, e := range c.s.facts.Elements {
		elements = append(elements, [2]string{e.ID, e.Label.In(c.lang)})
	}
	for _, x := range criteria.Causes() {
		causes = append(causes, [2]string{x.ID, x.Label.In(c.lang)})
	}
	none := c.t("aucun", "none")
	element, err := c.choose(c.t("Élément défectueux (son nom, un mot à chercher, ? pour la liste, « aucun » si rien n'est en panne) : ",
		"Faulty element (its name, a word to look for, ? for the list, \"none\" if nothing is broken): "), elements, none)
	if err != nil {
		return err
	}
	if element == none {
		d.NoFault = true
		return nil
	}
	d.Element = element
	d.Cause, err = c.choose(c.t("Cause (son nom, un mot à chercher, ? pour la liste) : ", "Cause (its name, a word to look for, ? for the list): "), causes, "")
	return err
}

// choose asks until the answer is one of the list's first words, or extra.
func (c *call) choose(prompt string, list [][2]string, extra string) (string, error) {
	for {
		a, err := c.ask(prompt, false)
		if err != nil {
			return "", err
		}
		if a == "" {
			return "", refusal{"formulaire abandonné ; votre texte reste scellé", "form given up; your text stays sealed"}
		}
		if extra != "" && fold(a) == fold(extra) {
			return extra, nil
		}
		var near []string
		for _, x := range list {
			if x[0] == a {
				return a, nil
			}
			if a == "?" || strings.Contains(fold(x[0]+" "+x[1]), fold(a)) {
				near = append(near, fmt.Sprintf("  %-32s %s", x[0], x[1]))
			}
		}
		if len(near) == 0 {
			near = []string{c.t("  rien ne correspond à « ", "  nothing fits \"") + a + c.t(" »", "\"")}
		}
		if err := c.print(strings.Join(near, "\n") + "\n"); err != nil {
			return "", err
		}
	}
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
	if what == "list" {
		c.s.mu.Lock()
		sent := slices.Clone(c.s.notices)
		c.s.mu.Unlock()
		if len(sent) == 0 {
			return c.printf("Aucun avis envoyé.\n", "No notice sent.\n")
		}
		for _, n := range sent {
			if err := c.printf("— %s, à %s :\n%s\n\n", "— %s, to %s:\n%s\n\n", c.s.local(n.at).Format("15:04:05"), strings.Join(n.Groups, ", "), n.Text); err != nil {
				return err
			}
		}
		return nil
	}
	if what == "groups" {
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
	if n.From, err = c.s.timeOfDay(f["from"]); err != nil {
		return err
	}
	if n.Until, err = c.s.timeOfDay(f["until"]); err != nil {
		return err
	}
	if _, err := c.seal(n); err != nil {
		return err
	}
	c.s.mu.Lock()
	c.s.notices = append(c.s.notices, sentNotice{*n, time.Now()})
	c.s.mu.Unlock()
	return c.printf("Avis envoyé à : %s.\n", "Notice sent to: %s.\n", strings.Join(n.Groups, ", "))
}

// timeOfDay reads HH:MM as the nearest such moment on the company's clock, or
// "+30m" from now; empty is zero.
func (s *Session) timeOfDay(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if rel, ok := strings.CutPrefix(text, "+"); ok {
		if d, err := time.ParseDuration(rel); err == nil {
			return time.Now().Add(d), nil
		}
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		return time.Time{}, usageError{"heure attendue (HH:MM ou +30m) : " + text, "wanted a time (HH:MM or +30m): " + text}
	}
	return nearest(t.Hour(), t.Minute(), s.local(time.Now())), nil
}

// nearest is the moment with this time of day that is nearest to now.
func nearest(hour, minute int, now time.Time) time.Time {
	best := now
	for day := -1; day <= 1; day++ {
		at := time.Date(now.Year(), now.Month(), now.Day()+day, hour, minute, 0, 0, now.Location())
		if day == -1 || at.Sub(now).Abs() < best.Sub(now).Abs() {
			best = at
		}
	}
	return best
}

func (c *call) restored() error {
	f, _, err := c.flags([]string{"until"}, "definitive", "degraded")
	if err != nil {
		return err
	}
	if (f["definitive"] == "") == (f["degraded"] == "") {
		return usageError{"choisir --definitive ou --degraded", "choose --definitive or --degraded"}
	}
	until, err := c.s.timeOfDay(f["until"])
	if err != nil {
		return err
	}
	if _, err := c.seal(&evidence.Restored{Definitive: f["definitive"] != "", Until: until}); err != nil {
		return err
	}
	return c.printf("Déclaration enregistrée.\n", "Declaration recorded.\n")
}
