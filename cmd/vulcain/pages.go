package main

import (
	"context"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"time"
)

// version is the vendor's version number shown on the pages.
const version = "7.3.2"

// patience is how long a page waits for the database.
const patience = 4 * time.Second

// application answers the web pages.
type application struct {
	company string
	orders  orders
	log     *log.Logger
}

var page = template.Must(template.New("").Parse(`<!doctype html>
<html lang="fr">
<meta charset="utf-8">
<title>Vulcain – {{.Company}}</title>
<h1>Ordres de fabrication en cours</h1>
<table>
<tr><th>Ordre</th><th>Référence</th><th>Désignation</th><th>Îlot</th><th>Quantité</th><th>Échéance</th><th>État</th></tr>
{{range .Orders}}<tr><td>{{.Number}}</td><td>{{.Reference}}</td><td>{{.Label}}</td><td>{{.Cell}}</td><td>{{.Quantity}}</td><td>{{.Due.Format "02/01/2006"}}</td><td>{{.State}}</td></tr>
{{end}}</table>
<p>Vulcain {{.Version}}</p>
</html>
`))

func (a *application) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /sante", a.health)
	return mux
}

// home lists the open work orders.
func (a *application) home(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	list, err := a.orders.Open(ctx, 50)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := page.Execute(w, struct {
		Company, Version string
		Orders           []order
	}{a.company, version, list}); err != nil {
		a.log.Printf("%s %s : %v", r.RemoteAddr, r.URL.Path, err)
	}
}

// health says whether the database answers.
func (a *application) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	if err := a.orders.Ping(ctx); err != nil {
		a.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "vulcain: ok")
	// Monitoring tells whether an answer is fresh by its own word coming back.
	if nonce := r.URL.Query().Get("nonce"); nonce != "" {
		fmt.Fprintln(w, nonce)
	}
}

// fail says that the database does not answer; the reason goes to the log.
func (a *application) fail(w http.ResponseWriter, r *http.Request, err error) {
	a.log.Printf("ERREUR base de données, %s %s : %v", r.RemoteAddr, r.URL.Path, err)
	http.Error(w, "vulcain: base de données indisponible", http.StatusServiceUnavailable)
}
