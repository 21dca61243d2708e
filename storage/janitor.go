package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// How long rows outlive their use.
const (
	removalsKept = 2 * time.Hour       // the brake looks back one hour
	tokensKept   = 30 * 24 * time.Hour // ended tokens stay listed that long
	leasesKept   = 24 * time.Hour
	// A challenge answers for a while after its end why it is over.
	challengesKept = time.Hour
	// A login answers for a while after its end that it is over.
	loginsKept   = time.Hour
	outcomesKept = 24 * time.Hour
	// Failures of somebody who has not tried for so long are forgotten, but for
	// a factor that only an administrator or a recovery reopens.
	failuresKept = 30 * 24 * time.Hour
	bucketsKept  = 24 * time.Hour // of failed passwords by address
	// What providers said of a message; also whether a number is a new one.
	deliveriesKept = 30 * 24 * time.Hour
	// Grants, pushed requests and devices answer for a while after their end why
	// they are over.
	grantsKept = time.Hour
	// Clients that cannot be reached for so long are not told any more.
	logoutsKept = 24 * time.Hour
	// Notices that no node sends or gives up, since all have them switched off.
	noticesKept = 2 * 24 * time.Hour
)

// sweepBatch bounds the rows that one transaction of the janitor removes, so
// that it never holds up other changes for long.
const sweepBatch = 500

// janitorLease is how long one sweep may take before another node may begin.
const janitorLease = 10 * time.Minute

// Swept counts what one sweep removed.
type Swept struct {
	Removals   int64 // counters of the mass-removal brake
	Tokens     int64 // ended more than 30 days ago
	Sessions   int64 // whose life is over
	Leases     int64
	Logins     int64 // transactions of logins, queued codes, remembered browsers, ledgers without a session
	Challenges int64 // over for more than an hour
	Limits     int64 // counters of sends and failures whose time is over
	Deliveries int64 // older than 30 days, expired messages of the inbox, old notices
	Grants     int64 // of the provider: what has expired, with its tokens
	Events     int64 // audit events beyond the retention
}

// Sweep removes rows that are over, in small batches, until none is left or
// ctx ends. Any number of nodes may call it at once.
func (db *DB) Sweep(ctx context.Context) (Swept, error) {
	now := db.now()
	var s Swept
	for _, rule := range sweepRules(&s, now) {
		n, err := db.sweepRows(ctx, rule.query, rule.until, nil)
		*rule.count += n
		if err != nil {
			return s, err
		}
	}
	if db.cfg.AuditRetention == 0 {
		return s, nil
	}
	var err error
	s.Events, err = db.pruneAudit(ctx, now.Add(-db.cfg.AuditRetention))
	return s, err
}

// sweepRule is one kind of row that is over.
type sweepRule struct {
	count *int64
	query string // $1 is until, $2 the size of a batch
	until int64
}

