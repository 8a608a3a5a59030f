package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// order is one work order.
type order struct {
	Number    string // numero
	Reference string
	Label     string // designation
	Cell      string // ilot
	Quantity  int    // quantite
	Due       time.Time
	State     string // etat
}

// orders is what the pages need of the database.
type orders interface {
	// Ping asks the database for a trivial answer.
	Ping(ctx context.Context) error
	// Open lists the work orders that are not finished, the next due first.
	Open(ctx context.Context, limit int) ([]order, error)
}

// database is the orders of a PostgreSQL pool.
type database struct{ pool *pgxpool.Pool }

func (d database) Ping(ctx context.Context) error {
	var n int
	return d.pool.QueryRow(ctx, "SELECT count(*) FROM ordres").Scan(&n)
}

func (d database) Open(ctx context.Context, limit int) ([]order, error) {
	rows, err := d.pool.Query(ctx, `SELECT o.numero, o.reference, a.designation, o.ilot, o.quantite, o.echeance, o.etat
		FROM ordres o JOIN articles a USING (reference)
		WHERE o.etat <> 'terminé' ORDER BY o.echeance, o.numero LIMIT $1`, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[order])
}
