package authn_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/session"
)

// abroad is a provider in this process, which says who somebody is without any
// page. The private data of its requests is their state.
type abroad struct {
	mu    sync.Mutex
	id    federated.Identity
	fault error
	seen  []federated.Request
	// begins tells that it may begin logins.
	begins bool
}

func (a *abroad) Begin(_ context.Context, r federated.Request) (federated.Redirect, []byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, r)
	return federated.Redirect{URL: "https://corp.example/?state=" + r.State}, []byte(r.State), a.fault
}

func (a *abroad) Finish(_ context.Context, private []byte, answer federated.Answer) (federated.Identity, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if string(private) != answer.State {
		return federated.Identity{}, federated.Refuse(federated.WrongNonce, "", nil)
	}
	return a.id, a.fault
}

func (a *abroad) BeginsLogins() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begins
}

func (a *abroad) FinishUnsolicited(_ context.Context, answer federated.Answer) (federated.Identity, error) {
	if !answer.Params.Has("allowed") {
		return federated.Identity{}, federated.Refuse(federated.NotAsked, "", nil)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.id, a.fault
}

// directory is a list that may change under way.
type directory struct {
	mu   sync.Mutex
	list []federated.Provider
}

func (d *directory) Providers() []federated.Provider {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list)
}

func (d *directory) disable(off bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list[0].Disabled = off
}

// worldAbroad is a world with a provider.
type worldAbroad struct {
	*world
	at   *abroad
	dir  *directory
	told []bool // of links that came and went
}

func eachWorldAbroad(t *testing.T, run func(t *testing.T, w *worldAbroad)) {
	t.Helper()
	eachWorld(t, func(t *testing.T, w *world) {
		a := &worldAbroad{world: w, at: &abroad{id: federated.Identity{Issuer: "https://corp.example", Subject: "zoe", Name: "Zoë"}}}
		a.dir = &directory{list: []federated.Provider{{ID: "corp", Name: "Corp", Kind: federated.OIDC, Upstream: a.at, CallbackURL: "https://id.example/cb"}}}
		w.engine = w.node(w.db, func(cfg *authn.Config) {
			cfg.Federation = &authn.Federation{
				Providers: a.dir, Links: w.db, Requests: w.db, Answers: w.db, UserByEmail: w.db.UserByEmail,
				Create: func(context.Context, federated.Provider, federated.Identity) (authn.User, error) {
					return authn.User{}, authn.ErrNoUser
				},
				Changed: func(_ context.Context, _ authn.User, _ string, linked bool) error {
					a.told = append(a.told, linked)
					return nil
				},
			}
		})
		w.engine.Handle(authn.PurposeAccount, accountPages{})
		run(t, a)
	})
}

// accountPages want what a login elsewhere gives.
type accountPages struct{}

func (accountPages) Requirement(context.Context, authn.Txn) (acr.Requirement, error) {
	return acr.Requirement{Candidates: []acr.ACR{acrs()["Abroad"]}}, nil
}

// link makes the account "zoe" there a user's.
func (w *worldAbroad) link(userID string) {
	w.Helper()
	w.check(w.db.InsertLink(w.Context(), federated.Link{
		Provider: "corp", Issuer: "https://corp.example", Subject: "zoe", UserID: userID, LinkedAt: w.o.Clock.Now(),
	}))
}

func abroadWant() want { return want{ACRs: []string{"Abroad"}} }

// depart begins a login at the provider and returns the answer that it gives.
func (b *browser) depart(id string) federated.Answer {
	b.Helper()
	to, err := b.e.Federate(b.Context(), b.v, b.load(id), "corp")
	b.check(err)
	u, err := url.Parse(to.URL)
	b.check(err)
	return federated.Answer{Provider: "corp", State: u.Query().Get("state"), Params: u.Query()}
}

