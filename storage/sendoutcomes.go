package storage

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

var _ throttle.OutcomeStore = (*DB)(nil)

const (
	insertOutcome = `INSERT INTO send_outcomes (jti, prefix, sent_at, verified) VALUES ($1, $2, $3, 0)
		ON CONFLICT (jti) DO NOTHING`

	// sampleOutcomes looks at the latest settled sends to a prefix.
	sampleOutcomes = `SELECT count(*), coalesce(sum(verified), 0) FROM (SELECT verified FROM send_outcomes
		WHERE prefix = $1 AND (verified = 1 OR sent_at <= $2) ORDER BY sent_at DESC LIMIT $3) AS latest`

	upsertPause = `INSERT INTO prefix_pauses (prefix, until) VALUES ($1, $2)
		ON CONFLICT (prefix) DO UPDATE SET until = excluded.until`
)

// AddOutcome implements [throttle.OutcomeStore].
func (db *DB) AddOutcome(ctx context.Context, jti, prefix string, now time.Time) (alarm bool, err error) {
	err = db.inWriter(ctx, "record send", func(ctx context.Context, w querier) error {
		alarm = false // the closure may run again
		if _, err := w.ExecContext(ctx, insertOutcome, jti, prefix, micros(now)); err != nil {
			return err
		}
		var sample, verified int
		err := w.QueryRowContext(ctx, sampleOutcomes, prefix,
			micros(now.Add(-throttle.OutcomeSettled)), throttle.OutcomeSample).Scan(&sample, &verified)
		if err != nil || sample < throttle.OutcomeSample || verified*100 >= throttle.OutcomeShare*sample {
			return err
		}
		// Of two nodes that see the same sample, the one that removes it tells.
		n, err := db.execCount(ctx, w, "DELETE FROM send_outcomes WHERE prefix = $1 AND sent_at < $2", prefix, micros(now))
		if err != nil || n == 0 {
			return err
		}
		alarm = true
		_, err = w.ExecContext(ctx, upsertPause, prefix, micros(now.Add(throttle.PrefixPause)))
		return err
	})
	return alarm && err == nil, err
}

// VerifyOutcome implements [throttle.OutcomeStore].
func (db *DB) VerifyOutcome(ctx context.Context, jti string) error {
	return db.inWriter(ctx, "record verification", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, "UPDATE send_outcomes SET verified = 1 WHERE jti = $1", jti)
		return err
	})
}

// PrefixPaused implements [throttle.OutcomeStore].
func (db *DB) PrefixPaused(ctx context.Context, prefix string, now time.Time) (time.Time, error) {
	var until int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx),
		"SELECT until FROM prefix_pauses WHERE prefix = $1 AND until > $2", prefix, micros(now)).Scan(&until)
	if err = db.sqlError(ctx, "read paused prefix", err); errors.Is(err, scim.ErrNotFound) {
		return time.Time{}, nil
	}
	return fromMicros(until), err
}

// ResumePrefix implements [throttle.OutcomeStore].
func (db *DB) ResumePrefix(ctx context.Context, prefix string) (was bool, err error) {
	err = db.inWriter(ctx, "resume prefix", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, "DELETE FROM prefix_pauses WHERE prefix = $1", prefix)
		was = n == 1
		return err
	})
	return was && err == nil, err
}
