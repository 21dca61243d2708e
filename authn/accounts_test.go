package authn_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/session"
)

var plain = want{ACRs: []string{"Default"}}

// TestSwitchAccountEmptiesLedger: what ann has proved never counts for bob, and
// his login starts another session.
func TestSwitchAccountEmptiesLedger(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		b, id := w.atCode(mfa)
		b.mustCode(id, w.appCode())
		anns := stepIs[authn.Ready](w, b.next(id)).Session.ID
		w.check(b.e.Another(w.Context(), b.v, b.load(id)))
		if ask := stepIs[authn.AskLogin](w, b.next(id)); ask.User != nil {
			t.Errorf("still about %+v", ask.User)
		}
		b.mustLogin(id, "bob", bobPassword)
		stepIs[authn.Failed](w, b.next(id)) // he has no second factor, whatever she has shown
		easy := b.begin(plain)
		ask := stepIs[authn.AskAccount](w, b.next(easy))
		if len(ask.Accounts) != 2 || ask.Accounts[0].User.ID != w.bob || ask.Accounts[1].SessionID != anns {
			t.Fatalf("accounts %+v", ask.Accounts)
		}
		refused(w, b.login(easy, "bob", bobPassword), authn.OutOfStep)
		g, err := b.e.Account(w.Context(), b.v, b.load(easy), anns)
		w.check(err)
		b.take(g)
		ready := b.mustIssue(easy)
		if ready.User.ID != w.ann || ready.Session.ID != anns || len(b.v.Sessions) != 2 {
			t.Errorf("issued for %s in %s", ready.User.UserName, ready.Session.ID)
		}
		for _, p := range ready.Session.Proofs {
			if p.User != w.ann {
				t.Errorf("a proof of %s in the session of ann", p.User)
			}
		}
		if all := must(b.e.Accounts(w.Context(), b.v))(w); all[0].User.ID != w.ann {
			t.Error("the account in use is not first")
		}
	})
}

// TestForeignSessionIsNoAccount: a session that the browser does not hold cannot
// be picked.
func TestForeignSessionIsNoAccount(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		victim := w.browser()
		victim.mustLogin(victim.begin(plain), "ann", annPassword)
		anns := must(victim.e.Accounts(w.Context(), victim.v))(w)[0].SessionID
		b := w.browser()
		b.mustLogin(b.begin(plain), "bob", bobPassword)
		id := b.begin(plain)
		_, err := b.e.Account(w.Context(), b.v, b.load(id), anns)
		refused(w, err, authn.OutOfStep)
		_, err = b.e.Logout(w.Context(), b.v, anns)
		w.check(err)
		victim.mustIssue(victim.begin(plain))
	})
}

// TestSubjectIsEnforced: an answer that must be about bob is never about ann.
func TestSubjectIsEnforced(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		about := want{ACRs: []string{"Default"}, Subject: w.bob}
		b := w.browser()
		b.mustLogin(b.begin(plain), "ann", annPassword)
		id := b.begin(about)
		if ask := stepIs[authn.AskLogin](w, b.next(id)); !ask.Fixed || ask.User != nil {
			t.Errorf("asked %+v", ask)
		}
		refused(w, b.login(id, "ann", annPassword), authn.BadCredentials)
		refused(w, b.e.Another(w.Context(), b.v, b.load(id)), authn.OutOfStep)
		_, err := b.e.Account(w.Context(), b.v, b.load(id), must(b.e.Accounts(w.Context(), b.v))(w)[0].SessionID)
		refused(w, err, authn.OutOfStep)
		silent := b.begin(want{ACRs: []string{"Default"}, Subject: w.bob, Silent: true})
		if f := stepIs[authn.Failed](w, b.next(silent)); f.Reason != acr.LoginRequired {
			t.Errorf("silent: %v", f.Reason)
		}
		b.mustLogin(id, "bob", bobPassword)
		if r := b.mustIssue(id); r.User.ID != w.bob {
			t.Errorf("issued for %s", r.User.UserName)
		}
		if r := b.mustIssue(b.begin(about)); r.User.ID != w.bob { // picked although two are there
			t.Errorf("issued for %s", r.User.UserName)
		}
	})
}

