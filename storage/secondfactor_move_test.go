package storage_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/storagetest"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/state"
	"github.com/sallyport-id/sallyport/validation/throttle"
	"github.com/sallyport-id/sallyport/validation/totp"
)

// factors is a user with one row of everything about second factors.
type factors struct {
	user      string
	token     state.Token
	challenge challenge.Challenge
	totp      totp.Enrolment
	now       time.Time
}

func fillFactors(t *testing.T, o *storagetest.Opener, db *storage.DB) factors {
	t.Helper()
	ctx, now := t.Context(), o.Clock.Now()
	f := factors{user: storagetest.NewID(t), now: now}
	sealer := state.NewSealer(state.NewRing(db, o.Clock.Now), o.Clock.Now)
	var err error
	if f.token, err = sealer.MintCode(ctx, state.Claims{
		JTI: state.NewJTI(), Kind: state.KindEmail, Subject: f.user, ExpiresAt: now.Add(state.MaxLife),
	}, "12345678"); err != nil {
		t.Fatal(err)
	}
	f.challenge = challenge.Challenge{
		JTI: "jti", Subject: f.user, Kind: "email", Path: "p", DestHash: []byte{0, 1, 255}, MaxAttempts: 5,
		CreatedAt: now, ExpiresAt: now.Add(10 * time.Minute),
	}
	e := totp.Enrolment{
		UserID: f.user, Secret: totp.Secret("a secret of 20 bytes"), Algorithm: totp.SHA1, Digits: 6,
		Period: 30 * time.Second, LastStep: 7, CreatedAt: now,
	}
	rule := throttle.FactorRule{InRow: 5, Pause: time.Minute, Longest: time.Hour, Ceiling: 100}
	for _, do := range []func() error{
		func() error { return db.Start(ctx, f.challenge) },
		func() error { return db.PutTOTP(ctx, e) },
		func() error { return db.BumpCredentialEpoch(ctx, f.user) },
		func() error { return db.BumpFactorEpoch(ctx, f.user, "p") },
		func() error { return db.SetValidated(ctx, f.user, "p", "v", now) },
		func() error { _, _, err := db.TakeSend(ctx, now, f.series(), f.counts()); return err },
		func() error { _, _, err := db.CountFactor(ctx, f.user, "totp", now, rule); return err },
		func() error {
			_, err := db.CountPassword(ctx, []byte("account"), []byte("bucket"), now, f.password())
			return err
		},
		func() error { _, err := db.AddOutcome(ctx, "jti", "49", now); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	if f.totp, err = db.TOTP(ctx, f.user); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f factors) series() throttle.Series {
	return throttle.Series{Key: []byte("series"), Max: 5, Waits: []time.Duration{time.Minute}, Quiet: time.Hour}
}

func (f factors) counts() []throttle.Count {
	return []throttle.Count{{Limit: "x", Key: []byte{0, 255}, Max: 1, Weight: 1, Window: time.Hour}}
}

func (f factors) password() throttle.PasswordRule {
	return throttle.PasswordRule{First: 1, Longest: 30 * time.Second, Ceiling: 100}
}

// check wants everything as fillFactors made it.
func (f factors) check(t *testing.T, o *storagetest.Opener, db *storage.DB) {
	t.Helper()
	ctx := t.Context()
	sealer := state.NewSealer(state.NewRing(db, o.Clock.Now), o.Clock.Now)
	if c, err := sealer.Open(ctx, state.KindEmail, f.token.Reveal()); err != nil || !c.CodeMatches("12345678") {
		t.Errorf("the state does not open, or has lost its code: %v", err)
	}
	if got, err := db.Challenge(ctx, "jti"); err != nil || !cmp.Equal(f.challenge, got) {
		t.Errorf("challenge = %+v, %v, want %+v", got, err, f.challenge)
	}
	if got, err := db.TOTP(ctx, f.user); err != nil || !cmp.Equal(f.totp, got) {
		t.Errorf("authenticator app = %v, %v", got, err)
	}
	if c, e, err := db.Epochs(ctx, f.user, "p"); err != nil || c != 1 || e != 1 {
		t.Errorf("epochs = %d, %d, %v", c, e, err)
	}
	if at, ok, err := db.Validated(ctx, f.user, "p", "v"); err != nil || !ok || !at.Equal(f.now) {
		t.Errorf("validated = %v, %v, %v", at, ok, err)
	}
	if _, d, err := db.TakeSend(ctx, f.now, f.series(), f.counts()); err != nil || d.RetryAfter != time.Hour {
		t.Errorf("send = %+v, %v, want a wait of an hour", d, err)
	}
	if tally, err := db.FactorTally(ctx, f.user, "totp"); err != nil || tally.Failures != 1 {
		t.Errorf("failures = %+v, %v", tally, err)
	}
	if d, err := db.CountPassword(ctx, []byte("account"), []byte("bucket"), f.now, f.password()); err != nil || d.RetryAfter != time.Second {
		t.Errorf("password = %+v, %v, want a wait of a second", d, err)
	}
}

// TestCopyKeepsSecondFactors moves a directory in every direction: states that
// clients hold are still good, and no counter begins anew.
func TestCopyKeepsSecondFactors(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(testing.TB) *storagetest.Opener{"sqlite": storagetest.SQLite, "postgres": storagetest.Postgres}
	for from, openFrom := range kinds {
		for to, openTo := range kinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				source, target := openFrom(t), openTo(t)
				sourceDB, targetDB := source.Open(t), target.Open(t)
				f := fillFactors(t, source, sourceDB)
				if err := storage.Copy(t.Context(), sourceDB, targetDB, nil); err != nil {
					t.Fatalf("Copy: %v", err)
				}
				f.check(t, target, target.Open(t))
			})
		}
	}
}

