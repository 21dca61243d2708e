package storage

import (
	"context"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// What every provisioning client asks before it changes anything: one resource
// by userName, externalId or id. Their texts stand ready, since compiling one
// costs as much as answering it.
const (
	lookupFrom = " FROM resources r WHERE r.type = $1 AND r."
	lookupTail = " = $2 AND ($3 = '' OR r.domain = $3)"

	lookupID   = "id" + lookupTail // at most one, as by name
	lookupName = "name_key" + lookupTail
	// abs keeps SQLite from preparing the statement anew for each value.
	lookupExternal = "external_id" + lookupTail + " ORDER BY r.id || '' LIMIT abs($4)"

	selectUser  = "SELECT " + userColumns + lookupFrom
	selectOther = "SELECT " + otherColumns + lookupFrom

	selectUserPacked  = packOpen + packedUser + " AS p" + lookupFrom
	selectOtherPacked = packOpen + packedOther + " AS p" + lookupFrom
)

// lookupText is the ready end of the text for a query, or "" if it is no such
// look-up, and the value looked up.
func lookupText(q scim.Query) (text string, key string) {
	if len(q.Sources) != 1 || q.Sources[0].Sort != nil || q.Offset != 0 || q.Limit < 1 || q.After != nil || q.Before != nil {
		return "", ""
	}
	t, ok := q.Sources[0].Where.(*filter.Test)
	if !ok || t.Op != filter.Eq || t.Null || t.Ref.Sub != nil {
		return "", ""
	}
	switch {
	case isUserName(q.Sources[0].Type, t.Ref):
		return lookupName, t.Key
	case isCommon(t.Ref, "externalId"):
		return lookupExternal, t.Key
	case isCommon(t.Ref, "id"):
		return lookupID, t.Key
	default:
		return "", ""
	}
}

// lookup answers such a query; done is false when the page does not tell the
// total, as when many domains use one externalId.
func (db *DB) lookup(ctx context.Context, q scim.Query, text, key string) (page *scim.Page, done bool, err error) {
	r := run{Query: q, db: db}
	ctx = db.pointContext(ctx)
	page = &scim.Page{Total: -1}
	args := []any{q.Sources[0].Type.Name, key, q.Domain}
	if text == lookupExternal {
		args = append(args, int64(q.Limit)+1)
	}
	if db.dialect == dialectSQLite {
		err = r.lookupPacked(ctx, text, args, page)
	} else {
		err = r.lookupRows(ctx, text, args, page)
	}
	if err != nil {
		return nil, false, db.sqlError(ctx, "look up "+q.Sources[0].Type.Name, err)
	}
	return page, r.totalOf(page), nil
}

func (r *run) lookupPacked(ctx context.Context, text string, args []any, page *scim.Page) error {
	query := selectOtherPacked
	if r.Sources[0].Type.Name == userType {
		query = selectUserPacked
	}
	b, err := r.db.value(ctx, query+text+packClose, args...)
	if err == nil {
		_, err = r.packedPage(b, asked{}, page)
	}
	return err
}

func (r *run) lookupRows(ctx context.Context, text string, args []any, page *scim.Page) error {
	query := selectOther
	if r.Sources[0].Type.Name == userType {
		query = selectUser
	}
	rows, err := r.db.reader(ctx).QueryContext(ctx, query+text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	_, err = r.scan(rows, page, asked{})
	return err
}
