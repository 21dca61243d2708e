package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"gorm.io/gorm"
)

// sqliteOptions are the settings of a connection that differ. The same
// everywhere: WAL and synchronous=FULL (a commit is on the disk before it is
// answered).
type sqliteOptions struct {
	readOnly bool // query_only
	busy     time.Duration
	cacheKiB int
}

// Page caches of one connection, in KiB.
const (
	readCacheKiB  = 4096
	writeCacheKiB = 8192
	bulkCacheKiB  = 65536
)

// Pages in the write-ahead log at which a commit merges it into the file. Most
// is merged in the background long before; see checkpointer.
const (
	checkpointPages     = 4000  // 16 MiB
	bulkCheckpointPages = 65536 // 256 MiB
)

// openSQLite opens the file, migrates it and starts the writer.
func (db *DB) openSQLite(ctx context.Context, path string) error {
	db.path = path
	if err := prepareFile(path); err != nil {
		return err
	}
	cache, checkpoint := writeCacheKiB, checkpointPages
	if db.cfg.Bulk {
		cache, checkpoint = bulkCacheKiB, bulkCheckpointPages
	}
	writer, err := db.openHandle(ctx, sqliteOptions{busy: db.cfg.BusyTimeout, cacheKiB: orInt(db.cfg.WriteCacheKiB, cache)})
	if err != nil {
		return err
	}
	writePool, err := writer.DB()
	if err != nil {
		return fmt.Errorf("take the pool of gorm: %w", err)
	}
	writePool.SetMaxOpenConns(1)
	conn, err := writePool.Conn(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("open writing connection: %w", err), writePool.Close())
	}
	_, err = conn.ExecContext(ctx, "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = "+strconv.Itoa(checkpoint))
	if err == nil {
		err = migrateSQLite(ctx, conn, db.cfg.Now)
	}
	if err != nil {
		return errors.Join(err, conn.Close(), writePool.Close())
	}
	turn, err := openTurnstile(path, db.cfg.BusyTimeout)
	if err != nil {
		return errors.Join(err, conn.Close(), writePool.Close())
	}
	if !db.cfg.Bulk {
		db.checkpoints = newCheckpointer()
	}
	db.write = startGroupWriter(db, writePool, conn, turn) //nolint:contextcheck // it runs until Close

	db.orm, err = db.openHandle(ctx, sqliteOptions{readOnly: true, busy: db.cfg.BusyTimeout, cacheKiB: readCacheKiB})
	if err != nil {
		return err
	}
	db.scans = newScanGate(db.cfg.ReadConns)
	if db.pool, err = db.orm.DB(); err != nil {
		return fmt.Errorf("take the pool of gorm: %w", err)
	}
	db.pool.SetMaxOpenConns(2 * db.cfg.ReadConns)
	db.pool.SetMaxIdleConns(2 * db.cfg.ReadConns)
	db.direct = newDirectReader(db.pool, db.cfg.ReadConns)
	db.prepared = newStatements(db.pool)
	db.read = db.traced(db.prepared)
	return nil
}

// openHandle opens one pool. Two processes that switch a new file to WAL at
// the same time can find it locked although they are ready to wait, so this
// waits for them.
func (db *DB) openHandle(ctx context.Context, o sqliteOptions) (*gorm.DB, error) {
	var handle *gorm.DB
	err := retry(ctx, db.cfg.BusyTimeout, isBusy, func() (err error) {
		handle, err = gorm.Open(sqliteDialector(db.path, o), db.ormConfig())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", db.path, err)
	}
	return handle, nil
}

// prepareFile makes the folder and the file readable for the owner alone, for
// SQLite would follow the umask. Its side files take the mode of the file.
func prepareFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("make database file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("make database file: %w", err)
	}
	return nil
}

// migrateSQLite applies the migrations in one immediate transaction, which
// only one process can hold.
func migrateSQLite(ctx context.Context, conn *sql.Conn, now func() time.Time) error {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("lock for migrations: %w", err)
	}
	if err := migrate(ctx, conn, dialectSQLite, now()); err != nil {
		_, rollback := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return errors.Join(err, rollback)
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit migrations: %w", err)
	}
	return nil
}
