package storage

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/storage/seal"
	"github.com/sallyport-id/sallyport/validation/state"
)

var _ state.KeyStore = (*DB)(nil)

// statePurpose names state keys in audit events.
const statePurpose = "state"

// stateKeyPlace is where the state key of that id is sealed.
func stateKeyPlace(id string) seal.Place {
	return seal.Place{Table: "state_keys", Column: "sealed", Row: id}
}

// StateKeys implements [state.KeyStore]. The first two keys are never made
// inside a transaction of the caller, whose roll-back would take them away
// after they were used.
func (db *DB) StateKeys(ctx context.Context) ([]state.Key, error) {
	keys, err := db.readStateKeys(ctx, "")
	if err != nil || len(keys) > 0 {
		return keys, err
	}
	if db.transactionOf(ctx) != nil {
		return nil, errors.New("the first state keys cannot be made inside a transaction")
	}
	if err := db.InTx(ctx, db.makeStateKeys); err != nil {
		return nil, fmt.Errorf("make state keys: %w", err)
	}
	return db.readStateKeys(ctx, "")
}

// makeStateKeys adds what is missing of the current and the next key.
func (db *DB) makeStateKeys(ctx context.Context) error {
	for _, s := range []state.KeyState{state.KeyCurrent, state.KeyNext} {
		if err := db.addStateKey(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// addStateKey stores a new key in that state unless there is one.
func (db *DB) addStateKey(ctx context.Context, s state.KeyState) error {
	w, err := db.writer(ctx)
	if err != nil {
		return err
	}
	id := db.ids.next()
	secret := make([]byte, state.KeySize)
	_, _ = rand.Read(secret) // never fails, says crypto/rand
	kid, sealed, err := db.cfg.Keys.Seal(stateKeyPlace(id), secret)
	if err != nil {
		return fmt.Errorf("seal state key: %w", err)
	}
	now := micros(db.now())
	n, err := db.execCount(ctx, w, `INSERT INTO state_keys (id, kid, sealed, state, created_at, changed_at, minted)
		VALUES ($1, $2, $3, $4, $5, $5, 0) ON CONFLICT DO NOTHING`, id, kid, sealed, string(s), now)
	if err != nil {
		return db.sqlError(ctx, "store state key", err)
	}
	if n == 0 {
		return nil
	}
	return db.Append(ctx, stateKeyEvent(audit.KeyCreated, id))
}

func stateKeyEvent(name audit.Name, id string) audit.Event {
	return keyEvent(name, id, map[string]any{"purpose": statePurpose})
}

// readStateKeys reads and opens every key, oldest first. tail is added to the
// statement.
func (db *DB) readStateKeys(ctx context.Context, tail string) ([]state.Key, error) {
	var keys []state.Key
	query := "SELECT id, kid, sealed, state, created_at, changed_at, minted FROM state_keys ORDER BY id" + tail
	err := eachRow(ctx, db.reader(ctx), query, nil, func(rows *sql.Rows) error {
		var k state.Key
		var kid string
		var sealed []byte
		var created, changed int64
		if err := rows.Scan(&k.ID, &kid, &sealed, &k.State, &created, &changed, &k.Minted); err != nil {
			return err
		}
		k.CreatedAt, k.ChangedAt = fromMicros(created), fromMicros(changed)
		var err error
		if k.Secret, err = db.cfg.Keys.Open(stateKeyPlace(k.ID), kid, sealed); err != nil {
			return fmt.Errorf("open state key %s: %w", k.ID, err)
		}
		keys = append(keys, k)
		return nil
	})
	if err != nil {
		return nil, db.sqlError(ctx, "read state keys", err)
	}
	return keys, nil
}

// CountStates implements [state.KeyStore].
func (db *DB) CountStates(ctx context.Context, id string, n int64) (current bool, err error) {
	err = db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		rows, err := db.execCount(ctx, w,
			"UPDATE state_keys SET minted = minted + $1 WHERE id = $2 AND state = $3", n, id, string(state.KeyCurrent))
		current = rows == 1
		return db.sqlError(ctx, "count states", err)
	})
	return current && err == nil, err
}

// RotateStateKeys moves the state keys on: it removes previous ones whose time
// is over, and when the current one is due and the next one old enough, makes
// the next one current and adds another. It reports whether a key became
// current. Any number of nodes may call it at once, any number of times.
func (db *DB) RotateStateKeys(ctx context.Context) (rotated bool, err error) {
	err = db.InTx(ctx, func(ctx context.Context) error {
		rotated = false // the closure may run again
		keys, err := db.readStateKeys(ctx, db.dialect.pick("", " FOR UPDATE"))
		if err != nil || len(keys) == 0 {
			return err
		}
		now := db.now()
		var current, next *state.Key
		for i, k := range keys {
			switch {
			case k.State == state.KeyCurrent:
				current = &keys[i]
			case k.State == state.KeyNext:
				next = &keys[i]
			case !now.Before(k.ChangedAt.Add(state.PreviousKept)):
				if err := db.retireStateKey(ctx, k.ID); err != nil {
					return err
				}
			}
		}
		if current != nil && next != nil && current.Due(now) && !now.Before(next.CreatedAt.Add(state.NextLead)) {
			if err := db.promoteStateKey(ctx, current.ID, next.ID, now); err != nil {
				return err
			}
			rotated = true
		}
		return db.makeStateKeys(ctx)
	})
	if err != nil {
		return false, fmt.Errorf("rotate state keys: %w", err)
	}
	return rotated, nil
}

// promoteStateKey makes next current, and current previous.
func (db *DB) promoteStateKey(ctx context.Context, current, next string, now time.Time) error {
	w, err := db.writer(ctx)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		id string
		to state.KeyState
	}{{current, state.KeyPrevious}, {next, state.KeyCurrent}} {
		if _, err := w.ExecContext(ctx, "UPDATE state_keys SET state = $1, changed_at = $2 WHERE id = $3",
			string(step.to), micros(now), step.id); err != nil {
			return db.sqlError(ctx, "move state key", err)
		}
	}
	return db.Append(ctx, stateKeyEvent(audit.KeyActivated, next))
}

// retireStateKey removes a key that no token can need any more.
func (db *DB) retireStateKey(ctx context.Context, id string) error {
	w, err := db.writer(ctx)
	if err != nil {
		return err
	}
	if _, err := w.ExecContext(ctx, "DELETE FROM state_keys WHERE id = $1", id); err != nil {
		return db.sqlError(ctx, "remove state key", err)
	}
	return db.Append(ctx, stateKeyEvent(audit.KeyRetired, id))
}
