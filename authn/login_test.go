package authn_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
)

func TestPasswordLogsIn(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.browser()
		id := b.begin(want{ACRs: []string{"Default"}}, func(n *authn.NewTxn) { n.LoginHint = "ann" })
		ask := stepIs[authn.AskLogin](w, b.next(id))
		if ask.Hint != "ann" || ask.User != nil || !slices.Equal(ask.Factors, []acr.Factor{acr.Password}) || ask.Reason != acr.Missing {
			t.Errorf("asked %+v", ask)
		}
		b.mustLogin(id, "aNN", annPassword)
		if len(b.v.Sessions) != 1 || len(b.v.Known) != 1 {
			t.Fatalf("cookies %v, %v", b.v.Sessions, b.v.Known)
		}
		stepIs[authn.Ready](w, b.next(id))
		ready := b.mustIssue(id)
		if ready.User.ID != w.ann || ready.User.DisplayName() != "Ann Veil" || ready.Issue.ACR != "Default" ||
			!slices.Equal(ready.Issue.AMR, []string{"pwd"}) || !ready.Issue.AuthTime.Equal(w.o.Clock.Now()) {
			t.Errorf("ready %+v", ready.Issue)
		}
		for _, name := range []audit.Name{audit.LoginSucceeded, audit.SessionStarted} {
			all := w.events(name)
			if len(all) != 1 || all[0].Actor.ID != w.ann || all[0].Actor.Client != "app" || all[0].Session != ready.Session.ID || all[0].IP != "192.0.2.1" {
				t.Errorf("events %s: %+v", name, all)
			}
		}
	})
}

// TestLoginByEmail: an address that exactly one user has is a login too.
func TestLoginByEmail(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.mustLogin(b.begin(want{ACRs: []string{"Default"}}), "ANN@work.example", annPassword)
		w.edit(w.bob, func(o schema.Object) { o["emails"] = []any{schema.Object{"value": "Ann@Work.example"}} })
		c := w.browser()
		refused(w, c.login(c.begin(want{ACRs: []string{"Default"}}), "ann@work.example", annPassword), authn.BadCredentials)
	})
}

// TestLoginTellsNothing: unknown, inactive and wrong are answered alike, after
// the same work, and so are the tries that come too early (security.md 2.2, 5).
func TestLoginTellsNothing(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.active(w.bob, false)
		answers := map[string][]string{}
		for _, name := range []string{"ann", "nobody", "bob"} {
			b := w.browser()
			id := b.begin(want{ACRs: []string{"Default"}})
			for n := range 6 {
				password := "wrong"
				if name == "bob" {
					password = bobPassword
				}
				before := w.hasher.verified.Load()
				r := refused(w, b.login(id, name, password), authn.BadCredentials)
				answers[name] = append(answers[name], fmt.Sprint(n, r.RetryAfter, w.hasher.verified.Load()-before))
				if r.RetryAfter == 0 {
					continue
				}
				if n != 5 || len(w.events(audit.LoginThrottled)) == 0 {
					t.Errorf("try %d of %s was throttled", n, name)
				}
			}
			if got := stepIs[authn.AskLogin](w, b.next(id)); got.User != nil {
				t.Errorf("after failures of %s the page knows %+v", name, got.User)
			}
		}
		if diff := cmp.Diff(answers["ann"], answers["nobody"]); diff != "" {
			t.Errorf("known and unknown differ:\n%s", diff)
		}
		if diff := cmp.Diff(answers["ann"], answers["bob"]); diff != "" {
			t.Errorf("known and inactive differ:\n%s", diff)
		}
		if w.hasher.dummies.Load() == 0 {
			t.Error("no dummy work was done for the unknown user")
		}
		reasons := map[string]bool{}
		for _, ev := range w.events(audit.LoginRefused) {
			reasons[ev.Reason] = true
			if strings.Contains(string(ev.Detail), "nobody") {
				t.Errorf("the typed name stands in %s", ev.Detail)
			}
		}
		if !reasons["inactive"] || !reasons["no_user"] || !reasons["bad_credentials"] {
			t.Errorf("reasons %v", reasons)
		}
	})
}

// TestSpellingsShareACounter: security.md 2.1, row 25 of section 8.
func TestSpellingsShareACounter(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.browser()
		id := b.begin(want{ACRs: []string{"Default"}})
		for _, name := range []string{"ann", "ANN", "Ann", "ann@work.example", "ANN@WORK.example"} {
			refused(w, b.login(id, name, "wrong"), authn.BadCredentials)
		}
		if r := refused(w, b.login(id, "aNn", annPassword), authn.BadCredentials); r.RetryAfter <= 0 {
			t.Error("the sixth try was not too early")
		}
		w.o.Clock.Advance(time.Second)
		b.mustLogin(id, "aNn", annPassword)
	})
}

