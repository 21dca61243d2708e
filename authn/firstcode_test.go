package authn_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
)

var mail = want{ACRs: []string{"Mail"}}

// TestCodeInPlaceOfPassword: a queued code to a validated address logs in,
// whether or not second factors are switched on.
func TestCodeInPlaceOfPassword(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		b := w.browser()
		id := b.begin(mail)
		if ask := stepIs[authn.AskLogin](w, b.next(id)); len(ask.Factors) != 3 {
			t.Errorf("factors %v", ask.Factors)
		}
		refused(w, b.choose(id, "", acr.EmailOTP, ""), authn.Missing)
		refused(w, b.choose(id, "ann", acr.Password, ""), authn.OutOfStep)
		refused(w, b.choose(id, "ann", acr.VoiceOTP, ""), authn.OutOfStep)
		w.check(b.choose(id, "ann", acr.EmailOTP, ""))
		if w.messages() != 0 {
			t.Error("the message went out before the answer")
		}
		if n, err := b.e.SendQueued(w.Context()); n != 1 || err != nil {
			t.Fatalf("SendQueued = %d, %v", n, err)
		}
		if n, err := b.e.SendQueued(w.Context()); n != 0 || err != nil {
			t.Errorf("SendQueued again = %d, %v", n, err)
		}
		ask := stepIs[authn.AskCode](w, b.next(id))
		if ask.User.ID != "" || ask.Choice.Masked != "" || ask.Choice.Credential != "" {
			t.Errorf("the page tells %+v", ask)
		}
		b.mustCode(id, w.lastCode())
		ready := b.mustIssue(id)
		if ready.User.ID != w.ann || ready.Session.Proofs[0].Second || len(b.v.Known) != 1 {
			t.Errorf("ready %+v", ready.Session)
		}
		// Stale, it is asked for again from the same user, by the code too.
		w.o.Clock.Advance(day12 - time.Minute)
		b.mustIssue(b.begin(mail))
		again := b.begin(want{ACRs: []string{"Mail"}, Login: true})
		if ask := stepIs[authn.AskLogin](w, b.next(again)); ask.User == nil {
			t.Errorf("asked %+v", ask)
		}
	})
}

// TestCodeInPlaceOfPasswordTellsNothing: for users who can have a code, cannot,
// are inactive or do not exist every answer is the same, up to the limits.
func TestCodeInPlaceOfPasswordTellsNothing(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		carl := w.user(map[string]any{"userName": "carl", "active": true}, annPassword)
		w.enrolAddress(carl, "secondFactorEmail", "carl@example.org")
		w.active(carl, false)
		seen := map[string][]string{}
		for i, name := range []string{"ann", "bob", "carl", "nobody", "x@y.example"} {
			b := w.browser()
			b.v.IP = b.v.IP.Next()
			for range i {
				b.v.IP = b.v.IP.Next()
			}
			start := w.o.Clock.Now()
			id := b.begin(mail)
			note := func(what string, err error) {
				r, _ := errors.AsType[*authn.Refusal](err)
				if err != nil && r == nil {
					t.Fatalf("%s for %s: %v", what, name, err)
				}
				step := b.next(id)
				if ask, ok := step.(authn.AskCode); ok {
					ask.ResendAt = ask.ResendAt.Add(-w.o.Clock.Now().Sub(time.Unix(0, 0)))
					step = ask
				}
				seen[name] = append(seen[name], fmt.Sprintf("%s: %+v %+v", what, r, step))
			}
			note("choose", b.choose(id, name, acr.EmailOTP, ""))
			must(b.e.SendQueued(w.Context()))(w)
			note("early resend", b.e.Send(w.Context(), b.v, b.load(id)))
			for n := range 7 {
				note(fmt.Sprint("wrong code ", n), b.code(id, "wrong"))
				w.o.Clock.Advance(5 * time.Second)
			}
			for range 5 {
				w.o.Clock.Advance(5 * time.Minute)
				note("resend", b.e.Send(w.Context(), b.v, b.load(id)))
			}
			w.o.Clock.Advance(3*time.Hour - w.o.Clock.Now().Sub(start))
		}
		for _, name := range []string{"bob", "carl", "nobody", "x@y.example"} {
			if diff := cmp.Diff(seen["ann"], seen[name]); diff != "" {
				t.Errorf("ann and %s differ:\n%s", name, diff)
			}
		}
	})
}

