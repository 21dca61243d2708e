package storage

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/sallyport-id/sallyport/scim"
)

// openPostgres opens the pool and migrates the schema that search_path names.
func (db *DB) openPostgres(ctx context.Context, dsn string) error {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The driver's error repeats the DSN, which may hold a password.
		return errors.New("the PostgreSQL URL is malformed: use postgres://user@host:5432/database")
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "sallyport"
	}
	db.pool = stdlib.OpenDB(*config, stdlib.OptionAfterConnect(db.prepareSession))
	db.scans = newScanGate(db.cfg.MaxConns)
	db.pool.SetMaxOpenConns(db.cfg.MaxConns)
	db.pool.SetMaxIdleConns(db.cfg.MaxConns)
	db.orm, err = gorm.Open(postgres.New(postgres.Config{Conn: db.pool}), db.ormConfig())
	if err != nil {
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == pgNoDatabase {
			return fmt.Errorf("database_url: there is no database %q on that server: create it first, for example with createdb", config.Database)
		}
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	db.read = db.traced(db.pool) // pgx keeps prepared statements per connection itself
	return migratePostgres(ctx, db)
}

// prepareSession bounds waits for locks, so that a stuck transaction of another
// client turns into ErrBusy, and ends a transaction whose node has died.
func (db *DB) prepareSession(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx,
		"SELECT set_config('lock_timeout', $1, false), set_config('idle_in_transaction_session_timeout', '60000', false)",
		strconv.FormatInt(db.cfg.BusyTimeout.Milliseconds(), 10))
	return err
}

// migratePostgres applies the migrations in one transaction under an advisory
// lock, so that several nodes can start together.
func migratePostgres(ctx context.Context, db *DB) error {
	tx, err := db.pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin migrations: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	// The lock belongs to the schema: several directories may share a database.
	// Another node may migrate for long, so this wait has no bound but ctx.
	const lock = `SELECT set_config('lock_timeout', '0', true),
		pg_advisory_xact_lock(hashtextextended('sallyport migrations in ' || coalesce(current_schema(), ''), 0))`
	if _, err := tx.ExecContext(ctx, lock); err != nil {
		return fmt.Errorf("lock for migrations: %w", err)
	}
	if err := migrate(ctx, tx, dialectPostgres, db.cfg.Now()); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit migrations: %w", err)
	}
	return nil
}

// inPostgres runs fn in a transaction, again after a serialization failure or
// a deadlock. Read committed is enough: what must not change between reading
// and writing is locked by the reading.
func (db *DB) inPostgres(ctx context.Context, fn func(ctx context.Context) error) error {
	err := retry(ctx, db.cfg.BusyTimeout, runAgain, func() error { return db.oncePostgres(ctx, fn) })
	if runAgain(err) {
		return fmt.Errorf("transaction kept colliding: %w: %w", scim.ErrBusy, err)
	}
	return err
}

// runAgain reports that the whole transaction may succeed when it is repeated.
func runAgain(err error) bool { return isRetryable(err) || errors.Is(err, errRetry) }

func (db *DB) oncePostgres(ctx context.Context, fn func(ctx context.Context) error) error {
	raw, err := db.pool.BeginTx(ctx, nil)
	if err != nil {
		return db.sqlError(ctx, "begin", err)
	}
	defer func() { _ = raw.Rollback() }()
	pool := db.traced(raw)
	tx := &transaction{querier: pool, pool: pool}
	inner := context.WithValue(ctx, txKey{db}, tx)
	if err := contained(inner, fn); err != nil {
		return err
	}
	if tx.touched {
		if err := db.flushBlocks(inner, &tx.blocks); err != nil {
			return fmt.Errorf("count blocks: %w", err)
		}
	}
	if err := raw.Commit(); err != nil {
		if isRetryable(err) {
			return err
		}
		return db.sqlError(ctx, "commit", err)
	}
	return nil
}
