package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// copyTable is a table that a copy carries over.
type copyTable struct {
	name    string
	order   string   // columns of the primary key
	columns []string // in any order; see the marks below
	derived bool     // may be filled in a new database; replaced by the copy
	fresh   string   // condition for rows that a new database has; replaced by the copy
}

// Marks in front of a column name whose form differs between the databases.
const (
	markJSON = '*' // jsonb blob on SQLite, JSONB on PostgreSQL
	markBool = '?' // integer on SQLite, boolean on PostgreSQL
)

// copyTables lists every table with data. Those missing here belong to one
// database only: schema_migrations, keyring, leases and resource_changes.
func copyTables() []copyTable {
	return slices.Concat(directoryTables(), loginTables(), providerTables(), messageTables())
}

// directoryTables are those of the directory, its tokens and the audit record.
func directoryTables() []copyTable {
	return []copyTable{
		{name: "resources", order: "seq", columns: []string{
			"seq", "type", "id", "domain", "version", "created", "last_modified", "name_key", "external_id", "doc", "*keys",
		}},
		{name: "resource_values", order: "type, attr, key, id", columns: []string{"type", "attr", "key", "id"}},
		{name: "resource_unique", order: "type, attr, key", columns: []string{"type", "attr", "key", "id"}},
		{name: "value_indexes", order: "type, attr", columns: []string{"type", "attr", "state"}, derived: true},
		{name: "resource_blocks", order: "type, start_id", columns: []string{"type", "start_id", "n"}, derived: true},
		{name: "members", order: "group_id, member_id", columns: []string{"group_id", "member_id", "member_type"}},
		{name: "tokens", order: "id", columns: []string{
			"id", "name", "?live", "hash", "scopes", "profile", "overrides", "domain", "?ignore_passwords",
			"created_at", "expires_at", "revoked_at", "last_used_at", "removals_allowed_until",
			"user_id", "session_id", "client_id", "?public_client",
		}},
		{name: "removals", order: "token_id, minute", columns: []string{"token_id", "minute", "n"}},
		{
			name: "audit_events", order: "id", columns: []string{
				"id", "time", "event", "outcome", "target_id", "subject_id", "actor_id", "body",
			},
			fresh: "event = 'key.created'",
		},
		{name: "server_keys", order: "id", columns: []string{"id", "purpose", "kid", "sealed", "created_at", "state"}},
		{name: "settings", order: "name", columns: []string{"name", "value"}, derived: true},
	}
}

// providerTables are those of the provider and the clients.
func providerTables() []copyTable {
	return []copyTable{
		{name: "oauth_clients", order: "id", columns: []string{
			"id", "doc", "secrets", "registration_hash", "disabled", "created_at", "updated_at",
		}},
		{name: "oauth_services", order: "name", columns: []string{"name", "audience", "secret_hash", "doc", "created_at"}},
		{name: "oauth_scopes", order: "name", columns: []string{"name", "service"}},
		{name: "oauth_grants", order: "id", columns: []string{
			"id", "client_id", "user_id", "session_id", "doc", "key_thumbprint", "code_hash", "code_expires_at", "code_used_at",
			"created_at", "expires_at", "revoked_at",
		}},
		{name: "oauth_refresh_tokens", order: "hash", columns: []string{
			"hash", "grant_id", "scopes", "created_at", "expires_at", "used_at", "successor",
		}},
		{name: "oauth_access_tokens", order: "hash", columns: []string{
			"hash", "grant_id", "scopes", "audience", "created_at", "expires_at",
		}},
		{name: "oauth_sids", order: "session_id, client_id", columns: []string{
			"session_id", "client_id", "sid", "user_id", "created_at",
		}},
		{name: "consents", order: "user_id, client_id", columns: []string{"user_id", "client_id", "scopes", "updated_at"}},
		{name: "consent_history", order: "id", columns: []string{"id", "user_id", "client_id", "scopes", "at"}},
		{name: "oauth_pushed_requests", order: "id", columns: []string{
			"id", "client_id", "params", "key_thumbprint", "expires_at", "used_at",
		}},
		{name: "oauth_devices", order: "code_hash", columns: []string{
			"code_hash", "user_code_hash", "client_id", "doc", "state", "grant_id", "poll_every", "polled_at", "expires_at",
		}},
		{name: "oauth_replays", order: "kind, key", columns: []string{"kind", "key", "expires_at"}},
		{name: "signing_keys", order: "id", columns: []string{
			"id", "alg", "state", "kid", "sealed", "created_at", "changed_at",
		}},
		{name: "oauth_logouts", order: "id", columns: []string{
			"id", "client_id", "sid", "user_id", "created_at", "claimed_until", "attempts", "next_at",
		}},
	}
}

