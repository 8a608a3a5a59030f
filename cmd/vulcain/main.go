package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

func main() {
	path := flag.String("conf", "/etc/vulcain/vulcain.conf", "fichier de configuration")
	flag.Parse()
	if err := run(*path); err != nil {
		fmt.Fprintln(os.Stderr, "vulcain :", err)
		os.Exit(1)
	}
}

// run serves until SIGTERM. A database that does not answer yet is no reason
// to stop: the health page says so, and the next question tries again.
func run(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	c, err := readConfig(file)
	_ = file.Close()
	if err != nil {
		return fmt.Errorf("%s : %w", path, err)
	}
	journal, err := os.OpenFile(c.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() { _ = journal.Close() }()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	pool, err := pgxpool.New(ctx, c.dsn)
	if err != nil {
		return fmt.Errorf("réglage « base » : %w", err)
	}
	defer pool.Close()

	app := &application{company: c.company, orders: database{pool}, log: log.New(journal, "", log.LstdFlags)}
	server := &http.Server{Addr: c.listen, Handler: app.handler(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: app.log}
	done := make(chan error, 1)
	go func() { done <- server.ListenAndServe() }()
	app.log.Printf("démarrage, version %s, écoute sur %s", version, c.listen)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	app.log.Print("arrêt demandé")
	ending, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(ending); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
