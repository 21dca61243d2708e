package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/state"
)

// Challenges is the conformance suite of challenge.Store.
func Challenges(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"a challenge is what was stored", challengeRoundTrip},
		{"attempts end after the last one", attemptsEnd},
		{"judged used, superseded, expired, exhausted", judgedInOrder},
		{"a newer one supersedes for the same user, kind and path alone", supersedes},
		{"a roll-back of Start leaves the older one live", startRollsBack},
		{"voided ones are expired", voided},
		{"pending", pending},
		{"a try stays counted whatever is rolled back", attemptSurvivesRollback},
		{"an attempt is refused inside a transaction", attemptInTransaction},
		{"consumed in the transaction of the success", consumeJoins},
		{"200 wrong guesses on two nodes count five", parallelGuesses},
		{"200 right codes on two nodes succeed once", parallelCorrect},
		{"parallel starts leave one live", parallelStarts},
		{"they end with their user", challengesEndWithUser},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

// newChallenge is one of a new user, good for ten minutes.
func newChallenge(t *testing.T, o *Opener) challenge.Challenge {
	t.Helper()
	now := o.Clock.Now()
	return challenge.Challenge{
		JTI: state.NewJTI(), Subject: NewID(t), Kind: "email", Path: "secondFactorEmail", DestHash: []byte{1, 2, 3},
		MaxAttempts: 5, CreatedAt: now, ExpiresAt: now.Add(10 * time.Minute),
	}
}

func start(t *testing.T, db *storage.DB, c challenge.Challenge) challenge.Challenge {
	t.Helper()
	if err := db.Start(t.Context(), c); err != nil {
		t.Fatalf("Start: %v", err)
	}
	return c
}

func challengeRoundTrip(t *testing.T, o *Opener, nodes []*storage.DB) {
	want := start(t, nodes[0], newChallenge(t, o))
	got, err := nodes[1].Challenge(t.Context(), want.JTI)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Challenge, %v (-want +got):\n%s", err, diff)
	}
	bare := newChallenge(t, o)
	bare.MaxAttempts, bare.DestHash = 0, nil
	start(t, nodes[0], bare)
	bare.MaxAttempts = challenge.DefaultAttempts
	got, err = nodes[0].Challenge(t.Context(), bare.JTI)
	if diff := cmp.Diff(bare, got); diff != "" || err != nil {
		t.Errorf("Challenge, %v (-want +got):\n%s", err, diff)
	}
	_, err = nodes[0].Challenge(t.Context(), "nobody")
	wantIs(t, err, challenge.ErrUnknown)
	wantIs(t, nodes[0].CountAttempt(t.Context(), "nobody", o.Clock.Now()), challenge.ErrUnknown)
	wantIs(t, nodes[0].Consume(t.Context(), "nobody", o.Clock.Now()), challenge.ErrUnknown)
	for name, edit := range map[string]func(*challenge.Challenge){
		"no identifier": func(c *challenge.Challenge) { c.JTI = "" },
		"no subject":    func(c *challenge.Challenge) { c.Subject = "" },
		"no life":       func(c *challenge.Challenge) { c.ExpiresAt = c.CreatedAt },
		"taken":         func(c *challenge.Challenge) { c.JTI = want.JTI },
	} {
		c := newChallenge(t, o)
		edit(&c)
		if err := nodes[0].Start(t.Context(), c); err == nil {
			t.Errorf("%s: Start took it", name)
		}
	}
}

func attemptsEnd(t *testing.T, o *Opener, nodes []*storage.DB) {
	c := start(t, nodes[0], newChallenge(t, o))
	for i := range 5 {
		if err := nodes[i%2].CountAttempt(t.Context(), c.JTI, o.Clock.Now()); err != nil {
			t.Fatalf("attempt %d: %v", i+1, err)
		}
	}
	wantIs(t, nodes[0].CountAttempt(t.Context(), c.JTI, o.Clock.Now()), challenge.ErrExhausted)
	got, err := nodes[0].Challenge(t.Context(), c.JTI)
	if err != nil || got.Attempts != 5 {
		t.Errorf("%d attempts, %v, want 5", got.Attempts, err)
	}
}

