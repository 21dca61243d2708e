package storagetest

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/oidc/keys"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/storage"
)

// OAuth is the conformance suite of the stores of packages oidc and oidc/keys.
func OAuth(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"clients", oauthClients},
		{"services own their scopes", oauthServices},
		{"a grant comes back as it was stored", oauthGrants},
		{"a code is consumed by one caller", oauthCodeRace},
		{"a refresh token is consumed by one caller", oauthRefreshRace},
		{"a grant lives with user, client and session", oauthLiveGrant},
		{"a session has one name for each client", oauthSIDs},
		{"opaque access tokens expire", oauthAccess},
		{"consents keep their history", oauthConsents},
		{"a pushed request is consumed by one caller", oauthPushed},
		{"devices", oauthDevices},
		{"a key is used once until it expires", oauthReplays},
		{"logout notices are taken by one node", oauthLogouts},
		{"signing keys: one next, one active", signingKeys},
		{"a deleted user takes everything along", oauthUserDeleted},
		{"a deleted client takes everything along", oauthClientDeleted},
		{"the janitor takes what is over", oauthSwept},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

func hashed(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// must ends the test on an error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// wantSays fails unless err is the sentinel.
func wantSays(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func newClient(t *testing.T, o *Opener, db *storage.DB) oidc.Client {
	t.Helper()
	now, age := o.Clock.Now(), int64(300)
	c := oidc.Client{
		ID: NewID(t), Name: "App", Type: oidc.Web, AuthMethod: oidc.SecretBasic, RegistrationHash: hashed("token"),
		Secrets:      []oidc.ClientSecret{{Hash: hashed("secret"), CreatedAt: now}},
		RedirectURIs: []string{"https://app.example.com/cb"}, BackchannelLogoutURI: "https://app.example.com/bye",
		JWKS: json.RawMessage(`{"keys":[]}`), GrantTypes: []string{oidc.GrantCode}, Scopes: []string{"openid"},
		DefaultMaxAge: &age, RefreshGrace: 10 * time.Second, CreatedAt: now, UpdatedAt: now,
	}
	must(t, db.InsertClient(t.Context(), c))
	return c
}

func oauthClients(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, c := t.Context(), newClient(t, o, nodes[0])
	got, err := nodes[1].Client(ctx, c.ID)
	if diff := cmp.Diff(c, got); err != nil || diff != "" {
		t.Errorf("Client: %v (-stored +read):\n%s", err, diff)
	}
	wantSays(t, "the same id again", nodes[1].InsertClient(ctx, c), oidc.ErrTaken)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := nodes[i%2].UpdateClient(ctx, c.ID, func(c *oidc.Client) error {
				c.Contacts = append(c.Contacts, NewID(t))
				return nil
			})
			if err != nil {
				t.Errorf("UpdateClient: %v", err)
			}
		})
	}
	wg.Wait()
	if got, err = nodes[0].Client(ctx, c.ID); err != nil || len(got.Contacts) != 8 {
		t.Errorf("after 8 edits at once: %d contacts, %v, want 8", len(got.Contacts), err)
	}
	stop := errors.New("stop")
	_, err = nodes[0].UpdateClient(ctx, c.ID, func(c *oidc.Client) error { c.Name = "x"; return stop })
	wantSays(t, "an edit that fails", err, stop)
	if got, _ = nodes[0].Client(ctx, c.ID); got.Name != "App" {
		t.Errorf("an edit that failed was stored: %q", got.Name)
	}
	_, err = nodes[0].Client(ctx, "nobody")
	wantSays(t, "unknown client", err, oidc.ErrNotFound)
	for _, id := range []string{"a\x00b", "\xff"} {
		_, err = nodes[0].Client(ctx, id)
		wantSays(t, "client of no text", err, oidc.ErrNotFound)
		_, err = nodes[0].Pushed(ctx, id)
		wantSays(t, "pushed request of no text", err, oidc.ErrNotFound)
	}
	_, err = nodes[0].UpdateClient(ctx, "nobody", func(*oidc.Client) error { return nil })
	wantSays(t, "update of an unknown client", err, oidc.ErrNotFound)
	wantSays(t, "deletion of an unknown client", nodes[0].DeleteClient(ctx, "nobody"), oidc.ErrNotFound)
	if all, err := nodes[0].Clients(ctx); err != nil || !slices.IsSortedFunc(all, func(a, b oidc.Client) int { return cmpText(a.ID, b.ID) }) {
		t.Errorf("Clients: %v, want them by id", err)
	}
}