// loginTables are those of sessions and logins.
func loginTables() []copyTable {
	return []copyTable{
		{name: "passwords", order: "user_id", columns: []string{"user_id", "hash", "changed_at"}},
		{name: "sessions", order: "id", columns: []string{
			"id", "user_id", "created_at", "expires_at", "ip", "user_agent", "proofs", "secret_hash", "idle_until",
		}},
		{name: "proofs", order: "session_id, id", columns: []string{
			"session_id", "id", "user_id", "credential", "txn", "factor", "amr", "second", "at",
		}},
		{name: "login_txns", order: "id", columns: []string{
			"id", "purpose", "browser_hash", "client_id", "request", "languages", "login_hint", "progress",
			"created_at", "idle_until", "expires_at", "issued_at",
		}},
		{name: "login_codes", order: "id", columns: []string{"id", "kid", "sealed", "created_at", "expires_at", "claimed_until"}},
		{name: "state_keys", order: "id", columns: []string{
			"id", "kid", "sealed", "state", "created_at", "changed_at", "minted",
		}},
		{name: "challenges", order: "jti", columns: []string{
			"jti", "sub", "kind", "path", "dest_hash", "attempts", "max_attempts",
			"created_at", "expires_at", "superseded_at", "used_at",
		}},
		{name: "totp_secrets", order: "user_id", columns: []string{
			"user_id", "id", "kid", "sealed", "algorithm", "digits", "period", "last_step", "created_at",
		}},
		{name: "user_security", order: "user_id", columns: []string{
			"user_id", "credential_epoch", "?must_change", "must_change_reason", "logged_in_at",
		}},
		{name: "factor_epochs", order: "user_id, factor", columns: []string{"user_id", "factor", "epoch"}},
		{name: "validations", order: "user_id, path", columns: []string{"user_id", "path", "value_hash", "validated_at"}},
		{name: "factor_failures", order: "user_id, factor", columns: []string{
			"user_id", "factor", "n", "closed_until", "disabled", "last_at",
		}},
		{name: "password_failures", order: "scope, key", columns: []string{"scope", "key", "n", "not_before", "last_at"}},
		{name: "extra_apps", order: "id", columns: []string{
			"id", "user_id", "kid", "sealed", "algorithm", "digits", "period", "last_step", "created_at",
		}},
		{name: "extra_addresses", order: "id", columns: []string{"id", "user_id", "kind", "value", "created_at"}},
		{name: "credential_settings", order: "user_id, credential", columns: []string{
			"user_id", "credential", "name", "off", "preferred", "last_used_at",
		}},
		{name: "passkeys", order: "id", columns: []string{
			"id", "user_id", "credential_id", "record", "name", "created_at", "last_used_at",
		}},
		{name: "passkey_ceremonies", order: "session_id", columns: []string{"session_id", "user_id", "ceremony", "expires_at"}},
		{name: "second_passwords", order: "user_id", columns: []string{"user_id", "id", "hash", "changed_at"}},
		{name: "recovery_sets", order: "user_id", columns: []string{"user_id", "id", "params", "created_at"}},
		{name: "recovery_codes", order: "user_id, set_id, n", columns: []string{"user_id", "set_id", "n", "hash", "used_at"}},
		{name: "devices", order: "id", columns: []string{
			"id", "user_id", "secret_hash", "user_agent", "ip", "created_at", "last_used_at", "expires_at",
		}},
		{name: "external_identities", order: "provider, issuer, subject", columns: []string{
			"provider", "issuer", "subject", "user_id", "display", "linked_at", "last_login_at",
		}},
		{name: "federation_requests", order: "id", columns: []string{
			"id", "provider", "purpose", "txn", "browser_hash", "user_id", "session_id", "kid", "sealed",
			"created_at", "expires_at", "used_at",
		}},
		{name: "federation_answers", order: "id", columns: []string{"id", "provider", "kid", "sealed", "expires_at"}},
		{name: "federation_replays", order: "issuer, id", columns: []string{"issuer", "id", "expires_at"}},
		{name: "federation_keys", order: "id", columns: []string{"id", "kid", "sealed", "created_at"}},
		{name: "account_flows", order: "id", columns: []string{
			"id", "kind", "user_id", "browser_hash", "link_hash", "step", "kid", "sealed", "created_at", "expires_at", "used_at",
		}},
		{name: "account_messages", order: "id", columns: []string{"id", "kid", "sealed", "created_at", "expires_at", "claimed_until"}},
		{name: "password_history", order: "user_id, at", columns: []string{"user_id", "at", "hash"}},
	}
}

