package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

var _ oidc.ClientStore = (*DB)(nil)

const (
	insertClient = `INSERT INTO oauth_clients (id, doc, secrets, registration_hash, disabled, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING`
	updateClient = `UPDATE oauth_clients SET doc = $2, secrets = $3, registration_hash = $4, disabled = $5, updated_at = $6
		WHERE id = $1`
	clientColumns = "SELECT doc, secrets, registration_hash FROM oauth_clients"
	selectClient  = clientColumns + " WHERE id = $1"
)

// deleteClientRows are the rows that end with a client, the client first. Its
// history of consents stays.
func deleteClientRows() []string {
	return []string{
		"DELETE FROM oauth_clients WHERE id = $1",
		"DELETE FROM oauth_refresh_tokens WHERE grant_id IN (SELECT id FROM oauth_grants WHERE client_id = $1)",
		"DELETE FROM oauth_access_tokens WHERE grant_id IN (SELECT id FROM oauth_grants WHERE client_id = $1)",
		"DELETE FROM oauth_grants WHERE client_id = $1",
		"DELETE FROM oauth_sids WHERE client_id = $1",
		"DELETE FROM consents WHERE client_id = $1",
		"DELETE FROM oauth_pushed_requests WHERE client_id = $1",
		"DELETE FROM oauth_devices WHERE client_id = $1",
		"DELETE FROM oauth_logouts WHERE client_id = $1",
	}
}

// InsertClient implements [oidc.ClientStore].
func (db *DB) InsertClient(ctx context.Context, c oidc.Client) error {
	row, err := newClientRow(c)
	if err != nil {
		return err
	}
	return db.inWriter(ctx, "store client", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, insertClient, c.ID, row.doc, row.secrets, c.RegistrationHash, row.disabled,
			micros(c.CreatedAt), micros(c.UpdatedAt))
		if err == nil && n == 0 {
			return oidc.ErrTaken
		}
		return err
	})
}

// Client implements [oidc.ClientStore]. The lists of the client are shared with
// other callers: they must not be changed.
func (db *DB) Client(ctx context.Context, id string) (oidc.Client, error) {
	var row clientRow
	err := db.row(ctx, db.hot.client, []any{&row.doc, &row.secrets, &row.registration}, id)
	if err := db.absent(ctx, "read client", err); err != nil {
		return oidc.Client{}, err
	}
	return db.knownClients.get(id, row.text(), func() (oidc.Client, error) {
		c, err := row.client()
		clipLists(&c)
		return c, err
	})
}

// clipLists has an append to a list of the client make another list.
func clipLists(c *oidc.Client) {
	for _, list := range []*[]string{
		&c.RedirectURIs, &c.PostLogoutRedirectURIs, &c.Origins, &c.GrantTypes, &c.Scopes, &c.PermittedACRs, &c.Contacts,
	} {
		*list = slices.Clip(*list)
	}
	c.Secrets = slices.Clip(c.Secrets)
}

// client reads one that is the caller's own.
func (db *DB) client(ctx context.Context, id, query string) (oidc.Client, error) {
	var row clientRow
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), query, id).Scan(&row.doc, &row.secrets, &row.registration)
	if err := db.absent(ctx, "read client", err); err != nil {
		return oidc.Client{}, err
	}
	return row.client()
}

// Clients implements [oidc.ClientStore].
func (db *DB) Clients(ctx context.Context) ([]oidc.Client, error) {
	var out []oidc.Client
	err := eachRow(ctx, db.reader(ctx), clientColumns+" ORDER BY id", nil, func(rows *sql.Rows) error {
		var row clientRow
		if err := rows.Scan(&row.doc, &row.secrets, &row.registration); err != nil {
			return err
		}
		c, err := row.client()
		out = append(out, c)
		return err
	})
	return out, db.sqlError(ctx, "read clients", err)
}

// UpdateClient implements [oidc.ClientStore].
func (db *DB) UpdateClient(ctx context.Context, id string, edit func(*oidc.Client) error) (c oidc.Client, err error) {
	err = db.inWriter(ctx, "update client", func(ctx context.Context, w querier) error {
		c, err = db.client(ctx, id, selectClient+db.dialect.pick("", " FOR UPDATE"))
		if err != nil {
			return err
		}
		if err := edit(&c); err != nil {
			return err
		}
		c.ID = id
		row, err := newClientRow(c)
		if err != nil {
			return err
		}
		_, err = w.ExecContext(ctx, updateClient, id, row.doc, row.secrets, c.RegistrationHash, row.disabled, micros(c.UpdatedAt))
		return err
	})
	if err != nil {
		return oidc.Client{}, err
	}
	return c, nil
}

// DeleteClient implements [oidc.ClientStore].
func (db *DB) DeleteClient(ctx context.Context, id string) error {
	return db.inWriter(ctx, "delete client", func(ctx context.Context, w querier) error {
		for i, statement := range deleteClientRows() {
			n, err := db.execCount(ctx, w, statement, id)
			if err != nil {
				return err
			}
			if i == 0 && n == 0 {
				return oidc.ErrNotFound
			}
		}
		return nil
	})
}

// clientRow is a client as it is stored.
type clientRow struct {
	doc, secrets string
	registration []byte
	disabled     int
}

// text is all of the row.
func (r clientRow) text() string { return r.doc + "\x00" + r.secrets + "\x00" + string(r.registration) }

func newClientRow(c oidc.Client) (clientRow, error) {
	doc, err := encode("client", c)
	if err != nil {
		return clientRow{}, err
	}
	secrets := c.Secrets
	if secrets == nil {
		secrets = []oidc.ClientSecret{}
	}
	hashes, err := encode("client secrets", secrets)
	if err != nil {
		return clientRow{}, err
	}
	row := clientRow{doc: doc, secrets: hashes}
	if c.Disabled {
		row.disabled = 1
	}
	return row, nil
}

func (r clientRow) client() (oidc.Client, error) {
	var c oidc.Client
	if err := decode("client", r.doc, &c); err != nil {
		return oidc.Client{}, err
	}
	if err := decode("client secrets", r.secrets, &c.Secrets); err != nil {
		return oidc.Client{}, err
	}
	c.RegistrationHash = r.registration
	return c, nil
}

// encode is v as JSON text, what it is named in errors.
func encode(what string, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", what, err)
	}
	return string(b), nil
}

// decode is the reverse of encode.
func decode(what, text string, v any) error {
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("decode %s: %w", what, err)
	}
	return nil
}

// absent turns "no row" into the sentinel of package oidc, other errors into
// what callers know. Keys come from strangers: one that cannot stand in the
// database names no row.
func (db *DB) absent(ctx context.Context, op string, err error) error {
	if err = db.sqlError(ctx, op, err); errors.Is(err, scim.ErrNotFound) || isNoText(err) {
		return fmt.Errorf("%s: %w", op, oidc.ErrNotFound)
	}
	return err
}