func (b *browser) comeBack(a federated.Answer) (authn.Return, error) {
	b.Helper()
	back, grants, err := b.e.Returned(b.Context(), b.v, a)
	b.take(grants)
	return back, err
}

// TestFederatedRace: of many answers at once to one request, one logs in.
func TestFederatedRace(t *testing.T) {
	t.Parallel()
	eachWorldAbroad(t, func(t *testing.T, w *worldAbroad) {
		w.link(w.ann)
		b := w.browser()
		id := b.begin(abroadWant())
		answer := b.depart(id)
		const tries = 8
		errs := make([]error, tries)
		grants := make([]authn.Grants, tries)
		var wait sync.WaitGroup
		for i := range tries {
			wait.Go(func() { _, grants[i], errs[i] = b.e.Returned(t.Context(), b.v, answer) })
		}
		wait.Wait()
		won := 0
		for i, err := range errs {
			if err == nil {
				won++
				b.take(grants[i])
				continue
			}
			if r, ok := errors.AsType[*authn.Refusal](err); !ok || r.Reason != authn.UpstreamInvalid {
				t.Errorf("try %d: %v", i, err)
			}
		}
		if won != 1 {
			t.Fatalf("%d of %d logged in, want 1", won, tries)
		}
		ready := b.mustIssue(id)
		if ready.User.ID != w.ann || len(ready.Session.Proofs) != 1 || ready.Session.Proofs[0].Factor != acr.Federated {
			t.Errorf("ready = %+v", ready)
		}
		replayed := 0
		for _, e := range w.events(audit.FederationLoginRefused) {
			if e.Reason == string(federated.Replayed) {
				replayed++
			}
		}
		if replayed != tries-1 {
			t.Errorf("%d refusals as replayed, want %d", replayed, tries-1)
		}
	})
}

// TestFederatedSwitchedOff: what a provider has proved counts while it is not
// switched off, and its button is there.
func TestFederatedSwitchedOff(t *testing.T) {
	t.Parallel()
	eachWorldAbroad(t, func(t *testing.T, w *worldAbroad) {
		w.link(w.ann)
		b := w.browser()
		id := b.begin(abroadWant())
		answer := b.depart(id)
		w.dir.disable(true)
		_, err := b.comeBack(answer)
		if r, ok := errors.AsType[*authn.Refusal](err); !ok || r.Reason != authn.UpstreamOff || r.Provider != "Corp" {
			t.Fatalf("Returned = %v, want upstream_off", err)
		}
		if ask, ok := b.next(id).(authn.AskLogin); !ok || len(ask.Upstreams) != 0 || slices.Contains(ask.Factors, acr.Federated) {
			t.Errorf("step = %+v", b.next(id))
		}
		w.dir.disable(false)
		if _, err := b.comeBack(b.depart(id)); err != nil {
			t.Fatal(err)
		}
		w.dir.disable(true)
		if _, err := b.issue(id); !errors.Is(err, authn.ErrNotReady) {
			t.Errorf("Issue with the provider switched off = %v, want ErrNotReady", err)
		}
		w.dir.disable(false)
		b.mustIssue(id)
	})
}

