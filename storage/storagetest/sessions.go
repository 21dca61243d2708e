package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation"
)

// Sessions is the conformance suite of session.Store, validation.SessionStore
// and scim.OwnerStore.
func Sessions(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"the two clocks follow from the proofs", sessionClocks},
		{"a session ends with its life", sessionLife},
		{"one ends with its tokens, the others stay", sessionEnds},
		{"all but one end with their tokens", sessionsEnd},
		{"a session is its user's alone", sessionOwner},
		{"an owner must be active and there", ownerActive},
		{"what is rolled back is not ended", sessionRollsBack},
		{"a session without a proof is not stored", sessionChecked},
		{"ending races with itself", sessionRace},
		{"the janitor takes what is over", sessionSwept},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

// newSession is a session of an hour with one login.
func newSession(t *testing.T, o *Opener, userID string) session.Session {
	t.Helper()
	now := o.Clock.Now()
	s := session.Session{
		ID: NewID(t), UserID: userID, CreatedAt: now, ExpiresAt: now.Add(time.Hour), IP: "192.0.2.7", UserAgent: "test/1.0",
	}
	s.Proofs = []session.Proof{newProof(t, s, acr.Password, now, "pwd")}
	return s
}

// newProof is a proof in a session; all but the password are second factors.
func newProof(t *testing.T, s session.Session, f acr.Factor, at time.Time, amr ...string) session.Proof {
	t.Helper()
	return session.Proof{
		Proof: acr.Proof{
			ID: NewID(t), Session: s.ID, User: s.UserID, Credential: string(f), Txn: NewID(t), Factor: f, AMR: amr, At: at,
		},
		Second: f != acr.Password,
	}
}

func startSession(t *testing.T, db *storage.DB, s session.Session) session.Session {
	t.Helper()
	if err := db.StartSession(t.Context(), s); err != nil {
		t.Fatalf("StartSession: %v", err)
	}
	return s
}

// ownToken stores a token behind which the session stands.
func ownToken(t *testing.T, o *Opener, db *storage.DB, s session.Session) *scim.Token {
	t.Helper()
	token := o.token(t, "app "+NewID(t))
	token.UserID, token.SessionID, token.ClientID, token.PublicClient = s.UserID, s.ID, "app", true
	token.ExpiresAt = s.ExpiresAt
	return insertToken(t, db, token)
}

// wantRevoked checks whether a token has been revoked.
func wantRevoked(t *testing.T, db *storage.DB, token *scim.Token, want bool) {
	t.Helper()
	got, err := db.TokenByHash(t.Context(), token.Hash)
	if err != nil || !got.RevokedAt.IsZero() != want {
		t.Errorf("token %s: revoked at %v, %v, want revoked %v", token.Name, got.RevokedAt, err, want)
	}
}

// liveIDs are the ids of the live sessions of a user.
func liveIDs(t *testing.T, o *Opener, db *storage.DB, userID string) []string {
	t.Helper()
	all, err := db.LiveSessions(t.Context(), userID, o.Clock.Now())
	if err != nil {
		t.Fatalf("LiveSessions: %v", err)
	}
	var ids []string
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids
}

