package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sallyport-id/sallyport/schema"
)

// defaultIndexes are the attributes that always have value rows, by type.
func defaultIndexes() map[string][]string {
	const enterprise = schema.EnterpriseUserURN
	return map[string][]string{
		userType: {
			"emails.value", "name.familyName", "displayName",
			enterprise + ":manager.value", enterprise + ":employeeNumber",
		},
		groupType: {"displayName"},
	}
}

// States of a value index.
const (
	indexBuilding = "building" // written with every change, not complete yet
	indexBuilt    = "built"    // complete: filters may rely on it
)

// indexVersionRow is the row of resource_changes that counts changes of
// value_indexes. No resource type can have the name.
const indexVersionRow = "#indexes"

// indexedAttr is an attribute with value rows.
type indexedAttr struct {
	attr  string // the name in the rows, see indexName
	ref   schema.Ref
	built bool
}

// indexes is one version of the index set. Never changed once made.
type indexes struct {
	version int64
	types   map[string][]indexedAttr
}

func (x *indexes) of(rt *schema.ResourceType) []indexedAttr {
	if x == nil {
		return nil
	}
	return x.types[rt.Name]
}

// indexSet is the version of the index set that this process knows. All nodes
// share the set in value_indexes; flushBlocks refuses to commit values that an
// outdated set wrote.
type indexSet struct{ current atomic.Pointer[indexes] }

func (s *indexSet) load() *indexes { return s.current.Load() }

// indexed says whether filters may rely on the value rows of an attribute.
func (db *DB) indexed(typ, attr string) bool {
	set := db.index.load()
	if set == nil {
		return false
	}
	for _, a := range set.types[typ] {
		if a.attr == attr {
			return a.built
		}
	}
	return false
}

