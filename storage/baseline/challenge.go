package baseline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Challenges writes rows of the size of a challenge, with the least that a
// one-time code can be kept with. Safe for concurrent use.
type Challenges struct {
	db             *DB
	insert, update *sql.Stmt
}

// The kind is one that the server never looks for.
const (
	challengeSQL = `INSERT INTO challenges (jti, sub, kind, path, dest_hash, attempts, max_attempts, created_at, expires_at, superseded_at, used_at)
		VALUES ($1, $2, 'baseline', 'secondFactorEmail', $3, 0, 5, $4, $5, 0, 0)`
	usedSQL = `UPDATE challenges SET attempts = attempts + 1, used_at = $2 WHERE jti = $1`
)

// Challenges prepares the statements. They end with the DB.
func (db *DB) Challenges(ctx context.Context) (*Challenges, error) {
	c := &Challenges{db: db}
	var errs [2]error
	c.insert, errs[0] = db.write.PrepareContext(ctx, challengeSQL)
	c.update, errs[1] = db.write.PrepareContext(ctx, usedSQL)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("prepare statements about challenges: %w", err)
	}
	return c, nil
}

// Challenge is one row.
type Challenge struct {
	JTI, Subject     string
	Destination      []byte
	Created, Expires int64 // microseconds
}

// Insert writes one row and returns when it is on the disk.
func (c *Challenges) Insert(ctx context.Context, row Challenge) error {
	_, err := c.insert.ExecContext(ctx, row.JTI, row.Subject, row.Destination, row.Created, row.Expires)
	return err
}

// InsertUsed writes one row and changes it, in one durable transaction.
func (c *Challenges) InsertUsed(ctx context.Context, row Challenge) error {
	tx, err := c.db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	_, err = tx.StmtContext(ctx, c.insert).ExecContext(ctx, row.JTI, row.Subject, row.Destination, row.Created, row.Expires) //nolint:sqlclosecheck // the end of tx closes it
	if err != nil {
		return err
	}
	if _, err = tx.StmtContext(ctx, c.update).ExecContext(ctx, row.JTI, row.Created); err != nil { //nolint:sqlclosecheck // the end of tx closes it
		return err
	}
	return tx.Commit()
}
