package report

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/criteria"
	"github.com/situlab/situlab/grader/evidence"
)

// Writing is a message, an entry or a document, of the candidate (Mine) or to
// the candidate.
type Writing struct {
	Seq    uint64
	Since  string
	Kind   evidence.Text
	About  evidence.Text // to whom, about what
	Text   string
	Mine   bool
	bootNS int64
}

var writingTypes = []evidence.Type{
	evidence.TypeMessageTicket, evidence.TypeMessageTicketReply, evidence.TypeMessageTicketClose,
	evidence.TypeMessageNotice, evidence.TypeMessageRequest, evidence.TypeMessageInbox,
	evidence.TypeMessageDiagnosisText, evidence.TypeMessageDiagnosis, evidence.TypeMessageRestored,
	evidence.TypeMessageDocument, evidence.TypeMessageDocShown, evidence.TypeMessageSecretRead,
	evidence.TypeMessageHintShown, evidence.TypeLogEntry, evidence.TypeLogCorrection,
}

func buildWritings(v *check.View, c clock) []Writing {
	var out []Writing
	for _, t := range writingTypes {
		for _, r := range v.Records(t) {
			w := writing(v, r, c)
			w.Seq, w.Since, w.bootNS = r.Seq, c.since(r.BootNS), r.BootNS
			out = append(out, w)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Seq < out[j].Seq })
	return out
}

func writing(v *check.View, r *evidence.Record, c clock) Writing {
	mine := func(kind, about, text string) Writing {
		return Writing{Kind: ui(kind), About: same(about), Text: text, Mine: true}
	}
	theirs := func(kind, about, text string) Writing {
		return Writing{Kind: ui(kind), About: same(about), Text: text}
	}
	switch p := r.Payload().(type) {
	case *evidence.Ticket:
		return theirs("w_ticket", p.ID+" · "+p.Author, strings.TrimSpace(p.Title+"\n"+p.Text))
	case *evidence.TicketReply:
		return mine("w_reply", p.Ticket, p.Text)
	case *evidence.TicketClose:
		return mine("w_close", p.Ticket, p.Text)
	case *evidence.Notice:
		w := mine("w_notice", "", p.Text)
		w.About = noticeAbout(v, p)
		return w
	case *evidence.Request:
		return mine("w_request", p.To, p.Text)
	case *evidence.InboxMessage:
		return theirs("w_inbox", p.From, p.Text)
	case *evidence.DiagnosisText:
		return mine("w_diagtext", "", p.Text)
	case *evidence.Diagnosis:
		w := mine("w_diag", "", "")
		w.About = diagnosisAbout(v, p)
		return w
	case *evidence.Restored:
		w := mine("w_restored", "", "")
		w.About = ui("degraded")
		if p.Definitive {
			w.About = ui("definitive")
		}
		return w
	case *evidence.Document:
		return mine("w_document", p.Name, p.Text)
	case *evidence.DocShown:
		return theirs("w_doc", p.Doc, "")
	case *evidence.SecretRead:
		return theirs("w_secret", p.Secret, "")
	case *evidence.HintShown:
		return theirs("w_hint", fmt.Sprint(p.Level), "")
	case *evidence.LogEntry:
		return mine("w_log", p.NodeRef, p.Text)
	case *evidence.LogCorrection:
		return mine("w_correction", fmt.Sprintf("→ %d", p.Corrects), p.Text)
	}
	return theirs("w_inbox", string(r.Type), "")
}

func noticeAbout(v *check.View, n *evidence.Notice) evidence.Text {
	var fr, en []string
	for _, id := range n.Groups {
		label := same(id)
		for _, g := range v.Facts.Groups {
			if g.ID == id && g.Label != (evidence.Text{}) {
				label = g.Label
			}
		}
		fr, en = append(fr, label.FR), append(en, label.EN)
	}
	window := ""
	if !n.From.IsZero() || !n.Until.IsZero() {
		window = " · " + hour(n.From) + " – " + hour(n.Until)
	}
	if len(n.Services) > 0 {
		window += " · " + strings.Join(n.Services, ", ")
	}
	return tx("→ "+strings.Join(fr, ", ")+window, "→ "+strings.Join(en, ", ")+window)
}

