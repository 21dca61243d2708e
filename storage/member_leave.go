package storage

import (
	"context"
	"database/sql"
)

// Leave implements [scim.MemberStore].
func (db *DB) Leave(ctx context.Context, id string) ([]string, error) {
	w, err := db.changer(ctx)
	if err != nil {
		return nil, err
	}
	if db.dialect == dialectPostgres {
		// Whoever adds the resource to a group holds its key (lockMembers): wait
		// for those, so that their rows are seen, and keep others out.
		if _, err := w.ExecContext(ctx, "SELECT 1 FROM resources WHERE id = $1 FOR UPDATE", id); err != nil {
			return nil, db.sqlError(ctx, "lock resource", err)
		}
	}
	var groups []string
	query := "DELETE FROM members WHERE member_id = $1 RETURNING group_id"
	err = eachRow(ctx, w, query, []any{id}, func(rows *sql.Rows) error {
		var group string
		if err := rows.Scan(&group); err != nil {
			return err
		}
		groups = append(groups, group)
		return nil
	})
	if err != nil {
		return nil, db.sqlError(ctx, "leave groups", err)
	}
	return groups, nil
}