// TestSelectAccount asks although there is one.
func TestSelectAccount(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		choose := func(n *authn.NewTxn) { n.SelectAccount = true }
		b := w.browser()
		id := b.begin(plain, choose)
		stepIs[authn.AskLogin](w, b.next(id))
		b.mustLogin(id, "ann", annPassword)
		b.mustIssue(id) // who has just logged in has chosen
		id = b.begin(plain, choose)
		ask := stepIs[authn.AskAccount](w, b.next(id))
		if len(ask.Accounts) != 1 {
			t.Fatalf("accounts %+v", ask.Accounts)
		}
		if _, err := b.issue(id); !errors.Is(err, authn.ErrNotReady) {
			t.Errorf("Issue = %v", err)
		}
		_, err := b.e.Account(w.Context(), b.v, b.load(id), ask.Accounts[0].SessionID)
		w.check(err)
		b.mustIssue(id)
	})
}

// TestOneSessionPerAccount: whoever logs in again goes on with the session of
// that account, and five accounts are the most.
func TestOneSessionPerAccount(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.browser()
		id := b.begin(plain)
		b.mustLogin(id, "ann", annPassword)
		first := b.mustIssue(id).Session.ID
		id = b.begin(want{ACRs: []string{"Default"}, Login: true})
		ask := stepIs[authn.AskLogin](w, b.next(id))
		if ask.User == nil || ask.User.ID != w.ann || ask.Reason != acr.Fresh {
			t.Errorf("asked %+v", ask)
		}
		b.mustLogin(id, "bob", annPassword) // the name is not read
		again := b.mustIssue(id).Session
		if again.ID != first || len(again.Proofs) != 2 || len(b.v.Sessions) != 1 {
			t.Errorf("session %s with %d proofs", again.ID, len(again.Proofs))
		}
		for n := range 6 {
			name := string(rune('f'+n)) + "-user"
			w.user(map[string]any{"userName": name, "active": true}, annPassword)
			id := b.begin(plain)
			w.check(b.e.Another(w.Context(), b.v, b.load(id)))
			b.mustLogin(id, name, annPassword)
		}
		if len(b.v.Sessions) != authn.MostAccounts {
			t.Errorf("%d sessions in the cookie", len(b.v.Sessions))
		}
	})
}

// TestMaxAgeZeroTerminates: proofs of the transaction count, however slow the
// person is; alone and with a second factor.
func TestMaxAgeZeroTerminates(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.enrolApp()
		for _, r := range []want{
			{ACRs: []string{"MFA"}, MaxAge: new(time.Duration(0))},
			{ACRs: []string{"MFA"}, Login: true},
			{ACRs: []string{"MFA"}, MaxAge: new(time.Minute)},
		} {
			w.o.Clock.Advance(2 * time.Minute)
			b := w.browser()
			b.mustLogin(b.begin(plain), "ann", annPassword)
			w.o.Clock.Advance(2 * time.Minute)
			id := b.begin(r)
			stepIs[authn.AskLogin](w, b.next(id))
			b.mustLogin(id, "", annPassword)
			w.o.Clock.Advance(90 * time.Second)
			stepIs[authn.AskCode](w, b.next(id))
			b.mustCode(id, w.appCode())
			b.mustIssue(id)
		}
	})
}

// TestTxnIssuesOneCode: of many who finish one transaction one gets an answer.
func TestTxnIssuesOneCode(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.browser()
		id := b.begin(plain)
		b.mustLogin(id, "ann", annPassword)
		txn := b.load(id)
		nodes := []*authn.Engine{w.engine, w.node(w.o.Open(w), nil)}
		var issued atomic.Int64
		var wg sync.WaitGroup
		for n := range 40 {
			wg.Go(func() {
				ran := false
				err := nodes[n%2].Issue(w.Context(), b.v, txn, func(context.Context, authn.Ready) error {
					ran = true
					return nil
				})
				if err == nil && ran {
					issued.Add(1)
				} else if !errors.Is(err, authn.ErrTxnSpent) {
					t.Errorf("Issue = %v", err)
				}
			})
		}
		wg.Wait()
		if issued.Load() != 1 {
			t.Errorf("%d answers, want 1", issued.Load())
		}
		if _, err := b.e.Load(w.Context(), b.v, id); !errors.Is(err, authn.ErrTxnSpent) {
			t.Errorf("Load = %v", err)
		}
	})
}