// TestResealKeepsSecondFactors: state keys and TOTP secrets move to a new
// master key, and nothing that was sealed under them is lost.
func TestResealKeepsSecondFactors(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		f := fillFactors(t, o, o.Open(t, withKeys(t, "old")))
		db := o.Open(t, withKeys(t, "new", "old"))
		var total int64
		for {
			n, err := db.Reseal(t.Context(), 2)
			if err != nil {
				t.Fatalf("Reseal: %v", err)
			}
			if total += n; n == 0 {
				break
			}
		}
		if total != 3 {
			t.Errorf("%d values sealed anew, want two state keys and a TOTP secret", total)
		}
		f.check(t, o, o.Open(t, withKeys(t, "new")))
	})
}

// TestSweepSecondFactors: what is over goes, at its time, and what is not stays.
func TestSweepSecondFactors(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		db := o.Open(t)
		f := fillFactors(t, o, db)
		rows := func(table string) int {
			t.Helper()
			n, err := db.ReadInt(t.Context(), "SELECT count(*) FROM "+table)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		for _, step := range []struct {
			after time.Duration
			gone  []string
		}{
			{time.Hour - time.Second, nil},
			{time.Hour, []string{"send_counts", "send_series"}},
			{time.Hour + 10*time.Minute, nil},
			{time.Hour + 10*time.Minute + time.Second, []string{"challenges"}},
			{24*time.Hour + time.Second, []string{"send_outcomes"}},
			{30 * 24 * time.Hour, nil},
			{30*24*time.Hour + time.Second, []string{"factor_failures", "password_failures"}},
		} {
			o.Clock.Advance(step.after - o.Clock.Now().Sub(f.now))
			for _, table := range step.gone {
				if rows(table) == 0 {
					t.Errorf("%s: gone before %v", table, step.after)
				}
			}
			if _, err := db.Sweep(t.Context()); err != nil {
				t.Fatalf("Sweep: %v", err)
			}
			for _, table := range step.gone {
				if n := rows(table); n != 0 {
					t.Errorf("%s: %d rows left after %v", table, n, step.after)
				}
			}
		}
		for _, table := range []string{"state_keys", "totp_secrets", "user_security", "factor_epochs", "validations"} {
			if rows(table) == 0 {
				t.Errorf("%s: swept although it is not over", table)
			}
		}
	})
}

// TestSweepIsBatched: more rows than one batch are all removed.
func TestSweepIsBatched(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		db := o.Open(t)
		now := o.Clock.Now()
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			for i := range 1203 {
				c := challenge.Challenge{
					JTI: fmt.Sprint("jti", i), Subject: fmt.Sprint("user", i), Kind: "email", Path: "p",
					CreatedAt: now, ExpiresAt: now.Add(time.Minute),
				}
				if err := db.Start(ctx, c); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		o.Clock.Advance(2 * time.Hour)
		swept, err := db.Sweep(t.Context())
		if err != nil || swept.Challenges != 1203 {
			t.Errorf("Sweep = %+v, %v, want 1203 challenges", swept, err)
		}
	})
}
