package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// A list of ids travels as one parameter, so that 10,000 members stay below
// every limit on parameters: a JSON text on SQLite, an array on PostgreSQL.

// idList is the parameter for a list of ids.
func (db *DB) idList(ids []string) any {
	if db.dialect == dialectPostgres {
		return ids
	}
	text, err := json.Marshal(ids)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(text)
}

// idSet is SQL for the set of ids that a parameter such as "$2" lists.
func (db *DB) idSet(param string) string {
	return db.dialect.pick(
		"(SELECT value FROM json_each("+param+"))",
		"(SELECT unnest("+param+"::text[]))")
}

// visible is SQL that holds for member rows m whose resource the domain in
// param may see. Ids are unique over all types, for they are UUIDs.
const visible = ` AND ($2 = '' OR EXISTS (SELECT 1 FROM resources r
	WHERE r.type IN ('User', 'Group') AND r.id = m.member_id AND r.domain = $2))`

// AddMembers implements [scim.MemberStore].
func (db *DB) AddMembers(ctx context.Context, group, domain string, members []scim.Member) (int64, error) {
	if len(members) == 0 {
		return 0, nil
	}
	w, err := db.changer(ctx)
	if err != nil {
		return 0, err
	}
	types := make(map[string]string, len(members))
	for _, m := range members {
		types[strings.ToLower(m.Value)] = m.Type
	}
	ids := sortedKeys(types)
	found, err := db.lockMembers(ctx, w, ids, domain)
	if err != nil {
		return 0, err
	}
	if unknown := missing(ids, found); len(unknown) > 0 {
		if !db.cfg.AcceptUnknownMembers {
			return 0, &scim.UnknownMemberError{IDs: unknown}
		}
		for _, id := range unknown {
			found[id] = orText(types[id], userType)
		}
	}
	return db.insertMembers(ctx, w, group, found)
}

// lockMembers returns the type of every id that is a User or Group visible in
// domain, in one statement, and keeps those from being deleted until the
// transaction ends. (SQLite: nobody else writes anyway.)
func (db *DB) lockMembers(ctx context.Context, w querier, ids []string, domain string) (map[string]string, error) {
	query := `SELECT r.id, r.type FROM resources r
		WHERE r.type IN ('User', 'Group') AND r.id IN ` + db.idSet("$1") + ` AND ($2 = '' OR r.domain = $2)
		ORDER BY r.id` + db.dialect.pick("", " FOR KEY SHARE OF r")
	found := make(map[string]string, len(ids))
	err := eachRow(ctx, w, query, []any{db.idList(ids), domain}, func(rows *sql.Rows) error {
		var id, typ string
		if err := rows.Scan(&id, &typ); err != nil {
			return err
		}
		found[id] = typ
		return nil
	})
	if err != nil {
		return nil, db.sqlError(ctx, "look up members", err)
	}
	return found, nil
}

// insertMembers adds the rows that are not there yet, one statement per type.
func (db *DB) insertMembers(ctx context.Context, w querier, group string, types map[string]string) (int64, error) {
	byType := make(map[string][]string)
	for _, id := range sortedKeys(types) {
		byType[types[id]] = append(byType[types[id]], id)
	}
	query := db.dialect.pick(
		`INSERT INTO members (group_id, member_id, member_type) SELECT $1, value, $2 FROM json_each($3) WHERE true ON CONFLICT DO NOTHING`,
		`INSERT INTO members (group_id, member_id, member_type) SELECT $1, unnest($3::text[]), $2 ON CONFLICT DO NOTHING`)
	var added int64
	for _, typ := range sortedKeys(byType) {
		n, err := db.execCount(ctx, w, query, group, typ, db.idList(byType[typ]))
		if err != nil {
			return 0, db.sqlError(ctx, "add members", err)
		}
		added += n
	}
	return added, nil
}

// RemoveMembers implements [scim.MemberStore].
func (db *DB) RemoveMembers(ctx context.Context, group, domain string, ids []string) (int64, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	w, err := db.changer(ctx)
	if err != nil {
		return 0, err
	}
	lower := make([]string, len(ids))
	for i, id := range ids {
		lower[i] = strings.ToLower(id)
	}
	n, err := db.execCount(ctx, w,
		"DELETE FROM members AS m WHERE m.group_id = $1"+visible+" AND m.member_id IN "+db.idSet("$3"),
		group, domain, db.idList(lower))
	if err != nil {
		return 0, db.sqlError(ctx, "remove members", err)
	}
	return n, nil
}

// SetMembers implements [scim.MemberStore].
func (db *DB) SetMembers(ctx context.Context, group, domain string, members []scim.Member) (int64, error) {
	w, err := db.changer(ctx)
	if err != nil {
		return 0, err
	}
	keep := make([]string, len(members))
	for i, m := range members {
		keep[i] = strings.ToLower(m.Value)
	}
	removed, err := db.execCount(ctx, w,
		"DELETE FROM members AS m WHERE m.group_id = $1"+visible+" AND m.member_id NOT IN "+db.idSet("$3"),
		group, domain, db.idList(keep))
	if err != nil {
		return 0, db.sqlError(ctx, "remove members", err)
	}
	added, err := db.AddMembers(ctx, group, domain, members)
	return removed + added, err
}

// RemoveMembersWhere implements [scim.MemberStore]. A predicate that fixes the
// ids (`members[value eq "…"]`, what clients send) touches only those; any
// other has to look at every member and is evaluated as filters are.
func (db *DB) RemoveMembersWhere(ctx context.Context, group, domain string, where filter.Predicate) (int64, error) {
	if ids, ok := fixedIDs(where); ok {
		return db.RemoveMembers(ctx, group, domain, ids)
	}
	all, err := db.Members(ctx, []string{group}, domain)
	if err != nil {
		return 0, err
	}
	ref := db.membersRef()
	var ids []string
	for _, m := range all[group] {
		if filter.MatchElement(where, ref, memberObject(m)) {
			ids = append(ids, m.Value)
		}
	}
	return db.RemoveMembers(ctx, group, domain, ids)
}

