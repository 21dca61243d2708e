package storage

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// sealedRow is one value to seal anew.
type sealedRow struct {
	id, kid string
	sealed  []byte
}

// Reseal seals up to batch values anew that an older master key sealed, and
// returns how many. 0 means that none is left; the older keys are then retired
// and can be dropped from the ring. It can be stopped and called again at any
// time, by several nodes at once.
func (db *DB) Reseal(ctx context.Context, batch int) (int64, error) {
	first := db.cfg.Keys.First()
	var done int64
	err := db.InTx(ctx, func(ctx context.Context) error {
		done = 0 // the closure may run again
		for _, c := range sealedColumns() {
			n, err := db.resealColumn(ctx, c, first, batch-int(done))
			if err != nil {
				return fmt.Errorf("reseal %s: %w", c.table, err)
			}
			done += n
		}
		if done == 0 {
			return db.retireKeys(ctx, first)
		}
		return db.Append(ctx, keyEvent(audit.SealReencrypted, first, map[string]any{"rows": done}))
	})
	if err != nil {
		return 0, err
	}
	return done, nil
}

// resealColumn renews up to limit values of one column.
func (db *DB) resealColumn(ctx context.Context, c sealedColumn, kid string, limit int) (int64, error) {
	if limit <= 0 {
		return 0, nil
	}
	rows, err := db.olderRows(ctx, c, kid, limit)
	if err != nil {
		return 0, err
	}
	w, err := db.writer(ctx)
	if err != nil {
		return 0, err
	}
	var done int64
	for _, row := range rows {
		plain, err := db.cfg.Keys.Open(c.place(row.id), row.kid, row.sealed)
		if err != nil {
			return 0, fmt.Errorf("row %s: %w", row.id, err)
		}
		sealed, err := db.cfg.Keys.SealWith(kid, c.place(row.id), plain)
		if err != nil {
			return 0, err
		}
		n, err := db.execCount(ctx, w,
			"UPDATE "+c.table+" SET "+c.column+" = $1, "+c.kid+" = $2 WHERE "+c.row+" = $3 AND "+c.kid+" = $4",
			sealed, kid, row.id, row.kid)
		if err != nil {
			return 0, db.sqlError(ctx, "write sealed value", err)
		}
		done += n
	}
	return done, nil
}

// olderRows reads values that are not sealed with kid. On PostgreSQL it leaves
// out those that another node is renewing.
func (db *DB) olderRows(ctx context.Context, c sealedColumn, kid string, limit int) ([]sealedRow, error) {
	query := "SELECT " + c.row + ", " + c.kid + ", " + c.column + " FROM " + c.table +
		" WHERE " + c.kid + " <> $1 ORDER BY " + c.row + " LIMIT $2" + db.dialect.pick("", " FOR UPDATE SKIP LOCKED")
	var out []sealedRow
	err := eachRow(ctx, db.reader(ctx), query, []any{kid, limit}, func(rows *sql.Rows) error {
		var r sealedRow
		if err := rows.Scan(&r.id, &r.kid, &r.sealed); err != nil {
			return err
		}
		out = append(out, r)
		return nil
	})
	if err != nil {
		return nil, db.sqlError(ctx, "read sealed values", err)
	}
	return out, nil
}

// retireKeys marks the keys that seal nothing any more.
func (db *DB) retireKeys(ctx context.Context, first string) error {
	used, err := db.SealedRows(ctx)
	if err != nil {
		return err
	}
	var idle []string
	err = eachRow(ctx, db.reader(ctx), "SELECT kid FROM keyring WHERE state = 'active' AND kid <> $1 ORDER BY kid",
		[]any{first}, func(rows *sql.Rows) error {
			var kid string
			if err := rows.Scan(&kid); err != nil {
				return err
			}
			if used[kid] == 0 {
				idle = append(idle, kid)
			}
			return nil
		})
	if err != nil {
		return db.sqlError(ctx, "read master keys", err)
	}
	w, err := db.writer(ctx)
	if err != nil {
		return err
	}
	for _, kid := range idle {
		if _, err := w.ExecContext(ctx, "UPDATE keyring SET state = 'retired' WHERE kid = $1", kid); err != nil {
			return db.sqlError(ctx, "retire master key", err)
		}
		if err := db.Append(ctx, keyEvent(audit.KeyRetired, kid, map[string]any{"purpose": "master"})); err != nil {
			return err
		}
	}
	return nil
}