// TestIssueUndoes: when the answer cannot be written, the transaction is not
// spent.
func TestIssueUndoes(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.browser()
		id := b.begin(plain)
		b.mustLogin(id, "ann", annPassword)
		undo := errors.New("undo")
		err := b.e.Issue(w.Context(), b.v, b.load(id), func(context.Context, authn.Ready) error { return undo })
		if !errors.Is(err, undo) {
			t.Errorf("Issue = %v", err)
		}
		b.mustIssue(id)
	})
}

// TestUnkeptTransaction: a silent request needs no row.
func TestUnkeptTransaction(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.mustLogin(b.begin(plain), "ann", annPassword)
		silent := must(b.e.Begin(b.v, authn.NewTxn{Purpose: "test", Request: []byte(`{"acrs":["Default"],"silent":true}`)}))(w)
		step, _, err := b.e.Next(w.Context(), b.v, silent)
		w.check(err)
		stepIs[authn.Ready](w, step)
		w.check(b.e.Issue(w.Context(), b.v, silent, func(context.Context, authn.Ready) error { return nil }))
		if _, err := w.db.Txn(w.Context(), silent.ID); !errors.Is(err, authn.ErrTxnUnknown) {
			t.Errorf("the transaction was stored: %v", err)
		}
		b.v.Sessions = nil
		step, _, err = b.e.Next(w.Context(), b.v, silent)
		w.check(err)
		if f := stepIs[authn.Failed](w, step); f.Reason != acr.LoginRequired {
			t.Errorf("failed with %v", f.Reason)
		}
		if _, err := b.e.Begin(b.v, authn.NewTxn{Purpose: "other"}); err == nil {
			t.Error("a purpose that nobody handles was taken")
		}
		nobody := authn.Visitor{}
		if err := b.e.Keep(w.Context(), must(b.e.Begin(nobody, authn.NewTxn{Purpose: "test"}))(w)); err == nil {
			t.Error("a transaction of no browser was kept")
		}
	})
}

// TestTransactionOfAnotherBrowser: it is not known there, and every step of it
// is refused, also with what was loaded.
func TestTransactionOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.browser()
		id := b.begin(plain)
		txn := b.load(id)
		thief := w.browser()
		thief.v.Sessions = b.v.Sessions
		for _, v := range []authn.Visitor{thief.v, {}} {
			if _, err := b.e.Load(w.Context(), v, id); !errors.Is(err, authn.ErrTxnUnknown) {
				t.Errorf("Load = %v", err)
			}
			if _, _, err := b.e.Next(w.Context(), v, txn); !errors.Is(err, authn.ErrTxnUnknown) {
				t.Errorf("Next = %v", err)
			}
			if _, err := b.e.Login(w.Context(), v, txn, "ann", annPassword); !errors.Is(err, authn.ErrTxnUnknown) {
				t.Errorf("Login = %v", err)
			}
			err := b.e.Issue(w.Context(), v, txn, func(context.Context, authn.Ready) error { return nil })
			if !errors.Is(err, authn.ErrTxnUnknown) {
				t.Errorf("Issue = %v", err)
			}
		}
		for _, id := range []string{"", "x", "01234567-89ab-7def-8123-456789abcdef"} {
			if _, err := b.e.Load(w.Context(), b.v, id); !errors.Is(err, authn.ErrTxnUnknown) {
				t.Errorf("Load(%q) = %v", id, err)
			}
		}
	})
}