func sweepRules(s *Swept, now time.Time) []sweepRule {
	ago := func(d time.Duration) int64 { return micros(now.Add(-d)) }
	return []sweepRule{
		{&s.Deliveries, `DELETE FROM delivery_messages WHERE id IN
			(SELECT id FROM delivery_messages WHERE created_at < $1 LIMIT $2)`, ago(deliveriesKept)},
		{&s.Deliveries, `DELETE FROM inbox_messages WHERE id IN
			(SELECT id FROM inbox_messages WHERE expires_at <= $1 LIMIT $2)`, ago(0)},
		{&s.Deliveries, `DELETE FROM notices WHERE id IN
			(SELECT id FROM notices WHERE created_at < $1 LIMIT $2)`, ago(noticesKept)},
		{&s.Removals, `DELETE FROM removals WHERE (token_id, minute) IN
			(SELECT token_id, minute FROM removals WHERE minute < $1 LIMIT $2)`, minuteOf(now.Add(-removalsKept))},
		{&s.Tokens, `DELETE FROM tokens WHERE id IN (SELECT id FROM tokens
			WHERE (revoked_at <> 0 AND revoked_at < $1) OR (expires_at <> 0 AND expires_at < $1) LIMIT $2)`, ago(tokensKept)},
		{&s.Sessions, `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 LIMIT $2)`, micros(now)},
		{&s.Sessions, `DELETE FROM sessions WHERE id IN
			(SELECT id FROM sessions WHERE idle_until <> 0 AND idle_until <= $1 LIMIT $2)`, micros(now)},
		{&s.Logins, `DELETE FROM login_txns WHERE id IN
			(SELECT id FROM login_txns WHERE expires_at < $1 LIMIT $2)`, ago(loginsKept)},
		{&s.Logins, `DELETE FROM devices WHERE id IN
			(SELECT id FROM devices WHERE expires_at <= $1 LIMIT $2)`, micros(now)},
		{&s.Logins, `DELETE FROM login_codes WHERE id IN
			(SELECT id FROM login_codes WHERE expires_at <= $1 LIMIT $2)`, micros(now)},
		{&s.Logins, `DELETE FROM account_flows WHERE id IN
			(SELECT id FROM account_flows WHERE expires_at < $1 LIMIT $2)`, ago(loginsKept)},
		{&s.Logins, `DELETE FROM account_messages WHERE id IN
			(SELECT id FROM account_messages WHERE expires_at <= $1 LIMIT $2)`, micros(now)},
		// A session is stored before its proofs, in one transaction: a ledger
		// without one is over.
		{&s.Logins, `DELETE FROM proofs WHERE (session_id, id) IN (SELECT p.session_id, p.id FROM proofs p
			WHERE p.at <= $1 AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.id = p.session_id) LIMIT $2)`, micros(now)},
		{&s.Logins, `DELETE FROM federation_requests WHERE id IN
			(SELECT id FROM federation_requests WHERE expires_at < $1 LIMIT $2)`, ago(loginsKept)},
		{&s.Logins, `DELETE FROM federation_answers WHERE id IN
			(SELECT id FROM federation_answers WHERE expires_at <= $1 LIMIT $2)`, micros(now)},
		{&s.Logins, `DELETE FROM federation_replays WHERE (issuer, id) IN
			(SELECT issuer, id FROM federation_replays WHERE expires_at <= $1 LIMIT $2)`, micros(now)},
		{&s.Logins, `DELETE FROM passkey_ceremonies WHERE session_id IN
			(SELECT session_id FROM passkey_ceremonies WHERE expires_at <= $1 LIMIT $2)`, micros(now)},
		{&s.Leases, `DELETE FROM leases WHERE name IN (SELECT name FROM leases WHERE until < $1 LIMIT $2)`, ago(leasesKept)},
		{&s.Challenges, `DELETE FROM challenges WHERE jti IN
			(SELECT jti FROM challenges WHERE expires_at < $1 LIMIT $2)`, ago(challengesKept)},
		// Of a grant that is over no token counts; its refresh tokens go after it.
		{&s.Grants, `DELETE FROM oauth_grants WHERE id IN
			(SELECT id FROM oauth_grants WHERE expires_at < $1 LIMIT $2)`, ago(grantsKept)},
		{&s.Grants, `DELETE FROM oauth_refresh_tokens WHERE hash IN
			(SELECT hash FROM oauth_refresh_tokens WHERE expires_at < $1 LIMIT $2)`, ago(grantsKept)},
		{&s.Grants, `DELETE FROM oauth_access_tokens WHERE hash IN
			(SELECT hash FROM oauth_access_tokens WHERE expires_at < $1 LIMIT $2)`, ago(0)},
		{&s.Grants, `DELETE FROM oauth_pushed_requests WHERE id IN
			(SELECT id FROM oauth_pushed_requests WHERE expires_at < $1 LIMIT $2)`, ago(grantsKept)},
		{&s.Grants, `DELETE FROM oauth_devices WHERE code_hash IN
			(SELECT code_hash FROM oauth_devices WHERE expires_at < $1 LIMIT $2)`, ago(grantsKept)},
		{&s.Grants, `DELETE FROM oauth_replays WHERE (kind, key) IN
			(SELECT kind, key FROM oauth_replays WHERE expires_at < $1 LIMIT $2)`, ago(0)},
		{&s.Grants, `DELETE FROM oauth_logouts WHERE id IN
			(SELECT id FROM oauth_logouts WHERE created_at < $1 LIMIT $2)`, ago(logoutsKept)},
		// A session has its names for as long as it lives, and not longer.
		{&s.Grants, `DELETE FROM oauth_sids WHERE (session_id, client_id) IN
			(SELECT n.session_id, n.client_id FROM oauth_sids n WHERE n.created_at <= $1
			AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.id = n.session_id) LIMIT $2)`, ago(0)},
		{&s.Limits, `DELETE FROM send_counts WHERE (name, key) IN
			(SELECT name, key FROM send_counts WHERE ends_at <= $1 LIMIT $2)`, micros(now)},
		{&s.Limits, `DELETE FROM send_series WHERE key IN
			(SELECT key FROM send_series WHERE ends_at <= $1 LIMIT $2)`, micros(now)},
		{&s.Limits, `DELETE FROM prefix_pauses WHERE prefix IN
			(SELECT prefix FROM prefix_pauses WHERE until <= $1 LIMIT $2)`, micros(now)},
		{&s.Limits, `DELETE FROM send_outcomes WHERE jti IN
			(SELECT jti FROM send_outcomes WHERE sent_at < $1 LIMIT $2)`, ago(outcomesKept)},
		{&s.Limits, `DELETE FROM factor_failures WHERE (user_id, factor) IN
			(SELECT user_id, factor FROM factor_failures WHERE last_at < $1 AND disabled = 0 LIMIT $2)`, ago(failuresKept)},
		{&s.Limits, `DELETE FROM password_failures WHERE (scope, key) IN
			(SELECT scope, key FROM password_failures WHERE last_at < $1 AND scope = 'account' LIMIT $2)`, ago(failuresKept)},
		{&s.Limits, `DELETE FROM password_failures WHERE (scope, key) IN
			(SELECT scope, key FROM password_failures WHERE last_at < $1 AND scope = 'bucket' LIMIT $2)`, ago(bucketsKept)},
	}
}

