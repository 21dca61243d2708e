package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// Result codes of SQLite (https://www.sqlite.org/rescode.html); the low byte is
// the primary code.
const (
	sqliteBusy             = 5
	sqliteLocked           = 6
	sqliteInterrupt        = 9
	sqliteConstraintPK     = 1555
	sqliteConstraintUnique = 2067
)

// SQLSTATE codes of PostgreSQL.
const (
	pgSerializationFailure     = "40001"
	pgDeadlock                 = "40P01"
	pgUniqueViolation          = "23505"
	pgNoDatabase               = "3D000"
	pgLockNotAvailable         = "55P03"
	pgQueryCanceled            = "57014"
	pgCharacterNotInRepertoire = "22021"
	pgConnectionClass          = "08"
	pgTooManyConnections       = "53300"
	pgAdminShutdown            = "57P01"
	pgCrashShutdown            = "57P02"
	pgCannotConnectNow         = "57P03"
)

// sqlError turns a driver error into the sentinel that callers know and wraps
// the rest with what was being done. Errors that are sentinels already pass.
func (db *DB) sqlError(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case isDomainError(err):
		return err
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, gorm.ErrRecordNotFound):
		return scim.ErrNotFound
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %w", op, context.Canceled)
	case errors.Is(err, context.DeadlineExceeded), isInterrupted(err):
		return fmt.Errorf("%s: %w: %w", op, scim.ErrTooMany, err)
	case isBusy(err), isUnreachable(err):
		// With the cause, for InTx runs a collision again.
		return fmt.Errorf("%s: %w: %w", op, scim.ErrBusy, err)
	default:
		return fmt.Errorf("%s: %w", op, err)
	}
}

// isDomainError reports errors that are answers already.
func isDomainError(err error) bool {
	if _, ok := errors.AsType[*scim.ConflictError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*scim.UnknownMemberError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*schema.Error](err); ok {
		return true
	}
	for _, known := range []error{scim.ErrNotFound, scim.ErrVersion, scim.ErrTooMany, scim.ErrBusy} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// conflict names the attribute behind a violated unique index of resources; other errors pass through sqlError.
func (db *DB) conflict(ctx context.Context, op, typ string, err error) error {
	constraint, ok := uniqueViolation(err)
	if !ok {
		return db.sqlError(ctx, op, err)
	}
	switch constraint {
	case "resources_name_key":
		return &scim.ConflictError{Attribute: nameAttribute(typ)}
	case "resources_external_id":
		return &scim.ConflictError{Attribute: "externalId"}
	case "resources_id":
		return &scim.ConflictError{Attribute: "id"}
	default:
		return db.sqlError(ctx, op, err)
	}
}

// uniqueViolation returns the name of the unique index that err reports.
func uniqueViolation(err error) (constraint string, ok bool) {
	if e, is := errors.AsType[*pgconn.PgError](err); is {
		return e.ConstraintName, e.Code == pgUniqueViolation
	}
	code, is := sqliteCode(err)
	if !is || (code != sqliteConstraintUnique && code != sqliteConstraintPK) {
		return "", false
	}
	// SQLite names columns: "UNIQUE constraint failed: resources.type,
	// resources.name_key". The pure Go driver adds its code in parentheses.
	text := err.Error()
	const mark = "constraint failed: "
	columns, _, _ := strings.Cut(text[strings.LastIndex(text, mark)+len(mark):], " (")
	switch columns {
	case "resources.type, resources.id":
		return "resources_id", true
	case "resources.type, resources.name_key":
		return "resources_name_key", true
	case "resources.type, resources.external_id, resources.domain":
		return "resources_external_id", true
	case "resource_unique.type, resource_unique.attr, resource_unique.key":
		return "resource_unique_key", true
	default:
		return columns, true
	}
}

// isBusy reports that another transaction held the lock for too long.
func isBusy(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == pgLockNotAvailable || isRetryable(err)
	}
	code, ok := sqliteCode(err)
	return ok && (code&0xff == sqliteBusy || code&0xff == sqliteLocked)
}

// isUnreachable reports that there is no connection to the database, or that it
// takes none now: it is starting, stopping or full.
func isUnreachable(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(e.Code, pgConnectionClass) ||
			slices.Contains([]string{pgTooManyConnections, pgAdminShutdown, pgCrashShutdown, pgCannotConnectNow}, e.Code)
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// isRetryable reports that PostgreSQL gave up a transaction that may succeed
// when it is run again.
func isRetryable(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == pgSerializationFailure || e.Code == pgDeadlock)
}

// isNoText reports that PostgreSQL was given text that it cannot hold: U+0000 or
// what is not UTF-8. A row that is looked for by it is not there.
func isNoText(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == pgCharacterNotInRepertoire
}

// isInterrupted reports a statement stopped by its deadline.
func isInterrupted(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == pgQueryCanceled
	}
	code, ok := sqliteCode(err)
	return ok && code&0xff == sqliteInterrupt
}