func sessionClocks(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := newSession(t, o, NewID(t))
	first := s.CreatedAt
	second, third := first.Add(time.Minute), first.Add(2*time.Minute)
	s.Proofs = append(s.Proofs,
		newProof(t, s, acr.TOTP, third, "otp"),
		newProof(t, s, acr.SMSOTP, second, "otp", "sms"),
		newProof(t, s, acr.Passkey, third, "hwk"),
	)
	startSession(t, nodes[0], s)
	token := ownToken(t, o, nodes[0], s)
	shop := oidc.Client{
		ID: "zz" + NewID(t), Name: "The shop", URI: "https://shop.example", LogoURI: "https://shop.example/logo.png",
		Contacts: []string{"help@shop.example"}, CreatedAt: first, UpdatedAt: first,
	}
	if err := nodes[0].InsertClient(t.Context(), shop); err != nil {
		t.Fatalf("InsertClient: %v", err)
	}
	authorized := oidc.Grant{
		ID: NewID(t), ClientID: shop.ID, UserID: s.UserID, SessionID: s.ID, AuthTime: first, CreatedAt: third, ExpiresAt: first.Add(time.Hour),
	}
	if err := nodes[0].InsertGrant(t.Context(), authorized); err != nil {
		t.Fatalf("InsertGrant: %v", err)
	}
	got, err := nodes[1].LiveSessions(t.Context(), s.UserID, o.Clock.Now())
	want := []validation.Session{{
		ID: s.ID, UserID: s.UserID, CreatedAt: first, ExpiresAt: s.ExpiresAt, IP: s.IP, UserAgent: s.UserAgent,
		LoginAt: first, LoginMethods: []string{"pwd"}, SecondFactorAt: third, SecondFactorMethods: []string{"otp", "hwk"},
		Clients: []validation.SessionClient{
			{ConsentClient: validation.ConsentClient{Name: "app"}, LastAuthorization: token.CreatedAt},
			{LastAuthorization: third, ConsentClient: validation.ConsentClient{
				Name: "The shop", URL: shop.URI, IconURL: shop.LogoURI, EmailAddress: "help@shop.example",
			}},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("LiveSessions: %v (-want +got):\n%s", err, diff)
	}
	want[0].Clients = nil
	one, err := nodes[1].LiveSession(t.Context(), s.UserID, s.ID, o.Clock.Now())
	if diff := cmp.Diff(want[0], one); diff != "" || err != nil {
		t.Errorf("LiveSession: %v (-want +got):\n%s", err, diff)
	}
}

func sessionLife(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := startSession(t, nodes[0], newSession(t, o, NewID(t)))
	if _, err := nodes[1].LiveSession(t.Context(), s.UserID, s.ID, s.ExpiresAt.Add(-time.Microsecond)); err != nil {
		t.Errorf("just before its end: %v", err)
	}
	_, err := nodes[1].LiveSession(t.Context(), s.UserID, s.ID, s.ExpiresAt)
	wantIs(t, err, scim.ErrNotFound)
	all, err := nodes[1].LiveSessions(t.Context(), s.UserID, s.ExpiresAt)
	if err != nil || len(all) != 0 {
		t.Errorf("LiveSessions at its end = %v, %v", all, err)
	}
}

func sessionEnds(t *testing.T, o *Opener, nodes []*storage.DB) {
	user := NewID(t)
	a, b := startSession(t, nodes[0], newSession(t, o, user)), startSession(t, nodes[0], newSession(t, o, user))
	first, second := ownToken(t, o, nodes[0], a), ownToken(t, o, nodes[0], b)
	if ended, err := nodes[1].EndSession(t.Context(), NewID(t), a.ID, o.Clock.Now()); ended || err != nil {
		t.Errorf("EndSession for another user = %v, %v", ended, err)
	}
	wantRevoked(t, nodes[0], first, false)
	if ended, err := nodes[1].EndSession(t.Context(), user, a.ID, o.Clock.Now()); !ended || err != nil {
		t.Errorf("EndSession = %v, %v", ended, err)
	}
	if ended, err := nodes[1].EndSession(t.Context(), user, a.ID, o.Clock.Now()); ended || err != nil {
		t.Errorf("EndSession again = %v, %v", ended, err)
	}
	wantRevoked(t, nodes[0], first, true)
	wantRevoked(t, nodes[0], second, false)
	if got := liveIDs(t, o, nodes[0], user); !slices.Equal(got, []string{b.ID}) {
		t.Errorf("sessions left %v, want %v", got, b.ID)
	}
}

func sessionsEnd(t *testing.T, o *Opener, nodes []*storage.DB) {
	user := NewID(t)
	kept := startSession(t, nodes[0], newSession(t, o, user))
	foreign := startSession(t, nodes[0], newSession(t, o, NewID(t)))
	keptToken, foreignToken := ownToken(t, o, nodes[0], kept), ownToken(t, o, nodes[0], foreign)
	provisioning := insertToken(t, nodes[0], o.token(t, "provisioning "+NewID(t)))
	var others []*scim.Token
	for range 3 {
		others = append(others, ownToken(t, o, nodes[0], startSession(t, nodes[0], newSession(t, o, user))))
	}
	if n, err := nodes[1].EndSessions(t.Context(), user, kept.ID, o.Clock.Now()); n != 3 || err != nil {
		t.Errorf("EndSessions = %d, %v, want 3", n, err)
	}
	for _, token := range others {
		wantRevoked(t, nodes[0], token, true)
	}
	wantRevoked(t, nodes[0], keptToken, false)
	if n, err := nodes[1].EndSessions(t.Context(), user, "", o.Clock.Now()); n != 1 || err != nil {
		t.Errorf("EndSessions of all = %d, %v, want 1", n, err)
	}
	wantRevoked(t, nodes[0], keptToken, true)
	wantRevoked(t, nodes[0], foreignToken, false)
	wantRevoked(t, nodes[0], provisioning, false)
	// Without a user nothing ends, least of all provisioning.
	if n, err := nodes[1].EndSessions(t.Context(), "", "", o.Clock.Now()); n != 0 || err != nil {
		t.Errorf("EndSessions of nobody = %d, %v, want 0", n, err)
	}
	wantRevoked(t, nodes[0], provisioning, false)
}

func sessionOwner(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := startSession(t, nodes[0], newSession(t, o, NewID(t)))
	_, err := nodes[1].LiveSession(t.Context(), NewID(t), s.ID, o.Clock.Now())
	wantIs(t, err, scim.ErrNotFound)
	_, err = nodes[1].LiveSession(t.Context(), s.UserID, NewID(t), o.Clock.Now())
	wantIs(t, err, scim.ErrNotFound)
}

// wantLive checks OwnerLive on every node.
func wantLive(t *testing.T, nodes []*storage.DB, userID, sessionID string, at time.Time, want bool) {
	t.Helper()
	for _, db := range nodes {
		if live, err := db.OwnerLive(t.Context(), userID, sessionID, at); live != want || err != nil {
			t.Errorf("OwnerLive = %v, %v, want %v", live, err, want)
		}
	}
}

func ownerActive(t *testing.T, o *Opener, nodes []*storage.DB) {
	rt := o.Type(t, "User")
	rec := Add(t, nodes[0], rt, o.User(t, "owner "+NewID(t)))
	other := Add(t, nodes[0], rt, o.User(t, "owner "+NewID(t)))
	s := startSession(t, nodes[0], newSession(t, o, rec.ID))
	now := o.Clock.Now()
	wantLive(t, nodes, rec.ID, s.ID, now, true)
	wantLive(t, nodes, rec.ID, s.ID, s.ExpiresAt, false)
	wantLive(t, nodes, other.ID, s.ID, now, false)
	wantLive(t, nodes, rec.ID, NewID(t), now, false)
	ghost := startSession(t, nodes[0], newSession(t, o, NewID(t)))
	wantLive(t, nodes, ghost.UserID, ghost.ID, now, false)
	for _, active := range []bool{false, true} {
		rec = o.Next(t, rec, func(user schema.Object) { user["active"] = active })
		err := nodes[0].InTx(t.Context(), func(ctx context.Context) error { return nodes[0].Update(ctx, rt, rec) })
		if err != nil {
			t.Fatalf("Update: %v", err)
		}
		wantLive(t, nodes, rec.ID, s.ID, now, active)
	}
	err := nodes[0].InTx(t.Context(), func(ctx context.Context) error { return nodes[0].Delete(ctx, rt, rec.ID) })
	if err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantLive(t, nodes, rec.ID, s.ID, now, false)
	if got := liveIDs(t, o, nodes[1], rec.ID); len(got) != 0 {
		t.Errorf("sessions of a deleted user: %v", got)
	}
}

func sessionRollsBack(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := startSession(t, nodes[0], newSession(t, o, NewID(t)))
	token := ownToken(t, o, nodes[0], s)
	undo := errors.New("undo")
	err := nodes[0].InTx(t.Context(), func(ctx context.Context) error {
		if n, err := nodes[0].EndSessions(ctx, s.UserID, "", o.Clock.Now()); n != 1 || err != nil {
			return fmt.Errorf("EndSessions = %d, %w", n, err)
		}
		if _, err := nodes[0].LiveSession(ctx, s.UserID, s.ID, o.Clock.Now()); !errors.Is(err, scim.ErrNotFound) {
			return fmt.Errorf("the transaction still sees the session: %w", err)
		}
		return undo
	})
	wantIs(t, err, undo)
	wantRevoked(t, nodes[1], token, false)
	if got := liveIDs(t, o, nodes[1], s.UserID); len(got) != 1 {
		t.Errorf("sessions after the roll-back %v", got)
	}
}

func sessionChecked(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := newSession(t, o, NewID(t))
	s.Proofs = nil
	if err := nodes[0].StartSession(t.Context(), s); err == nil {
		t.Error("a session without a proof was stored")
	}
	good := startSession(t, nodes[0], newSession(t, o, s.UserID))
	if err := nodes[1].StartSession(t.Context(), good); err == nil {
		t.Error("an id was taken twice")
	}
}

func sessionRace(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := startSession(t, nodes[0], newSession(t, o, NewID(t)))
	token := ownToken(t, o, nodes[0], s)
	var ended atomic.Int64
	var wg sync.WaitGroup
	for n := range 40 {
		wg.Go(func() {
			did, err := nodes[n%2].EndSession(t.Context(), s.UserID, s.ID, o.Clock.Now())
			if err != nil {
				t.Errorf("EndSession: %v", err)
			}
			if did {
				ended.Add(1)
			}
		})
	}
	wg.Wait()
	if ended.Load() != 1 {
		t.Errorf("%d calls ended the session, want 1", ended.Load())
	}
	wantRevoked(t, nodes[0], token, true)
}

func sessionSwept(t *testing.T, o *Opener, nodes []*storage.DB) {
	over := startSession(t, nodes[0], newSession(t, o, NewID(t)))
	o.Clock.Advance(time.Hour)
	live := startSession(t, nodes[0], newSession(t, o, over.UserID))
	swept, err := nodes[1].Sweep(t.Context())
	if err != nil || swept.Sessions < 1 {
		t.Errorf("Sweep = %+v, %v", swept, err)
	}
	// At the time when it lived it is not there either.
	all, err := nodes[0].LiveSessions(t.Context(), over.UserID, over.CreatedAt)
	if err != nil || len(all) != 1 || all[0].ID != live.ID {
		t.Errorf("sessions after the sweep %v, %v, want %s alone", all, err, live.ID)
	}
}

// PasswordStates is the conformance suite of validation.PasswordStore.
func PasswordStates(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	user := NewID(t)
	check := func(what string, want validation.PasswordState) {
		t.Helper()
		got, err := nodes[1].Password(t.Context(), user)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	check("at first", validation.PasswordState{})
	if has, err := nodes[0].SetPasswordTime(t.Context(), user, o.Clock.Now()); has || err != nil {
		t.Errorf("SetPasswordTime without a password = %v, %v", has, err)
	}
	if err := nodes[0].SetMustChange(t.Context(), user, true); err != nil {
		t.Fatal(err)
	}
	check("must change", validation.PasswordState{MustChange: true})
	at := o.Clock.Now()
	if err := nodes[0].SetPassword(t.Context(), user, "$hash$", at); err != nil {
		t.Fatal(err)
	}
	check("set", validation.PasswordState{Hash: "$hash$", ChangedAt: at, MustChange: true})
	if credential, _, err := nodes[1].Epochs(t.Context(), user, "x"); credential != 1 || err != nil {
		t.Errorf("credential epoch %d, %v, want 1", credential, err)
	}
	if err := nodes[0].SetMustChange(t.Context(), user, false); err != nil {
		t.Fatal(err)
	}
	if has, err := nodes[0].SetPasswordTime(t.Context(), user, time.Time{}); !has || err != nil {
		t.Errorf("SetPasswordTime = %v, %v", has, err)
	}
	check("time cleared", validation.PasswordState{Hash: "$hash$"})
	if err := nodes[0].SetPassword(t.Context(), user, "", at); err != nil {
		t.Fatal(err)
	}
	check("removed", validation.PasswordState{})
	passwordWaits(t, o, nodes, user)
}

// passwordWaits: of two transactions that read the password to change it, the
// second sees what the first wrote.
func passwordWaits(t *testing.T, o *Opener, nodes []*storage.DB, user string) {
	t.Helper()
	var won atomic.Int64
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			db := nodes[n%2]
			mine := false
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				mine = false
				state, err := db.Password(ctx, user)
				if err != nil || state.Hash != "" {
					return err
				}
				mine = true
				return db.SetPassword(ctx, user, fmt.Sprint("$", n), o.Clock.Now())
			})
			if err != nil {
				t.Errorf("change password: %v", err)
			}
			if mine {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d transactions took the same password for the present one, want 1", won.Load())
	}
}