// pruneAudit removes audit events older than before. Each batch leaves an
// event that says so, in its own transaction.
func (db *DB) pruneAudit(ctx context.Context, before time.Time) (int64, error) {
	return db.sweepRows(ctx, `DELETE FROM audit_events WHERE id IN
		(SELECT id FROM audit_events WHERE time < $1 LIMIT $2)`, micros(before),
		func(ctx context.Context, n int64) error {
			detail, err := json.Marshal(map[string]any{"events": n, "before": before.UTC().Format(time.RFC3339)})
			if err != nil {
				return fmt.Errorf("encode audit event: %w", err)
			}
			return db.Append(ctx, audit.Event{
				Name: audit.AuditPruned, Outcome: audit.OK,
				Actor: audit.Party{Type: "server"}, Detail: detail,
			})
		})
}

// sweepRows runs a limited DELETE until it removes less than its limit; after
// is called in the transaction of each batch that removed something.
func (db *DB) sweepRows(ctx context.Context, query string, until int64, after func(context.Context, int64) error) (int64, error) {
	var total int64
	for {
		var n int64
		err := db.InTx(ctx, func(ctx context.Context) error {
			w, err := db.writer(ctx)
			if err != nil {
				return err
			}
			if n, err = db.execCount(ctx, w, query, until, sweepBatch); err != nil {
				return db.sqlError(ctx, "sweep", err)
			}
			if n == 0 || after == nil {
				return nil
			}
			return after(ctx, n)
		})
		if err != nil {
			return total, err
		}
		total += n
		if n < sweepBatch {
			return total, nil
		}
	}
}

// RunJanitor sweeps, and moves the state keys on, once every interval until ctx ends; of all nodes one does
// at a time.
func (db *DB) RunJanitor(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		_, err := db.exclusively(ctx, "janitor", janitorLease, func(ctx context.Context) error {
			swept, err := db.Sweep(ctx)
			if swept != (Swept{}) {
				db.log.InfoContext(ctx, "removed expired rows", "removals", swept.Removals,
					"tokens", swept.Tokens, "sessions", swept.Sessions, "leases", swept.Leases, "challenges", swept.Challenges,
					"limits", swept.Limits, "logins", swept.Logins, "deliveries", swept.Deliveries, "grants", swept.Grants, "audit_events", swept.Events)
			}
			if err != nil {
				return err
			}
			_, err = db.RotateStateKeys(ctx)
			return err
		})
		if err != nil && ctx.Err() == nil {
			db.log.WarnContext(ctx, "remove expired rows", "error", err)
		}
	}
}
