package storage

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/validation/throttle"
)

var _ throttle.SendStore = (*DB)(nil)

const (
	// takeCount begins a window, continues it, or changes nothing when the
	// counter is full. $6 is the number that it may not pass.
	takeCount = `INSERT INTO send_counts (name, key, n, started_at, ends_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (name, key) DO UPDATE SET
			n = CASE WHEN send_counts.ends_at <= excluded.started_at THEN excluded.n ELSE send_counts.n + excluded.n END,
			started_at = CASE WHEN send_counts.ends_at <= excluded.started_at THEN excluded.started_at ELSE send_counts.started_at END,
			ends_at = CASE WHEN send_counts.ends_at <= excluded.started_at THEN excluded.ends_at ELSE send_counts.ends_at END
		WHERE send_counts.ends_at <= excluded.started_at OR send_counts.n + excluded.n <= $6
		RETURNING started_at`

	giveBackCount = `UPDATE send_counts SET n = n - $1 WHERE name = $2 AND key = $3 AND started_at = $4 AND n >= $1`

	// takeSeries lets a send follow when the wait after the latest one is over.
	// $5 to $13 are the waits after sends 1 to 9.
	takeSeries = `INSERT INTO send_series (key, n, last_at, previous_at, ends_at) VALUES ($1, 1, $2, 0, $3)
		ON CONFLICT (key) DO UPDATE SET
			n = CASE WHEN send_series.ends_at <= excluded.last_at THEN 1 ELSE send_series.n + 1 END,
			previous_at = CASE WHEN send_series.ends_at <= excluded.last_at THEN 0 ELSE send_series.last_at END,
			last_at = excluded.last_at, ends_at = excluded.ends_at
		WHERE send_series.ends_at <= excluded.last_at OR (send_series.n < $4 AND send_series.last_at + CASE send_series.n
			WHEN 1 THEN CAST($5 AS BIGINT) WHEN 2 THEN CAST($6 AS BIGINT) WHEN 3 THEN CAST($7 AS BIGINT)
			WHEN 4 THEN CAST($8 AS BIGINT) WHEN 5 THEN CAST($9 AS BIGINT) WHEN 6 THEN CAST($10 AS BIGINT)
			WHEN 7 THEN CAST($11 AS BIGINT) WHEN 8 THEN CAST($12 AS BIGINT) ELSE CAST($13 AS BIGINT) END <= excluded.last_at)
		RETURNING n`

	giveBackSeries = `UPDATE send_series SET n = n - 1, last_at = previous_at, ends_at = previous_at + $1
		WHERE key = $2 AND n = $3 AND last_at = $4`
	dropSeriesTaken = `DELETE FROM send_series WHERE key = $1 AND n = 1 AND last_at = $2`
)

// seriesWaits is how many waits takeSeries has room for.
const seriesWaits = 9

// seenSuffix names the counters that remember a distinct value.
const seenSuffix = "_seen"

// errLimited rolls back what a refused send has counted.
var errLimited = errors.New("a limit refuses")

// TakeSend implements [throttle.SendStore]. Every counter is asked, also after
// one has refused, so that the caller learns the longest wait; they are asked
// in the order of their keys, so that two sends cannot lock each other out.
func (db *DB) TakeSend(ctx context.Context, now time.Time, s throttle.Series, counts []throttle.Count) (throttle.Taken, throttle.Decision, error) {
	var taken throttle.Taken
	var decision throttle.Decision
	err := db.Savepoint(ctx, func(ctx context.Context) error {
		taken = throttle.Taken{} // the closure may run again
		waits := make([]time.Duration, len(counts)+1)
		for _, i := range inKeyOrder(counts) {
			var err error
			if waits[i+1], err = db.takeCount(ctx, now, counts[i], &taken); err != nil {
				return err
			}
		}
		var err error
		if waits[0], err = db.takeSeries(ctx, now, s, &taken); err != nil {
			return err
		}
		decision = decide(waits, counts)
		if !decision.Allowed {
			return errLimited
		}
		return nil
	})
	if errors.Is(err, errLimited) {
		return throttle.Taken{}, decision, nil
	}
	return taken, decision, err
}

// inKeyOrder returns the positions of counts, ordered by name and key.
func inKeyOrder(counts []throttle.Count) []int {
	order := make([]int, len(counts))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(counts[a].Limit, counts[b].Limit), bytes.Compare(counts[a].Key, counts[b].Key))
	})
	return order
}

// decide names the first refusal and the longest wait; the series is the first.
func decide(waits []time.Duration, counts []throttle.Count) throttle.Decision {
	longest := slices.Max(waits)
	if longest == 0 {
		return throttle.Decision{Allowed: true}
	}
	first := slices.IndexFunc(waits, func(d time.Duration) bool { return d > 0 })
	name := throttle.LimitSeries
	if first > 0 {
		name = counts[first-1].Limit
	}
	return throttle.Decision{RetryAfter: longest, Limit: name}
}

