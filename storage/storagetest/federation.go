package storagetest

import (
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/storage"
)

// Federation is the conformance suite of the stores of package federated.
func Federation(t *testing.T, o *Opener) {
	runLogins(t, o, []loginCase{
		{"an identity is one user's, and a user has one at a provider", linkUnique},
		{"a link goes with its user's word only", linkRemoved},
		{"a login is noted", linkTouched},
		{"a request comes back sealed, and is answered once", pendingOnce},
		{"a request is answered by one of many", pendingRace},
		{"a request ends", pendingEnds},
		{"an answer is taken once", answerOnce},
		{"an assertion counts once", seenOnce},
		{"the janitor takes what is over", federationSwept},
	})
}

func newLink(o *Opener, user, provider, subject string) federated.Link {
	return federated.Link{
		Provider: provider, Issuer: "https://id.example.com", Subject: subject, UserID: user, Display: "Zoë",
		LinkedAt: o.Clock.Now(),
	}
}

func linkUnique(t *testing.T, o *Opener, nodes []*storage.DB) {
	db, other := nodes[0], nodes[1]
	ann, bob := NewID(t), NewID(t)
	first := newLink(o, ann, "google", NewID(t))
	must := func(want, got error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	must(nil, db.InsertLink(t.Context(), first))
	stolen := first
	stolen.UserID = bob
	must(federated.ErrTaken, other.InsertLink(t.Context(), stolen))
	must(federated.ErrTaken, other.InsertLink(t.Context(), newLink(o, ann, "google", NewID(t))))
	second := newLink(o, ann, "corp", NewID(t))
	must(nil, other.InsertLink(t.Context(), second))
	elsewhere := first // the same subject of another issuer is somebody else
	elsewhere.Issuer, elsewhere.UserID = "https://other.example.com", bob
	must(nil, db.InsertLink(t.Context(), elsewhere))

	got, err := db.Link(t.Context(), first.Provider, first.Issuer, first.Subject)
	must(nil, err)
	if diff := cmp.Diff(first, got); diff != "" {
		t.Errorf("Link (-want +got):\n%s", diff)
	}
	all, err := other.Links(t.Context(), ann)
	must(nil, err)
	if diff := cmp.Diff([]federated.Link{second, first}, all); diff != "" {
		t.Errorf("Links (-want +got):\n%s", diff)
	}
	_, err = db.Link(t.Context(), "google", first.Issuer, "nobody")
	must(federated.ErrUnknown, err)
}

func linkRemoved(t *testing.T, o *Opener, nodes []*storage.DB) {
	db := nodes[0]
	ann, bob := NewID(t), NewID(t)
	l := newLink(o, ann, "google", NewID(t))
	if err := db.InsertLink(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if _, err := db.DeleteLink(t.Context(), bob, "google"); !errors.Is(err, federated.ErrUnknown) {
		t.Errorf("DeleteLink of another user = %v, want ErrUnknown", err)
	}
	gone, err := db.DeleteLink(t.Context(), ann, "google")
	if err != nil || gone.Subject != l.Subject {
		t.Errorf("DeleteLink = %+v, %v", gone, err)
	}
	if _, err := db.DeleteLink(t.Context(), ann, "google"); !errors.Is(err, federated.ErrUnknown) {
		t.Errorf("second DeleteLink = %v, want ErrUnknown", err)
	}
}

func linkTouched(t *testing.T, o *Opener, nodes []*storage.DB) {
	l := newLink(o, NewID(t), "google", NewID(t))
	if err := nodes[0].InsertLink(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	later := o.Clock.Now().Add(time.Hour)
	for _, at := range []time.Time{later, later.Add(-time.Minute)} { // an older one changes nothing
		if err := nodes[1].TouchLink(t.Context(), l, at); err != nil {
			t.Fatal(err)
		}
	}
	got, err := nodes[0].Link(t.Context(), l.Provider, l.Issuer, l.Subject)
	if err != nil || !got.LastLogin.Equal(later) {
		t.Errorf("LastLogin = %v, %v, want %v", got.LastLogin, err, later)
	}
}

func newPending(t *testing.T, o *Opener) federated.Pending {
	t.Helper()
	now := o.Clock.Now()
	return federated.Pending{
		ID: NewID(t), Provider: "google", Purpose: federated.ForLogin, Txn: NewID(t), BrowserHash: []byte{1, 0, 2},
		UserID: NewID(t), SessionID: NewID(t), Private: []byte(`{"nonce":"marker-nonce"}`),
		CreatedAt: now, ExpiresAt: now.Add(federated.RequestLife),
	}
}

func pendingOnce(t *testing.T, o *Opener, nodes []*storage.DB) {
	p := newPending(t, o)
	if err := nodes[0].InsertPending(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	got, err := nodes[1].PendingRequest(t.Context(), p.ID, o.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got); diff != "" {
		t.Errorf("PendingRequest (-want +got):\n%s", diff)
	}
	if err := nodes[0].UsePending(t.Context(), p.ID, o.Clock.Now()); err != nil {
		t.Errorf("UsePending = %v", err)
	}
	if err := nodes[1].UsePending(t.Context(), p.ID, o.Clock.Now()); !errors.Is(err, federated.ErrUsed) {
		t.Errorf("second UsePending = %v, want ErrUsed", err)
	}
	if _, err := nodes[1].PendingRequest(t.Context(), p.ID, o.Clock.Now()); !errors.Is(err, federated.ErrUsed) {
		t.Errorf("PendingRequest after its use = %v, want ErrUsed", err)
	}
}

func pendingRace(t *testing.T, o *Opener, nodes []*storage.DB) {
	p := newPending(t, o)
	if err := nodes[0].InsertPending(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wait.Go(func() { errs[i] = nodes[i%2].UsePending(t.Context(), p.ID, o.Clock.Now()) })
	}
	wait.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, federated.ErrUsed):
			t.Errorf("UsePending = %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d of 16 have answered the request, want 1", won)
	}
}

func pendingEnds(t *testing.T, o *Opener, nodes []*storage.DB) {
	p := newPending(t, o)
	if err := nodes[0].InsertPending(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := nodes[0].PendingRequest(t.Context(), p.ID, p.ExpiresAt); !errors.Is(err, federated.ErrUnknown) {
		t.Errorf("PendingRequest after its end = %v, want ErrUnknown", err)
	}
	if err := nodes[0].UsePending(t.Context(), p.ID, p.ExpiresAt); err == nil {
		t.Error("a request that is over was answered")
	}
	if _, err := nodes[0].PendingRequest(t.Context(), "unknown", o.Clock.Now()); !errors.Is(err, federated.ErrUnknown) {
		t.Errorf("PendingRequest of nothing = %v, want ErrUnknown", err)
	}
}

func answerOnce(t *testing.T, o *Opener, nodes []*storage.DB) {
	now := o.Clock.Now()
	a := federated.Answer{
		Provider: "corp", State: "s", Params: url.Values{"SAMLResponse": {"marker"}}, Posted: true, URL: "https://id.example.com/x",
	}
	id := NewID(t)
	if err := nodes[0].HoldAnswer(t.Context(), id, a, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	got, err := nodes[1].TakeAnswer(t.Context(), id, now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, got); diff != "" {
		t.Errorf("TakeAnswer (-want +got):\n%s", diff)
	}
	if _, err := nodes[0].TakeAnswer(t.Context(), id, now); !errors.Is(err, federated.ErrUnknown) {
		t.Errorf("second TakeAnswer = %v, want ErrUnknown", err)
	}
	late := NewID(t)
	if err := nodes[0].HoldAnswer(t.Context(), late, a, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := nodes[0].TakeAnswer(t.Context(), late, now.Add(time.Minute)); !errors.Is(err, federated.ErrUnknown) {
		t.Errorf("late TakeAnswer = %v, want ErrUnknown", err)
	}
}

func seenOnce(t *testing.T, o *Opener, nodes []*storage.DB) {
	id, until := NewID(t), o.Clock.Now().Add(time.Minute)
	for i, want := range []bool{true, false} {
		if got, err := nodes[i].SeenOnce(t.Context(), "https://idp.example.com", id, until); err != nil || got != want {
			t.Errorf("SeenOnce, call %d = %v, %v, want %v", i+1, got, err, want)
		}
	}
	if got, err := nodes[0].SeenOnce(t.Context(), "https://other.example.com", id, until); err != nil || !got {
		t.Errorf("SeenOnce of another issuer = %v, %v, want true", got, err)
	}
}

func federationSwept(t *testing.T, o *Opener, nodes []*storage.DB) {
	db, now := nodes[0], o.Clock.Now()
	p := newPending(t, o)
	p.ExpiresAt = now.Add(-2 * time.Hour)
	id := NewID(t)
	if err := errors.Join(
		db.InsertPending(t.Context(), p),
		db.HoldAnswer(t.Context(), id, federated.Answer{Provider: "x"}, now.Add(-time.Second)),
	); err != nil {
		t.Fatal(err)
	}
	if _, err := db.SeenOnce(t.Context(), "i", id, now.Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.InsertPending(t.Context(), p); err != nil {
		t.Errorf("the request is still there: %v", err)
	}
	if err := db.HoldAnswer(t.Context(), id, federated.Answer{Provider: "x"}, now); err != nil {
		t.Errorf("the answer is still there: %v", err)
	}
	if first, err := db.SeenOnce(t.Context(), "i", id, now); err != nil || !first {
		t.Errorf("the assertion is still remembered: %v", err)
	}
}
