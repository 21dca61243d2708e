//go:build !cgo

package baseline

import (
	_ "github.com/glebarez/go-sqlite" // the driver that storage uses without cgo
)

// sqliteDriver is the name under which the driver registers.
const sqliteDriver = "sqlite"

// sqliteOptions are those of storage: WAL, and commits that are on the disk.
const (
	sqliteReading = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=query_only(1)&_pragma=cache_size(-4096)"
	sqliteWriting = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate&_pragma=cache_size(-8192)"
)