// TestKnownBrowserPassesCeiling: a mark lifts only the ceiling, and dies with
// the password.
func TestKnownBrowserPassesCeiling(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		known := w.browser()
		known.mustLogin(known.begin(want{ACRs: []string{"Default"}}), "ann", annPassword)
		known.v.Sessions = nil
		stranger := w.browser()
		id := stranger.begin(want{ACRs: []string{"Default"}})
		for n := range 110 {
			w.o.Clock.Advance(time.Second * 31)
			if n%15 == 0 {
				id = stranger.begin(want{ACRs: []string{"Default"}})
			}
			refused(w, stranger.login(id, "ann", "wrong"), authn.BadCredentials)
		}
		w.o.Clock.Advance(time.Minute)
		fresh := w.browser()
		refused(w, fresh.login(fresh.begin(want{ACRs: []string{"Default"}}), "ann", annPassword), authn.BadCredentials)
		forged := w.browser()
		forged.v.Known = []string{known.v.Known[0] + "x", strings.Repeat("A", 43), ""}
		refused(w, forged.login(forged.begin(want{ACRs: []string{"Default"}}), "ann", annPassword), authn.BadCredentials)
		known.mustLogin(known.begin(want{ACRs: []string{"Default"}}), "ann", annPassword)
	})
}

// TestRehash: a hash by older parameters is replaced by a login, which ends
// nothing.
func TestRehash(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.check(w.db.SetPassword(w.Context(), w.ann, "old:"+w.hasher.sum("pa\u0308ssword"), w.o.Clock.Now()))
		before := must(w.db.UserByID(w.Context(), w.ann))(w)
		b := w.browser()
		b.mustLogin(b.begin(want{ACRs: []string{"Default"}}), "ann", "pässword") // NFC of what was set
		now := must(w.db.Password(w.Context(), w.ann))(w)
		if !strings.HasPrefix(now.Hash, "new:") {
			t.Errorf("hash %q was not replaced", now.Hash)
		}
		if after := must(w.db.UserByID(w.Context(), w.ann))(w); after.Epoch != before.Epoch {
			t.Error("the epoch moved")
		}
	})
}

// TestSessionIDRotates: the secret is another one after every proof, and the
// earlier one is dead (ASVS 7.2.4).
func TestSessionIDRotates(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		b := w.browser()
		id := b.begin(want{ACRs: []string{"MFA"}})
		b.mustLogin(id, "ann", annPassword)
		first := b.v.Sessions[0]
		stepIs[authn.AskCode](w, b.next(id))
		b.mustCode(id, w.appCode())
		second := b.v.Sessions[0]
		if first == second || len(b.v.Sessions) != 1 {
			t.Fatal("the secret did not change")
		}
		old := *b
		old.v.Sessions = []string{first}
		if all := must(b.e.Accounts(w.Context(), old.v))(w); len(all) != 0 {
			t.Errorf("the earlier secret still has accounts %+v", all)
		}
		if ready := b.mustIssue(id); ready.Issue.ACR != "MFA" || !slices.Equal(ready.Issue.AMR, []string{"mfa", "otp", "pwd"}) {
			t.Errorf("issue %+v", ready.Issue)
		}
		if len(w.events(audit.SessionRotated)) != 1 || len(w.events(audit.LoginStepUp)) != 1 {
			t.Error("rotation or step-up is not in the record")
		}
	})
}

// TestMustChangePassword: a password that must be changed is, before anything
// else, also in a transaction that is begun anew.
func TestMustChangePassword(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		w.check(w.db.SetMustChange(w.Context(), w.ann, true))
		other := w.browser()
		other.mustLogin(other.begin(want{ACRs: []string{"Default"}}), "ann", annPassword)
		b := w.browser()
		b.mustLogin(b.begin(want{ACRs: []string{"MFA"}}), "ann", annPassword)
		id := b.begin(want{ACRs: []string{"MFA"}}) // another tab, or begun again
		ask := stepIs[authn.AskNewPassword](w, b.next(id))
		if ask.User.ID != w.ann || ask.MinLength != 8 {
			t.Errorf("asked %+v", ask)
		}
		if _, err := b.issue(b.begin(want{ACRs: []string{"Default"}})); !errors.Is(err, authn.ErrNotReady) {
			t.Errorf("Issue = %v", err)
		}
		silent := b.begin(want{ACRs: []string{"Default"}, Silent: true})
		if f := stepIs[authn.Failed](w, b.next(silent)); f.Reason != acr.InteractionRequired {
			t.Errorf("silent: %v", f.Reason)
		}
		set := func(text string) error {
			g, err := b.e.NewPassword(w.Context(), b.v, b.load(id), text)
			b.take(g)
			return err
		}
		refused(w, b.code(id, w.appCode()), authn.OutOfStep)
		refused(w, set(""), authn.Missing)
		refused(w, set("short"), authn.PasswordRules)
		refused(w, set(annPassword), authn.PasswordRules)
		refused(w, set("in the list"), authn.PasswordRules)
		was := b.v.Sessions[0]
		w.check(set("another fine password"))
		if b.v.Sessions[0] == was {
			t.Error("the session kept its secret")
		}
		refused(w, set("a third fine password"), authn.OutOfStep)
		if all := must(b.e.Accounts(w.Context(), other.v))(w); len(all) != 0 {
			t.Error("another session outlived the change")
		}
		stepIs[authn.AskCode](w, b.next(id))
		b.mustCode(id, w.appCode())
		b.mustIssue(id)
		if len(w.events(audit.PasswordChanged)) != 1 {
			t.Error("the change is not in the record")
		}
		c := w.browser()
		id = c.begin(want{ACRs: []string{"Default"}})
		refused(w, c.login(id, "ann", annPassword), authn.BadCredentials)
		c.mustLogin(id, "ann", "another fine password")
		stepIs[authn.Ready](w, c.next(id))
	})
}

