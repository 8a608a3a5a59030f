package documents

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/situlab/situlab/scenarios"
)

// Doc is one document of the candidate's file.
type Doc struct {
	ID    string `json:"id"` // the same in both languages
	Title string `json:"title"`
}

// entry is a document and the name of its template.
type entry struct {
	id     string
	fr, en string
}

// entries is the one list of documents, in the order of the file handed over.
var entries = []entry{
	{"perimetre", "Périmètre et règles de l’épreuve", "Perimeter and rules of the session"},
	{"contacts", "Organigramme et contacts", "Organisation and contacts"},
	{"plan", "Plan du réseau", "Network plan"},
	{"adressage", "Plan d’adressage", "Addressing plan"},
	{"inventaire", "Inventaire des équipements", "Inventory"},
	{"flux", "Matrice de flux", "Flow matrix"},
	{"services", "Fiches de service et niveaux d’engagement", "Service sheets and service levels"},
	{"calendrier", "Calendrier de production et fenêtres", "Production calendar and windows"},
	{"sauvegarde", "Politique de sauvegarde", "Backup policy"},
	{"securite", "Politique de sécurité", "Security policy"},
	{"tarifs", "Grille tarifaire", "Price list"},
	{"cahier", "Cahier d’exploitation des 30 derniers jours", "Operations log of the last 30 days"},
	{"pr-04", "PR-04 : bascule manuelle sur le lien de secours", "PR-04: manual switch-over to the backup line"},
	{"notice-reseau", "Notice : réseau d’un poste Linux", "Note: network of a Linux machine"},
	{"notice-systeme", "Notice : systemd et journaux", "Note: systemd and logs"},
	{"notice-frr", "Notice : routage FRR (OSPF)", "Note: FRR routing (OSPF)"},
	{"notice-nftables", "Notice : filtrage nftables", "Note: nftables filtering"},
	{"notice-dns", "Notice : DNS (bind9)", "Note: DNS (bind9)"},
	{"notice-dhcp", "Notice : DHCP (kea, relais dnsmasq)", "Note: DHCP (kea, dnsmasq relay)"},
	{"notice-annuaire", "Notice : annuaire (slapd)", "Note: directory (slapd)"},
	{"notice-fichiers", "Notice : fichiers (Samba)", "Note: files (Samba)"},
	{"notice-base", "Notice : base de données (PostgreSQL)", "Note: database (PostgreSQL)"},
	{"notice-web", "Notice : sites web (nginx)", "Note: web sites (nginx)"},
	{"notice-messagerie", "Notice : messagerie (Postfix, Dovecot)", "Note: mail (Postfix, Dovecot)"},
	{"notice-heure", "Notice : heure (chrony)", "Note: time (chrony)"},
	{"notice-supervision", "Notice : supervision (Prometheus)", "Note: monitoring (Prometheus)"},
	{"notice-vulcain", "Notice : ERP Vulcain", "Note: Vulcain ERP"},
	{"notice-sauvegarde", "Notice : sauvegarde (rsync, restic)", "Note: backup (rsync, restic)"},
}

// ErrUnknown is what [Render] returns (wrapped) for an id that is not listed.
var ErrUnknown = errors.New("no such document")

// List names the documents in a language ("en", else French).
func List(lang string) []Doc {
	docs := make([]Doc, len(entries))
	for i, e := range entries {
		docs[i] = Doc{e.id, scenarios.Text{FR: e.fr, EN: e.en}.In(lang)}
	}
	return docs
}

//go:embed text/*.md
var texts embed.FS

// Options say how documents are written.
type Options struct {
	Lang string // "en", else French
	// Start is when the session begins, in the candidate's time zone.
	Start time.Time
	// Now is when the document is read; zero means Start.
	Now time.Time
	// Factor multiplies the hours of the calendar, as it does every duration of
	// the session; zero means 1.
	Factor float64
}

// norm fills what was left out.
func (o Options) norm() Options {
	if o.Lang != "en" {
		o.Lang = "fr"
	}
	if o.Now.IsZero() {
		o.Now = o.Start
	}
	if o.Factor == 0 {
		o.Factor = 1
	}
	return o
}

// at is a time of the calendar.
func (o Options) at(d scenarios.Duration) time.Time {
	return o.Start.Add(time.Duration(float64(d) * o.Factor))
}

// Render writes one document in Markdown. site must be expanded; that of a
// variant holds the scenario's own lines of the logbook.
func Render(site *scenarios.Site, id string, o Options) (string, error) {
	o = o.norm()
	for _, d := range List(o.Lang) {
		if d.ID == id {
			return render(site, d, o)
		}
	}
	return "", fmt.Errorf("document %q: %w", id, ErrUnknown)
}

// Dossier returns the candidate's whole file by file name: every document
// (ID.fr.md, ID.en.md) and the drawn plan (plan.fr.svg, plan.en.svg) in both
// languages, whatever o.Lang says.
func Dossier(site *scenarios.Site, o Options) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, lang := range []string{"fr", "en"} {
		o.Lang = lang
		for _, d := range List(lang) {
			text, err := Render(site, d.ID, o)
			if err != nil {
				return nil, err
			}
			files[d.ID+"."+lang+".md"] = []byte(text)
		}
		files["plan."+lang+".svg"] = Plan(site, PlanOptions{Lang: lang})
	}
	return files, nil
}

func render(site *scenarios.Site, d Doc, o Options) (string, error) {
	name := d.ID + "." + o.Lang + ".md"
	source, err := texts.ReadFile("text/" + name)
	if err != nil {
		return "", fmt.Errorf("document %s: %w", d.ID, err)
	}
	v := newView(site, o)
	t, err := template.New(name).Option("missingkey=error").Funcs(v.functions()).Parse(string(source))
	if err != nil {
		return "", fmt.Errorf("document %s: %w", d.ID, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, v); err != nil {
		return "", fmt.Errorf("document %s: %w", d.ID, err)
	}
	head := "# " + d.Title + "\n\n"
	if strings.HasPrefix(d.ID, "notice-") {
		head += v.tr("*Notice générale ; aucune donnée du site.*", "*General note; no data of the site.*") + "\n\n"
	} else {
		head += "*" + site.Company.Name + "*\n\n"
	}
	text := head + strings.TrimSpace(out.String()) + "\n"
	for _, n := range site.Notes {
		if n.Document == d.ID {
			text += "\n" + strings.TrimSpace(v.text(n.Text)) + "\n"
		}
	}
	return Typeset(text, o.Lang), nil
}