// takeCount advances one counter, and the one that remembers a distinct value
// before it. The wait is 0 if there was room.
func (db *DB) takeCount(ctx context.Context, now time.Time, c throttle.Count, taken *throttle.Taken) (time.Duration, error) {
	if len(c.Distinct) > 0 {
		seen := throttle.Count{
			Limit: c.Limit + seenSuffix, Key: append(bytes.Clone(c.Key), c.Distinct...),
			Max: 1, Weight: 1, Window: c.Window,
		}
		wait, err := db.takeOne(ctx, now, seen, taken)
		if err != nil || wait > 0 {
			return 0, err // counted within this window already
		}
	}
	return db.takeOne(ctx, now, c, taken)
}

func (db *DB) takeOne(ctx context.Context, now time.Time, c throttle.Count, taken *throttle.Taken) (time.Duration, error) {
	if c.Weight > c.Max {
		return c.Window, nil
	}
	w, err := db.writer(ctx)
	if err != nil {
		return 0, err
	}
	var start int64
	err = w.QueryRowContext(ctx, takeCount, c.Limit, c.Key, c.Weight, micros(now), micros(now.Add(c.Window)), c.Max).Scan(&start)
	if errors.Is(err, sql.ErrNoRows) {
		return db.waitFor(ctx, w, now, "SELECT ends_at FROM send_counts WHERE name = $1 AND key = $2", c.Limit, c.Key)
	}
	if err != nil {
		return 0, db.sqlError(ctx, "count "+c.Limit, err)
	}
	taken.Counts = append(taken.Counts, throttle.TakenCount{Limit: c.Limit, Key: c.Key, Start: fromMicros(start), Weight: c.Weight})
	return 0, nil
}

// waitFor reads a time and returns how far away it is, which is more than
// nothing: the caller has been refused.
func (db *DB) waitFor(ctx context.Context, q querier, now time.Time, query string, args ...any) (time.Duration, error) {
	var until int64
	if err := q.QueryRowContext(ctx, query, args...).Scan(&until); err != nil {
		return 0, db.sqlError(ctx, "read limit", err)
	}
	return max(fromMicros(until).Sub(now), time.Microsecond), nil
}

func (db *DB) takeSeries(ctx context.Context, now time.Time, s throttle.Series, taken *throttle.Taken) (time.Duration, error) {
	w, err := db.writer(ctx)
	if err != nil {
		return 0, err
	}
	args := []any{s.Key, micros(now), micros(now.Add(s.Quiet)), s.Max}
	for n := 1; n <= seriesWaits; n++ {
		args = append(args, s.Wait(n).Microseconds())
	}
	var n int
	err = w.QueryRowContext(ctx, takeSeries, args...).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return db.seriesWait(ctx, w, now, s)
	}
	if err != nil {
		return 0, db.sqlError(ctx, "count send of a series", err)
	}
	taken.Series = throttle.TakenSeries{Key: s.Key, N: n, At: fromMicros(micros(now)), Quiet: s.Quiet}
	return 0, nil
}

// seriesWait is until the wait after the latest send is over, or, after the
// last one, until the series ends.
func (db *DB) seriesWait(ctx context.Context, q querier, now time.Time, s throttle.Series) (time.Duration, error) {
	var n int
	var last, ends int64
	err := q.QueryRowContext(ctx, "SELECT n, last_at, ends_at FROM send_series WHERE key = $1", s.Key).Scan(&n, &last, &ends)
	if err != nil {
		return 0, db.sqlError(ctx, "read series", err)
	}
	until := fromMicros(ends)
	if n < s.Max {
		until = fromMicros(last).Add(s.Wait(n))
	}
	return max(until.Sub(now), time.Microsecond), nil
}

// GiveBackSend implements [throttle.SendStore].
func (db *DB) GiveBackSend(ctx context.Context, t throttle.Taken) error {
	return db.inWriter(ctx, "give back send", func(ctx context.Context, w querier) error {
		// In the order of TakeSend, against locking each other out.
		for _, c := range t.Counts {
			if _, err := w.ExecContext(ctx, giveBackCount, c.Weight, c.Limit, c.Key, micros(c.Start)); err != nil {
				return fmt.Errorf("counter %s: %w", c.Limit, err)
			}
		}
		if t.Series.N == 1 {
			_, err := w.ExecContext(ctx, dropSeriesTaken, t.Series.Key, micros(t.Series.At))
			return err
		}
		_, err := w.ExecContext(ctx, giveBackSeries, t.Series.Quiet.Microseconds(), t.Series.Key, t.Series.N, micros(t.Series.At))
		return err
	})
}

// EndSeries implements [throttle.SendStore].
func (db *DB) EndSeries(ctx context.Context, key []byte) error {
	return db.inWriter(ctx, "end series", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, "DELETE FROM send_series WHERE key = $1", key)
		return err
	})
}
