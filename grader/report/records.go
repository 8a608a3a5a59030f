package report

import (
	"fmt"
	"sort"
	"strings"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/grader/jury"
)

// Proof is a link to a cited record, or to a row of samples that say the same.
type Proof struct {
	Anchor uint64
	Number string // "4874", "1353 – 1410"
	Since  string
}

// RecordLine is a cited record of the journal, or a row of samples.
type RecordLine struct {
	Anchor uint64
	Number string
	Since  string
	Node   evidence.Text
	Text   evidence.Text
}

// citations gathers what the findings cite. Samples that follow each other and
// say the same are one row of the table.
type citations struct {
	index map[uint64]*evidence.Record
	cited map[uint64]bool
	rows  [][]*evidence.Record
	row   map[uint64]int // sequence number of a sample -> its row
}

func newCitations(records []*evidence.Record) *citations {
	c := &citations{index: map[uint64]*evidence.Record{}, cited: map[uint64]bool{}, row: map[uint64]int{}}
	for _, r := range records {
		c.index[r.Seq] = r
	}
	return c
}

func (c *citations) add(ev ...uint64) {
	for _, n := range ev {
		if c.index[n] != nil {
			c.cited[n] = true
		}
	}
}

// group makes the rows; everything cited has been added by then.
func (c *citations) group() {
	var last *evidence.ProbeSample
	for _, n := range c.numbers() {
		r := c.index[n]
		p, ok := evidence.As[evidence.ProbeSample](r)
		if !ok {
			continue
		}
		if last == nil || last.OK != p.OK || last.Phase != p.Phase {
			c.rows = append(c.rows, nil)
		}
		last = p
		c.row[n] = len(c.rows) - 1
		c.rows[len(c.rows)-1] = append(c.rows[len(c.rows)-1], r)
	}
}