// messageTables are those of what is sent, and its limits.
func messageTables() []copyTable {
	return []copyTable{
		{name: "send_counts", order: "name, key", columns: []string{"name", "key", "n", "started_at", "ends_at"}},
		{name: "send_series", order: "key", columns: []string{"key", "n", "last_at", "previous_at", "ends_at"}},
		{name: "send_outcomes", order: "jti", columns: []string{"jti", "prefix", "sent_at", "verified"}},
		{name: "prefix_pauses", order: "prefix", columns: []string{"prefix", "until"}},
		{name: "delivery_messages", order: "id", columns: []string{
			"id", "provider", "provider_id", "channel", "country", "dest_hash", "created_at", "status",
		}},
		{name: "inbox_messages", order: "id", columns: []string{"id", "kid", "sealed", "created_at", "expires_at"}},
		{name: "notices", order: "id", columns: []string{
			"id", "user_id", "kind", "kid", "sealed", "language", "created_at", "claimed_until", "attempts", "next_at",
		}},
	}
}

// copyRows is how many rows one statement of a copy inserts; the parameters of
// the widest table stay below SQLite's limit of 32,766.
const copyRows = 500

// ErrNotEmpty says that the target of a copy holds data already.
var ErrNotEmpty = errors.New("the target database is not empty")

// Copy moves the whole content of one database into an empty one of either
// kind: ids, versions, hashes, sealed values (both need the same master keys)
// and the audit record, as of one moment of the source. It counts every table
// afterwards and opens every sealed value. A copy that was interrupted leaves
// a mark: the target then refuses to serve, and a new Copy begins again.
// progress, if not nil, is called with the rows done of a table.
func Copy(ctx context.Context, from, to *DB, progress func(table string, rows int64)) error {
	if err := to.beginCopy(ctx); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	err := from.inRead(ctx, func(ctx context.Context) error {
		for _, t := range copyTables() {
			if err := copyOne(ctx, from, to, t, progress); err != nil {
				return fmt.Errorf("table %s: %w", t.name, err)
			}
		}
		return nil
	})
	if err == nil {
		err = to.endCopy(ctx)
	}
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	return nil
}

// beginCopy empties what an earlier copy left, refuses other data and marks
// the target.
func (db *DB) beginCopy(ctx context.Context) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		unfinished, err := db.hasSetting(ctx, halfCopy)
		if err != nil {
			return err
		}
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		for _, t := range copyTables() {
			if !unfinished && !t.derived {
				if err := db.refuseRows(ctx, t); err != nil {
					return err
				}
			}
			if _, err := w.ExecContext(ctx, "DELETE FROM "+t.name); err != nil {
				return db.sqlError(ctx, "empty "+t.name, err)
			}
		}
		return db.setSetting(ctx, halfCopy, "since "+db.now().UTC().Format("2006-01-02T15:04:05Z"))
	})
}

// refuseRows is ErrNotEmpty when a table of the target has rows that a new
// database has not.
func (db *DB) refuseRows(ctx context.Context, t copyTable) error {
	rows := t.name
	if t.fresh != "" {
		rows += " WHERE NOT (" + t.fresh + ")"
	}
	n, err := db.countRows(ctx, rows)
	if err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("%w: table %s has %d rows", ErrNotEmpty, t.name, n)
	}
	return nil
}

// endCopy proves that every sealed value opens, repairs what is not data and
// takes the mark away.
func (db *DB) endCopy(ctx context.Context) error {
	if err := db.openAllSealed(ctx); err != nil {
		return err
	}
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.changer(ctx) // so that caches of other processes hear of it
		if err != nil {
			return err
		}
		if db.dialect == dialectPostgres {
			_, err := w.ExecContext(ctx, `SELECT setval(pg_get_serial_sequence('resources', 'seq'),
				(SELECT coalesce(max(seq), 0) + 1 FROM resources), false)`)
			if err != nil {
				return db.sqlError(ctx, "set sequence", err)
			}
		}
		return db.dropSetting(ctx, halfCopy)
	})
}