// TestFederatedUnlinked: a link that goes takes what was shown with it along, and
// what counted because of it.
func TestFederatedUnlinked(t *testing.T) {
	t.Parallel()
	eachWorldAbroad(t, func(t *testing.T, w *worldAbroad) {
		w.link(w.ann)
		w.dir.list[0].Trust = federated.Trust{ACR: true, AMRs: map[string][]string{"otp": {"totp"}}}
		w.at.id.AMR = []string{"otp"}
		here, there := w.browser(), w.browser()
		var sessions []session.Session
		for _, b := range []*browser{here, there} {
			id := b.begin(abroadWant())
			if _, err := b.comeBack(b.depart(id)); err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, b.mustIssue(id).Session)
		}
		if len(sessions[0].Proofs) != 2 {
			t.Fatalf("proofs = %+v, want that of the login and the factor it stands for", sessions[0].Proofs)
		}
		now := w.o.Clock.Now()
		w.check(w.db.AddDevice(t.Context(), authn.Device{
			ID: uuid.Must(uuid.NewV7()).String(), UserID: w.ann, SecretHash: session.Hash("x"), CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		}))
		_, begun, err := w.db.Epochs(t.Context(), w.ann, "external_identity")
		w.check(err)
		by := authn.Linker{Visitor: here.v, UserID: w.ann, SessionID: sessions[0].ID}
		if err := w.engine.Unlink(t.Context(), by, "corp"); err != nil {
			t.Fatal(err)
		}
		if err := w.engine.Unlink(t.Context(), by, "corp"); !errors.Is(err, authn.ErrNotLinked) {
			t.Errorf("second Unlink = %v, want ErrNotLinked", err)
		}
		if devices, err := w.db.Devices(t.Context(), w.ann, now); err != nil || len(devices) != 0 {
			t.Errorf("remembered browsers = %+v, %v, want none", devices, err)
		}
		if _, epoch, err := w.db.Epochs(t.Context(), w.ann, "external_identity"); err != nil || epoch == begun {
			t.Errorf("epoch = %d, %v, want another: what was begun to link is void", epoch, err)
		}
		left, err := w.db.SessionByID(t.Context(), sessions[0].ID, w.o.Clock.Now())
		if err != nil || len(left.Proofs) != 0 {
			t.Errorf("this session = %+v, %v, want it without proofs", left, err)
		}
		if _, err := w.db.SessionByID(t.Context(), sessions[1].ID, w.o.Clock.Now()); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("the other session = %v, want it ended", err)
		}
		if !slices.Equal(w.told, []bool{false}) {
			t.Errorf("told = %v", w.told)
		}
	})
}

// TestLinkRace: of many users who link one account elsewhere at the same time
// one gets it, whatever the order of the steps.
func TestLinkRace(t *testing.T) {
	t.Parallel()
	eachWorldAbroad(t, func(t *testing.T, w *worldAbroad) {
		type party struct {
			b      *browser
			answer federated.Answer
		}
		var all []party
		for range 4 {
			for user, secret := range map[string]string{"ann": annPassword, "bob": bobPassword} {
				b := w.browser()
				id := b.begin(abroadWant())
				b.mustLogin(id, user, secret)
				ready := b.mustIssue(id)
				to, _, err := w.engine.BeginLink(t.Context(), authn.Linker{Visitor: b.v, UserID: ready.User.ID, SessionID: ready.Session.ID}, "corp")
				w.check(err)
				u, err := url.Parse(to.URL)
				w.check(err)
				all = append(all, party{b, federated.Answer{Provider: "corp", State: u.Query().Get("state"), Params: u.Query()}})
			}
		}
		var mu sync.Mutex
		owners := map[string]int{}
		taken := 0
		var wg sync.WaitGroup
		for _, p := range all {
			wg.Go(func() {
				back, _, err := w.engine.Returned(t.Context(), p.b.v, p.answer)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && back.Linked != nil:
					owners[back.Linked.UserID]++
				case errors.Is(err, authn.ErrLinkTaken):
					taken++
				default:
					t.Errorf("Returned = %+v, %v", back, err)
				}
			})
		}
		wg.Wait()
		// The owner's other tries end well or find it linked; all others are refused.
		if len(owners) != 1 || taken < len(all)/2 {
			t.Errorf("owners = %v, refused %d of %d, want one owner", owners, taken, len(all))
		}
		link, err := w.db.Link(t.Context(), "corp", "https://corp.example", "zoe")
		if err != nil || owners[link.UserID] == 0 {
			t.Errorf("link = %+v, %v", link, err)
		}
	})
}