func hour(t time.Time) string {
	if t.IsZero() {
		return "…"
	}
	return t.Format("15:04")
}

func diagnosisAbout(v *check.View, d *evidence.Diagnosis) evidence.Text {
	if d.NoFault {
		return ui("no_fault")
	}
	element, cause := same(d.Element), same(d.Cause)
	for _, e := range v.Facts.Elements {
		if e.ID == d.Element && e.Label != (evidence.Text{}) {
			element = e.Label
		}
	}
	if c, ok := criteria.CauseByID(d.Cause); ok {
		cause = c.Label
	}
	return tx(element.FR+" · "+cause.FR, element.EN+" · "+cause.EN)
}

// RecordLine is a cited record of the journal.
type RecordLine struct {
	Seq   uint64
	Since string
	Node  string
	Type  string
	Text  evidence.Text
}

// describe puts a record into words.
func describe(r *evidence.Record, c clock) RecordLine {
	l := RecordLine{Seq: r.Seq, Since: c.since(r.BootNS), Node: r.Node, Type: string(r.Type)}
	switch p := r.Payload().(type) {
	case *evidence.ProbeSample:
		l.Text = tx(p.Probe+" : disponible", p.Probe+": available")
		if !p.OK {
			l.Text = tx(p.Probe+" : en échec "+p.Detail, p.Probe+": failing "+p.Detail)
		}
	case *evidence.ExamColdStart:
		l.Text = tx(fmt.Sprintf("redémarrage complet : %d machines sur %d", p.Restarted, p.Nodes),
			fmt.Sprintf("complete restart: %d machines of %d", p.Restarted, p.Nodes))
	case *evidence.ExamCanary:
		l.Text = tx("donnée témoin "+p.Name+" ("+p.Where+") : intacte", "canary "+p.Name+" ("+p.Where+"): intact")
		switch {
		case p.Unread:
			l.Text = tx("donnée témoin "+p.Name+" ("+p.Where+") : n’a pas pu être relue", "canary "+p.Name+" ("+p.Where+"): could not be read back")
		case !p.OK:
			l.Text = tx("donnée témoin "+p.Name+" ("+p.Where+") : perdue ou altérée", "canary "+p.Name+" ("+p.Where+"): lost or altered")
		}
	case *evidence.ExamFlow:
		l.Text = same(fmt.Sprintf("%s → %s", p.From, p.To))
	case *evidence.FileChange:
		l.Text = same(p.Op + " " + p.Path)
	case *evidence.LabNode:
		l.Text = same(p.Event + " (" + p.Origin + ")")
	case *evidence.NetState:
		l.Text = same(strings.Join(append(append([]string{}, p.Added...), p.Removed...), "; "))
	case *evidence.ExecStart:
		l.Text = same(strings.Join(p.Argv, " "))
	case *evidence.SessionFinish:
		l.Text = same(p.Reason)
		if t, ok := texts["end_"+p.Reason]; ok {
			l.Text = tx("fin de l’épreuve, "+t.FR, "end of the session, "+t.EN)
		}
	case *evidence.SessionStart:
		l.Text = same(p.Scenario + ", " + p.Tool)
	case *evidence.SessionInvalid:
		l.Text = same(p.Reason + ": " + p.Detail)
	case *evidence.TermUncut:
		l.Text = same(p.Program + " " + p.Detail)
	case *evidence.RecorderLoss:
		l.Text = same(fmt.Sprintf("%s: %d", p.Recorder, p.Lost))
	case *evidence.RecorderState:
		l.Text = same(fmt.Sprintf("%s: %v", p.Recorder, p.On))
	case *evidence.HostHealth:
		l.Text = same(fmt.Sprintf("steal %.0f %%, load %.0f %%", p.StealPercent, p.LoadPercent))
	}
	return l
}
