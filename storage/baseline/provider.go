package baseline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Provider writes and reads rows as an OpenID Connect provider must, with the
// least statements. Safe for concurrent use.
type Provider struct {
	db              *DB
	insert, consume *sql.Stmt
	byCode          *sql.Stmt
	byToken, byID   *sql.Stmt
	person          *sql.Stmt
}

// SQLite counts parameters in the order in which they stand.
//
// Grants that are inserted here hang on no session and no client that the
// server knows. The statements that look up join all that a token depends on:
// who answers for a token must see that its grant, its session, its client and
// its user still are.
const (
	grantSQL = `INSERT INTO oauth_grants (id, client_id, user_id, session_id, doc, key_thumbprint,
		code_hash, code_expires_at, code_used_at, created_at, expires_at, revoked_at)
		VALUES ($1, 'baseline', $2, '', $3, '', $4, $5, 0, $6, $5, 0)`
	byCodeSQL  = "SELECT id, user_id, doc FROM oauth_grants WHERE code_hash = $1 AND code_used_at = 0 AND code_expires_at > $2"
	consumeSQL = "UPDATE oauth_grants SET code_used_at = $1 WHERE code_hash = $2 AND code_used_at = 0"

	liveSQL = ` JOIN oauth_clients c ON c.id = g.client_id AND c.disabled = 0
		JOIN sessions s ON s.id = g.session_id AND s.expires_at > $1
		JOIN resources r ON r.type = 'User' AND r.id = g.user_id`
	byTokenSQL = `SELECT g.client_id, g.user_id, g.doc, a.scopes, a.expires_at FROM oauth_access_tokens a
		JOIN oauth_grants g ON g.id = a.grant_id AND g.revoked_at = 0` + liveSQL + ` WHERE a.hash = $2 AND a.expires_at > $1`
	byIDSQL = `SELECT g.client_id, g.user_id, g.doc, '', g.expires_at FROM oauth_grants g` + liveSQL +
		` WHERE g.id = $2 AND g.revoked_at = 0 AND g.expires_at > $1`
	personSQL = `SELECT r.doc FROM oauth_access_tokens a
		JOIN oauth_grants g ON g.id = a.grant_id AND g.revoked_at = 0` + liveSQL + ` WHERE a.hash = $2 AND a.expires_at > $1`
)

// Provider prepares the statements. They end with the DB.
func (db *DB) Provider(ctx context.Context) (*Provider, error) {
	p := &Provider{db: db}
	var errs []error
	for _, s := range []struct {
		pool *sql.DB
		text string
		into **sql.Stmt
	}{
		{db.write, grantSQL, &p.insert},
		{db.write, consumeSQL, &p.consume},
		{db.read, byCodeSQL, &p.byCode},
		{db.read, byTokenSQL, &p.byToken},
		{db.read, byIDSQL, &p.byID},
		{db.read, personSQL, &p.person},
	} {
		var err error
		*s.into, err = s.pool.PrepareContext(ctx, s.text) //nolint:sqlclosecheck // Close closes the pools and their statements
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("prepare statements of a provider: %w", err)
	}
	return p, nil
}

// Grant is what a code stands for.
type Grant struct {
	ID, Client, User, Doc, Scopes string
	CodeHash                      []byte
	Created, Expires              int64 // microseconds
}

// Insert writes one grant and returns when it is on the disk.
func (p *Provider) Insert(ctx context.Context, g Grant) error {
	_, err := p.insert.ExecContext(ctx, g.ID, g.User, g.Doc, g.CodeHash, g.Expires, g.Created)
	return err
}

// InsertAll writes many in one transaction.
func (p *Provider) InsertAll(ctx context.Context, grants []Grant) error {
	tx, err := p.db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	insert := tx.StmtContext(ctx, p.insert)
	defer func() { _ = insert.Close() }()
	for _, g := range grants {
		if _, err := insert.ExecContext(ctx, g.ID, g.User, g.Doc, g.CodeHash, g.Expires, g.Created); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Redeem reads the grant of a code and uses the code up, which is on the disk
// when it returns. sql.ErrNoRows: there is none, or it was used.
func (p *Provider) Redeem(ctx context.Context, hash []byte, now int64) (Grant, error) {
	var g Grant
	if err := p.byCode.QueryRow(hash, now).Scan(&g.ID, &g.User, &g.Doc); err != nil { //nolint:noctx // as in Document
		return g, err
	}
	done, err := p.consume.ExecContext(ctx, now, hash)
	if err != nil {
		return g, err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return g, errors.Join(err, sql.ErrNoRows)
	}
	return g, nil
}

// ByToken finds the live grant of an opaque access token by its hash.
func (p *Provider) ByToken(hash []byte, now int64) (Grant, error) { return grant(p.byToken, hash, now) }

// ByID finds a live grant.
func (p *Provider) ByID(id string, now int64) (Grant, error) { return grant(p.byID, id, now) }

func grant(by *sql.Stmt, key any, now int64) (Grant, error) {
	var g Grant
	err := by.QueryRow(now, key).Scan(&g.Client, &g.User, &g.Doc, &g.Scopes, &g.Expires) //nolint:noctx // as in Document
	return g, err
}

// Person finds the stored user of an opaque access token.
func (p *Provider) Person(hash []byte, now int64) ([]byte, error) {
	var doc []byte
	err := p.person.QueryRow(now, hash).Scan(&doc) //nolint:noctx // as in Document
	return doc, err
}