// openAllSealed opens every sealed value.
func (db *DB) openAllSealed(ctx context.Context) error {
	for _, c := range sealedColumns() {
		query := "SELECT " + c.row + ", " + c.kid + ", " + c.column + " FROM " + c.table
		err := eachRow(ctx, db.reader(ctx), query, nil, func(rows *sql.Rows) error {
			var r sealedRow
			if err := rows.Scan(&r.id, &r.kid, &r.sealed); err != nil {
				return err
			}
			if _, err := db.cfg.Keys.Open(c.place(r.id), r.kid, r.sealed); err != nil {
				return &KeyError{Kid: r.kid, Reason: err}
			}
			return nil
		})
		if err != nil {
			return db.sqlError(ctx, "open sealed values of "+c.table, err)
		}
	}
	return nil
}

// copyOne carries one table over and compares the numbers of rows.
func copyOne(ctx context.Context, from, to *DB, t copyTable, progress func(string, int64)) error {
	var done int64
	var batch []any
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		n := len(batch) / len(t.columns)
		if err := to.insertRows(ctx, t, batch, n); err != nil {
			return err
		}
		done += int64(n)
		batch = batch[:0]
		if progress != nil {
			progress(t.name, done)
		}
		return nil
	}
	row := make([]any, len(t.columns))
	into := make([]any, len(t.columns))
	for i := range row {
		into[i] = &row[i]
	}
	err := eachRow(ctx, from.reader(ctx), t.selectAll(from.dialect), nil, func(rows *sql.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		batch = append(batch, t.convert(row)...)
		if len(batch) >= copyRows*len(t.columns) {
			return flush()
		}
		return nil
	})
	if err != nil {
		return from.sqlError(ctx, "read", err)
	}
	if err := flush(); err != nil {
		return err
	}
	return compareCounts(ctx, from, to, t)
}

// compareCounts compares the rows of a table on both sides. The mark of the
// copy itself does not count.
func compareCounts(ctx context.Context, from, to *DB, t copyTable) error {
	want, err := from.countRows(ctx, t.name)
	if err != nil {
		return err
	}
	got, err := to.countRows(ctx, t.name)
	if err != nil {
		return err
	}
	if t.name == "settings" {
		got--
	}
	if got != want {
		return fmt.Errorf("the target has %d rows, the source %d", got, want)
	}
	return nil
}

func (db *DB) countRows(ctx context.Context, table string) (int64, error) {
	var n int64
	err := db.reader(ctx).QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&n)
	return n, db.sqlError(ctx, "count "+table, err)
}

// selectAll reads every row in the order of the primary key, which is the
// cheapest order to insert them in.
func (t copyTable) selectAll(d dialect) string {
	columns := make([]string, len(t.columns))
	for i, c := range t.columns {
		columns[i] = bareColumn(c)
		if c[0] == markJSON {
			columns[i] = d.pick("json("+c[1:]+")", c[1:]+"::text")
		}
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + t.name + " ORDER BY " + t.order
}

// convert gives a row the Go types that the target's driver wants.
func (t copyTable) convert(row []any) []any {
	out := make([]any, len(row))
	for i, v := range row {
		out[i] = v
		if t.columns[i][0] != markBool {
			continue
		}
		if n, isInt := v.(int64); isInt {
			out[i] = n != 0
		}
	}
	return out
}

// insertRows writes n rows in one transaction and one statement.
func (db *DB) insertRows(ctx context.Context, t copyTable, values []any, n int) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		if _, err := w.ExecContext(ctx, t.insertText(db.dialect, n), values...); err != nil {
			return db.sqlError(ctx, "write", err)
		}
		return nil
	})
}

// insertText is an INSERT of n rows.
func (t copyTable) insertText(d dialect, n int) string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = bareColumn(c)
	}
	var b strings.Builder
	b.WriteString("INSERT INTO " + t.name + " (" + strings.Join(names, ", ") + ") VALUES ")
	param := 0
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for j, c := range t.columns {
			if j > 0 {
				b.WriteString(", ")
			}
			param++
			value := "$" + strconv.Itoa(param)
			if c[0] == markJSON {
				value = d.pick("jsonb("+value+")", value+"::jsonb")
			}
			b.WriteString(value)
		}
		b.WriteByte(')')
	}
	return b.String()
}

// bareColumn is the column name without its mark.
func bareColumn(c string) string { return strings.TrimLeft(c, string(markJSON)+string(markBool)) }
