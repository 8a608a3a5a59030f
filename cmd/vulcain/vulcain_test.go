package main

import (
	"bytes"
	"context"
	"errors"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestReadConfig(t *testing.T) {
	c, err := readConfig(strings.NewReader("# note\necoute = :9\n\nsociete = Société\nbase = postgres://u:p=1@h/d\njournal = /tmp/x\n"))
	if err != nil {
		t.Fatal(err)
	}
	if want := (config{":9", "Société", "postgres://u:p=1@h/d", "/tmp/x"}); c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
	for _, bad := range []string{"", "base", "couleur = rouge\nbase = x"} {
		if _, err := readConfig(strings.NewReader(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

type fake struct {
	list []order
	err  error
}

func (f fake) Ping(context.Context) error                 { return f.err }
func (f fake) Open(context.Context, int) ([]order, error) { return f.list, f.err }

func TestPages(t *testing.T) {
	list := []order{{"OF-1", "AM-1", "Bride <soudée>", "Soudage", 7, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), "lancé"}}
	tests := []struct {
		path   string
		orders fake
		status int
		want   string
	}{
		{"/", fake{list: list}, 200, "<td>OF-1</td><td>AM-1</td><td>Bride &lt;soudée&gt;</td>"},
		{"/", fake{err: errors.New("refusé")}, 503, "indisponible"},
		{"/sante", fake{}, 200, "vulcain: ok\n"},
		{"/sante?nonce=a1", fake{}, 200, "vulcain: ok\na1\n"},
		{"/sante", fake{err: errors.New("refusé")}, 503, "indisponible"},
		{"/autre", fake{}, 404, ""},
	}
	for _, test := range tests {
		var journal bytes.Buffer
		app := &application{company: "Essai", orders: test.orders, log: log.New(&journal, "", 0)}
		got := httptest.NewRecorder()
		app.handler().ServeHTTP(got, httptest.NewRequest("GET", test.path, nil))
		if got.Code != test.status || !strings.Contains(got.Body.String(), test.want) {
			t.Errorf("%s: %d %q, want %d %q", test.path, got.Code, got.Body, test.status, test.want)
		}
		if failed := strings.Contains(journal.String(), "refusé"); failed != (test.orders.err != nil) {
			t.Errorf("%s: log %q", test.path, &journal)
		}
	}
}