// TestLinkOnThePages: an account is linked in the browser and session that began,
// once, while both are there.
func TestLinkOnThePages(t *testing.T) {
	t.Parallel()
	eachWorldAbroad(t, func(t *testing.T, w *worldAbroad) {
		ann, bob := w.browser(), w.browser()
		first, second := ann.begin(abroadWant()), bob.begin(abroadWant())
		ann.mustLogin(first, "ann", annPassword)
		bob.mustLogin(second, "bob", bobPassword)
		s := ann.mustIssue(first).Session
		begin := func() federated.Answer {
			to, _, err := w.engine.BeginLink(t.Context(), authn.Linker{Visitor: ann.v, UserID: w.ann, SessionID: s.ID}, "corp")
			w.check(err)
			u, err := url.Parse(to.URL)
			w.check(err)
			return federated.Answer{Provider: "corp", State: u.Query().Get("state"), Params: u.Query()}
		}
		answer := begin()
		if _, err := bob.comeBack(answer); err == nil {
			t.Fatal("the answer was taken in another browser")
		}
		foreign := answer
		foreign.Provider = "other"
		if _, err := ann.comeBack(foreign); err == nil {
			t.Fatal("the answer was taken at another provider")
		}
		back, err := ann.comeBack(answer)
		if err != nil || back.Linked == nil || back.Linked.UserID != w.ann || back.Txn.ID != "" {
			t.Fatalf("Returned = %+v, %v", back, err)
		}
		if _, err := ann.comeBack(answer); err == nil {
			t.Error("the answer was taken twice")
		}
		if again, err := ann.comeBack(begin()); err != nil || again.Linked == nil {
			t.Errorf("the same account again = %+v, %v", again, err)
		}
		w.at.id.Subject = "another"
		if _, err := ann.comeBack(begin()); !errors.Is(err, authn.ErrLinkTaken) {
			t.Errorf("a second account there = %v, want ErrLinkTaken", err)
		}
		late := begin()
		if _, err := w.db.EndSessions(t.Context(), w.ann, "", w.o.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := ann.comeBack(late); !errors.Is(err, authn.ErrLinkOver) {
			t.Errorf("after the session has ended = %v, want ErrLinkOver", err)
		}
		if !slices.Equal(w.told, []bool{true}) {
			t.Errorf("told = %v", w.told)
		}
		accounts, err := w.engine.LinkedAccounts(t.Context(), w.ann)
		if err != nil || len(accounts) != 1 || accounts[0].Link == nil || accounts[0].Link.Subject != "zoe" {
			t.Errorf("LinkedAccounts = %+v, %v", accounts, err)
		}
		if _, _, err := w.engine.BeginLink(t.Context(), authn.Linker{UserID: w.ann}, "other"); !errors.Is(err, authn.ErrNoProvider) {
			t.Errorf("BeginLink elsewhere = %v, want ErrNoProvider", err)
		}
	})
}

// TestUnsolicited: a login that a provider begins by itself is one where the
// operator lets it, and never for a request that was forgotten.
func TestUnsolicited(t *testing.T) {
	t.Parallel()
	eachWorldAbroad(t, func(t *testing.T, w *worldAbroad) {
		w.link(w.ann)
		b := w.browser()
		if _, err := b.comeBack(federated.Answer{Provider: "corp", Params: url.Values{}}); err == nil {
			t.Fatal("an answer to no request logged in")
		}
		_, err := b.comeBack(federated.Answer{Provider: "corp", State: "forged", Params: url.Values{"allowed": {"1"}}})
		if r, ok := errors.AsType[*authn.Refusal](err); !ok || r.Reason != authn.UpstreamInvalid {
			t.Errorf("a forged state = %v", err)
		}
		if _, err := b.comeBack(federated.Answer{Provider: "other", Params: url.Values{"allowed": {"1"}}}); err == nil {
			t.Error("an unknown provider logged in")
		}
		id := b.begin(abroadWant())
		b.mustLogin(id, "bob", bobPassword) // who is there already is somebody else
		back, err := b.comeBack(federated.Answer{Provider: "corp", Params: url.Values{"allowed": {"1"}}})
		if err != nil || back.Txn.Purpose != authn.PurposeAccount {
			t.Fatalf("Returned = %+v, %v", back, err)
		}
		if ready := b.mustIssue(back.Txn.ID); ready.User.ID != w.ann {
			t.Errorf("logged in as %s, want ann", ready.User.UserName)
		}
	})
}

// TestHeldAnswers: a posted answer is kept for providers that there are, and
// taken once.
func TestHeldAnswers(t *testing.T) {
	t.Parallel()
	eachWorldAbroad(t, func(t *testing.T, w *worldAbroad) {
		if _, err := w.engine.HoldAnswer(t.Context(), authn.Visitor{}, federated.Answer{Provider: "other"}); !errors.Is(err, authn.ErrTxnUnknown) {
			t.Errorf("HoldAnswer of an unknown provider = %v", err)
		}
		_, err := w.engine.HoldAnswer(t.Context(), authn.Visitor{}, federated.Answer{Provider: "corp", State: "forged"})
		refused(t, err, authn.UpstreamInvalid)
		b := w.browser()
		answer := b.depart(b.begin(abroadWant()))
		handle := must(w.engine.HoldAnswer(t.Context(), authn.Visitor{}, answer))(t)
		if a, err := w.engine.HeldAnswer(t.Context(), handle); err != nil || a.State != answer.State {
			t.Errorf("HeldAnswer = %+v, %v", a, err)
		}
		if _, err := w.engine.HeldAnswer(t.Context(), handle); !errors.Is(err, authn.ErrTxnUnknown) {
			t.Errorf("second HeldAnswer = %v, want ErrTxnUnknown", err)
		}
		// To no request: only of a provider that may begin logins.
		_, err = w.engine.HoldAnswer(t.Context(), authn.Visitor{}, federated.Answer{Provider: "corp"})
		refused(t, err, authn.UpstreamInvalid)
		w.at.begins = true
		late := must(w.engine.HoldAnswer(t.Context(), authn.Visitor{}, federated.Answer{Provider: "corp"}))(t)
		w.o.Clock.Advance(3 * time.Minute)
		if _, err := w.engine.HeldAnswer(t.Context(), late); !errors.Is(err, authn.ErrTxnUnknown) {
			t.Errorf("late HeldAnswer = %v, want ErrTxnUnknown", err)
		}
	})
}

// TestFederateRefuses: nothing is asked of a provider that was not offered, and
// what it refuses is said.
func TestFederateRefuses(t *testing.T) {
	t.Parallel()
	eachWorldAbroad(t, func(t *testing.T, w *worldAbroad) {
		b := w.browser()
		for _, c := range []struct {
			acr, upstream string
			want          authn.RefusalReason
		}{
			{"Abroad", "", authn.Missing}, {"Abroad", "other", authn.OutOfStep}, {"Default", "corp", authn.OutOfStep},
		} {
			id := b.begin(want{ACRs: []string{c.acr}})
			_, err := b.e.Federate(t.Context(), b.v, b.load(id), c.upstream)
			if r, ok := errors.AsType[*authn.Refusal](err); !ok || r.Reason != c.want {
				t.Errorf("Federate(%q) for %s = %v, want %s", c.upstream, c.acr, err, c.want)
			}
		}
		if len(w.at.seen) != 0 {
			t.Errorf("the provider was asked: %v", w.at.seen)
		}
		w.at.fault = federated.Refuse(federated.Unavailable, "down", nil)
		id := b.begin(abroadWant())
		_, err := b.e.Federate(t.Context(), b.v, b.load(id), "corp")
		if r, ok := errors.AsType[*authn.Refusal](err); !ok || r.Reason != authn.UpstreamDown {
			t.Errorf("Federate at a provider that is down = %v", err)
		}
		b.mustLogin(id, "ann", annPassword)
		b.mustIssue(id)
	})
}
