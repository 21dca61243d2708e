package storage

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/sallyport-id/sallyport/validation"
)

var _ validation.HoldingStore = (*DB)(nil)

// selectHoldings reads all that a user has in one round trip: every step of
// every login asks for it. The columns mean something else for each kind.
const selectHoldings = `
	SELECT 'app' AS what, id, '' AS text, '' AS more, digits AS n, created_at AS at, 0 AS used FROM totp_secrets WHERE user_id = $1
	UNION ALL SELECT 'extra app', id, '', '', digits, created_at, 0 FROM extra_apps WHERE user_id = $1
	UNION ALL SELECT 'address', id, kind, value, 0, created_at, 0 FROM extra_addresses WHERE user_id = $1
	UNION ALL SELECT 'passkey', id, name, '', 0, created_at, last_used_at FROM passkeys WHERE user_id = $1
	UNION ALL SELECT 'second password', id, '', '', 0, changed_at, 0 FROM second_passwords WHERE user_id = $1
	UNION ALL SELECT 'recovery', s.id, '', '', (SELECT count(*) FROM recovery_codes c
		WHERE c.user_id = $1 AND c.set_id = s.id AND c.used_at = 0), s.created_at, 0 FROM recovery_sets s WHERE s.user_id = $1
	UNION ALL SELECT 'identity', provider, issuer, subject, 0, linked_at, last_login_at FROM external_identities WHERE user_id = $1
	UNION ALL SELECT 'setting', credential, name, preferred, off, 0, last_used_at FROM credential_settings WHERE user_id = $1`

// heldRow is a row of selectHoldings.
type heldRow struct {
	what, id, text, more string
	n, at, used          int64
}

// Holdings implements [validation.HoldingStore].
func (db *DB) Holdings(ctx context.Context, userID string) (validation.Holdings, error) {
	var found []heldRow
	err := eachRow(db.pointContext(ctx), db.reader(ctx), selectHoldings, []any{userID}, func(rows *sql.Rows) error {
		var r heldRow
		if err := rows.Scan(&r.what, &r.id, &r.text, &r.more, &r.n, &r.at, &r.used); err != nil {
			return err
		}
		found = append(found, r)
		return nil
	})
	if err != nil {
		return validation.Holdings{}, db.sqlError(ctx, "read credentials", err)
	}
	slices.SortFunc(found, func(a, b heldRow) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id)) })
	var h validation.Holdings
	for _, r := range found {
		r.into(&h, userID)
	}
	return h, nil
}

func (r heldRow) into(h *validation.Holdings, userID string) {
	app := validation.HeldApp{ID: r.id, Digits: int(r.n), CreatedAt: fromMicros(r.at)}
	switch r.what {
	case "app":
		h.App = &app
	case "extra app":
		h.Apps = append(h.Apps, app)
	case "address":
		h.Addresses = append(h.Addresses, validation.ExtraAddress{
			ID: r.id, UserID: userID, Kind: validation.EnrolledKind(r.text), Value: r.more, CreatedAt: fromMicros(r.at),
		})
	case "passkey":
		h.Passkeys = append(h.Passkeys, validation.HeldPasskey{
			ID: r.id, Name: r.text, CreatedAt: fromMicros(r.at), LastUsedAt: fromMicros(r.used),
		})
	case "second password":
		h.SecondPassword = r.id
	case "recovery":
		h.RecoverySet, h.RecoveryLeft = r.id, int(r.n)
	case "identity":
		h.External = append(h.External, validation.HeldIdentity{Provider: r.id, Issuer: r.text, Subject: r.more})
	case "setting":
		if h.Settings == nil {
			h.Settings = map[string]validation.CredentialSetting{}
		}
		h.Settings[r.id] = validation.CredentialSetting{
			Credential: r.id, Name: r.text, Preferred: r.more, Off: r.n != 0, LastUsedAt: fromMicros(r.used),
		}
	}
}
