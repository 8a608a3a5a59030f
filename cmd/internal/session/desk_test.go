package session

import (
	"testing"
	"time"

	"github.com/situlab/situlab/scenarios"
)

func TestNearest(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		now          string
		hour, minute int
		want         string
	}{
		{"2026-03-02 10:00", 11, 30, "2026-03-02 11:30"},
		{"2026-03-02 10:00", 9, 0, "2026-03-02 09:00"},
		{"2026-03-02 23:50", 0, 30, "2026-03-03 00:30"},
		{"2026-03-03 00:10", 23, 55, "2026-03-02 23:55"},
	} {
		now, _ := time.ParseInLocation("2006-01-02 15:04", c.now, paris)
		if got := nearest(c.hour, c.minute, now).Format("2006-01-02 15:04"); got != c.want {
			t.Errorf("%02d:%02d typed at %s is %s, want %s", c.hour, c.minute, c.now, got, c.want)
		}
	}
}

// Words fit at their beginning only, and the answer with the most of them wins.
func TestChoose(t *testing.T) {
	answer := func(text string, words ...string) scenarios.Answer {
		return scenarios.Answer{Who: "technician", Words: words, Text: scenarios.Text{FR: text}}
	}
	s := &Session{variant: &scenarios.Variant{Scenario: &scenarios.Scenario{Dialogue: []scenarios.Answer{
		answer("ligne", "lien", "ligne"),
		answer("depuis", "depuis"),
		answer("retour", "rétabli", "depuis 10 h", "heure"),
		answer("port", "port"),
		answer("autre"),
	}}, Site: &scenarios.Site{}}}
	for text, want := range map[string]string{
		"Le client attend":                          "autre",
		"Quel est l'état du lien ?":                 "ligne",
		"Depuis quand ?":                            "depuis",
		"C'est rétabli depuis 10 h, à quelle heure": "retour",
		"Voici mon rapport":                         "autre",
		"Le PORT clignote-t-il ?":                   "port",
	} {
		a, ok := newPeople(s).choose("technician", "", text)
		if !ok || a.Text.FR != want {
			t.Errorf("%q is answered by %q, want %q", text, a.Text.FR, want)
		}
	}
}
