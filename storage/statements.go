package storage

import (
	"context"
	"database/sql"
	"regexp"
	"sync"

	"gorm.io/gorm"
)

// querier runs SQL: a pool, a connection or a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// statementLimit bounds a cache of prepared statements. Filters compile to
// endless different texts, so the cache must forget.
const statementLimit = 512

// numbered finds the parameters of PostgreSQL's form, which all SQL here is
// written in. SQLite binds "$2" by its first appearance but "?2" by its number.
var numbered = regexp.MustCompile(`\$(\d)`)

// statements runs SQL on SQLite through prepared statements that it keeps, by text. It
// is a gorm.ConnPool, so gorm's own statements can travel the same way.
type statements struct {
	gorm.ConnPool

	mu     sync.Mutex
	cached map[string]*statement
}

// statement counts its users, for one that is dropped from the cache may be
// about to run in another goroutine.
type statement struct {
	*sql.Stmt
	users   int
	dropped bool
}

func newStatements(pool gorm.ConnPool) *statements {
	return &statements{ConnPool: pool, cached: make(map[string]*statement)}
}

// ExecContext implements querier.
func (s *statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := s.acquire(ctx, query)
	if err != nil {
		return nil, err
	}
	defer s.release(st)
	return st.ExecContext(ctx, args...)
}

// QueryContext implements querier.
func (s *statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := s.acquire(ctx, query)
	if err != nil {
		return nil, err
	}
	// The rows keep the statement alive themselves once they exist.
	defer s.release(st)
	return st.QueryContext(ctx, args...) //nolint:sqlclosecheck // the caller closes the rows
}

// QueryRowContext implements querier.
func (s *statements) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	st, err := s.acquire(ctx, query)
	if err != nil {
		// Running the text unprepared fails the same way, inside a *sql.Row.
		return s.ConnPool.QueryRowContext(ctx, query, args...)
	}
	defer s.release(st)
	return st.QueryRowContext(ctx, args...)
}

// questioned is a statement as SQLite understands its parameters.
func questioned(query string) string { return numbered.ReplaceAllString(query, "?$1") }

// lookUp returns a statement that is cached, or nil.
func (s *statements) lookUp(query string) *statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.cached[query]
	if st != nil {
		st.users++
	}
	return st
}

func (s *statements) acquire(ctx context.Context, query string) (*statement, error) {
	if st := s.lookUp(query); st != nil {
		return st, nil
	}
	prepared, err := s.PrepareContext(ctx, questioned(query))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.cached[query]; st != nil {
		_ = prepared.Close() //nolint:sqlclosecheck // unneeded only here, where another goroutine was faster
		st.users++
		return st, nil
	}
	if len(s.cached) >= statementLimit {
		s.dropOne()
	}
	st := &statement{Stmt: prepared, users: 1}
	s.cached[query] = st
	return st, nil
}

func (s *statements) release(st *statement) {
	s.mu.Lock()
	st.users--
	last := st.dropped && st.users == 0
	s.mu.Unlock()
	if last {
		_ = st.Close()
	}
}

// dropOne forgets any one statement: map order is random, and a hot one is
// prepared again at its next use.
func (s *statements) dropOne() {
	for query, st := range s.cached {
		delete(s.cached, query)
		st.dropped = true
		if st.users == 0 {
			_ = st.Close()
		}
		return
	}
}

// Close forgets and closes every statement.
func (s *statements) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for query, st := range s.cached {
		delete(s.cached, query)
		_ = st.Close()
	}
	return nil
}

// traced reports the text of every statement, for tests that count them.
func (db *DB) traced(pool gorm.ConnPool) gorm.ConnPool {
	if db.cfg.Trace == nil {
		return pool
	}
	return &tracedPool{ConnPool: pool, trace: db.cfg.Trace}
}

type tracedPool struct {
	gorm.ConnPool
	trace func(string)
}

// ExecContext implements querier.
func (t *tracedPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	t.trace(query)
	return t.ConnPool.ExecContext(ctx, query, args...)
}

// QueryContext implements querier.
func (t *tracedPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	t.trace(query)
	return t.ConnPool.QueryContext(ctx, query, args...)
}

// QueryRowContext implements querier.
func (t *tracedPool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	t.trace(query)
	return t.ConnPool.QueryRowContext(ctx, query, args...)
}
