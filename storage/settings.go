package storage

import (
	"context"
	"errors"

	"github.com/sallyport-id/sallyport/scim"
)

// halfCopy is the setting that stands in a database while it is the target of
// a copy.
const halfCopy = "copy_unfinished"

// ErrHalfCopy: the database is the target of a copy that has not finished.
var ErrHalfCopy = errors.New("the database is the target of an unfinished migration: run the migration again, or empty the database")

// refuseHalfCopy stops the start on a database that lacks a part of its data.
func (db *DB) refuseHalfCopy(ctx context.Context) error {
	_, found, err := db.setting(ctx, halfCopy)
	if err != nil {
		return err
	}
	if found && !db.cfg.CopyTarget {
		return ErrHalfCopy
	}
	return nil
}

// setting reads one row of settings.
func (db *DB) setting(ctx context.Context, name string) (value string, found bool, err error) {
	err = db.reader(ctx).QueryRowContext(ctx, "SELECT value FROM settings WHERE name = $1", name).Scan(&value)
	if err = db.sqlError(ctx, "read setting "+name, err); errors.Is(err, scim.ErrNotFound) {
		return "", false, nil
	}
	return value, err == nil, err
}

// setSetting writes one row of settings; it must run in a transaction.
func (db *DB) setSetting(ctx context.Context, name, value string) error {
	w, err := db.writer(ctx)
	if err != nil {
		return err
	}
	_, err = w.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return db.sqlError(ctx, "write setting "+name, err)
}

// dropSetting removes one row of settings; it must run in a transaction.
func (db *DB) dropSetting(ctx context.Context, name string) error {
	w, err := db.writer(ctx)
	if err != nil {
		return err
	}
	_, err = w.ExecContext(ctx, "DELETE FROM settings WHERE name = $1", name)
	return db.sqlError(ctx, "drop setting "+name, err)
}