func cmpText(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

func oauthServices(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, now := t.Context(), o.Clock.Now()
	bank := oidc.Service{
		Name: "bank", Audience: "https://bank.example.com", SecretHash: hashed("s"), CreatedAt: now,
		Scopes: []oidc.ServiceScope{{Name: "payments", RequiredACR: "MFA", FreshAtConsent: true}},
	}
	must(t, nodes[0].InsertService(ctx, bank))
	got, err := nodes[1].Services(ctx)
	if diff := cmp.Diff([]oidc.Service{bank}, got); err != nil || diff != "" {
		t.Errorf("Services: %v (-stored +read):\n%s", err, diff)
	}
	one, err := nodes[1].Service(ctx, "bank")
	if diff := cmp.Diff(bank, one); err != nil || diff != "" {
		t.Errorf("Service: %v (-stored +read):\n%s", err, diff)
	}
	_, err = nodes[1].Service(ctx, "none")
	wantSays(t, "no service", err, oidc.ErrNotFound)
	for what, s := range map[string]oidc.Service{
		"name":     {Name: "bank", Audience: "other", CreatedAt: now},
		"audience": {Name: "other", Audience: bank.Audience, CreatedAt: now},
		"scope":    {Name: "other", Audience: "other", Scopes: bank.Scopes, CreatedAt: now},
	} {
		wantSays(t, "the same "+what, nodes[1].InsertService(ctx, s), oidc.ErrTaken)
	}
	must(t, nodes[0].InsertService(ctx, oidc.Service{Name: "other", Audience: "other", CreatedAt: now}))
	_, err = nodes[0].UpdateService(ctx, "other", func(s *oidc.Service) error { s.Audience = bank.Audience; return nil })
	wantSays(t, "update to a taken audience", err, oidc.ErrTaken)
	_, err = nodes[0].UpdateService(ctx, "other", func(s *oidc.Service) error { s.Scopes = bank.Scopes; return nil })
	wantSays(t, "update to a taken scope", err, oidc.ErrTaken)
	must(t, nodes[1].DeleteService(ctx, "bank"))
	_, err = nodes[0].UpdateService(ctx, "other", func(s *oidc.Service) error { s.Scopes = bank.Scopes; return nil })
	must(t, err)
	wantSays(t, "second deletion", nodes[0].DeleteService(ctx, "bank"), oidc.ErrNotFound)
	must(t, nodes[0].DeleteService(ctx, "other"))
}

// newGrant is a grant with a code, not stored.
func newGrant(t *testing.T, o *Opener, c oidc.Client, userID, sessionID string) oidc.Grant {
	t.Helper()
	now := o.Clock.Now()
	id := NewID(t)
	return oidc.Grant{
		ID: id, ClientID: c.ID, UserID: userID, SessionID: sessionID, SID: "sid", Scopes: []string{"openid"},
		Audience: []string{"a"}, ACR: "MFA", AMR: []string{"otp", "pwd"}, AuthTime: now, FirstACR: "Default", FirstAMR: []string{"pwd"},
		Claims: json.RawMessage(`{"userinfo":{}}`), Nonce: "n", CodeHash: hashed("code " + id), CodeExpiresAt: now.Add(time.Minute),
		RedirectURI: "https://app.example.com/cb", CodeChallenge: "c", CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

func oauthGrants(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, c := t.Context(), newClient(t, o, nodes[0])
	g := newGrant(t, o, c, "", "")
	must(t, nodes[0].InsertGrant(ctx, g))
	got, err := nodes[1].GrantByCode(ctx, g.CodeHash)
	if diff := cmp.Diff(g, got); err != nil || diff != "" {
		t.Errorf("GrantByCode: %v (-stored +read):\n%s", err, diff)
	}
	wantSays(t, "code of another client", nodes[0].ConsumeCode(ctx, g.CodeHash, "other", "", o.Clock.Now()), oidc.ErrNotFound)
	wantSays(t, "expired code", nodes[0].ConsumeCode(ctx, g.CodeHash, c.ID, "", g.CodeExpiresAt), oidc.ErrNotFound)
	wantSays(t, "unknown code", nodes[0].ConsumeCode(ctx, hashed("x"), c.ID, "", o.Clock.Now()), oidc.ErrNotFound)
	must(t, nodes[0].ConsumeCode(ctx, g.CodeHash, c.ID, "thumb", o.Clock.Now()), nodes[0].BindGrant(ctx, g.ID, "second"))
	if got, err = nodes[1].Grant(ctx, g.ID); err != nil || got.KeyThumbprint != "thumb" || got.CodeUsedAt.IsZero() {
		t.Errorf("after use: key %q, used %v, %v", got.KeyThumbprint, got.CodeUsedAt, err)
	}
	wantSays(t, "second use", nodes[1].ConsumeCode(ctx, g.CodeHash, c.ID, "", o.Clock.Now()), oidc.ErrUsed)
	for _, want := range []bool{true, false} {
		if live, err := nodes[0].RevokeGrant(ctx, g.ID, o.Clock.Now()); err != nil || live != want {
			t.Errorf("RevokeGrant = %t, %v, want %t", live, err, want)
		}
	}
	_, err = nodes[0].LiveGrant(ctx, g.ID, o.Clock.Now())
	wantSays(t, "revoked grant", err, oidc.ErrNotFound)
}

// raceOnce runs 16 calls at once on both nodes: one succeeds, the others are
// told that it was used.
func raceOnce(t *testing.T, nodes []*storage.DB, used error, call func(*storage.DB) error) {
	t.Helper()
	results := make(chan error, 16)
	var wg sync.WaitGroup
	for i := range cap(results) {
		wg.Go(func() { results <- call(nodes[i%2]) })
	}
	wg.Wait()
	close(results)
	won := 0
	for err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, used) {
			t.Errorf("a loser got %v, want %v", err, used)
		}
	}
	if won != 1 {
		t.Errorf("%d calls succeeded, want 1", won)
	}
}

func oauthCodeRace(t *testing.T, o *Opener, nodes []*storage.DB) {
	c := newClient(t, o, nodes[0])
	g := newGrant(t, o, c, "", "")
	must(t, nodes[0].InsertGrant(t.Context(), g))
	raceOnce(t, nodes, oidc.ErrUsed, func(db *storage.DB) error {
		return db.ConsumeCode(t.Context(), g.CodeHash, c.ID, "", o.Clock.Now())
	})
}

func oauthRefreshRace(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, now := t.Context(), o.Clock.Now()
	r := oidc.Refresh{Hash: hashed(NewID(t)), GrantID: NewID(t), Scopes: []string{"openid"}, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	must(t, nodes[0].InsertRefresh(ctx, r))
	got, err := nodes[1].RefreshByHash(ctx, r.Hash)
	if diff := cmp.Diff(r, got); err != nil || diff != "" {
		t.Errorf("RefreshByHash: %v (-stored +read):\n%s", err, diff)
	}
	wantSays(t, "expired", nodes[0].ConsumeRefresh(ctx, r.Hash, hashed("n"), r.ExpiresAt), oidc.ErrNotFound)
	raceOnce(t, nodes, oidc.ErrUsed, func(db *storage.DB) error { return db.ConsumeRefresh(ctx, r.Hash, hashed("n"), now) })
	if got, err = nodes[0].RefreshByHash(ctx, r.Hash); err != nil || !slices.Equal(got.Successor, hashed("n")) {
		t.Errorf("successor %x, %v", got.Successor, err)
	}
	wantSays(t, "unknown", nodes[0].ConsumeRefresh(ctx, hashed("x"), nil, now), oidc.ErrNotFound)
}

// live starts a session of a new user.
func live(t *testing.T, o *Opener, db *storage.DB) (userID, sessionID string) {
	t.Helper()
	user := Add(t, db, o.Type(t, "User"), o.User(t, NewID(t)))
	return user.ID, startSession(t, db, newSession(t, o, user.ID)).ID
}

func oauthLiveGrant(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, db, c := t.Context(), nodes[0], newClient(t, o, nodes[0])
	user, session := live(t, o, db)
	bound, offline := newGrant(t, o, c, user, session), newGrant(t, o, c, user, "")
	offline.Offline = true
	must(t, db.InsertGrant(ctx, bound), db.InsertGrant(ctx, offline))
	for _, g := range []oidc.Grant{bound, offline} {
		must(t, db.InsertAccess(ctx, oidc.Access{
			Hash: hashed("live " + g.ID), GrantID: g.ID, Scopes: []string{"openid"}, Audience: []string{"x"},
			CreatedAt: o.Clock.Now(), ExpiresAt: o.Clock.Now().Add(time.Minute),
		}))
	}
	// Both ways of asking agree.
	alive := func(g oidc.Grant) bool {
		want, err := nodes[1].LiveGrant(ctx, g.ID, o.Clock.Now())
		if err != nil {
			wantSays(t, "LiveGrant", err, oidc.ErrNotFound)
		}
		a, got, other := nodes[1].LiveAccess(ctx, hashed("live "+g.ID), o.Clock.Now())
		if other != nil {
			wantSays(t, "LiveAccess", other, oidc.ErrNotFound)
		}
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (other == nil) || err == nil && (a.GrantID != g.ID || len(a.Scopes) != 1) {
			t.Errorf("LiveGrant %v, LiveAccess %v of %+v (-grant +access):\n%s", err, other, a, diff)
		}
		return err == nil
	}
	if !alive(bound) || !alive(offline) {
		t.Fatal("a fresh grant is not live")
	}
	set := func(disabled bool) {
		_, err := db.UpdateClient(ctx, c.ID, func(c *oidc.Client) error { c.Disabled = disabled; return nil })
		must(t, err)
	}
	if set(true); alive(offline) {
		t.Error("the grant of a disabled client is live")
	}
	set(false)
	if _, err := db.EndSession(ctx, user, session, o.Clock.Now()); err != nil || alive(bound) || !alive(offline) {
		t.Errorf("after the session (%v): bound %t, offline %t, want only the latter", err, alive(bound), alive(offline))
	}
	rec, err := db.Get(ctx, o.Type(t, "User"), user, "")
	must(t, err)
	rec.Object = schema.Object{"id": user, "userName": user, "active": true}
	must(t, db.Update(ctx, o.Type(t, "User"), o.Next(t, rec, func(u schema.Object) { u["active"] = false })))
	if alive(offline) {
		t.Error("the grant of an inactive user is live")
	}
	if n, err := db.RevokeGrants(ctx, user, "", o.Clock.Now()); err != nil || n != 1 {
		t.Errorf("RevokeGrants = %d, %v, want the 1 that the session had not ended", n, err)
	}
	if n, err := db.RevokeGrants(ctx, "", "", o.Clock.Now()); err != nil || n != 0 {
		t.Errorf("RevokeGrants of nobody = %d, %v, want 0", n, err)
	}
}

func oauthSIDs(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, c := t.Context(), newClient(t, o, nodes[0])
	user, session := live(t, o, nodes[0])
	names := make(chan string, 8)
	var wg sync.WaitGroup
	for i := range cap(names) {
		wg.Go(func() {
			sid, err := nodes[i%2].SID(ctx, session, c.ID, o.Clock.Now())
			if err != nil {
				t.Errorf("SID: %v", err)
			}
			names <- sid
		})
	}
	wg.Wait()
	close(names)
	first := <-names
	for sid := range names {
		if sid != first || sid == "" {
			t.Errorf("names %q and %q of one session at one client", first, sid)
		}
	}
	other, err := nodes[0].SID(ctx, session, newClient(t, o, nodes[0]).ID, o.Clock.Now())
	if err != nil || other == first {
		t.Errorf("another client's name %q, %v, want another", other, err)
	}
	if s, u, err := nodes[1].SessionOfSID(ctx, first, c.ID); err != nil || s != session || u != user {
		t.Errorf("SessionOfSID = %s, %s, %v", s, u, err)
	}
	_, _, err = nodes[0].SessionOfSID(ctx, other, c.ID)
	wantSays(t, "the name at another client", err, oidc.ErrNotFound)
	_, err = nodes[0].SID(ctx, "none", c.ID, o.Clock.Now())
	wantSays(t, "no session", err, oidc.ErrNotFound)
	_, err = nodes[0].EndSession(ctx, user, session, o.Clock.Now())
	must(t, err)
	_, _, err = nodes[0].SessionOfSID(ctx, first, c.ID)
	wantSays(t, "after the session", err, oidc.ErrNotFound)
}

func oauthAccess(t *testing.T, o *Opener, nodes []*storage.DB) {
	now := o.Clock.Now()
	a := oidc.Access{
		Hash: hashed(NewID(t)), GrantID: NewID(t), Scopes: []string{"openid"}, Audience: []string{"x"}, CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}
	must(t, nodes[0].InsertAccess(t.Context(), a))
	got, err := nodes[1].AccessByHash(t.Context(), a.Hash, now)
	if diff := cmp.Diff(a, got); err != nil || diff != "" {
		t.Errorf("AccessByHash: %v (-stored +read):\n%s", err, diff)
	}
	_, _, err = nodes[1].LiveAccess(t.Context(), a.Hash, now)
	wantSays(t, "without its grant", err, oidc.ErrNotFound)
	_, err = nodes[1].AccessByHash(t.Context(), a.Hash, a.ExpiresAt)
	wantSays(t, "expired", err, oidc.ErrNotFound)
}

func oauthConsents(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, db, now, user := t.Context(), nodes[0], o.Clock.Now(), NewID(t)
	if c, err := db.Consent(ctx, user, "app"); err != nil || !c.UpdatedAt.IsZero() {
		t.Errorf("before any: %v, %v", c, err)
	}
	first := oidc.Consent{UserID: user, ClientID: "app", Scopes: map[string]oidc.ConsentState{"openid": oidc.Granted}, UpdatedAt: now}
	second := first
	second.Scopes, second.UpdatedAt = map[string]oidc.ConsentState{"openid": oidc.Denied}, now.Add(time.Second)
	must(t, db.SaveConsent(ctx, first), db.SaveConsent(ctx, second))
	got, err := nodes[1].Consents(ctx, user)
	if diff := cmp.Diff([]oidc.Consent{second}, got); err != nil || diff != "" {
		t.Errorf("Consents: %v (-want +got):\n%s", err, diff)
	}
	for _, want := range []bool{true, false} {
		if was, err := db.DeleteConsent(ctx, user, "app", now.Add(2*time.Second)); err != nil || was != want {
			t.Errorf("DeleteConsent = %t, %v, want %t", was, err, want)
		}
	}
	third := second
	third.Scopes, third.UpdatedAt = map[string]oidc.ConsentState{"openid": oidc.Revoked}, now.Add(2*time.Second)
	history, err := nodes[1].ConsentHistory(ctx, user)
	if diff := cmp.Diff([]oidc.Consent{first, second, third}, history); err != nil || diff != "" {
		t.Errorf("ConsentHistory: %v (-want +got):\n%s", err, diff)
	}
}

func oauthPushed(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, now := t.Context(), o.Clock.Now()
	p := oidc.Pushed{ID: NewID(t), ClientID: "app", Params: map[string]string{"state": "x"}, KeyThumbprint: "k", ExpiresAt: now.Add(time.Minute)}
	must(t, nodes[0].InsertPushed(ctx, p))
	got, err := nodes[1].Pushed(ctx, p.ID)
	if diff := cmp.Diff(p, got); err != nil || diff != "" {
		t.Errorf("Pushed: %v (-stored +read):\n%s", err, diff)
	}
	raceOnce(t, nodes, oidc.ErrUsed, func(db *storage.DB) error { return db.ConsumePushed(ctx, p.ID, now) })
	_, err = nodes[0].Pushed(ctx, "none")
	wantSays(t, "unknown", err, oidc.ErrNotFound)
}

func oauthDevices(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, now := t.Context(), o.Clock.Now()
	d := oidc.DeviceAuthorization{
		CodeHash: hashed(NewID(t)), UserCodeHash: hashed(NewID(t)), ClientID: "app", Scopes: []string{"openid"}, ACRValues: []string{"MFA"},
		State: oidc.DevicePending, Interval: 5 * time.Second, ExpiresAt: now.Add(time.Minute),
	}
	must(t, nodes[0].InsertDevice(ctx, d))
	got, err := nodes[1].DeviceByUserCode(ctx, d.UserCodeHash)
	if diff := cmp.Diff(d, got); err != nil || diff != "" {
		t.Errorf("DeviceByUserCode: %v (-stored +read):\n%s", err, diff)
	}
	twin := d
	twin.CodeHash = hashed(NewID(t))
	wantSays(t, "the same user code", nodes[1].InsertDevice(ctx, twin), oidc.ErrTaken)
	for i, want := range []bool{false, true} {
		if got, soon, err := nodes[i].PollDevice(ctx, d.CodeHash, now); err != nil || soon != want {
			t.Errorf("poll %d = %v, too soon %t, %v, want %t", i, got.Interval, soon, err, want)
		}
	}
	if got, soon, err := nodes[0].PollDevice(ctx, d.CodeHash, now.Add(10*time.Second)); err != nil || soon || got.Interval != 10*time.Second {
		t.Errorf("after 10 s: interval %v, too soon %t, %v, want 10 s", got.Interval, soon, err)
	}
	raceOnce(t, nodes, oidc.ErrUsed, func(db *storage.DB) error {
		return db.SettleDevice(ctx, d.CodeHash, oidc.DevicePending, oidc.DeviceApproved, "g")
	})
	if got, err = nodes[0].DeviceByCode(ctx, d.CodeHash); err != nil || got.State != oidc.DeviceApproved || got.GrantID != "g" {
		t.Errorf("after approval: %s %s, %v", got.State, got.GrantID, err)
	}
	_, _, err = nodes[0].PollDevice(ctx, hashed("x"), now)
	wantSays(t, "unknown", err, oidc.ErrNotFound)
}

func oauthReplays(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, key, until := t.Context(), NewID(t), o.Clock.Now().Add(time.Minute)
	seen := errors.New("seen before")
	raceOnce(t, nodes, seen, func(db *storage.DB) error {
		first, err := db.UseOnce(ctx, "dpop", key, until)
		if err == nil && !first {
			err = seen
		}
		return err
	})
	if first, err := nodes[0].UseOnce(ctx, "assertion", key, until); err != nil || !first {
		t.Errorf("the same key of another kind = %t, %v, want first", first, err)
	}
}

func oauthLogouts(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, c := t.Context(), newClient(t, o, nodes[0])
	quiet := newClient(t, o, nodes[0])
	_, err := nodes[0].UpdateClient(ctx, quiet.ID, func(c *oidc.Client) error { c.BackchannelLogoutURI = ""; return nil })
	must(t, err)
	user, session := live(t, o, nodes[0])
	sid, err := nodes[0].SID(ctx, session, c.ID, o.Clock.Now())
	must(t, err)
	_, err = nodes[0].SID(ctx, session, quiet.ID, o.Clock.Now())
	must(t, err)
	_, err = nodes[0].EndSessions(ctx, user, "", o.Clock.Now())
	must(t, err)
	mine := func(until time.Time) []oidc.LogoutNotice {
		var out []oidc.LogoutNotice
		for _, db := range nodes {
			got, err := db.ClaimLogouts(ctx, o.Clock.Now(), until, 100)
			must(t, err)
			for _, n := range got {
				if n.UserID == user {
					out = append(out, n)
				}
			}
		}
		return out
	}
	got := mine(o.Clock.Now().Add(time.Minute))
	want := []oidc.LogoutNotice{{ID: sid, ClientID: c.ID, SID: sid, UserID: user, Attempts: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("notices of an ended session (-want +got):\n%s", diff)
	}
	must(t, nodes[0].PostponeLogout(ctx, sid, o.Clock.Now()))
	if got := mine(o.Clock.Now().Add(time.Minute)); len(got) != 1 || got[0].Attempts != 2 {
		t.Errorf("postponed: %v, want it again", got)
	}
	must(t, nodes[0].PostponeLogout(ctx, sid, o.Clock.Now()), nodes[1].RemoveLogout(ctx, sid))
	if got := mine(o.Clock.Now().Add(time.Minute)); len(got) != 0 {
		t.Errorf("removed: %v, want none", got)
	}
}

func signingKeys(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, now := t.Context(), o.Clock.Now()
	key := func(id string, s keys.State) keys.Stored {
		return keys.Stored{ID: id, Alg: "ES256", State: s, Private: []byte("private " + id), CreatedAt: now, ChangedAt: now}
	}
	second := errors.New("second")
	raceOnce(t, nodes, second, func(db *storage.DB) error {
		first, err := db.InsertSigningKey(ctx, key(NewID(t), keys.Active))
		if err == nil && !first {
			err = second
		}
		return err
	})
	stored, err := nodes[1].SigningKeys(ctx)
	if err != nil || len(stored) != 1 || string(stored[0].Private) != "private "+stored[0].ID {
		t.Fatalf("SigningKeys = %v, %v, want the one with its private part", stored, err)
	}
	active := stored[0].ID
	if first, err := nodes[0].InsertSigningKey(ctx, key("next", keys.Next)); err != nil || !first {
		t.Fatalf("InsertSigningKey next = %t, %v", first, err)
	}
	move := func(id string, from, to keys.State, want bool) {
		t.Helper()
		if moved, err := nodes[1].MoveSigningKey(ctx, id, from, to, now); err != nil || moved != want {
			t.Errorf("MoveSigningKey(%s, %s, %s) = %t, %v, want %t", id, from, to, moved, err, want)
		}
	}
	move("next", keys.Next, keys.Active, false) // there is one
	move("next", keys.Active, keys.Retired, false)
	move(active, keys.Active, keys.Retired, true)
	move("next", keys.Next, keys.Active, true)
	must(t, nodes[0].DeleteSigningKey(ctx, "next"), nodes[0].DeleteSigningKey(ctx, active))
	if stored, err = nodes[0].SigningKeys(ctx); err != nil || len(stored) != 1 || stored[0].ID != "next" {
		t.Errorf("only a retired key goes: %v, %v", stored, err)
	}
	events, err := nodes[0].Events(ctx, audit.Filter{Name: "key.", Target: "next"})
	must(t, err)
	var names []audit.Name
	for _, e := range events {
		names = append(names, e.Name)
	}
	slices.Sort(names) // two nodes wrote them at one moment
	if diff := cmp.Diff([]audit.Name{audit.KeyActivated, audit.KeyCreated}, names); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// belongings stores one of everything of a user at a client.
func belongings(t *testing.T, o *Opener, db *storage.DB) (user string, c oidc.Client, g oidc.Grant) {
	t.Helper()
	ctx, now := t.Context(), o.Clock.Now()
	c = newClient(t, o, db)
	user, session := live(t, o, db)
	g = newGrant(t, o, c, user, session)
	_, err := db.SID(ctx, session, c.ID, now)
	must(t, err, db.InsertGrant(ctx, g),
		db.InsertRefresh(ctx, oidc.Refresh{Hash: hashed("r" + g.ID), GrantID: g.ID, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}),
		db.InsertAccess(ctx, oidc.Access{Hash: hashed("a" + g.ID), GrantID: g.ID, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}),
		db.SaveConsent(ctx, oidc.Consent{UserID: user, ClientID: c.ID, UpdatedAt: now}))
	return user, c, g
}

// wantGone fails while anything of a grant is left.
func wantGone(t *testing.T, o *Opener, db *storage.DB, user string, g oidc.Grant) {
	t.Helper()
	ctx := t.Context()
	_, err := db.Grant(ctx, g.ID)
	wantSays(t, "grant", err, oidc.ErrNotFound)
	_, err = db.RefreshByHash(ctx, hashed("r"+g.ID))
	wantSays(t, "refresh token", err, oidc.ErrNotFound)
	_, err = db.AccessByHash(ctx, hashed("a"+g.ID), o.Clock.Now())
	wantSays(t, "access token", err, oidc.ErrNotFound)
	if all, err := db.Consents(ctx, user); err != nil || len(all) != 0 {
		t.Errorf("consents %v, %v, want none", all, err)
	}
}

func oauthUserDeleted(t *testing.T, o *Opener, nodes []*storage.DB) {
	user, c, g := belongings(t, o, nodes[0])
	must(t, nodes[0].Delete(t.Context(), o.Type(t, "User"), user))
	wantGone(t, o, nodes[1], user, g)
	if all, err := nodes[0].ConsentHistory(t.Context(), user); err != nil || len(all) != 0 {
		t.Errorf("history %v, %v, want none", all, err)
	}
	due, err := nodes[1].ClaimLogouts(t.Context(), o.Clock.Now(), o.Clock.Now().Add(time.Second), 100)
	if err != nil || !slices.ContainsFunc(due, func(n oidc.LogoutNotice) bool { return n.ClientID == c.ID && n.UserID == user }) {
		t.Errorf("notices %v, %v, want one for the client", due, err)
	}
}

func oauthClientDeleted(t *testing.T, o *Opener, nodes []*storage.DB) {
	user, c, g := belongings(t, o, nodes[0])
	must(t, nodes[0].DeleteClient(t.Context(), c.ID))
	wantGone(t, o, nodes[1], user, g)
	_, err := nodes[1].Client(t.Context(), c.ID)
	wantSays(t, "client", err, oidc.ErrNotFound)
}

func oauthSwept(t *testing.T, o *Opener, nodes []*storage.DB) {
	ctx, db, now := t.Context(), nodes[0], o.Clock.Now()
	user, _, g := belongings(t, o, db)
	session := newSession(t, o, user)
	session.ExpiresAt = now.Add(48 * time.Hour)
	startSession(t, db, session)
	sid, err := db.SID(ctx, session.ID, g.ClientID, now)
	must(t, err, db.InsertPushed(ctx, oidc.Pushed{ID: "old " + g.ID, ExpiresAt: now}))
	o.Clock.Advance(3 * time.Hour)
	if swept, err := db.Sweep(ctx); err != nil || swept.Grants == 0 {
		t.Errorf("Sweep = %+v, %v, want grants removed", swept, err)
	}
	_, err = db.Grant(ctx, g.ID)
	wantSays(t, "grant", err, oidc.ErrNotFound)
	_, err = db.RefreshByHash(ctx, hashed("r"+g.ID))
	wantSays(t, "refresh token", err, oidc.ErrNotFound)
	_, err = db.Pushed(ctx, "old "+g.ID)
	wantSays(t, "pushed request", err, oidc.ErrNotFound)
	// A session that lives keeps its names, whatever has become of the grants.
	if s, _, err := db.SessionOfSID(ctx, sid, g.ClientID); err != nil || s != session.ID {
		t.Errorf("SessionOfSID = %s, %v, want the living session", s, err)
	}
	o.Clock.Advance(48 * time.Hour)
	if _, err := db.Sweep(ctx); err != nil {
		t.Fatalf("Sweep: %v", err)
	}
	_, _, err = db.SessionOfSID(ctx, sid, g.ClientID)
	wantSays(t, "the name of a session that is over", err, oidc.ErrNotFound)
}
