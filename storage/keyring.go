package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/storage/seal"
)

// sealedColumn is a column that storage/seal encrypts. Every such column is
// listed here: the start checks it, the re-encryption job renews it, a copy
// proves that it opens.
type sealedColumn struct{ table, column, row, kid string }

// sealedColumns lists all sealed columns but the check values of keyring.
func sealedColumns() []sealedColumn {
	return []sealedColumn{
		{table: "server_keys", column: "sealed", row: "id", kid: "kid"},
		{table: "state_keys", column: "sealed", row: "id", kid: "kid"},
		{table: "totp_secrets", column: "sealed", row: "user_id", kid: "kid"},
		{table: "inbox_messages", column: "sealed", row: "id", kid: "kid"},
		{table: "signing_keys", column: "sealed", row: "id", kid: "kid"},
		{table: "notices", column: "sealed", row: "id", kid: "kid"},
		{table: "login_codes", column: "sealed", row: "id", kid: "kid"},
		{table: "extra_apps", column: "sealed", row: "id", kid: "kid"},
		{table: "federation_requests", column: "sealed", row: "id", kid: "kid"},
		{table: "federation_answers", column: "sealed", row: "id", kid: "kid"},
		{table: "federation_keys", column: "sealed", row: "id", kid: "kid"},
		{table: "account_flows", column: "sealed", row: "id", kid: "kid"},
		{table: "account_messages", column: "sealed", row: "id", kid: "kid"},
	}
}

func (c sealedColumn) place(row string) seal.Place {
	return seal.Place{Table: c.table, Column: c.column, Row: row}
}

// States of keys in keyring and server_keys.
const (
	keyActive  = "active"
	keyRetired = "retired"
)

// checkText is what every master key seals once, to be recognised later.
const checkText = "sallyport master key check"

func checkPlace(kid string) seal.Place {
	return seal.Place{Table: "keyring", Column: "sealed", Row: kid}
}

// KeyError reports that the master keys do not fit the database.
type KeyError struct {
	Kid    string // the key that the database names
	Reason error  // seal.ErrUnknownKid or seal.ErrOpen
}

// Error implements error.
func (e *KeyError) Error() string {
	if errors.Is(e.Reason, seal.ErrUnknownKid) {
		return fmt.Sprintf("the database has values sealed with master key %q, which is not among the given keys: add it behind the others", e.Kid)
	}
	return fmt.Sprintf("master key %q is not the one that sealed this database: give the original key under that id", e.Kid)
}

// Unwrap returns the reason.
func (e *KeyError) Unwrap() error { return e.Reason }

// checkKeys refuses to start when a row names a key that the ring lacks or a
// key does not open its check value, and records keys that are new.
func (db *DB) checkKeys(ctx context.Context) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		known, err := db.openCheckValues(ctx)
		if err != nil {
			return err
		}
		for _, kid := range db.cfg.Keys.Kids() {
			if err := db.recordKey(ctx, kid, known[kid]); err != nil {
				return err
			}
		}
		used, err := db.SealedRows(ctx)
		if err != nil {
			return err
		}
		for _, kid := range sortedKeys(used) {
			if !db.cfg.Keys.Has(kid) {
				return &KeyError{Kid: kid, Reason: seal.ErrUnknownKid}
			}
		}
		return nil
	})
}

// openCheckValues opens the check value of every key the database knows and
// returns their states. A retired key has no rows left and may be gone.
func (db *DB) openCheckValues(ctx context.Context) (map[string]string, error) {
	known := make(map[string]string)
	err := eachRow(ctx, db.reader(ctx), "SELECT kid, sealed, state FROM keyring ORDER BY kid", nil, func(rows *sql.Rows) error {
		var kid, state string
		var sealed []byte
		if err := rows.Scan(&kid, &sealed, &state); err != nil {
			return err
		}
		if state == keyRetired && !db.cfg.Keys.Has(kid) {
			return nil
		}
		if _, err := db.cfg.Keys.Open(checkPlace(kid), kid, sealed); err != nil {
			return &KeyError{Kid: kid, Reason: err}
		}
		known[kid] = state
		return nil
	})
	if err != nil {
		return nil, db.sqlError(ctx, "check master keys", err)
	}
	return known, nil
}

// recordKey stores the check value of a key that is new, or that seals from now
// on. A key that only stands behind the first has sealed nothing that the rows
// do not show, so it is recorded as retired: it may go again.
func (db *DB) recordKey(ctx context.Context, kid, known string) error {
	state := keyRetired
	if kid == db.cfg.Keys.First() {
		state = keyActive
	}
	if known == keyActive || known == state {
		return nil
	}
	event := audit.KeyCreated
	if known != "" {
		event = audit.KeyActivated
	}
	w, err := db.writer(ctx)
	if err != nil {
		return err
	}
	sealed, err := db.cfg.Keys.SealWith(kid, checkPlace(kid), []byte(checkText))
	if err != nil {
		return fmt.Errorf("seal check value: %w", err)
	}
	// Another node may have been first: its check value stays.
	n, err := db.execCount(ctx, w, `INSERT INTO keyring (kid, sealed, created_at, state) VALUES ($1, $2, $3, $4)
		ON CONFLICT (kid) DO UPDATE SET state = excluded.state WHERE excluded.state = 'active' AND keyring.state <> 'active'`,
		kid, sealed, micros(db.now()), state)
	if err != nil {
		return db.sqlError(ctx, "record master key", err)
	}
	if n == 0 {
		return nil
	}
	return db.Append(ctx, keyEvent(event, kid, map[string]any{"purpose": "master"}))
}

// SealedRows returns how many sealed rows each master key has. A key without
// rows can be dropped from the ring once Reseal has returned 0.
func (db *DB) SealedRows(ctx context.Context) (map[string]int64, error) {
	out := make(map[string]int64)
	for _, c := range sealedColumns() {
		query := "SELECT " + c.kid + ", count(*) FROM " + c.table + " GROUP BY " + c.kid
		err := eachRow(ctx, db.reader(ctx), query, nil, func(rows *sql.Rows) error {
			var kid string
			var n int64
			if err := rows.Scan(&kid, &n); err != nil {
				return err
			}
			out[kid] += n
			return nil
		})
		if err != nil {
			return nil, db.sqlError(ctx, "count sealed rows", err)
		}
	}
	return out, nil
}
