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

	lookupID       = "id" + lookupTail + " LIMIT $4"
	lookupName     = "name_key" + lookupTail + " LIMIT $4"
	lookupExternal = "external_id" + lookupTail + " ORDER BY r.id || '' LIMIT $4"

	selectUser  = "SELECT " + userColumns + lookupFrom
	selectOther = "SELECT " + otherColumns + lookupFrom
)

// lookupText is the ready text for a query, or "" if it is no such look-up.
func lookupText(q scim.Query) (text string, key string) {
	if len(q.Sources) != 1 || q.Sources[0].Sort != nil || q.Offset != 0 || q.Limit < 1 || q.After != nil || q.Before != nil {
		return "", ""
	}
	t, ok := q.Sources[0].Where.(*filter.Test)
	if !ok || t.Op != filter.Eq || t.Null || t.Ref.Sub != nil {
		return "", ""
	}
	user := q.Sources[0].Type.Name == userType
	switch {
	case isUserName(q.Sources[0].Type, t.Ref):
		return selectUser + lookupName, t.Key
	case isCommon(t.Ref, "externalId") && user:
		return selectUser + lookupExternal, t.Key
	case isCommon(t.Ref, "externalId"):
		return selectOther + lookupExternal, t.Key
	case isCommon(t.Ref, "id") && user:
		return selectUser + lookupID, t.Key
	case isCommon(t.Ref, "id"):
		return selectOther + lookupID, t.Key
	default:
		return "", ""
	}
}

// lookup answers such a query; done is false when the page does not tell the
// total, as when many domains use one externalId.
func (db *DB) lookup(ctx context.Context, q scim.Query, text, key string) (page *scim.Page, done bool, err error) {
	r := run{Query: q, db: db}
	ctx = db.pointContext(ctx)
	rows, err := db.reader(ctx).QueryContext(ctx, text, q.Sources[0].Type.Name, key, q.Domain, q.Limit+1)
	if err != nil {
		return nil, false, db.sqlError(ctx, "look up "+q.Sources[0].Type.Name, err)
	}
	defer rows.Close()
	page = &scim.Page{Total: -1}
	if _, err := r.scan(rows, page, asked{}); err != nil {
		return nil, false, db.sqlError(ctx, "look up "+q.Sources[0].Type.Name, err)
	}
	return page, r.totalOf(page), nil
}
