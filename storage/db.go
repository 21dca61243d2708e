package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// DB is an open database. It is safe for concurrent use.
type DB struct {
	cfg      Config
	dialect  dialect
	log      *slog.Logger
	orm      *gorm.DB      // on the reading pool (SQLite) or the only pool (PostgreSQL)
	pool     *sql.DB       // the pool of orm
	read     querier       // hot reads on pool
	prepared *statements   // SQLite only: the prepared statements of pool
	direct   *directReader // SQLite only: hot reads below database/sql
	write    *groupWriter  // SQLite only
	path     string        // SQLite only: the file
	// checkpoints is nil where the writer merges the log alone.
	checkpoints *checkpointer
	ids         idSource

	// What the query side reads of the configuration and keeps itself.
	registry         *schema.Registry
	indexedAttrs     []string
	uniqueGroupNames bool
	queryTimeout     time.Duration
	scans            scanGate
	now              func() time.Time
	index            indexSet
	ranks            rankCache
	hot              hotQueries
	knownClients     remembered[oidc.Client]
	knownScopes      remembered[[]oidc.ServiceScope] // of services, by their names

	background context.Context    //nolint:containedctx // ends with Close, not with a request
	stop       context.CancelFunc // ends background
	workers    sync.WaitGroup     // goroutines of background work
}

// The interfaces that DB implements.
var (
	_ scim.ResourceStore = (*DB)(nil)
	_ scim.MemberStore   = (*DB)(nil)
	_ scim.PasswordStore = (*DB)(nil)
	_ scim.TokenStore    = (*DB)(nil)
	_ scim.RemovalStore  = (*DB)(nil)
	_ audit.Log          = (*DB)(nil)
	_ audit.Reader       = (*DB)(nil)
)

// ErrClosed says that the database was closed.
var ErrClosed = errors.New("database is closed")

// Open opens the database, applies the migrations that are missing and checks
// the master keys. Several processes may open the same database at once. It
// fails when the database is newer than this program, when a row names a key
// that the ring lacks, or when a key does not open its check value.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	kind, place, err := cfg.target()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{
		cfg: cfg, dialect: kind, log: cfg.Logger, ids: idSource{now: cfg.Now},
		registry: cfg.Registry, indexedAttrs: cfg.Indexed, uniqueGroupNames: !cfg.FreeGroupNames,
		queryTimeout: cfg.QueryTimeout, now: cfg.Now, hot: newHotQueries(kind),
	}
	db.background, db.stop = context.WithCancel(context.WithoutCancel(ctx))
	if kind == dialectSQLite {
		err = db.openSQLite(ctx, place)
	} else {
		err = db.openPostgres(ctx, place)
	}
	if err == nil {
		err = db.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), db.Close())
	}
	return db, nil
}

// start brings an open database to the state that this program needs.
func (db *DB) start(ctx context.Context) error {
	if err := db.refuseHalfCopy(ctx); err != nil {
		return err
	}
	if err := db.checkKeys(ctx); err != nil {
		return err
	}
	if err := db.openIndexes(ctx); err != nil {
		return fmt.Errorf("open value indexes: %w", err)
	}
	db.workers.Go(db.indexInBackground)
	if db.checkpoints != nil {
		db.workers.Go(db.checkpointInBackground)
	}
	return nil
}

// Close ends the background work, answers what is queued and closes every
// connection.
func (db *DB) Close() error {
	var errs []error
	db.stop()
	db.workers.Wait()
	if db.write != nil {
		errs = append(errs, db.write.close())
	}
	if db.direct != nil {
		errs = append(errs, db.direct.close())
	}
	if db.prepared != nil {
		errs = append(errs, db.prepared.Close())
	}
	if db.pool != nil {
		errs = append(errs, db.pool.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	if err := db.pool.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// Dialect returns "sqlite" or "postgres".
func (db *DB) Dialect() string { return db.dialect.String() }

// ormConfig is how gorm is opened everywhere: it prepares nothing itself, it
// opens no transaction of its own (InTx does) and it logs no SQL, which may
// hold personal data.
func (db *DB) ormConfig() *gorm.Config {
	return &gorm.Config{
		SkipDefaultTransaction: true,
		QueryFields:            true, // a column of the next release must not change what a prepared statement yields
		TranslateError:         true,
		Logger:                 logger.Discard,
		NowFunc:                db.cfg.Now,
	}
}

// gorm returns a gorm session on the transaction of ctx, else on the reading pool.
func (db *DB) gorm(ctx context.Context) *gorm.DB {
	session := db.orm.Session(&gorm.Session{NewDB: true, Context: ctx})
	if tx := db.transactionOf(ctx); tx != nil {
		session.Statement.ConnPool = tx.pool
	}
	return session
}

// reader returns the transaction of ctx, writing or reading, else the pool.
func (db *DB) reader(ctx context.Context) querier {
	if tx := db.transactionOf(ctx); tx != nil {
		return tx
	}
	if q, ok := ctx.Value(readKey{db}).(querier); ok {
		return q
	}
	return db.read
}

// errNoTransaction is a bug of the caller: a write outside InTx.
var errNoTransaction = errors.New("write outside a transaction")

// writer returns the transaction of ctx.
func (db *DB) writer(ctx context.Context) (querier, error) {
	if tx := db.transactionOf(ctx); tx != nil {
		return tx, nil
	}
	return nil, errNoTransaction
}

// changer is writer for changes of resources and members, which the query side
// must hear of before the commit.
func (db *DB) changer(ctx context.Context) (querier, error) {
	tx := db.transactionOf(ctx)
	if tx == nil {
		return nil, errNoTransaction
	}
	tx.touched = true
	return tx, nil
}

// pointContext returns the context for a look-up by key. The SQLite driver
// starts a goroutine for every statement that can be canceled, which costs
// more than the look-up, and there is nothing to cut short.
func (db *DB) pointContext(ctx context.Context) context.Context {
	if db.dialect == dialectSQLite {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// micros is a time as it is stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros is the reverse of micros.
func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
