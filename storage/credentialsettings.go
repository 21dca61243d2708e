package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation"
)

var _ validation.SettingStore = (*DB)(nil)

const (
	selectSetting = `SELECT name, off, preferred, last_used_at FROM credential_settings WHERE user_id = $1 AND credential = $2`

	upsertSetting = `INSERT INTO credential_settings (user_id, credential, name, off, preferred, last_used_at)
		VALUES ($1, $2, $3, $4, '', 0)
		ON CONFLICT (user_id, credential) DO UPDATE SET name = excluded.name, off = excluded.off`

	unprefer = `UPDATE credential_settings SET preferred = '' WHERE user_id = $1 AND preferred <> ''`

	prefer = `INSERT INTO credential_settings (user_id, credential, name, off, preferred, last_used_at)
		VALUES ($1, $2, '', 0, $3, 0)
		ON CONFLICT (user_id, credential) DO UPDATE SET preferred = excluded.preferred`

	useCredential = `INSERT INTO credential_settings (user_id, credential, name, off, preferred, last_used_at)
		VALUES ($1, $2, '', 0, '', $3)
		ON CONFLICT (user_id, credential) DO UPDATE SET last_used_at = excluded.last_used_at
		WHERE credential_settings.last_used_at < excluded.last_used_at`

	forgetCredential = `DELETE FROM credential_settings WHERE user_id = $1 AND credential = $2`
)

// SetCredential implements [validation.SettingStore].
func (db *DB) SetCredential(ctx context.Context, userID, credential string, edit func(*validation.CredentialSetting) error) error {
	if userID == "" || credential == "" {
		return errors.New("set credential: user or credential is missing")
	}
	return db.inWriter(ctx, "set credential", func(ctx context.Context, w querier) error {
		if err := db.lockUserSecurity(ctx, w, userID); err != nil {
			return err
		}
		s := validation.CredentialSetting{Credential: credential}
		var off, used int64
		err := w.QueryRowContext(ctx, selectSetting, userID, credential).Scan(&s.Name, &off, &s.Preferred, &used)
		if err = db.sqlError(ctx, "read setting", err); err != nil && !errors.Is(err, scim.ErrNotFound) {
			return err
		}
		s.Off, s.LastUsedAt = off != 0, fromMicros(used)
		if err := edit(&s); err != nil {
			return fmt.Errorf("edit setting of %s: %w", credential, err)
		}
		_, err = w.ExecContext(ctx, upsertSetting, userID, credential, s.Name, flag(s.Off))
		return err
	})
}

// flag is a boolean as it is stored.
func flag(on bool) int64 {
	if on {
		return 1
	}
	return 0
}

// lockUserSecurity makes changes of what belongs to one user wait for each
// other. SQLite has one writer anyway.
func (db *DB) lockUserSecurity(ctx context.Context, w querier, userID string) error {
	if db.dialect != dialectPostgres {
		return nil
	}
	_, err := w.ExecContext(ctx, lockSecurity, userID)
	return err
}

// PreferCredential implements [validation.SettingStore].
func (db *DB) PreferCredential(ctx context.Context, userID, credential, factor string) error {
	return db.inWriter(ctx, "prefer credential", func(ctx context.Context, w querier) error {
		if err := db.lockUserSecurity(ctx, w, userID); err != nil {
			return err
		}
		if _, err := w.ExecContext(ctx, unprefer, userID); err != nil || credential == "" {
			return err
		}
		_, err := w.ExecContext(ctx, prefer, userID, credential, factor)
		return err
	})
}

// UseCredential implements [validation.SettingStore].
func (db *DB) UseCredential(ctx context.Context, userID, credential string, at time.Time) error {
	return db.inWriter(ctx, "record use of credential", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, useCredential, userID, credential, micros(at))
		return err
	})
}

// ForgetCredential implements [validation.SettingStore].
func (db *DB) ForgetCredential(ctx context.Context, userID, credential string) error {
	return db.inWriter(ctx, "forget credential", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, forgetCredential, userID, credential)
		return err
	})
}