// fixedIDs returns the ids that a predicate over members[…] selects, when it
// says them itself.
func fixedIDs(where filter.Predicate) ([]string, bool) {
	switch p := where.(type) {
	case *filter.Test:
		if p.Op == filter.Eq && !p.Null && p.Ref.Sub != nil && p.Ref.Sub.Name == "value" {
			return []string{p.Key}, true
		}
	case *filter.Any:
		var out []string
		for _, term := range p.Terms {
			ids, ok := fixedIDs(term)
			if !ok {
				return nil, false
			}
			out = append(out, ids...)
		}
		return out, true
	case *filter.All:
		if len(p.Terms) == 1 {
			return fixedIDs(p.Terms[0])
		}
	}
	return nil, false
}

// membersRef is Group.members of the registry.
func (db *DB) membersRef() schema.Ref {
	group := db.registry.ByName(groupType)
	if group == nil {
		return schema.Ref{}
	}
	ref, err := group.Lookup("", "members", "", schema.Policy{})
	if err != nil {
		return schema.Ref{}
	}
	return ref
}

// memberObject is a member as filters see it.
func memberObject(m scim.Member) schema.Object {
	o := schema.Object{"value": m.Value, "type": m.Type}
	if m.Display != "" {
		o["display"] = m.Display
	}
	return o
}

// display is SQL for the name of a resource r that others show: displayName,
// else userName.
func (db *DB) display() string {
	return db.dialect.pick(
		"coalesce(r.doc ->> '$.displayName', r.doc ->> '$.userName', '')",
		"coalesce(r.doc::json ->> 'displayName', r.doc::json ->> 'userName', '')")
}

// Members implements [scim.MemberStore].
func (db *DB) Members(ctx context.Context, groups []string, domain string) (map[string][]scim.Member, error) {
	query := `SELECT m.group_id, m.member_id, m.member_type, ` + db.display() + `
		FROM members m LEFT JOIN resources r ON r.type = m.member_type AND r.id = m.member_id
		WHERE m.group_id IN ` + db.idSet("$1") + ` AND ($2 = '' OR r.domain = $2)
		ORDER BY m.group_id, m.member_id`
	out := make(map[string][]scim.Member, len(groups))
	err := eachRow(ctx, db.reader(ctx), query, []any{db.idList(groups), domain}, func(rows *sql.Rows) error {
		var group string
		var m scim.Member
		if err := rows.Scan(&group, &m.Value, &m.Type, &m.Display); err != nil {
			return err
		}
		out[group] = append(out[group], m)
		return nil
	})
	if err != nil {
		return nil, db.sqlError(ctx, "read members", err)
	}
	return out, nil
}

// Groups implements [scim.MemberStore]. UNION drops pairs that are there
// already, so a cycle ends (RFC 7643 section 4.2 allows groups in groups); a
// group in a cycle does not name itself. A page of users deep in nested groups
// yields the product of both, so more than one resource is a scan.
func (db *DB) Groups(ctx context.Context, ids []string, domain string) (out map[string][]scim.Membership, err error) {
	if len(ids) == 1 {
		return db.groups(ctx, ids, domain)
	}
	err = db.scan(ctx, func(ctx context.Context) (err error) {
		out, err = db.groups(ctx, ids, domain)
		return err
	})
	return out, err
}

func (db *DB) groups(ctx context.Context, ids []string, domain string) (map[string][]scim.Membership, error) {
	query := `WITH RECURSIVE up (member, grp, direct) AS (
			SELECT m.member_id, m.group_id, 1 FROM members m WHERE m.member_id IN ` + db.idSet("$1") + `
			UNION
			SELECT up.member, m.group_id, 0 FROM up JOIN members m ON m.member_id = up.grp
		), best (member, grp, direct) AS (
			SELECT member, grp, max(direct) FROM up WHERE member <> grp GROUP BY member, grp
		)
		SELECT best.member, best.grp, best.direct, ` + db.display() + `
		FROM best JOIN resources r ON r.type = 'Group' AND r.id = best.grp
		WHERE $2 = '' OR r.domain = $2
		ORDER BY best.member, best.grp`
	out := make(map[string][]scim.Membership, len(ids))
	err := eachRow(ctx, db.reader(ctx), query, []any{db.idList(ids), domain}, func(rows *sql.Rows) error {
		var member string
		var direct int
		var g scim.Membership
		if err := rows.Scan(&member, &g.Group, &direct, &g.Display); err != nil {
			return err
		}
		g.Direct = direct == 1
		out[member] = append(out[member], g)
		return nil
	})
	if err != nil {
		return nil, db.sqlError(ctx, "read groups", err)
	}
	return out, nil
}

// eachRow calls scan for every row of a query.
func eachRow(ctx context.Context, q querier, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("scan row: %w", err)
		}
	}
	return rows.Err()
}

// execCount runs a statement and returns how many rows it changed.
func (db *DB) execCount(ctx context.Context, q querier, query string, args ...any) (int64, error) {
	result, err := q.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// missing returns the ids without an entry in found.
func missing(ids []string, found map[string]string) []string {
	var out []string
	for _, id := range ids {
		if _, ok := found[id]; !ok {
			out = append(out, id)
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func orText(s, fallback string) string {
	if s != "" {
		return s
	}
	return fallback
}