// judgedInOrder makes all four true, one after the other, from the last.
func judgedInOrder(t *testing.T, o *Opener, nodes []*storage.DB) {
	db, now := nodes[0], o.Clock.Now()
	c := newChallenge(t, o)
	c.MaxAttempts = 1
	start(t, db, c)
	if err := db.CountAttempt(t.Context(), c.JTI, now); err != nil {
		t.Fatal(err)
	}
	wantIs(t, db.CountAttempt(t.Context(), c.JTI, now), challenge.ErrExhausted)
	wantIs(t, db.CountAttempt(t.Context(), c.JTI, c.ExpiresAt), challenge.ErrExpired)
	newer := c
	newer.JTI = state.NewJTI()
	start(t, db, newer)
	wantIs(t, db.CountAttempt(t.Context(), c.JTI, c.ExpiresAt), challenge.ErrSuperseded)
	wantIs(t, db.Consume(t.Context(), c.JTI, now), challenge.ErrSuperseded)

	used := newer
	if err := db.Consume(t.Context(), used.JTI, now); err != nil {
		t.Fatal(err)
	}
	newer.JTI = state.NewJTI()
	start(t, db, newer) // does not supersede what was used
	wantIs(t, db.CountAttempt(t.Context(), used.JTI, used.ExpiresAt), challenge.ErrUsed)
	wantIs(t, db.Consume(t.Context(), used.JTI, now), challenge.ErrUsed)
	got, err := db.Challenge(t.Context(), used.JTI)
	if err != nil || !got.UsedAt.Equal(now) || !got.SupersededAt.IsZero() {
		t.Errorf("used challenge = %+v, %v", got, err)
	}

	// Good one microsecond before its end, expired at it.
	last := start(t, db, newChallenge(t, o))
	if err := db.CountAttempt(t.Context(), last.JTI, last.ExpiresAt.Add(-time.Microsecond)); err != nil {
		t.Errorf("just before the end: %v", err)
	}
	wantIs(t, db.CountAttempt(t.Context(), last.JTI, last.ExpiresAt), challenge.ErrExpired)
}

func supersedes(t *testing.T, o *Opener, nodes []*storage.DB) {
	first := start(t, nodes[0], newChallenge(t, o))
	var others []challenge.Challenge
	for _, edit := range []func(*challenge.Challenge){
		func(c *challenge.Challenge) { c.Subject = NewID(t) },
		func(c *challenge.Challenge) { c.Kind = "stepup" },
		func(c *challenge.Challenge) { c.Path = "emails.value" },
	} {
		c := first
		c.JTI = state.NewJTI()
		edit(&c)
		others = append(others, start(t, nodes[1], c))
	}
	for _, c := range append(others, first) {
		if err := nodes[0].CountAttempt(t.Context(), c.JTI, o.Clock.Now()); err != nil {
			t.Errorf("%s %s: %v", c.Kind, c.Path, err)
		}
	}
	second := first
	second.JTI = state.NewJTI()
	start(t, nodes[1], second)
	wantIs(t, nodes[0].CountAttempt(t.Context(), first.JTI, o.Clock.Now()), challenge.ErrSuperseded)
	for _, c := range append(others, second) {
		if err := nodes[0].CountAttempt(t.Context(), c.JTI, o.Clock.Now()); err != nil {
			t.Errorf("after the second: %s %s: %v", c.Kind, c.Path, err)
		}
	}
}

