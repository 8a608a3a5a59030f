package report

import (
	"fmt"
	"path"
	"sort"
	"strings"
	"time"

	"github.com/situlab/situlab/grader/check"
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
	return readings(out)
}

// readings makes one line of the documents that were opened one after the other.
func readings(all []Writing) []Writing {
	var out []Writing
	for _, w := range all {
		if n := len(out); n > 0 && w.Kind == ui("w_doc") && out[n-1].Kind == w.Kind {
			a := &out[n-1].About
			a.FR, a.EN = a.FR+"\u00a0; "+w.About.FR, a.EN+"; "+w.About.EN
			continue
		}
		out = append(out, w)
	}
	return out
}

func writing(v *check.View, r *evidence.Record, c clock) Writing {
	mine := func(kind string, about evidence.Text, text string) Writing {
		return Writing{Kind: ui(kind), About: about, Text: text, Mine: true}
	}
	theirs := func(kind string, about evidence.Text, text string) Writing {
		return Writing{Kind: ui(kind), About: about, Text: text}
	}
	var nothing evidence.Text
	switch p := r.Payload().(type) {
	case *evidence.Ticket:
		who := v.PersonLabel(p.Author)
		return theirs("w_ticket", tx(p.ID+" · "+who.FR, p.ID+" · "+who.EN), strings.TrimSpace(p.Title+"\n"+p.Text))
	case *evidence.TicketReply:
		return mine("w_reply", same(p.Ticket), p.Text)
	case *evidence.TicketClose:
		return mine("w_close", same(p.Ticket), p.Text)
	case *evidence.Notice:
		return mine("w_notice", noticeAbout(v, p), p.Text)
	case *evidence.Request:
		who := v.PersonLabel(p.To)
		return mine("w_request", tx("→ "+who.FR, "→ "+who.EN), p.Text)
	case *evidence.InboxMessage:
		return theirs("w_inbox", v.PersonLabel(p.From), p.Text)
	case *evidence.DiagnosisText:
		return mine("w_diagtext", nothing, p.Text)
	case *evidence.Diagnosis:
		return mine("w_diag", diagnosisAbout(v, p), "")
	case *evidence.Restored:
		if p.Definitive {
			return mine("w_restored", ui("definitive"), "")
		}
		return mine("w_restored", ui("degraded"), "")
	case *evidence.Document:
		return mine("w_document", same(path.Base(p.Name)), p.Text)
	case *evidence.DocShown:
		return theirs("w_doc", v.DocumentLabel(p.Doc), "")
	case *evidence.SecretRead:
		return theirs("w_secret", v.SecretLabel(p.Secret), "")
	case *evidence.HintShown:
		l := ui("level")
		return theirs("w_hint", tx(fmt.Sprint(l.FR, " ", p.Level), fmt.Sprint(l.EN, " ", p.Level)), "")
	case *evidence.LogEntry:
		return mine("w_log", same(p.NodeRef), p.Text)
	case *evidence.LogCorrection:
		l := ui("corrects")
		return mine("w_correction", tx(fmt.Sprint(l.FR, " ", p.Corrects), fmt.Sprint(l.EN, " ", p.Corrects)), p.Text)
	}
	return theirs("w_inbox", nothing, "")
}

func noticeAbout(v *check.View, n *evidence.Notice) evidence.Text {
	var fr, en []string
	for _, id := range n.Groups {
		label := v.GroupLabel(id)
		fr, en = append(fr, label.FR), append(en, label.EN)
	}
	window := ""
	if !n.From.IsZero() || !n.Until.IsZero() {
		zone := v.Start.Deadline.Location()
		window = " · " + hour(n.From, zone) + " – " + hour(n.Until, zone)
	}
	if len(n.Services) > 0 {
		window += " · " + strings.Join(n.Services, ", ")
	}
	return tx("→ "+strings.Join(fr, ", ")+window, "→ "+strings.Join(en, ", ")+window)
}

func hour(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "…"
	}
	return t.In(zone).Format("15:04")
}

func diagnosisAbout(v *check.View, d *evidence.Diagnosis) evidence.Text {
	if d.NoFault {
		return ui("no_fault")
	}
	element, cause := v.ElementLabel(d.Element), check.CauseLabel(d.Cause)
	return tx(element.FR+" · "+cause.FR, element.EN+" · "+cause.EN)
}
