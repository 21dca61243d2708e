package storage

import (
	"context"
	"errors"
)

// halfCopy is the setting that stands in a database while it is the target of
// a copy.
const halfCopy = "copy_unfinished"

// ErrHalfCopy says that the database is the target of a copy that has not finished.
var ErrHalfCopy = errors.New("the database is the target of an unfinished migration: run the migration again, or empty the database")

// refuseHalfCopy stops the start on a database that lacks a part of its data.
func (db *DB) refuseHalfCopy(ctx context.Context) error {
	found, err := db.hasSetting(ctx, halfCopy)
	if err != nil {
		return err
	}
	if found && !db.cfg.CopyTarget {
		return ErrHalfCopy
	}
	return nil
}

// hasSetting says whether there is a row of settings.
func (db *DB) hasSetting(ctx context.Context, name string) (found bool, err error) {
	err = db.reader(ctx).QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM settings WHERE name = $1)", name).Scan(&found)
	return found, db.sqlError(ctx, "read setting "+name, err)
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
