//go:build cgo

package baseline

import (
	_ "github.com/mattn/go-sqlite3" // the driver that storage uses with cgo
)

// sqliteDriver is the name under which the driver registers.
const sqliteDriver = "sqlite3"

// sqliteOptions are those of storage: WAL, and commits that are on the disk.
const (
	sqliteReading = "_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_query_only=1&_cache_size=-4096"
	sqliteWriting = "_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate&_cache_size=-8192"
)
