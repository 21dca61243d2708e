package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNoBackup says that this database is saved with its own tools.
var ErrNoBackup = errors.New("only the embedded database is backed up by this program: save PostgreSQL with pg_dump")

// Backup writes a consistent copy of the embedded database to a new file,
// readable for its owner alone, while others keep reading and writing. It
// never overwrites. ErrNoBackup on PostgreSQL.
func (db *DB) Backup(ctx context.Context, path string) error {
	if db.dialect != dialectSQLite {
		return ErrNoBackup
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("back up to %s: %w", path, fs.ErrExist)
	}
	dir := filepath.Dir(path)
	// An empty file of mode 0600 in the same folder, for VACUUM INTO to fill.
	temp, err := os.CreateTemp(dir, ".backup-*")
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	err = db.vacuumInto(ctx, temp.Name())
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return syncDir(dir)
}

// vacuumInto copies the database as of now, on a connection of its own.
func (db *DB) vacuumInto(ctx context.Context, path string) error {
	handle, err := db.openHandle(ctx, sqliteOptions{busy: db.cfg.BusyTimeout, cacheKiB: readCacheKiB})
	if err != nil {
		return err
	}
	pool, err := handle.DB()
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, "VACUUM INTO $1", path)
	return errors.Join(err, pool.Close())
}

// syncDir makes a new name in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the operator names the folder
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