// TestQueuedCodeIsSentOnce: two nodes look at the same time.
func TestQueuedCodeIsSentOnce(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		nodes := []*authn.Engine{w.engine, w.node(w.o.Open(w), nil)}
		b := w.browser()
		w.check(b.choose(b.begin(mail), "ann", acr.EmailOTP, ""))
		var sent atomic.Int64
		var wg sync.WaitGroup
		for n := range 20 {
			wg.Go(func() {
				n, err := nodes[n%2].SendQueued(w.Context())
				if err != nil {
					t.Errorf("SendQueued: %v", err)
				}
				sent.Add(int64(n))
			})
		}
		wg.Wait()
		if sent.Load() != 1 || w.messages() != 1 || len(w.events(audit.ChallengeSent)) != 1 {
			t.Errorf("sent %d, %d messages", sent.Load(), w.messages())
		}
	})
}

// TestStrangerCannotCloseFactor: wrong codes in place of a password slow down
// whoever gives them, and leave the second factor open (security.md 2.2).
func TestStrangerCannotCloseFactor(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		w.second(w.ann, true)
		stranger := w.browser()
		id := stranger.begin(mail)
		w.check(stranger.choose(id, "ann", acr.EmailOTP, ""))
		for range 5 {
			refused(w, stranger.code(id, "wrong"), authn.WrongCode)
			w.o.Clock.Advance(time.Second)
		}
		w.o.Clock.Advance(time.Minute)
		refused(w, stranger.code(id, "wrong"), authn.CodeExpired)
		b := w.browser()
		id = b.begin(mfa)
		b.mustLogin(id, "ann", annPassword)
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		b.mustCode(id, w.lastCode())
		b.mustIssue(id)
	})
}

// TestRefusedSendLooksLikeASend: limits that only the sends to a real user can
// have used up are not told either: tries at a code that was never sent are
// judged and run out like those at one that was (security.md 2.3).
func TestRefusedSendLooksLikeASend(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		for range 5 { // what an hour allows to one destination, in five networks
			b := w.browser()
			w.check(b.choose(b.begin(mail), "ann", acr.EmailOTP, ""))
			w.o.Clock.Advance(5 * time.Minute)
		}
		seen := map[string]string{}
		for _, name := range []string{"ann", "nobody"} {
			b := w.browser()
			b.v.IP = b.v.IP.Next()
			id := b.begin(mail)
			w.check(b.choose(id, name, acr.EmailOTP, ""))
			for range 7 {
				r, _ := errors.AsType[*authn.Refusal](b.code(id, "12345678"))
				seen[name] += fmt.Sprintf("%+v ", r)
				w.o.Clock.Advance(10 * time.Second)
			}
		}
		if seen["ann"] != seen["nobody"] || !strings.Contains(seen["ann"], string(authn.WrongCode)) {
			t.Errorf("ann: %s\nnobody: %s", seen["ann"], seen["nobody"])
		}
		if refused := w.events(audit.ChallengeSendRefused); len(refused) != 1 {
			t.Errorf("%d sends were refused, want that to ann", len(refused))
		}
	})
}

// TestStrangerCannotEndCode: whoever asks for a code in place of a password ends
// no code that the user waits for.
func TestStrangerCannotEndCode(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		w.second(w.ann, true)
		b, stranger := w.browser(), w.browser()
		first := b.begin(mail)
		w.check(b.choose(first, "ann", acr.EmailOTP, ""))
		must(b.e.SendQueued(w.Context()))(w)
		firstCode := w.lastCode()
		w.o.Clock.Advance(time.Minute)
		other := stranger.begin(mail)
		w.check(stranger.choose(other, "ann", acr.EmailOTP, ""))
		must(b.e.SendQueued(w.Context()))(w)
		b.mustCode(first, firstCode)
		refused(w, stranger.code(other, firstCode), authn.WrongCode)

		b = w.browser()
		second := b.begin(mfa)
		b.mustLogin(second, "ann", annPassword)
		w.o.Clock.Advance(5 * time.Minute)
		w.check(b.choose(second, "", acr.EmailOTP, ""))
		code := w.lastCode()
		w.o.Clock.Advance(5 * time.Minute)
		w.check(stranger.choose(stranger.begin(mail), "ann", acr.EmailOTP, ""))
		b.mustCode(second, code)
		b.mustIssue(second)
	})
}

// TestCodeOfAnotherTransaction: the state of a code belongs to one transaction.
func TestCodeOfAnotherTransaction(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		w.second(w.ann, true)
		b := w.browser()
		id := b.begin(mfa)
		b.mustLogin(id, "ann", annPassword)
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		code, sent := w.lastCode(), b.load(id).Progress.Sent
		other := b.begin(mfa)
		_, err := w.db.UpdateTxn(w.Context(), other, w.o.Clock.Now(), func(t *authn.Txn) error {
			t.Progress = b.load(id).Progress
			t.Progress.Sent = sent
			return nil
		})
		w.check(err)
		refused(w, b.code(other, code), authn.CodeExpired)
		b.mustCode(id, code)
	})
}
