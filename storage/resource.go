package storage

import (
	"context"
	"fmt"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// keyLimit bounds a unique value in bytes: an index entry of PostgreSQL holds
// little more than this, and both databases must take the same directory.
const keyLimit = 2000

// Insert implements [scim.ResourceStore].
func (db *DB) Insert(ctx context.Context, rt *schema.ResourceType, r *scim.Record) error {
	if db.transactionOf(ctx) == nil {
		return db.InTx(ctx, func(ctx context.Context) error { return db.Insert(ctx, rt, r) })
	}
	w, err := db.changer(ctx)
	if err != nil {
		return err
	}
	u, err := db.uniqueKeys(rt, r)
	if err != nil {
		return err
	}
	if _, err := w.ExecContext(ctx, db.dialect.pick(insertSQLite, insertPostgres),
		rt.Name, r.ID, r.Domain, r.Version, micros(r.Created), micros(r.LastModified),
		u.name, u.external, string(r.Doc), string(rt.Keys(r.Object))); err != nil {
		return db.conflict(ctx, "insert "+rt.Name, rt.Name, err)
	}
	if err := db.writeValues(ctx, rt, nil, r.Object, r.ID); err != nil {
		return err
	}
	return db.countChange(ctx, rt, r.ID, 1)
}

const (
	insertColumns = `INSERT INTO resources
		(type, id, domain, version, created, last_modified, name_key, external_id, doc, keys)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, `
	insertSQLite   = insertColumns + "jsonb($10))"
	insertPostgres = insertColumns + "$10::jsonb)"
)

// unique holds the values of the unique columns; nil is absent.
type unique struct{ name, external any }

// uniqueKeys takes the unique values out of the document.
func (db *DB) uniqueKeys(rt *schema.ResourceType, r *scim.Record) (unique, error) {
	var u unique
	if external, _ := r.Object["externalId"].(string); external != "" {
		u.external = external
		if len(external) > keyLimit {
			return u, tooLong("externalId")
		}
	}
	attribute := nameAttribute(rt.Name)
	name, _ := r.Object[attribute].(string)
	if name == "" {
		return u, nil
	}
	switch {
	case rt.Name == userType:
		key, err := schema.PrecisFold(name)
		if err != nil {
			return u, err
		}
		u.name = key
	case rt.Name == groupType && !db.cfg.FreeGroupNames:
		u.name = schema.Fold(name)
	}
	if key, _ := u.name.(string); len(key) > keyLimit {
		return u, tooLong(attribute)
	}
	return u, nil
}

// Names of the resource types that have rules of their own.
const (
	userType  = "User"
	groupType = "Group"
)

// nameAttribute is the attribute behind the column name_key.
func nameAttribute(typ string) string {
	switch typ {
	case userType:
		return "userName"
	case groupType:
		return "displayName"
	default:
		return ""
	}
}

func tooLong(attribute string) error {
	return &schema.Error{
		Code: schema.InvalidValue, Path: attribute,
		Detail: fmt.Sprintf("%s is longer than %d bytes; send a shorter value.", attribute, keyLimit),
	}
}

const (
	selectHead = `SELECT r.id, r.domain, r.version, r.created, r.last_modified, r.doc, `
	selectTail = ` FROM resources r WHERE r.type = $1 AND r.id = $2`
	// Only a User says whether it is in groups: what reads a Group must not
	// touch its membership.
	selectOneUser  = selectHead + `EXISTS (SELECT 1 FROM members m WHERE m.member_id = r.id)` + selectTail
	selectOneOther = selectHead + `FALSE` + selectTail

	selectPackedUser  = "SELECT CAST(" + packedUser + " AS BLOB)" + selectTail
	selectPackedOther = "SELECT CAST(" + packedOther + " AS BLOB)" + selectTail

	// Not FOR UPDATE: a group that adds this resource as a member locks its key
	// only, and the two need not wait for each other.
	lockOne = " FOR NO KEY UPDATE OF r"
)

// Get implements [scim.ResourceStore].
func (db *DB) Get(ctx context.Context, rt *schema.ResourceType, id, domain string) (*scim.Record, error) {
	var r scim.Record
	var err error
	if db.dialect == dialectSQLite {
		err = db.getPacked(db.pointContext(ctx), rt, id, &r)
	} else {
		err = db.getRow(ctx, rt, id, &r)
	}
	if err != nil {
		return nil, db.sqlError(ctx, "get "+rt.Name, err)
	}
	if domain != "" && r.Domain != domain {
		return nil, scim.ErrNotFound
	}
	return &r, nil
}

func (db *DB) getPacked(ctx context.Context, rt *schema.ResourceType, id string, r *scim.Record) error {
	query := selectPackedOther
	if rt.Name == userType {
		query = selectPackedUser
	}
	b, err := db.value(ctx, query, rt.Name, id)
	if err == nil {
		_, err = unpack(b, rt.Name, r, nil)
	}
	return err
}

func (db *DB) getRow(ctx context.Context, rt *schema.ResourceType, id string, r *scim.Record) error {
	query := selectOneOther
	if rt.Name == userType {
		query = selectOneUser
	}
	if db.transactionOf(ctx) != nil {
		query += lockOne
	}
	r.Type = rt.Name
	var created, modified int64
	err := db.reader(ctx).QueryRowContext(ctx, query, rt.Name, id).
		Scan(&r.ID, &r.Domain, &r.Version, &created, &modified, &r.Doc, &r.HasGroups)
	r.Created, r.LastModified = fromMicros(created), fromMicros(modified)
	return err
}

const (
	updateColumns = `UPDATE resources SET version = $3, last_modified = $4, name_key = $5, external_id = $6,
		doc = $7, keys = `
	updateWhere    = ` WHERE type = $1 AND id = $2 AND version = $9`
	updateSQLite   = updateColumns + "jsonb($8)" + updateWhere
	updatePostgres = updateColumns + "$8::jsonb" + updateWhere
)

// Update implements [scim.ResourceStore].
func (db *DB) Update(ctx context.Context, rt *schema.ResourceType, r *scim.Record) error {
	if db.transactionOf(ctx) == nil {
		return db.InTx(ctx, func(ctx context.Context) error { return db.Update(ctx, rt, r) })
	}
	before, err := db.previous(ctx, rt, r)
	if err != nil {
		return err
	}
	u, err := db.uniqueKeys(rt, r)
	if err != nil {
		return err
	}
	w, err := db.changer(ctx)
	if err != nil {
		return err
	}
	result, err := w.ExecContext(ctx, db.updateStatement(),
		rt.Name, r.ID, r.Version, micros(r.LastModified), u.name, u.external,
		string(r.Doc), string(rt.Keys(r.Object)), r.Version-1)
	if err != nil {
		return db.conflict(ctx, "update "+rt.Name, rt.Name, err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return scim.ErrVersion
	}
	return db.writeValues(ctx, rt, before, r.Object, r.ID)
}

// previous is what the stored document of r holds, read anew unless the writer
// has read it in this transaction.
func (db *DB) previous(ctx context.Context, rt *schema.ResourceType, r *scim.Record) (schema.Object, error) {
	if r.Previous != nil {
		return r.Previous, nil
	}
	old, err := db.Get(ctx, rt, r.ID, "")
	if err != nil {
		return nil, err
	}
	if old.Version != r.Version-1 {
		return nil, scim.ErrVersion
	}
	before, err := rt.Parse(old.Doc)
	if err != nil {
		return nil, fmt.Errorf("parse stored %s: %w", rt.Name, err)
	}
	return before, nil
}

func (db *DB) updateStatement() string { return db.dialect.pick(updateSQLite, updatePostgres) }

// Delete implements [scim.ResourceStore].
func (db *DB) Delete(ctx context.Context, rt *schema.ResourceType, id string) error {
	if db.transactionOf(ctx) == nil {
		return db.InTx(ctx, func(ctx context.Context) error { return db.Delete(ctx, rt, id) })
	}
	old, err := db.Get(ctx, rt, id, "")
	if err != nil {
		return err
	}
	before, err := rt.Parse(old.Doc)
	if err != nil {
		return fmt.Errorf("parse stored %s: %w", rt.Name, err)
	}
	w, err := db.changer(ctx)
	if err != nil {
		return err
	}
	if err := db.writeValues(ctx, rt, before, nil, id); err != nil {
		return err
	}
	// The resource goes before its memberships: a transaction that is adding it
	// to a group holds its key, and what it adds must be seen by the next ones.
	if rt.Name == userType {
		if err := db.deleteUserGrants(ctx, w, id); err != nil {
			return err
		}
	}
	for _, statement := range deleteStatements(rt) {
		args := []any{id}
		if strings.Contains(statement, "$2") {
			args = append(args, rt.Name)
		}
		if _, err := w.ExecContext(ctx, statement, args...); err != nil {
			return db.sqlError(ctx, "delete "+rt.Name, err)
		}
	}
	return db.countChange(ctx, rt, id, -1)
}

// deleteStatements are the rows that end with a resource, in order.
func deleteStatements(rt *schema.ResourceType) []string {
	out := []string{
		"DELETE FROM resources WHERE id = $1 AND type = $2",
		"DELETE FROM members WHERE member_id = $1",
	}
	switch rt.Name {
	case groupType:
		out = append(out, "DELETE FROM members WHERE group_id = $1")
	case userType:
		out = append(out, deleteUserRows()...)
	}
	return out
}