// TestPassword12hTOTP6h is the example of the original over a simulated day: on
// one session the app is asked again after 6 h, the password after 12 h, and
// neither in between; on two nodes.
func TestPassword12hTOTP6h(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		nodes := []*authn.Engine{w.engine, w.node(w.o.Open(w), nil)}
		b := w.browser()
		var password, app time.Time
		session := ""
		for minute := 0; minute < 23*60; minute += 20 {
			now := w.o.Clock.Now()
			b.e = nodes[minute/20%2]
			id := b.begin(want{ACRs: []string{"MFA"}})
			step := b.next(id)
			_, askedPassword := step.(authn.AskLogin)
			if wantPassword := password.IsZero() || now.Sub(password) > day12; askedPassword != wantPassword {
				t.Fatalf("after %d min: %T, password wanted %v", minute, step, wantPassword)
			}
			if askedPassword {
				b.mustLogin(id, "ann", annPassword)
				password = now
				step = b.next(id)
			}
			_, askedApp := step.(authn.AskCode)
			if wantApp := app.IsZero() || now.Sub(app) > day6; askedApp != wantApp {
				t.Fatalf("after %d min: %T, app wanted %v", minute, step, wantApp)
			}
			if askedApp {
				b.mustCode(id, w.appCode())
				app = now
			}
			ready := b.mustIssue(id)
			if oldest := ready.Issue.AuthTime; !oldest.Equal(earlier(password, app)) {
				t.Fatalf("after %d min: auth_time %v, want %v", minute, oldest, earlier(password, app))
			}
			if session != "" && ready.Session.ID != session {
				t.Fatalf("after %d min: another session", minute)
			}
			session = ready.Session.ID
			w.o.Clock.Advance(20 * time.Minute)
		}
	})
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// TestSessionEndsIdleAndAbsolute: security.md 1.
func TestSessionEndsIdleAndAbsolute(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		e := w.node(w.db, func(c *authn.Config) { c.Life = authn.SessionLife{Idle: time.Hour, Absolute: 3 * time.Hour} })
		b := w.browser()
		b.e = e
		b.mustLogin(b.begin(want{ACRs: []string{"Default"}}), "ann", annPassword)
		for range 4 { // used every 44 minutes, it lives
			w.o.Clock.Advance(44 * time.Minute)
			b.mustIssue(b.begin(want{ACRs: []string{"Default"}}))
		}
		w.o.Clock.Advance(5 * time.Minute) // 181 minutes in all
		stepIs[authn.AskLogin](w, b.next(b.begin(want{ACRs: []string{"Default"}})))
		b.mustLogin(b.begin(want{ACRs: []string{"Default"}}), "ann", annPassword)
		w.o.Clock.Advance(time.Hour)
		stepIs[authn.AskLogin](w, b.next(b.begin(want{ACRs: []string{"Default"}})))
	})
}

// failing is a store of audit events that does not work.
type failing struct{}

func (failing) Append(context.Context, ...audit.Event) error { return errors.New("disk full") }

// TestFailsClosed: what cannot be counted or recorded is refused, and nothing
// of it stays.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.browser()
		id := b.begin(want{ACRs: []string{"Default"}})
		b.e = w.node(w.db, func(c *authn.Config) { c.Audit = failing{} })
		for _, password := range []string{annPassword, "wrong"} {
			err := b.login(id, "ann", password)
			if _, refusal := errors.AsType[*authn.Refusal](err); err == nil || refusal {
				t.Errorf("login without a record: %v", err)
			}
		}
		if len(b.v.Sessions) != 0 {
			t.Error("a session was granted")
		}
		stepIs[authn.AskLogin](w, b.next(id))
		// The tries stay counted although their transactions failed.
		b.e = w.engine
		for range 3 {
			refused(w, b.login(id, "ann", "wrong"), authn.BadCredentials)
		}
		if r := refused(w, b.login(id, "ann", annPassword), authn.BadCredentials); r.RetryAfter <= 0 {
			t.Error("the tries before were not counted")
		}
	})
}

// TestOddUserAgent: whatever a browser calls itself, it logs in.
func TestOddUserAgent(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		for _, agent := range []string{"Caf\xe9/1.0", strings.Repeat("x", 255) + "ö"} {
			b := w.browser()
			b.v.UserAgent = agent
			id := b.begin(want{ACRs: []string{"Default"}})
			b.mustLogin(id, "ann", annPassword)
			b.mustIssue(id)
		}
	})
}
