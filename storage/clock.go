package storage

import (
	"context"
	"time"
)

// Clock returns the time by the database's own clock, for a comparison with
// that of the node.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	var us int64
	err := db.pool.QueryRowContext(ctx, db.dialect.pick(
		"SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
		"SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)")).Scan(&us)
	if err != nil {
		return time.Time{}, db.sqlError(ctx, "read clock", err)
	}
	return fromMicros(us), nil
}
