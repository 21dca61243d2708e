//go:build cgo

package storage

import (
	"database/sql"
	"errors"
	"net/url"
	"strconv"

	"github.com/mattn/go-sqlite3"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
)

// sqliteDriver names the driver for diagnostics.
const sqliteDriver = "mattn/go-sqlite3 (cgo)"

// sqliteDialector opens the file with the C library. The settings are those of
// the security specification, section 11; see [sqliteOptions].
func sqliteDialector(path string, o sqliteOptions) gorm.Dialector {
	countNoMemory()
	v := url.Values{}
	v.Set("_journal_mode", "WAL")
	v.Set("_synchronous", "FULL")
	v.Set("_busy_timeout", strconv.FormatInt(o.busy.Milliseconds(), 10))
	v.Set("_cache_size", strconv.Itoa(-o.cacheKiB))
	v.Set("_mutex", "no") // database/sql never uses a connection from two goroutines
	if o.readOnly {
		v.Set("_query_only", "1")
	} else {
		v.Set("_txlock", "immediate")
	}
	return sqlite.Open((&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: v.Encode()}).String())
}

// transactionOpen says whether a connection is in a transaction; known is false
// where the driver does not tell.
func transactionOpen(conn *sql.Conn) (open, known bool) {
	err := conn.Raw(func(raw any) error {
		if c, ok := raw.(*sqlite3.SQLiteConn); ok {
			open, known = !c.AutoCommit(), true
		}
		return nil
	})
	return open, known && err == nil
}

// sqliteCode returns the extended result code of a driver error.
func sqliteCode(err error) (int, bool) {
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return 0, false
	}
	return int(e.ExtendedCode), true
}
