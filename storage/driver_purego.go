//go:build !cgo

package storage

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	driver "github.com/glebarez/go-sqlite"
	"github.com/glebarez/sqlite"
	"gorm.io/gorm"
)

// sqliteDriver names the driver for diagnostics.
const sqliteDriver = "glebarez/go-sqlite (pure Go)"

// sqliteDialector opens the file with the translated library. The settings are
// those of the security specification, section 11; see [sqliteOptions].
func sqliteDialector(path string, o sqliteOptions) gorm.Dialector {
	v := url.Values{}
	// In this order: the switch to WAL may have to wait for another process.
	v.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", o.busy.Milliseconds()))
	v.Add("_pragma", "journal_mode(WAL)")
	v.Add("_pragma", "synchronous(FULL)")
	v.Add("_pragma", fmt.Sprintf("cache_size(%d)", -o.cacheKiB))
	if o.readOnly {
		v.Add("_pragma", "query_only(1)")
	} else {
		v.Set("_txlock", "immediate")
	}
	return sqlite.Open((&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: v.Encode()}).String())
}

// transactionOpen says whether a connection is in a transaction; known is false
// where the driver does not tell, as this one.
func transactionOpen(*sql.Conn) (open, known bool) { return false, false }

// sqliteCode returns the extended result code of a driver error.
func sqliteCode(err error) (int, bool) {
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return 0, false
	}
	return e.Code(), true
}