func (c *citations) numbers() []uint64 {
	out := make([]uint64, 0, len(c.cited))
	for n := range c.cited {
		out = append(out, n)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out
}

// maxProofs is how many links one finding shows; all are in verdict.json.
const maxProofs = 10

// proofs are the links of one finding, and how many more there are.
func (c *citations) proofs(ev []uint64, clk clock) (out []Proof, more int) {
	linked := map[uint64]bool{}
	for _, n := range ev {
		r := c.index[n]
		if r == nil {
			continue
		}
		p := Proof{Anchor: n, Number: fmt.Sprint(n), Since: clk.since(r.BootNS)}
		if i, ok := c.row[n]; ok {
			first := c.rows[i][0]
			p.Anchor, p.Since = first.Seq, clk.since(first.BootNS)
			p.Number = ends(first.Seq, c.rows[i][len(c.rows[i])-1].Seq)
		}
		if !linked[p.Anchor] {
			linked[p.Anchor] = true
			out = append(out, p)
		}
	}
	if len(out) > maxProofs+1 {
		return out[:maxProofs], len(out) - maxProofs
	}
	return out, 0
}

// ends prints two ends, or the one that there is.
func ends[T comparable](from, to T) string {
	if from == to {
		return fmt.Sprint(from)
	}
	return fmt.Sprint(from, "\u00a0–\u00a0", to)
}

// lines are the rows of the table, but for those shown elsewhere on the page.
func (c *citations) lines(v *check.View, clk clock, shown map[uint64]bool) []RecordLine {
	var out []RecordLine
	done := map[int]bool{}
	for _, n := range c.numbers() {
		i, sample := c.row[n]
		switch {
		case shown[n]:
		case !sample:
			r := c.index[n]
			out = append(out, RecordLine{Anchor: n, Number: fmt.Sprint(n), Since: clk.since(r.BootNS), Node: same(r.Node), Text: describe(v, r)})
		case !done[i]:
			done[i] = true
			out = append(out, samplesLine(v, c.rows[i], clk))
		}
	}
	return out
}

// samplesLine puts a row of samples into words.
func samplesLine(v *check.View, row []*evidence.Record, clk clock) RecordLine {
	first, last := row[0], row[len(row)-1]
	l := RecordLine{Anchor: first.Seq, Number: ends(first.Seq, last.Seq), Since: ends(clk.since(first.BootNS), clk.since(last.BootNS))}
	var probes, posts []string
	var why []evidence.Text
	for _, r := range row {
		p, _ := evidence.As[evidence.ProbeSample](r)
		if !contains(probes, p.Probe) {
			probes = append(probes, p.Probe)
		}
		if !contains(posts, p.Post) {
			posts = append(posts, p.Post)
		}
		if t := failure(p.Detail); !p.OK && !containsText(why, t) {
			why = append(why, t)
		}
	}
	l.Node = same(posts[0])
	if len(posts) > 1 {
		l.Node = tx(fmt.Sprint(len(posts), " postes"), fmt.Sprint(len(posts), " workstations"))
	}
	p, _ := evidence.As[evidence.ProbeSample](first)
	n := len(row)
	services := v.ProbeLabels(probes)
	when := phase(p.Phase)
	if p.OK {
		l.Text = tx(plural(n, "mesure", "mesures")+" "+when.FR+", services disponibles : "+services.FR,
			plural(n, "measurement", "measurements")+" "+when.EN+", services available: "+services.EN)
	} else {
		l.Text = tx(plural(n, "mesure", "mesures")+" "+when.FR+", services en échec : "+services.FR+" ("+joined(why, "fr")+")",
			plural(n, "measurement", "measurements")+" "+when.EN+", services failing: "+services.EN+" ("+joined(why, "en")+")")
	}
	l.Text.FR = spaced.Replace(l.Text.FR)
	return l
}

func plural(n int, one, many string) string {
	if n < 2 {
		return fmt.Sprint(n, "\u00a0", one)
	}
	return fmt.Sprint(n, "\u00a0", many)
}

func joined(l []evidence.Text, lang string) string {
	out := make([]string, len(l))
	for i, t := range l {
		out[i] = t.In(lang)
	}
	return strings.Join(out, ", ")
}

func containsText(l []evidence.Text, t evidence.Text) bool {
	for _, x := range l {
		if x == t {
			return true
		}
	}
	return false
}

func phase(p string) evidence.Text {
	switch p {
	case evidence.PhaseBaseline:
		return tx("avant la panne", "before the fault")
	case evidence.PhaseAdmission:
		return tx("avant la prise en charge", "before the start")
	case evidence.PhasePermanence:
		return tx("après la fin", "after the end")
	case evidence.PhaseColdStart:
		return tx("après le redémarrage complet", "after the complete restart")
	}
	return tx("pendant l’épreuve", "during the session")
}

// failure puts a sample's "stage code: detail" into words.
func failure(detail string) evidence.Text {
	stage, _, _ := strings.Cut(detail, " ")
	switch stage {
	case "post":
		return tx("le poste n’était pas utilisable", "the workstation could not be used")
	case "resolve":
		return tx("nom sans adresse", "name without an address")
	case "connect":
		return tx("pas de réponse", "no answer")
	case "auth":
		return tx("compte refusé", "account refused")
	case "protocol":
		return tx("réponse inattendue", "unexpected answer")
	case "content":
		return tx("contenu inattendu", "unexpected content")
	}
	return tx("en échec", "failing")
}

// describe puts a record into words.
func describe(v *check.View, r *evidence.Record) evidence.Text {
	t := words(v, r)
	if t.FR == "" {
		t = tx("enregistrement « "+string(r.Type)+" »", "record “"+string(r.Type)+"”")
	}
	return tx(spaced.Replace(t.FR), t.EN)
}

func words(v *check.View, r *evidence.Record) evidence.Text {
	switch p := r.Payload().(type) {
	case *evidence.SessionStart:
		return tx("début de l’enregistrement, durées × "+decimal(p.TimeFactor, "fr"), "start of the recording, durations × "+decimal(p.TimeFactor, "en"))
	case *evidence.SessionSeal:
		return tx("réponse scellée avant la prise en charge", "answer sealed before the start")
	case *evidence.SessionFacts:
		return tx("réponse révélée après la fin", "answer revealed after the end")
	case *evidence.SessionEnter:
		return tx("prise en charge par le candidat", "start of the candidate’s work")
	case *evidence.SessionFinish:
		if t, ok := texts["end_"+p.Reason]; ok {
			return tx("fin de l’épreuve, "+t.FR, "end of the session, "+t.EN)
		}
		return tx("fin de l’épreuve", "end of the session")
	case *evidence.SessionInvalid:
		t := check.InvalidText(p.Reason)
		return tx("environnement invalide : "+t.FR, "invalid environment: "+t.EN)
	case *evidence.SessionFiles:
		return tx("pièces du dossier scellées", "files of the bundle sealed")
	case *evidence.SessionEnd:
		return tx("fin de l’enregistrement", "end of the recording")
	case *evidence.ProbeSample:
		return samplesLine(v, []*evidence.Record{r}, clock{}).Text
	case *evidence.ProbeRound:
		t := phase(p.Phase)
		return tx(fmt.Sprintf("tour de mesures %s : %d sur %d", t.FR, p.Sampled, p.Expected), fmt.Sprintf("round of measurements %s: %d of %d", t.EN, p.Sampled, p.Expected))
	case *evidence.ExecStart:
		return same(strings.Join(p.Argv, " "))
	case *evidence.ExecExit:
		return tx(fmt.Sprintf("fin d’une commande, code %d", p.Code), fmt.Sprintf("end of a command, code %d", p.Code))
	case *evidence.TermInputLine:
		return tx("« "+p.Line+" » saisi dans "+p.Program, "“"+p.Line+"” typed in "+p.Program)
	case *evidence.TermUncut:
		return tx("lignes saisies dans "+p.Program+", non relevées", "lines typed in "+p.Program+", not recorded")
	case *evidence.TermOpen:
		return tx("terminal "+p.Terminal+" ouvert", "terminal "+p.Terminal+" opened")
	case *evidence.TermClose:
		return tx("terminal "+p.Terminal+" fermé", "terminal "+p.Terminal+" closed")
	case *evidence.TermOutput:
		return tx(fmt.Sprintf("affichage du terminal %s : %d octets", p.Terminal, p.Bytes), fmt.Sprintf("output of terminal %s: %d bytes", p.Terminal, p.Bytes))
	case *evidence.TermKeys:
		return tx(fmt.Sprintf("%d touches au terminal %s", p.Keys, p.Terminal), fmt.Sprintf("%d keys at terminal %s", p.Keys, p.Terminal))
	case *evidence.TermResize:
		return tx("terminal "+p.Terminal+" redimensionné", "terminal "+p.Terminal+" resized")
	case *evidence.FileChange:
		return fileWords(p)
	case *evidence.NetState:
		return netWords(p)
	case *evidence.LabNode:
		return nodeWords(p)
	case *evidence.RecorderState:
		l := check.RecorderLabel(p.Recorder)
		if p.On {
			return tx("enregistrement en marche : "+l.FR, "recording on: "+l.EN)
		}
		return tx("enregistrement arrêté : "+l.FR, "recording off: "+l.EN)
	case *evidence.RecorderLoss:
		l := check.RecorderLabel(p.Recorder)
		return tx(fmt.Sprintf("%d événements perdus : %s", p.Lost, l.FR), fmt.Sprintf("%d events lost: %s", p.Lost, l.EN))
	case *evidence.RecorderRecovery:
		return tx(fmt.Sprintf("fin du journal coupée à la reprise : %d octets", p.Bytes), fmt.Sprintf("tail of the journal cut on recovery: %d bytes", p.Bytes))
	case *evidence.SessionResumed:
		return resumedWords(p)
	case *evidence.RecorderStalled:
		return tx(fmt.Sprintf("journal resté sans écriture pendant %.0f s, repris sans perte", p.Seconds), fmt.Sprintf("journal not written for %.0f s, went on without a loss", p.Seconds))
	case *evidence.HostHealth:
		return healthWords(p)
	case *evidence.ClockPaused:
		return tx("horloge arrêtée", "clock stopped")
	case *evidence.ClockResumed:
		return tx("horloge remise en marche", "clock running again")
	case *evidence.DocShown:
		l := v.DocumentLabel(p.Doc)
		return tx("document consulté : "+l.FR, "document read: "+l.EN)
	case *evidence.SecretRead:
		l := v.SecretLabel(p.Secret)
		return tx("secret consulté : "+l.FR, "secret read: "+l.EN)
	case *evidence.HintShown:
		return tx(fmt.Sprintf("aide de niveau %d", p.Level), fmt.Sprintf("hint of level %d", p.Level))
	}
	return examWords(v, r)
}

// examWords are those of the lab, of faults and of the examinations.
func examWords(v *check.View, r *evidence.Record) evidence.Text {
	switch p := r.Payload().(type) {
	case *evidence.ExamPermanence:
		t := tx("observation après la fin, complète", "observation after the end, complete")
		if !p.Complete {
			t = tx("observation après la fin, arrêtée", "observation after the end, stopped")
		}
		s := lasting(p.WaitedSeconds)
		return tx(t.FR+" : "+s, t.EN+": "+s)
	case *evidence.ExamColdStart:
		t := tx(fmt.Sprintf("redémarrage complet : %d machines sur %d", p.Restarted, p.Nodes), fmt.Sprintf("complete restart: %d machines of %d", p.Restarted, p.Nodes))
		if len(p.Failed) > 0 {
			missing := strings.Join(p.Failed, ", ")
			t = tx(t.FR+" ; non revenues : "+missing, t.EN+"; not back: "+missing)
		}
		if !p.Settled {
			t = tx(t.FR+" ; état non stabilisé", t.EN+"; not settled")
		}
		return t
	case *evidence.ExamCanary:
		l := v.CanaryLabel(p.Name)
		switch {
		case p.Unread:
			return tx("donnée témoin « "+l.FR+" » : n’a pas pu être relue", "canary “"+l.EN+"”: could not be read back")
		case !p.OK:
			return tx("donnée témoin « "+l.FR+" » : perdue ou altérée", "canary “"+l.EN+"”: lost or altered")
		}
		return tx("donnée témoin « "+l.FR+" » : intacte", "canary “"+l.EN+"”: intact")
	case *evidence.ExamFlow:
		state := func(open bool) evidence.Text {
			if open {
				return tx("ouvert", "open")
			}
			return tx("fermé", "closed")
		}
		b, n := state(p.Before), state(p.Now)
		return tx(fmt.Sprintf("flux %s → %s : %s avant, %s à la fin", p.From, p.To, b.FR, n.FR), fmt.Sprintf("flow %s → %s: %s before, %s at the end", p.From, p.To, b.EN, n.EN))
	case *evidence.ExamDone:
		return tx("fin des vérifications", "end of the examinations")
	case *evidence.LabUp:
		return tx(fmt.Sprintf("laboratoire démarré : %d machines", p.Nodes), fmt.Sprintf("lab started: %d machines", p.Nodes))
	case *evidence.LabReady:
		return tx("laboratoire prêt : tous les services disponibles", "lab ready: all services available")
	case *evidence.LabColdStart:
		return tx("démarrage du matin de toute l’entreprise", "the company’s morning start")
	case *evidence.LabDown:
		return tx("laboratoire retiré", "lab removed")
	case *evidence.FaultInjected:
		return tx("panne mise en place", "fault put in place")
	case *evidence.FaultAdmitted:
		return tx("situation constatée avant la prise en charge", "situation verified before the start")
	case *evidence.FaultRejected:
		return tx("panne non constatée", "fault not verified")
	case *evidence.FaultVanished:
		return tx("panne disparue d’elle-même", "fault vanished by itself")
	case *evidence.FaultHealed:
		return tx("panne retirée par l’outil", "fault taken back by the tool")
	}
	return decisionWords(r)
}

// decisionWords are those of an assessor's journal.
func decisionWords(r *evidence.Record) evidence.Text {
	decided := func(on, outcome string) evidence.Text {
		o := jury.Label(outcome)
		return tx("décision sur "+on+" : "+o.FR, "decision on "+on+": "+o.EN)
	}
	switch p := r.Payload().(type) {
	case *evidence.DecisionStart:
		return tx("début des décisions de l’évaluateur : "+p.Assessor, "start of an assessor’s decisions: "+p.Assessor)
	case *evidence.PointDecision:
		return decided(p.Point, p.Outcome)
	case *evidence.CriterionDecision:
		return decided(p.Criterion, p.Outcome)
	case *evidence.CapacityDecision:
		return tx(decided("la capacité "+p.Capacity, p.Outcome).FR, decided("capacity "+p.Capacity, p.Outcome).EN)
	case *evidence.CompanyOpinion:
		if p.Favourable {
			return tx("avis favorable de l’entreprise sur la capacité "+p.Capacity, "favourable opinion of the company on capacity "+p.Capacity)
		}
		return tx("avis défavorable de l’entreprise sur la capacité "+p.Capacity, "unfavourable opinion of the company on capacity "+p.Capacity)
	case *evidence.Interview:
		return tx("entretien sur la capacité "+p.Capacity, "interview on capacity "+p.Capacity)
	case *evidence.DecisionEnd:
		return tx("clôture des décisions", "decisions closed")
	}
	return evidence.Text{}
}

func fileWords(p *evidence.FileChange) evidence.Text {
	t, ok := map[string]evidence.Text{
		evidence.FileCreated: tx("fichier créé", "file created"), evidence.FileModified: tx("fichier modifié", "file changed"),
		evidence.FileDeleted: tx("fichier supprimé", "file deleted"), evidence.FileRenamed: tx("fichier renommé", "file renamed"),
		evidence.FileAttr: tx("droits ou dates du fichier modifiés", "file’s rights or times changed"),
	}[p.Op]
	if !ok {
		t = tx("fichier modifié", "file changed")
	}
	who := map[string]evidence.Text{
		evidence.OriginCandidate: tx(", par le candidat", ", by the candidate"), evidence.OriginSystem: tx(", par un service", ", by a service"),
		evidence.OriginUnknown: tx(", auteur non relevé", ", by whom was not seen"),
	}[p.Origin]
	return tx(t.FR+" : "+p.Path+who.FR, t.EN+": "+p.Path+who.EN)
}

func netWords(p *evidence.NetState) evidence.Text {
	var lines []string
	for _, l := range p.Added {
		lines = append(lines, "+ "+l)
	}
	for _, l := range p.Removed {
		lines = append(lines, "− "+l)
	}
	if len(lines) == 0 {
		return tx("état du réseau inchangé", "network state unchanged")
	}
	s := strings.Join(lines, " ; ")
	return tx("état du réseau de la machine : "+s, "network state of the machine: "+s)
}

func nodeWords(p *evidence.LabNode) evidence.Text {
	t, ok := map[string]evidence.Text{
		evidence.NodeStarted: tx("machine démarrée", "machine started"), evidence.NodeRunning: tx("machine en service", "machine running"),
		evidence.NodeRebooted: tx("machine redémarrée", "machine rebooted"), evidence.NodeOff: tx("machine arrêtée", "machine switched off"),
		evidence.NodeFailed: tx("machine en échec", "machine failed"),
	}[p.Event]
	if !ok {
		t = tx("machine : "+p.Event, "machine: "+p.Event)
	}
	who := map[string]evidence.Text{
		"candidate": tx(" (de l’intérieur)", " (from inside)"), "controller": tx(" (par l’outil)", " (by the tool)"),
		"desk": tx(" (par le guichet)", " (by the service desk)"),
	}[p.Origin]
	return tx(t.FR+who.FR, t.EN+who.EN)
}

func healthWords(p *evidence.HostHealth) evidence.Text {
	control := tx("service témoin disponible", "control service available")
	if !p.ControlOK {
		control = tx("service témoin en échec", "control service failing")
	}
	return tx(
		fmt.Sprintf("machine hôte : %s %% du processeur pris par d’autres, charge %s %%, %d Mo libres ; %s", decimal(p.StealPercent, "fr"), decimal(p.LoadPercent, "fr"), p.MemAvailableMB, control.FR),
		fmt.Sprintf("host: %s %% of the processor taken by others, load %s %%, %d MB free; %s", decimal(p.StealPercent, "en"), decimal(p.LoadPercent, "en"), p.MemAvailableMB, control.EN))
}

// resumedWords tells what is known of the time without a controller.
func resumedWords(p *evidence.SessionResumed) evidence.Text {
	t := tx("épreuve reprise après la mort du contrôleur ; les machines n’étaient pas arrêtées", "session taken over after the controller's death; the machines did not stand still")
	if p.HaltedNS != 0 {
		ms := (p.HaltedNS - p.DiedNS) / 1e6
		t = tx(fmt.Sprintf("épreuve reprise après la mort du contrôleur ; machines arrêtées en %d ms", ms), fmt.Sprintf("session taken over after the controller's death; machines stopped within %d ms", ms))
	}
	if n := len(p.Unseen); n > 0 {
		t.FR += fmt.Sprintf(" ; commencés sans être vus : %d (%s)", n, strings.Join(p.Unseen, ", "))
		t.EN += fmt.Sprintf("; begun unseen: %d (%s)", n, strings.Join(p.Unseen, ", "))
	}
	return t
}