// TestTransactionExpires: after 10 minutes without a step, and after 30 in all.
func TestTransactionExpires(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		b := w.browser()
		idle := b.begin(plain)
		used := b.begin(mfa)
		b.mustLogin(used, "ann", annPassword)
		txn := b.load(used)
		for range 3 {
			w.o.Clock.Advance(9*time.Minute + 59*time.Second)
			w.check(b.choose(used, "", acr.TOTP, ""))
		}
		if _, err := b.e.Load(w.Context(), b.v, idle); !errors.Is(err, authn.ErrTxnExpired) {
			t.Errorf("Load of the idle one = %v", err)
		}
		w.o.Clock.Advance(3 * time.Second)
		if _, err := b.e.Load(w.Context(), b.v, used); !errors.Is(err, authn.ErrTxnExpired) {
			t.Errorf("Load after 30 minutes = %v", err)
		}
		if _, err := b.e.Code(w.Context(), b.v, txn, w.appCode()); !errors.Is(err, authn.ErrTxnExpired) {
			t.Errorf("Code = %v", err)
		}
		swept := must(w.db.Sweep(w.Context()))(w)
		w.o.Clock.Advance(2 * time.Hour)
		again := must(w.db.Sweep(w.Context()))(w)
		if swept.Logins != 0 || again.Logins < 2 {
			t.Errorf("swept %d, then %d", swept.Logins, again.Logins)
		}
	})
}

// TestLogoutDuringLogin: a logout while the page for the code is open.
func TestLogoutDuringLogin(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		b, id := w.atCode(mfa)
		held := slices.Clone(b.v.Sessions)
		all := must(b.e.Accounts(w.Context(), b.v))(w)
		g, err := b.e.Logout(w.Context(), b.v, all[0].SessionID)
		w.check(err)
		if g.Sessions == nil || len(g.Sessions) != 0 {
			t.Errorf("cookie after the logout %v", g.Sessions)
		}
		// The browser sends the old cookie, and then none.
		for _, sessions := range [][]string{held, nil} {
			b.v.Sessions = sessions
			refused(w, b.code(id, w.appCode()), authn.OutOfStep)
			if ask := stepIs[authn.AskLogin](w, b.next(id)); ask.User != nil {
				t.Errorf("still about %+v", ask.User)
			}
			if _, err := b.issue(id); !errors.Is(err, authn.ErrNotReady) {
				t.Errorf("Issue = %v", err)
			}
		}
		if n := len(w.events(audit.SessionEnded)); n != 1 {
			t.Errorf("%d ends in the record", n)
		}
		b.mustLogin(id, "ann", annPassword)
		b.mustCode(id, w.appCode())
		b.mustIssue(id)
	})
}

// TestVerifyUnlocks: what the person wants beyond what is required is asked for
// until it is given or skipped.
func TestVerifyUnlocks(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		b := w.browser()
		id := b.begin(plain)
		b.mustLogin(id, "ann", annPassword)
		stepIs[authn.Ready](w, b.next(id))
		refused(w, b.e.Verify(w.Context(), b.v, b.load(id), ""), authn.Missing)
		w.check(b.e.Verify(w.Context(), b.v, b.load(id), "MFA"))
		w.check(b.e.Verify(w.Context(), b.v, b.load(id), "MFA"))
		if got := b.load(id).Progress.Verify; !slices.Equal(got, []string{"MFA"}) {
			t.Errorf("verify %v", got)
		}
		stepIs[authn.AskCode](w, b.next(id))
		w.check(b.e.Skip(w.Context(), b.v, b.load(id)))
		stepIs[authn.Ready](w, b.next(id))
		w.check(b.e.Verify(w.Context(), b.v, b.load(id), "MFA"))
		b.mustCode(id, w.appCode())
		if got := b.load(id).Progress.Verify; !slices.Equal(got, []string{"MFA"}) {
			t.Errorf("after the proof verify %v", got)
		}
		b.mustIssue(id)
	})
}

// TestSecretsAreHashed: no row holds the secret of a cookie.
func TestSecretsAreHashed(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.browser()
		id := b.begin(plain)
		b.mustLogin(id, "ann", annPassword)
		s := must(w.db.SessionBySecret(w.Context(), session.Hash(b.v.Sessions[0]), w.o.Clock.Now()))(w)
		if len(s.SecretHash) != 32 || string(s.SecretHash) == b.v.Sessions[0] || s.ID == b.v.Sessions[0] {
			t.Errorf("session %+v", s)
		}
		if txn := b.load(id); string(txn.BrowserHash) == b.v.Browser || len(txn.BrowserHash) != 32 {
			t.Error("the transaction holds the secret of the browser")
		}
	})
}