// openIndexes loads the index set and enters what the configuration adds: as
// built for a type without resources, as being built otherwise.
func (db *DB) openIndexes(ctx context.Context) error {
	wanted, err := db.wantedIndexes()
	if err != nil {
		return err
	}
	set, err := db.readIndexes(ctx)
	if err != nil {
		return err
	}
	if len(missingIndexes(set, wanted)) == 0 {
		db.index.current.Store(set)
		return nil
	}
	err = db.changeIndexes(ctx, func(ctx context.Context, set *indexes) error {
		for _, m := range missingIndexes(set, wanted) {
			if err := db.enterIndex(ctx, m.typ, m.attr); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("open value indexes: %w", err)
	}
	return nil
}

// typeAttr names an attribute of a type.
type typeAttr struct{ typ, attr string }

// wantedIndexes is the default set and what Config.Indexed adds: "Type:path", or
// "path" for every type that has it.
func (db *DB) wantedIndexes() ([]typeAttr, error) {
	var out []typeAttr
	for typ, paths := range defaultIndexes() {
		rt := db.registry.ByName(typ)
		for _, path := range paths {
			if ref, err := resolvePath(rt, path); err == nil {
				out = append(out, typeAttr{rt.Name, indexName(ref)})
			}
		}
	}
	var faults []error
	for _, entry := range db.indexedAttrs {
		found, err := db.configuredIndex(entry)
		if err != nil {
			faults = append(faults, err)
		}
		out = append(out, found...)
	}
	return out, errors.Join(faults...)
}

func (db *DB) configuredIndex(entry string) ([]typeAttr, error) {
	types, path := db.registry.Types(), entry
	if name, rest, ok := strings.Cut(entry, ":"); ok {
		if rt := db.registry.ByName(name); rt != nil {
			types, path = []*schema.ResourceType{rt}, rest
		}
	}
	var out []typeAttr
	for _, rt := range types {
		ref, err := resolvePath(rt, path)
		if err != nil || !indexable(ref) {
			continue
		}
		out = append(out, typeAttr{rt.Name, indexName(ref)})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("indexed attribute %q: no resource type has a stored simple attribute of that path; write Type:path as in User:title", entry)
	}
	return out, nil
}

// indexable says whether the document holds simple values under ref that a
// filter may ask for.
func indexable(ref schema.Ref) bool {
	a := ref.Attr
	if a == nil || a.Relation || a.Derived || isCommon(ref, "id") || isCommon(ref, "schemas") {
		return false
	}
	if ref.Sub == nil && a.Type == schema.Complex {
		return a.SubAttribute("value") != nil
	}
	t := ref.Target()
	return a.Mutability != schema.WriteOnly && t.Mutability != schema.WriteOnly &&
		a.Returned != schema.ReturnedNever && t.Returned != schema.ReturnedNever
}

// resolvePath finds [URN:]name[.sub] in a resource type. A dot may belong to
// the URN, so the longest reading that exists wins.
func resolvePath(rt *schema.ResourceType, path string) (schema.Ref, error) {
	urn, rest := "", path
	if i := strings.LastIndexByte(path, ':'); i >= 0 {
		urn, rest = path[:i], path[i+1:]
	}
	name, sub, _ := strings.Cut(rest, ".")
	return rt.Lookup(urn, name, sub, schema.Policy{BareExtensionNames: true})
}

func missingIndexes(set *indexes, wanted []typeAttr) []typeAttr {
	var out []typeAttr
	for _, w := range wanted {
		known := slices.ContainsFunc(set.types[w.typ], func(a indexedAttr) bool { return a.attr == w.attr })
		if !known && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

func (db *DB) enterIndex(ctx context.Context, typ, attr string) error {
	q, err := db.writer(ctx)
	if err != nil {
		return err
	}
	var any bool
	if err := q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM resources WHERE type = $1)", typ).Scan(&any); err != nil {
		return db.sqlError(ctx, "look for resources", err)
	}
	state := indexBuilt
	if any {
		state = indexBuilding
	}
	_, err = q.ExecContext(ctx,
		"INSERT INTO value_indexes (type, attr, state) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", typ, attr, state)
	return db.sqlError(ctx, "enter value index", err)
}

// changeIndexes changes value_indexes while no transaction that wrote values
// under the old set can still commit, and then takes the new set into use.
func (db *DB) changeIndexes(ctx context.Context, change func(ctx context.Context, set *indexes) error) error {
	err := db.InTx(ctx, func(ctx context.Context) error {
		if err := db.lockBlocks(ctx, true); err != nil {
			return err
		}
		set, err := db.readIndexes(ctx)
		if err != nil {
			return err
		}
		if err := change(ctx, set); err != nil {
			return err
		}
		return db.bump(ctx, indexVersionRow)
	})
	if err != nil {
		return err
	}
	return db.reloadIndexes(ctx)
}

// reloadIndexes takes the stored index set into use.
func (db *DB) reloadIndexes(ctx context.Context) error {
	set, err := db.readIndexes(ctx)
	if err != nil {
		return err
	}
	db.index.current.Store(set)
	return nil
}

// readIndexes reads the index set. Attributes that this node's schemas lack
// are left out: it cannot write them.
func (db *DB) readIndexes(ctx context.Context) (*indexes, error) {
	set := &indexes{types: map[string][]indexedAttr{}}
	err := db.inRead(ctx, func(ctx context.Context) error {
		q := db.reader(ctx)
		err := q.QueryRowContext(ctx, "SELECT n FROM resource_changes WHERE type = $1", indexVersionRow).Scan(&set.version)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return db.sqlError(ctx, "read version of value indexes", err)
		}
		rows, err := q.QueryContext(ctx, "SELECT type, attr, state FROM value_indexes ORDER BY type, attr")
		if err != nil {
			return db.sqlError(ctx, "read value indexes", err)
		}
		defer rows.Close()
		for rows.Next() {
			var typ, attr, state string
			if err := rows.Scan(&typ, &attr, &state); err != nil {
				return db.sqlError(ctx, "read value indexes", err)
			}
			rt := db.registry.ByName(typ)
			if rt == nil {
				continue
			}
			if ref, err := resolvePath(rt, attr); err == nil && indexable(ref) {
				set.types[rt.Name] = append(set.types[rt.Name], indexedAttr{attr, ref, state == indexBuilt})
			}
		}
		return db.sqlError(ctx, "read value indexes", rows.Err())
	})
	return set, err
}

// buildBatch is how many resources one transaction of a build reads.
const buildBatch = 500

// buildIndexes completes every index that is being built and settles the
// blocks of ids, in small transactions. One node at a time does it; call it
// again later to learn of indexes that other nodes finished.
func (db *DB) buildIndexes(ctx context.Context) error {
	if err := db.reloadIndexes(ctx); err != nil {
		return err
	}
	set := db.index.load()
	for _, rt := range db.registry.Types() {
		if err := db.settleBlocks(ctx, rt); err != nil {
			return err
		}
		var building []indexedAttr
		for _, a := range set.of(rt) {
			if !a.built {
				building = append(building, a)
			}
		}
		if len(building) == 0 {
			continue
		}
		if err := db.buildType(ctx, rt, building); err != nil {
			return fmt.Errorf("build value indexes of %s: %w", rt.Name, err)
		}
	}
	return nil
}

func (db *DB) buildType(ctx context.Context, rt *schema.ResourceType, attrs []indexedAttr) error {
	for after := ""; ; {
		last, err := db.buildAfter(ctx, rt, attrs, after)
		if err != nil {
			return err
		}
		if last == "" {
			break
		}
		after = last
	}
	return db.changeIndexes(ctx, func(ctx context.Context, _ *indexes) error {
		q, err := db.writer(ctx)
		if err != nil {
			return err
		}
		for _, a := range attrs {
			if _, err := q.ExecContext(ctx, "UPDATE value_indexes SET state = $1 WHERE type = $2 AND attr = $3",
				indexBuilt, rt.Name, a.attr); err != nil {
				return db.sqlError(ctx, "finish value index", err)
			}
		}
		return nil
	})
}

// buildAfter writes the values of the next resources behind an id and returns
// the last of them, "" at the end. The rows are locked, so a change waits and
// then finds the values to replace.
func (db *DB) buildAfter(ctx context.Context, rt *schema.ResourceType, attrs []indexedAttr, after string) (last string, err error) {
	err = db.InTx(ctx, func(ctx context.Context) error {
		q, err := db.writer(ctx)
		if err != nil {
			return err
		}
		last = ""
		found, err := db.documents(ctx, q, rt, after)
		if err != nil {
			return err
		}
		for _, d := range found {
			o, err := rt.Parse(d.doc)
			if err != nil {
				return fmt.Errorf("parse stored %s %s: %w", rt.Name, d.id, err)
			}
			if err := db.insertValues(ctx, q, rt, d.id, indexRows(attrs, o)); err != nil {
				return err
			}
			last = d.id
		}
		return nil
	})
	return last, err
}

type document struct {
	id  string
	doc []byte
}

func (db *DB) documents(ctx context.Context, q querier, rt *schema.ResourceType, after string) ([]document, error) {
	query := "SELECT id, doc FROM resources WHERE type = $1 AND id > $2 ORDER BY id LIMIT $3" +
		db.dialect.pick("", " FOR NO KEY UPDATE")
	rows, err := q.QueryContext(ctx, query, rt.Name, after, buildBatch)
	if err != nil {
		return nil, db.sqlError(ctx, "read documents", err)
	}
	defer rows.Close()
	var out []document
	for rows.Next() {
		var d document
		if err := rows.Scan(&d.id, &d.doc); err != nil {
			return nil, db.sqlError(ctx, "read documents", err)
		}
		out = append(out, d)
	}
	return out, db.sqlError(ctx, "read documents", rows.Err())
}
