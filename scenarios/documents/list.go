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

// Render writes one document in Markdown. site must be expanded; start is when
// the session begins, in the candidate's time zone; extra is what the scenario
// adds to the logbook.
func Render(site *scenarios.Site, id, lang string, start time.Time, extra []scenarios.Entry) (string, error) {
	if lang != "en" {
		lang = "fr"
	}
	for _, d := range List(lang) {
		if d.ID == id {
			return render(site, d, lang, start, extra)
		}
	}
	return "", fmt.Errorf("document %q: %w", id, ErrUnknown)
}

func render(site *scenarios.Site, d Doc, lang string, start time.Time, extra []scenarios.Entry) (string, error) {
	name := d.ID + "." + lang + ".md"
	source, err := texts.ReadFile("text/" + name)
	if err != nil {
		return "", fmt.Errorf("document %s: %w", d.ID, err)
	}
	v := newView(site, lang, start, extra)
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
	if lang == "fr" {
		text = typography(text)
	}
	return text, nil
}
