package storage

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/oidc"
)

var _ oidc.GrantStore = (*DB)(nil)

const (
	insertGrant = `INSERT INTO oauth_grants (id, client_id, user_id, session_id, doc, key_thumbprint,
		code_hash, code_expires_at, code_used_at, created_at, expires_at, revoked_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

	grantFields = `g.id, g.client_id, g.user_id, g.session_id, g.doc, g.key_thumbprint,
		g.code_hash, g.code_expires_at, g.code_used_at, g.created_at, g.expires_at, g.revoked_at`
	grantColumns = "SELECT " + grantFields + " FROM oauth_grants g"

	// One row for one caller ever; the other checks came before and burn nothing.
	consumeCode = `UPDATE oauth_grants SET code_used_at = $4, key_thumbprint = $3
		WHERE code_hash = $1 AND client_id = $2 AND code_used_at = 0 AND code_expires_at > $4 AND revoked_at = 0`

	// What makes a grant live; activeUser and two brackets are to follow.
	liveClient = " JOIN oauth_clients c ON c.id = g.client_id AND c.disabled = 0"
	liveRest   = ` AND g.revoked_at = 0 AND g.expires_at > $2
		AND (g.session_id = '' OR EXISTS (SELECT 1 FROM sessions s
			WHERE s.id = g.session_id AND s.expires_at > $2 AND (s.idle_until = 0 OR s.idle_until > $2)))
		AND (g.user_id = '' OR EXISTS (SELECT 1 FROM resources r WHERE r.type = 'User' AND r.id = g.user_id AND `

	revokeGrant  = "UPDATE oauth_grants SET revoked_at = $2 WHERE id = $1 AND revoked_at = 0"
	revokeGrants = `UPDATE oauth_grants SET revoked_at = $3
		WHERE user_id = $1 AND user_id <> '' AND ($2 = '' OR client_id = $2) AND revoked_at = 0 AND expires_at > $3`

	selectSID = "SELECT sid FROM oauth_sids WHERE session_id = $1 AND client_id = $2"
	insertSID = `INSERT INTO oauth_sids (session_id, client_id, sid, user_id, created_at)
		SELECT s.id, $2, $3, s.user_id, $4 FROM sessions s WHERE s.id = $1
		ON CONFLICT (session_id, client_id) DO NOTHING`
	selectSessionOfSID = "SELECT session_id, user_id FROM oauth_sids WHERE sid = $1 AND client_id = $2"
)

// activeUser tells of a row r of resources whether the user is active: a user
// without the attribute is. A document without a false in it is not parsed.
func activeUser(d dialect) string {
	return d.pick("(instr(r.doc, 'false') = 0 OR coalesce(json_extract(r.doc, '$.active'), 1) = 1)",
		"(strpos(r.doc, 'false') = 0 OR coalesce(r.doc::jsonb ->> 'active', 'true') = 'true')")
}

// grantDoc is what never changes of a grant.
type grantDoc struct {
	SID           string          `json:"sid,omitempty"`
	Scopes        []string        `json:"scopes,omitempty"`
	Audience      []string        `json:"audience,omitempty"`
	ACR           string          `json:"acr,omitempty"`
	AMR           []string        `json:"amr,omitempty"`
	AuthTime      int64           `json:"auth_time,omitempty"`
	Floors        []string        `json:"floors,omitempty"`
	FirstACR      string          `json:"first_acr,omitempty"`
	FirstAMR      []string        `json:"first_amr,omitempty"`
	Claims        json.RawMessage `json:"claims,omitempty"`
	Nonce         string          `json:"nonce,omitempty"`
	Offline       bool            `json:"offline,omitempty"`
	RedirectURI   string          `json:"redirect_uri,omitempty"`
	CodeChallenge string          `json:"code_challenge,omitempty"`
	Device        bool            `json:"device,omitempty"`
}

// InsertGrant implements [oidc.GrantStore].
func (db *DB) InsertGrant(ctx context.Context, g oidc.Grant) error {
	doc, err := encode("grant", grantDoc{
		SID: g.SID, Scopes: g.Scopes, Audience: g.Audience, ACR: g.ACR, AMR: g.AMR, AuthTime: micros(g.AuthTime),
		Floors: g.Floors, FirstACR: g.FirstACR, FirstAMR: g.FirstAMR, Claims: g.Claims, Nonce: g.Nonce, Offline: g.Offline,
		RedirectURI: g.RedirectURI, CodeChallenge: g.CodeChallenge, Device: g.Device,
	})
	if err != nil {
		return err
	}
	return db.inWriter(ctx, "store grant", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertGrant, g.ID, g.ClientID, g.UserID, g.SessionID, doc, g.KeyThumbprint,
			g.CodeHash, micros(g.CodeExpiresAt), micros(g.CodeUsedAt), micros(g.CreatedAt), micros(g.ExpiresAt), micros(g.RevokedAt))
		return err
	})
}

// grantRow is a grant as it is stored.
type grantRow struct {
	oidc.Grant
	text                                         string
	codeExpires, codeUsed, created, expires, end int64
}

// into are the places of grantFields.
func (r *grantRow) into() []any {
	return []any{
		&r.ID, &r.ClientID, &r.UserID, &r.SessionID, &r.text, &r.KeyThumbprint,
		&r.CodeHash, &r.codeExpires, &r.codeUsed, &r.created, &r.expires, &r.end,
	}
}

func (r *grantRow) grant() (oidc.Grant, error) {
	g := r.Grant
	g.CodeExpiresAt, g.CodeUsedAt = fromMicros(r.codeExpires), fromMicros(r.codeUsed)
	g.CreatedAt, g.ExpiresAt, g.RevokedAt = fromMicros(r.created), fromMicros(r.expires), fromMicros(r.end)
	var doc grantDoc
	if err := decode("grant", r.text, &doc); err != nil {
		return oidc.Grant{}, err
	}
	g.SID, g.Scopes, g.Audience, g.ACR, g.AMR = doc.SID, doc.Scopes, doc.Audience, doc.ACR, doc.AMR
	g.AuthTime, g.FirstACR, g.FirstAMR, g.Claims = fromMicros(doc.AuthTime), doc.FirstACR, doc.FirstAMR, doc.Claims
	g.Nonce, g.Offline, g.RedirectURI, g.Floors = doc.Nonce, doc.Offline, doc.RedirectURI, doc.Floors
	g.CodeChallenge, g.Device = doc.CodeChallenge, doc.Device
	return g, nil
}

// grant reads one grant.
func (db *DB) grant(ctx context.Context, query string, args ...any) (oidc.Grant, error) {
	var row grantRow
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), query, args...).Scan(row.into()...)
	if err := db.absent(ctx, "read grant", err); err != nil {
		return oidc.Grant{}, err
	}
	return row.grant()
}

// GrantByCode implements [oidc.GrantStore].
func (db *DB) GrantByCode(ctx context.Context, hash []byte) (oidc.Grant, error) {
	return db.grant(ctx, grantColumns+" WHERE g.code_hash = $1", hash)
}

// Grant implements [oidc.GrantStore].
func (db *DB) Grant(ctx context.Context, id string) (oidc.Grant, error) {
	return db.grant(ctx, grantColumns+" WHERE g.id = $1", id)
}

// LiveGrant implements [oidc.GrantStore].
func (db *DB) LiveGrant(ctx context.Context, id string, now time.Time) (oidc.Grant, error) {
	var row grantRow
	if err := db.absent(ctx, "read grant", db.row(ctx, db.hot.liveGrant, row.into(), id, micros(now))); err != nil {
		return oidc.Grant{}, err
	}
	return row.grant()
}

// LiveAccess implements [oidc.GrantStore].
func (db *DB) LiveAccess(ctx context.Context, hash []byte, now time.Time) (oidc.Access, oidc.Grant, error) {
	var row grantRow
	a := accessRow{Access: oidc.Access{Hash: hash}}
	err := db.row(ctx, db.hot.liveAccess, append(a.into(), row.into()...), hash, micros(now))
	if err := db.absent(ctx, "read access token", err); err != nil {
		return oidc.Access{}, oidc.Grant{}, err
	}
	g, err := row.grant()
	if err != nil {
		return oidc.Access{}, oidc.Grant{}, err
	}
	a.GrantID = g.ID
	token, err := a.access()
	return token, g, err
}

// ConsumeCode implements [oidc.GrantStore].
func (db *DB) ConsumeCode(ctx context.Context, hash []byte, clientID, keyThumbprint string, now time.Time) error {
	return db.inWriter(ctx, "redeem code", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, consumeCode, hash, clientID, keyThumbprint, micros(now))
		if err != nil || n == 1 {
			return err
		}
		g, err := db.GrantByCode(ctx, hash)
		switch {
		case err != nil:
			return err
		case g.ClientID != clientID:
			return oidc.ErrNotFound
		case !g.CodeUsedAt.IsZero():
			return oidc.ErrUsed
		}
		return oidc.ErrNotFound
	})
}

// BindGrant implements [oidc.GrantStore].
func (db *DB) BindGrant(ctx context.Context, id, keyThumbprint string) error {
	return db.inWriter(ctx, "bind grant", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, "UPDATE oauth_grants SET key_thumbprint = $2 WHERE id = $1 AND key_thumbprint = ''", id, keyThumbprint)
		return err
	})
}

// RevokeGrant implements [oidc.GrantStore]. The rows of its tokens stay until
// they expire: no token counts without its grant.
func (db *DB) RevokeGrant(ctx context.Context, id string, now time.Time) (live bool, err error) {
	err = db.inWriter(ctx, "revoke grant", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, revokeGrant, id, micros(now))
		live = n == 1
		return err
	})
	return live && err == nil, err
}

// RevokeGrants implements [oidc.GrantStore].
func (db *DB) RevokeGrants(ctx context.Context, userID, clientID string, now time.Time) (n int64, err error) {
	err = db.inWriter(ctx, "revoke grants", func(ctx context.Context, w querier) error {
		n, err = db.execCount(ctx, w, revokeGrants, userID, clientID, micros(now))
		return err
	})
	return n, err
}

// SID implements [oidc.GrantStore]; ErrNotFound when there is no such session.
func (db *DB) SID(ctx context.Context, sessionID, clientID string, now time.Time) (string, error) {
	sid, err := db.sid(ctx, sessionID, clientID)
	if !errors.Is(err, oidc.ErrNotFound) {
		return sid, err
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails, says crypto/rand
	err = db.inWriter(ctx, "name session", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertSID, sessionID, clientID, base64.RawURLEncoding.EncodeToString(random), micros(now))
		if err != nil {
			return err
		}
		sid, err = db.sid(ctx, sessionID, clientID)
		return err
	})
	return sid, err
}

func (db *DB) sid(ctx context.Context, sessionID, clientID string) (sid string, err error) {
	err = db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectSID, sessionID, clientID).Scan(&sid)
	return sid, db.absent(ctx, "read name of session", err)
}

// SessionOfSID implements [oidc.GrantStore].
func (db *DB) SessionOfSID(ctx context.Context, sid, clientID string) (sessionID, userID string, err error) {
	err = db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectSessionOfSID, sid, clientID).Scan(&sessionID, &userID)
	return sessionID, userID, db.absent(ctx, "look up session", err)
}