func startRollsBack(t *testing.T, o *Opener, nodes []*storage.DB) {
	db := nodes[0]
	first := start(t, db, newChallenge(t, o))
	second := first
	second.JTI = state.NewJTI()
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.Start(ctx, second); err != nil {
			return err
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	if err := db.CountAttempt(t.Context(), first.JTI, o.Clock.Now()); err != nil {
		t.Errorf("the older one: %v", err)
	}
	wantIs(t, db.CountAttempt(t.Context(), second.JTI, o.Clock.Now()), challenge.ErrUnknown)
}

func voided(t *testing.T, o *Opener, nodes []*storage.DB) {
	db := nodes[0]
	c := start(t, db, newChallenge(t, o))
	for range 2 { // the second time is no error
		if err := db.Void(t.Context(), c.JTI); err != nil {
			t.Fatal(err)
		}
	}
	wantIs(t, db.CountAttempt(t.Context(), c.JTI, o.Clock.Now()), challenge.ErrExpired)
	if err := db.Void(t.Context(), "nobody"); err != nil {
		t.Errorf("Void of nobody: %v", err)
	}

	user := NewID(t)
	live := map[string]challenge.Challenge{}
	for _, kind := range []string{"email", "phone", "totp"} {
		c := newChallenge(t, o)
		c.Subject, c.Kind = user, kind
		live[kind] = start(t, db, c)
	}
	stranger := start(t, db, newChallenge(t, o))
	wantVoid := func(want int64, dead []string, kinds ...string) {
		t.Helper()
		n, err := db.VoidAll(t.Context(), user, kinds...)
		if err != nil || n != want {
			t.Fatalf("VoidAll(%v) = %d, %v, want %d", kinds, n, err, want)
		}
		for _, kind := range dead {
			wantIs(t, nodes[1].CountAttempt(t.Context(), live[kind].JTI, o.Clock.Now()), challenge.ErrExpired)
		}
	}
	wantVoid(0, nil, "link")
	wantVoid(1, []string{"email"}, "email", "stepup")
	wantVoid(2, []string{"email", "phone", "totp"})
	wantVoid(0, nil)
	if err := db.CountAttempt(t.Context(), stranger.JTI, o.Clock.Now()); err != nil {
		t.Errorf("the challenge of another user: %v", err)
	}

	paths := [2]challenge.Challenge{}
	for i := range paths {
		c := newChallenge(t, o)
		c.Subject, c.Path = user, fmt.Sprintf("path%d", i)
		paths[i] = start(t, db, c)
	}
	if err := db.VoidPath(t.Context(), user, "email", "path0"); err != nil {
		t.Fatal(err)
	}
	wantIs(t, db.CountAttempt(t.Context(), paths[0].JTI, o.Clock.Now()), challenge.ErrExpired)
	if err := db.CountAttempt(t.Context(), paths[1].JTI, o.Clock.Now()); err != nil {
		t.Errorf("the challenge of another path: %v", err)
	}
	// A void one is superseded like any other.
	again := paths[0]
	again.JTI = state.NewJTI()
	start(t, db, again)
	if err := db.CountAttempt(t.Context(), again.JTI, o.Clock.Now()); err != nil {
		t.Errorf("after a void one: %v", err)
	}
}

func pending(t *testing.T, o *Opener, nodes []*storage.DB) {
	db, now := nodes[0], o.Clock.Now()
	c := newChallenge(t, o)
	c.MaxAttempts = 1
	want := func(want bool, at time.Time) {
		t.Helper()
		got, err := nodes[1].Pending(t.Context(), c.Subject, c.Kind, c.Path, at)
		if err != nil || got != want {
			t.Errorf("Pending = %v, %v, want %v", got, err, want)
		}
	}
	want(false, now)
	start(t, db, c)
	want(true, now)
	want(true, c.ExpiresAt.Add(-time.Microsecond))
	want(false, c.ExpiresAt)
	if err := db.CountAttempt(t.Context(), c.JTI, now); err != nil {
		t.Fatal(err)
	}
	want(false, now)
	for _, end := range []func(jti string) error{
		func(jti string) error { return db.Consume(t.Context(), jti, now) },
		func(jti string) error { return db.Void(t.Context(), jti) },
	} {
		c.JTI = state.NewJTI()
		start(t, db, c)
		want(true, now)
		if err := end(c.JTI); err != nil {
			t.Fatal(err)
		}
		want(false, now)
	}
}

// attemptSurvivesRollback is case attempt_survives_rollback: what follows the
// attempt fails, the try stays counted and the challenge unused.
func attemptSurvivesRollback(t *testing.T, o *Opener, nodes []*storage.DB) {
	db := nodes[0]
	c := start(t, db, newChallenge(t, o))
	if err := db.CountAttempt(t.Context(), c.JTI, o.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.Consume(ctx, c.JTI, o.Clock.Now()); err != nil {
			return err
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	got, err := nodes[1].Challenge(t.Context(), c.JTI)
	if err != nil || got.Attempts != 1 || !got.UsedAt.IsZero() {
		t.Errorf("challenge = %+v, %v, want 1 attempt, not used", got, err)
	}
	if err := db.Consume(t.Context(), c.JTI, o.Clock.Now()); err != nil {
		t.Errorf("Consume after the roll-back: %v", err)
	}
}

// attemptInTransaction: it is refused at once, instead of waiting for the
// transaction that it stands in.
func attemptInTransaction(t *testing.T, o *Opener, nodes []*storage.DB) {
	db := nodes[0]
	c := start(t, db, newChallenge(t, o))
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		wantIs(t, db.CountAttempt(ctx, c.JTI, o.Clock.Now()), challenge.ErrInTransaction)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.Challenge(t.Context(), c.JTI)
	if err != nil || got.Attempts != 0 {
		t.Errorf("%d attempts, %v, want none", got.Attempts, err)
	}
}

func consumeJoins(t *testing.T, o *Opener, nodes []*storage.DB) {
	db := nodes[0]
	c := start(t, db, newChallenge(t, o))
	user := o.Type(t, "User")
	r := o.User(t, "consumed-"+c.JTI+"@example.com")
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.Consume(ctx, c.JTI, o.Clock.Now()); err != nil {
			return err
		}
		return db.Insert(ctx, user, r)
	})
	if err != nil {
		t.Fatal(err)
	}
	get(t, nodes[1], user, r.ID)
	wantIs(t, nodes[1].Consume(t.Context(), c.JTI, o.Clock.Now()), challenge.ErrUsed)
}

// guesses is how many requests race on one challenge.
const guesses = 200

// parallelGuesses is case parallel_guesses_200 for the row.
func parallelGuesses(t *testing.T, o *Opener, nodes []*storage.DB) {
	c := start(t, nodes[0], newChallenge(t, o))
	var compared atomic.Int32
	var wg sync.WaitGroup
	for i := range guesses {
		wg.Go(func() {
			switch err := nodes[i%2].CountAttempt(context.Background(), c.JTI, o.Clock.Now()); {
			case err == nil:
				compared.Add(1)
			case !errors.Is(err, challenge.ErrExhausted):
				t.Errorf("CountAttempt: %v", err)
			}
		})
	}
	wg.Wait()
	got, err := nodes[0].Challenge(t.Context(), c.JTI)
	if compared.Load() != 5 || err != nil || got.Attempts != 5 {
		t.Errorf("%d compared, %d counted, %v, want 5", compared.Load(), got.Attempts, err)
	}
}

// parallelCorrect is the race of right codes: at most five counted, one success,
// and one change that goes with it.
func parallelCorrect(t *testing.T, o *Opener, nodes []*storage.DB) {
	c := start(t, nodes[0], newChallenge(t, o))
	var counted, succeeded atomic.Int32
	var wg sync.WaitGroup
	for i := range guesses {
		node := nodes[i%2]
		wg.Go(func() {
			ctx := context.Background()
			if err := node.CountAttempt(ctx, c.JTI, o.Clock.Now()); err != nil {
				if !errors.Is(err, challenge.ErrExhausted) && !errors.Is(err, challenge.ErrUsed) {
					t.Errorf("CountAttempt: %v", err)
				}
				return
			}
			counted.Add(1)
			err := node.InTx(ctx, func(ctx context.Context) error {
				if err := node.Consume(ctx, c.JTI, o.Clock.Now()); err != nil {
					return err
				}
				return node.BumpFactorEpoch(ctx, c.Subject, c.Path)
			})
			switch {
			case err == nil:
				succeeded.Add(1)
			case !errors.Is(err, challenge.ErrUsed):
				t.Errorf("Consume: %v", err)
			}
		})
	}
	wg.Wait()
	_, epoch, err := nodes[0].Epochs(t.Context(), c.Subject, c.Path)
	if counted.Load() > 5 || counted.Load() < 1 || succeeded.Load() != 1 || epoch != 1 || err != nil {
		t.Errorf("%d counted, %d succeeded, epoch %d, %v", counted.Load(), succeeded.Load(), epoch, err)
	}
}

func parallelStarts(t *testing.T, o *Opener, nodes []*storage.DB) {
	base := newChallenge(t, o)
	jtis := make([]string, 60)
	var wg sync.WaitGroup
	for i := range jtis {
		c := base
		c.JTI = state.NewJTI()
		jtis[i] = c.JTI
		wg.Go(func() {
			if err := nodes[i%2].Start(context.Background(), c); err != nil {
				t.Errorf("Start: %v", err)
			}
		})
	}
	wg.Wait()
	live := 0
	for _, jti := range jtis {
		c, err := nodes[0].Challenge(t.Context(), jti)
		if err != nil {
			t.Fatal(err)
		}
		if c.Judge(o.Clock.Now()) == nil {
			live++
		}
	}
	if live != 1 {
		t.Errorf("%d live, want 1", live)
	}
}

func challengesEndWithUser(t *testing.T, o *Opener, nodes []*storage.DB) {
	db := nodes[0]
	user := o.Type(t, "User")
	r := Add(t, db, user, o.User(t, "leaver-"+state.NewJTI()+"@example.com"))
	c := newChallenge(t, o)
	c.Subject = r.ID
	start(t, db, c)
	if err := db.Delete(t.Context(), user, r.ID); err != nil {
		t.Fatal(err)
	}
	wantIs(t, db.CountAttempt(t.Context(), c.JTI, o.Clock.Now()), challenge.ErrUnknown)
}
