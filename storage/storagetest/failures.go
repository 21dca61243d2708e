package storagetest

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// Failures is the conformance suite of the limits on failed codes and
// passwords.
func Failures(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"five in a row close for five minutes, doubling to an hour", factorCloses},
		{"a hundred in a row disable until reopened", factorDisables},
		{"each factor and user counts apart", factorsApart},
		{"200 parallel guesses on two nodes compare five", factorRace},
		{"counted whatever is rolled back, cleared only with a success", factorCommits},
		{"agrees with a model", factorModel},
		{"passwords are delayed by address", passwordDelays},
		{"a hundred passwords in a row need a known browser", passwordCeiling},
		{"one try of many at once reaches the ceiling", passwordLast},
		{"a success clears the account and its own bucket", passwordSuccess},
		{"200 parallel passwords on two nodes", passwordRace},
		{"a password is not counted inside a transaction", passwordCommits},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

func factorLimits(t *testing.T, o *Opener, db *storage.DB) *throttle.Factors {
	t.Helper()
	f, err := throttle.NewFactors(db, throttle.Limits{}, o.Clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// fail makes n attempts that are let through and wants them counted up to sum.
func fail(t *testing.T, f *throttle.Factors, user, factor string, n, sum int) throttle.Tally {
	t.Helper()
	var tally throttle.Tally
	for range n {
		d, got, err := f.Attempt(t.Context(), user, factor)
		if err != nil || !d.Allowed {
			t.Fatalf("Attempt = %+v, %v, want allowed", d, err)
		}
		tally = got
	}
	if tally.Failures != sum {
		t.Fatalf("%d failures, want %d", tally.Failures, sum)
	}
	return tally
}

func wantClosed(t *testing.T, f *throttle.Factors, user, factor, limit string, wait time.Duration) {
	t.Helper()
	attempt, _, err := f.Attempt(t.Context(), user, factor)
	if err != nil {
		t.Fatal(err)
	}
	check, err := f.Check(t.Context(), user, factor)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []throttle.Decision{attempt, check} {
		if d.Allowed || d.Limit != limit || d.RetryAfter != wait {
			t.Fatalf("%s: %+v, want closed by %s for %v", factor, d, limit, wait)
		}
	}
}

func wantOpen(t *testing.T, f *throttle.Factors, user string) {
	t.Helper()
	if d, err := f.Check(t.Context(), user, "totp"); err != nil || !d.Allowed {
		t.Fatalf("Check = %+v, %v, want open", d, err)
	}
}

func factorCloses(t *testing.T, o *Opener, nodes []*storage.DB) {
	a, b, user := factorLimits(t, o, nodes[0]), factorLimits(t, o, nodes[1]), NewID(t)
	wantOpen(t, a, user)
	sum := 0
	for _, minutes := range []int{5, 10, 20, 40, 60, 60} {
		pause := time.Duration(minutes) * time.Minute
		fail(t, a, user, "totp", 4, sum+4)
		wantOpen(t, b, user)
		sum += 5
		if tally := fail(t, b, user, "totp", 1, sum); !tally.ClosedUntil.Equal(o.Clock.Now().Add(pause)) || tally.Disabled {
			t.Fatalf("after %d failures: %+v", sum, tally)
		}
		wantClosed(t, a, user, "totp", throttle.LimitFactorPaused, pause)
		o.Clock.Advance(pause - time.Second)
		wantClosed(t, b, user, "totp", throttle.LimitFactorPaused, time.Second)
		o.Clock.Advance(time.Second)
		wantOpen(t, a, user)
	}
	if err := a.Succeeded(t.Context(), user, "totp"); err != nil {
		t.Fatal(err)
	}
	if tally := fail(t, b, user, "totp", 5, 5); !tally.ClosedUntil.Equal(o.Clock.Now().Add(5 * time.Minute)) {
		t.Errorf("after a success the pauses begin anew, not with %v", tally.ClosedUntil.Sub(o.Clock.Now()))
	}
}

func factorDisables(t *testing.T, o *Opener, nodes []*storage.DB) {
	f, user := factorLimits(t, o, nodes[0]), NewID(t)
	var tally throttle.Tally
	for sum := 5; sum <= 100; sum += 5 {
		tally = fail(t, f, user, "totp", 5, sum)
		o.Clock.Advance(time.Hour)
	}
	if !tally.Disabled {
		t.Errorf("after 100 failures: %+v", tally)
	}
	for range 3 {
		wantClosed(t, f, user, "totp", throttle.LimitFactorDisabled, time.Hour)
		o.Clock.Advance(365 * 24 * time.Hour)
		if _, err := nodes[0].Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []bool{true, false} {
		if got, err := factorLimits(t, o, nodes[1]).Reopen(t.Context(), user); err != nil || got != want {
			t.Errorf("Reopen = %v, %v, want %v", got, err, want)
		}
	}
	fail(t, f, user, "totp", 1, 1)
}

func factorsApart(t *testing.T, o *Opener, nodes []*storage.DB) {
	f, user, other := factorLimits(t, o, nodes[0]), NewID(t), NewID(t)
	fail(t, f, user, throttle.Enrolment("totp"), 5, 5)
	wantClosed(t, f, user, throttle.Enrolment("totp"), throttle.LimitFactorPaused, 5*time.Minute)
	wantOpen(t, f, user)
	fail(t, f, user, "totp", 3, 3)
	fail(t, f, user, "email", 2, 2)
	fail(t, f, other, "totp", 1, 1)
	if err := f.Succeeded(t.Context(), user, "email"); err != nil {
		t.Fatal(err)
	}
	fail(t, f, user, "totp", 1, 4)
	fail(t, f, user, "email", 1, 1)
	if _, err := f.Reopen(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	fail(t, f, user, throttle.Enrolment("totp"), 1, 1)
	fail(t, f, other, "totp", 1, 2)
}

func factorRace(t *testing.T, o *Opener, nodes []*storage.DB) {
	f := []*throttle.Factors{factorLimits(t, o, nodes[0]), factorLimits(t, o, nodes[1])}
	user := NewID(t)
	var compared atomic.Int32
	var wg sync.WaitGroup
	for i := range guesses {
		wg.Go(func() {
			d, _, err := f[i%2].Attempt(context.Background(), user, "totp")
			if err != nil {
				t.Errorf("Attempt: %v", err)
			}
			if d.Allowed {
				compared.Add(1)
			}
		})
	}
	wg.Wait()
	tally, err := nodes[0].FactorTally(t.Context(), user, "totp")
	if compared.Load() != 5 || err != nil || tally.Failures != 5 {
		t.Errorf("%d compared, %+v, %v, want 5", compared.Load(), tally, err)
	}
}

func factorCommits(t *testing.T, o *Opener, nodes []*storage.DB) {
	db, f, user := nodes[0], factorLimits(t, o, nodes[0]), NewID(t)
	fail(t, f, user, "totp", 2, 2)
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		d, _, err := f.Attempt(ctx, user, "totp")
		wantIs(t, err, throttle.ErrInTransaction)
		if d.Allowed {
			t.Error("an attempt that cannot be counted is allowed")
		}
		if err := f.Succeeded(ctx, user, "totp"); err != nil {
			return err
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	fail(t, f, user, "totp", 1, 3)
}

// factorModel plays random attempts, waits and successes.
func factorModel(t *testing.T, o *Opener, nodes []*storage.DB) {
	f := []*throttle.Factors{factorLimits(t, o, nodes[0]), factorLimits(t, o, nodes[1])}
	rapid.Check(t, func(rt *rapid.T) {
		user, n := NewID(t), 0
		var until time.Time
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			switch rapid.IntRange(0, 12).Draw(rt, "what") {
			case 0:
				n, until = 0, time.Time{}
				if err := f[0].Succeeded(t.Context(), user, "totp"); err != nil {
					rt.Fatal(err)
				}
				continue
			case 1, 2:
				o.Clock.Advance(time.Duration(rapid.SampledFrom([]int{1, 4, 5, 10, 59, 60}).Draw(rt, "wait")) * time.Minute)
			}
			now := o.Clock.Now()
			want := !until.After(now)
			if want {
				if n++; n%5 == 0 {
					pause := 5 * time.Minute
					for range n/5 - 1 {
						pause *= 2
					}
					until = now.Add(min(pause, time.Hour))
				}
			}
			d, tally, err := f[rapid.IntRange(0, 1).Draw(rt, "node")].Attempt(t.Context(), user, "totp")
			if err != nil || d.Allowed != want || tally.Failures != n {
				rt.Fatalf("attempt: %+v, %+v, %v, want %v after %d", d, tally, err, want, n)
			}
			if !want && d.RetryAfter != until.Sub(now) {
				rt.Fatalf("RetryAfter = %v, want %v", d.RetryAfter, until.Sub(now))
			}
		}
	})
}

func passwordLimits(t *testing.T, o *Opener, db *storage.DB) *throttle.Passwords {
	t.Helper()
	p, err := throttle.NewPasswords(throttle.PasswordsConfig{Store: db, Hash: testHasher(t, "passwords"), Now: o.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantTry(t *testing.T, p *throttle.Passwords, try throttle.Try, want throttle.Decision) {
	t.Helper()
	got, err := p.Attempt(t.Context(), try)
	if err != nil || got != want {
		t.Fatalf("Attempt = %+v, %v, want %+v", got, err, want)
	}
}

// address is the n-th of different addresses.
func address(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)}) }

func passwordDelays(t *testing.T, o *Opener, nodes []*storage.DB) {
	a, b := passwordLimits(t, o, nodes[0]), passwordLimits(t, o, nodes[1])
	try := throttle.Try{Account: NewID(t), IP: address(1)}
	ok := throttle.Decision{Allowed: true}
	for range 5 {
		wantTry(t, a, try, ok)
	}
	for _, seconds := range []int{1, 2, 4, 8, 16, 30, 30} {
		delay := time.Duration(seconds) * time.Second
		wantTry(t, b, try, throttle.Decision{RetryAfter: delay, Limit: throttle.LimitPasswordDelay})
		elsewhere := try
		elsewhere.IP = address(1000 + seconds)
		wantTry(t, b, elsewhere, ok) // the owner at another address does not wait
		o.Clock.Advance(delay - time.Microsecond)
		wantTry(t, a, try, throttle.Decision{RetryAfter: time.Microsecond, Limit: throttle.LimitPasswordDelay})
		o.Clock.Advance(time.Microsecond)
		wantTry(t, a, try, ok)
	}
	unknown := throttle.Try{Account: throttle.UnknownLogin("nobody"), IP: address(1)}
	for range 5 {
		wantTry(t, a, unknown, ok)
	}
	wantTry(t, a, unknown, throttle.Decision{RetryAfter: time.Second, Limit: throttle.LimitPasswordDelay})
}

func passwordCeiling(t *testing.T, o *Opener, nodes []*storage.DB) {
	p, account := passwordLimits(t, o, nodes[0]), NewID(t)
	ok := throttle.Decision{Allowed: true}
	for i := range 100 {
		wantTry(t, p, throttle.Try{Account: account, IP: address(i)}, throttle.Decision{Allowed: true, Last: i == 99})
	}
	ceiling := throttle.Decision{RetryAfter: 30 * time.Second, Limit: throttle.LimitPasswordCeiling}
	wantTry(t, p, throttle.Try{Account: account, IP: address(200)}, ceiling)
	o.Clock.Advance(24 * time.Hour)
	wantTry(t, p, throttle.Try{Account: account, IP: address(200)}, ceiling)
	wantTry(t, p, throttle.Try{Account: NewID(t), IP: address(200)}, ok)
	known := throttle.Try{Account: account, IP: address(200), Known: true}
	for range 5 {
		wantTry(t, p, known, ok)
	}
	// The cookie lifts the ceiling and nothing else.
	wantTry(t, p, known, throttle.Decision{RetryAfter: time.Second, Limit: throttle.LimitPasswordDelay})
	if err := p.Succeeded(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	wantTry(t, p, throttle.Try{Account: account, IP: address(201)}, ok)
}

func passwordSuccess(t *testing.T, o *Opener, nodes []*storage.DB) {
	p, account := passwordLimits(t, o, nodes[0]), NewID(t)
	ok := throttle.Decision{Allowed: true}
	owner, stranger := throttle.Try{Account: account, IP: address(1)}, throttle.Try{Account: account, IP: address(2)}
	for _, try := range []throttle.Try{owner, stranger} {
		for range 5 {
			wantTry(t, p, try, ok)
		}
	}
	err := nodes[0].InTx(t.Context(), func(ctx context.Context) error {
		if err := p.Succeeded(ctx, owner); err != nil {
			return err
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	delayed := throttle.Decision{RetryAfter: time.Second, Limit: throttle.LimitPasswordDelay}
	wantTry(t, p, owner, delayed)
	if err := p.Succeeded(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	wantTry(t, p, owner, ok)
	wantTry(t, p, stranger, delayed)
}

func passwordRace(t *testing.T, o *Opener, nodes []*storage.DB) {
	p := []*throttle.Passwords{passwordLimits(t, o, nodes[0]), passwordLimits(t, o, nodes[1])}
	race := func(try func(i int) throttle.Try) int32 {
		var compared atomic.Int32
		var wg sync.WaitGroup
		for i := range guesses {
			wg.Go(func() {
				d, err := p[i%2].Attempt(context.Background(), try(i))
				if err != nil {
					t.Errorf("Attempt: %v", err)
				}
				if d.Allowed {
					compared.Add(1)
				}
			})
		}
		wg.Wait()
		return compared.Load()
	}
	account := NewID(t)
	if n := race(func(int) throttle.Try { return throttle.Try{Account: account, IP: address(1)} }); n != 5 {
		t.Errorf("%d of 200 parallel tries from one address compared, want 5", n)
	}
	spread := NewID(t)
	if n := race(func(i int) throttle.Try { return throttle.Try{Account: spread, IP: address(i)} }); n != 100 {
		t.Errorf("%d of 200 parallel tries from everywhere compared, want 100", n)
	}
}

// Whoever reaches the ceiling is told so, so that its user is told once.
func passwordLast(t *testing.T, o *Opener, nodes []*storage.DB) {
	p := []*throttle.Passwords{passwordLimits(t, o, nodes[0]), passwordLimits(t, o, nodes[1])}
	account := NewID(t)
	var last atomic.Int32
	var wg sync.WaitGroup
	for i := range 150 {
		wg.Go(func() {
			d, err := p[i%2].Attempt(context.Background(), throttle.Try{Account: account, IP: address(i)})
			if err != nil {
				t.Errorf("Attempt: %v", err)
			}
			if d.Last {
				last.Add(1)
			}
		})
	}
	wg.Wait()
	if n := last.Load(); n != 1 {
		t.Errorf("%d tries are the last, want 1", n)
	}
	d, err := p[0].Attempt(t.Context(), throttle.Try{Account: account, IP: address(999), Known: true})
	if err != nil || !d.Allowed || d.Last {
		t.Errorf("a known browser past the ceiling: %+v, %v", d, err)
	}
}

func passwordCommits(t *testing.T, o *Opener, nodes []*storage.DB) {
	p := passwordLimits(t, o, nodes[0])
	err := nodes[0].InTx(t.Context(), func(ctx context.Context) error {
		d, err := p.Attempt(ctx, throttle.Try{Account: "a", IP: address(1)})
		wantIs(t, err, throttle.ErrInTransaction)
		if d.Allowed {
			t.Error("a try that cannot be counted is allowed")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
